//! One mail transaction: commands sent ahead, replies in order, each recipient with its own.

use std::io::Write;

use super::reply::{Hop, Kind, Refusal, busy, denied, queued, unknown};
use super::rows::{Fact, Rows, append_number};
use super::session::Speaker;

/// What the far end says to one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Taken.
    Accepted,
    /// Refused for the mail's [`refusal`](Mail::refusal).
    Refused,
    /// No such mailbox.
    Unknown,
    /// Try again.
    Busy,
}

/// A recipient; the mailbox is drawn when it is written.
#[derive(Debug, Clone, Copy)]
pub struct Recipient {
    /// After the `@`.
    pub domain: &'static str,
    /// See [`Verdict`].
    pub verdict: Verdict,
}

/// Which command a refusal answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// `MAIL FROM`.
    Sender,
    /// Each `RCPT TO`.
    Recipient,
    /// The end of the content, for every recipient accepted so far.
    Content,
}

/// A mail about to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Mail<'a> {
    /// To whom.
    pub recipients: &'a [Recipient],
    /// Where the far end refuses, if it does.
    pub stage: Stage,
    /// The sender's domain; none for `<>`.
    pub sender: Option<&'a str>,
    /// Why recipients are refused that are.
    pub refusal: Refusal,
    /// The connection breaks while the content is on its way.
    pub breaks: bool,
}

const FIRST: [&str; 16] = [
    "anna", "jonas", "marta", "felix", "ines", "karl", "lena", "omar", "paula", "rashid", "sofia",
    "tom", "ute", "viktor", "wanda", "yusuf",
];
const LAST: [&str; 16] = [
    "arnold", "becker", "costa", "dimitrov", "engel", "fischer", "gruber", "huber", "ivanova",
    "jansen", "koch", "lorenz", "meier", "novak", "oneil", "petrov",
];

/// Writes one transaction from `sending message` to the last reply.
pub fn transact(
    speaker: &mut Speaker<'_>,
    rows: &mut Rows,
    hop: &Hop<'_>,
    sender_host: &str,
    mail: &Mail<'_>,
) {
    speaker.record += 1 + speaker.rng.below(9);
    let wait = speaker.rng.between(9, 70);
    let unique = speaker.rng.next();
    let size = 2_000 + speaker.rng.below(60_000) * (1 + speaker.rng.below(12));
    let seen_as = speaker.server.egress.at(rows.now).1[0];
    let address = &speaker.fleet.addresses[seen_as as usize].text;
    let refused = |count| match mail.refusal.is_attribution() {
        true => Fact::Refused(count),
        false => Fact::Denied(count),
    };
    let text = &mut speaker.text;
    text.clear();
    let _ = write!(
        text,
        "sending message with RecordId {} and InternetMessageId <{unique:016x}{:08x}@{sender_host}>",
        speaker.record,
        speaker.record & 0xFFFF_FFFF
    );
    rows.note(text);

    text.clear();
    text.extend_from_slice(b"MAIL FROM:<");
    if let Some(domain) = mail.sender {
        mailbox(text, unique, domain);
    }
    text.extend_from_slice(b"> SIZE=");
    append_number(text, size);
    if hop.kind != Kind::Postfix {
        text.extend_from_slice(b" BODY=8BITMIME XOORG=contoso.com");
    }
    rows.sent(text);
    rows.tells(Fact::Transaction);
    for (at, recipient) in mail.recipients.iter().enumerate() {
        text.clear();
        text.extend_from_slice(b"RCPT TO:<");
        mailbox(text, unique >> (8 + at), recipient.domain);
        text.push(b'>');
        rows.sent(text);
        rows.tells(Fact::Recipient);
    }
    let ahead = !hop.bdat;
    if ahead {
        rows.sent(b"DATA");
    }
    rows.wait(wait);

    if mail.stage == Stage::Sender {
        denied(text, hop, rows.now, unique, mail.refusal, address);
        rows.received(text);
        rows.tells(refused(1));
        let commands = mail.recipients.len() + usize::from(ahead);
        for _ in 0..commands {
            rows.received(b"503 5.5.2 Need mail command");
        }
        reset(rows, wait);
        return;
    }
    rows.received(if hop.kind == Kind::Postfix {
        b"250 2.1.0 Ok"
    } else {
        b"250 2.1.0 Sender OK"
    });
    let mut accepted = 0;
    for recipient in mail.recipients {
        let taken = match recipient.verdict {
            Verdict::Refused => mail.stage == Stage::Content,
            Verdict::Accepted => true,
            Verdict::Unknown | Verdict::Busy => false,
        };
        if taken {
            accepted += 1;
            let postfix = hop.kind == Kind::Postfix;
            rows.received(if postfix {
                b"250 2.1.5 Ok"
            } else {
                b"250 2.1.5 Recipient OK"
            });
            continue;
        }
        match recipient.verdict {
            Verdict::Unknown => unknown(text, hop, rows.now, unique),
            Verdict::Busy => busy(text, hop, rows.now, unique),
            Verdict::Refused | Verdict::Accepted => {
                denied(text, hop, rows.now, unique, mail.refusal, address);
            }
        }
        rows.received(text);
        if recipient.verdict == Verdict::Refused {
            rows.tells(refused(1));
        }
        rows.wait(1);
    }
    if accepted == 0 {
        if ahead {
            rows.received(match hop.kind {
                Kind::Postfix => b"554 5.5.1 Error: no valid recipients",
                _ => b"503 5.5.2 Need rcpt command",
            });
        }
        reset(rows, wait);
        return;
    }
    if ahead {
        rows.received(match hop.kind {
            Kind::Postfix => b"354 End data with <CR><LF>.<CR><LF>",
            _ => b"354 Start mail input; end with <CRLF>.<CRLF>",
        });
    } else {
        chunks(text, rows, size, wait);
    }
    if mail.breaks {
        return;
    }
    rows.wait(wait + 40 + (size >> 11) as i64);
    if mail.stage == Stage::Content {
        denied(text, hop, rows.now, unique, mail.refusal, address);
        rows.received(text);
        rows.tells(refused(accepted));
        return;
    }
    queued(text, hop, unique, size, speaker.record);
    rows.received(text);
}

/// BDAT: small mails in one piece, large ones in two.
fn chunks(text: &mut Vec<u8>, rows: &mut Rows, size: u64, wait: i64) {
    let mut rest = size;
    if size > 500_000 {
        rest = size - 65_536;
        rows.sent(b"BDAT 65536");
        rows.wait(wait);
        rows.received(b"250 2.6.0 CHUNK received OK, 65536 octets");
    }
    text.clear();
    text.extend_from_slice(b"BDAT ");
    append_number(text, rest);
    text.extend_from_slice(b" LAST");
    rows.sent(text);
}

fn reset(rows: &mut Rows, wait: i64) {
    rows.sent(b"RSET");
    rows.wait(wait);
    rows.received(b"250 2.0.0 Resetting");
}

fn mailbox(text: &mut Vec<u8>, draw: u64, domain: &str) {
    text.extend_from_slice(FIRST[draw as usize & 15].as_bytes());
    text.push(b'.');
    text.extend_from_slice(LAST[(draw >> 4) as usize & 15].as_bytes());
    if draw & 0x700 != 0 {
        append_number(text, draw >> 8 & 0x3F);
    }
    text.push(b'@');
    text.extend_from_slice(domain.as_bytes());
}
