//! Send logs into Arrow: which files, read in pieces, sessions folded, columns built.
//!
//! This crate knows threads and files. It must not know async code, Delta tables, object stores or
//! SQL: it hands finished [`RecordBatch`](arrow::array::RecordBatch)es to a [`Sink`].

mod schema;

pub use schema::{Table, timestamp};

use std::path::PathBuf;

use arrow::array::RecordBatch;

/// How files are named: which organization, server and service a path belongs to.
#[derive(Debug, Clone)]
pub struct Naming {
    /// Organization of every file; `default` unless given.
    pub organization: String,
    /// Server of every file, when given.
    pub server: Option<String>,
    /// A pattern with the groups `server` and, optionally, `service`, matched against the path.
    pub server_from: Option<regex::Regex>,
}

impl Default for Naming {
    fn default() -> Self {
        Naming { organization: "default".into(), server: None, server_from: None }
    }
}

/// What was found under the paths given: the logs to read and the files left out.
#[derive(Debug, Default)]
pub struct Plan {
    /// Send logs, in the order of the hour in their names.
    pub sources: Vec<Source>,
    /// Files that are no send logs or cannot be read, with the reason.
    pub skipped: Vec<Skipped>,
}

/// One send log, or the part of it that is not ingested yet.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it lies.
    pub path: PathBuf,
    /// Organization, server and service it belongs to.
    pub organization: String,
    /// See DESIGN of the naming: `--server`, `--server-from`, UNC host, else a folder.
    pub server: String,
    /// Hub, FrontEnd, Edge, Mailbox, ... or `unknown`.
    pub service: String,
    /// Bytes on disk when it was found.
    pub size: u64,
}

/// A file that was left out.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// Where it lies.
    pub path: PathBuf,
    /// Why, in words for a person.
    pub reason: String,
    /// True where the file could not be read at all (exit code 2), false for a foreign log.
    pub error: bool,
}

/// What [`read`] is to produce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// `events` rows.
    pub events: bool,
    /// `sessions` rows.
    pub sessions: bool,
    /// `transactions`: all of them, or only those with refused recipients.
    pub all_transactions: bool,
    /// True: rows of sessions that are not final come out as `open_sessions` (a lake's batch).
    /// False: they are folded now and come out as sessions with `open` set.
    pub open_rows: bool,
}

/// Why a sink could not take a batch.
pub type SinkError = Box<dyn std::error::Error + Send + Sync>;

/// Where finished columns go; called from many threads at once.
pub trait Sink: Sync {
    /// A writer for one task (a run of files read by one thread).
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError>;
}

/// Takes the columns of one task: each batch has the schema of its table.
pub trait TaskSink {
    /// One finished batch (an `events` batch is one row group, ordered by server, session, sequence).
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError>;
    /// The task is done.
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}

/// Bytes read so far, for a progress bar.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// What a run read: sums over its sources.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    /// Files read.
    pub files: u64,
    /// Bytes by class; their sum is the size of all input (decompressed).
    pub header_bytes: u64,
    /// See `header_bytes`.
    pub event_bytes: u64,
    /// See `header_bytes`.
    pub reject_bytes: u64,
    /// See `header_bytes`.
    pub blank_bytes: u64,
    /// An unterminated last line is pending: it is read when its line end has arrived.
    pub pending_bytes: u64,
    /// Event rows.
    pub rows: u64,
    /// Lines that could not be read.
    pub rejects: u64,
    /// Sessions that became final, and those still open.
    pub sessions: u64,
    /// See `sessions`.
    pub open_sessions: u64,
    /// Files that could not be read to their end, with the reason.
    pub failed: Vec<Skipped>,
    /// Notices for a person, such as fields of unknown name.
    pub notices: Vec<String>,
}

/// What can go wrong as a whole; single lines and files do not fail a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No send log under the paths given.
    #[error("no send log found")]
    NoLogs,
    /// A path or glob that matches nothing.
    #[error("{0}: no such file or folder")]
    NotFound(PathBuf),
    /// The sink refused a batch.
    #[error("cannot store a batch")]
    Sink(#[source] SinkError),
    /// Columns do not fit their schema: a defect of this program.
    #[error("columns do not fit their schema")]
    Arrow(#[from] arrow::error::ArrowError),
}

/// Finds the send logs under files, folders and globs, `.gz` included, and names their servers.
pub fn find(_paths: &[PathBuf], _naming: &Naming) -> Result<Plan, Error> {
    todo!()
}

impl Plan {
    /// Leaves only what the ledger (rows of `sources`) does not hold yet.
    pub fn resume(self, _ledger: &[RecordBatch]) -> Plan {
        todo!()
    }
}

/// Reads the sources into the sink; `carried` are the `open_sessions` rows of the batch before.
/// `batch` is the number written into every row. `latest` batch of `sources` gives the log time of
/// each server so far (rows of `sources`).
pub fn read(
    _sources: &[Source],
    _carried: &[RecordBatch],
    _ledger: &[RecordBatch],
    _keep: Keep,
    _batch: i64,
    _sink: &dyn Sink,
    _progress: Progress<'_>,
) -> Result<Summary, Error> {
    todo!()
}

/// Folds `open_sessions` rows into `sessions`, `transactions`, `observations` and
/// `certificates_seen` rows (flag `open` set unless parked).
pub fn fold_open(_rows: &[RecordBatch]) -> Result<Vec<(Table, RecordBatch)>, Error> {
    todo!()
}

/// The events of one log, batch by batch, as the `events` schema; what `send_log` scans.
/// Rejected lines are counted, not returned.
pub struct EventReader {}

impl EventReader {
    /// Opens one source; `rows` per batch at the most.
    pub fn open(_source: &Source, _rows: usize) -> Result<EventReader, Error> {
        todo!()
    }
}

impl Iterator for EventReader {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}
