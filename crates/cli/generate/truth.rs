//! What the reader of the fleet must find: spans, refusals and planted drift, computed from the
//! generator's own list of sessions.

use std::collections::BTreeMap;

use super::calendar::{HOUR, rfc3339};
use super::fleet::{Change, Fleet, Match};
use super::log::Written;
use super::record::{
    CertificateSpan, Diagnosis, Drift, EgressSpan, Extent, Finding, Inbound, Incident, Known,
    Place, Refusals, Scenario, Totals, Truth,
};
use super::scenario::Story;
use super::scenario::stage::{Staged, Swap};

/// What one written session showed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Shown {
    /// Index of the connector.
    pub connector: usize,
    /// Time of its first row.
    pub start: i64,
    /// Index of the certificate sent.
    pub certificate: Option<u32>,
    /// Index of the public address.
    pub egress: Option<u32>,
    /// Session id.
    pub id: u64,
    /// Recipients refused for want of attribution.
    pub refused: u32,
    /// Of a front end's session: those whose refusal the hub logged.
    pub refused_at_hub: u32,
    /// Recipients refused for the other reasons that stories tell.
    pub denied: u32,
    /// Time of the first refusal of either sort.
    pub first_refused: Option<i64>,
    /// `MAIL FROM` rows.
    pub transactions: u32,
    /// `RCPT TO` rows.
    pub recipients: u32,
}

/// What one server wrote.
#[derive(Debug, Default)]
pub struct ServerTruth {
    /// Every session with at least one row on disk.
    pub sessions: Vec<Shown>,
    /// Files and their sizes.
    pub written: Vec<Written>,
}

/// A span with its value as an index.
struct Span {
    value: u32,
    first: i64,
    last: i64,
    sessions: u64,
    refused: u64,
}

/// Computes the truth; `servers` in the order of the fleet's.
pub fn tell(fleet: &Fleet, seed: u64, servers: &mut [ServerTruth]) -> Truth {
    let mut truth = Truth {
        seed,
        r#match: fleet.matched_by,
        start: rfc3339(fleet.start),
        end: rfc3339(fleet.end),
        servers: fleet
            .servers
            .iter()
            .map(|server| server.name.clone())
            .collect(),
        inbound: inbound(fleet),
        certificate_spans: Vec::new(),
        egress_spans: Vec::new(),
        drift: Vec::new(),
        refusals: Vec::new(),
        totals: Totals::default(),
        scenario: None,
    };
    for (connector, named) in fleet.connectors.iter().enumerate() {
        for (index, server) in servers.iter_mut().enumerate() {
            server.sessions.sort_by_key(|session| session.start);
            let place = Place {
                organization: "default",
                connector_id: named.name.clone(),
                server: fleet.servers[index].name.clone(),
            };
            let sessions = || {
                server
                    .sessions
                    .iter()
                    .filter(|one| one.connector == connector)
            };
            let refused = sessions().map(|session| u64::from(session.refused)).sum();
            if refused > 0 {
                truth.refusals.push(Refusals {
                    place: place.clone(),
                    refused,
                });
            }
            let certificates = spans(sessions(), |session| session.certificate);
            let egress = spans(sessions(), |session| session.egress);
            for change in &fleet.changes {
                if change.connector == connector && change.server == index {
                    let spans = if change.kind == "egress" {
                        &egress
                    } else {
                        &certificates
                    };
                    truth.drift.extend(drift(fleet, change, spans, &place));
                }
            }
            truth
                .certificate_spans
                .extend(certificates.iter().map(|span| CertificateSpan {
                    place: place.clone(),
                    thumbprint: fleet.certificates[span.value as usize].thumbprint.clone(),
                    extent: span.extent(),
                }));
            truth
                .egress_spans
                .extend(egress.iter().map(|span| EgressSpan {
                    place: place.clone(),
                    egress_ip: fleet.addresses[span.value as usize].text.clone(),
                    extent: span.extent(),
                }));
        }
    }
    for server in servers.iter() {
        truth.totals.add(server);
    }
    truth
}

impl Totals {
    fn add(&mut self, server: &ServerTruth) {
        for written in &server.written {
            self.files += written.files;
            self.bytes += written.bytes;
            self.rows += written.rows;
            self.header_lines += written.header_lines;
            self.lines += written.rows + written.header_lines;
        }
        self.sessions += server.sessions.len() as u64;
        for session in &server.sessions {
            self.transactions += u64::from(session.transactions);
            self.recipients += u64::from(session.recipients);
            self.refused += u64::from(session.refused);
        }
    }
}

impl Span {
    fn extent(&self) -> Extent {
        Extent {
            first_seen: rfc3339(self.first),
            last_seen: rfc3339(self.last),
            sessions: self.sessions,
            refused: self.refused,
        }
    }
}

/// The span rule: two neighbouring sessions of one value belong together unless they lie more than
/// one hour apart and another value was seen between them. `sessions` come in order of start.
fn spans<'a>(
    sessions: impl Iterator<Item = &'a Shown>,
    value: impl Fn(&Shown) -> Option<u32>,
) -> Vec<Span> {
    let seen: Vec<(i64, u32, u32)> = sessions
        .filter_map(|session| {
            Some((
                session.start,
                value(session)?,
                session.refused + session.refused_at_hub,
            ))
        })
        .collect();
    let mut spans: Vec<Span> = Vec::new();
    let mut open: BTreeMap<u32, usize> = BTreeMap::new();
    for (start, value, refused) in &seen {
        if let Some(at) = open.get(value).copied() {
            let last = spans[at].last;
            let after = seen.partition_point(|(time, ..)| *time <= last);
            let between = seen.get(after).is_some_and(|(time, ..)| time < start);
            if start - last <= HOUR || !between {
                spans[at].last = *start;
                spans[at].sessions += 1;
                spans[at].refused += u64::from(*refused);
                continue;
            }
        }
        open.insert(*value, spans.len());
        let (first, last, refused) = (*start, *start, u64::from(*refused));
        spans.push(Span {
            value: *value,
            first,
            last,
            sessions: 1,
            refused,
        });
    }
    spans
}

fn drift(fleet: &Fleet, change: &Change, spans: &[Span], place: &Place) -> Option<Drift> {
    let span = spans
        .iter()
        .find(|span| span.value == change.after && span.first >= change.at)?;
    let name = |value: u32| match change.kind {
        "egress" => fleet.addresses[value as usize].text.clone(),
        _ => fleet.certificates[value as usize].thumbprint.clone(),
    };
    Some(Drift {
        kind: change.kind,
        class: change.class,
        breaking: span.refused > 0,
        place: place.clone(),
        before: name(change.before),
        after: name(change.after),
        changed_at: rfc3339(change.at),
        first_seen: rfc3339(span.first),
        last_seen: rfc3339(span.last),
        refused_after: span.refused,
        fixed_at: change.fixed.filter(|_| span.refused > 0).map(rfc3339),
    })
}

fn inbound(fleet: &Fleet) -> Inbound {
    let known = |value: &String, since: i64| Known {
        value: value.clone(),
        since: (since > i64::MIN).then(|| rfc3339(since)),
    };
    let listed = fleet
        .addresses
        .iter()
        .filter(|address| address.accepted_from < i64::MAX);
    match fleet.matched_by {
        Match::Certificate => Inbound {
            names: fleet
                .inbound_names
                .iter()
                .map(|(since, name)| known(name, *since))
                .collect(),
            addresses: Vec::new(),
        },
        Match::Address => Inbound {
            names: Vec::new(),
            addresses: listed
                .map(|one| known(&one.text, one.accepted_from))
                .collect(),
        },
    }
}

/// What has to be said about a story, `servers` as [`tell`] left them.
pub fn of_story(story: &Story, staged: &Staged, servers: &[ServerTruth]) -> Scenario {
    let fleet = &staged.fleet;
    let connector_id = &fleet.connectors[story.connector].name;
    let name = |server: usize| fleet.servers[server].name.clone();
    let mut findings = Vec::new();
    for server in 0..servers.len() {
        let mut swaps: Vec<&Swap> = staged
            .swaps
            .iter()
            .filter(|swap| swap.server == server)
            .collect();
        for find in story.finds.iter().filter(|find| find.who.has(server)) {
            // The first change of a kind belongs to the first finding of that kind, and so on.
            let at = swaps.iter().position(|swap| swap.kind == find.kind);
            let swap = at.map(|at| swaps.remove(at));
            let value = |value: u32| match find.kind {
                "egress" => fleet.addresses[value as usize].text.clone(),
                _ => fleet.certificates[value as usize].thumbprint.clone(),
            };
            findings.push(Finding {
                kind: find.kind,
                class: find.class,
                connector_id: connector_id.clone(),
                server: name(server),
                breaking: find.breaking,
                before: swap.map(|swap| value(swap.values.0)),
                after: swap.map(|swap| value(swap.values.1)),
            });
        }
    }
    let hit = |server: usize| {
        let sessions = &servers[server].sessions;
        let here = || {
            sessions
                .iter()
                .filter(|one| one.connector == story.connector)
        };
        let refused = |one: &Shown| one.refused + one.denied;
        // The session that was refused first, which need not be the one that began first.
        let first = here()
            .filter_map(|one| Some((one.first_refused?, one.id)))
            .min();
        Incident {
            server: name(server),
            first_refused_session: first.map(|(_, id)| format!("{id:016X}")),
            first_refused: first.map(|(time, _)| rfc3339(time)),
            refused: here().map(|one| u64::from(refused(one))).sum(),
        }
    };
    let mut organizations: Vec<&'static str> = fleet.servers.iter().map(|one| one.parent).collect();
    organizations.retain(|parent| !parent.is_empty());
    organizations.dedup();
    Scenario {
        name: story.name,
        tells: story.tells,
        organizations,
        findings,
        diagnosis: story.cause.map(|cause| Diagnosis {
            cause: cause.cause,
            connector_id: connector_id.clone(),
            servers: (0..servers.len())
                .filter(|server| cause.who.has(*server))
                .map(hit)
                .collect(),
            fix: cause.fix,
            commands: cause.commands,
        }),
        expected: Vec::new(),
    }
}
