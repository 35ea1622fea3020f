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
        // A second segment under the same id may be cut off by a piece like any other row, so it is
        // left to the fold over all rows.
        if self.session.is_final() && self.session.segments.len() == 1 {
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

    /// The rows of every session that is not complete, session by session, in the order of the piece.
    pub fn leftover(&self) -> impl Iterator<Item = &Row<'a>> {
        self.slots.iter().flat_map(|slot| &slot.rows)
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
