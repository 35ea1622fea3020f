//! Findings become incidents: one alert, however many servers.
//!
//! Findings of one kind and class on a connector that begin within a day of the first are one
//! incident. It is over once mail is relayed again on every server that was refused, for an hour; a silence, when
//! mail is sent again; a certificate's end in sight, when the view no longer has it; where nothing was
//! refused otherwise, after that day. What was told as open and is no longer found is closed as well.
//! What is over, or was last heard of, more than a day before the time of the report is historic:
//! told, but raising nothing.

use std::collections::{BTreeMap, HashSet};

use relaydrift_export::{Affected, Certificate, Event, Fact, Incident, Severity, State, stream};
use serde::Deserialize;

use super::memory::Memory;
use crate::ask::Time;

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// A row of the question `drift`.
#[derive(Debug, Clone, Deserialize)]
pub struct Finding {
    key: String,
    found_at: Time,
    kind: String,
    class: String,
    severity: String,
    breaking: bool,
    organization: String,
    connector_id: String,
    role: Option<String>,
    server: String,
    before: Option<String>,
    after: Option<String>,
    first_seen: Time,
    last_good: Option<Time>,
    refused_after: Option<i64>,
    session_id: Option<String>,
    detail: Option<String>,
    planned_change_id: Option<String>,
    #[serde(flatten)]
    facts: Facts,
    last_refused: Option<Time>,
    relayed_again: Option<Time>,
    over: Option<Time>,
}

/// What logs said of both certificates.
#[derive(Debug, Clone, Default, Deserialize)]
struct Facts {
    before_subject: Option<String>,
    before_issuer: Option<String>,
    before_serial: Option<String>,
    before_not_before: Option<Time>,
    before_not_after: Option<Time>,
    before_names: Option<Vec<Option<String>>>,
    after_subject: Option<String>,
    after_issuer: Option<String>,
    after_serial: Option<String>,
    after_not_before: Option<Time>,
    after_not_after: Option<Time>,
    after_names: Option<Vec<Option<String>>>,
}

/// The times that decide what is over and what is history.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// The latest row in the data.
    pub latest: i64,
    /// The time of the report.
    pub report: i64,
}

impl Clock {
    /// Whether something was last heard of so long ago that nobody is to be woken for it.
    pub fn is_past(self, heard: i64) -> bool {
        heard.saturating_add(DAY) < self.report
    }
}

impl Finding {
    /// When the row was found that decided it.
    pub fn found_at(&self) -> i64 {
        self.found_at.0
    }

    fn affected(&self) -> Affected {
        Affected {
            server: self.server.clone(),
            key: self.key.clone(),
            before: self.before.clone(),
            after: self.after.clone(),
            occurred: self.first_seen.0,
            detected: self.found_at.0,
            session: self.session_id.clone(),
            refused: self.refused_after.unwrap_or(0),
        }
    }

    fn certificates(&self) -> (Option<Certificate>, Option<Certificate>) {
        if self.kind != "certificate" {
            return (None, None);
        }
        let facts = self.facts.clone();
        let before = self.before.clone().map(|thumbprint| Certificate {
            thumbprint,
            sha256: None,
            subject: facts.before_subject,
            issuer: facts.before_issuer,
            serial: facts.before_serial,
            not_before: facts.before_not_before.map(|time| time.0),
            not_after: facts.before_not_after.map(|time| time.0),
            names: facts.before_names.into_iter().flatten().flatten().collect(),
        });
        let after = self.after.clone().map(|thumbprint| Certificate {
            thumbprint,
            sha256: None,
            subject: facts.after_subject,
            issuer: facts.after_issuer,
            serial: facts.after_serial,
            not_before: facts.after_not_before.map(|time| time.0),
            not_after: facts.after_not_after.map(|time| time.0),
            names: facts.after_names.into_iter().flatten().flatten().collect(),
        });
        (before, after)
    }
}

/// The incidents that the findings make, in the order in which they began.
pub fn incidents(mut findings: Vec<Finding>, clock: Clock, memory: &Memory) -> Vec<Event> {
    findings.sort_by(|a, b| (a.first_seen, &a.key).cmp(&(b.first_seen, &b.key)));
    let mut open: BTreeMap<[String; 4], usize> = BTreeMap::new();
    let mut groups: Vec<Vec<Finding>> = Vec::new();
    for finding in findings {
        let of = [
            &finding.organization,
            &finding.connector_id,
            &finding.kind,
            &finding.class,
        ];
        let of = of.map(String::clone);
        let group = open.get(&of).copied().filter(|at| {
            let begun: &Finding = &groups[*at][0];
            finding.first_seen.0 <= begun.first_seen.0.saturating_add(DAY)
        });
        match group {
            Some(at) => groups[at].push(finding),
            None => {
                open.insert(of, groups.len());
                groups.push(vec![finding]);
            }
        }
    }
    let all = groups.iter().map(|group| incident(group, clock, memory));
    all.collect()
}

/// Those of which the memory does not know that they were told exactly so.
pub fn untold(mut events: Vec<Event>, memory: &Memory) -> Vec<Event> {
    events.retain(|event| match &event.fact {
        Fact::Incident(incident) => !memory.knows(&incident.uid, &event.key),
        _ => true,
    });
    events
}

/// The last word on incidents that were told as open and are no longer found; `why` says what became of one.
pub fn closings(
    found: &[Event],
    clock: Clock,
    memory: &Memory,
    why: impl Fn(&Event, &Incident) -> String,
) -> Vec<Event> {
    let uid = |event: &Event| match &event.fact {
        Fact::Incident(incident) => Some(incident.uid.clone()),
        _ => None,
    };
    let found: HashSet<String> = found.iter().filter_map(uid).collect();
    let mut closings = Vec::new();
    for event in memory.open() {
        let Fact::Incident(incident) = &event.fact else {
            continue;
        };
        if found.contains(&incident.uid) {
            continue;
        }
        let mut last = incident.clone();
        last.state = State::Closed;
        last.revision += 1;
        last.updated = clock.latest;
        last.closed = Some(clock.latest);
        last.detail = why(event, incident);
        closings.push(Event {
            key: hash(&[&incident.uid, "closed", &last.revision.to_string()]),
            reported: clock.report,
            fact: Fact::Incident(last),
            ..event.clone()
        });
    }
    closings
}

fn incident(group: &[Finding], clock: Clock, memory: &Memory) -> Event {
    // A group begins with a finding.
    let first = &group[0];
    let opened = first.first_seen.0;
    let uid = hash(&[
        "incident",
        &first.organization,
        &first.connector_id,
        &first.kind,
        &first.class,
        &opened.to_string(),
    ]);
    let times = group
        .iter()
        .flat_map(|one| [Some(one.found_at), one.last_refused]);
    let updated = times.flatten().map(|time| time.0).max().unwrap_or(opened);
    let closed = closed(group, opened).filter(|closed| closed.saturating_add(HOUR) <= clock.latest);
    let heard = closed.unwrap_or(clock.latest.max(updated));
    let severity = group
        .iter()
        .filter_map(|one| Severity::parse(&one.severity))
        .max()
        .unwrap_or(Severity::Info);
    let breaking = group.iter().any(|one| one.breaking);
    // What decides whether there is something new to tell.
    let mut known: Vec<&str> = group.iter().map(|one| one.key.as_str()).collect();
    known.extend([
        severity.name(),
        if closed.is_some() { "closed" } else { "open" },
    ]);
    let key = hash(&[&[uid.as_str()], known.as_slice()].concat());
    let counted = group.len() as i64 + i64::from(closed.is_some());
    let (before, after) = first.certificates();
    let more = match group.len() {
        1 => String::new(),
        servers => format!(" (and {} more like it)", servers - 1),
    };
    let incident = Incident {
        state: match closed {
            Some(_) => State::Closed,
            None if memory.told(&uid) => State::Updated,
            None => State::New,
        },
        revision: memory
            .revision(&uid)
            .map_or(counted, |last| counted.max(last + 1)),
        uid,
        stream: stream(&first.kind, &first.class),
        severity,
        kind: first.kind.clone(),
        class: first.class.clone(),
        breaking,
        detail: format!("{}{more}", first.detail.as_deref().unwrap_or_default()),
        cause: None,
        confidence: Some(confidence(breaking, &first.kind).to_owned()),
        fix: None,
        link: None,
        coverage: None,
        planned_change: planned(group.iter().map(|one| &one.planned_change_id)),
        tenant: None,
        connector_guid: None,
        opened,
        updated,
        closed,
        last_good: group
            .iter()
            .filter_map(|one| one.last_good)
            .map(|time| time.0)
            .max(),
        refused: group.iter().filter_map(|one| one.refused_after).sum(),
        servers: group.iter().map(Finding::affected).collect(),
        before,
        after,
        sender_domains: Vec::new(),
    };
    Event {
        key,
        time: opened,
        reported: clock.report,
        historic: clock.is_past(heard),
        organization: first.organization.clone(),
        connector: first.connector_id.clone(),
        role: first.role.clone(),
        server: first.server.clone(),
        fact: Fact::Incident(Box::new(incident)),
    }
}

/// The planned change of an incident: one that is planned on some servers alone is not.
pub fn planned<'a>(mut ids: impl Iterator<Item = &'a Option<String>>) -> Option<String> {
    let first = ids.next()?.clone();
    first.filter(|_| ids.all(Option::is_some))
}

/// How sure a finding is: refusals and relays prove it, a row shows it, a silence is concluded from rows
/// that are missing.
fn confidence(breaking: bool, kind: &str) -> &'static str {
    match kind {
        _ if breaking => "proved",
        "silence" => "medium",
        _ => "high",
    }
}

/// When it is over, see above.
fn closed(group: &[Finding], opened: i64) -> Option<i64> {
    let first = &group[0];
    if first.kind == "silence" {
        let ends = group.iter().map(|one| one.over.map(|time| time.0));
        return ends.collect::<Option<Vec<i64>>>()?.into_iter().max();
    }
    if matches!(first.class.as_str(), "expiring" | "expired") {
        return None;
    }
    let refused: Vec<&Finding> = group
        .iter()
        .filter(|one| one.breaking && one.refused_after.unwrap_or(0) > 0)
        .collect();
    if refused.is_empty() {
        return Some(opened.saturating_add(DAY));
    }
    let again = refused
        .iter()
        .map(|one| one.relayed_again.map(|time| time.0));
    again.collect::<Option<Vec<i64>>>()?.into_iter().max()
}

/// A key of 32 hex digits over texts.
pub fn hash(parts: &[&str]) -> String {
    let mut text = String::new();
    for part in parts {
        text.push_str(part);
        text.push('\x1f');
    }
    relaydrift_export::key(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: i64 = 1_790_812_800_000_000;

    fn finding(server: &str, at: i64, refused: i64, again: Option<i64>) -> Finding {
        Finding {
            key: format!("{server}{at}"),
            found_at: Time(at),
            kind: "certificate".to_owned(),
            class: "renamed".to_owned(),
            severity: if refused > 0 { "high" } else { "medium" }.to_owned(),
            breaking: refused > 0,
            organization: "default".to_owned(),
            connector_id: "Out".to_owned(),
            role: None,
            server: server.to_owned(),
            before: Some("A".to_owned()),
            after: Some("B".to_owned()),
            first_seen: Time(at),
            last_good: None,
            refused_after: Some(refused),
            session_id: None,
            detail: None,
            planned_change_id: None,
            facts: Facts::default(),
            last_refused: (refused > 0).then_some(Time(at + HOUR)),
            relayed_again: again.map(Time),
            over: None,
        }
    }

    fn incident_of(event: &Event) -> &Incident {
        match &event.fact {
            Fact::Incident(incident) => incident,
            other => panic!("{other:?}"),
        }
    }

    fn clock(hours: i64) -> Clock {
        Clock {
            latest: T0 + hours * HOUR,
            report: T0 + hours * HOUR,
        }
    }

    #[test]
    fn servers_of_a_roll_out_are_one_incident_whose_name_does_not_change() {
        let one = vec![finding("EX01", T0, 5, None)];
        let two = vec![
            finding("EX02", T0 + 3 * HOUR, 0, None),
            finding("EX01", T0, 5, None),
        ];
        let later = vec![
            finding("EX02", T0 + 25 * HOUR, 0, None),
            finding("EX01", T0, 5, None),
        ];
        let memory = Memory::default();
        let first = &incidents(one, clock(4), &memory)[0];
        let both = incidents(two, clock(4), &memory);
        assert_eq!(both.len(), 1);
        let (first_one, both_one) = (incident_of(first), incident_of(&both[0]));
        assert_eq!(first_one.uid, both_one.uid);
        assert_ne!(first.key, both[0].key);
        assert_eq!(both_one.server_names(), ["EX01", "EX02"]);
        assert!(both_one.revision > first_one.revision);
        assert_eq!(
            (both_one.severity, both_one.state),
            (Severity::High, State::New)
        );
        assert_eq!(incidents(later, clock(30), &memory).len(), 2);
    }

    #[test]
    fn it_closes_an_hour_after_mail_is_relayed_again_everywhere() {
        let again = Some(T0 + 5 * HOUR);
        let state = |findings: Vec<Finding>, hours| {
            incident_of(&incidents(findings, clock(hours), &Memory::default())[0]).state
        };
        assert_eq!(state(vec![finding("EX01", T0, 5, again)], 5), State::New);
        assert_eq!(state(vec![finding("EX01", T0, 5, again)], 6), State::Closed);
        let half = vec![finding("EX01", T0, 5, again), finding("EX02", T0, 5, None)];
        assert_eq!(state(half, 100), State::New);
        assert_eq!(state(vec![finding("EX01", T0, 0, None)], 20), State::New);
        assert_eq!(state(vec![finding("EX01", T0, 0, None)], 25), State::Closed);
    }

    #[test]
    fn what_is_told_is_told_once_and_more_is_an_update() {
        let mut memory = Memory::default();
        let one = || vec![finding("EX01", T0, 5, None)];
        let first = incidents(one(), clock(2), &memory);
        memory.tell(&first[0]);
        assert!(untold(incidents(one(), clock(3), &memory), &memory).is_empty());
        let mut two = one();
        two.push(finding("EX02", T0 + HOUR, 1, None));
        let second = incidents(two.clone(), clock(3), &memory);
        assert_eq!(incident_of(&second[0]).state, State::Updated);
        assert!(incident_of(&second[0]).revision > incident_of(&first[0]).revision);
        memory.tell(&second[0]);
        for one in &mut two {
            one.relayed_again = Some(Time(T0 + 4 * HOUR));
        }
        let last = incidents(two.clone(), clock(6), &memory);
        assert_eq!(incident_of(&last[0]).state, State::Closed);
        assert_eq!(incident_of(&last[0]).uid, incident_of(&first[0]).uid);
        memory.tell(&last[0]);
        assert!(untold(incidents(two, clock(90), &memory), &memory).is_empty());
    }

    #[test]
    fn a_silence_closes_with_its_end_and_an_end_in_sight_stays_open() {
        let of = |kind: &str, class: &str, over: Option<i64>| {
            let mut one = finding("EX01", T0, 0, None);
            (one.kind, one.class, one.over) = (kind.to_owned(), class.to_owned(), over.map(Time));
            incident_of(&incidents(vec![one], clock(200), &Memory::default())[0]).clone()
        };
        assert_eq!(of("silence", "silence", None).state, State::New);
        assert_eq!(of("silence", "silence", None).confidence.unwrap(), "medium");
        let over = of("silence", "silence", Some(T0 + 30 * HOUR));
        assert_eq!(
            (over.state, over.closed),
            (State::Closed, Some(T0 + 30 * HOUR))
        );
        assert_eq!(of("certificate", "expiring", None).state, State::New);
        assert_eq!(of("certificate", "renewed", None).state, State::Closed);
    }

    #[test]
    fn what_is_no_longer_found_is_closed_once() {
        let mut memory = Memory::default();
        let first = incidents(vec![finding("EX01", T0, 5, None)], clock(2), &memory);
        memory.tell(&first[0]);
        let why = |_: &Event, _: &Incident| "gone".to_owned();
        assert!(closings(&first, clock(3), &memory, why).is_empty());
        let last = closings(&[], clock(3), &memory, why);
        let (was, is) = (incident_of(&first[0]), incident_of(&last[0]));
        assert_eq!((&is.uid, is.state), (&was.uid, State::Closed));
        assert_eq!(
            (is.closed, is.detail.as_str()),
            (Some(T0 + 3 * HOUR), "gone")
        );
        assert!(is.revision > was.revision && last[0].key != first[0].key);
        memory.tell(&last[0]);
        assert!(closings(&[], clock(4), &memory, why).is_empty());
    }

    #[test]
    fn a_back_fill_is_historic_and_an_open_incident_is_not() {
        let memory = Memory::default();
        let of = |report: i64, again| {
            let clock = Clock {
                latest: T0 + 30 * HOUR,
                report: T0 + report * HOUR,
            };
            incidents(vec![finding("EX01", T0, 5, again)], clock, &memory)[0].historic
        };
        assert!(!of(31, None), "still refused");
        assert!(of(600, None), "old logs");
        assert!(!of(31, Some(T0 + 20 * HOUR)), "just over");
        assert!(of(50, Some(T0 + 20 * HOUR)), "long over");
    }
}
