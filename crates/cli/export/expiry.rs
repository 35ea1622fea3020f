//! Certificates whose end is in sight become incidents: one per connector and certificate, however
//! many servers use it.

use std::collections::BTreeMap;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use relaydrift_export::{Affected, Certificate, Event, Fact, Incident, Severity, State, Stream};
use serde::Deserialize;

use super::EXPIRY;
use super::incidents::{Clock, hash};
use super::memory::Memory;
use crate::ask::Time;

/// A row of the question `expiry`.
#[derive(Debug, Clone, Deserialize)]
pub struct InUse {
    organization: String,
    connector_id: String,
    role: Option<String>,
    server: String,
    thumbprint: String,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    not_before: Option<Time>,
    not_after: Option<Time>,
    names: Option<Vec<Option<String>>>,
    session_id: Option<String>,
    band: Option<String>,
    band_start: Option<Time>,
    severity: Option<String>,
}

/// The certificates in use, whose end is near or not.
pub async fn in_use(ctx: &SessionContext) -> Result<Vec<InUse>> {
    EXPIRY.ask(ctx).await
}

/// What became of a certificate whose end was told and that is no longer in use, or no longer near its end.
pub fn became(event: &Event, incident: &Incident, in_use: &[InUse]) -> String {
    let old = incident.after.as_ref();
    let thumbprint = old.map_or("", |one| &one.thumbprint);
    let subject = old
        .and_then(|one| one.subject.as_deref())
        .unwrap_or(thumbprint);
    let theirs = in_use.iter().filter(|one| {
        (&one.organization, &one.connector_id) == (&event.organization, &event.connector)
            && incident.servers.iter().any(|hit| hit.server == one.server)
    });
    let (same, others): (Vec<&InUse>, Vec<&InUse>) =
        theirs.partition(|one| one.thumbprint == thumbprint);
    if !same.is_empty() {
        return format!("the end of the certificate {subject} is no longer near");
    }
    let mut new: Vec<String> = others.iter().map(|one| one.told()).collect();
    new.sort();
    new.dedup();
    match new.as_slice() {
        [] => format!("the certificate {subject} is no longer used"),
        new => format!(
            "the certificate {subject} is replaced by {}",
            new.join(" and by ")
        ),
    }
}

impl InUse {
    fn told(&self) -> String {
        let subject = self.subject.as_deref().unwrap_or_default();
        let until = self
            .not_after
            .map(|time| format!(", valid until {}", time.day()));
        format!("{} {subject}{}", self.thumbprint, until.unwrap_or_default())
    }
}

/// The incidents.
pub fn events(in_use: &[InUse], clock: Clock, memory: &Memory) -> Vec<Event> {
    let mut groups: BTreeMap<[&str; 3], Vec<&InUse>> = BTreeMap::new();
    for row in in_use.iter().filter(|row| row.band.is_some()) {
        let of = [&row.organization, &row.connector_id, &row.thumbprint].map(String::as_str);
        groups.entry(of).or_default().push(row);
    }
    let mut events: Vec<Event> = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by(|a, b| (a.band_start, &a.server).cmp(&(b.band_start, &b.server)));
        events.push(event(&group, clock, memory));
    }
    events.sort_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
    events
}

fn event(group: &[&InUse], clock: Clock, memory: &Memory) -> Event {
    // A group has a row.
    let first = &group[0];
    let uid = hash(&[
        "expiry",
        &first.organization,
        &first.connector_id,
        &first.thumbprint,
    ]);
    let severities = group.iter().filter_map(|row| row.severity.as_deref());
    let worst = severities.filter_map(Severity::parse).max();
    let worst = worst.unwrap_or(Severity::Info);
    let expired = group
        .iter()
        .any(|row| row.band.as_deref() == Some("expired"));
    let class = if expired { "expired" } else { "expiring" };
    let mut known = vec![uid.as_str(), class, worst.name()];
    known.extend(group.iter().map(|row| row.server.as_str()));
    let key = hash(&known);
    let rank = worst as i64 + i64::from(expired);
    let counted = group.len() as i64 + rank;
    // What is in a band has both times.
    let begun = first.band_start.map_or(clock.latest, |time| time.0);
    let day = first.not_after.map_or_else(String::new, Time::day);
    let verb = if expired { "expired" } else { "expires" };
    let subject = first.subject.as_deref().unwrap_or(&first.thumbprint);
    let certificate = Certificate {
        thumbprint: first.thumbprint.clone(),
        sha256: None,
        subject: first.subject.clone(),
        issuer: first.issuer.clone(),
        serial: first.serial.clone(),
        not_before: first.not_before.map(|time| time.0),
        not_after: first.not_after.map(|time| time.0),
        names: first.names.iter().flatten().flatten().cloned().collect(),
    };
    let affected = |row: &&InUse| Affected {
        server: row.server.clone(),
        key: hash(&[&uid, &row.server]),
        before: None,
        after: Some(row.thumbprint.clone()),
        occurred: row.band_start.map_or(begun, |time| time.0),
        detected: clock.latest,
        session: row.session_id.clone(),
        refused: 0,
    };
    let incident = Incident {
        state: if memory.told(&uid) {
            State::Updated
        } else {
            State::New
        },
        revision: memory
            .revision(&uid)
            .map_or(counted, |last| counted.max(last + 1)),
        uid: uid.clone(),
        stream: Stream::Operations,
        severity: worst,
        kind: "certificate".to_owned(),
        class: class.to_owned(),
        breaking: false,
        detail: format!("the certificate {subject} {verb} {}", day),
        cause: None,
        confidence: Some("high".to_owned()),
        fix: None,
        link: None,
        coverage: None,
        planned_change: None,
        tenant: None,
        connector_guid: None,
        opened: begun,
        updated: clock.latest,
        closed: None,
        last_good: None,
        refused: 0,
        servers: group.iter().map(affected).collect(),
        before: None,
        after: Some(certificate),
        sender_domains: Vec::new(),
    };
    Event {
        key,
        time: begun,
        reported: clock.report,
        historic: clock.is_past(clock.latest),
        organization: first.organization.clone(),
        connector: first.connector_id.clone(),
        role: first.role.clone(),
        server: first.server.clone(),
        fact: Fact::Incident(Box::new(incident)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::incidents::{closings, untold};
    use super::*;

    #[test]
    fn servers_share_an_incident_that_grows_with_the_band() {
        let row = |server: &str, band: Option<&str>| InUse {
            organization: "default".to_owned(),
            connector_id: "Out".to_owned(),
            role: Some("cloud_relay".to_owned()),
            server: server.to_owned(),
            thumbprint: "A".to_owned(),
            subject: None,
            issuer: None,
            serial: None,
            not_before: None,
            not_after: Some(Time(1_790_812_800_000_000)),
            names: None,
            session_id: None,
            band: band.map(str::to_owned),
            band_start: band.map(|_| Time(1_790_000_000_000_000)),
            severity: band.map(|band| if band == "last" { "critical" } else { "low" }.to_owned()),
        };
        let clock = Clock {
            latest: 1_790_100_000_000_000,
            report: 1_790_100_000_000_000,
        };
        let mut memory = Memory::default();
        let first = events(
            &[row("EX02", Some("first")), row("EX01", Some("first"))],
            clock,
            &memory,
        );
        assert_eq!(first.len(), 1);
        memory.tell(&first[0]);
        let again = vec![row("EX01", Some("first")), row("EX02", Some("first"))];
        assert!(untold(events(&again, clock, &memory), &memory).is_empty());
        let last = events(
            &[row("EX01", Some("last")), row("EX02", Some("last"))],
            clock,
            &memory,
        );
        let (Fact::Incident(a), Fact::Incident(b)) = (&first[0].fact, &last[0].fact) else {
            panic!("incidents");
        };
        assert_eq!(a.uid, b.uid);
        assert_eq!(
            (a.state, a.severity, b.state, b.severity),
            (
                State::New,
                Severity::Low,
                State::Updated,
                Severity::Critical
            )
        );
        assert!(b.revision > a.revision);
        assert_eq!(b.detail, "the certificate A expires 2026-10-01");
        memory.tell(&last[0]);
        let in_use = |thumbprint: &str| InUse {
            thumbprint: thumbprint.to_owned(),
            subject: Some("CN=new".to_owned()),
            ..row("EX02", None)
        };
        for (now, told) in [
            (vec![], "the certificate A is no longer used"),
            (
                vec![in_use("A")],
                "the end of the certificate A is no longer near",
            ),
            (
                vec![in_use("B"), in_use("B")],
                "the certificate A is replaced by B CN=new, valid until 2026-10-01",
            ),
        ] {
            let closed = closings(&[], clock, &memory, |event, one| became(event, one, &now));
            let Fact::Incident(c) = &closed[0].fact else {
                panic!("an incident");
            };
            assert_eq!((&c.uid, c.state), (&a.uid, State::Closed));
            assert_eq!(c.detail, told);
        }
    }
}
