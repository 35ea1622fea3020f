//! The sessions of one piece: those that are complete are handed over as soon as they end, the rows
//! of the others are handed over at the end of the piece, raw.

use hashbrown::HashMap;

use crate::{Row, session::Session};

/// No row before this one.
const NONE: u32 = u32::MAX;

/// Sessions that are being read, interleaved row by row.
///
/// A session is handed over as soon as its rows run from sequence 0 to `-`. Everything else stays a
/// list of rows: the piece may have begun or ended in the middle of it, so that only whoever holds
/// the rows of all pieces can fold it.
#[derive(Debug, Default)]
pub struct OpenSessions<'a> {
    by_id: HashMap<&'a [u8], u32>,
    slots: Vec<Slot<'a>>,
    free: Vec<u32>,
    rows: Vec<RowRef<'a>>,
    latest: Option<(&'a [u8], u32)>,
}

#[derive(Debug, Default)]
struct Slot<'a> {
    session: Session<'a>,
    last_row: u32,
    /// Cannot become complete in this piece: its rows are kept, not folded.
    broken: bool,
    live: bool,
}

#[derive(Debug, Clone, Copy)]
struct RowRef<'a> {
    row: Row<'a>,
    previous: u32,
}

impl<'a> OpenSessions<'a> {
    /// Takes in one row; calls `done` if it completes its session.
    pub fn push(&mut self, row: Row<'a>, source: u32, done: &mut impl FnMut(&Session<'a>)) {
        let id = row.record.session_id();
        if id.is_empty() {
            // A row without a session is an event and nothing more.
            return;
        }
        let at = self.slot(id);
        let slot = &mut self.slots[at as usize];
        let number = self.rows.len() as u32;
        self.rows.push(RowRef {
            row,
            previous: slot.last_row,
        });
        slot.last_row = number;
        if slot.broken {
            return;
        }
        slot.session.push(&row, source);
        // A second segment under the same id may be cut off by a piece like any other row, so it is
        // left to the fold over all rows.
        slot.broken = !slot.session.is_whole() || slot.session.segments.len() > 1;
        if slot.broken {
            return;
        }
        if slot.session.disconnect.is_some() {
            if slot.session.is_final() {
                done(&slot.session);
                self.release(at, id);
            } else {
                self.slots[at as usize].broken = true;
            }
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
        let at = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[at as usize];
        slot.session.reset();
        slot.last_row = NONE;
        slot.broken = false;
        slot.live = true;
        at
    }

    fn release(&mut self, at: u32, id: &'a [u8]) {
        self.slots[at as usize].live = false;
        self.free.push(at);
        self.by_id.remove(id);
        self.latest = None;
    }

    /// The rows of every session that is not complete, session by session, in the order of the piece.
    pub fn leftover(&self) -> Vec<Vec<Row<'a>>> {
        let live = self.slots.iter().filter(|slot| slot.live);
        live.map(|slot| {
            let mut rows = Vec::new();
            let mut at = slot.last_row;
            while let Some(found) = self.rows.get(at as usize) {
                rows.push(found.row);
                at = found.previous;
            }
            rows.reverse();
            rows
        })
        .collect()
    }
}

/// Puts the rows that were seen of one id, from any pieces and in any order, into the order in which
/// they were written, cuts them where a session ended, and says where each session's rows start.
///
/// The order depends on the rows alone: by sequence number, unless numbers occur twice (the sequence
/// restarted, or the id was used again); then by time first. Rows alike in both are put in the order
/// of their bytes.
///
/// `T` is whatever the caller knows of a row besides.
pub fn arrange<T>(rows: &mut [(Row<'_>, T)]) -> Vec<usize> {
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
    let mut starts = Vec::new();
    let mut ended = true;
    for (at, (row, _)) in rows.iter().enumerate() {
        if ended {
            starts.push(at);
        }
        ended = row.record.event() == b"-";
    }
    starts
}
