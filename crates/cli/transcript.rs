//! Sessions row by row: read from `events`, brought into order, each reply beside its command.
//!
//! The rows of `events` are made lines again, so that `relaydrift-parse` folds them as it does those
//! of a file: a lake and raw logs give the same transcript.

mod certificates;
mod events;
mod halves;
mod paths;
mod recipients;
mod rows;
mod spoken;
mod there;

pub use certificates::{Spelled, certificates};
pub use events::{Entry, Names, of_sessions, read, wanted};
pub use halves::{Half, located, proxied_for};
pub use paths::paths;
pub use recipients::{Answered, Outcome, answered, ranges};
pub use rows::Rows;
pub use spoken::{certificate_at, lasting, said};
pub use there::{There, again, place_name, there_is, word};

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Result, anyhow};
use relaydrift_ingest::Place;
use relaydrift_parse::certificate::{Certificate, Heading};
use relaydrift_parse::{Columns, Record, Row, Session, arrange, endpoint, reply};

use crate::output::count;

/// Port on which front ends take what they are to carry out.
const FRONT_END_PORT: u16 = 717;

/// One row of a session and what it has to do with the others.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The row; its `number` is the line in its file.
    pub row: Row<'a>,
    /// Number of its source among the [`Names`].
    pub source: u32,
    /// Sequence numbers that are missing right before it.
    pub missing: u64,
    /// Microseconds since the row before it.
    pub pause: i64,
    /// The command that it answers, for a reply: an index of the steps.
    pub answers: Option<usize>,
    /// The step from which the wait for it counts: its command, or the reply that asked for the
    /// message.
    pub asked: Option<usize>,
    /// It closes its command: the last line of a reply that is not a 3xx.
    pub closes: bool,
}

/// A session with its rows.
#[derive(Debug)]
pub struct Talk<'a> {
    /// What the rows add up to.
    pub session: Session<'a>,
    /// The rows, in the order in which they were written.
    pub steps: Vec<Step<'a>>,
}

impl Talk<'_> {
    /// A hub's session with a front end, which carries the mail out.
    pub fn goes_through_front_end(&self) -> bool {
        let remote = endpoint::parse(self.session.remote);
        self.session.marks.proxying || remote.and_then(|remote| remote.port) == Some(FRONT_END_PORT)
    }

    /// For each step the one that closed it: the last line of the reply to a command.
    pub fn closing(&self) -> Vec<Option<usize>> {
        let mut closing = vec![None; self.steps.len()];
        for (at, step) in self.steps.iter().enumerate() {
            if let Some(command) = step.answers.filter(|_| step.closes) {
                closing[command] = Some(at);
            }
        }
        closing
    }

    /// Microseconds that the other end took for this reply.
    pub fn wait(&self, at: usize) -> Option<i64> {
        let step = &self.steps[at];
        let asked = &self.steps[step.asked?];
        Some(step.row.record.time - asked.row.record.time)
    }
}

/// A session with what is known of it from elsewhere.
#[derive(Debug)]
pub struct Told<'a> {
    /// Who logged it.
    pub place: &'a Place,
    /// Its rows.
    pub talk: Talk<'a>,
    /// Where each source lies, by its number.
    pub paths: &'a [Option<String>],
    /// Its certificates, by the step where their rows begin.
    pub certificates: BTreeMap<usize, Spelled>,
}

impl Told<'_> {
    /// The path and line of a step.
    pub fn at(&self, step: usize) -> (Option<&str>, i64) {
        let step = &self.talk.steps[step];
        let line = i64::try_from(step.row.number).unwrap_or(i64::MAX);
        (self.paths[step.source as usize].as_deref(), line)
    }

    /// The certificate that it offered last.
    pub fn sent(&self) -> Option<&Certificate> {
        let mut all = self.certificates.values();
        let sent = all.rfind(|spelled| spelled.heading == Heading::Sending);
        sent.map(|spelled| &spelled.certificate)
    }

    /// `complete`, or what is missing of it.
    pub fn state(&self) -> String {
        let session = &self.talk.session;
        let first = self
            .talk
            .steps
            .first()
            .map_or(0, |step| step.row.record.sequence);
        let mut missing = Vec::new();
        if session.marks.cut_head {
            missing.push(format!(
                "begins with row {first}: what was before is not in these logs"
            ));
        }
        if session.gaps > 0 {
            let gaps = i64::try_from(session.gaps).unwrap_or(i64::MAX);
            missing.push(format!("{} missing inside", count(gaps, "row")));
        }
        if session.marks.sequence_repeated {
            missing.push("sequence numbers repeat".to_owned());
        }
        if session.disconnect.is_none() && !session.marks.connect_failed {
            missing.push("no end: open when the logs were read, or cut off".to_owned());
        }
        match missing.is_empty() {
            true => "complete".to_owned(),
            false => missing.join("; "),
        }
    }
}

/// The sessions in the rows of one id: more than one where the id was used again.
pub fn talks(entries: &[Entry]) -> Result<Vec<Talk<'_>>> {
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let record = Record::parse(&entry.line, &Columns::default())
            .map_err(|reason| anyhow!("line {} cannot be read back: {reason}", entry.number))?;
        let row = Row {
            record,
            number: entry.number,
            offset: 0,
        };
        rows.push((row, entry.source));
    }
    let sessions = arrange(rows, |source| *source);
    Ok(sessions.iter().map(|rows| talk(rows)).collect())
}

fn talk<'a>(rows: &[(Row<'a>, u32)]) -> Talk<'a> {
    let mut session = Session::default();
    let mut steps: Vec<Step<'a>> = Vec::with_capacity(rows.len());
    // The commands that wait, with the step from which each counts: as many as the session's own.
    let mut waiting: VecDeque<(usize, usize)> = VecDeque::new();
    for (at, (row, source)) in rows.iter().enumerate() {
        let (gaps, before) = (session.gaps, session.mail.waiting());
        session.push(row, *source);
        let after = session.mail.waiting();
        let mut step = Step {
            row: *row,
            source: *source,
            missing: session.gaps - gaps,
            pause: steps
                .last()
                .map_or(0, |last| row.record.time - last.row.record.time),
            answers: None,
            asked: None,
            closes: false,
        };
        match row.record.event() {
            b">" if after > before => waiting.push_back((at, at)),
            b"<" => answer(&mut step, at, &mut waiting, after < before),
            _ => {}
        }
        steps.push(step);
    }
    Talk { session, steps }
}

/// Finds the command of a reply; `closes` says that the session took one off its list.
fn answer(step: &mut Step<'_>, at: usize, waiting: &mut VecDeque<(usize, usize)>, closes: bool) {
    let parsed = reply::parse(step.row.record.data().bytes);
    let front = match closes {
        true => waiting.pop_front(),
        false => waiting.front().copied(),
    };
    let (Some((command, asked)), Some(parsed)) = (front, parsed) else {
        return;
    };
    let asks = (300..400).contains(&parsed.code);
    if !closes && !parsed.more && !asks {
        // Its command stands in rows that are missing.
        return;
    }
    step.answers = Some(command);
    step.asked = Some(asked);
    step.closes = closes;
    if asks
        && !closes
        && let Some(front) = waiting.front_mut()
    {
        front.1 = at;
    }
}

#[cfg(test)]
mod tests;
