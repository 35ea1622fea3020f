//! Rows of sessions that are not complete in their piece: put together from all pieces, files and
//! runs, folded in order once they are final, carried on until then.

use std::collections::HashMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
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
#[derive(Debug, Clone)]
pub(crate) struct Carried {
    pub(crate) line: Box<[u8]>,
    pub(crate) source: u32,
    pub(crate) number: u64,
    pub(crate) offset: u64,
    /// Given up on by an earlier batch; stored once and never written again.
    pub(crate) parked: bool,
}

impl Carried {
    pub(crate) fn new(row: &Row<'_>, source: u32) -> Carried {
        let record = &row.record;
        let standard = Record::parse(record.line, &Columns::default());
        let same = standard.is_ok_and(|parsed| parsed.has_same_fields(record));
        let line = if same {
            record.line.into()
        } else {
            record.to_line().into_boxed_slice()
        };
        Carried {
            line,
            source,
            number: row.number,
            offset: row.offset,
            parked: false,
        }
    }

    fn row(&self) -> Result<Row<'_>, Reason> {
        let record = Record::parse(&self.line, &Columns::default())?;
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
}

/// Rows by session: the key is the place's number and the id.
#[derive(Debug, Default)]
pub(crate) struct Carry {
    sessions: HashMap<(u32, Box<[u8]>), Vec<Carried>>,
}

impl Carry {
    /// Takes in rows that a piece of a source has left of one session.
    pub(crate) fn leave(&mut self, place: u32, source: u32, rows: &[Row<'_>]) {
        let Some(first) = rows.first() else { return };
        let id = first.record.session_id().into();
        let session = self.sessions.entry((place, id)).or_default();
        session.extend(rows.iter().map(|row| Carried::new(row, source)));
    }

    /// Takes in a row that was read back.
    ///
    /// # Errors
    /// If it is no row: a lake gave something else back than it was given.
    pub(crate) fn push(
        &mut self,
        place: u32,
        carried: Carried,
        source_id: &str,
    ) -> Result<(), Error> {
        let id = match carried.row() {
            Ok(row) => row.record.session_id().into(),
            Err(reason) => return Err(carried.unreadable(reason, source_id)),
        };
        let rows = self.sessions.entry((place, id)).or_default();
        rows.push(carried);
        Ok(())
    }

    pub(crate) fn add(&mut self, other: Carry) {
        for (key, rows) in other.sessions {
            self.sessions.entry(key).or_default().extend(rows);
        }
    }

    /// Folds every session and hands it over with its rows, in the order in which they were written;
    /// `source_ids` by the numbers that rows carry.
    ///
    /// # Errors
    /// As [`Carry::push`].
    pub(crate) fn fold(
        &self,
        source_ids: &[String],
        mut each: impl FnMut(u32, &Session<'_>, &[(Row<'_>, &Carried)]),
    ) -> Result<(), Error> {
        let mut session = Session::default();
        for ((place, _), carried) in &self.sessions {
            let rows = carried.iter().map(|carried| match carried.row() {
                Ok(row) => Ok((row, carried)),
                Err(reason) => {
                    Err(carried.unreadable(reason, &source_ids[carried.source as usize]))
                }
            });
            let rows: Vec<(Row<'_>, &Carried)> = rows.collect::<Result<_, _>>()?;
            for rows in arrange(rows, |carried| carried.source) {
                session.reset();
                rows.iter()
                    .for_each(|(row, carried)| session.push(row, carried.source));
                each(*place, &session, &rows);
            }
        }
        Ok(())
    }
}

impl OpenColumns {
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
    pub(crate) carried: Carried,
}

/// Reads rows of `open_sessions`, in whichever text and binary types a reader gives them; `source` of
/// the rows is left 0.
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
        carried: Carried {
            line: raw.as_binary::<i32>().value(row).into(),
            source: 0,
            number: int(&line, row),
            offset: int(&offset, row),
            parked: parked.as_boolean().value(row),
        },
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
