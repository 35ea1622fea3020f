//! What an incident is told with beside the finding itself: tenant, the connector's GUID, all that is known of its
//! certificates, and how much of its time the logs cover.

use std::collections::HashMap;

use anyhow::Result;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;
use relaydrift_export::{Certificate, Event, Fact, Incident, Stream};
use serde::Deserialize;

use super::incidents::hash;
use super::{CONNECTORS, COVERED, STORED, STORES, TENANTS};
use crate::ask::Time;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

#[derive(Debug, Deserialize)]
struct Connector {
    organization: String,
    connector_id: String,
    guid: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Tenant {
    organization: String,
    tenant: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Stored {
    thumbprint: String,
    sha256: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    not_before: Option<Time>,
    not_after: Option<Time>,
    names: Option<Vec<Option<String>>>,
    organizations: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
struct Store {
    organization: String,
    newest: Time,
}

#[derive(Debug, Deserialize)]
struct Covered {
    organization: String,
    server: String,
    first_hour: Time,
    last_hour: Time,
    hours: i64,
    missing: Option<Vec<Time>>,
}

/// Adds to incidents what stands around them.
pub async fn add(ctx: &SessionContext, events: &mut [Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let connectors: Vec<Connector> = CONNECTORS.ask(ctx).await?;
    let tenants: Vec<Tenant> = TENANTS.ask(ctx).await?;
    let stores: Vec<Store> = STORES.ask(ctx).await?;
    let stored: Vec<Stored> = STORED.ask(ctx).await?;
    let stored = stored.into_iter().map(|one| (one.thumbprint.clone(), one));
    let stored: HashMap<String, Stored> = stored.collect();
    let coverage = coverage(ctx, events).await?;
    for event in events {
        let Fact::Incident(incident) = &mut event.fact else {
            continue;
        };
        let of = &event.organization;
        let connector = connectors
            .iter()
            .find(|one| (&one.organization, &one.connector_id) == (of, &event.connector));
        incident.connector_guid = connector.and_then(|one| one.guid.clone());
        let tenant = tenants.iter().find(|one| one.organization == *of);
        incident.tenant = tenant.and_then(|one| one.tenant.clone());
        for certificate in incident.before.iter_mut().chain(&mut incident.after) {
            if let Some(known) = stored.get(&certificate.thumbprint) {
                known.complete(certificate);
            }
        }
        let imported = stores.iter().find(|one| one.organization == *of);
        if imported.is_some_and(|store| is_in_no_store(incident, of, store, &stored)) {
            // More is known than without the stores, and it is worth telling again.
            event.key = hash(&[&event.key, "in no store"]);
            incident.stream = Stream::Security;
            incident.detail += "; it is in no server's certificate store, as imported since";
        }
        incident.coverage = told(incident, of, &coverage);
    }
    Ok(())
}

impl Stored {
    fn complete(&self, certificate: &mut Certificate) {
        let fill = |into: &mut Option<String>, from: &Option<String>| {
            if into.is_none() {
                into.clone_from(from);
            }
        };
        fill(&mut certificate.sha256, &self.sha256);
        fill(&mut certificate.subject, &self.subject);
        fill(&mut certificate.issuer, &self.issuer);
        fill(&mut certificate.serial, &self.serial);
        certificate.not_before = certificate
            .not_before
            .or(self.not_before.map(|time| time.0));
        certificate.not_after = certificate.not_after.or(self.not_after.map(|time| time.0));
        if certificate.names.is_empty() {
            certificate.names = self.names.iter().flatten().flatten().cloned().collect();
        }
    }
}

/// Whether an incident began with a certificate that an import of the stores, made since, does not know.
fn is_in_no_store(
    incident: &Incident,
    organization: &str,
    store: &Store,
    stored: &HashMap<String, Stored>,
) -> bool {
    let is_change = incident.kind == "certificate"
        && !matches!(incident.class.as_str(), "expiring" | "expired");
    let Some(after) = incident.after.as_ref().filter(|_| is_change) else {
        return false;
    };
    let found = stored
        .get(&after.thumbprint)
        .and_then(|one| one.organizations.as_ref());
    let found = found.is_some_and(|all| all.iter().any(|one| one == organization));
    !found && store.newest.0 >= incident.opened
}

/// From when to when an incident's logs matter.
fn time_of(incident: &Incident) -> (i64, i64) {
    let since = incident
        .last_good
        .unwrap_or(incident.opened - DAY)
        .min(incident.opened);
    let until = incident
        .closed
        .unwrap_or(incident.updated)
        .max(incident.opened);
    (since.div_euclid(HOUR) * HOUR, until)
}

async fn coverage(ctx: &SessionContext, events: &[Event]) -> Result<Vec<Covered>> {
    let times = events.iter().filter_map(|event| match &event.fact {
        Fact::Incident(incident) => Some(time_of(incident)),
        _ => None,
    });
    let Some((since, until)) = times.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))) else {
        return Ok(Vec::new());
    };
    let time = |at| ScalarValue::TimestampMicrosecond(Some(at), Some("UTC".into()));
    COVERED
        .ask_with(ctx, &[("since", time(since)), ("until", time(until))])
        .await
}

/// What was not visible of an incident, in a sentence.
fn told(incident: &Incident, organization: &str, coverage: &[Covered]) -> Option<String> {
    let (since, until) = time_of(incident);
    let mut parts = Vec::new();
    let (mut whole, mut begun) = (Vec::new(), i64::MAX);
    // In the order of the question: by server.
    for one in coverage
        .iter()
        .filter(|one| one.organization == organization)
    {
        let is_hit = incident.servers.iter().any(|hit| hit.server == one.server);
        let missing: Vec<i64> = one.missing.iter().flatten().map(|hour| hour.0).collect();
        begun = begun.min(one.first_hour.0);
        if !is_hit {
            if missing.len() as i64 == one.hours {
                parts.push(format!("{}: no logs at all", one.server));
            }
            continue;
        }
        let within = |hour: &&i64| since <= **hour && **hour <= until;
        let lacking: Vec<&i64> = missing.iter().filter(within).collect();
        let (from, to) = (
            since.max(one.first_hour.0),
            until.min(one.last_hour.0 + HOUR - 1),
        );
        let hours = (to - from) / HOUR + 1;
        match lacking.first() {
            None => whole.push(one.server.as_str()),
            Some(first) => parts.push(format!(
                "{}: no logs in {} of {hours} hours, first {}",
                one.server,
                lacking.len(),
                Time(**first).minute()
            )),
        }
    }
    let span = format!(
        "from {} to {}",
        Time(since.max(begun)).minute(),
        Time(until).minute()
    );
    if !whole.is_empty() {
        parts.insert(0, format!("{}: logs without a gap", whole.join(", ")));
    }
    (begun != i64::MAX && !parts.is_empty()).then(|| format!("{span}: {}", parts.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use relaydrift_export::{Affected, Severity, State};

    const T0: i64 = 1_790_812_800_000_000;

    fn incident() -> Incident {
        let affected = Affected {
            server: "EX01".to_owned(),
            key: String::new(),
            before: None,
            after: None,
            occurred: T0,
            detected: T0,
            session: None,
            refused: 0,
        };
        Incident {
            uid: String::new(),
            state: State::New,
            revision: 1,
            stream: Stream::Operations,
            severity: Severity::Info,
            kind: "certificate".to_owned(),
            class: "renewed".to_owned(),
            breaking: false,
            detail: String::new(),
            cause: None,
            confidence: None,
            fix: None,
            link: None,
            coverage: None,
            planned_change: None,
            tenant: None,
            connector_guid: None,
            opened: T0,
            updated: T0,
            closed: None,
            last_good: Some(T0 - 2 * HOUR),
            refused: 0,
            servers: vec![affected],
            before: None,
            after: Some(Certificate {
                thumbprint: "A".to_owned(),
                ..Certificate::default()
            }),
            sender_domains: Vec::new(),
        }
    }

    #[test]
    fn coverage_is_that_of_the_incidents_own_time() {
        let covered = |server: &str, missing: &[i64]| Covered {
            organization: "default".to_owned(),
            server: server.to_owned(),
            first_hour: Time(T0 - 10 * HOUR),
            last_hour: Time(T0 + HOUR),
            hours: 12,
            missing: Some(missing.iter().map(|hour| Time(T0 + hour * HOUR)).collect()),
        };
        let all: Vec<i64> = (-10..2).collect();
        let told = |coverage: &[Covered]| told(&incident(), "default", coverage);
        assert_eq!(told(&[]), None);
        assert_eq!(
            told(&[covered("EX01", &[-9]), covered("EX02", &[-1])]).unwrap(),
            "from 2026-09-30 22:00 to 2026-10-01 00:00: EX01: logs without a gap"
        );
        assert_eq!(
            told(&[covered("EX01", &[-9, -1]), covered("EX02", &all)]).unwrap(),
            "from 2026-09-30 22:00 to 2026-10-01 00:00: EX01: no logs in 1 of 3 hours, first 2026-09-30 23:00; \
             EX02: no logs at all"
        );
    }

    #[test]
    fn only_stores_that_were_read_since_say_that_a_certificate_is_in_none() {
        let stored = |organizations: Option<Vec<String>>| {
            let one = Stored {
                thumbprint: "A".to_owned(),
                sha256: Some("B".to_owned()),
                subject: None,
                issuer: None,
                serial: None,
                not_before: None,
                not_after: None,
                names: None,
                organizations,
            };
            HashMap::from([("A".to_owned(), one)])
        };
        let store = |at| Store {
            organization: "default".to_owned(),
            newest: Time(at),
        };
        let is = |stored: &HashMap<String, Stored>, at| {
            is_in_no_store(&incident(), "default", &store(at), stored)
        };
        assert!(is(&stored(None), T0));
        assert!(!is(&stored(None), T0 - 1), "an older import cannot know it");
        assert!(!is(&stored(Some(vec!["default".to_owned()])), T0));
        assert!(is(&stored(Some(vec!["other".to_owned()])), T0));
        assert!(is(&HashMap::new(), T0));
    }
}
