//! A few windows of log at a time: lines, rows, sessions, and one ordered row group of `events`.

use arrow::array::RecordBatch;
use hashbrown::HashMap;
use relaydrift_parse::{
    Columns, Counts, Header, OpenSessions, Piece, Reason, Reject, Row, Text, Visit, read,
};

use crate::carry::Carry;
use crate::emit::{DATED, Emit};
use crate::events::{Bytewise, Events, RejectColumns, extra};
use crate::file::{LongLine, Window};
use crate::ledger::Range;
use crate::observe::{HOUR, HourRows};
use crate::source::HEAD;
use crate::{Error, Keep, Source, Table};

/// Rejects of one file that are kept as rows; the rest is counted.
const REJECTS_KEPT: u64 = 10_000;

/// A row is rarely shorter.
const ROW_BYTES: usize = 128;

/// Few sessions have more rows.
const SESSION_ROWS: usize = 128;

/// A window of one source.
pub(crate) struct Loaded {
    pub(crate) source: usize,
    pub(crate) window: Window,
}

/// How far one source has been read.
pub(crate) struct Reading {
    pub(crate) place: u32,
    pub(crate) header: Header,
    pub(crate) line: u64,
    pub(crate) range: Range,
    /// The last bytes before `range.to_offset`, as many as the ledger hashes: a packed log need not be
    /// unpacked again for them.
    pub(crate) tail: Vec<u8>,
    /// A header that ended the reading; the bytes after it are pending.
    pub(crate) bad_header: Option<String>,
    /// The file could not be opened, or not be read to its end.
    pub(crate) unreadable: Option<String>,
}

impl Reading {
    pub(crate) fn new(source: &Source, place: u32) -> Reading {
        Reading {
            place,
            header: source.header.clone(),
            line: source.from_line,
            range: Range {
                to_offset: source.from_offset,
                ..Range::default()
            },
            tail: Vec::new(),
            bad_header: None,
            unreadable: None,
        }
    }

    /// Takes in bytes that were read.
    fn remember(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(HEAD)..];
        let surplus = (self.tail.len() + new.len()).saturating_sub(HEAD);
        self.tail.drain(..surplus);
        self.tail.extend_from_slice(new);
    }

    /// Rejects that were counted but not kept.
    pub(crate) fn rejects_left_out(&self) -> u64 {
        self.range.counts.rejects.saturating_sub(REJECTS_KEPT)
    }
}

/// Reads loaded windows, in order. `readings` has one entry per source from `first` on.
pub(crate) fn read_all(
    loaded: &[Loaded],
    sources: &[Source],
    (first, readings): (usize, &mut [Reading]),
    keep: Keep,
    batch: i64,
    emit: &mut Emit<'_>,
    carry: &mut Carry,
) -> Result<Vec<(Table, RecordBatch)>, Error> {
    let bytes: usize = loaded.iter().map(|loaded| loaded.window.bytes.len()).sum();
    let mut events = Vec::with_capacity(if keep.events { bytes / ROW_BYTES } else { 0 });
    let mut rejects = RejectColumns::new();
    for loaded in loaded {
        let window = &loaded.window;
        let reading = &mut readings[loaded.source - first];
        if reading.bad_header.is_some() {
            reading.range.pending += window.length();
            continue;
        }
        let source = &sources[loaded.source];
        if let Some(line) = &window.long {
            read_long(window, line, source, reading, &mut rejects);
            continue;
        }
        let bytewise = if keep.events {
            Some(Bytewise::of(&window.bytes))
        } else {
            None
        };
        read_window(
            loaded,
            source,
            reading,
            bytewise,
            &mut events,
            &mut rejects,
            emit,
            carry,
        );
    }
    let mut batches = Vec::new();
    if !events.is_empty() {
        batches.push((Table::Events, build(&events, sources, batch)?));
    }
    if rejects.len() > 0 {
        batches.push((Table::Rejects, rejects.finish(batch)?));
    }
    Ok(batches)
}

#[expect(
    clippy::too_many_arguments,
    reason = "one window, and everything that takes from it"
)]
fn read_window<'a>(
    loaded: &'a Loaded,
    source: &Source,
    reading: &mut Reading,
    bytewise: Option<Bytewise>,
    events: &mut Vec<Event<'a>>,
    rejects: &mut RejectColumns,
    emit: &mut Emit<'_>,
    carry: &mut Carry,
) {
    let window = &loaded.window;
    let piece = Piece {
        bytes: &window.bytes,
        offset: window.offset,
        line: reading.line,
    };
    let mut visitor = Visitor {
        number: loaded.source as u32,
        source,
        place: reading.place,
        open: OpenSessions::default(),
        hours: Vec::new(),
        bytewise,
        events,
        rejects,
        rejects_before: reading.range.counts.rejects,
        rejects_seen: 0,
        emit,
        first: reading.range.first,
        last: reading.range.last,
    };
    let (counts, bad) = read(piece, &mut reading.header, &mut visitor);
    visitor.finish(carry);
    (reading.range.first, reading.range.last) = (visitor.first, visitor.last);
    reading.line += counts.lines;
    reading.range.counts.add(&counts);
    let end = window.offset + window.bytes.len() as u64;
    reading.range.to_offset = bad.as_ref().map_or(end, |bad| bad.offset);
    reading.range.pending += end - reading.range.to_offset;
    let read = (reading.range.to_offset - window.offset) as usize;
    reading.remember(&window.bytes[..read]);
    reading.bad_header = bad.map(|bad| bad.to_string());
}

/// Takes in a line of which no more is held than is kept, as [`read`] takes in one that is too long.
fn read_long(
    window: &Window,
    line: &LongLine,
    source: &Source,
    reading: &mut Reading,
    rejects: &mut RejectColumns,
) {
    let reject = Reject {
        reason: Reason::TooLong { bytes: line.bytes },
        bytes: &window.bytes,
        number: reading.line,
        offset: window.offset + line.mark as u64,
    };
    if reading.range.counts.rejects < REJECTS_KEPT {
        let (place, source_id) = (&source.place, &source.source_id);
        rejects.push_kept(&reject, line.bytes, line.hash, place, source_id);
    }
    reading.line += 1;
    reading.range.counts.add(&Counts {
        lines: 1,
        rejects: 1,
        header_bytes: line.mark as u64,
        reject_bytes: line.whole,
        ..Counts::default()
    });
    reading.range.to_offset = window.offset + window.length();
    // Its end is no longer held: the ledger reads it again.
    reading.tail.clear();
}

/// A row that becomes one of `events`.
struct Event<'a> {
    row: Row<'a>,
    source: usize,
    bytewise: Bytewise,
    extra: Option<String>,
}

/// One row group, ordered by server, session and sequence.
fn build(events: &[Event<'_>], sources: &[Source], batch: i64) -> Result<RecordBatch, Error> {
    let mut columns = Events::with_room(events.len());
    for at in order(events, sources) {
        let event = &events[at as usize];
        let source = &sources[event.source];
        let extra = event.extra.as_deref();
        columns.push(&event.row, (event.source, source), event.bytewise, extra);
    }
    Ok(columns.finish(batch)?)
}

/// The numbers of the rows in the order of server, session, sequence and place.
///
/// Rows stand in bursts of a session, mostly in order: the sessions are sorted, then the rows of each.
fn order(events: &[Event<'_>], sources: &[Source]) -> Vec<u32> {
    let mut sessions = Vec::new();
    let mut numbers = HashMap::new();
    let mut latest = None;
    for (event, at) in events.iter().zip(0_u32..) {
        let burst = (event.source, event.row.record.session_id());
        let number = match latest {
            Some((same, number)) if same == burst => number,
            _ => {
                let session = (sources[burst.0].place.server.as_str(), burst.1);
                *numbers.entry(session).or_insert_with(|| {
                    sessions.push((session, Vec::with_capacity(SESSION_ROWS)));
                    sessions.len() - 1
                })
            }
        };
        latest = Some((burst, number));
        sessions[number].1.push(at);
    }
    sessions.sort_unstable_by_key(|(session, _)| *session);
    for (_, rows) in &mut sessions {
        rows.sort_by_key(|at| events[*at as usize].row.record.sequence);
    }
    sessions.into_iter().flat_map(|(_, rows)| rows).collect()
}

struct Visitor<'a, 'v, 's> {
    number: u32,
    source: &'v Source,
    place: u32,
    open: OpenSessions<'a>,
    hours: Vec<(Text<'a>, i64, HourRows)>,
    bytewise: Option<Bytewise>,
    events: &'v mut Vec<Event<'a>>,
    rejects: &'v mut RejectColumns,
    rejects_before: u64,
    rejects_seen: u64,
    emit: &'v mut Emit<'s>,
    first: Option<i64>,
    last: Option<i64>,
}

impl<'a> Visit<'a> for Visitor<'a, '_, '_> {
    fn row(&mut self, row: &Row<'a>, columns: &Columns) {
        self.count_hour(row);
        if let Some(bytewise) = self.bytewise {
            let extra = extra(row, columns);
            self.events.push(Event {
                row: *row,
                source: self.number as usize,
                bytewise,
                extra,
            });
        }
        let (emit, place) = (&mut *self.emit, self.place);
        self.open.push(row, self.number, &mut |session| {
            emit.session(session, place, false)
        });
    }

    fn reject(&mut self, reject: Reject<'a>) {
        if self.rejects_before + self.rejects_seen < REJECTS_KEPT {
            self.rejects
                .push(&reject, &self.source.place, &self.source.source_id);
        }
        self.rejects_seen += 1;
    }
}

impl<'a> Visitor<'a, '_, '_> {
    /// Rows of a connector in an hour; a piece has few of either, found from the latest on.
    fn count_hour(&mut self, row: &Row<'a>) {
        let time = row.record.time;
        if !DATED.contains(&time) {
            return;
        }
        let connector = row.record.connector();
        let hour = time.div_euclid(HOUR) * HOUR;
        let same = |known: &&mut (Text<'a>, i64, HourRows)| known.1 == hour && known.0 == connector;
        match self.hours.iter_mut().rev().find(same) {
            Some((_, _, rows)) => {
                rows.first = rows.first.min(time);
                rows.last = rows.last.max(time);
                rows.rows += 1;
            }
            None => {
                if self.hours.len() >= 64 {
                    self.flush_hours();
                }
                self.hours.push((
                    connector,
                    hour,
                    HourRows {
                        first: time,
                        last: time,
                        rows: 1,
                    },
                ));
            }
        }
    }

    fn flush_hours(&mut self) {
        for (connector, hour, rows) in self.hours.drain(..) {
            self.first = Some(self.first.map_or(rows.first, |first| first.min(rows.first)));
            self.last = self.last.max(Some(rows.last));
            let connector = connector.value();
            self.emit
                .observations
                .rows(self.place, &connector, hour, &rows);
        }
    }

    fn finish(&mut self, carry: &mut Carry) {
        self.flush_hours();
        for rows in self.open.leftover() {
            carry.leave(self.place, self.number, rows);
        }
    }
}
