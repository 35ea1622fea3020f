//! What can go wrong on the way to a receiver or to paper.

use std::io;
use std::time::Duration;

/// Why an export stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The target cannot be used as it was written.
    #[error("{target}: {problem}")]
    Target {
        /// As it was written, without secrets.
        target: String,
        /// What is wrong, and what to write instead.
        problem: &'static str,
    },
    /// A file or connection failed for good.
    #[error("{target}: {source}")]
    Io {
        /// The file or receiver.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The receiver will not take it, now or later.
    #[error("{target} refuses: {answer}")]
    Refused {
        /// The receiver.
        target: String,
        /// Its status and text.
        answer: String,
    },
    /// The receiver refused single records and nobody said where to put them.
    #[error(
        "{target} refuses the record {key}: {answer}\n  to go on without such records: --rejected FILE keeps them"
    )]
    Record {
        /// The receiver.
        target: String,
        /// The record's key.
        key: String,
        /// The receiver's text.
        answer: String,
    },
    /// The receiver could not be reached, or was busy, for too long.
    #[error("{target}: gave up after {attempts} attempts in {waited:?}: {answer}")]
    GaveUp {
        /// The receiver.
        target: String,
        /// How often it was tried.
        attempts: u32,
        /// How long.
        waited: Duration,
        /// What it said last.
        answer: String,
    },
    /// A secret or certificate that is needed cannot be read.
    #[error("{place}: {problem}")]
    Secret {
        /// The file or environment variable.
        place: String,
        /// What is wrong; never its content.
        problem: String,
    },
    /// TLS cannot be set up.
    #[error("{target}: TLS: {source}")]
    Tls {
        /// The receiver.
        target: String,
        /// What rustls said.
        source: rustls::Error,
    },
    /// Whoever keeps the position could not keep it.
    #[error("the position cannot be kept: {0}")]
    Position(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No font is there to draw text with.
    #[error(
        "no font was found on this machine: a picture needs one for its text\n  \
         Debian: apt-get install fonts-dejavu-core; the page (--output report.html) needs none"
    )]
    NoFont,
    /// A page or picture could not be drawn.
    #[error("it cannot be drawn: {0}")]
    Drawing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An address that no message can have.
    #[error("{0}: not a mail address; write admin@contoso.com or 'Relay <relay@contoso.com>'")]
    Address(String),
    /// The thread that sends ended early.
    #[error("the thread that sends has ended")]
    Ended,
}
