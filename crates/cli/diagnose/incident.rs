//! Rows of `diagnosis`, and the incidents they make: one cause on one connector, all servers it hit together.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::text::SERVERS;
use crate::ask::Time;
use crate::output::{count, listed};

/// How an incident stands, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Mail is refused.
    Open,
    /// Mail is relayed again, for less than an hour.
    Recovering,
    /// It is over.
    Closed,
    /// It is over for long.
    Historic,
}

impl State {
    /// True until mail has been relayed again for an hour.
    pub fn is_open(self) -> bool {
        self <= State::Recovering
    }

    /// As `diagnosis.state` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Recovering => "recovering",
            State::Closed => "closed",
            State::Historic => "historic",
        }
    }
}

/// One row of `diagnosis`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub organization: String,
    pub connector_id: String,
    pub role: Option<String>,
    pub server: String,
    pub cause: String,
    pub title: String,
    pub confidence: String,
    pub state: State,
    pub severity: String,
    pub incident_uid: String,
    pub first_refused: Time,
    pub last_refused: Time,
    pub last_good: Option<Time>,
    pub relayed_again: Option<Time>,
    pub refused: i64,
    pub transactions: i64,
    pub messages: i64,
    pub codes: Option<Vec<String>>,
    pub own_senders: Option<Vec<String>>,
    pub foreign_senders: Option<Vec<String>>,
    pub null_senders: i64,
    pub spared_servers: Option<Vec<String>>,
    pub thumbprint: Option<String>,
    pub before_thumbprint: Option<String>,
    pub egress_ip: Option<String>,
    pub before_egress_ip: Option<String>,
    pub session_id: Option<String>,
    pub path: Option<String>,
    pub line: Option<i64>,
    pub reply: Option<String>,
    pub ruled_out: Option<String>,
    pub planned_change_id: Option<String>,
    pub explanation: String,
    pub fix: String,
    pub verify: String,
    pub rollback: String,
    pub link: String,
}

/// What one cause did on one connector; at least one row, the first server hit first.
#[derive(Debug)]
pub struct Incident {
    /// See `diagnosis.incident_uid`.
    pub uid: String,
    /// A row per server.
    pub rows: Vec<Row>,
}

impl Incident {
    /// The first server that was hit, whose facts stand for the incident.
    pub fn first(&self) -> &Row {
        // `gathered` makes none without a row.
        &self.rows[0]
    }

    /// The worst state of its servers.
    pub fn state(&self) -> State {
        self.rows
            .iter()
            .map(|row| row.state)
            .min()
            .unwrap_or(State::Historic)
    }

    /// See [`State::is_open`].
    pub fn is_open(&self) -> bool {
        self.state().is_open()
    }

    /// Recipients refused, on all servers.
    pub fn refused(&self) -> i64 {
        self.rows.iter().map(|row| row.refused).sum()
    }

    /// Messages that bounced and must be sent again.
    pub fn messages(&self) -> i64 {
        self.rows.iter().map(|row| row.messages).sum()
    }

    /// What became of the mail: it bounced, or it waits.
    pub fn impact(&self) -> String {
        let recipients = count(self.refused(), "recipient");
        if self.messages() == 0 {
            let transactions = self.rows.iter().map(|row| row.transactions).sum();
            return format!(
                "{recipients} in {} put off: the mail waits in the queue and is tried again",
                count(transactions, "transaction")
            );
        }
        format!(
            "{recipients} in {} refused: what bounced must be sent again",
            count(self.messages(), "message")
        )
    }

    /// Names of the servers hit, each once.
    pub fn servers(&self) -> Vec<String> {
        let servers = self.rows.iter().map(|row| row.server.clone());
        servers.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Servers of the connector that were not hit.
    pub fn spared(&self) -> Vec<String> {
        let hit = self.servers();
        let spared = self.first().spared_servers.iter().flatten();
        spared
            .filter(|server| !hit.contains(server))
            .cloned()
            .collect()
    }

    /// Whose mail was refused, by class of sender: nothing where no mail was.
    pub fn senders(&self) -> String {
        let domains = |of: fn(&Row) -> &Option<Vec<String>>| {
            let all = self.rows.iter().flat_map(|row| of(row).iter().flatten());
            let mut all: Vec<String> = all.cloned().collect();
            all.sort();
            all.dedup();
            all
        };
        let null: i64 = self.rows.iter().map(|row| row.null_senders).sum();
        let mut parts = Vec::new();
        for (class, domains) in [
            ("own", domains(|row| &row.own_senders)),
            ("foreign", domains(|row| &row.foreign_senders)),
        ] {
            if !domains.is_empty() {
                parts.push(format!("{class}: {}", listed(&domains, SERVERS)));
            }
        }
        if null > 0 {
            let mails = count(null, "message");
            parts.push(format!(
                "none (<>, reports and out-of-office replies): {mails}"
            ));
        }
        parts.join("; ")
    }

    /// The planned changes that led to it.
    pub fn planned(&self) -> Vec<&str> {
        let ids = self
            .rows
            .iter()
            .filter_map(|row| row.planned_change_id.as_deref());
        ids.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The last refusal.
    pub fn last_refused(&self) -> Time {
        self.rows
            .iter()
            .map(|row| row.last_refused)
            .max()
            .unwrap_or(self.first().last_refused)
    }
}

/// The rows by incident, newest incident first.
pub fn gathered(mut rows: Vec<Row>) -> Vec<Incident> {
    rows.sort_by(|a, b| (a.first_refused, &a.server).cmp(&(b.first_refused, &b.server)));
    let mut incidents: Vec<Incident> = Vec::new();
    for row in rows {
        match incidents
            .iter_mut()
            .find(|incident| incident.uid == row.incident_uid)
        {
            Some(incident) => incident.rows.push(row),
            None => incidents.push(Incident {
                uid: row.incident_uid.clone(),
                rows: vec![row],
            }),
        }
    }
    incidents.reverse();
    incidents
}
