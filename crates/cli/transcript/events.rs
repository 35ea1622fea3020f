//! Rows of `events`, made lines again.

use anyhow::{Context, Result};
use arrow::array::{Array, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::{DataFrame, Expr, SessionContext, col, lit};
use futures::StreamExt;
use relaydrift_ingest::Place;
use relaydrift_parse::{Columns, Record, time};

/// One row: the line as Exchange writes it, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Nine fields, without a line end.
    pub line: Box<[u8]>,
    /// Number of its place among the [`Names`].
    pub place: u32,
    /// Number of its source among the [`Names`].
    pub source: u32,
    /// Line of its file, from 1.
    pub number: u64,
}

/// The places and sources met, each once.
#[derive(Debug, Default)]
pub struct Names {
    /// Who wrote.
    pub places: Vec<Place>,
    /// The `source_id`s.
    pub sources: Vec<String>,
}

const COLUMNS: [&str; 17] = [
    "event_time",
    "organization",
    "server",
    "service",
    "connector_id",
    "session_id",
    "sequence",
    "local_ip",
    "local_port",
    "remote_ip",
    "remote_port",
    "event",
    "data",
    "context",
    "raw",
    "source_id",
    "line",
];

/// The rows of `events` that a transcript needs, all of them.
pub async fn wanted(ctx: &SessionContext) -> Result<DataFrame> {
    Ok(ctx.table("events").await?.select_columns(&COLUMNS)?)
}

/// The rows of the sessions with these ids.
pub async fn of_sessions(ctx: &SessionContext, ids: &[String]) -> Result<(Vec<Entry>, Names)> {
    let ids: Vec<Expr> = ids.iter().map(|id| lit(id.as_str())).collect();
    let rows = wanted(ctx)
        .await?
        .filter(col("session_id").in_list(ids, false))?;
    let mut stream = rows.execute_stream().await?;
    let (mut entries, mut names) = (Vec::new(), Names::default());
    while let Some(batch) = stream.next().await {
        read(&batch?, &mut names, |entry| {
            entries.push(entry);
            Ok(())
        })?;
    }
    Ok((entries, names))
}

/// Hands over the rows of a batch of [`wanted`] one by one.
pub fn read(
    batch: &RecordBatch,
    names: &mut Names,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let rows = Rows::of(batch)?;
    for at in 0..batch.num_rows() {
        each(Entry {
            line: rows.line(at),
            place: names.place(&rows, at),
            source: names.source(text(&rows.source_id, at)),
            number: int(&rows.line_number, at).unwrap_or(0) as u64,
        })?;
    }
    Ok(())
}

impl Names {
    // Rows of one place and source follow each other: the latest are looked at first.

    fn place(&mut self, rows: &Rows, at: usize) -> u32 {
        let organization = text(&rows.organization, at);
        let (server, service) = (text(&rows.server, at), text(&rows.service, at));
        let same = |place: &Place| {
            place.server == server && place.service == service && place.organization == organization
        };
        let known = self.places.iter().rposition(same);
        known.unwrap_or_else(|| {
            self.places.push(Place {
                organization: organization.to_owned(),
                server: server.to_owned(),
                service: service.to_owned(),
            });
            self.places.len() - 1
        }) as u32
    }

    fn source(&mut self, source_id: &str) -> u32 {
        let known = self.sources.iter().rposition(|known| known == source_id);
        known.unwrap_or_else(|| {
            self.sources.push(source_id.to_owned());
            self.sources.len() - 1
        }) as u32
    }
}

/// The columns of a batch.
struct Rows {
    time: Int64Array,
    organization: StringArray,
    server: StringArray,
    service: StringArray,
    connector_id: StringArray,
    session_id: StringArray,
    sequence: Int64Array,
    local_ip: StringArray,
    local_port: Int64Array,
    remote_ip: StringArray,
    remote_port: Int64Array,
    event: StringArray,
    data: StringArray,
    context: StringArray,
    raw: BinaryArray,
    source_id: StringArray,
    line_number: Int64Array,
}

/// The value, empty where there is none.
fn text(column: &StringArray, at: usize) -> &str {
    if column.is_valid(at) {
        column.value(at)
    } else {
        ""
    }
}

fn int(column: &Int64Array, at: usize) -> Option<i64> {
    column.is_valid(at).then(|| column.value(at))
}

impl Rows {
    fn of(batch: &RecordBatch) -> Result<Rows> {
        let column = |name: &str, kind: &DataType| {
            let array = batch
                .column_by_name(name)
                .with_context(|| format!("events has no column {name}"))?;
            anyhow::Ok(cast(array, kind)?)
        };
        let text =
            |name: &str| anyhow::Ok(column(name, &DataType::Utf8)?.as_string::<i32>().clone());
        let int = |name: &str| {
            let array = column(name, &DataType::Int64)?;
            anyhow::Ok(array.as_primitive::<Int64Type>().clone())
        };
        let time = column("event_time", &relaydrift_ingest::timestamp())?;
        Ok(Rows {
            time: cast(&time, &DataType::Int64)?.as_primitive().clone(),
            organization: text("organization")?,
            server: text("server")?,
            service: text("service")?,
            connector_id: text("connector_id")?,
            session_id: text("session_id")?,
            sequence: int("sequence")?,
            local_ip: text("local_ip")?,
            local_port: int("local_port")?,
            remote_ip: text("remote_ip")?,
            remote_port: int("remote_port")?,
            event: text("event")?,
            data: text("data")?,
            context: text("context")?,
            raw: column("raw", &DataType::Binary)?.as_binary().clone(),
            source_id: text("source_id")?,
            line_number: int("line")?,
        })
    }

    /// The line as it was where its bytes are not all in the columns, else made of these.
    fn line(&self, at: usize) -> Box<[u8]> {
        if self.raw.is_valid(at) {
            let raw = self.raw.value(at);
            let standard = Record::parse(raw, &Columns::default());
            if standard.is_ok_and(|record| record.time == self.time.value(at)) {
                return raw.into();
            }
        }
        let mut line = time::format(self.time.value(at)).into_bytes();
        let endpoint = |ip: &StringArray, port: &Int64Array| {
            let ip = text(ip, at);
            match int(port, at) {
                None => ip.to_owned(),
                Some(port) if ip.contains(':') => format!("[{ip}]:{port}"),
                Some(port) => format!("{ip}:{port}"),
            }
        };
        for field in [
            text(&self.connector_id, at),
            text(&self.session_id, at),
            &int(&self.sequence, at).unwrap_or(0).to_string(),
            &endpoint(&self.local_ip, &self.local_port),
            &endpoint(&self.remote_ip, &self.remote_port),
            text(&self.event, at),
            text(&self.data, at),
            text(&self.context, at),
        ] {
            line.push(b',');
            push_field(&mut line, field);
        }
        line.into_boxed_slice()
    }
}

/// A field as Exchange writes it: quoted where it holds a comma or a quote.
fn push_field(line: &mut Vec<u8>, field: &str) {
    if !field.contains([',', '"']) {
        line.extend_from_slice(field.as_bytes());
        return;
    }
    line.push(b'"');
    line.extend_from_slice(field.replace('"', "\"\"").as_bytes());
    line.push(b'"');
}
