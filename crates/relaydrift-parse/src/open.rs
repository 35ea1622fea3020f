//! The sessions of one piece: those that are complete are handed over as soon as they end, the rows
//! of the others are handed over at the end of the piece, raw.

use hashbrown::HashMap;

use crate::{Row, session::Session};

/// Sessions that are being read, interleaved row by row.
///
/// A session is handed over as soon as its rows run from sequence 0 to `-`. Everything else stays a
/// list of rows: the piece may have begun or ended in the middle of it, so that only whoever holds
/// the rows of all pieces can fold it.
///
/// Rows are kept until their session ends and folded all at once: few are held at a time, in memory
/// that the next session uses again, and one session serves for all folds.
#[derive(Debug, Default)]
pub struct OpenSessions<'a> {
    by_id: HashMap<&'a [u8], u32>,
    slots: Vec<Slot<'a>>,
    free: Vec<u32>,
    latest: Option<(&'a [u8], u32)>,
    session: Session<'a>,
}

/// The rows of one id; free if there are none.
#[derive(Debug, Default)]
struct Slot<'a> {
    rows: Vec<Row<'a>>,
    /// Ended, and was not complete: whatever follows under its id is kept with it.
    broken: bool,
}

impl<'a> OpenSessions<'a> {
    /// Takes in one row; calls `done` if it completes its session.
    pub fn push(&mut self, row: &Row<'a>, source: u32, done: &mut impl FnMut(&Session<'a>)) {
        let id = row.record.session_id();
        if id.is_empty() {
            // A row without a session is an event and nothing more.
            return;
        }
        let at = self.slot(id);
        let slot = &mut self.slots[at as usize];
        slot.rows.push(*row);
        if slot.broken || row.record.event() != b"-" {
            return;
        }
        self.session.reset();
        for row in &slot.rows {
            self.session.push(row, source);
        }
        if is_complete(&self.session) {
            done(&self.session);
            self.release(at, id);
        } else {
            slot.broken = true;
        }
    }

    fn slot(&mut self, id: &'a [u8]) -> u32 {
        if let Some((latest, at)) = self.latest
            && latest == id
        {
            return at;
        }
        let at = match self.by_id.get(id) {
            Some(at) => *at,
            None => {
                let at = self.vacant();
                self.by_id.insert(id, at);
                at
            }
        };
        self.latest = Some((id, at));
        at
    }

    fn vacant(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        })
    }

    fn release(&mut self, at: u32, id: &'a [u8]) {
        self.slots[at as usize].rows.clear();
        self.free.push(at);
        self.by_id.remove(id);
        self.latest = None;
    }

    /// The rows of every id whose session is not complete, in the order of the piece.
    pub fn leftover(&self) -> impl Iterator<Item = &[Row<'a>]> {
        let rows = self.slots.iter().map(|slot| slot.rows.as_slice());
        rows.filter(|rows| !rows.is_empty())
    }
}

/// Rows, and whatever the caller knows of each besides.
type Rows<'a, T> = Vec<(Row<'a>, T)>;

/// Puts the rows that were seen of one id, from any pieces and in any order, into its sessions, the earliest first, each
/// in the order in which it was written.
///
/// What comes out depends on the rows alone. In the order of their places, `source` and line, a run from sequence 0 to
/// `-` that [`OpenSessions`] would hand over is a session; whichever of them a piece has handed over, the same others
/// are left. What is no such run is put in order by sequence number, unless numbers occur twice (the sequence
/// restarted, or rows are missing); then by time first. Rows alike in both are put in the order of their bytes. It is
/// cut where a session ended.
pub fn arrange<'a, T>(mut rows: Rows<'a, T>, source: impl Fn(&T) -> u32) -> Vec<Rows<'a, T>> {
    rows.sort_by_key(|(row, known)| (source(known), row.number, row.offset));
    let (mut sessions, rest) = whole_runs(rows, source);
    sessions.extend(cut(in_order(rest)));
    sessions.sort_by_key(|session| session[0].0.record.time);
    sessions
}

/// The runs of one source that are complete, also once those inside them are taken out, and the rows of no run.
///
/// No two of them can overlap, each begins with its only 0 and ends with its only `-`: the order in which they are taken
/// out changes nothing.
fn whole_runs<'a, T>(
    rows: Rows<'a, T>,
    source: impl Fn(&T) -> u32,
) -> (Vec<Rows<'a, T>>, Rows<'a, T>) {
    let (mut runs, mut rest) = (Vec::new(), Vec::with_capacity(rows.len()));
    let mut session = Session::default();
    for row in rows {
        rest.push(row);
        let Some(start) = run(&rest, &source) else {
            continue;
        };
        session.reset();
        rest[start..]
            .iter()
            .for_each(|(row, _)| session.push(row, 0));
        if is_complete(&session) {
            runs.push(rest.split_off(start));
        }
    }
    (runs, rest)
}

/// Where the run begins that the last row ends: at the nearest 0, without another end or source in between, so that a
/// row is passed over once however many ends follow it.
fn run<T>(rows: &[(Row<'_>, T)], source: impl Fn(&T) -> u32) -> Option<usize> {
    let ends = |row: &Row<'_>| row.record.event() == b"-";
    let ((last, of), before) = rows.split_last()?;
    if !ends(last) {
        return None;
    }
    for (at, (row, known)) in before.iter().enumerate().rev() {
        if ends(row) || source(known) != source(of) {
            return None;
        }
        if row.record.sequence == 0 {
            return Some(at);
        }
    }
    None
}

fn in_order<'a, T>(mut rows: Rows<'a, T>) -> Rows<'a, T> {
    rows.sort_by_key(|(row, _)| (row.record.sequence, row.record.time));
    let same = |pair: &[(Row<'_>, T)]| pair[0].0.record.sequence == pair[1].0.record.sequence;
    if rows.windows(2).any(same) {
        rows.sort_by_cached_key(|(row, _)| {
            (
                row.record.time,
                row.record.sequence,
                row.record.line.to_owned(),
            )
        });
    }
    rows
}

/// Cuts rows behind each `-`.
fn cut<'a, T>(rows: Rows<'a, T>) -> Vec<Rows<'a, T>> {
    let mut sessions: Vec<Rows<'a, T>> = Vec::new();
    let mut ended = true;
    for row in rows {
        if ended {
            sessions.push(Vec::new());
        }
        ended = row.0.record.event() == b"-";
        let last = sessions.len() - 1; // The first row begins one.
        sessions[last].push(row);
    }
    sessions
}

/// True if nothing of a session can be elsewhere. A second segment under the same id may be cut off by a piece like any
/// other row, so that it is left to whoever holds all rows.
fn is_complete(session: &Session<'_>) -> bool {
    session.is_final() && session.segments.len() == 1
}
