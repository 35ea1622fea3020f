//! Reads the SMTP send-protocol logs of Exchange servers.
//!
//! This crate knows bytes, lines, rows and sessions. It must not know Arrow, threads or files: whoever
//! has the bytes hands in whole lines and gets rows, rejects and sessions that borrow from them.
//!
//! # The log
//! A log is UTF-8 text with CRLF line ends: `#` header lines ([`Header`]), then a row per line, nine
//! comma-separated fields ([`Record`]): time in UTC, connector, session id, sequence number, local
//! and remote endpoint, event, data, context. The event is one character: `+` connected, `-`
//! disconnected, `>` sent ([`command`]), `<` received ([`reply`]), `*` a note ([`note`],
//! [`certificate`]). The rows of many sessions interleave; the rows of one ([`session`]) may continue
//! in the next file, and its mail ([`transaction`]) may be many messages after one handshake.
//!
//! Writing is asynchronous and files are appended to after a restart, so a file's first rows can be
//! older than its header, its last line can be cut anywhere, and a cut row can have the next row glued
//! behind it ([`Reason::Glued`]). Bytes that are no row never vanish: every byte has one class
//! ([`Counts`]).
//!
//! # Example
//! ```
//! use relaydrift_parse::{Columns, Header, Piece, Reject, Row, Visit, read, reply};
//!
//! #[derive(Default)]
//! struct Refusals(Vec<u64>);
//!
//! impl<'a> Visit<'a> for Refusals {
//!     fn row(&mut self, row: &Row<'a>, _: &Columns) {
//!         let reply = reply::parse(row.record.data().bytes);
//!         if row.record.event() == b"<" && reply.is_some_and(|r| reply::is_attribution_refusal(&r)) {
//!             self.0.push(row.number);
//!         }
//!     }
//!     fn reject(&mut self, reject: Reject<'a>) {
//!         panic!("line {}: {}", reject.number, reject.reason);
//!     }
//! }
//!
//! let log = b"#Log-type: SMTP Send Protocol Log\r\n\
//! 2026-10-05T10:00:00.000Z,To cloud,08DF1F4EEFBDC000,9,10.0.0.5:4711,192.0.2.1:25,<,550 5.7.64 TenantAttribution; Relay Access Denied,\r\n";
//! let mut refusals = Refusals::default();
//! let piece = Piece { bytes: log, offset: 0, line: 1 };
//! let (counts, bad_header) = read(piece, &mut Header::default(), &mut refusals);
//! assert_eq!((counts.rows, bad_header), (1, None));
//! assert_eq!(refusals.0, [2]);
//! ```

pub mod certificate;
pub mod command;
pub mod dn;
pub mod endpoint;
mod header;
mod lines;
pub mod note;
mod open;
pub mod peer;
mod reason;
pub mod record;
pub mod reply;
pub mod session;
pub mod text;
pub mod time;
pub mod transaction;

pub use header::{Columns, FIELDS, Header, HeaderError, LogKind};
pub use lines::{BOM, BadHeader, Counts, LINE_LIMIT, Piece, Reject, Row, Visit, read};
pub use open::{OpenSessions, arrange};
pub use reason::Reason;
pub use record::{Record, Text};
pub use session::{Origin, Session};
