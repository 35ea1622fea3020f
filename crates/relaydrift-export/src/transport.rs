//! Transports: how records reach a receiver, and what its answers mean.
//!
//! A [`Transport`] makes one attempt with one batch and says what became of it; the
//! [`Queue`](crate::Queue) tries again, splits, and says which records are safe.

mod elastic;
mod file;
mod hec;
mod http;
mod logs_ingestion;
mod syslog;
mod tls;
mod webhook;

use std::time::Duration;

pub use elastic::Elastic;
pub use file::{Files, Stdout};
pub use hec::Hec;
pub use http::Client;
pub use logs_ingestion::{Application, LogsIngestion};
pub use syslog::Syslog;
pub use tls::Trust;
pub use webhook::Webhook;

/// A rendered event on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// [`Event::key`](crate::Event): by it a receiver drops repeats.
    pub key: String,
    /// The record, without a line end.
    pub bytes: Vec<u8>,
}

/// How much one attempt carries.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Records.
    pub records: usize,
    /// Bytes of records; a single larger one travels alone.
    pub bytes: usize,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The receiver has it.
    Taken,
    /// The receiver was too busy for this one.
    Again(String),
    /// The receiver will never take it, in its own words.
    Refused(String),
}

/// Why an attempt failed as a whole.
#[derive(Debug)]
pub enum Failure {
    /// Worth another attempt, after this time where the receiver named one.
    Again {
        /// What was said.
        answer: String,
        /// `Retry-After`
        after: Option<Duration>,
    },
    /// Too large, or one record spoils the rest: worth an attempt in halves.
    Split(String),
    /// No attempt will do better.
    Stop(crate::Error),
}

/// A way to a receiver.
pub trait Transport: Send {
    /// The receiver, for messages; without secrets.
    fn target(&self) -> &str;

    /// How much one attempt carries.
    fn limits(&self) -> Limits;

    /// Makes one attempt: the fate of each record, in order, or why it failed as a whole. What is
    /// [`Fate::Taken`] is the receiver's from then on.
    ///
    /// # Errors
    /// [`Failure`]
    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure>;
}

/// All of a batch were taken.
pub(crate) fn all_taken(batch: &[Record]) -> Vec<Fate> {
    vec![Fate::Taken; batch.len()]
}
