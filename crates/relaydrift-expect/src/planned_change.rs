//! Planned changes: what a change board agreed to, so that it is not told as an alarm.
//!
//! No cmdlet exports them: a person writes a table (CSV) or objects (JSON) with the properties
//! `connector`, `thumbprint` or `address`, `from`, `until` and `id`, in any order and case.

use std::net::IpAddr;

use relaydrift_parse::time;

use crate::property::{Properties, json_date};
use crate::{Problem, Wrong};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// One planned change: a certificate or an address that a connector may begin to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedChange {
    /// What the change board calls it: `CHG-123`.
    pub id: String,
    /// The send connector, as logs name it.
    pub connector: String,
    /// The new certificate: SHA-1 in upper-case hex.
    pub thumbprint: Option<String>,
    /// The new address, or the network it is one of.
    pub address: Option<String>,
    /// When it may begin: microseconds since 1970, like all times here.
    pub from: i64,
    /// When it must have begun, this microsecond included.
    pub until: i64,
}

impl PlannedChange {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let thumbprint = from.text("Thumbprint")?;
        let address = from.text("Address")?;
        if thumbprint.is_none() && address.is_none() {
            return Err(from.wrong("Thumbprint", Wrong::Neither { other: "Address" }));
        }
        let change = PlannedChange {
            id: from.some_text("Id")?,
            connector: from.some_text("Connector")?,
            thumbprint: thumbprint.map(|text| sha1(from, text)).transpose()?,
            address: address.map(|text| network(from, text)).transpose()?,
            from: moment(from, "From", 0)?,
            until: moment(from, "Until", DAY - 1)?,
        };
        match change.from <= change.until {
            true => Ok(change),
            false => Err(from.wrong(
                "Until",
                Wrong::Value {
                    value: from.some_text("Until")?,
                    wanted: "after its From",
                },
            )),
        }
    }
}

/// 40 hexadecimal digits, whatever stands between them.
fn sha1(from: &Properties<'_>, text: String) -> Result<String, Problem> {
    let separators = [' ', ':', '-', '\u{200e}'];
    let digits = text.replace(separators, "").to_ascii_uppercase();
    match digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(digits),
        false => Err(from.wrong(
            "Thumbprint",
            Wrong::Value {
                value: text,
                wanted: "a SHA-1 thumbprint, 40 hexadecimal digits as Get-ExchangeCertificate shows them",
            },
        )),
    }
}

/// An address or a CIDR network, as written.
fn network(from: &Properties<'_>, text: String) -> Result<String, Problem> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text.as_str(), None),
    };
    let fits = address.parse::<IpAddr>().is_ok_and(|address| {
        let longest = if address.is_ipv4() { 32 } else { 128 };
        length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= longest))
    });
    match fits {
        true => Ok(text),
        false => Err(from.wrong(
            "Address",
            Wrong::Value {
                value: text,
                wanted: "an address or a network: 203.0.113.10, 203.0.113.0/28",
            },
        )),
    }
}

/// A time in UTC unless it names its zone; of a date alone, so far into the day.
fn moment(from: &Properties<'_>, property: &'static str, into: i64) -> Result<i64, Problem> {
    let text = from.some_text(property)?;
    let read = |text: &str| time::parse(text.as_bytes());
    let spaced = text.replacen(' ', "T", 1);
    let found = read(&text)
        .or_else(|| json_date(&text))
        .or_else(|| match text.len() {
            10 => read(&format!("{text}T00:00:00Z"))?.checked_add(into),
            16 => read(&format!("{spaced}:00Z")),
            _ => read(&format!("{spaced}Z")),
        });
    found.ok_or_else(|| {
        from.wrong(
            property,
            Wrong::Value {
                value: text,
                wanted: "a time: 2026-10-05, 2026-10-05 18:00 (UTC) or 2026-10-05T18:00:00+02:00",
            },
        )
    })
}
