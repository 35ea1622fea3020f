//! The `#` lines: what kind of log this is and in which order its fields stand.
//!
//! A log opens with `#Software`, `#Version`, `#Log-type`, `#Date` and `#Fields`, each `#Name: value`,
//! after a UTF-8 byte order mark. After a restart the same block may stand in the middle of a file,
//! or be missing from its start. `#Log-type` is spelled `#Log-Type` in Microsoft's documentation, and
//! `#Version` says 15.0.0.0 for every release since 2013, so neither its case nor the version tells
//! anything about the rows (source: Microsoft Learn, "Protocol logging", and published logs).

use thiserror::Error;

/// The nine fields of a row, in the order in which Exchange writes them.
pub const FIELDS: [&str; 9] = [
    "date-time",
    "connector-id",
    "session-id",
    "sequence-number",
    "local-endpoint",
    "remote-endpoint",
    "event",
    "data",
    "context",
];

/// Longest `#Fields` line that is believed.
const FIELDS_LIMIT: usize = 64 * 1024;

/// What kind of log a header announces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogKind {
    /// No `#Log-type` line seen: judged by its rows.
    #[default]
    Unknown,
    /// `SMTP Send Protocol Log`.
    Send,
    /// Any other log, with the name it gives itself.
    Other(String),
}

/// Where each of the nine fields stands in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// Fields in a row.
    pub count: usize,
    /// For each of [`FIELDS`] its position in the row.
    pub at: [usize; 9],
    /// Columns of other names, with their position.
    pub extra: Vec<(usize, String)>,
}

impl Default for Columns {
    fn default() -> Self {
        Columns {
            count: 9,
            at: [0, 1, 2, 3, 4, 5, 6, 7, 8],
            extra: Vec::new(),
        }
    }
}

impl Columns {
    /// True for the order in which Exchange itself writes.
    pub fn is_standard(&self) -> bool {
        self.count == 9 && self.at == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    }
}

/// The state that header lines leave behind for the rows below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// From `#Log-type`.
    pub kind: LogKind,
    /// From `#Version`, any text.
    pub version: Option<String>,
    /// From `#Date`, any text: the time at which the file was opened.
    pub date: Option<String>,
    /// From `#Fields`.
    pub columns: Columns,
    /// Header lines with a name that is not known.
    pub unknown: u64,
}

/// A `#Fields` line that no row can be read by: the file ends here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// One of the nine fields is not there.
    #[error("field {0} missing from #Fields")]
    Missing(&'static str),
    /// A name stands twice.
    #[error("field {0:?} stands twice in #Fields")]
    Twice(String),
    /// No log has a line like that.
    #[error("#Fields is {0} bytes long, limit {FIELDS_LIMIT}")]
    TooLong(usize),
}

impl Header {
    /// Takes in one line that starts with `#` (without its line end, without a byte order mark).
    ///
    /// # Errors
    /// If it is a `#Fields` line that lacks one of [`FIELDS`], names one twice or is too long.
    pub fn push(&mut self, line: &[u8]) -> Result<(), HeaderError> {
        let text = line.strip_prefix(b"#").unwrap_or(line);
        let colon = text
            .iter()
            .position(|byte| *byte == b':')
            .unwrap_or(text.len());
        let (name, value) = text.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
        let owned = || String::from_utf8_lossy(value).into_owned();
        if name.eq_ignore_ascii_case(b"Fields") {
            self.columns = columns(value)?;
        } else if name.eq_ignore_ascii_case(b"Log-type") {
            self.kind = if value.eq_ignore_ascii_case(b"SMTP Send Protocol Log") {
                LogKind::Send
            } else {
                LogKind::Other(owned())
            };
        } else if name.eq_ignore_ascii_case(b"Version") {
            self.version = Some(owned());
        } else if name.eq_ignore_ascii_case(b"Date") {
            self.date = Some(owned());
        } else if !name.eq_ignore_ascii_case(b"Software") {
            self.unknown += 1;
        }
        Ok(())
    }
}

fn columns(value: &[u8]) -> Result<Columns, HeaderError> {
    if value.len() > FIELDS_LIMIT {
        return Err(HeaderError::TooLong(value.len()));
    }
    let text = String::from_utf8_lossy(value);
    let names: Vec<&str> = text.split(',').map(str::trim).collect();
    let mut columns = Columns {
        count: names.len(),
        at: [usize::MAX; 9],
        extra: Vec::new(),
    };
    for (position, name) in names.iter().enumerate() {
        let known = FIELDS
            .iter()
            .position(|field| field.eq_ignore_ascii_case(name));
        let seen_before = names[..position]
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name));
        match known {
            _ if seen_before => return Err(HeaderError::Twice((*name).to_owned())),
            Some(field) => columns.at[field] = position,
            None => columns.extra.push((position, (*name).to_owned())),
        }
    }
    match columns.at.iter().position(|at| *at == usize::MAX) {
        Some(missing) => Err(HeaderError::Missing(FIELDS[missing])),
        None => Ok(columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_type_is_compared_without_case() {
        for line in [
            &b"#Log-type: SMTP Send Protocol Log"[..],
            b"#LOG-TYPE:smtp send protocol log",
        ] {
            let mut header = Header::default();
            header.push(line).unwrap();
            assert_eq!(header.kind, LogKind::Send);
        }
    }

    #[test]
    fn fields_may_stand_in_another_order_and_have_company() {
        let mut header = Header::default();
        header
            .push(b"#Fields: connector-id,date-time,session-id,sequence-number,local-endpoint,remote-endpoint,event,data,context,site")
            .unwrap();
        assert_eq!(header.columns.at[..2], [1, 0]);
        assert_eq!(header.columns.extra, [(9, "site".to_owned())]);
        assert!(!header.columns.is_standard());
    }

    #[test]
    fn fields_that_cannot_serve_are_errors() {
        let mut header = Header::default();
        assert_eq!(
            header.push(b"#Fields: date-time,connector-id,sequence-number"),
            Err(HeaderError::Missing("session-id"))
        );
        assert_eq!(
            header.push(b"#Fields: data,data"),
            Err(HeaderError::Twice("data".to_owned()))
        );
        let long = [b"#Fields: ".as_slice(), &vec![b'x'; FIELDS_LIMIT + 1]].concat();
        assert!(matches!(header.push(&long), Err(HeaderError::TooLong(_))));
    }

    #[test]
    fn odd_headers_are_taken_as_they_are() {
        let mut header = Header::default();
        for line in [
            &b"#Version: 99.9"[..],
            b"#Date: someday",
            b"#Something: else",
            b"#",
        ] {
            header.push(line).unwrap();
        }
        assert_eq!(header.version.as_deref(), Some("99.9"));
        assert_eq!(header.date.as_deref(), Some("someday"));
        assert_eq!(header.unknown, 2);
    }
}
