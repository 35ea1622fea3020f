//! Send logs into Arrow: which files, read in pieces, sessions folded, columns built.
//!
//! This crate knows threads and files; a [`Store`] that somebody hands in is read like them. It must not know async
//! code, Delta tables, object stores or SQL: it hands finished [`RecordBatch`]es to a [`Sink`].

mod archive;
mod carry;
mod certificates;
mod chunk;
mod columns;
mod emit;
mod events;
mod expected;
mod file;
mod halves;
mod input;
mod ledger;
mod object;
mod observe;
mod place;
mod reader;
mod run;
mod schema;
mod sessions;
mod source;
mod spill;
mod transactions;
mod words;

use std::path::PathBuf;

use arrow::array::RecordBatch;

use serde::{Deserialize, Serialize};

pub use emit::peer_kind;
pub use expected::{Snapshot, expected};
pub use ledger::{Gap, Unfinished, condense, unfinished};
pub use object::{Object, Store, is_url};
pub use observe::Kind;
pub use place::{LogPath, Naming, Place};
pub use reader::EventReader;
pub use run::{Before, Cut, fold_open, read};
pub use schema::{BEGINNING, Table, timestamp};
pub use source::{Plan, Skipped, Source, find, find_in};

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

/// Takes the columns of one task: each batch has the schema of its table, but for dictionaries (Int32 to Utf8) in
/// place of those texts of `events` that repeat.
pub trait TaskSink {
    /// One finished batch (an `events` batch is one row group, ordered by server, session, sequence).
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError>;
    /// The task is done.
    fn finish(self: Box<Self>) -> Result<(), SinkError>;
}

/// Bytes read so far, for a progress bar.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// What a run read: sums over its sources.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
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
    /// A path or glob that matches nothing.
    #[error("{0}: no such file or folder")]
    NotFound(PathBuf),
    /// A store that cannot be asked which logs it has.
    #[error(transparent)]
    Store(std::io::Error),
    /// A pattern that cannot be one.
    #[error("{pattern}: not a pattern of paths")]
    Glob {
        /// As given.
        pattern: PathBuf,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A log that could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// Where it lies.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A log whose header ends it.
    #[error("{path}")]
    Header {
        /// Where it lies.
        path: PathBuf,
        /// Line and reason.
        source: relaydrift_parse::BadHeader,
    },
    /// A row of a session still open that a lake did not give back as it was taken in.
    #[error(
        "line {line} of source {source_id}, kept in open_sessions, is no row of a log: {reason}; `relaydrift verify` names the damaged file"
    )]
    Carried {
        /// The log it came from.
        source_id: String,
        /// Its line there.
        line: u64,
        /// What is wrong with it.
        reason: relaydrift_parse::Reason,
    },
    /// Rows of unfinished sessions that had to leave memory, and did not come back.
    #[error(
        "{}: rows of unfinished sessions cannot be read back from the temporary folder ({} names another)",
        std::env::temp_dir().display(),
        spill::FOLDER
    )]
    Spill(#[source] std::io::Error),
    /// The sink refused a batch.
    #[error("cannot store a batch")]
    Sink(#[source] SinkError),
    /// Columns do not fit their schema: a defect of this program.
    #[error("columns do not fit their schema")]
    Arrow(#[from] arrow::error::ArrowError),
}

impl Summary {
    /// All bytes of the input that were looked at.
    pub fn bytes(&self) -> u64 {
        self.header_bytes
            + self.event_bytes
            + self.reject_bytes
            + self.blank_bytes
            + self.pending_bytes
    }

    /// Adds what another part of the run read.
    pub fn add(&mut self, other: Summary) {
        self.files += other.files;
        self.header_bytes += other.header_bytes;
        self.event_bytes += other.event_bytes;
        self.reject_bytes += other.reject_bytes;
        self.blank_bytes += other.blank_bytes;
        self.pending_bytes += other.pending_bytes;
        self.rows += other.rows;
        self.rejects += other.rejects;
        self.sessions += other.sessions;
        self.open_sessions += other.open_sessions;
        self.failed.extend(other.failed);
        self.notices.extend(other.notices);
    }

    fn count(&mut self, range: &ledger::Range) {
        let counts = &range.counts;
        self.files += 1;
        self.header_bytes += counts.header_bytes;
        self.event_bytes += counts.event_bytes;
        self.reject_bytes += counts.reject_bytes;
        self.blank_bytes += counts.blank_bytes;
        self.pending_bytes += range.pending;
        self.rows += counts.rows;
        self.rejects += counts.rejects;
    }
}

#[cfg(test)]
mod tests;
