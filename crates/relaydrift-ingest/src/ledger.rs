//! The `sources` table: what was read of which file, byte by byte, and what of it is known already.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;

use relaydrift_parse::{Columns, Counts, Header, Record};

use crate::columns::{Int64, Texts, Time, Utf8, append_list, columns};
use crate::{
    Place, Source, Table, file,
    input::{Form, Input},
    source::{HEAD, file_name, order, unpacked_name},
};

columns! {
    /// Builders of `sources`.
    SourceColumns for Table::Sources, {
        source_id: Utf8, path: Utf8, organization: Utf8, server: Utf8, service: Utf8,
        log_type: Utf8, version: Utf8, log_date: Utf8, head_hash: Utf8, head_bytes: Int64,
        from_offset: Int64, to_offset: Int64, tail_hash: Utf8, from_line: Int64, lines: Int64,
        rows: Int64, rejects: Int64, header_bytes: Int64, event_bytes: Int64,
        reject_bytes: Int64, blank_bytes: Int64, pending_bytes: Int64, first_time: Time,
        last_time: Time, flags: Texts, ingested_at: Time,
    }
}

/// Bytes after the last known offset in which a line end is looked for.
const PEEK: usize = 64 * 1024;

/// What was read of one source in one run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Range {
    pub(crate) to_offset: u64,
    pub(crate) tail_hash: Option<String>,
    pub(crate) counts: Counts,
    pub(crate) pending: u64,
    /// Row times, microseconds.
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    pub(crate) flags: Vec<&'static str>,
}

impl SourceColumns {
    pub(crate) fn push(&mut self, source: &Source, range: &Range, now: i64) {
        let int = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let counts = &range.counts;
        self.source_id.append_value(&source.source_id);
        self.path.append_value(source.path.to_string_lossy());
        self.organization.append_value(&source.place.organization);
        self.server.append_value(&source.place.server);
        self.service.append_value(&source.place.service);
        self.log_type.append_value("SMTP Send Protocol Log");
        self.version.append_option(source.header.version.as_ref());
        self.log_date.append_option(source.header.date.as_ref());
        self.head_hash.append_value(&source.head_hash);
        self.head_bytes.append_value(int(source.head_bytes));
        self.from_offset.append_value(int(source.from_offset));
        self.to_offset.append_value(int(range.to_offset));
        self.tail_hash.append_option(range.tail_hash.as_ref());
        self.from_line.append_value(int(source.from_line));
        self.lines.append_value(int(counts.lines));
        self.rows.append_value(int(counts.rows));
        self.rejects.append_value(int(counts.rejects));
        self.header_bytes.append_value(int(counts.header_bytes));
        self.event_bytes.append_value(int(counts.event_bytes));
        self.reject_bytes.append_value(int(counts.reject_bytes));
        self.blank_bytes.append_value(int(counts.blank_bytes));
        self.pending_bytes.append_value(int(range.pending));
        self.first_time.append_option(range.first);
        self.last_time.append_option(range.last);
        append_list(&mut self.flags, &range.flags);
        self.ingested_at.append_value(now);
        self.end_row();
    }
}

/// The newest state of every log that was ever read.
pub(crate) struct Ledger {
    /// By place and head: the range read last.
    known: HashMap<Key, Known>,
    /// Lengths of the heads on record, longest first.
    heads: Vec<u64>,
    /// By place, name and [`stamp`]: its id.
    named: HashMap<(Place, String, String), String>,
    /// By id: the furthest offset read.
    furthest: HashMap<String, u64>,
    /// By place and `#Date`: the logs that were opened then, each as it was read last.
    dated: HashMap<(Place, String), Vec<Known>>,
}

/// The end of a log that was deleted before it was read, or may not have been.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The log, as it was seen last; its offset is the byte from which on it was not read.
    pub source: Source,
    /// Bytes that were seen of it and not read; what came after them nobody knows.
    pub bytes: u64,
    /// Of the bytes before the offset, as the ledger has it.
    tail_hash: Option<String>,
}

impl Gap {
    /// Of a log that is gone, and what of it is in the ledger (rows of `sources`).
    pub fn of(mut source: Source, ledger: &[RecordBatch]) -> Gap {
        let state = read_of(&source, ledger);
        if let Some(state) = &state {
            source.source_id.clone_from(&state.source_id);
            source.from_offset = state.to_offset;
            source.from_line = state.next_line;
        }
        // Bytes on disk are those of its text where it is plain.
        let plain = source.form == Form::default() && !source.input.is_member();
        let bytes = if plain {
            source.size.saturating_sub(source.from_offset)
        } else {
            0
        };
        Gap {
            source,
            bytes,
            tail_hash: state.and_then(|state| state.tail_hash),
        }
    }

    /// The row of `sources` that tells it: a range without bytes, flagged `gap`, where the reading ended.
    ///
    /// # Errors
    /// If the columns do not fit their schema: a defect of this program.
    pub fn row(&self, batch: i64) -> Result<RecordBatch, ArrowError> {
        let range = Range {
            to_offset: self.source.from_offset,
            tail_hash: self.tail_hash.clone(),
            pending: self.bytes,
            flags: vec!["gap"],
            ..Range::default()
        };
        let mut rows = SourceColumns::new();
        rows.push(&self.source, &range, now());
        rows.finish(batch)
    }
}

/// A log that may have more than a ledger has of it.
#[derive(Debug, Clone)]
pub struct Unfinished {
    /// The log, as it was seen when it was read last.
    pub source: Source,
    /// The latest log of its place: rows were still written into it.
    pub newest: bool,
}

/// The logs that may have more than a ledger (rows of `sources`) has of them: the latest of each place, and those
/// with an unterminated last line. One whose end was told to be missing is not among them.
pub fn unfinished(ledger: &[RecordBatch]) -> Vec<Unfinished> {
    let mut last: HashMap<String, (Rows<'_>, usize)> = HashMap::new();
    for batch in ledger {
        let rows = Rows(batch);
        for row in 0..batch.num_rows() {
            let Some(id) = rows.text("source_id", row) else {
                continue;
            };
            let before = last.get(&id);
            if before.is_none_or(|(of, before)| of.order(*before) <= rows.order(row)) {
                last.insert(id, (rows, row));
            }
        }
    }
    let seen = last.values().filter_map(|(rows, row)| {
        let told = rows.has_flag("gap", *row);
        Some((rows.source(*row)?, rows.int("pending_bytes", *row), told))
    });
    let seen: Vec<(Source, u64, bool)> = seen.collect();
    let mut newest: HashMap<&Place, &Source> = HashMap::new();
    for (source, ..) in &seen {
        let latest = newest.entry(&source.place).or_insert(source);
        if latest.order < source.order {
            *latest = source;
        }
    }
    let is_newest = |source: &Source| newest[&source.place].source_id == source.source_id;
    let open = seen
        .iter()
        .filter(|(source, pending, told)| !told && (*pending > 0 || is_newest(source)));
    open.map(|(source, ..)| Unfinished {
        source: source.clone(),
        newest: is_newest(source),
    })
    .collect()
}

/// What the ledger says of a log at hand.
pub(crate) enum State {
    /// It has bytes that were not read yet.
    New,
    /// All of it was read.
    Known,
    /// It is shorter than what was read: an older copy, or one that is still being made.
    Shorter,
}

/// Place, bytes of the head, their hash; and the file's name where the head is short, since headers
/// alone may be alike.
type Key = (Place, u64, String, String);

fn key(place: Place, bytes: u64, hash: String, path: &Path) -> Key {
    let short = bytes < HEAD as u64;
    (
        place,
        bytes,
        hash,
        if short { name(path) } else { String::new() },
    )
}

/// The name of a log, packed or not.
fn name(path: &Path) -> String {
    unpacked_name(&file_name(path)).to_owned()
}

#[derive(Clone)]
struct Known {
    source_id: String,
    head_bytes: u64,
    head_hash: String,
    to_offset: u64,
    next_line: u64,
    tail_hash: Option<String>,
    /// Where its first range with rows begins, and the time of its first row, microseconds.
    first_row: Option<(u64, i64)>,
}

/// Columns of a `sources` batch that the ledger reads.
#[derive(Clone, Copy)]
struct Rows<'a>(&'a RecordBatch);

impl Rows<'_> {
    fn text(&self, column: &str, row: usize) -> Option<String> {
        let array = self.0.column_by_name(column)?;
        let array = arrow::compute::cast(array, &DataType::Utf8).ok()?;
        let array = array.as_string_opt::<i32>()?;
        (!array.is_null(row)).then(|| array.value(row).to_owned())
    }

    fn int(&self, column: &str, row: usize) -> u64 {
        let array = self
            .0
            .column_by_name(column)
            .and_then(|array| array.as_primitive_opt::<Int64Type>());
        array.map_or(0, |array| u64::try_from(array.value(row)).unwrap_or(0))
    }

    /// What was read later of a log comes later.
    fn order(&self, row: usize) -> (u64, u64) {
        (self.int("batch", row), self.int("to_offset", row))
    }

    /// How the log is known again, its id and its path.
    fn log(&self, row: usize) -> Option<(Key, String, String)> {
        let (place, hash) = (self.place(row)?, self.text("head_hash", row)?);
        let path = self.text("path", row).unwrap_or_default();
        let key = key(place, self.int("head_bytes", row), hash, Path::new(&path));
        Some((key, self.text("source_id", row)?, path))
    }

    /// As [`stamp`]; of a log without `#Date` the range from its start tells it.
    fn stamp(&self, row: usize) -> Option<String> {
        let first = self.first_row(row).filter(|(from, _)| *from == 0);
        let first = || first.map(|(_, time)| time.to_string());
        self.text("log_date", row).or_else(first)
    }

    /// Where the range begins, and the time of its first row, microseconds, if it has one.
    fn first_row(&self, row: usize) -> Option<(u64, i64)> {
        let times = self.0.column_by_name("first_time")?;
        let times = times.as_primitive_opt::<TimestampMicrosecondType>()?;
        (!times.is_null(row)).then(|| (self.int("from_offset", row), times.value(row)))
    }

    fn state(&self, row: usize, source_id: String) -> Known {
        Known {
            source_id,
            head_bytes: self.int("head_bytes", row),
            head_hash: self.text("head_hash", row).unwrap_or_default(),
            to_offset: self.int("to_offset", row),
            next_line: self.int("from_line", row) + self.int("lines", row),
            tail_hash: self.text("tail_hash", row),
            first_row: self.first_row(row),
        }
    }

    fn has_flag(&self, flag: &str, row: usize) -> bool {
        let flags = self.0.column_by_name("flags");
        let flags = flags.and_then(|array| array.as_list_opt::<i32>());
        let flags = flags.filter(|array| !array.is_null(row));
        let flags = flags.map(|array| array.value(row));
        let text = |array| arrow::compute::cast(&array, &DataType::Utf8).ok();
        let flags = flags.and_then(text);
        let flags = flags
            .as_ref()
            .and_then(|array| array.as_string_opt::<i32>());
        flags.is_some_and(|flags| flags.iter().flatten().any(|one| one == flag))
    }

    /// The log as it was when this range of it was read.
    fn source(&self, row: usize) -> Option<Source> {
        let path = self.text("path", row)?;
        let header = Header {
            version: self.text("version", row),
            date: self.text("log_date", row),
            ..Header::default()
        };
        let size = self.int("to_offset", row) + self.int("pending_bytes", row);
        Some(Source {
            place: self.place(row)?,
            source_id: self.text("source_id", row)?,
            size,
            text_bytes: size,
            from_offset: self.int("from_offset", row),
            from_line: self.int("from_line", row),
            head_hash: self.text("head_hash", row)?,
            head_bytes: self.int("head_bytes", row),
            order: order(&file_name(Path::new(&path)), &header),
            first_header: header.clone(),
            header,
            input: Input::file(Path::new(&path)),
            form: Form::default(),
            path: path.into(),
        })
    }

    fn place(&self, row: usize) -> Option<Place> {
        Some(Place {
            organization: self.text("organization", row)?,
            server: self.text("server", row)?,
            service: self.text("service", row)?,
        })
    }
}

impl Ledger {
    pub(crate) fn new(batches: &[RecordBatch]) -> Ledger {
        let mut known: HashMap<Key, Known> = HashMap::new();
        let (mut named, mut furthest) = (HashMap::new(), HashMap::new());
        let mut dated: HashMap<(Place, String), Vec<Known>> = HashMap::new();
        for batch in batches {
            let rows = Rows(batch);
            for row in 0..batch.num_rows() {
                let Some((key, source_id, path)) = rows.log(row) else {
                    continue;
                };
                let state = rows.state(row, source_id);
                if let Some(stamp) = rows.stamp(row) {
                    let log = (key.0.clone(), name(Path::new(&path)), stamp);
                    named.insert(log, state.source_id.clone());
                }
                let to = furthest.entry(state.source_id.clone()).or_insert(0);
                *to = state.to_offset.max(*to);
                if let Some(date) = rows.text("log_date", row) {
                    keep_last(dated.entry((key.0.clone(), date)).or_default(), &state);
                }
                let newer = known
                    .get(&key)
                    .is_none_or(|old| old.to_offset <= state.to_offset);
                if newer {
                    known.insert(key, state);
                }
            }
        }
        let mut heads: Vec<u64> = known.keys().map(|(_, bytes, ..)| *bytes).collect();
        heads.sort_unstable_by(|a, b| b.cmp(a));
        heads.dedup();
        Ledger {
            known,
            heads,
            named,
            furthest,
            dated,
        }
    }

    /// True if a log was cut back, or an older copy of it is at hand: it is so short that it may begin as it
    /// did when less of it was read, or not even that.
    fn is_cut_back(&self, source: &Source, head: &[u8], state: Option<&Known>) -> bool {
        if head.len() >= HEAD {
            return false;
        }
        let named = || {
            let stamp = stamp(source, head)?;
            let log = (source.place.clone(), name(&source.path), stamp);
            self.named.get(&log)
        };
        let known = state.map(|state| &state.source_id).or_else(named);
        let furthest = self.furthest.get(known.unwrap_or(&source.source_id));
        furthest.is_some_and(|to| (head.len() as u64) < *to)
    }

    /// Moves a source to the first byte that was not read yet.
    ///
    /// # Errors
    /// If the log cannot be read; what of it is new is not known then.
    pub(crate) fn advance(&self, source: &mut Source) -> io::Result<State> {
        let (head, _) = file::head(&source.input, HEAD)?;
        let heads = self
            .heads
            .iter()
            .filter(|bytes| **bytes <= head.len() as u64);
        let found = heads.map(|bytes| {
            let hash = blake3::hash(&head[..*bytes as usize]).to_hex().to_string();
            self.known
                .get(&key(source.place.clone(), *bytes, hash, &source.path))
        });
        let state = found.flatten().next();
        if self.is_cut_back(source, &head, state) {
            return Ok(State::Shorter);
        }
        let Some(state) = state else {
            return self.renamed(source, &head);
        };
        // Rewritten since: another log in the same place.
        Ok(resume(source, state)?.unwrap_or(State::New))
    }

    /// The same of a log that is not known by its name or a long head: a short one that was renamed or copied was
    /// opened at the same time and has the same bytes before the known end, or, ending before, the same first row.
    /// One without a row is not known so: headers alone may be alike.
    fn renamed(&self, source: &mut Source, head: &[u8]) -> io::Result<State> {
        let date = source.first_header.date.clone();
        let logs = date.and_then(|date| self.dated.get(&(source.place.clone(), date)));
        for log in logs.into_iter().flatten() {
            let begins_alike = match head.get(..log.head_bytes as usize) {
                Some(start) => blake3::hash(start).to_hex().as_str() == log.head_hash,
                None => first_row(head) == log.first_row.map(|(_, time)| time),
            };
            if log.first_row.is_some()
                && begins_alike
                && let Some(state) = resume(source, log)?
            {
                return Ok(state);
            }
        }
        Ok(State::New)
    }
}

/// Keeps of each log the range that ends last, and the time of its first row.
fn keep_last(logs: &mut Vec<Known>, state: &Known) {
    let Some(log) = logs.iter_mut().find(|log| log.source_id == state.source_id) else {
        return logs.push(state.clone());
    };
    // A log that was read before it had a row tells it later.
    let first_row = log.first_row.into_iter().chain(state.first_row).min();
    if log.to_offset <= state.to_offset {
        *log = state.clone();
    }
    log.first_row = first_row;
}

/// Moves a source to where the reading of that log ended; [`None`] where its bytes before that are others.
fn resume(source: &mut Source, log: &Known) -> io::Result<Option<State>> {
    let from = log.to_offset.saturating_sub(HEAD as u64);
    let had = (log.to_offset - from) as usize;
    let tail = file::range(&source.input, from, had + PEEK)?;
    if tail.len() < had {
        // The same start: a log of another hour has another header.
        return Ok(Some(State::Shorter));
    }
    let hash = blake3::hash(&tail[..had]).to_hex();
    let known = log.tail_hash.as_ref();
    if known.is_some_and(|known| known != hash.as_str()) {
        return Ok(None);
    }
    source.source_id.clone_from(&log.source_id);
    source.from_offset = log.to_offset;
    source.from_line = log.next_line;
    if source.from_offset > 0 {
        source.header = source.first_header.clone();
    }
    let new = &tail[had..];
    let more = new.len() == PEEK || new.contains(&b'\n');
    Ok(Some(if more { State::New } else { State::Known }))
}

/// What tells logs of one name apart: `#Date`, else the time of the first row (microseconds).
fn stamp(source: &Source, head: &[u8]) -> Option<String> {
    let first = || first_row(head).map(|time| time.to_string());
    source.first_header.date.clone().or_else(first)
}

/// Time of the first row, microseconds, if there is one that can be read.
fn first_row(head: &[u8]) -> Option<i64> {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let mut lines = head.split_inclusive(|byte| *byte == b'\n');
    let line = lines.find(|line| !line.starts_with(b"#"))?;
    let row = Record::parse(line.trim_ascii_end(), &Columns::default());
    Some(row.ok()?.time)
}

/// What was read last of a log that is gone: known by its path, or under another one by its start.
///
/// The start alone does not do: a short log grows, and what was read of it stands in the ledger with the
/// start that it had then.
fn read_of(source: &Source, ledger: &[RecordBatch]) -> Option<Known> {
    let path = source.path.to_string_lossy();
    let head_hash = source.head_hash.clone();
    let start = key(
        source.place.clone(),
        source.head_bytes,
        head_hash,
        &source.path,
    );
    let mut found: Option<((u64, u64), Known)> = None;
    for batch in ledger {
        let rows = Rows(batch);
        for row in 0..batch.num_rows() {
            let Some((known, source_id, known_path)) = rows.log(row) else {
                continue;
            };
            let is_its = known == start || known.0 == source.place && known_path == path;
            let order = rows.order(row);
            if is_its && found.as_ref().is_none_or(|(latest, _)| *latest <= order) {
                found = Some((order, rows.state(row, source_id)));
            }
        }
    }
    found.map(|(_, state)| state)
}

/// The latest row time of each server, from `sources` rows: organization and server to microseconds.
pub(crate) fn log_times(batches: &[RecordBatch]) -> HashMap<(String, String), i64> {
    let mut latest = HashMap::new();
    for batch in batches {
        let rows = Rows(batch);
        let times = batch.column_by_name("last_time");
        let times = times.and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>());
        let Some(times) = times else { continue };
        for row in 0..batch.num_rows() {
            if let (Some(place), false) = (rows.place(row), times.is_null(row)) {
                let time = latest
                    .entry((place.organization, place.server))
                    .or_insert(i64::MIN);
                *time = (*time).max(times.value(row));
            }
        }
    }
    latest
}

/// Microseconds since 1970: when the ledger's rows were written.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schema() {
        let batch = SourceColumns::new().finish(1).unwrap();
        assert_eq!(batch.schema(), Table::Sources.schema());
    }
}
