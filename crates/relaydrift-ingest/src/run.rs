//! A run: sources into a sink, in parallel over files, then the sessions that no piece held whole.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use arrow::array::RecordBatch;
use rayon::prelude::*;
use relaydrift_parse::{LINE_LIMIT, Session};

use crate::carry::{Carry, OpenColumns, PATIENCE, Part, open_rows};
use crate::chunk::{self, Loaded, Reading};
use crate::emit::Emit;
use crate::events::RejectColumns;
use crate::ledger::{SourceColumns, log_times, now};
use crate::spill::Spill;
use crate::{Error, Keep, Place, Progress, Sink, Skipped, Source, Summary, Table, TaskSink, file};

/// Bytes read by one thread before it takes the next files.
const TASK_BYTES: u64 = 128 * 1024 * 1024;

/// Fewer bytes than this make no task of their own while others wait.
const SMALL_TASK: u64 = 4 * 1024 * 1024;

/// Bytes of log that become one row group of `events`.
const CHUNK_BYTES: usize = 8 * 1024 * 1024;

/// Bytes of unfinished sessions that may stay in memory.
const CARRY_BYTES: usize = 64 * 1024 * 1024;

/// How a run is cut; every choice gives the same tables.
#[derive(Debug, Clone, Copy)]
pub struct Cut {
    /// Bytes read at a time; a window always holds whole lines.
    pub window: usize,
    /// Bytes that become one row group of `events`.
    pub chunk: usize,
    /// Bytes for one thread before it takes the next files.
    pub task: u64,
    /// Bytes of unfinished sessions in memory, for each thread and once more for all; the rest goes to a temporary file.
    /// When all logs are read, each thread puts together a small part of the sessions at a time; one session is always
    /// whole in memory.
    pub carry: usize,
}

impl Default for Cut {
    fn default() -> Self {
        Cut {
            window: file::WINDOW,
            chunk: CHUNK_BYTES,
            task: TASK_BYTES,
            carry: CARRY_BYTES,
        }
    }
}

/// What a run starts from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Before<'a> {
    /// Rows of `open_sessions` of the batch before (parked rows are left where they are).
    pub carried: &'a [RecordBatch],
    /// Rows of `sources` so far.
    pub ledger: &'a [RecordBatch],
}

/// Reads the sources into the sink; `batch` is written into every row.
///
/// # Errors
/// If the sink refuses a batch. Lines and files that cannot be read are in the summary.
pub fn read(
    sources: &[Source],
    before: Before<'_>,
    keep: Keep,
    cut: Cut,
    batch: i64,
    sink: &dyn Sink,
    progress: Progress<'_>,
) -> Result<Summary, Error> {
    let mut names = Names::of(sources);
    let spill = Spill::new(cut.carry);
    let carried = names.take_in(before.carried, false, &spill)?;
    let shared = Shared {
        sources,
        names: &names,
        keep,
        cut,
        batch,
        progress,
        buffers: Mutex::default(),
        spill,
    };
    let total = Mutex::new((Summary::default(), carried, log_times(before.ledger)));
    let tasks = tasks(sources, keep, cut.task);
    tasks.par_iter().try_for_each(|task| -> Result<(), Error> {
        let mut writer = sink.task().map_err(Error::Sink)?;
        let done = shared.task(task.clone(), &mut *writer)?;
        writer.finish().map_err(Error::Sink)?;
        let total = || {
            let total = total.lock();
            total.unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        let mut carry = {
            let mut total = total();
            total.0.add(done.summary);
            total.1.add(done.carry);
            for (server, time) in done.times {
                let latest = total.2.entry(server).or_insert(time);
                *latest = (*latest).max(time);
            }
            if total.1.bytes() <= cut.carry {
                return Ok(());
            }
            std::mem::take(&mut total.1)
        };
        // Not under the lock: others wait for it.
        shared.spill.relieve(&mut carry);
        total().1.add(carry);
        Ok(())
    })?;
    let (mut summary, carry, times) = total
        .into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    shared.rest(carry, &times, sink, &mut summary)?;
    summary.notices.extend(shared.spill.notice());
    summary.notices.sort();
    summary.notices.dedup();
    summary.failed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(summary)
}

/// Consecutive sources for one thread each: the more there are, the shorter a thread that has none left waits
/// for the others, but where events are kept each becomes files of its own.
fn tasks(sources: &[Source], keep: Keep, limit: u64) -> Vec<Range<usize>> {
    let total: u64 = sources.iter().map(|source| source.text_bytes).sum();
    let each = if keep.events { 4 } else { 32 };
    let share = total / (rayon::current_num_threads() as u64 * each);
    let size = share.max(SMALL_TASK).min(limit);
    let mut tasks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, source) in sources.iter().enumerate() {
        bytes += source.text_bytes;
        if bytes >= size {
            tasks.push(start..at + 1);
            (start, bytes) = (at + 1, 0);
        }
    }
    if start < sources.len() {
        tasks.push(start..sources.len());
    }
    tasks
}

/// Places and source ids by number; rows carry the numbers.
struct Names {
    places: Vec<Place>,
    place_of: Vec<u32>,
    source_ids: Vec<String>,
    numbers: HashMap<Place, u32>,
}

impl Names {
    fn of(sources: &[Source]) -> Names {
        let mut names = Names {
            places: Vec::new(),
            place_of: Vec::new(),
            source_ids: Vec::new(),
            numbers: HashMap::new(),
        };
        for source in sources {
            let place = names.place(&source.place);
            names.place_of.push(place);
            names.source_ids.push(source.source_id.clone());
        }
        names
    }

    fn place(&mut self, place: &Place) -> u32 {
        if let Some(number) = self.numbers.get(place) {
            return *number;
        }
        let number = self.places.len() as u32;
        self.places.push(place.clone());
        self.numbers.insert(place.clone(), number);
        number
    }

    /// Rows of an earlier batch, with numbers of their own; those that were given up on only if `parked`.
    fn take_in(
        &mut self,
        batches: &[RecordBatch],
        parked: bool,
        spill: &Spill,
    ) -> Result<Carry, Error> {
        let mut carry = Carry::default();
        let mut known: HashMap<String, u32> = HashMap::new();
        for batch in batches {
            for row in open_rows(batch)? {
                if row.parked && !parked {
                    continue;
                }
                let place = self.place(&row.place);
                let source = *known.entry(row.source_id.clone()).or_insert_with_key(|id| {
                    self.source_ids.push(id.clone());
                    self.source_ids.len() as u32 - 1
                });
                carry.push(place, &row.carried(source), &row.source_id)?;
            }
            spill.relieve(&mut carry);
        }
        Ok(carry)
    }
}

struct Shared<'a> {
    sources: &'a [Source],
    names: &'a Names,
    keep: Keep,
    cut: Cut,
    batch: i64,
    progress: Progress<'a>,
    /// One of each task that ended, to be read into again: a new one would be cleared by the kernel first.
    buffers: Mutex<Vec<Vec<u8>>>,
    spill: Spill,
}

/// What a task leaves behind besides what went to the sink.
#[derive(Default)]
struct Done {
    summary: Summary,
    carry: Carry,
    times: HashMap<(String, String), i64>,
}

impl Shared<'_> {
    fn task(&self, range: Range<usize>, writer: &mut dyn TaskSink) -> Result<Done, Error> {
        let mut emit = Emit::new(
            self.keep,
            self.batch,
            &self.names.places,
            &self.names.source_ids,
        );
        let mut done = Done::default();
        let mut readings: Vec<Reading> = range
            .clone()
            .map(|at| Reading::new(&self.sources[at], self.names.place_of[at]))
            .collect();
        let mut loaded = Vec::new();
        let mut spare = Vec::new();
        for at in range.clone() {
            let mut windows = match self.open(at) {
                Ok(windows) => windows,
                Err(error) => {
                    readings[at - range.start].unreadable = Some(error.to_string());
                    continue;
                }
            };
            let text = self.sources[at].text_bytes.min(self.cut.window as u64);
            let buffer = |spare: &mut Vec<Vec<u8>>| {
                let buffer = spare.pop().or_else(|| self.buffers().pop());
                buffer.unwrap_or_else(|| Vec::with_capacity(text as usize))
            };
            while let Some(window) = windows.next(buffer(&mut spare)) {
                (self.progress)(window.length());
                loaded.push(Loaded { source: at, window });
                let size: usize = loaded.iter().map(|loaded| loaded.window.bytes.len()).sum();
                if !self.keep.events || size >= self.cut.chunk {
                    let readings = (range.start, readings.as_mut_slice());
                    self.chunk(&loaded, readings, &mut emit, &mut done.carry, writer)?;
                    self.spill.relieve(&mut done.carry);
                    spare.extend(loaded.drain(..).map(|loaded| loaded.window.bytes));
                }
            }
            let end = windows.end();
            spare.push(end.buffer);
            let reading = &mut readings[at - range.start];
            let pending = end.pending;
            reading.range.pending += pending;
            if pending > LINE_LIMIT as u64 {
                let path = self.sources[at].path.display();
                let notice = format!("{path}: its last line has {pending} bytes and no end yet");
                done.summary.notices.push(notice);
            }
            if let Err(error) = end.read {
                reading.unreadable = Some(format!("{error}; its whole lines so far were read"));
            }
        }
        let state = (range.start, readings.as_mut_slice());
        self.chunk(&loaded, state, &mut emit, &mut done.carry, writer)?;
        spare.extend(loaded.pop().map(|loaded| loaded.window.bytes));
        self.buffers().extend(spare.pop());
        self.close(&self.sources[range], readings, &mut done, writer)?;
        done.summary.sessions += emit.count;
        done.summary.notices.extend(emit.notice());
        for (table, batch) in emit.finish()? {
            writer.take(table, batch).map_err(Error::Sink)?;
        }
        Ok(done)
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn open(&self, at: usize) -> std::io::Result<file::Windows> {
        let source = &self.sources[at];
        file::Windows::open(&source.input, source.from_offset, self.cut.window)
    }

    fn chunk(
        &self,
        loaded: &[Loaded],
        readings: (usize, &mut [Reading]),
        emit: &mut Emit<'_>,
        carry: &mut Carry,
        writer: &mut dyn TaskSink,
    ) -> Result<(), Error> {
        let (keep, batch) = (self.keep, self.batch);
        let batches = chunk::read_all(loaded, self.sources, readings, keep, batch, emit, carry)?;
        give(writer, batches)?;
        give(writer, emit.ready()?)
    }

    /// Writes the ledger of a task's sources.
    fn close(
        &self,
        sources: &[Source],
        readings: Vec<Reading>,
        done: &mut Done,
        writer: &mut dyn TaskSink,
    ) -> Result<(), Error> {
        let mut ledger = SourceColumns::new();
        let mut rejects = RejectColumns::new();
        let now = now();
        for (source, mut reading) in sources.iter().zip(readings) {
            let left_out = reading.rejects_left_out();
            if left_out > 0 {
                rejects.push_left_out(left_out, source);
                let notice = format!("{left_out} more rejects were counted, not kept");
                done.summary
                    .notices
                    .push(format!("{}: {notice}", source.path.display()));
            }
            let path = source.path.clone();
            if let Some(encoding) = source.form.encoding {
                let path = path.display();
                let notice = format!("{path}: {encoding} text, read as UTF-8");
                done.summary.notices.push(notice);
                reading.range.flags.push(encoding);
            }
            if !reading.header.columns.extra.is_empty() {
                let names: Vec<_> = reading
                    .header
                    .columns
                    .extra
                    .iter()
                    .map(|(_, name)| name.as_str())
                    .collect();
                let notice = format!("unknown fields kept in extra: {}", names.join(", "));
                done.summary
                    .notices
                    .push(format!("{}: {notice}", path.display()));
            }
            let failed = reading.bad_header.or(reading.unreadable);
            // Nothing was read of it: there is nothing to remember.
            let untouched = failed.is_some() && reading.range.to_offset == source.from_offset;
            if let Some(reason) = failed {
                done.summary.failed.push(Skipped {
                    path,
                    reason,
                    error: true,
                });
            }
            let range = &mut reading.range;
            let from = range.to_offset.saturating_sub(crate::source::HEAD as u64);
            if self.keep.open_rows && !untouched {
                let had = (range.to_offset - from) as usize;
                let tail = match reading.tail.len() == had {
                    true => Ok(std::mem::take(&mut reading.tail)),
                    // Little was new, and what stands before it was not read this time.
                    false => file::range(&source.input, from, had),
                };
                match tail {
                    Ok(tail) => range.tail_hash = Some(blake3::hash(&tail).to_hex().to_string()),
                    Err(error) => done.summary.failed.push(Skipped {
                        path: source.path.clone(),
                        reason: format!("{error}; it was read, but its end cannot be remembered"),
                        error: true,
                    }),
                }
            }
            if let Some(last) = range.last {
                let server = (
                    source.place.organization.clone(),
                    source.place.server.clone(),
                );
                let latest = done.times.entry(server).or_insert(last);
                *latest = (*latest).max(last);
            }
            done.summary.count(range);
            if !untouched {
                ledger.push(source, range, now);
            }
        }
        if rejects.len() > 0 {
            let batch = rejects.finish(self.batch)?;
            writer.take(Table::Rejects, batch).map_err(Error::Sink)?;
        }
        if ledger.len() == 0 {
            return Ok(());
        }
        writer
            .take(Table::Sources, ledger.finish(self.batch)?)
            .map_err(Error::Sink)
    }

    /// The sessions whose rows lay in more than one piece, or are not all there. They are few, and one thread's work,
    /// unless memory had no room for them.
    fn rest(
        &self,
        carry: Carry,
        times: &HashMap<(String, String), i64>,
        sink: &dyn Sink,
        summary: &mut Summary,
    ) -> Result<(), Error> {
        let threads = match self.spill.is_any() {
            true => rayon::current_num_threads(),
            false => 1,
        };
        let parts = carry.into_parts();
        let size = parts.len().div_ceil(threads);
        let shares = parts.into_par_iter().chunks(size);
        let summaries = shares.map(|parts| self.rest_of(parts, times, sink));
        let summaries: Vec<Summary> = summaries.collect::<Result<_, Error>>()?;
        summaries.into_iter().for_each(|rest| summary.add(rest));
        Ok(())
    }

    fn rest_of(
        &self,
        parts: Vec<(usize, Part)>,
        times: &HashMap<(String, String), i64>,
        sink: &dyn Sink,
    ) -> Result<Summary, Error> {
        let names = self.names;
        let mut writer = sink.task().map_err(Error::Sink)?;
        let mut summary = Summary::default();
        let mut emit = Emit::new(self.keep, self.batch, &names.places, &names.source_ids);
        let mut open = OpenColumns::new();
        for (number, mut part) in parts {
            let all = self.spill.give_back(number, &mut part);
            all.map_err(Error::Spill)?;
            part.fold(&names.source_ids, |place, session, rows| {
                let at = &names.places[place as usize];
                let parked = given_up(session, times, at);
                let is_open = !session.is_final() && !parked;
                summary.open_sessions += u64::from(is_open);
                if session.is_final() || !self.keep.open_rows {
                    emit.session(session, place, is_open);
                    return give(&mut *writer, emit.ready()?);
                }
                for (row, carried) in rows {
                    let source_id = &names.source_ids[carried.source as usize];
                    open.push(row, at, source_id, parked);
                    if open.full() {
                        let full = (Table::OpenSessions, open.finish(self.batch)?);
                        give(&mut *writer, vec![full])?;
                    }
                }
                Ok(())
            })?;
        }
        summary.sessions += emit.count;
        summary.notices.extend(emit.notice());
        give(&mut *writer, emit.finish()?)?;
        if open.len() > 0 {
            let last = (Table::OpenSessions, open.finish(self.batch)?);
            give(&mut *writer, vec![last])?;
        }
        writer.finish().map_err(Error::Sink)?;
        Ok(summary)
    }
}

fn give(writer: &mut dyn TaskSink, batches: Vec<(Table, RecordBatch)>) -> Result<(), Error> {
    for (table, batch) in batches {
        writer.take(table, batch).map_err(Error::Sink)?;
    }
    Ok(())
}

/// True if a session that is not whole is not waited for any longer, by the log times of its server.
fn given_up(session: &Session<'_>, times: &HashMap<(String, String), i64>, at: &Place) -> bool {
    let server = (at.organization.clone(), at.server.clone());
    let latest = times.get(&server);
    !session.is_final() && latest.is_some_and(|latest| session.end + PATIENCE < *latest)
}

/// Folds `open_sessions` rows into `sessions`, `transactions`, `observations` and
/// `certificates_seen` rows; `open` is set unless the rows are parked.
///
/// # Errors
/// If the batches are no `open_sessions` rows.
pub fn fold_open(batches: &[RecordBatch]) -> Result<Vec<(Table, RecordBatch)>, Error> {
    let mut names = Names::of(&[]);
    let spill = Spill::new(CARRY_BYTES);
    let carry = names.take_in(batches, true, &spill)?;
    let newest = batches.iter().map(newest_batch).max().unwrap_or(0);
    let keep = Keep {
        events: false,
        sessions: true,
        all_transactions: true,
        open_rows: false,
    };
    let mut emit = Emit::new(keep, newest, &names.places, &names.source_ids);
    for (number, mut part) in carry.into_parts() {
        let all = spill.give_back(number, &mut part);
        all.map_err(Error::Spill)?;
        part.fold(&names.source_ids, |place, session, rows| {
            // One late row that is still waited for keeps its session open.
            let waited_for = rows.iter().any(|(_, carried)| !carried.parked);
            emit.session(session, place, !session.is_final() && waited_for);
            Ok(())
        })?;
    }
    Ok(emit.finish()?)
}

fn newest_batch(batch: &RecordBatch) -> i64 {
    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    let column = batch
        .column_by_name("batch")
        .and_then(|column| column.as_primitive_opt::<Int64Type>());
    column.and_then(arrow::compute::max).unwrap_or(0)
}
