//! The one sentence that an administrator reads first.

use std::collections::{BTreeMap, BTreeSet};

use super::ask::Time;
use super::report::{Change, Cloud, Extent, Refused, State, Verdict};
use crate::escape::visible;
use crate::output::{count, listed};

/// Weighs the findings at or after `since`; older ones are history and change nothing.
pub fn verdict(connectors: &[Cloud], extent: &Extent, since: Option<Time>) -> Verdict {
    let inside = |time: Time| since.is_none_or(|since| time >= since);
    let all = || connectors.iter().flat_map(|cloud| &cloud.changes);
    let changes: Vec<&Change> = all().filter(|change| inside(change.found_at)).collect();
    let breaking: Vec<&Change> = changes
        .iter()
        .copied()
        .filter(|change| change.breaking)
        .collect();
    // What is refused now is said first, however long ago it began.
    let open: Vec<&Change> = all().filter(|change| change.is_open()).collect();
    let unexplained: Vec<&Refused> = connectors
        .iter()
        .flat_map(|cloud| &cloud.refused)
        .filter(|refused| inside(refused.last_refused))
        .filter(|refused| !all().any(|change| explains(change, refused)))
        .collect();
    let (over, still): (Vec<&Refused>, Vec<&Refused>) = unexplained
        .into_iter()
        .partition(|refused| refused.is_over(extent.last_row));
    let (state, text) = if connectors.is_empty() {
        let text = "No connector toward Exchange Online in these logs: there is nothing to judge.";
        (State::NoCloudConnector, text.to_string())
    } else if !open.is_empty() {
        let older = !open.iter().any(|change| inside(change.found_at));
        let note = if older {
            " It began before --since."
        } else {
            ""
        };
        (State::Breaking, broken(&open) + note)
    } else if !still.is_empty() {
        (State::Refused, without_change(&still, &changes))
    } else if !breaking.is_empty() {
        (State::Repaired, repaired(&breaking))
    } else if !over.is_empty() {
        (State::Repaired, passed(&over))
    } else if !changes.is_empty() {
        (State::Changed, changed(&changes, since))
    } else {
        (State::NoDrift, unchanged(connectors, extent, since))
    };
    Verdict {
        state,
        text,
        breaking: breaking.len(),
        since,
    }
}

fn broken(open: &[&Change]) -> String {
    if open.iter().all(|change| change.is_foretold()) {
        return format!(
            "BREAKING: what is presented after a change on {} matches no inbound connector of the tenant; nothing is refused so far.",
            listed(&places(open), 3)
        );
    }
    let refused: i64 = open.iter().map(|change| change.refused_after).sum();
    let recipients = count(refused, "recipient");
    let since = open.iter().filter_map(|change| change.first_refused).min();
    let since = since.map_or(String::new(), |time| {
        format!(" since {} UTC", time.minute())
    });
    let one_cause = open.windows(2).all(|pair| {
        pair[0].connector_id == pair[1].connector_id
            && pair[0].kind == pair[1].kind
            && pair[0].class == pair[1].class
    });
    if one_cause {
        let change = open[0];
        let subject = on(
            &change.connector_id,
            open.iter().map(|change| change.server.as_str()),
        );
        let does = match (change.kind.as_str(), change.class.as_str()) {
            ("certificate", "flapping") => {
                "switches between certificates, and Exchange Online refuses mail"
            }
            ("certificate", "missing") => "sends no certificate, and Exchange Online refuses mail",
            ("certificate", "diverged") => "is refused while its siblings are not",
            ("certificate", _) => "presents a certificate that Exchange Online refuses",
            ("tls", "intercepted") => {
                "speaks to a box in between, and Exchange Online refuses mail"
            }
            ("tls", _) => "lost its TLS, and Exchange Online refuses mail",
            (_, "flapping") => "switches between addresses, and Exchange Online refuses mail",
            _ => "comes from an address that Exchange Online refuses",
        };
        return format!("BREAKING: {subject} {does}{since}: {recipients} refused so far.");
    }
    format!(
        "BREAKING: Exchange Online refuses mail{since} after a change on {}: {recipients} refused so far.",
        listed(&places(open), 3)
    )
}

/// The findings by connector and kind: `'Outbound' on EX01 and EX02 (certificate)`.
fn places(changes: &[&Change]) -> Vec<String> {
    let mut places: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    for change in changes {
        places
            .entry((&change.connector_id, kind(change)))
            .or_default()
            .push(&change.server);
    }
    let place = |((connector, kind), servers)| format!("{} ({kind})", on(connector, servers));
    places.into_iter().map(place).collect()
}

fn repaired(breaking: &[&Change]) -> String {
    if breaking.iter().all(|change| change.is_foretold()) {
        return format!(
            "REPAIRED: what was presented after a change on {} matched no inbound connector of the tenant; a later change \
             took its place, and nothing was refused for it.",
            listed(&places(breaking), 3)
        );
    }
    let refused: i64 = breaking.iter().map(|change| change.refused_after).sum();
    let recipients = count(refused, "recipient");
    let again = breaking
        .iter()
        .filter_map(|change| change.relayed_again)
        .max();
    let end = again.map_or_else(
        || "no mail is refused for it now".to_string(),
        |time| format!("mail is relayed again since {} UTC", time.minute()),
    );
    format!(
        "REPAIRED: Exchange Online refused {recipients} after a change on {}; {end}. What was refused must be sent again.",
        listed(&places(breaking), 3)
    )
}

/// Whether the refusals belong to a change that broke mail: the same server showed both.
fn explains(change: &Change, refused: &Refused) -> bool {
    change.breaking
        && refused.is_attribution()
        && change.organization == refused.organization
        && change.connector_id == refused.connector_id
        && change.server == refused.server
        && change
            .last_refused
            .is_some_and(|last| last >= refused.last_refused)
}

/// Refusals that no change explains, while they last.
fn without_change(still: &[&Refused], changes: &[&Change]) -> String {
    let began = match changes.is_empty() {
        true => "No drift",
        false => "No breaking change",
    };
    let first = still.iter().map(|refused| refused.first_refused).min();
    let since = first.map_or(String::new(), |time| {
        format!(" since {} UTC", time.minute())
    });
    let why = match reasons(still) {
        Some(reasons) => format!(". {reasons}."),
        None if changes.is_empty() => " while certificate and address stayed as they were.".into(),
        None => ".".into(),
    };
    format!(
        "{began}, but mail is refused{since}: Exchange Online turned away {}{why}",
        recipients(still)
    )
}

/// Refusals that no change explains, after they have ended.
fn passed(over: &[&Refused]) -> String {
    let again = over
        .iter()
        .filter_map(|refused| refused.relayed_again)
        .max();
    let since = again.map_or(String::new(), |time| {
        format!(" since {} UTC", time.minute())
    });
    let why = reasons(over).unwrap_or_else(|| "No change explains it".into());
    let resend = match over.iter().any(|refused| refused.is_bounced()) {
        true => " What bounced must be sent again.",
        false => "",
    };
    format!(
        "REPAIRED: Exchange Online turned away {}; mail is relayed again{since}. {why}.{resend}",
        recipients(over)
    )
}

/// What answers say that are not about attribution.
fn reasons(refused: &[&Refused]) -> Option<String> {
    let titles = refused.iter().filter_map(|one| one.title.as_deref());
    let titles: BTreeSet<String> = titles.map(|title| visible(title).into_owned()).collect();
    let titles: Vec<String> = titles.into_iter().collect();
    (!titles.is_empty()).then(|| listed(&titles, 3))
}

/// `12 recipients of 'Outbound' on EX01 and EX02`
fn recipients(refused: &[&Refused]) -> String {
    let mut servers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in refused {
        servers
            .entry(&one.connector_id)
            .or_default()
            .push(&one.server);
    }
    let places = servers
        .into_iter()
        .map(|(connector, servers)| on(connector, servers));
    let total = refused.iter().map(|one| one.refused).sum();
    format!(
        "{} of {}",
        count(total, "recipient"),
        listed(&places.collect::<Vec<_>>(), 3)
    )
}

fn changed(changes: &[&Change], since: Option<Time>) -> String {
    let risky = changes
        .iter()
        .filter(|change| change.severity != "info")
        .count();
    let risk = match risky {
        0 => "none is a risk".to_string(),
        1 => "one of them is a risk".to_string(),
        risky => format!("{risky} of them are a risk"),
    };
    let since = since.map_or(String::new(), |since| {
        format!(" since {} UTC", since.minute())
    });
    let noun = match changes.iter().all(|change| change.is_change()) {
        true => "change",
        false => "finding",
    };
    let number = count(changes.len() as i64, noun);
    format!(
        "No breaking change{since}: {number} toward Exchange Online, nothing refused for it; {risk}."
    )
}

fn unchanged(connectors: &[Cloud], extent: &Extent, since: Option<Time>) -> String {
    let mut servers: Vec<&str> = connectors
        .iter()
        .flat_map(|cloud| &cloud.presented)
        .map(|presented| presented.server.as_str())
        .collect();
    servers.sort_unstable();
    servers.dedup();
    let from = since
        .or(extent.first_row)
        .map_or(String::new(), |time| time.minute());
    let to = extent.last_row.map_or(String::new(), |time| time.minute());
    format!(
        "No drift: {} toward Exchange Online on {} presented the same certificates and addresses from {from} to {to} UTC, \
         and nothing was refused for them.",
        count(connectors.len() as i64, "connector"),
        count(servers.len() as i64, "server"),
    )
}

fn kind(change: &Change) -> &'static str {
    match change.kind.as_str() {
        "certificate" => "certificate",
        "egress" => "address",
        "tls" => "TLS",
        "peer" => "certificate of Exchange Online",
        _ => "silence",
    }
}

/// `'Outbound' on EX01, EX02`
fn on<'a>(connector: &str, servers: impl IntoIterator<Item = &'a str>) -> String {
    let mut servers: Vec<&str> = servers.into_iter().collect();
    servers.sort_unstable();
    servers.dedup();
    format!("'{}' on {}", visible(connector), listed(&servers, 4))
}
