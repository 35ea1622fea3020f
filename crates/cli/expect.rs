//! `relaydrift expect`: what should be presented, read from exports and certificates, shown and stored.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, RecordBatch, StringArray, StringBuilder,
};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use relaydrift_datafusion::Expected;
use relaydrift_expect::{Imported, Kind, Reading, Rows};
use relaydrift_ingest::{BEGINNING, LogPath, Snapshot, Table, expected};
use relaydrift_lake::{Lake, import};
use relaydrift_parse::time;

use crate::args::{ExpectArgs, ExpectedArgs, Global};
use crate::escape::visible;
use crate::output::count;
use crate::{Exit, when};

/// Reads the files, shows what was understood, and stores it where a lake is named.
pub async fn run(args: ExpectArgs, global: &Global) -> Result<Exit> {
    let files = read(&args.paths, global.quiet)?;
    let shown = understood(&files)?;
    let mut writer = global.output.rows(&shown.schema())?;
    writer.write(&shown)?;
    writer.finish()?;
    let Some(location) = &args.lake else {
        if !global.quiet {
            tell!("nothing stored: name a lake with --lake DIR to keep it");
        }
        return Ok(Exit::Clean);
    };
    let lake = Lake::open_or_create(location).await?;
    let now = when::clock();
    let stored = snapshots(&lake, files, &args, now).await?;
    if stored.is_empty() {
        bail!("nothing to store: no file holds an object");
    }
    let rows = stored.clone();
    let committed = import(&lake, move |batch| {
        let mut batches = Vec::new();
        for (snapshot, file) in &rows {
            batches.extend(expected(std::slice::from_ref(file), snapshot, batch)?);
        }
        Ok(batches)
    })
    .await
    .with_context(|| format!("nothing was stored in the lake {location}"))?;
    if !global.quiet {
        tell!("batch {} is in {}", committed.batch, visible(location));
        for (snapshot, file) in &stored {
            let planned = matches!(file.rows, Some(Rows::PlannedChanges(_)));
            let since = match snapshot.valid_from {
                _ if planned => "as each change says".to_owned(),
                BEGINNING => "from the beginning (the first of its kind here)".to_owned(),
                time => format!("from {}", time::format(time)),
            };
            let path = file.path.display().to_string();
            tell!("  {}: counts {since}", visible(&path));
        }
    }
    Ok(Exit::Clean)
}

/// Reads files and folders; an error where one of them cannot be read whole.
fn read(paths: &[PathBuf], quiet: bool) -> Result<Vec<Imported>> {
    let Reading {
        files,
        left_out,
        errors,
    } = relaydrift_expect::read(paths);
    if !errors.is_empty() {
        let list = errors.iter().map(|error| format!("\n  {error}"));
        bail!(
            "nothing was imported, {} refused:{}",
            count(errors.len() as i64, "file"),
            list.collect::<String>()
        );
    }
    if files.is_empty() {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        bail!(
            "no export and no certificate in {}\n  the commands that write them: relaydrift collect",
            paths.join(", ")
        );
    }
    if !quiet {
        for (path, reason) in &left_out {
            let path = path.display().to_string();
            tell!("left out {}: {reason}", visible(&path));
        }
        for file in &files {
            let path = file.path.display().to_string();
            for note in &file.notes {
                tell!("{}: {}", visible(&path), visible(note));
            }
        }
    }
    Ok(files)
}

/// What `--expect` gave for one question.
#[derive(Debug, Default)]
pub struct Given {
    /// Rows for the tables, valid from the beginning.
    pub rows: Expected,
    /// Where servers write their logs.
    pub log_paths: Vec<LogPath>,
}

impl Given {
    /// Reads what the options name.
    pub fn read(args: &ExpectedArgs, organization: &str, quiet: bool) -> Result<Given> {
        let mut files = Vec::new();
        if !args.expect.is_empty() {
            files = read(&args.expect, quiet)?;
        }
        for path in &args.authorize {
            let bytes = relaydrift_expect::load(path)?;
            files.push(relaydrift_expect::read_planned(path, &bytes)?);
        }
        let snapshot = Snapshot {
            organization: organization.to_owned(),
            ..Snapshot::default()
        };
        let mut rows = std::collections::HashMap::<Table, Vec<RecordBatch>>::new();
        for (table, batch) in expected(&files, &snapshot, 0)? {
            rows.entry(table).or_default().push(batch);
        }
        let log_paths = rows
            .get(&Table::TransportServices)
            .map_or(Vec::new(), |batches| log_paths(batches, organization));
        Ok(Given {
            rows: Arc::new(rows),
            log_paths,
        })
    }
}

/// Where the servers of an organization write their logs, out of rows of `transport_services`; of several
/// snapshots all paths count, as logs may be older than the newest.
pub fn log_paths(batches: &[RecordBatch], organization: &str) -> Vec<LogPath> {
    let mut log_paths = Vec::new();
    for batch in batches {
        let text = |name: &str, at: usize| text(batch, name, at).map(str::to_owned);
        for at in 0..batch.num_rows() {
            if text("organization", at).as_deref() != Some(organization) {
                continue;
            }
            if let (Some(path), Some(server), Some(service)) = (
                text("send_log_path", at),
                text("server", at),
                text("service", at),
            ) {
                let log_path = LogPath {
                    path,
                    server,
                    service,
                };
                if !log_paths.contains(&log_path) {
                    log_paths.push(log_path);
                }
            }
        }
    }
    log_paths
}

/// Since when each file counts: as `--valid-from` says, else from now on, else (where nothing of the kind is
/// stored for its organization, tenant and servers) from the beginning, so that what happened before the
/// first import can be judged.
async fn snapshots(
    lake: &Lake,
    files: Vec<Imported>,
    args: &ExpectArgs,
    now: i64,
) -> Result<Vec<(Snapshot, Imported)>> {
    let mut snapshots = Vec::new();
    for file in files {
        let Some(rows) = &file.rows else {
            continue;
        };
        let valid_from = match args.valid_from {
            Some(from) => from.micros(now),
            None if rows.kind() == Kind::PlannedChanges => now,
            None if is_first(lake, rows, args).await? => BEGINNING,
            None => now,
        };
        let snapshot = Snapshot {
            organization: args.organization.clone(),
            tenant: args.tenant.clone(),
            valid_from,
        };
        snapshots.push((snapshot, file));
    }
    Ok(snapshots)
}

async fn is_first(lake: &Lake, rows: &Rows, args: &ExpectArgs) -> Result<bool> {
    let name = rows.kind().name();
    let Some(table) = Table::EXPECTED
        .into_iter()
        .find(|table| table.name() == name)
    else {
        return Ok(true);
    };
    // Whose rows they are: a server's, else a tenant's.
    let (column, whose): (&str, Vec<Option<&str>>) = match rows {
        Rows::Certificates(rows) => (
            "server",
            rows.iter().map(|row| row.server.as_deref()).collect(),
        ),
        Rows::TransportServices(rows) => (
            "server",
            rows.iter().map(|row| Some(row.server.as_str())).collect(),
        ),
        _ => ("tenant", tenants(rows, args.tenant.as_deref())),
    };
    // An export without rows is nobody's: any import of its kind, before it or after, counts as of the same.
    let here =
        |batch: &RecordBatch, at| text(batch, "organization", at) == Some(&args.organization);
    let stored = lake.read(table).await?.into_iter().any(|batch| {
        (0..batch.num_rows()).any(|at| {
            here(&batch, at) && (rows.is_empty() || whose.contains(&text(&batch, column, at)))
        })
    });
    let empty = lake.read(Table::Imports).await?.into_iter().any(|batch| {
        let objects = batch.column_by_name("objects");
        let objects = objects.and_then(|column| column.as_primitive_opt::<Int64Type>());
        (0..batch.num_rows()).any(|at| {
            here(&batch, at)
                && text(&batch, "kind", at) == Some(name)
                && objects.is_some_and(|objects| objects.value(at) == 0)
        })
    });
    Ok(!stored && !empty)
}

/// A text of a stored row.
fn text<'a>(batch: &'a RecordBatch, name: &str, at: usize) -> Option<&'a str> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(at).then(|| column.value(at))
}

/// The tenants of rows: the one that is named, else those that the export tells.
fn tenants<'a>(rows: &'a Rows, named: Option<&'a str>) -> Vec<Option<&'a str>> {
    let told = rows.tenants().into_iter();
    told.map(|told| named.or(told)).collect()
}

/// One object as it was understood.
struct Understood {
    name: Option<String>,
    server: Option<String>,
    says: Vec<String>,
}

/// What was understood, a row per object, and one for a file without any.
fn understood(files: &[Imported]) -> Result<RecordBatch> {
    let (mut paths, mut forms, mut kinds) = (Vec::new(), Vec::new(), Vec::new());
    let (mut names, mut servers) = (Vec::new(), Vec::new());
    let mut says = ListBuilder::new(StringBuilder::new());
    for file in files {
        let objects = file.rows.as_ref().map_or_else(Vec::new, objects);
        let none = Understood {
            name: None,
            server: None,
            says: file.notes.clone(),
        };
        let none = objects.is_empty().then_some(none);
        for object in objects.into_iter().chain(none) {
            paths.push(file.path.display().to_string());
            forms.push(file.form.as_str());
            kinds.push(file.rows.as_ref().map(|rows| rows.kind().name()));
            names.push(object.name);
            servers.push(object.server);
            object
                .says
                .iter()
                .for_each(|value| says.values().append_value(value));
            says.append(true);
        }
    }
    let says = says.finish();
    let columns: [(&str, ArrayRef); 6] = [
        ("kind", Arc::new(StringArray::from(kinds))),
        ("name", Arc::new(StringArray::from(names))),
        ("server", Arc::new(StringArray::from(servers))),
        ("says", Arc::new(says)),
        ("form", Arc::new(StringArray::from(forms))),
        ("path", Arc::new(StringArray::from(paths))),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| match column.data_type() {
            DataType::List(_) => {
                Field::new_list(*name, Field::new("item", DataType::Utf8, true), true)
            }
            other => Field::new(*name, other.clone(), true),
        })
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

/// `name value` for what is there.
fn said(facts: &[(&str, Option<String>)]) -> Vec<String> {
    let said = facts.iter().filter_map(|(name, value)| {
        let value = value.as_ref().filter(|value| !value.is_empty())?;
        Some(format!("{name} {value}"))
    });
    said.collect()
}

fn yes(value: Option<bool>, text: &str) -> Option<String> {
    (value == Some(true)).then(|| text.to_owned())
}

fn objects(rows: &Rows) -> Vec<Understood> {
    let list = |values: &[String]| Some(values.join(" "));
    match rows {
        Rows::InboundConnectors(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.name.clone()),
                server: None,
                says: said(&[
                    ("type", row.connector_type.clone()),
                    ("certificate", row.tls_sender_certificate_name.clone()),
                    ("addresses", list(&row.sender_ip_addresses)),
                    ("domains", list(&row.sender_domains)),
                ])
                .into_iter()
                .chain(yes(row.enabled.map(|enabled| !enabled), "DISABLED"))
                .collect(),
            })
            .collect(),
        Rows::SendConnectors(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.name.clone()),
                server: list(&row.source_transport_servers),
                says: said(&[
                    ("to", list(&row.address_spaces)),
                    ("through", list(&row.smart_hosts)),
                    ("fqdn", row.fqdn.clone()),
                    ("certificate", row.tls_certificate_name.clone()),
                    ("logging", row.protocol_logging_level.clone()),
                ]),
            })
            .collect(),
        Rows::AcceptedDomains(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.domain_name.clone()),
                server: None,
                says: row
                    .domain_type
                    .iter()
                    .cloned()
                    .chain(yes(row.is_default, "default"))
                    .chain(yes(row.match_subdomains, "and its subdomains"))
                    .collect(),
            })
            .collect(),
        Rows::Certificates(rows) => rows
            .iter()
            .map(|row| {
                let day = |time: i64| time::format(time).chars().take(10).collect::<String>();
                Understood {
                    name: Some(row.thumbprint.clone()),
                    server: row.server.clone(),
                    says: said(&[
                        ("names", list(&row.names)),
                        ("until", row.not_after.map(day)),
                        ("services", list(&row.services)),
                        ("chain", row.chain_role.clone()),
                        ("status", row.status.clone()),
                        ("issuer", row.issuer.clone()),
                    ]),
                }
            })
            .collect(),
        Rows::TransportServices(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.service.clone()),
                server: Some(row.server.clone()),
                says: match &row.send_log_path {
                    Some(path) => vec![path.clone()],
                    None => vec!["no path for send logs: it does not log".to_owned()],
                },
            })
            .collect(),
        Rows::OrganizationConfig(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.name.clone()),
                server: None,
                says: row
                    .reject_direct_send
                    .map(|on| format!("RejectDirectSend {on}"))
                    .into_iter()
                    .collect(),
            })
            .collect(),
        Rows::BlockedConnectors(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.connector_id.clone()),
                server: None,
                says: said(&[
                    ("blocked", row.created.map(time::format)),
                    ("reason", row.reason.clone()),
                ]),
            })
            .collect(),
        Rows::PlannedChanges(rows) => rows
            .iter()
            .map(|row| Understood {
                name: Some(row.id.clone()),
                server: None,
                says: said(&[
                    ("connector", Some(row.connector.clone())),
                    ("certificate", row.thumbprint.clone()),
                    ("address", row.address.clone()),
                    ("from", Some(time::format(row.from))),
                    ("until", Some(time::format(row.until))),
                ]),
            })
            .collect(),
    }
}
