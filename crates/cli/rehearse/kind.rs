//! Rows of `rehearse`, and what they come to.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::ask::Time;

/// What would have attributed a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attributed {
    /// Nothing.
    Neither,
    /// It shows what was asked for, but whether that matches is open.
    Unknown,
    /// Its certificate.
    Certificate,
    /// Its address.
    Address,
    /// It hides what was asked for.
    NotObservable,
}

/// Sessions of one connector and server that showed the same: a row of `rehearse`.
#[derive(Debug, Clone, Deserialize)]
pub struct Sessions {
    pub organization: String,
    pub connector_id: String,
    pub server: String,
    pub thumbprint: Option<String>,
    pub subject: Option<String>,
    pub names: Option<Vec<String>>,
    pub egress_ip: Option<String>,
    pub attributed: Attributed,
    pub sessions: i64,
    pub recipients: i64,
    pub sender_refused: Option<i64>,
    pub why: String,
    pub first_seen: Time,
    pub last_seen: Time,
    pub session_id: Option<String>,
    pub path: Option<String>,
    pub line: Option<i64>,
}

/// All sessions.
#[derive(Debug)]
pub struct Kinds {
    /// At least one, unless there was no session.
    pub all: Vec<Sessions>,
}

/// What a connector on a server sent, whatever address it came from, where the outcome is the same.
#[derive(Debug, Clone)]
pub struct Shown<'a> {
    /// The first of these sessions.
    pub first: &'a Sessions,
    /// Where they came from.
    pub addresses: Vec<&'a str>,
    pub sessions: i64,
    pub recipients: i64,
    pub last_seen: Time,
}

impl Kinds {
    /// What was found.
    pub fn new(all: Vec<Sessions>) -> Self {
        Kinds { all }
    }

    /// Those of one outcome.
    pub fn of(&self, attributed: Attributed) -> impl Iterator<Item = &Sessions> {
        let same = move |one: &&Sessions| one.attributed == attributed;
        self.all.iter().filter(same)
    }

    /// What servers showed, worst outcome first, then in the order of connectors and servers.
    pub fn shown(&self) -> Vec<Shown<'_>> {
        let mut shown: Vec<Shown<'_>> = Vec::new();
        for one in &self.all {
            let same = |known: &&mut Shown<'_>| {
                let known = known.first;
                (&known.organization, &known.connector_id, &known.server)
                    == (&one.organization, &one.connector_id, &one.server)
                    && (&known.thumbprint, &known.why) == (&one.thumbprint, &one.why)
                    && known.attributed == one.attributed
            };
            let at = match shown.iter_mut().find(same) {
                Some(known) => known,
                None => shown.push_mut(Shown {
                    first: one,
                    addresses: Vec::new(),
                    sessions: 0,
                    recipients: 0,
                    last_seen: one.last_seen,
                }),
            };
            at.addresses.extend(one.egress_ip.as_deref());
            at.sessions += one.sessions;
            at.recipients += one.recipients;
            at.last_seen = at.last_seen.max(one.last_seen);
        }
        shown.sort_by_key(|one| one.first.attributed);
        shown
    }

    /// Sessions of one outcome.
    pub fn count(&self, attributed: Attributed) -> i64 {
        self.of(attributed).map(|one| one.sessions).sum()
    }

    /// All sessions.
    pub fn sessions(&self) -> i64 {
        self.all.iter().map(|one| one.sessions).sum()
    }

    /// Recipients that would be refused for their sender's domain, as far as accepted domains tell; `None` where they
    /// tell nothing.
    pub fn sender_refused(&self) -> Option<i64> {
        let attributed = |one: &&Sessions| {
            matches!(
                one.attributed,
                Attributed::Certificate | Attributed::Address
            )
        };
        let told = self.all.iter().filter(attributed);
        told.filter_map(|one| one.sender_refused)
            .reduce(|a, b| a + b)
    }

    /// Servers of a connector none of whose sessions tells whether it would be attributed.
    pub fn blind(&self) -> Vec<&str> {
        let mut judged: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
        for one in &self.all {
            *judged
                .entry((&one.organization, &one.connector_id, &one.server))
                .or_default() |= one.attributed != Attributed::NotObservable;
        }
        let blind = judged.into_iter().filter(|(_, judged)| !judged);
        blind.map(|((_, _, server), _)| server).collect()
    }

    /// Whether the settings can be made as far as these sessions tell.
    pub fn passes(&self) -> bool {
        self.count(Attributed::Neither) == 0
            && self.count(Attributed::Unknown) == 0
            && self.sender_refused().unwrap_or(0) == 0
            && self.blind().is_empty()
    }
}
