//! Notes: the contexts of `*` rows, Exchange's own remarks on a session.
//!
//! Plain English whatever the server's language, except for the operating system's words in
//! [`Note::ConnectFailed`]; told apart by how they begin, since their tails vary between builds.
//! Microsoft Support shows some (articles `tls-negotiation-failed-with-error-nocredentials-error`
//! and `outbound-email-messages-are-not-sent`), others stand in logs that people have posted; a
//! build may know more, and then they are [`Note::Other`].

use memchr::{memchr_iter, memmem};
use nom::branch::alt;
use nom::bytes::complete::{tag, take_until, take_while};
use nom::combinator::{opt, rest};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

use crate::certificate;

/// What a `*` row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note<'a> {
    /// `Set Session Permissions`; the list is in data. May repeat.
    PermissionsSet,
    /// `attempting to connect`
    Connecting {
        /// In a front end's log: the session that it speaks for (16 hex digits). Of a hub's send
        /// connector it is the hub's own session, else the one in which the client submitted.
        proxied_session: Option<&'a [u8]>,
        /// It speaks for a client that submitted mail, not for a hub's send connector.
        client_proxy: bool,
    },
    /// `Proxying inbound session with session id ...`
    ProxyingInbound {
        /// The inbound session (16 hex digits).
        session: &'a [u8],
    },
    /// `Proxy session successfully set up ...`: only QUIT and the end follow.
    ProxySetUp,
    /// In a hub's log: the connector in use where a front end was instructed to send.
    ActualConnector {
        /// Its name; the row's connector-id may differ.
        name: &'a [u8],
    },
    /// In a hub's log: the certificate that the front end is to present.
    ProxyCertificate {
        /// As the connector names it, `<I>issuer<S>subject`.
        name: &'a [u8],
    },
    /// `sending message with RecordId ... and InternetMessageId ...`
    Message {
        /// The queue's number for the message.
        record_id: &'a [u8],
        /// The Message-ID without its angle brackets.
        message_id: &'a [u8],
    },
    /// `successfully added connection to cache`: more messages may follow.
    ConnectionCached,
    /// `Failed to connect. ...`
    ConnectFailed {
        /// What follows, with socket error codes and the operating system's text.
        text: &'a [u8],
    },
    /// `TLS protocol ... negotiation succeeded ...`
    TlsSucceeded(Tls<'a>),
    /// `TLS negotiation failed with error ...`
    TlsFailed {
        /// The name of the error, or its number: `NoCredentials`, `UnknownCredentials`.
        error: &'a [u8],
    },
    /// `Chain validation status`
    ChainStatus {
        /// The row's data: `Valid`, `UntrustedRoot`, ...
        status: &'a [u8],
    },
    /// `Outbound TLS authentication failed ...`
    TlsAuthFailed {
        /// What the connector demands, as `DomainValidation`; `None` for a proxy session.
        level: Option<&'a [u8]>,
        /// A chain status.
        error: &'a [u8],
    },
    /// The connector demands TLS and the other end does not offer it, in either wording.
    TlsRequired,
    /// `Tls cipher strength is too weak`
    TlsTooWeak,
    /// `DirectTrust certificate failed to authenticate`: the certificate is not the one on record.
    DirectTrustFailed,
    /// `Outbound Authentication failed ...`: AUTH or X-EXPS, not TLS.
    AuthFailed {
        /// The status, or a message.
        error: &'a [u8],
    },
    /// `Message to secure domain '...' on send connector '...' failed because ...`
    SecureDomainFailed {
        /// What follows `because`.
        reason: &'a [u8],
    },
    /// A revocation check that could not be made was passed over. In form A it is also the
    /// heading of the certificate it concerns: see [`certificate::classify`].
    CrlSoftFail {
        /// The chain status passed over.
        status: &'a [u8],
    },
    /// `line too long`: the reply was cut and the connection dropped.
    LineTooLong,
    /// `Server shutdown`
    ServerShutdown,
    /// A heading, attribute or whole row of a certificate: see [`certificate::classify`].
    Certificate,
    /// A certificate has more names than the limit; its names were ignored.
    SanLimit,
    /// Any other text.
    Other,
}

/// What a TLS handshake agreed on, in the names of Windows' Schannel.
///
/// Values that the build does not know stand as plain numbers (8192 for TLS 1.3); combined ones as
/// `A, B`. Parts that are missing are empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls<'a> {
    /// `SP_PROT_TLS1_2_CLIENT`
    pub protocol: &'a [u8],
    /// `CALG_AES_256`
    pub cipher: &'a [u8],
    /// Bits of the cipher.
    pub strength: Option<u32>,
    /// `CALG_SHA_384`
    pub mac: &'a [u8],
    /// `CALG_ECDH_EPHEM`; 2013 calls it `CALG_ECDHE`.
    pub key_exchange: &'a [u8],
}

/// Reads the context of a `*` row; `data` is the same row's.
pub fn parse<'a>(context: &'a [u8], data: &'a [u8]) -> Note<'a> {
    let context = context.trim_ascii_end();
    let after = |start: &str| context.strip_prefix(start.as_bytes());
    let Some(first) = context.first() else {
        return Note::Other;
    };
    match first {
        b'a' => {
            if let Some(tail) = after("attempting to connect") {
                return connecting(tail);
            }
        }
        b's' => {
            if let Some(tail) = after("sending message with RecordId ") {
                if let Ok((_, (record_id, message_id))) = message(tail) {
                    return Note::Message {
                        record_id,
                        message_id,
                    };
                }
            } else if after("successfully added connection to cache").is_some() {
                return Note::ConnectionCached;
            }
        }
        b'S' => {
            if after("Set Session Permissions").is_some() {
                return Note::PermissionsSet;
            } else if after("Server shutdown").is_some() {
                return Note::ServerShutdown;
            }
        }
        b'T' => {
            if let Some(tail) = after("TLS protocol ") {
                if let Some(tls) = tls(tail) {
                    return Note::TlsSucceeded(tls);
                }
            } else if let Some(error) = after("TLS negotiation failed with error ") {
                return Note::TlsFailed { error };
            } else if after("Tls cipher strength is too weak").is_some() {
                return Note::TlsTooWeak;
            } else if let Some(actual) =
                after("This session is now being proxied through the next hop.")
            {
                let start = b" The actual connector being used is: ";
                return Note::ActualConnector {
                    name: actual.strip_prefix(start).unwrap_or(b""),
                };
            } else if let Some(status) = crl_status(context) {
                return Note::CrlSoftFail { status };
            }
        }
        b'C' => {
            if after("Chain validation status").is_some() {
                return Note::ChainStatus { status: data };
            } else if let Some(status) = crl_status(context) {
                return Note::CrlSoftFail { status };
            } else if after("Certificate '").is_some() && find(context, b"exceeded SAN limit") {
                return Note::SanLimit;
            } else if after("Connector is configured to send mail only over TLS").is_some() {
                return Note::TlsRequired;
            }
        }
        b'D' => {
            if after("Drop connection because TLS configuration requires TLS").is_some() {
                return Note::TlsRequired;
            } else if after("DirectTrust certificate failed to authenticate").is_some() {
                return Note::DirectTrustFailed;
            }
        }
        b'M' => {
            let because = b"' failed because ";
            if let Some(tail) = after("Message to secure domain '")
                && let Some(at) = memmem::rfind(tail, because)
            {
                let reason = &tail[at + because.len()..];
                return Note::SecureDomainFailed { reason };
            }
        }
        b'F' => {
            if let Some(text) = after("Failed to connect.") {
                return Note::ConnectFailed {
                    text: text.trim_ascii_start(),
                };
            }
        }
        b'I' => {
            let start = "Instructing the next hop (outbound proxy frontend) to present the \
                         following certificate during TLS: ";
            if let Some(name) = after(start) {
                return Note::ProxyCertificate { name };
            }
        }
        b'l' if after("line too long").is_some() => return Note::LineTooLong,
        b'O' | b'o' => {
            if let Some(note) = failure(context) {
                return note;
            }
        }
        b'P' => {
            if let Some(session) = after("Proxying inbound session with session id ") {
                return Note::ProxyingInbound {
                    session: hex(session),
                };
            } else if after("Proxy session successfully set up").is_some() {
                return Note::ProxySetUp;
            }
        }
        _ => {}
    }
    match certificate::is_certificate(context) {
        true => Note::Certificate,
        false => Note::Other,
    }
}

/// What follows `attempting to connect`. An outbound proxy names two sessions, the hub's (which came
/// with XPROXYTO) and then the front end's own inbound one: `. Outbound proxy from {host} with session
/// id {hub's}. Proxied session id {own}`.
fn connecting(tail: &[u8]) -> Note<'_> {
    let own = hex_after(tail, b"Proxied session id ");
    let outbound = tail.starts_with(b". Outbound proxy from ");
    let hub = hex_after(tail, b" with session id ").filter(|_| outbound);
    Note::Connecting {
        proxied_session: hub.or(own),
        client_proxy: tail.starts_with(b". Client proxy session for "),
    }
}

/// The chain status in a text that passes over a failed revocation check.
fn crl_status(context: &[u8]) -> Option<&[u8]> {
    crl_text(context).ok().map(|(_, status)| status)
}

/// The status and, as the rest, what follows the text.
pub(crate) fn crl_text(context: &[u8]) -> IResult<&[u8], &[u8]> {
    let (start, end) = (
        "CRL validation failed with status ",
        ". Treating the failure as success",
    );
    let first = delimited(tag(start), take_until(end), tag(end));
    let (start, end) = ("Treating CRL chain validation failure ", " as success");
    let second = delimited(tag(start), take_until(end), tag(end));
    terminated(alt((first, second)), opt(tag("."))).parse(context)
}

fn find(text: &[u8], part: &[u8]) -> bool {
    memmem::find(text, part).is_some()
}

/// The hex digits that a text begins with.
fn hex(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit());
    &text[..end.unwrap_or(text.len())]
}

/// The hex digits after the last `label`: what stands before it may hold a name of the peer's.
fn hex_after<'a>(text: &'a [u8], label: &[u8]) -> Option<&'a [u8]> {
    if text.is_empty() {
        return None;
    }
    let at = memmem::rfind(text, label)? + label.len();
    Some(hex(&text[at..])).filter(|id| !id.is_empty())
}

/// `{record id} and InternetMessageId {message id}`
fn message(text: &[u8]) -> IResult<&[u8], (&[u8], &[u8])> {
    let record_id = terminated(
        take_while(|byte| byte != b' '),
        tag(" and InternetMessageId "),
    );
    let (tail, (record_id, id)) = (record_id, rest).parse(text)?;
    let inner = id
        .trim_ascii()
        .strip_prefix(b"<")
        .and_then(|id| id.strip_suffix(b">"));
    Ok((tail, (record_id, inner.unwrap_or(id.trim_ascii()))))
}

/// `{protocol} negotiation succeeded using bulk encryption algorithm {cipher} with strength ...`
fn tls(text: &[u8]) -> Option<Tls<'_>> {
    let (protocol, mut tail) = around(text, b" negotiation succeeded")?;
    let mut part = |label| algorithm(label, &mut tail).unwrap_or_default();
    let (cipher, strength) = part(" using bulk encryption algorithm ");
    let (mac, _) = part(", MAC hash algorithm ");
    let (key_exchange, _) = part(" and key exchange algorithm ");
    Some(Tls {
        protocol,
        cipher,
        strength,
        mac,
        key_exchange,
    })
}

/// `{label}{name} with strength {bits} bits`, taken off the text if it begins with that.
fn algorithm<'a>(label: &str, text: &mut &'a [u8]) -> Option<(&'a [u8], Option<u32>)> {
    let (name, tail) = around(text.strip_prefix(label.as_bytes())?, b" with strength ")?;
    let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (bits, tail) = tail.split_at_checked(digits).filter(|_| digits > 0)?;
    *text = tail.strip_prefix(b" bits")?;
    Some((name, str::from_utf8(bits).ok()?.parse().ok()))
}

/// What stands before and after the first `words`, which begin with a space. Mostly it is the first space: a searcher
/// would take longer to make than to use.
fn around<'a>(text: &'a [u8], words: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr_iter(b' ', text).find(|at| text[*at..].starts_with(words))?;
    Some((&text[..at], &text[at + words.len()..]))
}

/// TLS and AUTH failures.
fn failure(context: &[u8]) -> Option<Note<'_>> {
    let after = |start: &str| context.strip_prefix(start.as_bytes());
    if let Some(tail) = after("Outbound TLS authentication failed for auth level ") {
        let parsed: IResult<&[u8], (&[u8], &[u8])> = (
            terminated(take_until(" with error "), tag(" with error ")),
            rest,
        )
            .parse(tail);
        return Some(match parsed {
            Ok((_, (level, error))) => Note::TlsAuthFailed {
                level: Some(level),
                error,
            },
            Err(_) => Note::TlsAuthFailed {
                level: Some(tail),
                error: b"",
            },
        });
    }
    if let Some(tail) = after("outbound TLS authentication failed for the proxy session") {
        let label = b"ChainValidityStatus = ";
        let error = memmem::find(tail, label).map_or(&b""[..], |at| &tail[at + label.len()..]);
        let error = error.strip_suffix(b".").unwrap_or(error);
        return Some(Note::TlsAuthFailed { level: None, error });
    }
    [
        "Outbound Authentication failed to initialize with ",
        "Outbound Authentication failed with ",
        "Outbound Exchange Authentication failed with ",
        "Outbound Exchange Authentication failed to obtain remote's identity due to ",
    ]
    .into_iter()
    .find_map(after)
    .map(|error| Note::AuthFailed { error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn note(context: &str) -> Note<'_> {
        parse(context.as_bytes(), b"")
    }

    #[test]
    fn connecting() {
        let plain = Note::Connecting {
            proxied_session: None,
            client_proxy: false,
        };
        assert_eq!(note("attempting to connect"), plain);
        assert_eq!(
            note(
                "attempting to connect. Outbound proxy from hub.example with session id \
                 08DF1F4EEFBDC001. Proxied session id 08DF1F4EEFBDC002"
            ),
            Note::Connecting {
                proxied_session: Some(b"08DF1F4EEFBDC001"),
                client_proxy: false
            },
            "the hub's session, not the front end's own"
        );
        assert_eq!(
            note("attempting to connect. Proxied session id 08DF1F4EEFBDC002"),
            Note::Connecting {
                proxied_session: Some(b"08DF1F4EEFBDC002"),
                client_proxy: false
            }
        );
        assert_eq!(
            note(
                "attempting to connect. Client proxy session for Proxied session id 1. Proxied \
                 session id 08DF1F4EEFBDC003"
            ),
            Note::Connecting {
                proxied_session: Some(b"08DF1F4EEFBDC003"),
                client_proxy: true
            }
        );
        assert_eq!(
            note("Failed to connect. Winsock error code: 10060, Error Message: \u{438}"),
            Note::ConnectFailed {
                text: "Winsock error code: 10060, Error Message: \u{438}".as_bytes()
            }
        );
    }

    #[test]
    fn proxying() {
        assert_eq!(
            note("Proxying inbound session with session id 08D54162A04116F1"),
            Note::ProxyingInbound {
                session: b"08D54162A04116F1"
            }
        );
        assert_eq!(
            note(
                "Proxy session successfully set up for user. Inbound session will now be blindly \
                 proxied"
            ),
            Note::ProxySetUp
        );
        assert_eq!(
            note(
                "This session is now being proxied through the next hop. The actual connector \
                 being used is: Cloud, 1"
            ),
            Note::ActualConnector { name: b"Cloud, 1" }
        );
        assert_eq!(
            note(
                "Instructing the next hop (outbound proxy frontend) to present the following \
                 certificate during TLS: <I>CN=R3<S>CN=mail.contoso.example"
            ),
            Note::ProxyCertificate {
                name: b"<I>CN=R3<S>CN=mail.contoso.example"
            }
        );
    }

    #[test]
    fn messages() {
        assert_eq!(
            note("sending message with RecordId 123 and InternetMessageId <a b@c.example>"),
            Note::Message {
                record_id: b"123",
                message_id: b"a b@c.example"
            }
        );
        assert_eq!(
            note("sending message with RecordId 123 and InternetMessageId "),
            Note::Other,
            "the end is trimmed, so the label is cut"
        );
        assert_eq!(
            note("successfully added connection to cache. Current cache size is 3"),
            Note::ConnectionCached
        );
        assert_eq!(note("Set Session Permissions"), Note::PermissionsSet);
        assert_eq!(note("Server shutdown"), Note::ServerShutdown);
        assert_eq!(note("line too long"), Note::LineTooLong);
    }

    #[test]
    fn tls_results() {
        assert_eq!(
            note(
                "TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption \
                 algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 \
                 with strength 0 bits and key exchange algorithm CALG_ECDH_EPHEM with strength \
                 384 bits"
            ),
            Note::TlsSucceeded(Tls {
                protocol: b"SP_PROT_TLS1_2_CLIENT",
                cipher: b"CALG_AES_256",
                strength: Some(256),
                mac: b"CALG_SHA_384",
                key_exchange: b"CALG_ECDH_EPHEM",
            })
        );
        let Note::TlsSucceeded(tls) = note("TLS protocol 8192 negotiation succeeded using") else {
            panic!()
        };
        assert_eq!(
            (tls.protocol, tls.cipher, tls.strength),
            (&b"8192"[..], &b""[..], None)
        );
        assert_eq!(note("TLS protocol SP_PROT_TLS1_2_CLIENT nego"), Note::Other);
        assert_eq!(
            note("TLS negotiation failed with error UnknownCredentials  "),
            Note::TlsFailed {
                error: b"UnknownCredentials"
            }
        );
        assert_eq!(
            parse(b"Chain validation status", b"Valid"),
            Note::ChainStatus { status: b"Valid" }
        );
    }

    #[test]
    fn failures() {
        assert_eq!(
            note(
                "Outbound TLS authentication failed for auth level DomainValidation with error \
                 SubjectMismatch"
            ),
            Note::TlsAuthFailed {
                level: Some(b"DomainValidation"),
                error: b"SubjectMismatch"
            }
        );
        assert_eq!(
            note(
                "outbound TLS authentication failed for the proxy session due to certificate \
                 validation error. ChainValidityStatus = UntrustedRoot."
            ),
            Note::TlsAuthFailed {
                level: None,
                error: b"UntrustedRoot"
            }
        );
        for text in [
            "Connector is configured to send mail only over TLS connections and remote doesn't \
             support TLS",
            "Drop connection because TLS configuration requires TLS before MailFrom command and \
             could not achieve it",
        ] {
            assert_eq!(note(text), Note::TlsRequired);
        }
        assert_eq!(
            note("Outbound Exchange Authentication failed with LogonDenied"),
            Note::AuthFailed {
                error: b"LogonDenied"
            }
        );
        assert_eq!(
            note("DirectTrust certificate failed to authenticate"),
            Note::DirectTrustFailed
        );
        assert_eq!(
            note(
                "Message to secure domain 'a.example' on send connector 'To 'b' failed because c' \
                 failed because TLS was not offered "
            ),
            Note::SecureDomainFailed {
                reason: b"TLS was not offered"
            }
        );
        for text in [
            "CRL validation failed with status RevocationOffline. Treating the failure as success.",
            "Treating CRL chain validation failure RevocationOffline as success.",
        ] {
            assert_eq!(
                note(text),
                Note::CrlSoftFail {
                    status: b"RevocationOffline"
                }
            );
        }
        assert_eq!(
            note("Certificate 'x' with 500 SANs exceeded SAN limit 400; SANs ignored"),
            Note::SanLimit
        );
    }

    #[test]
    fn certificates_and_others() {
        for context in [
            "Sending certificate",
            "Remote certificate Subject Issuer name Serial number Thumbprint Not before Not after",
            "Certificate thumbprint",
            "Validated received certificate",
            "Secure domain certificate",
        ] {
            assert_eq!(note(context), Note::Certificate, "{context}");
        }
        for context in [
            "",
            "Sending blob x",
            "Message to secure domain 'a.example' on send connector 'c'",
            "Certificate",
            "Tarpit for '0.00:00:05' due to '250 2.0.0 Resetting'",
        ] {
            assert_eq!(note(context), Note::Other, "{context}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(
            bytes: Vec<u8>,
            start in "(attempting to connect. Outbound proxy from |Message to secure domain '|TLS protocol |CRL validation failed with status |sending message with RecordId |Outbound )?",
        ) {
            let _ = parse(&[start.as_bytes(), &bytes].concat(), &bytes);
        }
    }
}
