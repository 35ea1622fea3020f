//! The way of a message as rows, one fact each: the message, its attempts, recipients in each of
//! them, silences, what finally became of each recipient, and what is missing.

use anyhow::Result;
use relaydrift_parse::text::lossless;

use super::text::word;
use super::way::{Attempt, Way, host, tally};
use crate::ask::Time;
use crate::facts::Facts;
use crate::output::Output;

/// One fact; what does not apply to its kind stays empty.
#[derive(Default, Clone)]
struct Fact {
    fact: &'static str,
    attempt: Option<i64>,
    server: Option<String>,
    service: Option<String>,
    session_id: Option<String>,
    connector_id: Option<String>,
    record_id: Option<String>,
    remote: Option<String>,
    host: Option<String>,
    start_time: Option<Time>,
    end_time: Option<Time>,
    duration_ms: Option<i64>,
    sender: Option<String>,
    recipient: Option<String>,
    outcome: Option<String>,
    text: Option<String>,
    thumbprint: Option<String>,
    egress_ip: Option<String>,
    path: Option<String>,
    line: Option<i64>,
}

/// Writes every fact of the message.
pub fn write(way: &Way<'_, '_>, output: &Output) -> Result<()> {
    let facts = of(way);
    Facts::of(&facts)
        .text("fact", |fact| Some(fact.fact))
        .text("message_id", |_| Some(&way.id))
        .int("attempt", |fact| fact.attempt)
        .text("server", |fact| fact.server.as_ref())
        .text("service", |fact| fact.service.as_ref())
        .text("session_id", |fact| fact.session_id.as_ref())
        .text("connector_id", |fact| fact.connector_id.as_ref())
        .text("record_id", |fact| fact.record_id.as_ref())
        .text("remote", |fact| fact.remote.as_ref())
        .text("host", |fact| fact.host.as_ref())
        .time("start_time", |fact| fact.start_time)
        .time("end_time", |fact| fact.end_time)
        .int("duration_ms", |fact| fact.duration_ms)
        .text("sender", |fact| fact.sender.as_ref())
        .text("recipient", |fact| fact.recipient.as_ref())
        .text("outcome", |fact| fact.outcome.as_ref())
        .text("text", |fact| fact.text.as_ref())
        .text("thumbprint", |fact| fact.thumbprint.as_ref())
        .text("egress_ip", |fact| fact.egress_ip.as_ref())
        .text("path", |fact| fact.path.as_ref())
        .int("line", |fact| fact.line)
        .write(output)
}

fn of(way: &Way<'_, '_>) -> Vec<Fact> {
    let bounds = way.bounds();
    let mut facts = vec![Fact {
        fact: "message",
        start_time: bounds.map(|(start, _)| Time(start)),
        end_time: bounds.map(|(_, end)| Time(end)),
        duration_ms: bounds.map(|(start, end)| (end - start) / 1000),
        sender: way
            .attempts
            .first()
            .map(|first| lossless(first.transaction.sender).into_owned()),
        outcome: Some(match way.is_whole() {
            true => "delivered_whole".to_owned(),
            false => word(way).0.to_lowercase().replace(' ', "_"),
        }),
        text: Some(tally(way)),
        ..Fact::default()
    }];
    for (number, attempt) in way.attempts.iter().enumerate() {
        facts.extend(of_attempt(number as i64 + 1, attempt));
    }
    facts.extend(way.recipients.iter().map(|to| Fact {
        fact: "recipient",
        attempt: Some(to.attempt as i64),
        recipient: Some(to.last.address.clone()),
        outcome: Some(to.last.outcome.as_str().to_owned()),
        end_time: Some(Time(to.last.time)),
        text: to.last.reply.clone(),
        ..Fact::default()
    }));
    facts.extend(way.missing.iter().map(|text| Fact {
        fact: "missing",
        text: Some(text.clone()),
        ..Fact::default()
    }));
    facts
}

fn of_attempt(number: i64, attempt: &Attempt<'_, '_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut base = Fact::default();
    for (fact, told) in [
        ("attempt", Some(attempt.told)),
        ("front_end", attempt.front_end),
    ] {
        let Some(told) = told else { continue };
        let session = &told.talk.session;
        let segment = match fact {
            "attempt" => &session.segments[attempt.transaction.segment],
            _ => session.segment(),
        };
        let start = if fact == "attempt" {
            attempt.steps.start
        } else {
            0
        };
        let (path, line) = told.at(start);
        let own = Fact {
            fact,
            attempt: Some(number),
            server: Some(told.place.server.clone()),
            service: Some(told.place.service.clone()),
            session_id: Some(lossless(session.id).into_owned()),
            connector_id: Some(lossless(&segment.connector.value()).into_owned()),
            remote: Some(lossless(session.remote).into_owned()),
            host: host(told),
            thumbprint: told.sent().and_then(|sent| sent.thumbprint.clone()),
            egress_ip: segment
                .hello
                .filter(|_| session.is_cloud())
                .map(|(_, address)| lossless(address).into_owned()),
            path: path.map(str::to_owned),
            line: Some(line),
            ..Fact::default()
        };
        if fact == "attempt" {
            let transaction = attempt.transaction;
            base = Fact {
                server: own.server.clone(),
                service: own.service.clone(),
                session_id: own.session_id.clone(),
                attempt: Some(number),
                ..Fact::default()
            };
            facts.push(Fact {
                record_id: Some(lossless(transaction.record_id).into_owned()),
                start_time: Some(Time(transaction.start)),
                end_time: Some(Time(transaction.end)),
                duration_ms: Some((transaction.end - transaction.start) / 1000),
                sender: Some(lossless(transaction.sender).into_owned()),
                ..own
            });
        } else {
            facts.push(Fact {
                start_time: Some(Time(session.start)),
                end_time: Some(Time(session.end)),
                duration_ms: Some((session.end - session.start) / 1000),
                ..own
            });
        }
    }
    let at = |step: usize| {
        let (path, line) = attempt.told.at(step);
        (path.map(str::to_owned), Some(line))
    };
    for to in &attempt.recipients {
        let (path, line) = to.step.map_or((None, None), at);
        facts.push(Fact {
            fact: "answer",
            recipient: Some(to.address.clone()),
            outcome: Some(to.outcome.as_str().to_owned()),
            end_time: Some(Time(to.time)),
            text: to.reply.clone(),
            path,
            line,
            ..base.clone()
        });
    }
    for step in &attempt.pauses {
        let (path, line) = at(*step);
        let step = &attempt.told.talk.steps[*step];
        facts.push(Fact {
            fact: "gap",
            start_time: Some(Time(step.row.record.time - step.pause)),
            end_time: Some(Time(step.row.record.time)),
            duration_ms: Some(step.pause / 1000),
            path,
            line,
            ..base.clone()
        });
    }
    facts
}
