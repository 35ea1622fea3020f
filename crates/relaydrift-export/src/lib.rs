//! Findings for SIEMs and for people: one canonical event, a renderer per format, transports apart.
//!
//! This crate knows what an [`Event`] is, how formats write it and how receivers take it. It must
//! not know the engine, Arrow or tokio: whoever has rows turns them into events and hands them over.
//!
//! ```
//! use relaydrift_export::{Event, Fact, Format, Refusal};
//!
//! let refusal = Refusal { session: "08DF1F4EEFBDC000".into(), code: Some(550), ..Refusal::default() };
//! let event = Event {
//!     key: "0f".into(),
//!     time: 1_790_812_800_000_000,
//!     reported: 1_790_812_860_000_000,
//!     historic: false,
//!     organization: "default".into(),
//!     connector: "Outbound to Office 365".into(),
//!     role: None,
//!     server: "EX01".into(),
//!     fact: Fact::Refusal(Box::new(refusal)),
//! };
//! let mut line = Vec::new();
//! Format::Ndjson.render(&event, &mut line);
//! assert!(line.starts_with(br#"{"event":"smtp_refusal","key":"0f","time":"2026-10-01T"#));
//! ```

// Tests and benches share samples, which name this crate as others do.
#[cfg(test)]
extern crate self as relaydrift_export;

mod error;
pub mod escape;
mod event;
mod files;
mod format;
mod json;
mod queue;
pub mod report;
mod secret;
mod syslog;
mod text;
pub mod transport;

pub use error::Error;
pub use event::{
    Affected, Attack, Certificate, Endpoint, Event, Fact, Incident, Origin, Refusal, Session,
    Severity, State, Stream, key, stream,
};
pub use files::files;
pub use format::{Format, csv_header, ocsf_class};
pub use queue::{Acknowledge, Effort, Queue, Sent, Trouble};
pub use secret::{Secret, is_open_to_others};
pub use transport::Record;
