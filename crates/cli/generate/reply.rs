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

/// What Exchange Online says when it will not take a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No inbound connector of any tenant knows the certificate or the address.
    Attribution,
    /// Neither the certificate's domain nor the sender's is one of the tenant's.
    NotAccepted,
    /// No inbound connector of this region.
    WrongRegion,
    /// A partner connector asks for another certificate or address.
    Partner,
    /// The tenant rejects direct send.
    DirectSend,
    /// The client certificate's chain could not be validated.
    TlsChannel,
    /// The client certificate has ended.
    Expired,
    /// The tenant blocked the connector.
    BlockedConnector,
    /// The tenant's limit for outside recipients.
    TenantLimit,
    /// The same for a trial tenant.
    TrialLimit,
    /// The tenant is blocked.
    TenantBlocked,
    /// The address has a bad name with Microsoft.
    Reputation,
    /// The address is banned.
    Banned,
    /// The address sends too much.
    Busy,
    /// The server's build is out of date: throttled.
    VersionThrottled,
    /// The server's build is out of date: blocked.
    VersionBlocked,
    /// The recipient's side knows no such address.
    Recipient,
}

impl Refusal {
    /// True if it says that the mail could not be attributed to the tenant.
    pub fn is_attribution(self) -> bool {
        use Refusal::*;
        matches!(
            self,
            Attribution | NotAccepted | WrongRegion | Partner | DirectSend | TlsChannel | Expired
        )
    }

    /// The words of the reply, with `{ip}` for the address that it names.
    fn words(self) -> &'static str {
        match self {
            Refusal::Attribution => "550 5.7.64 TenantAttribution; Relay Access Denied",
            Refusal::NotAccepted => {
                "550 5.7.64 Relay Access Denied ATTR36. For more details please refer to https://support.microsoft.com/kb/3169958"
            }
            Refusal::WrongRegion => {
                "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35. For more information please go to https://go.microsoft.com/fwlink/?linkid=865268"
            }
            Refusal::Partner => {
                "550 5.7.51 TenantInboundAttribution; There is a partner connector configured that matched the message's recipient domain. The connector had either the RestrictDomainsToIPAddresses or RestrictDomainsToCertificate set"
            }
            Refusal::DirectSend => {
                "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources"
            }
            Refusal::TlsChannel => {
                "454 4.7.0 Failed to establish appropriate TLS channel: UntrustedRoot: Access Denied"
            }
            Refusal::Expired => {
                "454 4.7.0 Failed to establish appropriate TLS channel: CertificateExpired: Access Denied"
            }
            Refusal::BlockedConnector => {
                "550 5.7.711 Access denied, bad inbound connector. AS(2204)"
            }
            Refusal::TenantLimit => {
                "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)"
            }
            Refusal::TrialLimit => {
                "550 5.7.232 Your message can't be sent because your trial tenant has exceeded its daily limit for sending email to external recipients (tenant external recipient rate limit)"
            }
            Refusal::TenantBlocked => "550 5.7.705 Access denied, tenant has exceeded threshold",
            Refusal::Reputation => "550 5.7.708 Access denied, traffic not accepted from this IP",
            Refusal::Banned => {
                "550 5.7.606 Access denied, banned sending IP [{ip}]. To request removal from this list please visit https://sender.office.com/ and follow the directions. (AS16012609)"
            }
            Refusal::Busy => {
                "451 4.7.500 Server busy. Please try again later from [{ip}]. (AS77712344)"
            }
            Refusal::VersionThrottled => {
                "450 4.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online throttled for 5 mins/hr. For more information see https://aka.ms/BlockUnsafeExchange"
            }
            Refusal::VersionBlocked => {
                "550 5.7.230 Connecting Exchange server version is out-of-date; connection to Exchange Online blocked for 10 mins/hr. For more information see https://aka.ms/BlockUnsafeExchange"
            }
            Refusal::Recipient => {
                "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)"
            }
        }
    }
}

/// The mail is not taken, seen from `address`.
pub fn denied(
    text: &mut Vec<u8>,
    hop: &Hop<'_>,
    now: i64,
    unique: u64,
    refusal: Refusal,
    address: &str,
) {
    text.clear();
    text.extend_from_slice(refusal.words().replace("{ip}", address).as_bytes());
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
