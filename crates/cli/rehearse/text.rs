//! A rehearsal for a person: the verdict, what servers show, and what would be refused.

use super::kind::{Attributed, Kinds, Sessions, Shown};
use crate::escape::visible;
use crate::output::{count, listed, shorten, thousands};
use crate::page::{Page, Tone};

/// Rows that a screen has room for; those that would not be attributed come first.
const ROWS: usize = 30;

/// Kinds of sessions that are told in full.
const TOLD: usize = 10;

/// Servers that a sentence names.
const SERVERS: usize = 4;

/// Writes all of it.
pub fn write(page: &mut Page, kinds: &Kinds) {
    let (tone, label, text) = verdict(kinds);
    let label = page.tone(tone, label);
    page.wrapped(0, 2, &format!("{label}  {text}"));
    refused(page, kinds);
    table(page, kinds);
    remainder(page, kinds);
}

/// The one sentence that an administrator reads first, with its colour.
pub fn verdict(kinds: &Kinds) -> (Tone, &'static str, String) {
    let all = count(kinds.sessions(), "session");
    if kinds.count(Attributed::Neither) > 0 {
        return (Tone::Bad, "RED", refusal(kinds));
    }
    if let Some(senders) = kinds.sender_refused().filter(|refused| *refused > 0) {
        let text = format!(
            "All sessions would have been attributed as far as they show, but {} of mail from sender domains \
             that the tenant does not accept would have been refused.",
            count(senders, "recipient")
        );
        return (Tone::Bad, "RED", text);
    }
    let unknown = kinds.count(Attributed::Unknown);
    if unknown > 0 {
        let text = format!(
            "None of {all} would surely have been refused, but of {} on {} it cannot be told; here is what they send.",
            count(unknown, "session"),
            listed(&servers(kinds, Attributed::Unknown), SERVERS)
        );
        return (Tone::Warn, "YELLOW", text);
    }
    let (certificate, address) = (
        kinds.count(Attributed::Certificate),
        kinds.count(Attributed::Address),
    );
    let blind = kinds.blind();
    if !blind.is_empty() {
        let text = format!(
            "No session of {} shows what was asked for, so nobody can tell; of the others {} would have been attributed.",
            listed(&blind, SERVERS),
            thousands(certificate + address)
        );
        return (Tone::Warn, "YELLOW", text);
    }
    let hidden = match kinds.count(Attributed::NotObservable) {
        0 => String::new(),
        hidden => format!(" {} more hide what was asked for.", thousands(hidden)),
    };
    let text = format!(
        "All {} toward Exchange Online would have been attributed: {} by certificate, {} by address.{hidden}",
        count(certificate + address, "session"),
        thousands(certificate),
        thousands(address)
    );
    (Tone::Good, "GREEN", text)
}

/// The sentence where sessions would have been refused.
fn refusal(kinds: &Kinds) -> String {
    let (refused, all) = (kinds.count(Attributed::Neither), kinds.sessions());
    let servers = servers(kinds, Attributed::Neither);
    let [server] = servers.as_slice() else {
        return format!(
            "{} of {} would have been refused, on {}; here is what they send.",
            thousands(refused),
            count(all, "session"),
            listed(&servers, SERVERS)
        );
    };
    let its = kinds.all.iter().filter(|one| one.server == *server);
    let its: i64 = its.map(|one| one.sessions).sum();
    let part = match its == refused {
        true => String::new(),
        false => format!("{} of ", thousands(refused)),
    };
    format!(
        "{part}{}'s {} would have been refused, of {} in all; here is what it sends.",
        visible(server),
        count(its, "session"),
        thousands(all)
    )
}

/// Servers with sessions of this outcome.
fn servers(kinds: &Kinds, attributed: Attributed) -> Vec<&str> {
    let servers = kinds.of(attributed).map(|one| one.server.as_str());
    let mut servers: Vec<&str> = servers.collect();
    servers.sort_unstable();
    servers.dedup();
    servers
}

/// What would not be attributed, in full.
fn refused(page: &mut Page, kinds: &Kinds) {
    let told = kinds.shown().into_iter().filter(|one| {
        matches!(
            one.first.attributed,
            Attributed::Neither | Attributed::Unknown
        )
    });
    let told: Vec<Shown<'_>> = told.collect();
    for shown in told.iter().take(TOLD) {
        let one = shown.first;
        page.gap();
        let label = match one.attributed {
            Attributed::Neither => page.tone(Tone::Bad, "refused"),
            _ => page.tone(Tone::Warn, "unknown"),
        };
        page.wrapped(
            2,
            2,
            &format!(
                "{label}  {} on '{}': {}, {}, {} to {} UTC",
                visible(&one.server),
                visible(&one.connector_id),
                count(shown.sessions, "session"),
                count(shown.recipients, "recipient"),
                one.first_seen.minute(),
                shown.last_seen.minute()
            ),
        );
        page.wrapped(4, 2, &format!("why      {}", visible(&one.why)));
        page.wrapped(4, 2, &format!("sends    {}", certificate(one)));
        let from = match shown.addresses.as_slice() {
            [] => "an address that no row tells".into(),
            addresses => listed(addresses, 8),
        };
        page.wrapped(4, 2, &format!("from     {from}"));
        evidence(page, one);
    }
    if told.len() > TOLD {
        page.gap();
        let more = told.len() - TOLD;
        page.line(
            2,
            &format!("... and {more} more like these: --output sessions.csv has them all"),
        );
    }
}

/// Thumbprint, subject and names of the certificate.
fn certificate(one: &Sessions) -> String {
    let thumbprint = match one.thumbprint.as_deref() {
        None => return "a certificate that no row tells".into(),
        Some("none") => return "no certificate".into(),
        Some(thumbprint) => visible(thumbprint),
    };
    let subject = one.subject.as_deref().map(visible);
    let names = one.names.as_deref().filter(|names| !names.is_empty());
    match (subject, names) {
        (Some(subject), Some(names)) => {
            format!("{thumbprint}  {subject}; names: {}", listed(names, 6))
        }
        (Some(subject), None) => format!("{thumbprint}  {subject}"),
        (None, Some(names)) => format!("{thumbprint}  names: {}", listed(names, 6)),
        (None, None) => format!("{thumbprint}, whose names no log and no import tells"),
    }
}

fn evidence(page: &mut Page, one: &Sessions) {
    let Some(session) = &one.session_id else {
        return;
    };
    let place = match (&one.path, one.line) {
        (Some(path), Some(line)) => format!(", {}:{line}", visible(path)),
        _ => String::new(),
    };
    page.line(4, &format!("first    session {}{place}", visible(session)));
}

/// A row per connector, server, certificate and address.
fn table(page: &mut Page, kinds: &Kinds) {
    let rows = kinds.shown();
    let head = [
        "SERVER",
        "CERTIFICATE",
        "ADDRESS",
        "SESSIONS",
        "RECIPIENTS",
        "ATTRIBUTED",
        "CONNECTOR",
    ];
    let mut lines = vec![head.map(String::from).to_vec()];
    for shown in rows.iter().take(ROWS) {
        let one = shown.first;
        let attributed = match one.attributed {
            Attributed::Neither => "no",
            Attributed::Unknown => "unknown",
            Attributed::Certificate => "by certificate",
            Attributed::Address => "by address",
            Attributed::NotObservable => "not observable",
        };
        lines.push(vec![
            shorten(&visible(&one.server), 20),
            short(one),
            match shown.addresses.as_slice() {
                [] => "hidden".into(),
                [address] => visible(address).into_owned(),
                [address, others @ ..] => format!("{} + {} more", visible(address), others.len()),
            },
            thousands(shown.sessions),
            thousands(shown.recipients),
            attributed.into(),
            shorten(&visible(&one.connector_id), 30),
        ]);
    }
    page.gap();
    page.columns(2, &lines);
    if rows.len() > ROWS {
        let more = rows.len() - ROWS;
        page.line(
            2,
            &format!("... and {more} more rows: --output sessions.csv has them all"),
        );
    }
}

/// The certificate in a cell.
fn short(one: &Sessions) -> String {
    let Some(thumbprint) = &one.thumbprint else {
        return "hidden".into();
    };
    let short: String = visible(thumbprint).chars().take(8).collect();
    match one.names.iter().flatten().next() {
        Some(name) => format!("{short} {}", shorten(&visible(name), 28)),
        None => short,
    }
}

/// What could not be judged, and what was not looked at.
fn remainder(page: &mut Page, kinds: &Kinds) {
    let mut notes = Vec::new();
    let hidden = kinds.count(Attributed::NotObservable);
    if hidden > 0 {
        let mut reasons: Vec<&str> = kinds
            .of(Attributed::NotObservable)
            .map(|one| one.why.as_str())
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        notes.push(format!(
            "{} hide what was asked for (their beginning is not in these logs, or a device stands in between): {}.",
            count(hidden, "session"),
            listed(&reasons, 3)
        ));
    }
    match kinds.sender_refused() {
        None => notes.push(
            "Senders were not looked at: accepted domains are not imported (--expect). Mail of a domain that the \
             tenant does not accept is refused unless the certificate's own domain is accepted."
                .into(),
        ),
        Some(0) => {}
        Some(refused) => notes.push(format!(
            "{} of mail to the outside have a sender domain that the tenant does not accept, and neither is the \
             certificate's domain: refused with ATTR36.",
            count(refused, "recipient")
        )),
    }
    if kinds.count(Attributed::Neither) > 0 {
        notes.push(
            "Refused means mail to recipients outside the tenant; the tenant's own get it unattributed, as from \
             a stranger."
                .into(),
        );
    }
    for (at, note) in notes.iter().enumerate() {
        if at == 0 {
            page.gap();
        }
        page.wrapped(2, 2, &visible(note));
    }
}
