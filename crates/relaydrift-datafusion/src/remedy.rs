//! What an administrator is told about a cause: texts with gaps, filled with the facts of an incident.
//!
//! A gap of prose, `{server}`, takes the fact as it is (whoever prints it escapes it). A gap of a command says
//! what may stand there, and takes nothing else: `{connector:ps}` quotes for PowerShell, `{thumbprint:hex}` takes
//! forty hex digits, `{addresses:ip}` addresses and networks, `{inbound_guid:guid}` a GUID. A fact that is not
//! there or not safe leaves a word in angle brackets for the administrator to fill.

mod texts;

use ipnet::IpNet;
use std::net::IpAddr;

use crate::powershell::{quoted, thumbprint};

pub use texts::{REMEDIES, Remedy};

/// Between the values of a fact that has several.
pub const BETWEEN: char = '\u{1f}';

/// The texts of a cause; those of `unknown` for one that has none.
pub fn remedy(cause: &str) -> &'static Remedy {
    let of = |cause: &str| REMEDIES.iter().find(|remedy| remedy.cause == cause);
    // `unknown` is in the list; a test holds it there.
    of(cause).or_else(|| of("unknown")).unwrap_or(&REMEDIES[0])
}

/// The text of a part of a cause's remedy with its gaps filled from `facts`, each `name=value`.
pub fn told(cause: &str, part: &str, facts: &[String]) -> Option<String> {
    let remedy = remedy(cause);
    let text = match part {
        "title" => remedy.title,
        "explanation" => remedy.explanation,
        "fix" => remedy.fix,
        "verify" => remedy.verify,
        "rollback" => remedy.rollback,
        "link" => remedy.link,
        _ => return None,
    };
    Some(fill(text, facts))
}

/// The text with every gap filled.
fn fill(text: &str, facts: &[String]) -> String {
    let mut filled = String::with_capacity(text.len() + 256);
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, gap) = rest.split_at(open);
        filled.push_str(before);
        match gap
            .find('}')
            .and_then(|close| Some((close, gap_of(&gap[1..close])?)))
        {
            Some((close, (name, kind))) => {
                filled.push_str(&value(name, kind, facts));
                rest = &gap[close + 1..];
            }
            // A brace of PowerShell.
            None => {
                filled.push('{');
                rest = &gap[1..];
            }
        }
    }
    filled.push_str(rest);
    filled
}

/// `name` or `name:kind`; nothing for text that only stands in braces.
fn gap_of(text: &str) -> Option<(&str, &str)> {
    let (name, kind) = text.split_once(':').unwrap_or((text, ""));
    let named = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (named && ["", "ps", "hex", "ip", "guid"].contains(&kind)).then_some((name, kind))
}

fn value(name: &str, kind: &str, facts: &[String]) -> String {
    let fact = facts
        .iter()
        .find_map(|fact| fact.strip_prefix(name)?.strip_prefix('='));
    let values = || {
        fact.unwrap_or_default()
            .split(BETWEEN)
            .filter(|value| !value.is_empty())
    };
    let list = |one: fn(&str) -> Option<String>| {
        let all: Option<Vec<String>> = values().map(one).collect();
        all.filter(|all| !all.is_empty()).map(|all| all.join(","))
    };
    let filled = match kind {
        "ps" => list(quoted),
        "hex" => values().next().and_then(thumbprint).map(str::to_string),
        "ip" => list(network),
        "guid" => values().next().and_then(guid),
        _ => Some(values().collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty()),
    };
    filled.unwrap_or_else(|| match kind {
        "" => "(not known)".to_string(),
        "hex" => "<thumbprint>".to_string(),
        "guid" => "'<guid>'".to_string(),
        _ => format!("'<{}>'", name.replace('_', " ")),
    })
}

/// An address or a network in quotes, spelled anew: nothing else gets into a command.
fn network(text: &str) -> Option<String> {
    let address = text.parse::<IpAddr>().map(|ip| ip.to_string());
    let text = address.or_else(|_| text.parse::<IpNet>().map(|net| net.to_string()));
    text.ok().map(|text| format!("'{text}'"))
}

fn guid(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths = groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]);
    let hex = groups
        .iter()
        .all(|group| group.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (lengths && hex).then(|| format!("'{text}'"))
}

#[cfg(test)]
mod tests;
