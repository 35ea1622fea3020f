//! What a single session shows: what its waits were for, and what it ended with.

use relaydrift_parse::command::{self, Command};
use relaydrift_parse::note::{self, Note};
use relaydrift_parse::text::lossless;
use relaydrift_parse::{peer, reply};

use crate::transcript::{Step, Talk, said};

/// A wait that ended: what for, at which step, how long in microseconds.
pub struct Wait {
    pub what: &'static str,
    pub step: usize,
    pub micros: i64,
}

/// What the session waited for, in order.
pub fn waits(talk: &Talk<'_>) -> Vec<Wait> {
    let mut waits = Vec::new();
    let (mut attempted, mut connected, mut starttls) = (None, None, None);
    let mut greeted = false;
    for (at, step) in talk.steps.iter().enumerate() {
        let record = &step.row.record;
        let mut wait = |what, since: i64| {
            waits.push(Wait {
                what,
                step: at,
                micros: record.time - since,
            });
        };
        match record.event() {
            b"*" => match note::parse(record.context().bytes, record.data().bytes) {
                Note::Connecting { .. } => attempted = Some(record.time),
                Note::TlsSucceeded(_) => {
                    if let Some(since) = starttls.take() {
                        wait("TLS handshake", since);
                    }
                }
                _ => {}
            },
            b"+" => {
                if let Some(since) = attempted.take() {
                    wait("connect", since);
                }
                connected = Some(record.time);
            }
            b"<" => {
                let Some(parsed) = reply::parse(record.data().bytes) else {
                    continue;
                };
                if step.answers.is_none() {
                    if let Some(since) = connected.filter(|_| !greeted && !parsed.more) {
                        wait("greeting", since);
                        greeted = true;
                    }
                    continue;
                }
                let what = asked_for(talk, step);
                if parsed.more {
                    continue;
                }
                if let Some(micros) = talk.wait(at) {
                    waits.push(Wait {
                        what,
                        step: at,
                        micros,
                    });
                }
                if matches!(what, "STARTTLS" | "X-ANONYMOUSTLS") && parsed.code < 300 {
                    starttls = Some(record.time);
                }
            }
            _ => {}
        }
    }
    waits
}

/// The command that a reply answers, in a word.
fn asked_for(talk: &Talk<'_>, step: &Step<'_>) -> &'static str {
    let Some(asked) = step.answers else {
        return "other";
    };
    let data = talk.steps[asked].row.record.data();
    match command::parse(data.bytes) {
        Command::Ehlo(_) => "EHLO",
        Command::StartTls => "STARTTLS",
        Command::AnonymousTls => "X-ANONYMOUSTLS",
        Command::Auth | Command::Credentials => "AUTH",
        Command::Mail { .. } => "MAIL",
        Command::Rcpt { .. } => "RCPT",
        // The reply that closes DATA answers the message after the 354.
        Command::Data if step.closes && step.asked != step.answers => "message",
        Command::Data => "DATA",
        Command::Bdat { last: true, .. } => "message",
        Command::Bdat { .. } => "BDAT",
        Command::Rset => "RSET",
        Command::Quit => "QUIT",
        Command::Xproxy | Command::XproxyTo => "XPROXYTO",
        Command::Other => "other",
    }
}

/// What a long silence was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Silence {
    /// A command was never answered: the session ended instead.
    NoReply,
    /// A reply came late.
    SlowReply,
    /// Nothing was asked: a connection kept for the next message.
    Idle,
}

impl Silence {
    /// The word for it in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Silence::NoReply => "no_reply",
            Silence::SlowReply => "slow_reply",
            Silence::Idle => "idle",
        }
    }
}

/// What the silence before this step was.
pub fn silence(talk: &Talk<'_>, at: usize, closing: &[Option<usize>]) -> Silence {
    let step = &talk.steps[at];
    if step.row.record.event() == b"<" {
        return Silence::SlowReply;
    }
    let mut before = talk.steps[..at].iter().enumerate();
    let last_command = before.rfind(|(_, step)| step.row.record.event() == b">");
    let waits = |at: usize| closing[at].is_none_or(|closed| closed > at);
    let unanswered =
        last_command.is_some_and(|(command, _)| waits(command) && closing[command].is_none());
    let greeted = talk.steps[..at]
        .iter()
        .any(|step| step.row.record.event() == b"<");
    let ends = step.row.record.event() == b"-";
    match (unanswered, greeted) {
        (true, _) => Silence::NoReply,
        // Connected, and not a word of the other end.
        (_, false) if ends => Silence::NoReply,
        _ => Silence::Idle,
    }
}

/// Why a session without mail ended: the last thing that was said, and the reason of the end.
pub fn unused(talk: &Talk<'_>) -> String {
    let session = &talk.session;
    let mut steps = talk.steps.iter();
    let last = steps.rfind(|step| matches!(step.row.record.event(), b">" | b"<"));
    let end = match session.disconnect {
        Some(reason) if !reason.is_empty() => format!("ended by {}", lossless(reason)),
        Some(_) => "ended".to_owned(),
        None => "no end logged".to_owned(),
    };
    if !session.tls_error.is_empty() {
        return format!("TLS failed: {}; {end}", lossless(session.tls_error));
    }
    let failed = talk.steps.iter().rev().find_map(|step| {
        let data = step.row.record.data();
        let parsed = (step.row.record.event() == b"<").then(|| reply::parse(data.bytes))??;
        (parsed.code >= 400).then(|| text_of(&said(step)))
    });
    match (failed, last) {
        (Some(reply), _) => format!("{reply}; {end}"),
        (None, Some(step)) => {
            let said = said(step);
            let word = said.split([' ', '-']).next().unwrap_or_default().to_owned();
            format!("last word {word}; {end}")
        }
        (None, None) => format!("nothing was said; {end}"),
    }
}

/// The reply without what differs from one to the next: host and time in brackets at its end, addresses.
pub fn text_of(line: &str) -> String {
    const KEPT: usize = 160;
    let Some(parsed) = reply::parse(line.as_bytes()) else {
        return line.chars().take(KEPT).collect();
    };
    let mut text = format!("{} ", parsed.code);
    if let Some(enhanced) = parsed.enhanced {
        text += &format!("{} ", lossless(enhanced));
    }
    let words = lossless(parsed.text).into_owned();
    let mut rest = words.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        match after.split_once('>') {
            Some((_, after)) => {
                text += &format!("{before}<...>");
                rest = after;
            }
            None => break,
        }
    }
    text += rest;
    text.trim_end().chars().take(KEPT).collect()
}

/// Where the session went: Exchange Online as one, else the host, else its address.
pub fn next_hop(talk: &Talk<'_>) -> String {
    let session = &talk.session;
    match (session.cloud, peer::banner_host(session.banner.bytes)) {
        (Some(cloud), _) => format!("Exchange Online ({})", cloud.as_str()),
        (None, Some(host)) => lossless(host).into_owned(),
        (None, None) if session.remote.is_empty() => "unknown".to_owned(),
        (None, None) => lossless(session.remote).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::text_of;

    #[test]
    fn replies_are_grouped_without_what_differs() {
        let line = "550 5.1.1 <a@b.example> unknown; <c@d.example> [AM5.prod.outlook.com 2025-01-29T19:07:30.476Z 08DD3FA5DBC8F401]";
        assert_eq!(text_of(line), "550 5.1.1 <...> unknown; <...>");
        assert_eq!(text_of("451 try <again"), "451 try <again");
        assert_eq!(text_of("no reply"), "no reply");
    }
}
