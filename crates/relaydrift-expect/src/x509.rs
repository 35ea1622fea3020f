//! A certificate out of DER or PEM, its parts spelled as Exchange's logs spell them.
//!
//! Exchange prints what .NET's `X500DistinguishedName` says: the encoded order reversed, parts joined by
//! `, `, attributes of one part by ` + `, values with special characters in double quotes, `S` for the
//! state and `E` for the mail address, `OID.1.2.3` for types without a short name.

use std::borrow::Cow;

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};
use x509_parser::public_key::PublicKey;

/// A certificate that was read; its parts are worked out when they are asked for.
#[derive(Debug)]
pub struct Certificate<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
}

/// The public key of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// `RSA`, `EC`, `DSA`, `Ed25519`, `Ed448`, else the OID.
    pub algorithm: String,
    /// Bits of the modulus or of the curve; `None` where they are not known.
    pub bits: Option<u32>,
}

/// Where a certificate stands in a chain, as far as it says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainRole {
    /// It certifies a key that is no authority's.
    Leaf,
    /// An authority that another one certified.
    Intermediate,
    /// An authority that certified itself.
    Root,
}

impl ChainRole {
    /// `leaf`, `intermediate`, `root`.
    pub fn as_str(self) -> &'static str {
        match self {
            ChainRole::Leaf => "leaf",
            ChainRole::Intermediate => "intermediate",
            ChainRole::Root => "root",
        }
    }
}

impl<'a> Certificate<'a> {
    /// Reads DER; bytes after the certificate are left alone. `None` where it is no certificate.
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        let der = &der[..der.len() - rest.len()];
        Some(Certificate { der, parsed })
    }

    /// The subject, most specific part first.
    pub fn subject(&self) -> String {
        name(self.parsed.subject())
    }

    /// The issuer, most specific part first.
    pub fn issuer(&self) -> String {
        name(self.parsed.issuer())
    }

    /// The serial number in upper-case hex, as encoded.
    pub fn serial(&self) -> String {
        hex(self.parsed.raw_serial())
    }

    /// SHA-1 over the certificate, in upper-case hex.
    pub fn thumbprint(&self) -> String {
        // The logs and every administrator's tool know certificates by it; nothing is proved with it.
        hex(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, self.der).as_ref())
    }

    /// SHA-256 over the certificate, in upper-case hex.
    pub fn sha256(&self) -> String {
        hex(ring::digest::digest(&ring::digest::SHA256, self.der).as_ref())
    }

    /// Microseconds since 1970.
    pub fn not_before(&self) -> i64 {
        self.parsed.validity().not_before.timestamp() * 1_000_000
    }

    /// Microseconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.parsed.validity().not_after.timestamp() * 1_000_000
    }

    /// The common name where it is a DNS name, then the DNS names, each once.
    pub fn names(&self) -> Vec<String> {
        let common = self.parsed.subject().iter_common_name().last();
        let common = common
            .and_then(|name| name.as_str().ok())
            .filter(|name| is_dns_name(name));
        let mut names: Vec<String> = common.map(str::to_string).into_iter().collect();
        let extension = self.parsed.subject_alternative_name().ok().flatten();
        for name in extension
            .iter()
            .flat_map(|extension| &extension.value.general_names)
        {
            if let GeneralName::DNSName(name) = name
                && !names.iter().any(|known| known.eq_ignore_ascii_case(name))
            {
                names.push(name.to_string());
            }
        }
        names
    }

    /// Kind and size of the public key.
    pub fn key(&self) -> Key {
        let info = self.parsed.public_key();
        let oid = info.algorithm.algorithm.to_id_string();
        let bits = match info.parsed() {
            Ok(PublicKey::RSA(key)) => bits(key.modulus),
            Ok(PublicKey::EC(_)) => {
                let curve = info.algorithm.parameters.as_ref();
                let curve = curve.and_then(|curve| curve.as_oid().ok());
                curve.and_then(|curve| curve_bits(&curve.to_id_string()))
            }
            _ => None,
        };
        let (algorithm, known) = match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => ("RSA", None),
            "1.2.840.10045.2.1" => ("EC", None),
            "1.2.840.10040.4.1" => ("DSA", None),
            "1.3.101.112" => ("Ed25519", Some(256)),
            "1.3.101.113" => ("Ed448", Some(456)),
            other => (other, None),
        };
        Key {
            algorithm: algorithm.to_owned(),
            bits: bits.or(known),
        }
    }

    /// Whether it may be used as a client: true without an extended key usage.
    pub fn client_auth(&self) -> bool {
        match self.parsed.extended_key_usage() {
            Ok(Some(usage)) => usage.value.client_auth || usage.value.any,
            _ => true,
        }
    }

    /// Whether subject and issuer are the same.
    pub fn self_signed(&self) -> bool {
        self.parsed.subject().as_raw() == self.parsed.issuer().as_raw()
    }

    /// Where it stands in a chain.
    pub fn chain_role(&self) -> ChainRole {
        match (self.parsed.is_ca(), self.self_signed()) {
            (false, _) => ChainRole::Leaf,
            (true, false) => ChainRole::Intermediate,
            (true, true) => ChainRole::Root,
        }
    }
}

/// DER as it is, or out of the first certificate of a PEM text.
pub fn der(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.first() == Some(&0x30) {
        return Some(bytes.into());
    }
    let (_, pem) = x509_parser::pem::parse_x509_pem(bytes).ok()?;
    Some(pem.contents.into())
}

/// Whether a text can be the name of a host, or of hosts (`*.contoso.com`).
pub(crate) fn is_dns_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    name.contains('.') && name.split('.').all(label)
}

/// Upper-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Bits of a positive number.
fn bits(number: &[u8]) -> Option<u32> {
    let at = number.iter().position(|byte| *byte != 0)?;
    let rest = u32::try_from(number.len() - at).ok()?;
    rest.checked_mul(8)?.checked_sub(number[at].leading_zeros())
}

fn curve_bits(oid: &str) -> Option<u32> {
    Some(match oid {
        "1.2.840.10045.3.1.7" | "1.3.36.3.3.2.8.1.1.7" | "1.3.132.0.10" => 256,
        "1.2.840.10045.3.1.1" => 192,
        "1.3.132.0.33" => 224,
        "1.3.132.0.34" | "1.3.36.3.3.2.8.1.1.11" => 384,
        "1.3.132.0.35" => 521,
        "1.3.36.3.3.2.8.1.1.13" => 512,
        _ => return None,
    })
}

fn name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_rdn()
        .map(|part| {
            let attribute = |one: &x509_parser::x509::AttributeTypeAndValue<'_>| {
                let oid = one.attr_type().to_id_string();
                let value = match one.as_str() {
                    Ok(value) => quoted(value),
                    Err(_) => utf16(one.as_slice()).map_or_else(
                        || format!("#{}", hex(one.as_slice())),
                        |value| quoted(&value),
                    ),
                };
                match short(&oid) {
                    Some(kind) => format!("{kind}={value}"),
                    None => format!("OID.{oid}={value}"),
                }
            };
            part.iter().map(attribute).collect::<Vec<_>>().join(" + ")
        })
        .collect();
    parts.reverse();
    parts.join(", ")
}

/// A BMPString: two bytes a character.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    String::from_utf16(
        &pairs
            .iter()
            .map(|pair| u16::from_be_bytes(*pair))
            .collect::<Vec<_>>(),
    )
    .ok()
}

fn quoted(value: &str) -> String {
    let special = |c| matches!(c, ',' | '+' | '=' | '"' | '\n' | '<' | '>' | '#' | ';');
    if value.is_empty() || value.contains(special) || value.starts_with(' ') || value.ends_with(' ')
    {
        return format!("\"{}\"", value.replace('"', "\"\""));
    }
    value.to_string()
}

fn short(oid: &str) -> Option<&'static str> {
    Some(match oid {
        "2.5.4.3" => "CN",
        "2.5.4.4" => "SN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "S",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.12" => "T",
        "2.5.4.13" => "Description",
        "2.5.4.17" => "PostalCode",
        "2.5.4.42" => "G",
        "2.5.4.43" => "I",
        "0.9.2342.19200300.100.1.25" => "DC",
        "1.2.840.113549.1.9.1" => "E",
        _ => return None,
    })
}
