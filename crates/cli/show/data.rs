//! A session as rows, one fact each: the session, its log rows, certificates and other half.

use anyhow::Result;
use relaydrift_parse::text::lossless;

use super::{Shown, show_command};
use crate::ask::Time;
use crate::facts::Facts;
use crate::output::Output;
use crate::transcript::said;

/// One fact; what does not apply to its kind stays empty.
#[derive(Default, Clone)]
struct Fact {
    fact: &'static str,
    server: String,
    service: String,
    session_id: String,
    connector_id: Option<String>,
    event_time: Option<Time>,
    end_time: Option<Time>,
    sequence: Option<i64>,
    event: Option<String>,
    text: Option<String>,
    answers: Option<i64>,
    wait_ms: Option<i64>,
    missing_before: Option<i64>,
    pause_ms: Option<i64>,
    thumbprint: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    not_before: Option<Time>,
    not_after: Option<Time>,
    names: Vec<String>,
    path: Option<String>,
    line: Option<i64>,
}

/// Writes every fact of the sessions.
pub fn write(shown: &[Shown<'_>], output: &Output) -> Result<()> {
    let facts: Vec<Fact> = shown.iter().flat_map(of).collect();
    Facts::of(&facts)
        .text("fact", |fact| Some(fact.fact))
        .text("server", |fact| Some(&fact.server))
        .text("service", |fact| Some(&fact.service))
        .text("session_id", |fact| Some(&fact.session_id))
        .text("connector_id", |fact| fact.connector_id.as_ref())
        .time("event_time", |fact| fact.event_time)
        .time("end_time", |fact| fact.end_time)
        .int("sequence", |fact| fact.sequence)
        .text("event", |fact| fact.event.as_ref())
        .text("text", |fact| fact.text.as_ref())
        .int("answers", |fact| fact.answers)
        .int("wait_ms", |fact| fact.wait_ms)
        .int("missing_before", |fact| fact.missing_before)
        .int("pause_ms", |fact| fact.pause_ms)
        .text("thumbprint", |fact| fact.thumbprint.as_ref())
        .text("subject", |fact| fact.subject.as_ref())
        .text("issuer", |fact| fact.issuer.as_ref())
        .text("serial", |fact| fact.serial.as_ref())
        .time("not_before", |fact| fact.not_before)
        .time("not_after", |fact| fact.not_after)
        .texts("names", |fact| &fact.names)
        .text("path", |fact| fact.path.as_ref())
        .int("line", |fact| fact.line)
        .write(output)
}

fn of(shown: &Shown<'_>) -> Vec<Fact> {
    let session = &shown.told.talk.session;
    let base = Fact {
        server: shown.told.place.server.clone(),
        service: shown.told.place.service.clone(),
        session_id: lossless(session.id).into_owned(),
        ..Fact::default()
    };
    let at = |step: usize| {
        let (path, line) = shown.told.at(step);
        (path.map(str::to_owned), Some(line))
    };
    let (path, line) = at(0);
    let mut facts = vec![Fact {
        fact: "session",
        connector_id: Some(connector(&session.segments[0].connector.value())),
        event_time: Some(Time(session.start)),
        end_time: Some(Time(session.end)),
        text: Some(shown.told.state()),
        missing_before: i64::try_from(session.gaps).ok(),
        path,
        line,
        ..base.clone()
    }];
    for (number, step) in shown.told.talk.steps.iter().enumerate() {
        let record = &step.row.record;
        let (path, line) = at(number);
        let answers = step
            .answers
            .map(|at| shown.told.talk.steps[at].row.record.sequence);
        facts.push(Fact {
            fact: "row",
            connector_id: Some(connector(&record.connector().value())),
            event_time: Some(Time(record.time)),
            sequence: Some(record.sequence),
            event: Some(lossless(record.event()).into_owned()),
            text: Some(said(step)),
            answers,
            wait_ms: shown.told.talk.wait(number).map(|micros| micros / 1000),
            missing_before: Some(i64::try_from(step.missing).unwrap_or(i64::MAX)),
            pause_ms: Some(step.pause / 1000),
            path: path.clone(),
            line,
            ..base.clone()
        });
        let Some(spelled) = shown.told.certificates.get(&number) else {
            continue;
        };
        let certificate = &spelled.certificate;
        let elsewhere = spelled.elsewhere;
        facts.push(Fact {
            fact: "certificate",
            event_time: Some(Time(record.time)),
            sequence: Some(record.sequence),
            text: Some(spelled.heading.as_str().to_owned()),
            thumbprint: certificate.thumbprint.clone(),
            subject: certificate.subject.clone(),
            issuer: certificate.issuer.clone(),
            serial: certificate.serial.clone(),
            not_before: certificate
                .not_before
                .map(Time)
                .or(elsewhere.and_then(|dates| dates.not_before)),
            not_after: certificate
                .not_after
                .map(Time)
                .or(elsewhere.and_then(|dates| dates.not_after)),
            names: certificate.names.clone(),
            path,
            line,
            ..base.clone()
        });
    }
    facts.extend(shown.other_half.found.iter().map(|half| Fact {
        fact: "other_half",
        server: half.server.clone(),
        service: half.service.clone(),
        session_id: half.session_id.clone(),
        connector_id: half.connector_id.clone(),
        event_time: Some(half.start_time),
        text: show_command(
            &half.session_id,
            &half.server,
            &half.service,
            shown.again.as_deref(),
        ),
        ..Fact::default()
    }));
    facts
}

fn connector(name: &[u8]) -> String {
    lossless(name).into_owned()
}
