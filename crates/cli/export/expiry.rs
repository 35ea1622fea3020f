//! Certificates whose end is in sight become incidents: one per connector and certificate, however
//! many servers use it.

use std::collections::BTreeMap;

use anyhow::Result;
use datafusion::prelude::{SessionContext, col};
use relaydrift_export::{Affected, Certificate, Event, Fact, Incident, Severity, State, Stream};
use serde::Deserialize;

use super::incidents::{Clock, hash};
use super::memory::Memory;
use crate::ask::{self, Time};

/// A row of the view `certificate_expiry` that is in a band.
#[derive(Debug, Clone, Deserialize)]
struct Row {
    organization: String,
    connector_id: String,
    server: String,
    thumbprint: String,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    not_before: Option<Time>,
    not_after: Time,
    names: Option<Vec<Option<String>>>,
    session_id: Option<String>,
    band: String,
    band_start: Time,
}

/// The incidents, and of those only what the memory does not know to be told.
pub async fn events(ctx: &SessionContext, clock: Clock, memory: &Memory) -> Result<Vec<Event>> {
    let rows = ctx.table("certificate_expiry").await?;
    let rows = rows.filter(col("band").is_not_null())?;
    Ok(gather(ask::records(rows).await?, clock, memory))
}

fn gather(rows: Vec<Row>, clock: Clock, memory: &Memory) -> Vec<Event> {
    let mut groups: BTreeMap<[String; 3], Vec<Row>> = BTreeMap::new();
    for row in rows {
        let of = [&row.organization, &row.connector_id, &row.thumbprint].map(String::clone);
        groups.entry(of).or_default().push(row);
    }
    let mut events: Vec<Event> = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by(|a, b| (a.band_start, &a.server).cmp(&(b.band_start, &b.server)));
        let (uid, event) = event(&group, clock, memory);
        if !memory.knows(&uid, &event.key) {
            events.push(event);
        }
    }
    events.sort_by(|a, b| (a.time, &a.key).cmp(&(b.time, &b.key)));
    events
}

fn severity(band: &str) -> Severity {
    match band {
        "first" => Severity::Low,
        "second" => Severity::Medium,
        _ => Severity::High,
    }
}

fn event(group: &[Row], clock: Clock, memory: &Memory) -> (String, Event) {
    // A group has a row.
    let first = &group[0];
    let uid = hash(&[
        "expiry",
        &first.organization,
        &first.connector_id,
        &first.thumbprint,
    ]);
    let worst = group
        .iter()
        .map(|row| severity(&row.band))
        .max()
        .unwrap_or(Severity::Low);
    let expired = group.iter().any(|row| row.band == "expired");
    let class = if expired { "expired" } else { "expiring" };
    let mut known = vec![uid.as_str(), class, worst.name()];
    known.extend(group.iter().map(|row| row.server.as_str()));
    let key = hash(&known);
    let rank = worst as i64 + i64::from(expired);
    let counted = group.len() as i64 + rank;
    let day = relaydrift_parse::time::format(first.not_after.0);
    let verb = if expired { "expired" } else { "expires" };
    let subject = first.subject.as_deref().unwrap_or(&first.thumbprint);
    let certificate = Certificate {
        thumbprint: first.thumbprint.clone(),
        subject: first.subject.clone(),
        issuer: first.issuer.clone(),
        serial: first.serial.clone(),
        not_before: first.not_before.map(|time| time.0),
        not_after: Some(first.not_after.0),
        names: first.names.iter().flatten().flatten().cloned().collect(),
    };
    let affected = |row: &Row| Affected {
        server: row.server.clone(),
        key: hash(&[&uid, &row.server]),
        before: None,
        after: Some(row.thumbprint.clone()),
        occurred: row.band_start.0,
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
        detail: format!("the certificate {subject} {verb} {}", &day[..10]),
        cause: None,
        confidence: None,
        fix: None,
        coverage: None,
        planned_change: None,
        tenant: None,
        connector_guid: None,
        opened: first.band_start.0,
        updated: clock.latest,
        closed: None,
        last_good: None,
        refused: 0,
        servers: group.iter().map(affected).collect(),
        before: None,
        after: Some(certificate),
        sender_domains: Vec::new(),
    };
    let event = Event {
        key,
        time: first.band_start.0,
        reported: clock.report,
        historic: clock.is_past(clock.latest),
        organization: first.organization.clone(),
        connector: first.connector_id.clone(),
        role: None,
        server: first.server.clone(),
        fact: Fact::Incident(Box::new(incident)),
    };
    (uid, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_share_an_incident_that_grows_with_the_band() {
        let row = |server: &str, band: &str| Row {
            organization: "default".to_owned(),
            connector_id: "Out".to_owned(),
            server: server.to_owned(),
            thumbprint: "A".to_owned(),
            subject: None,
            issuer: None,
            serial: None,
            not_before: None,
            not_after: Time(1_790_812_800_000_000),
            names: None,
            session_id: None,
            band: band.to_owned(),
            band_start: Time(1_790_000_000_000_000),
        };
        let clock = Clock {
            latest: 1_790_100_000_000_000,
            report: 1_790_100_000_000_000,
        };
        let mut memory = Memory::default();
        let first = gather(
            vec![row("EX02", "first"), row("EX01", "first")],
            clock,
            &memory,
        );
        assert_eq!(first.len(), 1);
        memory.tell(&first[0]);
        assert!(
            gather(
                vec![row("EX01", "first"), row("EX02", "first")],
                clock,
                &memory
            )
            .is_empty()
        );
        let last = gather(
            vec![row("EX01", "last"), row("EX02", "last")],
            clock,
            &memory,
        );
        let (Fact::Incident(a), Fact::Incident(b)) = (&first[0].fact, &last[0].fact) else {
            panic!("incidents");
        };
        assert_eq!(a.uid, b.uid);
        assert_eq!(
            (a.state, a.severity, b.state, b.severity),
            (State::New, Severity::Low, State::Updated, Severity::High)
        );
        assert!(b.revision > a.revision);
        assert_eq!(b.detail, "the certificate A expires 2026-10-01");
    }
}
