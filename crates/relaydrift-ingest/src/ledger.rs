//! The `sources` table: what was read of which file, byte by byte, and what of it is known already.

use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{
    Array, AsArray, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type, TimestampMicrosecondType};
use arrow::error::ArrowError;
use hashbrown::HashMap;

use relaydrift_parse::{Columns, Counts, Header, Record};

use crate::columns::{Int64, Texts, Time, Utf8, append_list, columns};
use crate::{
    Place, Source, Table, file,
    input::{Form, Input},
    source::{HEAD, last_part, order, unpacked_name},
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

/// Rows of a batch of [`condense`], at the most: an array of text has room for 2 GiB.
const MANY: usize = 1 << 20;

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

/// The newest state of every log that was ever read. It borrows all of it: there may be millions of logs.
pub(crate) struct Ledger<'a> {
    /// By place and head: the range read last.
    known: HashMap<Key<'a>, Row<'a>>,
    /// Lengths of the heads on record, longest first.
    heads: Vec<u64>,
    /// By place and name: its id.
    named: HashMap<(PlaceOf<'a>, &'a str, Stamp<'a>), &'a str>,
    /// By id: the furthest offset read.
    furthest: HashMap<&'a str, u64>,
    /// By place and `#Date`: the logs that were opened then, each as it was read last.
    dated: HashMap<(PlaceOf<'a>, &'a str), Vec<Opened<'a>>>,
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
        let rows = Rows::all(ledger);
        let read = read_of(&source, &rows);
        if let Some(read) = read {
            source.source_id = read.source_id().to_owned();
            source.from_offset = read.to_offset();
            source.from_line = read.next_line();
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
            tail_hash: read.and_then(Row::tail_hash).map(str::to_owned),
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
    let rows = Rows::all(ledger);
    let mut last: HashMap<&str, Row<'_>> = HashMap::new();
    for row in Rows::each(&rows) {
        let latest = last.entry(row.source_id()).or_insert(row);
        if latest.order() <= row.order() {
            *latest = row;
        }
    }
    let seen = last
        .values()
        .map(|row| (row.source(), row.pending_bytes(), row.has_flag("gap")));
    let seen: Vec<(Source, u64, bool)> = seen.collect();
    let mut newest: HashMap<&Place, &Source> = HashMap::new();
    for (source, ..) in &seen {
        let latest = newest.entry(&source.place).or_insert(source);
        // Of two of one hour always the same one.
        let before = (latest.order, &latest.path, &latest.source_id);
        if before < (source.order, &source.path, &source.source_id) {
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

/// Organization, server and service.
type PlaceOf<'a> = (&'a str, &'a str, &'a str);

fn place_of(place: &Place) -> PlaceOf<'_> {
    (&place.organization, &place.server, &place.service)
}

/// Place, bytes of the head, their hash; and the file's name where the head is short, since headers
/// alone may be alike.
type Key<'a> = (PlaceOf<'a>, u64, &'a str, &'a str);

fn key<'a>(place: PlaceOf<'a>, bytes: u64, hash: &'a str, path: &'a str) -> Key<'a> {
    let short = bytes < HEAD as u64;
    (place, bytes, hash, if short { name(path) } else { "" })
}

/// The name of a log, packed or not.
fn name(path: &str) -> &str {
    unpacked_name(last_part(path))
}

/// What tells logs of one name apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stamp<'a> {
    /// Its `#Date`.
    Date(&'a str),
    /// Without one, the time of its first row, microseconds.
    FirstRow(i64),
}

/// A log as it was read last, among those that were opened at one time.
struct Opened<'a> {
    last: Row<'a>,
    /// Where its first range with rows begins, and the time of its first row, microseconds.
    first_row: Option<(u64, i64)>,
}

/// A batch of `sources`: the columns that the ledger reads.
struct Rows {
    /// Of the batch, among those that it came with.
    number: usize,
    source_id: StringArray,
    path: StringArray,
    organization: StringArray,
    server: StringArray,
    service: StringArray,
    version: StringArray,
    log_date: StringArray,
    head_hash: StringArray,
    tail_hash: StringArray,
    head_bytes: Int64Array,
    from_offset: Int64Array,
    to_offset: Int64Array,
    from_line: Int64Array,
    lines: Int64Array,
    pending_bytes: Int64Array,
    batch: Int64Array,
    first_time: TimestampMicrosecondArray,
    last_time: TimestampMicrosecondArray,
    flags: ListArray,
}

impl Rows {
    /// [`None`] for a batch of another table.
    fn new(number: usize, batch: &RecordBatch) -> Option<Rows> {
        let text = |name| {
            let array = cast(batch.column_by_name(name)?, &DataType::Utf8).ok()?;
            array.as_string_opt::<i32>().cloned()
        };
        let int = |name| {
            let array = batch.column_by_name(name)?;
            array.as_primitive_opt::<Int64Type>().cloned()
        };
        let time = |name| {
            let array = batch.column_by_name(name)?;
            array
                .as_primitive_opt::<TimestampMicrosecondType>()
                .cloned()
        };
        Some(Rows {
            number,
            source_id: text("source_id")?,
            path: text("path")?,
            organization: text("organization")?,
            server: text("server")?,
            service: text("service")?,
            version: text("version")?,
            log_date: text("log_date")?,
            head_hash: text("head_hash")?,
            tail_hash: text("tail_hash")?,
            head_bytes: int("head_bytes")?,
            from_offset: int("from_offset")?,
            to_offset: int("to_offset")?,
            from_line: int("from_line")?,
            lines: int("lines")?,
            pending_bytes: int("pending_bytes")?,
            batch: int("batch")?,
            first_time: time("first_time")?,
            last_time: time("last_time")?,
            flags: batch
                .column_by_name("flags")?
                .as_list_opt::<i32>()
                .cloned()?,
        })
    }

    fn all(batches: &[RecordBatch]) -> Vec<Rows> {
        let batches = batches.iter().enumerate();
        batches
            .filter_map(|(number, batch)| Rows::new(number, batch))
            .collect()
    }

    fn each(all: &[Rows]) -> impl Iterator<Item = Row<'_>> {
        let rows = |of: &Rows| 0..of.source_id.len();
        all.iter()
            .flat_map(move |of| rows(of).map(move |at| Row { of, at }))
    }
}

/// A row of `sources`.
#[derive(Clone, Copy)]
struct Row<'a> {
    of: &'a Rows,
    at: usize,
}

impl<'a> Row<'a> {
    fn text(self, column: fn(&Rows) -> &StringArray) -> Option<&'a str> {
        let column = column(self.of);
        (!column.is_null(self.at)).then(|| column.value(self.at))
    }

    fn int(self, column: fn(&Rows) -> &Int64Array) -> u64 {
        u64::try_from(column(self.of).value(self.at)).unwrap_or(0)
    }

    fn source_id(self) -> &'a str {
        self.of.source_id.value(self.at)
    }

    fn path(self) -> &'a str {
        self.of.path.value(self.at)
    }

    fn place(self) -> PlaceOf<'a> {
        let Rows {
            organization,
            server,
            service,
            ..
        } = self.of;
        (
            organization.value(self.at),
            server.value(self.at),
            service.value(self.at),
        )
    }

    fn log_date(self) -> Option<&'a str> {
        self.text(|rows| &rows.log_date)
    }

    fn head_bytes(self) -> u64 {
        self.int(|rows| &rows.head_bytes)
    }

    fn head_hash(self) -> &'a str {
        self.of.head_hash.value(self.at)
    }

    fn tail_hash(self) -> Option<&'a str> {
        self.text(|rows| &rows.tail_hash)
    }

    fn to_offset(self) -> u64 {
        self.int(|rows| &rows.to_offset)
    }

    fn next_line(self) -> u64 {
        self.int(|rows| &rows.from_line) + self.int(|rows| &rows.lines)
    }

    fn pending_bytes(self) -> u64 {
        self.int(|rows| &rows.pending_bytes)
    }

    /// What was read later of a log comes later.
    fn order(self) -> (u64, u64) {
        (self.int(|rows| &rows.batch), self.to_offset())
    }

    /// How the log is known again.
    fn key(self) -> Key<'a> {
        key(
            self.place(),
            self.head_bytes(),
            self.head_hash(),
            self.path(),
        )
    }

    fn last_time(self) -> Option<i64> {
        let times = &self.of.last_time;
        (!times.is_null(self.at)).then(|| times.value(self.at))
    }

    /// As [`stamp`]; of a log without `#Date` the range from its start tells it.
    fn stamp(self) -> Option<Stamp<'a>> {
        let first = || self.first_row().filter(|(from, _)| *from == 0);
        let date = self.log_date().map(Stamp::Date);
        date.or_else(|| first().map(|(_, time)| Stamp::FirstRow(time)))
    }

    /// Where the range begins, and the time of its first row, microseconds, if it has one.
    fn first_row(self) -> Option<(u64, i64)> {
        let times = &self.of.first_time;
        let from = || self.int(|rows| &rows.from_offset);
        (!times.is_null(self.at)).then(|| (from(), times.value(self.at)))
    }

    fn has_flag(self, flag: &str) -> bool {
        let flags = &self.of.flags;
        let flags = (!flags.is_null(self.at)).then(|| flags.value(self.at));
        let flags = flags.and_then(|array| cast(&array, &DataType::Utf8).ok());
        let flags = flags
            .as_ref()
            .and_then(|array| array.as_string_opt::<i32>());
        flags.is_some_and(|flags| flags.iter().flatten().any(|one| one == flag))
    }

    /// The log as it was when this range of it was read.
    fn source(self) -> Source {
        let path = self.path();
        let header = Header {
            version: self.text(|rows| &rows.version).map(str::to_owned),
            date: self.log_date().map(str::to_owned),
            ..Header::default()
        };
        let size = self.to_offset() + self.pending_bytes();
        let (organization, server, service) = self.place();
        Source {
            place: Place {
                organization: organization.to_owned(),
                server: server.to_owned(),
                service: service.to_owned(),
            },
            source_id: self.source_id().to_owned(),
            size,
            text_bytes: size,
            from_offset: self.int(|rows| &rows.from_offset),
            from_line: self.int(|rows| &rows.from_line),
            head_hash: self.head_hash().to_owned(),
            head_bytes: self.head_bytes(),
            order: order(last_part(path), &header),
            first_header: header.clone(),
            header,
            input: Input::file(Path::new(path)),
            form: Form::default(),
            path: path.into(),
        }
    }
}

/// Of rows of `sources`, in their order, those that say something of a log that no later one says: whether a log is
/// known and how far, what of it may be missing, and when its server wrote last. The others are what a log read in
/// many pieces leaves behind.
///
/// # Errors
/// If the columns do not fit their schema: a defect of this program.
pub fn condense(batches: &[RecordBatch]) -> Result<Vec<RecordBatch>, ArrowError> {
    let rows = Rows::all(batches);
    if rows.len() < batches.len() {
        let other = "a batch of another table than sources".to_owned();
        return Err(ArrowError::SchemaError(other));
    }
    let mut told: HashMap<_, Told<'_>> = HashMap::new();
    for row in Rows::each(&rows) {
        let log = (row.source_id(), row.key(), row.path(), row.stamp());
        let told = told.entry(log).or_insert(Told::by(row));
        told.add(row);
    }
    let sizes = batches.iter().map(RecordBatch::num_rows);
    let mut kept: Vec<Vec<bool>> = sizes.map(|rows| vec![false; rows]).collect();
    for row in told.values().flat_map(Told::rows) {
        kept[row.of.number][row.at] = true;
    }
    let mut left = Vec::new();
    for (batch, kept) in batches.iter().zip(kept) {
        left.push(filter_record_batch(batch, &BooleanArray::from(kept))?);
    }
    left.retain(|batch| batch.num_rows() > 0);
    // As few batches as their text has room in.
    let mut rest = left.as_slice();
    let mut merged = Vec::new();
    while let [first, ..] = rest {
        let mut rows = 0;
        let fits = |batch: &&RecordBatch| {
            rows += batch.num_rows();
            rows <= MANY
        };
        let count = rest.iter().take_while(fits).count();
        let (group, after) = rest.split_at(count.max(1));
        merged.push(concat_batches(&first.schema(), group)?);
        rest = after;
    }
    Ok(merged)
}

/// Rows that tell what there is to tell of a log as it began, from a path.
struct Told<'a> {
    /// With its first row.
    first: Row<'a>,
    /// Read farthest.
    furthest: Row<'a>,
    /// Read last.
    newest: Row<'a>,
    /// With the latest row time.
    latest: Row<'a>,
}

impl<'a> Told<'a> {
    fn by(row: Row<'a>) -> Told<'a> {
        Told {
            first: row,
            furthest: row,
            newest: row,
            latest: row,
        }
    }

    fn add(&mut self, row: Row<'a>) {
        let first = |row: Row<'_>| {
            row.first_row()
                .map_or((true, (0, 0)), |first| (false, first))
        };
        if first(row) < first(self.first) {
            self.first = row;
        }
        if row.to_offset() >= self.furthest.to_offset() {
            self.furthest = row;
        }
        if row.order() >= self.newest.order() {
            self.newest = row;
        }
        if row.last_time() >= self.latest.last_time() {
            self.latest = row;
        }
    }

    fn rows(&self) -> [Row<'a>; 4] {
        [self.first, self.furthest, self.newest, self.latest]
    }
}

impl<'a> Ledger<'a> {
    fn new(rows: &'a [Rows]) -> Ledger<'a> {
        let mut known: HashMap<Key<'a>, Row<'a>> = HashMap::new();
        let (mut named, mut furthest) = (HashMap::new(), HashMap::new());
        let mut dated: HashMap<(PlaceOf<'a>, &'a str), Vec<Opened<'a>>> = HashMap::new();
        for row in Rows::each(rows) {
            if let Some(stamp) = row.stamp() {
                named.insert((row.place(), name(row.path()), stamp), row.source_id());
            }
            let to = furthest.entry(row.source_id()).or_insert(0);
            *to = row.to_offset().max(*to);
            if let Some(date) = row.log_date() {
                keep_last(dated.entry((row.place(), date)).or_default(), row);
            }
            let latest = known.entry(row.key()).or_insert(row);
            if latest.to_offset() <= row.to_offset() {
                *latest = row;
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

    /// Has the ledger of rows of `sources` looked into.
    pub(crate) fn with<T>(batches: &[RecordBatch], look: impl FnOnce(&Ledger<'_>) -> T) -> T {
        let rows = Rows::all(batches);
        look(&Ledger::new(&rows))
    }

    /// True if a log was cut back, or an older copy of it is at hand: it is so short that it may begin as it
    /// did when less of it was read, or not even that.
    fn is_cut_back(
        &self,
        source: &Source,
        path: &str,
        head: &[u8],
        known: Option<Row<'_>>,
    ) -> bool {
        if head.len() >= HEAD {
            return false;
        }
        let named = || {
            let log = (place_of(&source.place), name(path), stamp(source, head)?);
            self.named.get(&log).copied()
        };
        let known = known.map(Row::source_id).or_else(named);
        let furthest = self.furthest.get(known.unwrap_or(&source.source_id));
        furthest.is_some_and(|to| (head.len() as u64) < *to)
    }

    /// Moves a source to the first byte that was not read yet.
    ///
    /// # Errors
    /// If the log cannot be read; what of it is new is not known then.
    pub(crate) fn advance(&self, source: &mut Source) -> io::Result<State> {
        let (head, _) = file::head(&source.input, HEAD)?;
        let path = source.path.to_string_lossy().into_owned();
        let heads = self
            .heads
            .iter()
            .filter(|bytes| **bytes <= head.len() as u64);
        let found = heads.map(|bytes| {
            let hash = blake3::hash(&head[..*bytes as usize]).to_hex();
            let key = key(place_of(&source.place), *bytes, &hash, &path);
            self.known.get(&key).copied()
        });
        let known = found.flatten().next();
        if self.is_cut_back(source, &path, &head, known) {
            return Ok(State::Shorter);
        }
        let Some(known) = known else {
            return self.renamed(source, &head);
        };
        // Rewritten since: another log in the same place.
        Ok(resume(source, known)?.unwrap_or(State::New))
    }

    /// The same of a log that is not known by its name or a long head: a short one that was renamed or copied was
    /// opened at the same time and has the same bytes before the known end, or, ending before, the same first row.
    /// One without a row is not known so: headers alone may be alike.
    fn renamed(&self, source: &mut Source, head: &[u8]) -> io::Result<State> {
        let (place, date) = (source.place.clone(), source.first_header.date.clone());
        let logs = date.as_deref();
        let logs = logs.and_then(|date| self.dated.get(&(place_of(&place), date)));
        for log in logs.into_iter().flatten() {
            let begins_alike = match head.get(..log.last.head_bytes() as usize) {
                Some(start) => blake3::hash(start).to_hex().as_str() == log.last.head_hash(),
                None => first_row(head) == log.first_row.map(|(_, time)| time),
            };
            if log.first_row.is_some()
                && begins_alike
                && let Some(state) = resume(source, log.last)?
            {
                return Ok(state);
            }
        }
        Ok(State::New)
    }
}

/// Keeps of each log the range that ends last, and the time of its first row.
fn keep_last<'a>(logs: &mut Vec<Opened<'a>>, row: Row<'a>) {
    let mut known = logs.iter_mut();
    let first_row = row.first_row();
    let Some(log) = known.find(|log| log.last.source_id() == row.source_id()) else {
        let last = row;
        return logs.push(Opened { last, first_row });
    };
    // A log that was read before it had a row tells it later.
    log.first_row = log.first_row.into_iter().chain(first_row).min();
    if log.last.to_offset() <= row.to_offset() {
        log.last = row;
    }
}

/// Moves a source to where the reading of that log ended; [`None`] where its bytes before that are others.
fn resume(source: &mut Source, log: Row<'_>) -> io::Result<Option<State>> {
    let from = log.to_offset().saturating_sub(HEAD as u64);
    let had = (log.to_offset() - from) as usize;
    let tail = file::range(&source.input, from, had + PEEK)?;
    if tail.len() < had {
        // The same start: a log of another hour has another header.
        return Ok(Some(State::Shorter));
    }
    let hash = blake3::hash(&tail[..had]).to_hex();
    if log.tail_hash().is_some_and(|known| known != hash.as_str()) {
        return Ok(None);
    }
    source.source_id = log.source_id().to_owned();
    source.from_offset = log.to_offset();
    source.from_line = log.next_line();
    if source.from_offset > 0 {
        source.header = source.first_header.clone();
    }
    let new = &tail[had..];
    let more = new.len() == PEEK || new.contains(&b'\n');
    Ok(Some(if more { State::New } else { State::Known }))
}

/// What tells a log from others of its name.
fn stamp<'a>(source: &'a Source, head: &[u8]) -> Option<Stamp<'a>> {
    let date = source.first_header.date.as_deref().map(Stamp::Date);
    date.or_else(|| first_row(head).map(Stamp::FirstRow))
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
fn read_of<'a>(source: &Source, rows: &'a [Rows]) -> Option<Row<'a>> {
    let path = source.path.to_string_lossy();
    let place = place_of(&source.place);
    let start = key(place, source.head_bytes, &source.head_hash, &path);
    let is_its = |row: &Row<'_>| row.key() == start || row.place() == place && row.path() == path;
    Rows::each(rows)
        .filter(is_its)
        .max_by_key(|row| row.order())
}

/// The latest row time of each server, from `sources` rows: organization and server to microseconds.
pub(crate) fn log_times(
    batches: &[RecordBatch],
) -> std::collections::HashMap<(String, String), i64> {
    let rows = Rows::all(batches);
    let mut latest = HashMap::new();
    for row in Rows::each(&rows) {
        if let Some(last) = row.last_time() {
            let (organization, server, _) = row.place();
            let time = latest.entry((organization, server)).or_insert(last);
            *time = last.max(*time);
        }
    }
    let owned = |(organization, server): (&str, &str)| (organization.to_owned(), server.to_owned());
    latest
        .into_iter()
        .map(|(server, time)| (owned(server), time))
        .collect()
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

    /// Logs of two servers in batches: short heads that grow, other paths, with and without `#Date`, late rows.
    fn life(seed: u64, batches: i64) -> Vec<RecordBatch> {
        let mut seed = seed;
        let mut below = move |limit: u64| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        let mut ends = [0_u64; 12];
        let batch = |batch| {
            let mut rows = SourceColumns::new();
            for (log, end) in ends.iter_mut().enumerate() {
                if below(3) == 0 {
                    continue;
                }
                let path = format!("/logs/{}/SEND{}-1.LOG", below(3) / 2, log / 2);
                let dated = log % 3 > 0;
                let header = Header {
                    date: dated.then(|| format!("2026-10-0{}", log / 4)),
                    ..Header::default()
                };
                let head = (*end / 1000 * 1000 + below(2) * 1000).min(HEAD as u64);
                let source = Source {
                    place: Place {
                        organization: String::new(),
                        server: format!("EX{}", log % 2),
                        service: "Hub".into(),
                    },
                    // Two logs may have the name and the start of one that was there before.
                    source_id: format!("{}-{}", log, below(9) / 8),
                    size: 0,
                    text_bytes: 0,
                    from_offset: *end,
                    from_line: *end / 10,
                    head_hash: format!("{}-{head}", log / 2),
                    head_bytes: head,
                    order: order(last_part(&path), &header),
                    first_header: header.clone(),
                    header,
                    input: Input::file(Path::new(&path)),
                    form: Form::default(),
                    path: path.into(),
                };
                let time = (below(5) > 0).then(|| (*end * 10 + below(5000)) as i64);
                *end += below(4) * 500;
                let range = Range {
                    to_offset: *end,
                    tail_hash: Some(format!("tail {end}")),
                    pending: below(3),
                    first: time,
                    last: time.map(|time| time + 1),
                    flags: [vec![], vec!["gap"]][below(8) as usize / 7].clone(),
                    ..Range::default()
                };
                rows.push(&source, &range, 0);
            }
            rows.finish(batch).unwrap()
        };
        (1..=batches).map(batch).collect()
    }

    /// Everything that a ledger is asked for.
    fn answers(batches: &[RecordBatch]) -> Vec<String> {
        let rows = Rows::all(batches);
        let ledger = Ledger::new(&rows);
        let state = |row: &Row<'_>| {
            let read = (row.source_id(), row.to_offset(), row.next_line());
            format!("{read:?} {:?} {}", row.tail_hash(), row.head_hash())
        };
        let mut all = Vec::new();
        for (key, row) in &ledger.known {
            all.push(format!("known {key:?} {}", state(row)));
        }
        for (log, id) in &ledger.named {
            all.push(format!("named {log:?} {id}"));
        }
        for (id, to) in &ledger.furthest {
            all.push(format!("furthest {id} {to}"));
        }
        for (place, logs) in &ledger.dated {
            for log in logs {
                let (last, first) = (state(&log.last), log.first_row);
                all.push(format!("dated {place:?} {last} {first:?}"));
            }
        }
        for row in Rows::each(&rows) {
            let source = row.source();
            let read = read_of(&source, &rows).unwrap();
            all.push(format!("read {:?} {}", source.path, state(&read)));
        }
        for log in unfinished(batches) {
            let (source, newest) = (log.source, log.newest);
            let (id, size, from) = (source.source_id, source.size, source.from_offset);
            all.push(format!("unfinished {id} {size} {from} {newest}"));
        }
        for latest in log_times(batches) {
            all.push(format!("latest {latest:?}"));
        }
        all.sort();
        all.dedup();
        all
    }

    #[test]
    fn what_is_left_out_of_a_ledger_told_nothing() {
        for seed in 0..40 {
            let whole = life(seed, 60);
            let at_once = condense(&whole).unwrap();
            let rows = |batches: &[RecordBatch]| -> usize {
                batches.iter().map(RecordBatch::num_rows).sum()
            };
            assert!(rows(&at_once) < rows(&whole), "{seed}");
            // Whenever rows are left out, the rest is as good as the whole.
            let mut by_and_by = Vec::new();
            for batch in &whole {
                by_and_by.push(batch.clone());
                by_and_by = condense(&by_and_by).unwrap();
                assert_eq!(by_and_by.len(), 1);
            }
            assert_eq!(at_once, by_and_by, "{seed}");
            let (all, left) = (answers(&whole), answers(&at_once));
            let differ = |one: &[String], other: &[String]| -> Vec<String> {
                let odd = one.iter().filter(|answer| !other.contains(answer));
                odd.cloned().collect()
            };
            assert_eq!(differ(&all, &left), [""; 0], "{seed}");
            assert_eq!(differ(&left, &all), [""; 0], "{seed}");
        }
        assert_eq!(condense(&[]).unwrap(), []);
    }
}
