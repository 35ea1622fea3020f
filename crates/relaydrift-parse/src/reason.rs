//! Why a line could not be read.

use std::fmt;

/// The reason of a reject. Its text is what the `rejects` table shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Not nine fields (or not as many as the `#Fields` line names).
    FieldCount {
        /// Fields found.
        found: usize,
        /// Fields expected.
        expected: usize,
    },
    /// Not nine fields, and tabs or padded commas where the separators should be.
    Reformatted,
    /// The first field is no RFC 3339 time with an offset.
    BadTime,
    /// The sequence number is no 64-bit integer.
    BadSequence,
    /// A field that starts with a quote never ends.
    OpenQuote,
    /// Text follows a closing quote.
    TextAfterQuote,
    /// A partial row with the next row glued to it; the next row is read on its own.
    Glued {
        /// Byte at which the second timestamp starts.
        at: usize,
    },
    /// Zero bytes, as after a power loss.
    NulRun {
        /// Their number.
        bytes: usize,
    },
    /// Carriage returns that end no line.
    CarriageReturn {
        /// Their number.
        count: usize,
    },
    /// Longer than [`LINE_LIMIT`](crate::LINE_LIMIT).
    TooLong {
        /// Bytes of the line.
        bytes: usize,
    },
    /// A row below a header of another log type.
    ForeignLog,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::FieldCount { found, expected } => {
                let plural = if *found == 1 { "" } else { "s" };
                write!(f, "{found} field{plural}, expected {expected}")
            }
            Reason::Reformatted => {
                f.write_str("separators are not plain commas: looks like a re-formatted copy")
            }
            Reason::BadTime => f.write_str("bad date-time"),
            Reason::BadSequence => f.write_str("bad sequence-number"),
            Reason::OpenQuote => f.write_str("open quote without close"),
            Reason::TextAfterQuote => f.write_str("text after closing quote"),
            Reason::Glued { at } => write!(f, "row contains a second timestamp at byte {at}"),
            Reason::NulRun { bytes } => write!(f, "NUL run, {bytes} bytes"),
            Reason::CarriageReturn { count } => {
                write!(f, "carriage return inside a row ({count})")
            }
            Reason::TooLong { bytes } => {
                write!(
                    f,
                    "line longer than limit: {bytes} bytes, limit {}",
                    crate::LINE_LIMIT
                )
            }
            Reason::ForeignLog => f.write_str("row of another log type"),
        }
    }
}
