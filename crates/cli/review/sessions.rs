//! Rows as they come into the rows of one session at a time.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Result, anyhow};
use relaydrift_parse::{Columns, Record};

use crate::transcript::Entry;

/// A session whose end does not come is given up on when its last row is this much older than the
/// latest of its place, in microseconds.
const PATIENCE: i64 = 24 * 3_600_000_000;

/// Rows after which old sessions are looked for.
const SWEEP: usize = 200_000;

/// Sessions that have not ended yet.
#[derive(Default)]
pub struct Sessions {
    open: HashMap<(u32, Box<[u8]>), Open>,
    latest: BTreeMap<u32, i64>,
    rows: usize,
}

#[derive(Default)]
struct Open {
    rows: Vec<Entry>,
    last: i64,
}

impl Sessions {
    /// Takes in a row; hands over its session where it ends it.
    pub fn push(&mut self, entry: Entry, each: impl FnOnce(&[Entry]) -> Result<()>) -> Result<()> {
        let record = Record::parse(&entry.line, &Columns::default())
            .map_err(|reason| anyhow!("line {} cannot be read back: {reason}", entry.number))?;
        // A row without a session is an event and nothing more.
        if record.session_id().is_empty() {
            return Ok(());
        }
        self.rows += 1;
        let latest = self.latest.entry(entry.place).or_insert(record.time);
        *latest = (*latest).max(record.time);
        let key = (entry.place, record.session_id().into());
        let (time, ends) = (record.time, record.event() == b"-");
        let open = self.open.entry(key.clone()).or_default();
        open.last = open.last.max(time);
        open.rows.push(entry);
        if !ends {
            return Ok(());
        }
        match self.open.remove(&key) {
            Some(open) => each(&open.rows),
            None => Ok(()),
        }
    }

    /// Hands over sessions whose end is not to be expected any more.
    pub fn give_up_on_the_old(
        &mut self,
        mut each: impl FnMut(&[Entry]) -> Result<()>,
    ) -> Result<()> {
        if self.rows < SWEEP {
            return Ok(());
        }
        self.rows = 0;
        let latest = &self.latest;
        let is_old = |(place, _): &(u32, Box<[u8]>), open: &mut Open| {
            latest
                .get(place)
                .is_some_and(|latest| open.last + PATIENCE < *latest)
        };
        let mut old: Vec<_> = self.open.extract_if(is_old).collect();
        old.sort_by(|a, b| a.0.cmp(&b.0));
        old.iter().try_for_each(|(_, open)| each(&open.rows))
    }

    /// Hands over what is left.
    pub fn end(self, mut each: impl FnMut(&[Entry]) -> Result<()>) -> Result<()> {
        let mut left: Vec<_> = self.open.into_iter().collect();
        left.sort_by(|a, b| a.0.cmp(&b.0));
        left.iter().try_for_each(|(_, open)| each(&open.rows))
    }
}
