//! The way of a message for eyes: what became of it, attempt by attempt, and what is missing.

use relaydrift_parse::text::lossless;

use super::way::{Attempt, Way, host, tally, took};
use crate::ask::Time;
use crate::escape::visible;
use crate::output::thousands;
use crate::page::{Page, Tone};
use crate::powershell::quoted;
use crate::show::show_command;
use crate::transcript::{Outcome, Rows, Told, lasting, place_name};

/// Recipients that are listed.
const LISTED: usize = 50;

/// Writes it whole.
pub fn write(page: &mut Page, way: &Way<'_, '_>, alike: &[String], terminal: Option<usize>) {
    verdict(page, way);
    for other in alike {
        page.wrapped(
            2,
            2,
            &format!(
                "not this one: <{}> differs in case before the @",
                visible(other)
            ),
        );
    }
    page.gap();
    page.heading(0, "Its way");
    let mut before: Option<i64> = None;
    for (number, attempt) in way.attempts.iter().enumerate() {
        if number > 0 {
            page.gap();
        }
        write_attempt(page, way, (number + 1, attempt), before, terminal);
        before = Some(attempt.transaction.end);
    }
    page.gap();
    recipients(page, way);
    page.gap();
    page.heading(0, "Missing for the full picture");
    if way.missing.is_empty() {
        page.line(2, "nothing that send logs can show");
    }
    for text in &way.missing {
        let text = page.tone(Tone::Warn, &visible(text));
        page.wrapped(2, 2, &text);
    }
    page.wrapped(2, 2, "never in send logs: how it was received (receive logs), its queue and mailbox (message tracking):");
    if let Some(id) = quoted(&format!("<{}>", way.id)) {
        page.line(4, &format!("Get-TransportService | Get-MessageTrackingLog -MessageId {id} -ResultSize Unlimited | sort Timestamp | ft Timestamp,ServerHostname,EventId,Source,Recipients"));
    }
}

/// The first words of the verdict, and its tone.
pub fn word(way: &Way<'_, '_>) -> (&'static str, Tone) {
    let any = |outcome: Outcome| way.recipients.iter().any(|to| to.last.outcome == outcome);
    if way.recipients.is_empty() {
        ("UNFINISHED", Tone::Warn)
    } else if way.all(Outcome::Delivered) {
        ("DELIVERED", Tone::Good)
    } else if any(Outcome::Refused) {
        ("REFUSED", Tone::Bad)
    } else if any(Outcome::Rejected) {
        ("REJECTED", Tone::Bad)
    } else if any(Outcome::Deferred) {
        ("DEFERRED", Tone::Warn)
    } else if any(Outcome::HandedOn) {
        ("HANDED ON", Tone::Warn)
    } else {
        ("UNFINISHED", Tone::Warn)
    }
}

fn verdict(page: &mut Page, way: &Way<'_, '_>) {
    let (word, tone) = word(way);
    let word = page.tone(tone, &format!("{word}:"));
    let id = visible(&way.id);
    let text = match way.is_whole() {
        true => format!("<{id}> was found and delivered whole"),
        false => format!("<{id}> was found"),
    };
    page.wrapped(0, 0, &format!("{word} {text}; {}", tally(way)));
    let Some((start, end)) = way.bounds() else {
        return;
    };
    let first = &way.attempts[0];
    let sender = match lossless(first.transaction.sender) {
        sender if sender.is_empty() => "<> (a report or automatic reply)".to_owned(),
        sender => visible(&sender).into_owned(),
    };
    let mut servers: Vec<&str> = way
        .attempts
        .iter()
        .map(|a| a.told.place.server.as_str())
        .collect();
    servers.sort_unstable();
    servers.dedup();
    let mut rows = vec![
        vec!["from".to_owned(), sender],
        vec![
            "time".to_owned(),
            format!(
                "{} to {} UTC, {}",
                Time(start).milli(),
                Time(end).milli(),
                took(way)
            ),
        ],
        vec![
            "attempts".to_owned(),
            format!("{} on {}", way.attempts.len(), visible(&servers.join(", "))),
        ],
    ];
    let size = first.transaction.size.or(first.transaction.chunked);
    if let Some(size) = size {
        let size = thousands(i64::try_from(size).unwrap_or(i64::MAX));
        rows.insert(1, vec!["size".to_owned(), format!("{size} bytes")]);
    }
    page.columns(2, &rows);
}

fn write_attempt(
    page: &mut Page,
    way: &Way<'_, '_>,
    (number, attempt): (usize, &Attempt<'_, '_>),
    before: Option<i64>,
    terminal: Option<usize>,
) {
    let session = &attempt.told.talk.session;
    let segment = &session.segments[attempt.transaction.segment];
    let place = place_name(&attempt.told.place.server, &attempt.told.place.service);
    let start = attempt.transaction.start;
    let after = before.map_or(String::new(), |before| {
        format!(", {} after the last reply", lasting(start - before))
    });
    page.heading(
        2,
        &format!(
            "{number}. {} UTC  {}{after}",
            Time(start).milli(),
            visible(&place)
        ),
    );
    let connector = segment.connector.value();
    let mut rows = vec![vec![
        "connector".to_owned(),
        format!("'{}'", visible(&lossless(&connector))),
    ]];
    rows.push(vec!["to".to_owned(), peer(attempt.told)]);
    rows.extend(shown(attempt.told));
    if let Some(front_end) = attempt.front_end {
        let place = place_name(&front_end.place.server, &front_end.place.service);
        let id = lossless(front_end.talk.session.id).into_owned();
        rows.push(vec![
            "through".to_owned(),
            format!("{}, session {}", visible(&place), visible(&id)),
        ]);
        rows.push(vec!["and to".to_owned(), peer(front_end)]);
        rows.extend(shown(front_end));
    }
    for at in &attempt.pauses {
        let step = &attempt.told.talk.steps[*at];
        let before = &attempt.told.talk.steps[*at - 1];
        let text = format!(
            "{} between lines {} and {}",
            lasting(step.pause),
            before.row.number,
            step.row.number
        );
        rows.push(vec!["gap".to_owned(), page.tone(Tone::Warn, &text)]);
    }
    page.columns(5, &rows);
    Rows::new(attempt.told, way.pause, 5, terminal).write(page, attempt.steps.clone());
    for told in [Some(attempt.told), attempt.front_end]
        .into_iter()
        .flatten()
    {
        let id = lossless(told.talk.session.id);
        let again = way.again.as_deref();
        let command = show_command(&id, &told.place.server, &told.place.service, again);
        if let Some(command) = command {
            page.line(5, &visible(&command));
        }
    }
}

/// Address, host and cloud of the other end.
fn peer(told: &Told<'_>) -> String {
    let session = &told.talk.session;
    let mut parts = vec![visible(&lossless(session.remote)).into_owned()];
    parts.extend(host(told).map(|host| visible(&host).into_owned()));
    let mut text = parts.join(", ");
    if let Some(cloud) = session.cloud {
        text += &format!(" (Exchange Online, {})", cloud.as_str());
    } else if relaydrift_ingest::peer_kind(session) == Some("exchange_internal") {
        text += " (Exchange, inside)";
    }
    text
}

/// The certificate that a session sent and the address that Exchange Online saw.
fn shown(told: &Told<'_>) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    if let Some(certificate) = told.sent() {
        let texts = [&certificate.thumbprint, &certificate.subject];
        let texts: Vec<_> = texts
            .into_iter()
            .flatten()
            .map(|text| visible(text))
            .collect();
        rows.push(vec!["sent".to_owned(), texts.join("  ")]);
    }
    let session = &told.talk.session;
    if let Some((_, address)) = session.segment().hello.filter(|_| session.is_cloud()) {
        let address = lossless(address).into_owned();
        rows.push(vec!["came from".to_owned(), visible(&address).into_owned()]);
    }
    rows
}

fn recipients(page: &mut Page, way: &Way<'_, '_>) {
    page.heading(0, "Recipients");
    if way.recipients.is_empty() {
        page.line(2, "none: no RCPT was sent, or its rows are missing");
    }
    for to in way.recipients.iter().take(LISTED) {
        let tone = match to.last.outcome {
            Outcome::Delivered => Tone::Good,
            Outcome::Refused | Outcome::Rejected => Tone::Bad,
            _ => Tone::Warn,
        };
        let outcome = page.tone(tone, &to.last.outcome.as_str().replace('_', " "));
        page.line(
            2,
            &format!(
                "{}  {outcome} {} UTC, attempt {}, {}",
                visible(&to.last.address),
                Time(to.last.time).second(),
                to.attempt,
                match to.attempts {
                    1 => "the only one".to_owned(),
                    several => format!("of {several} for it"),
                }
            ),
        );
        if let Some(reply) = &to.last.reply {
            page.wrapped(4, 2, &visible(reply));
        }
    }
    if way.recipients.len() > LISTED {
        page.line(
            2,
            &format!("... and {} more", way.recipients.len() - LISTED),
        );
    }
}
