//! Rows of sessions that are not complete in their piece: put together from all pieces, files and
//! runs, folded in order once they are final, carried on until then.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::io::ErrorKind;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use relaydrift_parse::{Columns, Reason, Record, Row, Session, arrange};

use crate::columns::{Bool, Bytes, Int64, Time, Utf8, columns};
use crate::{Error, Place, Table};

/// A session is given up on when its last row is older than this, by its server's own log time.
pub(crate) const PATIENCE: i64 = 24 * crate::observe::HOUR;

columns! {
    /// Builders of `open_sessions`.
    OpenColumns for Table::OpenSessions, {
        organization: Utf8, server: Utf8, service: Utf8, session_id: Utf8, event_time: Time,
        sequence: Int64, raw: Bytes, parked: Bool, source_id: Utf8, line: Int64,
        byte_offset: Int64,
    }
}

/// One raw row on its way: the line in the standard order of columns, and its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) source: u32,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    /// Given up on by an earlier batch; stored once and never written again.
    pub(crate) parked: bool,
}

impl<'a> Carried<'a> {
    fn row(&self) -> Result<Row<'a>, Reason> {
        let record = Record::parse(self.line, &Columns::default())?;
        Ok(Row {
            record,
            number: self.number,
            offset: self.offset,
        })
    }

    fn unreadable(&self, reason: Reason, source_id: &str) -> Error {
        Error::Carried {
            source_id: source_id.to_owned(),
            line: self.number,
            reason,
        }
    }

    /// Writes the row behind others, as [`Carried::read`] reads it.
    fn write(&self, rows: &mut Vec<u8>) {
        rows.extend_from_slice(&self.source.to_le_bytes());
        rows.extend_from_slice(&self.number.to_le_bytes());
        rows.extend_from_slice(&self.offset.to_le_bytes());
        rows.push(u8::from(self.parked));
        rows.extend_from_slice(&(self.line.len() as u64).to_le_bytes());
        rows.extend_from_slice(self.line);
    }

    /// Takes the first row off; `None` if none is left or what is there is none.
    fn read(rows: &mut &'a [u8]) -> Option<Carried<'a>> {
        let source = u32::from_le_bytes(taken(rows)?);
        let number = u64::from_le_bytes(taken(rows)?);
        let offset = u64::from_le_bytes(taken(rows)?);
        let [parked] = taken(rows)?;
        let length = u64::from_le_bytes(taken(rows)?);
        let (line, rest) = rows.split_at_checked(usize::try_from(length).ok()?)?;
        *rows = rest;
        Some(Carried {
            line,
            source,
            number,
            offset,
            parked: parked != 0,
        })
    }
}

/// A row's line in the standard order of columns.
fn standard<'a>(record: &Record<'a>) -> Cow<'a, [u8]> {
    let parsed = Record::parse(record.line, &Columns::default());
    if parsed.is_ok_and(|parsed| parsed.has_same_fields(record)) {
        Cow::Borrowed(record.line)
    } else {
        Cow::Owned(record.to_line())
    }
}

fn taken<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

/// Rows by session, in [`PARTS`] parts that can each be put together by itself.
#[derive(Debug)]
pub(crate) struct Carry {
    parts: Vec<Part>,
}

/// Parts of a [`Carry`]: a session is in the one that place and id say.
const PARTS: usize = 256;

/// Rows of one session, one behind the other.
type Rows = Box<[u8]>;

/// The sessions of one part, by the place's number and the id.
#[derive(Debug, Default)]
pub(crate) struct Part {
    sessions: HashMap<(u32, Box<[u8]>), Vec<Rows>>,
    bytes: usize,
}

/// About what rows of a session take in memory beside their own bytes and the id.
const ROWS_OVERHEAD: usize = 96;

impl Default for Carry {
    fn default() -> Self {
        Carry {
            parts: (0..PARTS).map(|_| Part::default()).collect(),
        }
    }
}

impl Carry {
    /// Takes in rows that a piece of a source has left of one session.
    pub(crate) fn leave(&mut self, place: u32, source: u32, rows: &[Row<'_>]) {
        let Some(first) = rows.first() else { return };
        let mut written = Vec::new();
        for row in rows {
            let carried = Carried {
                line: &standard(&row.record),
                source,
                number: row.number,
                offset: row.offset,
                parked: false,
            };
            carried.write(&mut written);
        }
        self.take_in(place, first.record.session_id(), written);
    }

    /// Takes in a row that was read back.
    ///
    /// # Errors
    /// If it is no row: a lake gave something else back than it was given.
    pub(crate) fn push(
        &mut self,
        place: u32,
        carried: &Carried<'_>,
        source_id: &str,
    ) -> Result<(), Error> {
        let row = carried.row();
        let row = row.map_err(|reason| carried.unreadable(reason, source_id))?;
        let mut written = Vec::new();
        carried.write(&mut written);
        self.take_in(place, row.record.session_id(), written);
        Ok(())
    }

    fn take_in(&mut self, place: u32, id: &[u8], rows: Vec<u8>) {
        let part = FixedState::default().hash_one((place, id)) % PARTS as u64;
        self.parts[part as usize].take_in(place, id, rows);
    }

    pub(crate) fn add(&mut self, other: Carry) {
        for (part, other) in self.parts.iter_mut().zip(other.parts) {
            part.add(other);
        }
    }

    /// Puts a part of this number back.
    pub(crate) fn keep(&mut self, number: usize, part: Part) {
        self.parts[number].add(part);
    }

    /// Bytes that all rows take in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// All parts, each once, with their numbers.
    pub(crate) fn into_parts(self) -> Vec<(usize, Part)> {
        self.parts.into_iter().enumerate().collect()
    }
}

impl Part {
    fn take_in(&mut self, place: u32, id: &[u8], rows: Vec<u8>) {
        self.bytes += rows.len() + id.len() + ROWS_OVERHEAD;
        let session = self.sessions.entry((place, id.into())).or_default();
        session.push(rows.into_boxed_slice());
    }

    fn add(&mut self, other: Part) {
        self.bytes += other.bytes;
        for (key, rows) in other.sessions {
            self.sessions.entry(key).or_default().extend(rows);
        }
    }

    /// Writes every session behind what stands there, as [`Part::read`] reads them.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        for ((place, id), rows) in &self.sessions {
            let length: usize = rows.iter().map(|rows| rows.len()).sum();
            to.extend_from_slice(&place.to_le_bytes());
            to.extend_from_slice(&(id.len() as u64).to_le_bytes());
            to.extend_from_slice(&(length as u64).to_le_bytes());
            to.extend_from_slice(id);
            rows.iter().for_each(|rows| to.extend_from_slice(rows));
        }
    }

    /// Takes in what was written; false if it is not that.
    pub(crate) fn read(&mut self, mut from: &[u8]) -> bool {
        while !from.is_empty() {
            let Some((place, id, rows)) = written_session(&mut from) else {
                return false;
            };
            self.take_in(place, id, rows.to_owned());
        }
        true
    }

    /// Folds every session and hands it over with its rows, in the order in which they were written;
    /// `source_ids` by the numbers that rows carry.
    ///
    /// # Errors
    /// As [`Carry::push`], and what `each` returns.
    pub(crate) fn fold(
        &self,
        source_ids: &[String],
        mut each: impl FnMut(u32, &Session<'_>, &[(Row<'_>, Carried<'_>)]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut session = Session::default();
        for ((place, _), blocks) in &self.sessions {
            let mut rows = Vec::new();
            for mut block in blocks.iter().map(|block| &**block) {
                while !block.is_empty() {
                    let carried = Carried::read(&mut block);
                    let carried =
                        carried.ok_or_else(|| Error::Spill(ErrorKind::InvalidData.into()))?;
                    let row = carried.row().map_err(|reason| {
                        carried.unreadable(reason, &source_ids[carried.source as usize])
                    })?;
                    rows.push((row, carried));
                }
            }
            for rows in arrange(rows, |carried| carried.source) {
                session.reset();
                rows.iter()
                    .for_each(|(row, carried)| session.push(row, carried.source));
                each(*place, &session, &rows)?;
            }
        }
        Ok(())
    }
}

/// Place, id and rows of the first session, which is taken off.
fn written_session<'a>(from: &mut &'a [u8]) -> Option<(u32, &'a [u8], &'a [u8])> {
    let place = u32::from_le_bytes(taken(from)?);
    let id = usize::try_from(u64::from_le_bytes(taken(from)?)).ok()?;
    let rows = usize::try_from(u64::from_le_bytes(taken(from)?)).ok()?;
    let (id, rest) = from.split_at_checked(id)?;
    let (rows, rest) = rest.split_at_checked(rows)?;
    *from = rest;
    Some((place, id, rows))
}

/// Rows of `open_sessions` after which they are written, and bytes of their lines: an Arrow array holds 2 GiB.
const OPEN_ROWS: usize = 64 * 1024;
const OPEN_BYTES: usize = 32 * 1024 * 1024;

impl OpenColumns {
    pub(crate) fn full(&self) -> bool {
        self.len() >= OPEN_ROWS || self.raw.values_slice().len() >= OPEN_BYTES
    }

    pub(crate) fn push(&mut self, row: &Row<'_>, place: &Place, source_id: &str, parked: bool) {
        let record = &row.record;
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.organization.append_value(&place.organization);
        self.server.append_value(&place.server);
        self.service.append_value(&place.service);
        self.session_id
            .append_value(relaydrift_parse::text::lossless(record.session_id()));
        self.event_time.append_value(record.time);
        self.sequence.append_value(record.sequence);
        self.raw.append_value(record.line);
        self.parked.append_value(parked);
        self.source_id.append_value(source_id);
        self.line.append_value(int(row.number));
        self.byte_offset.append_value(int(row.offset));
        self.end_row();
    }
}

/// A row of `open_sessions`, read back.
pub(crate) struct OpenRow {
    pub(crate) place: Place,
    pub(crate) source_id: String,
    line: Vec<u8>,
    number: u64,
    offset: u64,
    pub(crate) parked: bool,
}

impl OpenRow {
    /// The row, with the number that its source has here.
    pub(crate) fn carried(&self, source: u32) -> Carried<'_> {
        Carried {
            line: &self.line,
            source,
            number: self.number,
            offset: self.offset,
            parked: self.parked,
        }
    }
}

/// Reads rows of `open_sessions`, in whichever text and binary types a reader gives them.
pub(crate) fn open_rows(batch: &RecordBatch) -> Result<Vec<OpenRow>, ArrowError> {
    let column = |name: &str, kind: DataType| {
        let array = batch
            .column_by_name(name)
            .ok_or_else(|| ArrowError::SchemaError(name.to_owned()))?;
        arrow::compute::cast(array, &kind)
    };
    let texts =
        ["organization", "server", "service", "source_id"].map(|name| column(name, DataType::Utf8));
    let [organization, server, service, source_id] = texts;
    let (organization, server, service, source_id) = (organization?, server?, service?, source_id?);
    let (raw, parked) = (
        column("raw", DataType::Binary)?,
        column("parked", DataType::Boolean)?,
    );
    let (line, offset) = (
        column("line", DataType::Int64)?,
        column("byte_offset", DataType::Int64)?,
    );
    let text = |array: &dyn Array, row| array.as_string::<i32>().value(row).to_owned();
    let int = |array: &dyn Array, row| array.as_primitive::<Int64Type>().value(row) as u64;
    let rows = (0..batch.num_rows()).map(|row| OpenRow {
        place: Place {
            organization: text(&organization, row),
            server: text(&server, row),
            service: text(&service, row),
        },
        source_id: text(&source_id, row),
        line: raw.as_binary::<i32>().value(row).to_owned(),
        number: int(&line, row),
        offset: int(&offset, row),
        parked: parked.as_boolean().value(row),
    });
    Ok(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = OpenColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::OpenSessions.schema());
    }
}
