//! Certificates, as `*` rows spell them out.
//!
//! Exchange writes the certificate it offers (`Sending certificate`), the one it gets and the rule
//! that accepted it, in one of three forms:
//!
//! | form | builds | shape |
//! |---|---|---|
//! | A | 2010, 2013 | a heading row, then a row per attribute with its label as context |
//! | B | 2016 at first | one row: heading and labels as context, subject, issuer, serial, thumbprint and names in data |
//! | C | later 2016, 2019 and newer | the same with the two dates of validity before the names |
//!
//! The forms are told apart row by row, since folders mix servers. Attribute rows of form A name no
//! type and belong to the last heading of their session; `Received certificate` is followed by the
//! thumbprint alone. Sources: Microsoft Support, "TLS negotiation failed with error NoCredentials",
//! "Outbound email messages aren't sent" (form A), "Can't remove a certificate that's installed on
//! an Exchange server" (form C).

use crate::note;

/// What a certificate row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Heading {
    /// The certificate offered to the other end. No such row: none was offered.
    Sending,
    /// The certificate of the other end, as the handshake succeeds.
    Remote,
    /// The certificate of the other end, after negotiation.
    Received,
    /// Accepted as the smart host's.
    SmartHost,
    /// Accepted by direct trust: an Edge subscription.
    DirectTrust,
    /// Accepted for a domain under mutual TLS.
    SecureDomain,
    /// Accepted as a proxy target's.
    ProxyTarget,
    /// Accepted although its revocation could not be checked.
    RevocationIgnored,
    /// Receive side: accepted.
    Validated,
}

impl Heading {
    const TEXTS: [(&'static str, Heading); 8] = [
        ("Sending certificate", Heading::Sending),
        ("Remote certificate", Heading::Remote),
        ("Received certificate", Heading::Received),
        ("SmartHost certificate", Heading::SmartHost),
        ("DirectTrust certificate", Heading::DirectTrust),
        ("Secure domain certificate", Heading::SecureDomain),
        ("Proxy target certificate", Heading::ProxyTarget),
        ("Validated received certificate", Heading::Validated),
    ];

    /// `sending`, `remote`, `received`, `smart_host`, ...
    pub fn as_str(self) -> &'static str {
        match self {
            Heading::Sending => "sending",
            Heading::Remote => "remote",
            Heading::Received => "received",
            Heading::SmartHost => "smart_host",
            Heading::DirectTrust => "direct_trust",
            Heading::SecureDomain => "secure_domain",
            Heading::ProxyTarget => "proxy_target",
            Heading::RevocationIgnored => "revocation_ignored",
            Heading::Validated => "validated",
        }
    }

    /// The heading that a context begins with, and what follows it.
    fn at_start(context: &[u8]) -> Option<(Heading, &[u8])> {
        let text = |(text, heading): (&str, Heading)| {
            Some((heading, context.strip_prefix(text.as_bytes())?))
        };
        Heading::TEXTS.into_iter().find_map(text).or_else(|| {
            let (rest, _) = note::crl_text(context).ok()?;
            Some((Heading::RevocationIgnored, rest))
        })
    }
}

/// How a certificate was written; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// A row per attribute.
    A,
    /// One row without dates.
    B,
    /// One row with dates.
    C,
}

impl Form {
    /// `A`, `B`, `C`.
    pub fn as_str(self) -> &'static str {
        match self {
            Form::A => "A",
            Form::B => "B",
            Form::C => "C",
        }
    }
}

/// What an attribute row of form A holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attribute {
    /// `Certificate subject`
    Subject,
    /// `Certificate issuer name`
    Issuer,
    /// `Certificate serial number`
    Serial,
    /// `Certificate thumbprint`
    Thumbprint,
    /// `Certificate alternate names`
    Names,
    /// The names could not be read; the row with the names follows, empty.
    NamesFailed,
}

impl Attribute {
    const TEXTS: [(&'static str, Attribute); 5] = [
        ("Certificate subject", Attribute::Subject),
        ("Certificate issuer name", Attribute::Issuer),
        ("Certificate serial number", Attribute::Serial),
        ("Certificate thumbprint", Attribute::Thumbprint),
        ("Certificate alternate names", Attribute::Names),
    ];
    const NAMES_FAILED: &'static [u8] =
        b"CryptographicException was thrown while attempting to get certificate alternate names";

    fn of(context: &[u8]) -> Option<Attribute> {
        if context.starts_with(Attribute::NAMES_FAILED) {
            return Some(Attribute::NamesFailed);
        }
        let text = |(text, _): &(&str, Attribute)| context == text.as_bytes();
        Attribute::TEXTS
            .into_iter()
            .find(text)
            .map(|(_, attribute)| attribute)
    }
}

/// A row about a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row<'a> {
    /// Form A: a certificate begins.
    Heading(Heading),
    /// Form A: one attribute of the certificate begun last, with the row's data.
    Attribute(Attribute, &'a [u8]),
    /// Form B or C: a whole certificate, with the row's data; see [`parse_whole`].
    Whole(Heading, &'a [u8]),
}

/// Tells what a `*` row says about a certificate; `None` where it is about something else.
pub fn classify<'a>(context: &[u8], data: &'a [u8]) -> Option<Row<'a>> {
    let context = context.trim_ascii_end();
    if let Some(attribute) = Attribute::of(context) {
        return Some(Row::Attribute(attribute, data));
    }
    match Heading::at_start(context)? {
        (heading, b"") if data.is_empty() => Some(Row::Heading(heading)),
        (heading, b"") => Some(Row::Whole(heading, data)),
        (heading, labels) if is_labels(labels) => Some(Row::Whole(heading, data)),
        _ => None,
    }
}

/// Whether [`classify`] finds something in a row with this context.
pub(crate) fn is_certificate(context: &[u8]) -> bool {
    classify(context, b"").is_some()
}

/// What follows the heading in forms B and C.
fn is_labels(labels: &[u8]) -> bool {
    labels.starts_with(b" Subject Issuer name") || labels.starts_with(b" Certificate subject")
}
