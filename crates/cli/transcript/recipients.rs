//! What became of each recipient of a transaction, and which reply decided it.

use std::ops::Range;

use relaydrift_parse::command::{self, Command};
use relaydrift_parse::note::{self, Note};
use relaydrift_parse::text::lossless;
use relaydrift_parse::transaction::{Fate, Recipient, Transaction};
use relaydrift_parse::{endpoint, reply};

use super::{Step, Talk, said};

/// Port on which the mailbox transport service takes mail for the mailboxes of its server.
const MAILBOX_PORT: u16 = 475;

/// What an attempt came to, for one recipient; the further, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// No reply was seen.
    Unknown,
    /// A 4xx reply: it is tried again.
    Deferred,
    /// Refused for want of attribution.
    Refused,
    /// A 5xx reply.
    Rejected,
    /// Taken by another server of the organization.
    HandedOn,
    /// Taken by a server outside, or put into a mailbox.
    Delivered,
}

impl Outcome {
    /// The word for it in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Unknown => "unknown",
            Outcome::Deferred => "deferred",
            Outcome::Refused => "refused",
            Outcome::Rejected => "rejected",
            Outcome::HandedOn => "handed_on",
            Outcome::Delivered => "delivered",
        }
    }
}

/// One recipient in one attempt.
#[derive(Debug, Clone)]
pub struct Answered {
    pub address: String,
    pub outcome: Outcome,
    pub time: i64,
    /// The reply that decided.
    pub reply: Option<String>,
    /// Its step.
    pub step: Option<usize>,
}

/// The steps of each transaction: from the row that names its message, or its MAIL, to the next.
pub fn ranges(talk: &Talk<'_>) -> Vec<Range<usize>> {
    let mut starts = Vec::new();
    let mut announced = None;
    for (at, step) in talk.steps.iter().enumerate() {
        let record = &step.row.record;
        match record.event() {
            b"*" => {
                if let Note::Message { .. } = note::parse(record.context().bytes, b"") {
                    announced = Some(at);
                }
            }
            b">" => {
                if let Command::Mail { .. } = command::parse(record.data().bytes) {
                    starts.push(announced.take().unwrap_or(at));
                }
            }
            _ => {}
        }
    }
    let ends = starts.iter().skip(1).copied().chain([talk.steps.len()]);
    starts
        .iter()
        .copied()
        .zip(ends)
        .map(|(start, end)| start..end)
        .collect()
}

/// What each recipient of a transaction was answered; `closing` is of [`Talk::closing`], `steps` of
/// [`ranges`].
pub fn answered(
    talk: &Talk<'_>,
    closing: &[Option<usize>],
    transaction: &Transaction<'_>,
    steps: &Range<usize>,
) -> Vec<Answered> {
    // The last line of the reply to a step's command.
    let reply_to = |command: usize| closing[command].map(|at| (at, &talk.steps[at]));
    let is = |at: &usize, wanted: fn(&Command<'_>) -> bool| {
        let record = &talk.steps[*at].row.record;
        record.event() == b">" && wanted(&command::parse(record.data().bytes))
    };
    let of = |wanted: fn(&Command<'_>) -> bool| steps.clone().filter(move |at| is(at, wanted));
    let mail = of(|command| matches!(command, Command::Mail { .. })).next();
    let ends = of(|command| matches!(command, Command::Data | Command::Bdat { .. }));
    let end = ends.filter_map(reply_to).next_back();
    let rcpts = of(|command| matches!(command, Command::Rcpt { .. }));
    let mail = mail.and_then(reply_to);
    let recipients = talk.session.mail.recipients_of(transaction);
    let one = |(to, command): (&Recipient<'_>, usize)| {
        let rcpt = reply_to(command);
        let code = |step: Option<(usize, &Step<'_>)>| {
            step.and_then(|(_, step)| {
                reply::parse(step.row.record.data().bytes).map(|reply| reply.code)
            })
        };
        // MAIL's refusal decides before RCPT's 503, RCPT's error before the message's reply.
        let deciding = match (code(mail), code(rcpt)) {
            (Some(400..), _) => mail,
            (_, Some(400..)) => rcpt,
            _ => end.or(rcpt),
        };
        let outcome = match (to.fate, code(deciding)) {
            (Fate::Refused, _) => Outcome::Refused,
            (Fate::Accepted, _) if transaction.delivered != Some(true) => Outcome::Unknown,
            (Fate::Accepted, _) if is_handed_on(talk) => Outcome::HandedOn,
            (Fate::Accepted, _) => Outcome::Delivered,
            (_, Some(400..=499)) => Outcome::Deferred,
            (_, Some(500..)) if transaction.sender_refused > 0 => Outcome::Refused,
            (_, Some(500..)) => Outcome::Rejected,
            _ => Outcome::Unknown,
        };
        Answered {
            address: lossless(to.address).into_owned(),
            outcome,
            time: deciding.map_or(transaction.end, |(_, step)| step.row.record.time),
            reply: deciding.map(|(_, step)| said(step)),
            step: deciding.map(|(at, _)| at),
        }
    };
    recipients.iter().zip(rcpts).map(one).collect()
}

/// The peer is another server of the organization, which carries the message on; a front end only
/// passes the replies of the server outside on.
fn is_handed_on(talk: &Talk<'_>) -> bool {
    let session = &talk.session;
    let port = endpoint::parse(session.remote).and_then(|endpoint| endpoint.port);
    !talk.goes_through_front_end()
        && relaydrift_ingest::peer_kind(session) == Some("exchange_internal")
        && port != Some(MAILBOX_PORT)
}
