//! Sums per connector, and an example for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Result;
use relaydrift_parse::text::lossless;

use super::Chosen;
use super::durations::Durations;
use super::judged::{Silence, next_hop, silence, text_of, unused, waits};
use super::retries::{Attempt, Failed, Retries};
use crate::transcript::{Entry, Names, Outcome, Talk, answered, ranges, said, talks};

/// Groups that are told apart on a connector; what comes beyond is counted as one.
const GROUPS: usize = 5_000;

/// Silences that are kept, the longest.
const SILENCES: usize = 20;

/// A row that shows what is meant.
#[derive(Debug, Clone, Default)]
pub struct Example {
    pub place: u32,
    pub session_id: String,
    pub time: i64,
    source: u32,
    pub line: i64,
    /// Filled in at the end.
    pub server: String,
    pub service: String,
    pub path: Option<String>,
}

/// Something that happened again and again.
#[derive(Debug, Clone, Default)]
pub struct Group {
    pub count: u64,
    pub first: Example,
    pub last: Example,
}

/// A long silence.
#[derive(Debug, Clone)]
pub struct Gap {
    pub micros: i64,
    pub before: String,
    pub after: String,
    pub example: Example,
}

/// How long one kind of reply took.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    pub durations: Durations,
    pub longest: Example,
}

/// Recipients tried again.
#[derive(Debug, Clone, Default)]
pub struct Retried {
    /// Recipients that were taken after failures, and how long that took, in milliseconds.
    pub good: Durations,
    pub most_attempts: u64,
    /// Not taken though tried again; not tried again yet; answered with 5xx.
    pub again: u64,
    pub once: u64,
    pub bounced: u64,
    /// The oldest that are still to be taken.
    pub open: Vec<Failed>,
}

/// One connector.
#[derive(Debug, Clone, Default)]
pub struct Connector {
    pub organization: String,
    pub name: String,
    pub servers: BTreeSet<String>,
    pub sessions: u64,
    pub first: i64,
    pub last: i64,
    pub messages: u64,
    pub recipients: u64,
    pub delivered: u64,
    /// Sessions that never got a connection, that were cut, that are only a front end's half.
    pub not_connected: u64,
    pub cut: u64,
    pub proxied: u64,
    pub unused: BTreeMap<String, Group>,
    pub gaps: BTreeMap<Silence, (u64, Vec<Gap>)>,
    pub waits: BTreeMap<&'static str, Waits>,
    /// By reply and next hop.
    pub failures: BTreeMap<(String, String), Group>,
    pub retried: Retried,
}

/// All connectors.
pub struct Counted {
    chosen: Chosen,
    pub connectors: BTreeMap<(String, String), Connector>,
    /// Names of connectors that were not asked for.
    pub others: BTreeSet<String>,
    retries: Retries,
    /// Organizations by place, as numbers until names are known.
    by_place: BTreeMap<(u32, String), Connector>,
}

impl Counted {
    /// Nothing counted yet.
    pub fn new(chosen: Chosen) -> Self {
        Counted {
            chosen,
            connectors: BTreeMap::new(),
            others: BTreeSet::new(),
            retries: Retries::default(),
            by_place: BTreeMap::new(),
        }
    }

    /// Failures that were not followed, because there were too many.
    pub fn forgotten(&self) -> u64 {
        self.retries.forgotten
    }

    /// Takes in the rows of one id.
    pub fn session(&mut self, rows: &[Entry]) -> Result<()> {
        for talk in talks(rows)? {
            self.talk(&talk, rows[0].place);
        }
        Ok(())
    }

    fn talk(&mut self, talk: &Talk<'_>, place: u32) {
        let session = &talk.session;
        let chosen = &self.chosen;
        let inside = chosen.since.is_none_or(|since| session.start >= since)
            && chosen.until.is_none_or(|until| session.start < until);
        if !inside {
            return;
        }
        let name = lossless(&session.segments[0].connector.value()).into_owned();
        if chosen
            .connector
            .as_ref()
            .is_some_and(|wanted| *wanted != name.to_lowercase())
        {
            self.others.insert(name);
            return;
        }
        let (pause, retries) = (chosen.pause, &mut self.retries);
        let connector = self
            .by_place
            .entry((place, name.clone()))
            .or_insert_with(|| Connector {
                name,
                first: session.start,
                last: session.end,
                ..Connector::default()
            });
        connector.first = connector.first.min(session.start);
        connector.last = connector.last.max(session.end);
        connector.sessions += 1;
        connector.usage(talk, place);
        connector.silences(talk, place, pause);
        for wait in waits(talk) {
            let millis = u64::try_from(wait.micros / 1000).unwrap_or(0);
            let known = connector.waits.entry(wait.what).or_default();
            if known.durations.add(millis) {
                known.longest = example(talk, place, wait.step);
            }
        }
        connector.mail(talk, place, retries);
    }

    /// Brings the sums of a connector's servers together.
    pub fn finish(&mut self, names: &Names) {
        for ((place, name), counted) in std::mem::take(&mut self.by_place) {
            let place = &names.places[place as usize];
            let key = (place.organization.clone(), name);
            let known = self
                .connectors
                .entry(key.clone())
                .or_insert_with(|| Connector {
                    organization: key.0,
                    name: key.1,
                    first: counted.first,
                    last: counted.last,
                    ..Connector::default()
                });
            known.servers.insert(place.server.clone());
            known.add(counted);
        }
        for failed in self.retries.open() {
            let place = &names.places[failed.place as usize];
            let key = (place.organization.clone(), failed.connector.clone());
            let retried = &mut self.connectors.entry(key).or_default().retried;
            match (failed.temporary, failed.attempts) {
                (false, _) => retried.bounced += 1,
                (true, 1) => retried.once += 1,
                (true, _) => retried.again += 1,
            }
            if failed.temporary && retried.open.len() < SILENCES {
                retried.open.push(failed.clone());
            }
        }
    }

    /// The sources of all examples.
    pub fn examples(&mut self, names: &Names) -> Vec<String> {
        let mut sources = BTreeSet::new();
        for connector in self.connectors.values_mut() {
            connector.each_example(|example| {
                if let Some(source) = names.sources.get(example.source as usize) {
                    sources.insert(source.clone());
                }
            });
        }
        sources.into_iter().collect()
    }

    /// Gives the examples their names.
    pub fn name(&mut self, names: &Names, paths: &HashMap<String, String>) {
        for connector in self.connectors.values_mut() {
            connector.each_example(|example| {
                if let Some(place) = names.places.get(example.place as usize) {
                    example.server.clone_from(&place.server);
                    example.service.clone_from(&place.service);
                }
                let source = names.sources.get(example.source as usize);
                example.path = source.and_then(|source| paths.get(source)).cloned();
            });
        }
    }
}

impl Connector {
    /// Connected, used, cut.
    fn usage(&mut self, talk: &Talk<'_>, place: u32) {
        let session = &talk.session;
        let marks = &session.marks;
        if !session.is_whole() || session.disconnect.is_none() && !marks.connect_failed {
            self.cut += 1;
        }
        if !session.proxied_session.is_empty() || !session.inbound_session.is_empty() {
            self.proxied += 1;
            return;
        }
        if !marks.connected {
            if marks.connect_failed || !marks.cut_head {
                self.not_connected += 1;
                self.failed(talk, place, talk.steps.len() - 1, connect_error(talk));
            }
            return;
        }
        let ended = session.disconnect.is_some();
        if session.mail.transactions.is_empty() && ended && session.is_whole() {
            let why = unused(talk);
            let group = group(&mut self.unused, why, "other reasons".to_owned());
            group.add(example(talk, place, talk.steps.len() - 1));
        }
        if !session.tls_error.is_empty() {
            let error = format!("TLS failed: {}", lossless(session.tls_error));
            self.failed(talk, place, talk.steps.len() - 1, error);
        }
    }

    fn silences(&mut self, talk: &Talk<'_>, place: u32, pause: i64) {
        if talk.steps.iter().all(|step| step.pause < pause) {
            return;
        }
        let closing = talk.closing();
        for at in (1..talk.steps.len()).filter(|at| talk.steps[*at].pause >= pause) {
            let kind = silence(talk, at, &closing);
            let (count, longest) = self.gaps.entry(kind).or_default();
            *count += 1;
            let gap = Gap {
                micros: talk.steps[at].pause,
                before: shortly(talk, at - 1),
                after: shortly(talk, at),
                example: example(talk, place, at),
            };
            keep(longest, gap);
        }
    }

    fn mail(&mut self, talk: &Talk<'_>, place: u32, retries: &mut Retries) {
        let transactions = &talk.session.mail.transactions;
        if transactions.is_empty() {
            return;
        }
        let closing = talk.closing();
        for (transaction, steps) in transactions.iter().zip(ranges(talk)) {
            self.messages += 1;
            let message_id = lossless(transaction.message_id);
            let answers = answered(talk, &closing, transaction, &steps);
            if answers.is_empty() {
                let reply = transaction.answer.filter(|answer| answer.code >= 400);
                if let Some(answer) = reply {
                    let text = text_of(&lossless(&answer.text.value()));
                    self.failed(talk, place, steps.start, text);
                }
            }
            let seen = talk.session.is_whole() && talk.session.disconnect.is_some();
            for to in answers {
                self.recipients += 1;
                // Its reply may stand in rows that are missing.
                if to.outcome == Outcome::Unknown && !seen {
                    continue;
                }
                let delivered = matches!(to.outcome, Outcome::Delivered | Outcome::HandedOn);
                self.delivered += u64::from(delivered);
                let reply = to
                    .reply
                    .as_deref()
                    .filter(|_| to.outcome != Outcome::Unknown);
                let text = reply.map_or_else(|| "no reply".to_owned(), text_of);
                if !delivered {
                    let step = to.step.unwrap_or(steps.end - 1);
                    self.failed(talk, place, step, text.clone());
                }
                let good = retries.attempt(&Attempt {
                    place,
                    connector: &self.name,
                    message_id: &message_id,
                    recipient: &to.address,
                    time: to.time,
                    delivered,
                    temporary: matches!(to.outcome, Outcome::Deferred | Outcome::Unknown),
                    reply: &text,
                });
                if let Some(good) = good {
                    let millis = u64::try_from(good.took / 1000).unwrap_or(0);
                    self.retried.good.add(millis);
                    self.retried.most_attempts = self.retried.most_attempts.max(good.attempts);
                }
            }
        }
    }

    fn failed(&mut self, talk: &Talk<'_>, place: u32, step: usize, text: String) {
        let key = (text, next_hop(talk));
        let rest = ("other replies".to_owned(), "other hosts".to_owned());
        group(&mut self.failures, key, rest).add(example(talk, place, step));
    }

    fn add(&mut self, other: Connector) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.sessions += other.sessions;
        self.messages += other.messages;
        self.recipients += other.recipients;
        self.delivered += other.delivered;
        self.not_connected += other.not_connected;
        self.cut += other.cut;
        self.proxied += other.proxied;
        for (key, theirs) in other.unused {
            self.unused.entry(key).or_default().merge(theirs);
        }
        for (key, theirs) in other.failures {
            self.failures.entry(key).or_default().merge(theirs);
        }
        for (kind, (count, gaps)) in other.gaps {
            let known = self.gaps.entry(kind).or_default();
            known.0 += count;
            gaps.into_iter().for_each(|gap| keep(&mut known.1, gap));
        }
        for (what, theirs) in other.waits {
            let known = self.waits.entry(what).or_default();
            if theirs.durations.max > known.durations.max || known.durations.count == 0 {
                known.longest = theirs.longest;
            }
            known.durations.merge(&theirs.durations);
        }
        self.retried.good.merge(&other.retried.good);
        self.retried.most_attempts = self.retried.most_attempts.max(other.retried.most_attempts);
    }

    fn each_example(&mut self, mut each: impl FnMut(&mut Example)) {
        let groups = self.unused.values_mut().chain(self.failures.values_mut());
        for group in groups {
            each(&mut group.first);
            each(&mut group.last);
        }
        for (_, gaps) in self.gaps.values_mut() {
            gaps.iter_mut().for_each(|gap| each(&mut gap.example));
        }
        self.waits
            .values_mut()
            .for_each(|waits| each(&mut waits.longest));
    }
}

impl Group {
    fn add(&mut self, example: Example) {
        self.merge(Group {
            count: 1,
            first: example.clone(),
            last: example,
        });
    }

    fn merge(&mut self, other: Group) {
        if self.count == 0 || other.first.time < self.first.time {
            self.first = other.first;
        }
        if self.count == 0 || other.last.time > self.last.time {
            self.last = other.last;
        }
        self.count += other.count;
    }
}

/// The group of a key; the rest's where there are too many.
fn group<K: Ord>(groups: &mut BTreeMap<K, Group>, key: K, rest: K) -> &mut Group {
    let key = match groups.len() < GROUPS || groups.contains_key(&key) {
        true => key,
        false => rest,
    };
    groups.entry(key).or_default()
}

/// Keeps the longest, in order.
fn keep(gaps: &mut Vec<Gap>, gap: Gap) {
    let place = gaps.partition_point(|known| {
        (-known.micros, known.example.time) < (-gap.micros, gap.example.time)
    });
    if place < SILENCES {
        gaps.insert(place, gap);
        gaps.truncate(SILENCES);
    }
}

fn example(talk: &Talk<'_>, place: u32, at: usize) -> Example {
    let step = &talk.steps[at];
    Example {
        place,
        session_id: lossless(talk.session.id).into_owned(),
        time: step.row.record.time,
        source: step.source,
        line: i64::try_from(step.row.number).unwrap_or(i64::MAX),
        ..Example::default()
    }
}

/// A row in few words.
fn shortly(talk: &Talk<'_>, at: usize) -> String {
    let step = &talk.steps[at];
    let text = format!("{} {}", lossless(step.row.record.event()), said(step));
    text.chars().take(60).collect()
}

/// Why no connection was made: the codes, without the operating system's words (they hold addresses).
fn connect_error(talk: &Talk<'_>) -> String {
    use relaydrift_parse::note::{self, Note};
    let text = talk.steps.iter().rev().find_map(|step| {
        match note::parse(step.row.record.context().bytes, b"") {
            Note::ConnectFailed { text } => Some(lossless(text).into_owned()),
            _ => None,
        }
    });
    match text {
        Some(text) => {
            let codes = text.split(", Error Message").next().unwrap_or_default();
            format!(
                "no connection: {}",
                codes.chars().take(80).collect::<String>()
            )
        }
        None => "no connection, and no reason logged".to_owned(),
    }
}
