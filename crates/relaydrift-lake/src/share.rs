//! A batch that several machines read: each the logs of some servers, and whoever began it commits what all wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use relaydrift_ingest::{
    Before, Cut, LogPath, Naming, Plan, Skipped, Source, Summary, Table, is_url,
};
use serde::{Deserialize, Serialize};

use crate::prepared::PreparedFile;
use crate::run::{ALL, New};
use crate::{Batch, Error, Lake, find, vacuum};

/// What went wrong between the one who deals out shares and those who read them.
pub type SharesError = Box<dyn std::error::Error + Send + Sync>;

/// Organization and server: what goes on from log to log goes on within them.
type Server = (String, String);

/// The part of a batch that one machine reads: all new logs of some servers, and their open sessions.
///
/// It says where the lake and the logs are, and no credentials; the machine finds them under the same paths.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Share {
    /// Its number among the shares of its batch, from 0.
    number: usize,
    lake: String,
    batch: i64,
    naming: Named,
    /// Files to open, archives included.
    files: BTreeSet<PathBuf>,
    /// The logs in them that are meant.
    logs: BTreeSet<PathBuf>,
    servers: BTreeSet<Server>,
    bytes: u64,
}

/// What a machine wrote of its share; no part of the lake before it is committed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Written {
    share: usize,
    summary: Summary,
    files: BTreeMap<String, Vec<PreparedFile>>,
}

/// [`Naming`], as it travels.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Named {
    organization: String,
    server: Option<String>,
    server_from: Option<String>,
    log_paths: Vec<LogPath>,
}

impl From<&Naming> for Named {
    fn from(naming: &Naming) -> Self {
        Named {
            organization: naming.organization.clone(),
            server: naming.server.clone(),
            server_from: naming.server_from.as_ref().map(ToString::to_string),
            log_paths: naming.log_paths.clone(),
        }
    }
}

impl Named {
    fn naming(&self) -> Result<Naming, regex::Error> {
        Ok(Naming {
            organization: self.organization.clone(),
            server: self.server.clone(),
            server_from: self
                .server_from
                .as_deref()
                .map(regex::Regex::new)
                .transpose()?,
            log_paths: self.log_paths.clone(),
        })
    }
}

/// Deals out a batch: the servers with the most bytes first, each to the share that has the fewest so far.
pub(crate) fn shares(
    lake: &Lake,
    naming: &Naming,
    machines: NonZeroUsize,
    new: &New,
) -> Result<Vec<Share>, Error> {
    let mut servers: BTreeMap<Server, Vec<&Source>> = BTreeMap::new();
    for batch in &new.carried {
        for server in servers_of(batch).map_err(Error::columns(Table::OpenSessions))? {
            servers.entry(server).or_default();
        }
    }
    for source in &new.sources {
        servers.entry(server(source)).or_default().push(source);
    }
    let bytes = |logs: &[&Source]| -> u64 {
        let new = logs
            .iter()
            .map(|log| log.text_bytes.saturating_sub(log.from_offset));
        new.sum()
    };
    let mut servers: Vec<_> = servers.into_iter().collect();
    servers.sort_by_key(|(_, logs)| std::cmp::Reverse(bytes(logs)));
    let mut shares: Vec<Share> = (0..machines.get().min(servers.len()))
        .map(|number| Share {
            number,
            lake: lake.root_url().to_string(),
            batch: new.batch.number(),
            naming: naming.into(),
            files: BTreeSet::new(),
            logs: BTreeSet::new(),
            servers: BTreeSet::new(),
            bytes: 0,
        })
        .collect();
    for (server, logs) in servers {
        let Some(share) = shares.iter_mut().min_by_key(|share| share.bytes) else {
            break;
        };
        share.bytes += bytes(&logs);
        share.servers.insert(server);
        share.files.extend(logs.iter().map(|log| address(log)));
        share.logs.extend(logs.iter().map(|log| log.path.clone()));
    }
    Ok(shares)
}

/// Makes what the machines wrote part of the batch.
///
/// # Errors
/// [`Error::Shares`] unless each of the shares is there once: a log would be missing, or there twice; and unless the files
/// that they wrote are in this lake.
pub(crate) async fn adopt(
    lake: &Lake,
    batch: &Batch,
    written: Vec<Written>,
    shares: usize,
) -> Result<Summary, Error> {
    let mut numbers: Vec<usize> = written.iter().map(|written| written.share).collect();
    numbers.sort_unstable();
    if !numbers.iter().copied().eq(0..shares) {
        let problem = format!(
            "of the shares 0 to {} these came back: {numbers:?}",
            shares - 1
        );
        return Err(Error::Shares(problem.into()));
    }
    let mut summary = Summary::default();
    for written in written {
        for (name, files) in written.files {
            let table = Table::ALL.into_iter().find(|table| table.name() == name);
            let Some(table) = table else {
                return Err(Error::Shares(
                    format!("files of an unknown table {name}").into(),
                ));
            };
            for file in &files {
                if !vacuum::is_there(lake, table, &file.path).await? {
                    let problem = format!(
                        "{name}/{}, which a machine wrote, is not in {}: is it the same folder there?",
                        file.path,
                        lake.root_url()
                    );
                    return Err(Error::Shares(problem.into()));
                }
            }
            batch.adopt(table, files);
        }
        summary.add(written.summary);
    }
    summary.notices.sort();
    summary.notices.dedup();
    summary.failed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(summary)
}

impl Share {
    /// Bytes of log that are new, as far as was known when it was dealt out.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads the logs and writes data files into the lake, under names that no other reader gives: a share may be read
    /// again where its reader was lost.
    ///
    /// # Errors
    /// If the lake cannot be read or written. Logs that cannot be read are told in what is returned.
    pub async fn read(self) -> Result<Written, Error> {
        let lake = Lake::open(&self.lake).await?;
        // A share that lags behind, or another lake under the same path: what was taken in would be taken in again.
        let newest = lake.newest_batch().await?;
        if newest < self.batch - 1 {
            let problem = format!(
                "{} ends with batch {newest} for this machine, and with {} for the one that began: is it the same folder?",
                self.lake,
                self.batch - 1
            );
            return Err(Error::Shares(problem.into()));
        }
        let ledger = lake.ledger().await?;
        let carried = self.own(lake.waiting().await?);
        let carried = carried.map_err(Error::columns(Table::OpenSessions))?;
        let batch = lake.attempt(self.batch);
        let (sink, share) = (batch.sink(), self.number);
        let read = tokio::task::spawn_blocking(move || {
            let plan = self.find(&ledger)?;
            let before = Before {
                carried: &carried,
                ledger: &ledger,
            };
            let (sources, cut) = (&plan.sources, Cut::default());
            let mut summary =
                relaydrift_ingest::read(sources, before, ALL, cut, self.batch, &sink, &|_| ())?;
            summary.failed.extend(plan.skipped);
            Ok::<_, Error>(summary)
        });
        let summary = read.await??;
        let files = batch.files().into_iter();
        Ok(Written {
            share,
            summary,
            files: files
                .map(|(table, files)| (table.name().to_owned(), files))
                .collect(),
        })
    }

    /// What is new in its logs; as skipped, those that are not there any more.
    fn find(&self, ledger: &[RecordBatch]) -> Result<Plan, Error> {
        let naming = self
            .naming
            .naming()
            .map_err(|error| Error::Shares(error.into()))?;
        let files: Vec<PathBuf> = self.files.iter().cloned().collect();
        let found = match files.is_empty() {
            true => Plan::default(),
            false => match find(&files, &naming) {
                Err(Error::Ingest(relaydrift_ingest::Error::NotFound(_))) => Plan::default(),
                found => found?,
            },
        };
        let meant = |source: &Source| {
            self.logs.contains(&source.path) && self.servers.contains(&server(source))
        };
        let known = found.sources.iter().filter(|source| meant(source));
        let mut told: BTreeSet<PathBuf> = known.map(|source| source.path.clone()).collect();
        let mut new = found.resume(ledger);
        new.sources.retain(meant);
        // A copy of a longer log counts as read.
        told.extend(new.skipped.iter().map(|file| file.path.clone()));
        new.skipped
            .retain(|file| file.error && self.logs.contains(&file.path));
        let gone = self.logs.iter().filter(|log| !told.contains(*log));
        new.skipped.extend(gone.map(|log| Skipped {
            path: log.clone(),
            reason:
                "not there, or of another server, for the machine that was to read it".to_owned(),
            error: true,
        }));
        Ok(new)
    }

    /// The open rows of its servers.
    fn own(&self, carried: Vec<RecordBatch>) -> Result<Vec<RecordBatch>, ArrowError> {
        let own = |batch: RecordBatch| {
            let servers = servers_of(&batch)?;
            let own: BooleanArray = servers
                .iter()
                .map(|server| Some(self.servers.contains(server)))
                .collect();
            filter_record_batch(&batch, &own)
        };
        carried.into_iter().map(own).collect()
    }
}

/// Where to look for a log, as it would be typed: the names of objects may have characters that act in a URL.
fn address(log: &Source) -> PathBuf {
    let file = log.file();
    match file.to_str().filter(|_| is_url(&file)) {
        Some(url) => {
            let quoted = url
                .replace('%', "%25")
                .replace('#', "%23")
                .replace('?', "%3F");
            quoted.into()
        }
        None => file,
    }
}

fn server(source: &Source) -> Server {
    let place = &source.place;
    (place.organization.clone(), place.server.clone())
}

/// Of each row.
fn servers_of(batch: &RecordBatch) -> Result<Vec<Server>, ArrowError> {
    let texts = |name: &str| {
        let column = batch.column_by_name(name);
        let column = column.ok_or_else(|| ArrowError::SchemaError(format!("no column {name}")))?;
        cast(column, &DataType::Utf8)
    };
    let (organizations, servers) = (texts("organization")?, texts("server")?);
    let (organizations, servers) = (organizations.as_string::<i32>(), servers.as_string::<i32>());
    let pairs = (0..batch.num_rows()).map(|row| {
        (
            organizations.value(row).to_owned(),
            servers.value(row).to_owned(),
        )
    });
    Ok(pairs.collect())
}
