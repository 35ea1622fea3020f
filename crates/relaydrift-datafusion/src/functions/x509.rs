//! A certificate out of DER or PEM, its parts spelled as Exchange's logs spell them.
//!
//! Exchange prints what .NET's `X500DistinguishedName` says: the encoded order reversed, parts joined by
//! `, `, attributes of one part by ` + `, values with special characters in double quotes, `S` for the
//! state and `E` for the mail address, `OID.1.2.3` for types without a short name.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::Result;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

use super::scalar::TEXT;

/// A certificate that was read.
pub(super) struct Certificate<'a> {
    der: &'a [u8],
    parsed: X509Certificate<'a>,
}

/// The argument lists of functions over certificates.
pub(super) fn certificate_types() -> Vec<Vec<DataType>> {
    vec![vec![TEXT], vec![DataType::Binary]]
}

/// Applies `kernel` to every certificate; NULL where there is none.
pub(super) fn each_certificate<T, A: FromIterator<Option<T>> + Array + 'static>(
    values: &ArrayRef,
    kernel: impl Fn(Certificate<'_>) -> Option<T>,
) -> Result<ArrayRef> {
    let value = |bytes: Option<&[u8]>| {
        let der = der(bytes?)?;
        kernel(Certificate::parse(&der)?)
    };
    Ok(match values.as_binary_opt::<i32>() {
        Some(values) => Arc::new(values.iter().map(value).collect::<A>()),
        None => {
            let texts = values.as_string::<i32>().iter();
            Arc::new(
                texts
                    .map(|text| value(text.map(str::as_bytes)))
                    .collect::<A>(),
            )
        }
    })
}

/// The names of every certificate, as lists.
pub(super) fn each_names(values: &ArrayRef) -> Result<ArrayRef> {
    let names = each_certificate::<_, StringArray>(values, |certificate| {
        Some(certificate.names().join("\n"))
    })?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    for names in names.as_string::<i32>() {
        match names {
            Some(names) => {
                names
                    .lines()
                    .for_each(|name| lists.values().append_value(name));
                lists.append(true);
            }
            None => lists.append(false),
        }
    }
    Ok(Arc::new(lists.finish()))
}

/// A time of every certificate.
pub(super) fn each_time(
    values: &ArrayRef,
    time: impl Fn(Certificate<'_>) -> i64,
) -> Result<ArrayRef> {
    let times = each_certificate::<_, TimestampMicrosecondArray>(values, |certificate| {
        Some(time(certificate))
    })?;
    let times = times.as_primitive::<TimestampMicrosecondType>().clone();
    Ok(Arc::new(times.with_timezone("UTC")))
}

impl<'a> Certificate<'a> {
    fn parse(der: &'a [u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        let der = &der[..der.len() - rest.len()];
        Some(Certificate { der, parsed })
    }

    pub(super) fn subject(&self) -> String {
        name(self.parsed.subject())
    }

    pub(super) fn issuer(&self) -> String {
        name(self.parsed.issuer())
    }

    pub(super) fn serial(&self) -> String {
        hex(self.parsed.raw_serial())
    }

    pub(super) fn thumbprint(&self) -> String {
        // The logs and every administrator's tool know certificates by it; nothing is proved with it.
        hex(ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, self.der).as_ref())
    }

    /// Microseconds since 1970.
    pub(super) fn not_before(&self) -> i64 {
        self.parsed.validity().not_before.timestamp() * 1_000_000
    }

    /// Microseconds since 1970.
    pub(super) fn not_after(&self) -> i64 {
        self.parsed.validity().not_after.timestamp() * 1_000_000
    }

    pub(super) fn names(&self) -> Vec<String> {
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
}

/// DER as it is, or out of the first certificate of a PEM text.
fn der(bytes: &[u8]) -> Option<std::borrow::Cow<'_, [u8]>> {
    if bytes.first() == Some(&0x30) {
        return Some(bytes.into());
    }
    let (_, pem) = x509_parser::pem::parse_x509_pem(bytes).ok()?;
    Some(pem.contents.into())
}

fn is_dns_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    name.contains('.') && name.split('.').all(label)
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
