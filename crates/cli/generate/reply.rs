//! What the far end of a session says to a mail.

use std::io::Write;

use super::calendar::{rfc3339, ticks};

/// What software the far end runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Exchange Online.
    Outlook,
    /// Exchange on premises.
    Exchange,
    /// Anything else.
    Postfix,
}

/// The far end of a session.
#[derive(Debug, Clone, Copy)]
pub struct Hop<'a> {
    /// See [`Kind`].
    pub kind: Kind,
    host: &'a str,
    /// Content goes in BDAT; else DATA is sent ahead with the other commands.
    pub bdat: bool,
    skew_ms: i64,
    latin1: bool,
}

impl<'a> Hop<'a> {
    /// Exchange Online, `host` as refusals name it; our clock runs `skew_ms` ahead of its.
    pub fn outlook(host: &'a str, bdat: bool, skew_ms: i64) -> Self {
        Hop {
            kind: Kind::Outlook,
            host,
            bdat,
            skew_ms,
            latin1: false,
        }
    }

    /// Exchange on premises.
    pub fn exchange(host: &'a str) -> Self {
        Hop {
            kind: Kind::Exchange,
            host,
            bdat: true,
            skew_ms: 0,
            latin1: false,
        }
    }

    /// Anything else.
    pub fn postfix(host: &'a str, latin1: bool) -> Self {
        Hop {
            kind: Kind::Postfix,
            host,
            bdat: false,
            skew_ms: 0,
            latin1,
        }
    }

    /// True for Exchange Online.
    pub fn is_outlook(&self) -> bool {
        self.kind == Kind::Outlook
    }
}

/// The mail is taken.
pub fn queued(text: &mut Vec<u8>, hop: &Hop<'_>, unique: u64, size: u64, record: u64) {
    text.clear();
    let _ = match hop.kind {
        Kind::Postfix => write!(text, "250 2.0.0 Ok: queued as 4{:011X}", unique >> 20),
        _ => write!(
            text,
            "250 2.6.0 <{unique:016x}{:08x}@contoso.com> [InternalId={record}, Hostname={}] {size} bytes in 0.{:03}, {}.{:03} KB/sec Queued mail for delivery",
            record & 0xFFFF_FFFF,
            hop.host,
            100 + (unique & 511),
            size >> 8,
            unique >> 9 & 511
        ),
    };
}

/// `[host, time and session]`, the tail of an Exchange Online refusal.
fn tail(text: &mut Vec<u8>, hop: &Hop<'_>, now: i64, unique: u64) {
    if hop.kind == Kind::Outlook {
        let said = now - hop.skew_ms;
        let session = ticks(said) - (unique & 0xFFFF_FFFF);
        let _ = write!(text, " [{} {} {session:016X}]", hop.host, rfc3339(said));
    }
}

/// The tenant does not know us.
pub fn not_attributed(text: &mut Vec<u8>, hop: &Hop<'_>, now: i64, unique: u64) {
    text.clear();
    text.extend_from_slice(b"550 5.7.64 TenantAttribution; Relay Access Denied");
    tail(text, hop, now, unique);
}

/// No such mailbox.
pub fn unknown(text: &mut Vec<u8>, hop: &Hop<'_>, now: i64, unique: u64) {
    text.clear();
    text.extend_from_slice(match (hop.kind, hop.latin1) {
        (Kind::Outlook, _) => {
            b"550 5.4.1 Recipient address rejected: Access denied. AS(201806281)".as_slice()
        }
        (Kind::Exchange, _) => {
            b"550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"
        }
        (Kind::Postfix, false) => {
            b"550 5.1.1 Recipient address rejected: User unknown in virtual mailbox table"
        }
        (Kind::Postfix, true) => b"550 5.1.1 Empf\xE4nger unbekannt, bitte pr\xFCfen",
    });
    tail(text, hop, now, unique);
}

/// Try again.
pub fn busy(text: &mut Vec<u8>, hop: &Hop<'_>, now: i64, unique: u64) {
    text.clear();
    text.extend_from_slice(match hop.kind {
        Kind::Postfix => b"450 4.2.0 Greylisted, see http://postgrey.schweikert.ch/".as_slice(),
        _ => b"451 4.7.500 Server busy. Please try again later. (AS77712344)",
    });
    tail(text, hop, now, unique);
}
