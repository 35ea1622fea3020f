//! Bytes into lines: rows, rejects, and a class for every byte.
//!
//! Lines end at LF, with a CR before it or not; no other byte ends one. Each byte of a piece is
//! counted in exactly one class, so that the sums can be held against the size of the file.

use memchr::{memchr, memchr_iter, memmem};

use crate::{Columns, Header, HeaderError, LogKind, Reason, Record, record};

/// Longest line that is read, in bytes without its line end.
pub const LINE_LIMIT: usize = 1024 * 1024;

/// Zero bytes in a row from which they are a run and no character of a field.
const NUL_RUN: usize = 16;

/// Rows glued together on one line that are taken apart; a line with more is one reject.
const GLUED_LIMIT: u32 = 64;

/// The byte order mark of UTF-8.
pub const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Whole lines of one file (the last byte is an LF), and where they lie in it.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// The lines.
    pub bytes: &'a [u8],
    /// Offset of the first byte in the (decompressed) file.
    pub offset: u64,
    /// Number of the first line, from 1.
    pub line: u64,
}

/// A row and its place.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its fields.
    pub record: Record<'a>,
    /// Line number, from 1.
    pub number: u64,
    /// Offset of its first byte in the file.
    pub offset: u64,
}

/// Bytes that are no row, and their place.
#[derive(Debug, Clone, Copy)]
pub struct Reject<'a> {
    /// Why.
    pub reason: Reason,
    /// The bytes, without the line end.
    pub bytes: &'a [u8],
    /// Line number, from 1.
    pub number: u64,
    /// Offset of the first byte in the file.
    pub offset: u64,
}

/// Bytes by class, and what was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Physical lines.
    pub lines: u64,
    /// Rows.
    pub rows: u64,
    /// Rejects.
    pub rejects: u64,
    /// Bytes of `#` lines and byte order marks, line ends included.
    pub header_bytes: u64,
    /// Bytes of rows.
    pub event_bytes: u64,
    /// Bytes of rejects.
    pub reject_bytes: u64,
    /// Bytes of empty lines.
    pub blank_bytes: u64,
}

impl Counts {
    /// Adds the counts of another piece.
    pub fn add(&mut self, other: &Counts) {
        self.lines += other.lines;
        self.rows += other.rows;
        self.rejects += other.rejects;
        self.header_bytes += other.header_bytes;
        self.event_bytes += other.event_bytes;
        self.reject_bytes += other.reject_bytes;
        self.blank_bytes += other.blank_bytes;
    }
}

/// Takes what [`read`] finds, in the order of the file.
pub trait Visit<'a> {
    /// A row; `columns` is the order in which its line has the fields.
    fn row(&mut self, row: &Row<'a>, columns: &Columns);
    /// A line, or a part of one, that is no row.
    fn reject(&mut self, reject: Reject<'a>);
}

/// A header that no row below can be read by, and the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {source}")]
pub struct BadHeader {
    /// Line number, from 1.
    pub line: u64,
    /// Offset of the line in the file: everything before it has been read.
    pub offset: u64,
    /// What is wrong with it.
    pub source: HeaderError,
}

/// Reads every line of a piece. `header` is the state that the lines before left behind; it is
/// brought up to date, so that the next piece of the file can go on from it. A `#Fields` line that
/// cannot serve ends the reading; the counts then cover the lines before it.
pub fn read<'a>(
    piece: Piece<'a>,
    header: &mut Header,
    visit: &mut impl Visit<'a>,
) -> (Counts, Option<BadHeader>) {
    let mut reader = Reader {
        counts: Counts::default(),
        has_nul: memchr(0, piece.bytes).is_some(),
        has_stray_cr: has_stray_cr(piece.bytes),
        latest: None,
        number: piece.line,
    };
    let mut start = 0;
    for end in memchr_iter(b'\n', piece.bytes) {
        let line = &piece.bytes[start..end];
        let offset = piece.offset + start as u64;
        let result = reader.line(line, offset, header, visit);
        reader.counts.lines = reader.number - piece.line;
        if let Err(bad) = result {
            return (reader.counts, Some(bad));
        }
        reader.number += 1;
        start = end + 1;
    }
    debug_assert_eq!(start, piece.bytes.len(), "a piece ends with a line end");
    reader.counts.lines = reader.number - piece.line;
    (reader.counts, None)
}

struct Reader<'a> {
    counts: Counts,
    has_nul: bool,
    has_stray_cr: bool,
    number: u64,
    /// The latest row in the standard order, which becomes the next one where they are alike.
    latest: Option<Row<'a>>,
}

impl<'a> Reader<'a> {
    fn line(
        &mut self,
        mut line: &'a [u8],
        mut offset: u64,
        header: &mut Header,
        visit: &mut impl Visit<'a>,
    ) -> Result<(), BadHeader> {
        if line.first() == Some(&0xEF) && line.starts_with(BOM) {
            line = &line[BOM.len()..];
            offset += BOM.len() as u64;
            self.counts.header_bytes += BOM.len() as u64;
        }
        let whole = line.len() as u64 + 1;
        let body = line.strip_suffix(b"\r").unwrap_or(line);
        match body.first() {
            None => self.counts.blank_bytes += whole,
            // Before anything else: whoever reads a log does not hold such a line.
            Some(_) if body.len() > LINE_LIMIT => {
                let reason = Reason::TooLong { bytes: body.len() };
                self.reject(
                    Part {
                        body,
                        offset,
                        whole,
                    },
                    reason,
                    visit,
                );
            }
            Some(b'#') => {
                let number = self.number;
                header.push(body).map_err(|source| BadHeader {
                    line: number,
                    offset,
                    source,
                })?;
                self.counts.header_bytes += whole;
            }
            Some(b' ' | b'\t') if body.trim_ascii().is_empty() => self.counts.blank_bytes += whole,
            Some(_) if self.has_nul => self.between_nul_runs(
                Part {
                    body,
                    offset,
                    whole,
                },
                header,
                visit,
            ),
            Some(_) => self.rows(
                Part {
                    body,
                    offset,
                    whole,
                },
                header,
                visit,
            ),
        }
        Ok(())
    }

    /// Runs of zero bytes are rejects; what stands between them is read.
    fn between_nul_runs(
        &mut self,
        mut part: Part<'a>,
        header: &Header,
        visit: &mut impl Visit<'a>,
    ) {
        while let Some((start, end)) = nul_run(part.body) {
            let (before, rest) = part.cut(start);
            if start > 0 {
                self.rows(before, header, visit);
            }
            let (run, after) = rest.cut(end - start);
            self.reject(run, Reason::NulRun { bytes: end - start }, visit);
            part = after;
        }
        if !part.body.is_empty() {
            self.rows(part, header, visit);
        }
    }

    /// What is to be one row, or several glued together.
    fn rows(&mut self, mut part: Part<'a>, header: &Header, visit: &mut impl Visit<'a>) {
        for cuts in 0.. {
            let Err(reason) = self.row(part, header, visit) else {
                return;
            };
            let glued = if cuts < GLUED_LIMIT {
                glued_at(part.body, reason)
            } else {
                None
            };
            let Some(at) = glued else {
                return self.reject(part, reason, visit);
            };
            let (torn, rest) = part.cut(at);
            self.reject(torn, Reason::Glued { at }, visit);
            part = rest;
        }
    }

    fn row(
        &mut self,
        part: Part<'a>,
        header: &Header,
        visit: &mut impl Visit<'a>,
    ) -> Result<(), Reason> {
        if self.has_stray_cr && memchr(b'\r', part.body).is_some() {
            return Err(Reason::CarriageReturn {
                count: memchr_iter(b'\r', part.body).count(),
            });
        }
        if matches!(header.kind, LogKind::Other(_)) {
            return Err(Reason::ForeignLog);
        }
        let columns = &header.columns;
        let (number, offset) = (self.number, part.offset);
        let standard = columns.is_standard();
        let alike = self.latest.as_mut().filter(|_| standard);
        let alike = alike.and_then(|row| row.record.go_on(part.body).map(|()| row));
        let other;
        let row = match alike {
            Some(row) => {
                (row.number, row.offset) = (number, offset);
                row
            }
            None => {
                let record = Record::parse(part.body, columns)?;
                other = Row {
                    record,
                    number,
                    offset,
                };
                self.latest = standard.then_some(other);
                &other
            }
        };
        self.counts.rows += 1;
        self.counts.event_bytes += part.whole;
        visit.row(row, columns);
        Ok(())
    }

    fn reject(&mut self, part: Part<'a>, reason: Reason, visit: &mut impl Visit<'a>) {
        let Part {
            body: bytes,
            offset,
            whole,
        } = part;
        self.counts.rejects += 1;
        self.counts.reject_bytes += whole;
        visit.reject(Reject {
            reason,
            bytes,
            number: self.number,
            offset,
        });
    }
}

/// A line or a part of one; `whole` counts its bytes with the line end that belongs to it.
#[derive(Clone, Copy)]
struct Part<'a> {
    body: &'a [u8],
    offset: u64,
    whole: u64,
}

impl<'a> Part<'a> {
    /// Cuts at a byte of the body; the line end goes with the last byte.
    fn cut(self, at: usize) -> (Part<'a>, Part<'a>) {
        let (first, rest) = self.body.split_at(at);
        let bytes = if rest.is_empty() {
            self.whole
        } else {
            at as u64
        };
        (
            Part {
                body: first,
                offset: self.offset,
                whole: bytes,
            },
            Part {
                body: rest,
                offset: self.offset + at as u64,
                whole: self.whole - bytes,
            },
        )
    }
}

/// Where a second row starts in a line that is no row. A line with nine fields and a bad time is only
/// taken for a torn and a whole row if what stands before the second time is the start of a time.
fn glued_at(line: &[u8], reason: Reason) -> Option<usize> {
    let at = record::glued_at(line)?;
    let torn_time = || {
        line[..at]
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'T' | b':' | b'.' | b'Z'))
    };
    match reason {
        Reason::ForeignLog => None,
        Reason::BadTime => torn_time().then_some(at),
        _ => Some(at),
    }
}

/// Whether a CR stands anywhere but before an LF.
fn has_stray_cr(bytes: &[u8]) -> bool {
    let Some((last, before)) = bytes.split_last() else {
        return false;
    };
    // Without a branch, so that the compiler compares many bytes at once.
    let stray = before.iter().zip(&bytes[1..]);
    let stray = stray.fold(false, |any, (byte, next)| {
        any | ((*byte == b'\r') & (*next != b'\n'))
    });
    stray || *last == b'\r'
}

/// The first run of zero bytes: any at the line's start, [`NUL_RUN`] or more inside it.
fn nul_run(body: &[u8]) -> Option<(usize, usize)> {
    let start = if body.first() == Some(&0) {
        0
    } else {
        memmem::find(body, &[0; NUL_RUN])?
    };
    let length = body[start..]
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(body.len() - start);
    Some((start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Seen {
        rows: Vec<(u64, u64)>,
        rejects: Vec<(u64, u64, String)>,
    }

    impl<'a> Visit<'a> for Seen {
        fn row(&mut self, row: &Row<'a>, _: &Columns) {
            self.rows.push((row.number, row.offset));
        }

        fn reject(&mut self, reject: Reject<'a>) {
            self.rejects
                .push((reject.number, reject.offset, reject.reason.to_string()));
        }
    }

    fn run(bytes: &[u8]) -> (Seen, Counts) {
        let mut seen = Seen::default();
        let (counts, bad) = read(
            Piece {
                bytes,
                offset: 0,
                line: 1,
            },
            &mut Header::default(),
            &mut seen,
        );
        assert_eq!(bad, None);
        let sum =
            counts.header_bytes + counts.event_bytes + counts.reject_bytes + counts.blank_bytes;
        assert_eq!(sum, bytes.len() as u64, "every byte has one class");
        (seen, counts)
    }

    const ROW: &str = "2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,220 mx,";

    #[test]
    fn line_ends_may_be_mixed_and_lines_blank() {
        let (seen, counts) = run(format!("{ROW}\r\n\r\n{ROW}\n \t\r\n").as_bytes());
        assert_eq!(seen.rows.len(), 2);
        assert_eq!(counts.blank_bytes, 2 + 4);
        assert_eq!(counts.lines, 4);
    }

    #[test]
    fn a_bare_carriage_return_is_no_line_end() {
        let (seen, _) = run(format!("{ROW}\r{ROW}\r\n{ROW}\r\n").as_bytes());
        // The second row is glued behind the first; it is read on its own.
        assert_eq!(seen.rows.len(), 2);
        assert_eq!(seen.rejects.len(), 1);
        let (seen, _) = run(b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,22\r0 mx,\n");
        assert_eq!(seen.rejects[0].2, "carriage return inside a row (1)");
    }

    #[test]
    fn a_header_may_stand_anywhere_with_or_without_mark() {
        let head = "#Software: Microsoft Exchange Server\r\n#Log-type: SMTP Send Protocol Log\r\n";
        let (seen, counts) =
            run(format!("\u{feff}{head}{ROW}\r\n{head}{ROW}\r\n\u{feff}{ROW}\r\n").as_bytes());
        assert_eq!(seen.rows.len(), 3);
        assert_eq!(counts.header_bytes, 2 * head.len() as u64 + 6);
    }

    #[test]
    fn rows_below_another_logs_header_are_rejects() {
        let (seen, _) = run(
            format!("#Log-type: SMTP Receive Protocol Log\n{ROW}\n#Log-type: SMTP Send Protocol Log\n{ROW}\n")
                .as_bytes(),
        );
        assert_eq!(seen.rejects[0].2, "row of another log type");
        assert_eq!(seen.rows.len(), 1);
    }

    #[test]
    fn nul_runs_are_cut_out_and_single_nuls_stay() {
        let nuls = "\0".repeat(4096);
        let (seen, _) = run(format!("{ROW}\n{nuls}{ROW}\n{nuls}\n").as_bytes());
        assert_eq!(seen.rows.len(), 2);
        assert_eq!(seen.rejects[0].2, "NUL run, 4096 bytes");
        assert_eq!(seen.rejects.len(), 2);
        let (seen, _) = run(b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,22\0 mx,\n");
        assert_eq!(seen.rows.len(), 1);
    }

    #[test]
    fn a_cut_row_does_not_take_the_next_one_along() {
        for cut in 1..ROW.len() {
            let (seen, _) = run(format!("{}{ROW}\r\n", &ROW[..cut]).as_bytes());
            assert_eq!(seen.rows, [(1, cut as u64)], "cut at {cut}");
            assert_eq!(seen.rejects.len(), 1);
        }
    }

    #[test]
    fn the_line_limit_is_exact() {
        let fixed = ROW.len();
        for (length, rows) in [(LINE_LIMIT - 1, 1), (LINE_LIMIT, 1), (LINE_LIMIT + 1, 0)] {
            let line = format!("{ROW}{}\r\n{ROW}\r\n", "x".repeat(length - fixed));
            assert_eq!(run(line.as_bytes()).0.rows.len(), rows + 1, "{length}");
        }
    }
}
