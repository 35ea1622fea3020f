//! The events of one log, batch by batch: what a table over raw logs scans.

use std::path::PathBuf;

use arrow::array::RecordBatch;
use relaydrift_parse::{Columns, Header, Piece, Reject, Row, Visit, read};

use crate::columns::spelled_out;
use crate::events::{Bytewise, Events, extra};
use crate::file::Windows;
use crate::{Error, Source, Table, file};

/// The events of one log in the order of the file, as the `events` schema. Lines that are no rows are
/// left out: `rejects` has them.
pub struct EventReader {
    source: Source,
    windows: Option<Windows>,
    header: Header,
    line: u64,
    rows: usize,
    ready: std::collections::VecDeque<RecordBatch>,
    spare: Vec<u8>,
}

impl EventReader {
    /// Opens a source; a batch has `rows` rows at the most.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(source: &Source, rows: usize) -> Result<EventReader, Error> {
        let windows = Windows::open(&source.input, source.from_offset, file::WINDOW / 4);
        let windows = windows.map_err(|error| Error::Read {
            path: source.path.clone(),
            source: error,
        })?;
        Ok(EventReader {
            source: source.clone(),
            windows: Some(windows),
            header: source.header.clone(),
            line: source.from_line,
            rows: rows.max(1),
            ready: std::collections::VecDeque::new(),
            spare: Vec::new(),
        })
    }

    fn path(&self) -> PathBuf {
        self.source.path.clone()
    }

    fn window(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let piece = Piece {
            bytes,
            offset,
            line: self.line,
        };
        let mut visitor = Visitor {
            source: &self.source,
            bytewise: Bytewise::of(bytes),
            columns: Events::with_room(self.rows),
            limit: self.rows,
            ready: &mut self.ready,
            failed: None,
        };
        let (counts, bad) = read(piece, &mut self.header, &mut visitor);
        visitor.flush();
        if let Some(error) = visitor.failed.take() {
            return Err(error.into());
        }
        self.line += counts.lines;
        bad.map_or(Ok(()), |source| {
            Err(Error::Header {
                path: self.path(),
                source,
            })
        })
    }
}

impl Iterator for EventReader {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Some(Ok(batch));
            }
            let windows = self.windows.as_mut()?;
            let Some(window) = windows.next(std::mem::take(&mut self.spare)) else {
                let result = self.windows.take()?.end().read;
                return result.err().map(|source| {
                    Err(Error::Read {
                        path: self.path(),
                        source,
                    })
                });
            };
            if window.long.is_some() {
                self.line += 1;
                continue;
            }
            let result = self.window(window.offset, &window.bytes);
            self.spare = window.bytes;
            if let Err(error) = result {
                self.windows = None;
                return Some(Err(error));
            }
        }
    }
}

struct Visitor<'v> {
    source: &'v Source,
    bytewise: Bytewise,
    columns: Events,
    limit: usize,
    ready: &'v mut std::collections::VecDeque<RecordBatch>,
    failed: Option<arrow::error::ArrowError>,
}

impl Visitor<'_> {
    fn flush(&mut self) {
        if self.columns.len() == 0 {
            return;
        }
        let batch = self.columns.finish(0);
        match batch.and_then(|batch| spelled_out(&batch, Table::Events)) {
            Ok(batch) => self.ready.push_back(batch),
            Err(error) => self.failed = Some(error),
        }
    }
}

impl<'a> Visit<'a> for Visitor<'_> {
    fn row(&mut self, row: &Row<'a>, columns: &Columns) {
        let extra = extra(row, columns);
        let source = (0, self.source);
        self.columns
            .push(row, source, self.bytewise, extra.as_deref());
        if self.columns.len() >= self.limit {
            self.flush();
        }
    }

    fn reject(&mut self, _: Reject<'a>) {}
}
