//! Certificates, and the three forms in which a log spells one out.

use super::calendar::{DAY, rfc3339};
use super::rng::Rng;

/// How a build of Exchange writes a certificate: one row per attribute (A), one row with the old
/// labels (B), one row with validity dates (C).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Heading row, then five attribute rows: 2010 and 2013.
    A,
    /// One row, no dates: 2016 CU2.
    B,
    /// One row with dates: 2016 and later.
    C,
}

/// The context of form B after the type.
pub const LABELS_B: &[u8] = b" Certificate subject Certificate issuer name Certificate serial number Certificate thumbprint Certificate alternate names";
/// The context of form C after the type.
pub const LABELS_C: &[u8] =
    b" Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names";
/// The contexts of the attribute rows of form A, in order.
pub const LABELS_A: [&[u8]; 5] = [
    b"Certificate subject",
    b"Certificate issuer name",
    b"Certificate serial number",
    b"Certificate thumbprint",
    b"Certificate alternate names",
];

/// One certificate, with its data fields ready to be appended (quoted where CSV asks for it).
#[derive(Debug, Clone)]
pub struct Certificate {
    /// SHA-1, 40 upper-case hexadecimal digits.
    pub thumbprint: String,
    /// Subject as .NET prints it.
    pub subject: String,
    /// Issuer as .NET prints it.
    pub issuer: String,
    /// Hexadecimal digits.
    pub serial: String,
    /// First and last moment of its life.
    pub life: (i64, i64),
    /// CN if it is a DNS name, then the subject alternative names.
    pub names: Vec<String>,
    /// From when on the tenant's inbound connector knows one of the names: `i64::MIN` always,
    /// `i64::MAX` never.
    pub accepted_from: i64,
    pub(super) fields_a: [Vec<u8>; 5],
    pub(super) field_b: Vec<u8>,
    pub(super) field_c: Vec<u8>,
}

impl Certificate {
    /// A new certificate with a fresh serial number and thumbprint, valid for a year.
    pub fn mint(rng: &mut Rng, subject: &str, issuer: &str, names: &[String], from: i64) -> Self {
        let life = (from, from + 397 * DAY - 1000);
        Certificate::mint_for(rng, subject, issuer, names, life)
    }

    /// The same with a life of its own.
    pub fn mint_for(
        rng: &mut Rng,
        subject: &str,
        issuer: &str,
        names: &[String],
        life: (i64, i64),
    ) -> Self {
        let thumbprint = rng.hex(40);
        let serial = format!("0{}", rng.hex(31));
        let joined = names.join(";");
        let dates = format!("{} {}", rfc3339(life.0), rfc3339(life.1));
        let identity = format!(" {subject} {issuer} {serial} {thumbprint}");
        Certificate {
            fields_a: [subject, issuer, &serial, &thumbprint, &joined].map(field),
            field_b: field(&format!("{identity} {joined}")),
            field_c: field(&format!("{identity} {dates} {joined}")),
            thumbprint,
            serial,
            life,
            subject: subject.into(),
            issuer: issuer.into(),
            names: names.to_vec(),
            accepted_from: i64::MAX,
        }
    }

    /// The same subject, issuer and names with a new serial number: an ordinary renewal.
    pub fn renew(&self, rng: &mut Rng, from: i64) -> Self {
        let mut renewed = Certificate::mint(rng, &self.subject, &self.issuer, &self.names, from);
        renewed.accepted_from = self.accepted_from;
        renewed
    }
}

/// One CSV field as Exchange writes it: quoted only if it holds a comma or a quote.
pub fn field(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    append_field(&mut out, text.as_bytes());
    out
}

/// Appends one CSV field; see [`field`].
pub fn append_field(out: &mut Vec<u8>, bytes: &[u8]) {
    let quotes = bytes.contains(&b'"');
    if !quotes && !bytes.contains(&b',') {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    if quotes {
        for (at, part) in bytes.split(|byte| *byte == b'"').enumerate() {
            if at > 0 {
                out.extend_from_slice(b"\"\"");
            }
            out.extend_from_slice(part);
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'"');
}

/// True if an inbound connector's name stands for a certificate's name: equal without `*.`, or one
/// of them a wildcard over exactly one label of the other.
pub fn name_matches(connector: &str, name: &str) -> bool {
    let parent = |text: &str| text.split_once('.').map(|(_, rest)| rest.to_string());
    match (connector.strip_prefix("*."), name.strip_prefix("*.")) {
        (Some(left), Some(right)) => left == right,
        (None, None) => connector == name,
        (Some(left), None) => left == name || parent(name).as_deref() == Some(left),
        (None, Some(right)) => right == connector || parent(connector).as_deref() == Some(right),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_only_where_needed() {
        assert_eq!(field("a b"), b"a b");
        assert_eq!(field("a, \"b, c\" d"), b"\"a, \"\"b, c\"\" d\"");
    }

    #[test]
    fn names_match_over_one_label() {
        assert!(name_matches("*.contoso.com", "mail.contoso.com"));
        assert!(name_matches("contoso.com", "*.contoso.com"));
        assert!(name_matches("contoso.com", "contoso.com"));
        assert!(!name_matches("*.contoso.com", "a.b.contoso.com"));
        assert!(!name_matches("contoso.com", "mail.contoso.com"));
    }
}
