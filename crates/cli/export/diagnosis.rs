//! Rows of the view `diagnosis` become incidents: the view says which belong together, why mail was
//! refused and what to do.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use datafusion::prelude::SessionContext;
use relaydrift_export::{Affected, Certificate, Event, Fact, Incident, Severity, State, Stream};
use serde::Deserialize;

use super::incidents::{Clock, hash, planned};
use super::memory::Memory;
use crate::ask::{self, Time};

/// A row of the view: one incident on one server.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    incident_uid: String,
    organization: String,
    connector_id: String,
    role: Option<String>,
    server: String,
    cause: String,
    confidence: Option<String>,
    state: String,
    severity: String,
    stream: String,
    first_refused: Option<Time>,
    last_refused: Option<Time>,
    last_good: Option<Time>,
    relayed_again: Option<Time>,
    refused: Option<i64>,
    thumbprint: Option<String>,
    before_thumbprint: Option<String>,
    egress_ip: Option<String>,
    before_egress_ip: Option<String>,
    session_id: Option<String>,
    #[serde(default)]
    sender_domains: serde_json::Value,
    explanation: Option<String>,
    fix: Option<String>,
    link: Option<String>,
    planned_change_id: Option<String>,
}

/// The incidents within these times.
pub async fn events(
    ctx: &SessionContext,
    within: impl Fn(i64) -> bool,
    clock: Clock,
    memory: &Memory,
) -> Result<Vec<Event>> {
    let rows: Vec<Row> = ask::records(ctx.table("diagnosis").await?)
        .await
        .context("the view diagnosis cannot be read")?;
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        if within(row.begun(clock)) {
            groups
                .entry(row.incident_uid.clone())
                .or_default()
                .push(row);
        }
    }
    let all = groups.into_iter().map(|(uid, mut group)| {
        group.sort_by(|a, b| (a.begun(clock), &a.server).cmp(&(b.begun(clock), &b.server)));
        event(&uid, &group, clock, memory)
    });
    let mut events: Vec<Event> = all.collect();
    events.sort_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
    Ok(events)
}

impl Row {
    /// What is told without a refusal began when it was found.
    fn begun(&self, clock: Clock) -> i64 {
        let known = self.first_refused.or(self.last_good);
        known.map_or(clock.latest, |time| time.0)
    }

    fn is_over(&self) -> bool {
        matches!(self.state.as_str(), "closed" | "historic")
    }

    /// The values that changed: certificates, else addresses.
    fn change(&self) -> (Option<String>, Option<String>) {
        match &self.before_thumbprint {
            None if self.before_egress_ip.is_some() => {
                (self.before_egress_ip.clone(), self.egress_ip.clone())
            }
            before => (before.clone(), self.thumbprint.clone()),
        }
    }

    fn affected(&self, clock: Clock) -> Affected {
        let (before, after) = self.change();
        let begun = self.begun(clock);
        Affected {
            server: self.server.clone(),
            key: hash(&[
                &self.incident_uid,
                &self.server,
                &self.cause,
                &begun.to_string(),
            ]),
            before,
            after,
            occurred: begun,
            detected: self.last_refused.map_or(begun, |time| time.0),
            session: self.session_id.clone(),
            refused: self.refused.unwrap_or(0),
        }
    }
}

fn event(uid: &str, group: &[Row], clock: Clock, memory: &Memory) -> Event {
    // A group has a row.
    let first = &group[0];
    let over = group.iter().all(Row::is_over);
    let last =
        |time: fn(&Row) -> Option<Time>| group.iter().filter_map(time).map(|time| time.0).max();
    let opened = first.begun(clock);
    let updated = last(|row| row.last_refused).unwrap_or(opened);
    let closed = over.then(|| last(|row| row.relayed_again).unwrap_or(updated));
    let severity = group
        .iter()
        .filter_map(|row| Severity::parse(&row.severity))
        .max();
    let severity = severity.unwrap_or(Severity::Medium);
    let mut known = vec![
        uid,
        &first.cause,
        severity.name(),
        if over { "closed" } else { "open" },
    ];
    known.extend(group.iter().map(|row| row.server.as_str()));
    let key = hash(&known);
    let counted = group.len() as i64 + i64::from(over);
    let certificate = |thumbprint: &Option<String>| {
        let thumbprint = thumbprint.clone()?;
        Some(Certificate {
            thumbprint,
            ..Certificate::default()
        })
    };
    let domains = group.iter().flat_map(|row| row.sender_domains.as_array());
    let domains = domains.flatten().filter_map(|domain| domain.as_str());
    let domains: std::collections::BTreeSet<&str> = domains.collect();
    let incident = Incident {
        uid: uid.to_owned(),
        state: match over {
            true => State::Closed,
            false if memory.told(uid) => State::Updated,
            false => State::New,
        },
        revision: memory
            .revision(uid)
            .map_or(counted, |last| counted.max(last + 1)),
        stream: if first.stream == "security" {
            Stream::Security
        } else {
            Stream::Operations
        },
        severity,
        kind: "diagnosis".to_owned(),
        class: first.cause.clone(),
        breaking: group.iter().any(|row| row.refused.unwrap_or(0) > 0),
        detail: first.explanation.clone().unwrap_or_default(),
        cause: Some(first.cause.clone()),
        confidence: first.confidence.clone(),
        fix: first.fix.clone(),
        link: first.link.clone(),
        coverage: None,
        planned_change: planned(group.iter().map(|row| &row.planned_change_id)),
        tenant: None,
        connector_guid: None,
        opened,
        updated,
        closed,
        last_good: last(|row| row.last_good),
        refused: group.iter().filter_map(|row| row.refused).sum(),
        servers: group.iter().map(|row| row.affected(clock)).collect(),
        before: certificate(&first.before_thumbprint),
        after: certificate(&first.thumbprint),
        sender_domains: domains.into_iter().map(str::to_owned).collect(),
    };
    Event {
        key,
        time: opened,
        reported: clock.report,
        historic: clock.is_past(closed.unwrap_or(clock.latest.max(updated))),
        organization: first.organization.clone(),
        connector: first.connector_id.clone(),
        role: first.role.clone(),
        server: first.server.clone(),
        fact: Fact::Incident(Box::new(incident)),
    }
}
