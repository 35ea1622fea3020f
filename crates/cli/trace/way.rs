//! The way of a message: its attempts, what became of each recipient, and what cannot be seen.

use std::collections::BTreeMap;
use std::ops::Range;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use relaydrift_parse::peer;
use relaydrift_parse::text::lossless;
use relaydrift_parse::transaction::Transaction;
use serde::Deserialize;

use super::found::same;
use crate::ask::Time;
use crate::output::count;
use crate::transcript::{Answered, Outcome, There, Told, answered, lasting, place_name, ranges};

/// A stretch of hours in which a server wrote no log.
#[derive(Debug, Clone, Deserialize)]
pub struct Hole {
    server: String,
    service: String,
    first_hour: Time,
    /// The end of the last hour.
    last_hour: Time,
}

/// The stretches of hours without logs.
pub async fn holes(ctx: &SessionContext) -> Result<Vec<Hole>> {
    crate::check::ask::GAPS.ask(ctx).await
}

/// One transaction with the message.
pub struct Attempt<'t, 'a> {
    pub told: &'t Told<'a>,
    /// The front end's half of its session.
    pub front_end: Option<&'t Told<'a>>,
    pub transaction: &'t Transaction<'a>,
    /// Its steps, up to the next message or the end of the session.
    pub steps: Range<usize>,
    pub recipients: Vec<Answered>,
    /// Steps before which there was a long silence.
    pub pauses: Vec<usize>,
}

/// What finally became of a recipient.
#[derive(Debug, Clone)]
pub struct Fateful {
    pub last: Answered,
    pub attempts: usize,
    /// The number of the attempt that decided, from 1.
    pub attempt: usize,
}

/// A message and all that these logs say of it.
pub struct Way<'t, 'a> {
    pub id: String,
    pub attempts: Vec<Attempt<'t, 'a>>,
    pub recipients: Vec<Fateful>,
    /// What would have to be there for the full picture, and how to get it.
    pub missing: Vec<String>,
    pub pause: i64,
    /// The options by which a command reads from the same place.
    pub again: Option<String>,
}

impl<'t, 'a> Way<'t, 'a> {
    /// Puts the attempts in order of time; `told` are the sessions and their front-end halves.
    pub fn new(
        id: &str,
        told: &'t [Told<'a>],
        places: &[There],
        holes: &[Hole],
        pause: i64,
        again: Option<String>,
    ) -> Self {
        let mut attempts: Vec<Attempt<'t, 'a>> = Vec::new();
        for session in told {
            let ranges = ranges(&session.talk);
            let transactions = session.talk.session.mail.transactions.iter();
            for (transaction, steps) in transactions.zip(ranges) {
                if same(&lossless(transaction.message_id), id) {
                    attempts.push(attempt(session, told, transaction, steps, pause));
                }
            }
        }
        attempts.sort_by(|a, b| {
            let key =
                |attempt: &Attempt<'_, '_>| (attempt.transaction.start, attempt.told.place.clone());
            key(a).cmp(&key(b))
        });
        let recipients = fates(&attempts);
        let logged = attempts
            .first()
            .map(|first| lossless(first.transaction.message_id));
        let mut way = Way {
            id: logged.map_or_else(|| id.to_owned(), |logged| logged.into_owned()),
            attempts,
            recipients,
            missing: Vec::new(),
            pause,
            again,
        };
        way.missing = missing(&way, told, places, holes);
        way
    }

    /// First row and last reply; nothing where the message was announced and no MAIL followed.
    pub fn bounds(&self) -> Option<(i64, i64)> {
        let starts = self
            .attempts
            .iter()
            .map(|attempt| attempt.transaction.start);
        let ends = self.attempts.iter().map(|attempt| attempt.transaction.end);
        Some((starts.min()?, ends.max()?))
    }

    /// Every recipient was taken by the last server on the way, and nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.missing.is_empty() && self.all(Outcome::Delivered)
    }

    /// Whether all recipients came to this.
    pub fn all(&self, outcome: Outcome) -> bool {
        !self.recipients.is_empty() && self.recipients.iter().all(|to| to.last.outcome == outcome)
    }
}

fn attempt<'t, 'a>(
    told: &'t Told<'a>,
    all: &'t [Told<'a>],
    transaction: &'t Transaction<'a>,
    steps: Range<usize>,
    pause: i64,
) -> Attempt<'t, 'a> {
    let own = told.talk.session.id;
    let organization = &told.place.organization;
    let through = told.talk.goes_through_front_end();
    let front_end = all.iter().find(|other| {
        through
            && other.talk.session.proxied_session == own
            && other.place.organization == *organization
    });
    let pauses = steps.clone().skip(1);
    let pauses = pauses
        .filter(|at| told.talk.steps[*at].pause >= pause)
        .collect();
    Attempt {
        recipients: answered(&told.talk, &told.talk.closing(), transaction, &steps),
        told,
        front_end,
        transaction,
        steps,
        pauses,
    }
}

/// The last word on each recipient: a delivery counts for good, else the latest attempt.
fn fates(attempts: &[Attempt<'_, '_>]) -> Vec<Fateful> {
    let mut fates: BTreeMap<String, Fateful> = BTreeMap::new();
    for (number, attempt) in attempts.iter().enumerate() {
        for to in &attempt.recipients {
            let next = Fateful {
                last: to.clone(),
                attempts: 1,
                attempt: number + 1,
            };
            let key = match to.address.rsplit_once('@') {
                Some((local, domain)) => format!("{local}@{}", domain.to_lowercase()),
                None => to.address.clone(),
            };
            fates
                .entry(key)
                .and_modify(|kept| {
                    let attempts = kept.attempts + 1;
                    if kept.last.outcome != Outcome::Delivered {
                        *kept = next.clone();
                    }
                    kept.attempts = attempts;
                })
                .or_insert(next);
        }
    }
    fates.into_values().collect()
}

/// The host that an attempt reached.
pub fn host(told: &Told<'_>) -> Option<String> {
    peer::banner_host(told.talk.session.banner.bytes).map(|host| lossless(host).into_owned())
}

fn missing(way: &Way<'_, '_>, told: &[Told<'_>], places: &[There], holes: &[Hole]) -> Vec<String> {
    let mut missing = Vec::new();
    let mut say = |text: String| {
        if !missing.contains(&text) {
            missing.push(text);
        }
    };
    for session in told {
        let state = session.state();
        if state != "complete" {
            let id = lossless(session.talk.session.id).into_owned();
            let place = place_name(&session.place.server, &session.place.service);
            say(format!("session {id} on {place} is not complete: {state}"));
        }
    }
    for attempt in &way.attempts {
        if attempt.told.talk.goes_through_front_end() && attempt.front_end.is_none() {
            let host = host(attempt.told).unwrap_or_else(|| "the front end server".to_owned());
            say(format!(
                r"front end logs of {host}: TLS, certificate and address of the way out stand there (TransportRoles\Logs\FrontEnd\ProtocolLog\SmtpSend)"
            ));
        }
    }
    for to in way
        .recipients
        .iter()
        .filter(|to| to.last.outcome == Outcome::HandedOn)
    {
        let attempt = &way.attempts[to.attempt - 1];
        let host = host(attempt.told)
            .unwrap_or_else(|| lossless(attempt.told.talk.session.remote).into_owned());
        let short = host.split('.').next().unwrap_or(&host).to_lowercase();
        let known = places
            .iter()
            .any(|place| place.server.to_lowercase() == short);
        say(match known {
            true => format!(
                "{host} took it at {} UTC and its logs here show no further way: it put it into a mailbox (Mailbox logs, message tracking), has it in a queue, or its log is missing",
                Time(to.last.time).second()
            ),
            false => format!(
                "logs of {host}, which took it at {} UTC: none were read",
                Time(to.last.time).second()
            ),
        });
    }
    if let Some((start, end)) = way.bounds() {
        for hole in holes {
            let inside = hole.first_hour.0 <= end && hole.last_hour.0 > start;
            let involved = told
                .iter()
                .any(|told| told.place.server == hole.server && told.place.service == hole.service);
            if inside && involved {
                say(format!(
                    "{} wrote no log from {} to {} UTC, while the message was on its way",
                    place_name(&hole.server, &hole.service),
                    hole.first_hour.minute(),
                    hole.last_hour.minute()
                ));
            }
        }
    }
    missing
}

/// `2 recipients: 1 delivered, 1 deferred`
pub fn tally(way: &Way<'_, '_>) -> String {
    let mut by: BTreeMap<Outcome, i64> = BTreeMap::new();
    for to in &way.recipients {
        *by.entry(to.last.outcome).or_default() += 1;
    }
    let word = |outcome: Outcome| match outcome {
        Outcome::Unknown => "without an answer",
        Outcome::Deferred => "deferred",
        Outcome::Refused => "refused for want of attribution",
        Outcome::Rejected => "rejected",
        Outcome::HandedOn => "handed on inside the organization",
        Outcome::Delivered => "delivered",
    };
    let parts: Vec<String> = by
        .iter()
        .rev()
        .map(|(outcome, number)| format!("{number} {}", word(*outcome)))
        .collect();
    format!(
        "{}: {}",
        count(way.recipients.len() as i64, "recipient"),
        parts.join(", ")
    )
}

/// From the first row to the last reply, in words.
pub fn took(way: &Way<'_, '_>) -> String {
    way.bounds()
        .map_or_else(String::new, |(start, end)| lasting(end - start))
}
