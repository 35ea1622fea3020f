//! What changed on a connector, and what it did to mail.

use super::page::{Page, Tone};
use super::report::Change;
use super::text::place;
use crate::escape::visible;
use crate::output::{count, listed};

/// Changes without effect that are listed; the rest is counted.
const QUIET_CHANGES: usize = 8;

/// Writes the findings: those with an effect in full, the others in a line each.
pub fn write(page: &mut Page, changes: &[Change]) {
    page.heading(2, "What changed");
    let (quiet, loud): (Vec<&Change>, Vec<&Change>) = changes
        .iter()
        .partition(|change| !change.breaking && change.severity == "info");
    for change in loud {
        let severity = match (change.breaking, change.is_open()) {
            (true, true) => page.tone(Tone::Bad, &format!("{}, breaks mail", change.severity)),
            (true, false) => page.tone(Tone::Warn, &format!("{}, broke mail", change.severity)),
            (false, _) => page.tone(Tone::Warn, &change.severity),
        };
        let what = title(change);
        page.line(
            4,
            &format!(
                "{}  {}  {what}  {severity}",
                change.found_at.second(),
                visible(&change.server)
            ),
        );
        values(page, change);
        page.wrapped(6, 2, &difference(change));
        if let Some(effect) = effect(change) {
            page.wrapped(6, 2, &effect);
        }
        if let Some(place) = place(change.path.as_deref(), change.line) {
            page.line(6, &format!("first seen {place}"));
        }
    }
    for change in quiet.iter().take(QUIET_CHANGES) {
        let detail = visible(&change.detail);
        let place = place(change.path.as_deref(), change.line).unwrap_or_default();
        let values = match &change.before {
            Some(before) => format!("{} -> {}", short(before), short(&change.after)),
            None => short(&change.after),
        };
        let head = format!(
            "{}  {}  {}",
            change.found_at.second(),
            visible(&change.server),
            title(change)
        );
        page.wrapped(4, 2, &format!("{head}  {values}: {detail}"));
        if !place.is_empty() {
            page.line(6, &place);
        }
    }
    if quiet.len() > QUIET_CHANGES {
        let more = quiet.len() - QUIET_CHANGES;
        page.line(
            4,
            &format!("... and {more} more without effect; relaydrift drift --logs PATH lists all"),
        );
    }
}

/// `certificate renamed`, `address moved, planned (CHG-123)`
fn title(change: &Change) -> String {
    let planned = planned(change).map_or(String::new(), |planned| format!(", {planned}"));
    let title = match change.kind.as_str() {
        "certificate" => format!("certificate {}", change.class),
        "egress" => format!("address {}", change.class),
        "tls" => format!("TLS {}", change.class),
        "peer" => format!("Exchange Online's certificate {}", change.class),
        kind => visible(kind).into_owned(),
    };
    title + &planned
}

/// `planned (CHG-123)`, where it was.
pub fn planned(change: &Change) -> Option<String> {
    let id = change.planned_change_id.as_deref()?;
    Some(format!("planned ({})", visible(id)))
}

/// What was and what is; what has no before is told by itself, and a silence by its sentence.
fn values(page: &mut Page, change: &Change) {
    let after = value(&change.after, change.after_subject.as_deref());
    match &change.before {
        _ if change.kind == "silence" => {}
        None => page.line(6, &after),
        Some(before) => {
            let before = value(before, change.before_subject.as_deref());
            page.line(6, &format!("before  {before}"));
            page.line(6, &format!("after   {after}"));
        }
    }
}

fn value(value: &str, subject: Option<&str>) -> String {
    let value = visible(value);
    match subject {
        Some(subject) => format!("{value}  {}", visible(subject)),
        None => value.into_owned(),
    }
}

fn short(value: &str) -> String {
    let value = visible(value).into_owned();
    if value.len() == 40 && value.is_ascii() {
        value[..8].to_string()
    } else {
        value
    }
}

/// What is different: the names, where before and after already say the rest.
pub fn difference(change: &Change) -> String {
    let names = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
    let (before, after) = (names(&change.before_names), names(&change.after_names));
    let missing = |from: &[String], other: &[String]| -> Vec<String> {
        let missing = from
            .iter()
            .filter(|n| !other.iter().any(|o| o.eq_ignore_ascii_case(n)));
        missing.cloned().collect()
    };
    let (gone, new) = (missing(&before, &after), missing(&after, &before));
    match change.class.as_str() {
        "renamed" if !gone.is_empty() && !new.is_empty() => {
            format!(
                "names gone: {}; names new: {}",
                listed(&gone, 6),
                listed(&new, 6)
            )
        }
        _ => visible(&change.detail).into_owned(),
    }
}

/// What the change did to mail, in a sentence.
pub fn effect(change: &Change) -> Option<String> {
    if !change.breaking {
        return (change.refused_after > 0 && change.is_change()).then(|| {
            format!(
                "{} refused afterwards, but not for it: mail was relayed first",
                count(change.refused_after, "recipient")
            )
        });
    }
    if change.is_foretold() {
        let text = "nothing refused so far, but no inbound connector matches it: mail to recipients outside will be";
        return Some(text.into());
    }
    let mut text = format!("{} refused", count(change.refused_after, "recipient"));
    if let (Some(first), Some(last)) = (change.first_refused, change.last_refused) {
        text += &format!(", first {}, last {}", first.second(), last.second());
    }
    text += &match change.last_good {
        Some(time) => format!("; last good {}", time.second()),
        None => "; never relayed before in these logs".into(),
    };
    if let Some(time) = change.relayed_again {
        text += &format!("; relayed again {}", time.second());
    } else if change.replaced {
        text += "; a later change took its place";
    }
    Some(text)
}
