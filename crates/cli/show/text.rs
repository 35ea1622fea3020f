//! A session for eyes: who and where, then row by row, replies below their commands.

use relaydrift_parse::peer;
use relaydrift_parse::text::lossless;
use relaydrift_parse::transaction::Fate;

use super::{Shown, show_command};
use crate::ask::Time;
use crate::escape::visible;
use crate::output::{self, count};
use crate::page::{Page, Tone};
use crate::transcript::{Rows, lasting, place_name};

/// Writes one session; `pause` is the silence (microseconds) that is worth a mark.
pub fn write(page: &mut Page, shown: &Shown<'_>, pause: i64, terminal: Option<usize>) {
    head(page, shown);
    page.gap();
    let steps = shown.told.talk.steps.len();
    Rows::new(&shown.told, pause, 2, terminal).write(page, 0..steps);
    halves(page, shown);
}

fn head(page: &mut Page, shown: &Shown<'_>) {
    let session = &shown.told.talk.session;
    let place = place_name(&shown.told.place.server, &shown.told.place.service);
    page.heading(
        0,
        &format!(
            "Session {} on {}",
            visible(&lossless(session.id)),
            visible(&place)
        ),
    );
    let mut connectors: Vec<String> = Vec::new();
    for segment in &session.segments {
        let name = lossless(&segment.connector.value()).into_owned();
        if !connectors.contains(&name) {
            connectors.push(name);
        }
    }
    let connectors: Vec<String> = connectors
        .iter()
        .map(|name| format!("'{}'", visible(name)))
        .collect();
    let mut rows = vec![vec!["connector".to_owned(), connectors.join(", then ")]];
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row(
        "time",
        format!(
            "{} to {} UTC, {}",
            Time(session.start).milli(),
            Time(session.end).milli(),
            lasting(session.end - session.start)
        ),
    );
    row("peer", peer_line(shown));
    let hello = session.segment().hello.filter(|_| session.is_cloud());
    if let Some((_, address)) = hello {
        row(
            "came from",
            format!("{} as Exchange Online sees it", visible(&lossless(address))),
        );
    }
    if let Some(tls) = session.segment().tls {
        let strength = tls
            .strength
            .map_or(String::new(), |bits| format!(", {bits} bits"));
        let names = [tls.protocol, tls.cipher].map(|name| visible(&lossless(name)).into_owned());
        row("TLS", format!("{}{strength}", names.join(", ")));
    }
    if !session.tls_error.is_empty() {
        let error = page.tone(Tone::Bad, &visible(&lossless(session.tls_error)));
        row("TLS error", error);
    }
    row("mail", mail(shown));
    let state = shown.told.state();
    let tone = if state == "complete" {
        Tone::Good
    } else {
        Tone::Warn
    };
    let rows_text = count(i64::try_from(session.rows).unwrap_or(i64::MAX), "row");
    row("rows", format!("{rows_text}, {}", page.tone(tone, &state)));
    page.columns(2, &rows);
}

fn peer_line(shown: &Shown<'_>) -> String {
    let session = &shown.told.talk.session;
    let mut text = visible(&lossless(session.remote)).into_owned();
    if let Some(host) = peer::banner_host(session.banner.bytes) {
        text += &format!(", {}", visible(&lossless(host)));
    }
    if let Some(cloud) = session.cloud {
        text += &format!(" (Exchange Online, {})", cloud.as_str());
    }
    if text.is_empty() {
        "unknown".into()
    } else {
        text
    }
}

fn mail(shown: &Shown<'_>) -> String {
    let mail = &shown.told.talk.session.mail;
    if mail.transactions.is_empty() {
        return "none".into();
    }
    let fates = [
        (Fate::Accepted, "accepted"),
        (Fate::Refused, "refused for want of attribution"),
        (Fate::Rejected, "rejected"),
        (Fate::Unknown, "without an answer"),
    ];
    let mut text = count(mail.transactions.len() as i64, "message");
    text += &format!(", {}", count(mail.recipients.len() as i64, "recipient"));
    for (fate, name) in fates {
        let found = mail.recipients.iter().filter(|to| to.fate == fate).count();
        if found > 0 {
            text += &format!(", {} {name}", output::thousands(found as i64));
        }
    }
    text
}

fn halves(page: &mut Page, shown: &Shown<'_>) {
    let half = &shown.other_half;
    let inbound = shown.told.talk.session.inbound_session;
    if half.hub.is_none() && half.found.is_empty() && !half.through_front_end && inbound.is_empty()
    {
        return;
    }
    page.gap();
    page.heading(0, "Other half");
    let role = match &half.hub {
        Some(hub) => format!(
            "this is what the front end did for session {} of a hub, which logged the mail and its replies",
            visible(hub)
        ),
        None if !half.found.is_empty() || half.through_front_end => {
            "this is the hub's half; TLS, the certificate and the address stand in the front end's"
                .to_owned()
        }
        None => format!(
            "it carries on the inbound session {}: see the receive logs of {}",
            visible(&lossless(inbound)),
            visible(&shown.told.place.server)
        ),
    };
    page.wrapped(2, 2, &role);
    for found in &half.found {
        let place = place_name(&found.server, &found.service);
        page.line(
            2,
            &format!(
                "{}, {}, {} UTC",
                visible(&place),
                count(found.rows, "row"),
                found.start_time.second()
            ),
        );
        let again = shown.again.as_deref();
        if let Some(command) = show_command(&found.session_id, &found.server, &found.service, again)
        {
            page.line(4, &visible(&command));
        }
    }
    if half.found.is_empty() && (half.hub.is_some() || half.through_front_end) {
        let missing = match half.hub {
            Some(_) => {
                r"not found: add the Hub logs (TransportRoles\Logs\Hub\ProtocolLog\SmtpSend) of the server that sent the mail"
            }
            None => {
                r"not found: add the front end logs (TransportRoles\Logs\FrontEnd\ProtocolLog\SmtpSend) of all servers"
            }
        };
        let missing = page.tone(Tone::Warn, missing);
        page.wrapped(2, 2, &missing);
    }
}
