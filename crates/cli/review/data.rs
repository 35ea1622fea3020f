//! The review as rows, one fact each: connectors, and what stands out on them.

use anyhow::Result;

use super::counted::{Connector, Counted, Example, Group};
use crate::ask::Time;
use crate::facts::Facts;
use crate::output::Output;

/// One fact; what does not apply to its kind stays empty.
#[derive(Default, Clone)]
struct Fact {
    fact: &'static str,
    organization: String,
    connector_id: String,
    /// Which silence, reply or kind of retry.
    kind: Option<String>,
    text: Option<String>,
    next_hop: Option<String>,
    count: Option<i64>,
    first_seen: Option<Time>,
    last_seen: Option<Time>,
    p50_ms: Option<i64>,
    p95_ms: Option<i64>,
    max_ms: Option<i64>,
    message_id: Option<String>,
    recipient: Option<String>,
    server: Option<String>,
    service: Option<String>,
    session_id: Option<String>,
    path: Option<String>,
    line: Option<i64>,
}

/// Writes every fact.
pub fn write(counted: &Counted, output: &Output) -> Result<()> {
    let facts: Vec<Fact> = counted.connectors.values().flat_map(of).collect();
    Facts::of(&facts)
        .text("fact", |fact| Some(fact.fact))
        .text("organization", |fact| Some(&fact.organization))
        .text("connector_id", |fact| Some(&fact.connector_id))
        .text("kind", |fact| fact.kind.as_ref())
        .text("text", |fact| fact.text.as_ref())
        .text("next_hop", |fact| fact.next_hop.as_ref())
        .int("count", |fact| fact.count)
        .time("first_seen", |fact| fact.first_seen)
        .time("last_seen", |fact| fact.last_seen)
        .int("p50_ms", |fact| fact.p50_ms)
        .int("p95_ms", |fact| fact.p95_ms)
        .int("max_ms", |fact| fact.max_ms)
        .text("message_id", |fact| fact.message_id.as_ref())
        .text("recipient", |fact| fact.recipient.as_ref())
        .text("server", |fact| fact.server.as_ref())
        .text("service", |fact| fact.service.as_ref())
        .text("session_id", |fact| fact.session_id.as_ref())
        .text("path", |fact| fact.path.as_ref())
        .int("line", |fact| fact.line)
        .write(output)
}

fn number(count: u64) -> Option<i64> {
    Some(i64::try_from(count).unwrap_or(i64::MAX))
}

fn of(connector: &Connector) -> Vec<Fact> {
    let base = Fact {
        organization: connector.organization.clone(),
        connector_id: connector.name.clone(),
        ..Fact::default()
    };
    let mut facts = Vec::new();
    for (kind, count) in [
        ("sessions", connector.sessions),
        ("messages", connector.messages),
        ("recipients", connector.recipients),
        ("delivered", connector.delivered),
        ("not_connected", connector.not_connected),
        ("cut", connector.cut),
        ("proxied", connector.proxied),
    ] {
        facts.push(Fact {
            fact: "connector",
            kind: Some(kind.to_owned()),
            count: number(count),
            first_seen: Some(Time(connector.first)),
            last_seen: Some(Time(connector.last)),
            ..base.clone()
        });
    }
    let grouped = |fact, text: &str, hop: Option<&String>, group: &Group| Fact {
        fact,
        text: Some(text.to_owned()),
        next_hop: hop.cloned(),
        count: number(group.count),
        first_seen: Some(Time(group.first.time)),
        last_seen: Some(Time(group.last.time)),
        ..shown(&base, &group.last)
    };
    facts.extend(
        connector
            .unused
            .iter()
            .map(|(why, group)| grouped("unused", why, None, group)),
    );
    for (kind, (_, gaps)) in &connector.gaps {
        facts.extend(gaps.iter().map(|gap| Fact {
            fact: "silence",
            kind: Some(kind.as_str().to_owned()),
            text: Some(format!("between {} and {}", gap.before, gap.after)),
            max_ms: Some(gap.micros / 1000),
            first_seen: Some(Time(gap.example.time - gap.micros)),
            last_seen: Some(Time(gap.example.time)),
            ..shown(&base, &gap.example)
        }));
        facts.push(Fact {
            fact: "silences",
            kind: Some(kind.as_str().to_owned()),
            count: number(connector.gaps[kind].0),
            ..base.clone()
        });
    }
    facts.extend(connector.waits.iter().map(|(what, waits)| Fact {
        fact: "wait",
        kind: Some((*what).to_owned()),
        count: number(waits.durations.count),
        p50_ms: number(waits.durations.percentile(50)),
        p95_ms: number(waits.durations.percentile(95)),
        max_ms: number(waits.durations.max),
        last_seen: Some(Time(waits.longest.time)),
        ..shown(&base, &waits.longest)
    }));
    let retried = &connector.retried;
    for (kind, count) in [
        ("taken_at_last", retried.good.count),
        ("tried_again", retried.again),
        ("put_off", retried.once),
        ("refused_for_good", retried.bounced),
    ] {
        let good = Some(&retried.good).filter(|good| kind == "taken_at_last" && good.count > 0);
        facts.push(Fact {
            fact: "retries",
            kind: Some(kind.to_owned()),
            count: number(count),
            p50_ms: good.and_then(|good| number(good.percentile(50))),
            p95_ms: good.and_then(|good| number(good.percentile(95))),
            max_ms: good.and_then(|good| number(good.max)),
            ..base.clone()
        });
    }
    facts.extend(retried.open.iter().map(|failed| Fact {
        fact: "not_taken",
        text: Some(failed.reply.clone()),
        count: number(failed.attempts),
        first_seen: Some(Time(failed.first)),
        last_seen: Some(Time(failed.last)),
        message_id: Some(failed.message_id.clone()),
        recipient: Some(failed.recipient.clone()),
        ..base.clone()
    }));
    let failures = connector.failures.iter();
    facts.extend(failures.map(|((reply, hop), group)| grouped("failure", reply, Some(hop), group)));
    facts
}

fn shown(base: &Fact, example: &Example) -> Fact {
    Fact {
        server: Some(example.server.clone()),
        service: Some(example.service.clone()),
        session_id: Some(example.session_id.clone()),
        path: example.path.clone(),
        line: Some(example.line),
        ..base.clone()
    }
}
