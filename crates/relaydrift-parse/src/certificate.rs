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
//! thumbprint alone. Sources: Microsoft Support, articles `outbound-email-messages-are-not-sent`,
//! `tls-negotiation-failed-with-error-nocredentials-error` (form A) and
//! `cannot-remove-installed-certificate` (form C).

mod whole;

pub use whole::parse_whole;

use std::collections::HashSet;

use crate::dn;
use crate::text::lossless;
use crate::{note, time};

/// Marks a row that is about a certificate but carries no label known here; see
/// [`is_unknown_label`].
pub const UNKNOWN_LABEL: &str = "unknown_certificate_label";

/// What a log says of one certificate.
///
/// Identity is the thumbprint: the texts come from whoever made the certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// SHA-1 (40) or SHA-256 (64 hex digits), upper case.
    pub thumbprint: Option<String>,
    /// Distinguished name, as logged.
    pub subject: Option<String>,
    /// Distinguished name, as logged.
    pub issuer: Option<String>,
    /// Hex digits, upper case; other text as logged.
    pub serial: Option<String>,
    /// Microseconds since 1970 in UTC; form C only.
    pub not_before: Option<i64>,
    /// See `not_before`.
    pub not_after: Option<i64>,
    /// The subject's CN where it is a DNS name, then the alternate names, each once.
    pub names: Vec<String>,
    /// How it was written.
    pub form: Form,
    /// Text that could not be divided safely: subject and issuer, or a whole row.
    pub unsplit: Option<String>,
    /// What stood in the place of a thumbprint and is none.
    pub raw_thumbprint: Option<String>,
    /// `ambiguous`, `odd_thumbprint`, `odd_validity`, `validity_reversed`, `names_failed`,
    /// `nul_in_name`: each at most once.
    pub flags: Vec<&'static str>,
}

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
        (heading, labels) if whole::form(labels).is_some() => Some(Row::Whole(heading, data)),
        _ => None,
    }
}

/// Whether [`classify`] finds something in a row with this context.
pub(crate) fn is_certificate(context: &[u8]) -> bool {
    classify(context, b"").is_some()
}

/// Whether a `*` row seems to be about a certificate though [`classify`] finds nothing in it.
///
/// Logs that went through a translator carry other labels. Such a row has data, and either a
/// thumbprint in it or a context that speaks of a certificate; flag it [`UNKNOWN_LABEL`].
pub fn is_unknown_label(context: &[u8], data: &[u8]) -> bool {
    if data.is_empty() || note::parse(context, data) != note::Note::Other {
        return false;
    }
    let thumbprint = |word: &[u8]| word.len() == 40 && word.iter().all(u8::is_ascii_hexdigit);
    let speaks = |stem: &[u8]| {
        context
            .windows(5)
            .any(|part| part.eq_ignore_ascii_case(stem))
    };
    // certificate, Zertifikat, certificat, certificado, certifikát; certyfikat; сертификат.
    speaks(b"ertif")
        || speaks(b"ertyf")
        || memchr::memmem::find(context, "ертифи".as_bytes()).is_some()
        || data.split(|byte| *byte == b' ').any(thumbprint)
}

/// Adds one attribute row of form A to its certificate.
pub fn apply(certificate: &mut Certificate, attribute: Attribute, data: &[u8]) {
    let text = lossless(data);
    match attribute {
        Attribute::Subject => {
            certificate.subject = filled(&text);
            let names = std::mem::take(&mut certificate.names);
            certificate.list_names(names);
        }
        Attribute::Issuer => certificate.issuer = filled(&text),
        Attribute::Serial => certificate.set_serial(&text),
        Attribute::Thumbprint => certificate.set_thumbprint(&text),
        Attribute::Names => certificate.set_names(&text),
        Attribute::NamesFailed => certificate.flag("names_failed"),
    }
}

impl Certificate {
    /// Nothing known yet: what a heading row of form A begins.
    pub fn new(form: Form) -> Certificate {
        Certificate {
            thumbprint: None,
            subject: None,
            issuer: None,
            serial: None,
            not_before: None,
            not_after: None,
            names: Vec::new(),
            form,
            unsplit: None,
            raw_thumbprint: None,
            flags: Vec::new(),
        }
    }

    fn flag(&mut self, flag: &'static str) {
        if !self.flags.contains(&flag) {
            self.flags.push(flag);
        }
    }

    fn set_serial(&mut self, text: &str) {
        let text = text.trim();
        self.serial = match is_hex(text) {
            true => Some(text.to_ascii_uppercase()),
            false => filled(text),
        };
    }

    fn set_thumbprint(&mut self, text: &str) {
        let text = text.trim();
        let bare: String = text.chars().filter(|c| !matches!(c, ' ' | ':')).collect();
        if is_thumbprint(&bare) {
            (self.thumbprint, self.raw_thumbprint) = (Some(bare.to_ascii_uppercase()), None);
        } else if !text.is_empty() {
            (self.thumbprint, self.raw_thumbprint) = (None, Some(text.to_owned()));
            self.flag("odd_thumbprint");
        }
    }

    fn set_validity(&mut self, not_before: &str, not_after: &str) {
        let read = |text: &str| time::parse(text.as_bytes());
        (self.not_before, self.not_after) = (read(not_before), read(not_after));
        match (self.not_before, self.not_after) {
            (Some(from), Some(to)) if to < from => self.flag("validity_reversed"),
            (Some(_), Some(_)) => {}
            _ => self.flag("odd_validity"),
        }
    }

    /// The list of alternate names, with `;` between them.
    fn set_names(&mut self, list: &str) {
        let list = match list.contains('\0') {
            true => {
                self.flag("nul_in_name");
                list.replace('\0', "\\x00")
            }
            false => list.to_owned(),
        };
        let names = list
            .split(';')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        self.list_names(names.map(str::to_owned).collect());
    }

    /// Puts the CN first and drops what comes a second time, in any case.
    fn list_names(&mut self, names: Vec<String>) {
        let subject = self.subject.as_deref().unwrap_or_default();
        let common = dn::attribute(subject, "CN").filter(|name| is_dns_name(name));
        let mut seen = HashSet::new();
        self.names = common
            .into_iter()
            .chain(names)
            .filter(|it| seen.insert(it.to_lowercase()))
            .collect();
    }
}

fn filled(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn is_hex(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_thumbprint(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && is_hex(text)
}

/// A name of letters, digits, hyphens and dots, with `*.` before it or not.
fn is_dns_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const THUMBPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

    fn applied(rows: &[(&str, &str)]) -> Certificate {
        let mut certificate = Certificate::new(Form::A);
        for (context, data) in rows {
            match classify(context.as_bytes(), data.as_bytes()) {
                Some(Row::Attribute(attribute, data)) => apply(&mut certificate, attribute, data),
                row => panic!("{context}: {row:?}"),
            }
        }
        certificate
    }

    #[test]
    fn headings() {
        for (text, heading) in Heading::TEXTS {
            assert_eq!(classify(text.as_bytes(), b""), Some(Row::Heading(heading)));
            let whole = format!("{text} Subject Issuer name Serial number Thumbprint Not before");
            assert_eq!(
                classify(whole.as_bytes(), b" x"),
                Some(Row::Whole(heading, b" x"))
            );
            let whole = format!("{text} Certificate subject Certificate issuer name");
            assert_eq!(
                classify(whole.as_bytes(), b" x"),
                Some(Row::Whole(heading, b" x"))
            );
        }
        for text in [
            "CRL validation failed with status Offline. Treating the failure as success.",
            "Treating CRL chain validation failure Offline as success.",
        ] {
            let heading = Heading::RevocationIgnored;
            assert_eq!(
                classify(text.as_bytes(), b""),
                Some(Row::Heading(heading)),
                "{text}"
            );
            let whole = format!("{text} Subject Issuer name Serial number");
            assert_eq!(
                classify(whole.as_bytes(), b" x"),
                Some(Row::Whole(heading, b" x"))
            );
        }
        // A copy may carry spaces at the end of its lines.
        assert_eq!(
            classify(b"Sending certificate  ", b""),
            Some(Row::Heading(Heading::Sending))
        );
        for none in [
            "DirectTrust certificate failed to authenticate",
            "Sending certificates",
            "Certificate",
            "Certificate subject alternative",
            "sending certificate",
            "",
        ] {
            assert_eq!(classify(none.as_bytes(), b"x"), None, "{none}");
        }
    }

    #[test]
    fn form_a() {
        let certificate = applied(&[
            (
                "Certificate subject",
                "CN=*.contoso.example, O=\"Contoso, Inc.\"",
            ),
            ("Certificate issuer name", "CN=CA, C=US"),
            ("Certificate serial number", "00ab12"),
            ("Certificate thumbprint", &THUMBPRINT.to_lowercase()),
            (
                "Certificate alternate names",
                "*.CONTOSO.example;contoso.example;;mail.fabrikam.example",
            ),
        ]);
        assert_eq!(certificate.thumbprint.as_deref(), Some(THUMBPRINT));
        assert_eq!(
            certificate.subject.as_deref(),
            Some("CN=*.contoso.example, O=\"Contoso, Inc.\"")
        );
        assert_eq!(certificate.issuer.as_deref(), Some("CN=CA, C=US"));
        assert_eq!(certificate.serial.as_deref(), Some("00AB12"));
        assert_eq!(
            certificate.names,
            [
                "*.contoso.example",
                "contoso.example",
                "mail.fabrikam.example"
            ]
        );
        assert_eq!((certificate.form, certificate.flags.len()), (Form::A, 0));
    }

    #[test]
    fn form_a_in_part() {
        assert_eq!(
            classify(b"Received certificate", b""),
            Some(Row::Heading(Heading::Received))
        );
        let certificate = applied(&[("Certificate thumbprint", THUMBPRINT)]);
        assert_eq!(certificate.thumbprint.as_deref(), Some(THUMBPRINT));
        assert_eq!((certificate.subject, certificate.names.len()), (None, 0));

        // Names before the subject; a CN that is no host name.
        let names = ("Certificate alternate names", "a.example;b.example");
        assert_eq!(
            applied(&[names, ("Certificate subject", "CN=B.example")]).names,
            ["B.example", "a.example"]
        );
        assert_eq!(
            applied(&[("Certificate subject", "CN=Contoso Mail"), names]).names,
            ["a.example", "b.example"]
        );
        let failed = "CryptographicException was thrown while attempting to get certificate \
                      alternate names: bad data";
        let certificate = applied(&[(failed, ""), ("Certificate alternate names", "")]);
        assert_eq!(certificate.flags, ["names_failed"]);
    }

    #[test]
    fn thumbprints() {
        let long = "AB".repeat(32);
        for (text, wanted) in [
            (THUMBPRINT, Some(THUMBPRINT)),
            (
                "01 23 45 67 89 ab cd ef 01 23 45 67 89 ab cd ef 01 23 45 67 ",
                Some(THUMBPRINT),
            ),
            (&long, Some(&*long)),
            (&THUMBPRINT[1..], None),
            (&format!("{THUMBPRINT}8"), None),
            ("xxxxxxxxxxxxxxxxxxxxxx", None),
            ("***", None),
            ("CertificateThumbprintNumber", None),
        ] {
            let certificate = applied(&[("Certificate thumbprint", text)]);
            assert_eq!(certificate.thumbprint.as_deref(), wanted, "{text}");
            assert_eq!(
                certificate.flags.contains(&"odd_thumbprint"),
                wanted.is_none()
            );
            assert_eq!(certificate.raw_thumbprint.is_some(), wanted.is_none());
        }
        assert_eq!(
            applied(&[("Certificate thumbprint", "")]),
            Certificate::new(Form::A)
        );
    }

    #[test]
    fn names_are_stored_whole() {
        let many: Vec<String> = (0..10_000)
            .map(|n| format!("host{n}.contoso.example"))
            .collect();
        let list = format!("{};{}", many.join(";"), many[7].to_uppercase());
        assert_eq!(
            applied(&[("Certificate alternate names", &list)]).names,
            many
        );
        let certificate = applied(&[("Certificate alternate names", "a.example\0.evil;b")]);
        assert_eq!(certificate.names, ["a.example\\x00.evil", "b"]);
        assert_eq!(certificate.flags, ["nul_in_name"]);
        let mut certificate = Certificate::new(Form::A);
        apply(&mut certificate, Attribute::Subject, b"CN=M\xfcller");
        assert_eq!(certificate.subject.as_deref(), Some("CN=M\\xFCller"));
    }

    #[test]
    fn labels_in_other_words() {
        for (context, data) in [
            ("Certificate Thumbprint", "x"),
            ("Zertifikatantragsteller", "CN=a"),
            ("Předmět certifikátu", "CN=a"),
            ("Отпечаток", THUMBPRINT),
            ("Отпечаток сертификата", "x"),
        ] {
            assert!(
                is_unknown_label(context.as_bytes(), data.as_bytes()),
                "{context}"
            );
        }
        for (context, data) in [
            ("Certificate thumbprint", THUMBPRINT),
            ("Sending certificate", ""),
            ("DirectTrust certificate failed to authenticate", ""),
            (
                "Client certificate chain validation status: 'EmptyCertificate'",
                "",
            ),
            ("Chain validation status", "Valid"),
            ("Set Session Permissions", "SendRoutingHeaders"),
            ("", "Tarpit for '0.00:00:05' due to '250 2.0.0 Resetting'"),
        ] {
            assert!(
                !is_unknown_label(context.as_bytes(), data.as_bytes()),
                "{context}"
            );
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(
            context in "(Sending certificate|Certificate |CRL validation failed with status )?",
            bytes: Vec<u8>,
        ) {
            let context = [context.as_bytes(), &bytes].concat();
            let _ = (classify(&context, &bytes), is_unknown_label(&context, &bytes));
            for attribute in [Attribute::Subject, Attribute::Serial, Attribute::Thumbprint, Attribute::Names] {
                apply(&mut Certificate::new(Form::A), attribute, &bytes);
            }
        }
    }
}
