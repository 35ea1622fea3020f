//! The report for eyes: the verdict, then each cloud connector, then the rest in few lines.

use std::collections::BTreeMap;

use super::page::{Page, Tone};
use super::present;
use super::report::{Change, Cloud, Connector, Gap, Refused, Report, State};
use super::verdict::{count, listed};
use crate::escape::visible;
use crate::output::{shorten, thousands};

/// Changes without effect that are listed; the rest is counted.
const QUIET_CHANGES: usize = 8;
/// Hours without a log that are worth a line: quiet nights are shorter or known.
const LONG_GAP: i64 = 12;
/// Answers, gaps and files that are listed.
const LISTED: usize = 5;

/// Writes the whole report.
pub fn write(page: &mut Page, report: &Report) {
    let tone = match report.verdict.state {
        State::Breaking | State::Refused => Tone::Bad,
        State::Repaired | State::Changed | State::NoCloudConnector => Tone::Warn,
        State::NoDrift => Tone::Good,
    };
    let verdict = visible(&report.verdict.text).into_owned();
    match verdict.split_once(':') {
        Some((word, rest)) => {
            let word = page.tone(tone, &format!("{word}:"));
            page.wrapped(0, 0, &format!("{word}{rest}"));
        }
        None => page.wrapped(0, 0, &verdict),
    }
    for cloud in &report.connectors {
        page.gap();
        connector(page, cloud);
    }
    present::certificates(page, &report.connectors, report.extent.last_row);
    others(page, report);
    input(page, report);
}

fn connector(page: &mut Page, cloud: &Cloud) {
    let connector = &cloud.connector;
    let organization = match connector.organization.as_str() {
        "default" => String::new(),
        name => format!(" of {}", visible(name)),
    };
    page.heading(
        0,
        &format!("'{}'{organization}", visible(&connector.connector_id)),
    );
    let evidence = visible(&connector.evidence);
    page.wrapped(2, 2, &format!("{}; {evidence}", role(&connector.role)));
    page.gap();
    present::write(page, cloud);
    if !cloud.changes.is_empty() {
        page.gap();
        changes(page, &cloud.changes);
    }
    if !cloud.refused.is_empty() {
        page.gap();
        refused(page, &cloud.refused);
    }
    if !cloud.next_steps.is_empty() {
        page.gap();
        page.heading(2, "Next");
        for (at, step) in cloud.next_steps.iter().enumerate() {
            page.wrapped(4, 3, &format!("{}. {}", at + 1, step.text));
            if let Some(command) = &step.command {
                page.line(9, command);
            }
        }
    }
}

fn role(role: &str) -> String {
    match role {
        "cloud_hybrid" => "cloud_hybrid: mail to the tenant's own domains".into(),
        "cloud_relay" => "cloud_relay: mail to the world through Exchange Online".into(),
        other => visible(other).into_owned(),
    }
}

fn changes(page: &mut Page, changes: &[Change]) {
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
        page.line(
            6,
            &format!(
                "before  {}",
                value(change.before.as_deref(), change.before_subject.as_deref())
            ),
        );
        page.line(
            6,
            &format!(
                "after   {}",
                value(Some(&change.after), change.after_subject.as_deref())
            ),
        );
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
        let values = format!(
            "{} -> {}",
            short(change.before.as_deref()),
            short(Some(&change.after))
        );
        let head = format!(
            "{}  {}  {}",
            change.found_at.second(),
            visible(&change.server),
            title(change)
        );
        page.wrapped(4, 2, &format!("{head}  {values}: {detail}"));
        page.line(6, &place);
    }
    if quiet.len() > QUIET_CHANGES {
        let more = quiet.len() - QUIET_CHANGES;
        page.line(
            4,
            &format!("... and {more} more without effect; relaydrift drift --logs PATH lists all"),
        );
    }
}

/// `certificate renamed`, `address moved`
fn title(change: &Change) -> String {
    let kind = if change.kind == "certificate" {
        "certificate"
    } else {
        "address"
    };
    format!("{kind} {}", change.class)
}

fn value(value: Option<&str>, subject: Option<&str>) -> String {
    let value = value.map_or("unknown".into(), visible);
    match subject {
        Some(subject) => format!("{value}  {}", visible(subject)),
        None => value.into_owned(),
    }
}

fn short(value: Option<&str>) -> String {
    let value = value.map_or("unknown".into(), |value| visible(value).into_owned());
    if value.len() == 40 && value.is_ascii() {
        value[..8].to_string()
    } else {
        value
    }
}

/// What is different: the names, where before and after already say the rest.
fn difference(change: &Change) -> String {
    let names = |names: &Option<Vec<String>>| names.clone().unwrap_or_default();
    let (before, after) = (names(&change.before_names), names(&change.after_names));
    let missing = |from: &[String], other: &[String]| -> Vec<String> {
        let missing = from
            .iter()
            .filter(|n| !other.iter().any(|o| o.eq_ignore_ascii_case(n)));
        missing.map(|name| visible(name).into_owned()).collect()
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
fn effect(change: &Change) -> Option<String> {
    if !change.breaking {
        return (change.refused_after > 0).then(|| {
            format!(
                "{} refused afterwards, but not for it: mail was relayed first",
                count(change.refused_after, "recipient")
            )
        });
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

fn refused(page: &mut Page, refused: &[Refused]) {
    page.heading(2, "What was refused");
    for answer in refused.iter().take(LISTED) {
        let code = answer.code.map_or(String::new(), |code| code.to_string());
        let enhanced = answer.enhanced.as_deref().map_or("".into(), visible);
        let text = answer.text.as_deref().map_or("".into(), visible);
        // The text of a reply may repeat its codes.
        let reply = match text.starts_with(&code) && !code.is_empty() {
            true => text.into_owned(),
            false if !enhanced.is_empty() && text.starts_with(&*enhanced) => {
                format!("{code} {text}")
            }
            false => format!("{code} {enhanced} {text}"),
        };
        page.wrapped(
            4,
            2,
            &format!(
                "{} in {} on {}, first {}, last {}",
                count(answer.refused, "recipient"),
                count(answer.transactions, "message"),
                visible(&answer.server),
                answer.first_refused.second(),
                answer.last_refused.second()
            ),
        );
        page.wrapped(6, 2, &reply);
        let first = place(answer.first_path.as_deref(), answer.first_line);
        let last = place(answer.last_path.as_deref(), answer.last_line);
        if let Some(first) = &first {
            page.line(6, &format!("first {first}"));
        }
        if let Some(last) = last.filter(|last| Some(last) != first.as_ref()) {
            page.line(6, &format!("last  {last}"));
        }
    }
    if refused.len() > LISTED {
        let rest = &refused[LISTED..];
        let recipients = rest.iter().map(|answer| answer.refused).sum();
        page.line(
            4,
            &format!(
                "... and {} in {}",
                count(recipients, "recipient"),
                count(rest.len() as i64, "other answer")
            ),
        );
    }
}

fn place(path: Option<&str>, line: Option<i64>) -> Option<String> {
    match (path, line) {
        (Some(path), Some(line)) => Some(format!("{}:{line}", visible(path))),
        (Some(path), None) => Some(visible(path).into_owned()),
        _ => None,
    }
}

fn others(page: &mut Page, report: &Report) {
    if report.other_connectors.is_empty() {
        return;
    }
    page.gap();
    page.heading(0, "Other connectors (not judged)");
    let row = |connector: &Connector| {
        vec![
            shorten(&visible(&connector.connector_id), 40),
            visible(&connector.role).into_owned(),
            count(connector.servers, "server"),
            visible(&connector.evidence).into_owned(),
        ]
    };
    page.columns_cut(
        2,
        &report.other_connectors.iter().map(row).collect::<Vec<_>>(),
    );
}

fn input(page: &mut Page, report: &Report) {
    let extent = &report.extent;
    page.gap();
    page.heading(0, "Logs read");
    let range = match (extent.first_row, extent.last_row) {
        (Some(first), Some(last)) => format!(", {} to {} UTC", first.minute(), last.minute()),
        _ => String::new(),
    };
    page.wrapped(
        2,
        2,
        &format!(
            "{} of {}, {}{range}",
            count(extent.files as i64, "file"),
            count(extent.servers, "server"),
            count(extent.rows.unwrap_or(0), "row")
        ),
    );
    gaps(page, report);
    for rejects in report.rejects.iter().take(LISTED) {
        let place = place(rejects.path.as_deref(), rejects.line).unwrap_or_default();
        page.wrapped(
            2,
            2,
            &format!(
                "{} unreadable: {} (first {place})",
                count(rejects.lines, "line"),
                visible(&rejects.reason)
            ),
        );
    }
    if report.rejects.len() > LISTED {
        page.line(
            2,
            &format!("... and {} more reasons", report.rejects.len() - LISTED),
        );
    }
    if report.pending_bytes > 0 {
        let bytes = thousands(report.pending_bytes as i64);
        page.line(
            2,
            &format!("{bytes} bytes of last lines still without a line end: not read"),
        );
    }
    let (errors, foreign): (Vec<_>, Vec<_>) = report.skipped.iter().partition(|file| file.error);
    for file in errors {
        let text = format!(
            "CANNOT READ {}: {}",
            visible(&file.path),
            visible(&file.reason)
        );
        page.line(2, &page.tone(Tone::Bad, &text));
    }
    for file in foreign.iter().take(LISTED) {
        page.line(
            2,
            &format!(
                "left out {}: {}",
                visible(&file.path),
                visible(&file.reason)
            ),
        );
    }
    if foreign.len() > LISTED {
        page.line(
            2,
            &format!("... and {} more files left out", foreign.len() - LISTED),
        );
    }
    for notice in &report.notices {
        page.wrapped(2, 2, &visible(notice));
    }
}

/// A line per server that wrote nothing for hours on end; the hours of all others in one.
fn gaps(page: &mut Page, report: &Report) {
    let mut places: BTreeMap<(&str, &str), Vec<&Gap>> = BTreeMap::new();
    for gap in &report.gaps {
        places
            .entry((&gap.server, &gap.service))
            .or_default()
            .push(gap);
    }
    let hours = |gaps: &[&Gap]| gaps.iter().map(|gap| gap.hours).sum::<i64>();
    let mut long = Vec::new();
    let (mut short, mut short_hours) = (0, 0);
    for ((server, service), gaps) in places {
        match gaps.iter().max_by_key(|gap| gap.hours) {
            Some(longest) if longest.hours >= LONG_GAP => {
                long.push((hours(&gaps), server, service, *longest));
            }
            _ => {
                short += 1;
                short_hours += hours(&gaps);
            }
        }
    }
    long.sort_by_key(|(hours, ..)| -hours);
    for (hours, server, service, longest) in long.iter().take(LISTED) {
        page.wrapped(
            2,
            2,
            &format!(
                "no logs of {} ({}) for {}, longest {} to {}: no mail, logging off, or files missing?",
                visible(server),
                visible(service),
                count(*hours, "hour"),
                longest.first_hour.minute(),
                longest.last_hour.minute(),
            ),
        );
    }
    if long.len() > LISTED {
        page.line(
            2,
            &format!("... and hours without logs of {} more", long.len() - LISTED),
        );
    }
    if short > 0 {
        page.wrapped(
            2,
            2,
            &format!(
                "no logs for single hours ({} in all, none longer than {LONG_GAP}) of {}",
                thousands(short_hours),
                count(short, "server or service")
                    .replace("server or services", "servers or services")
            ),
        );
    }
}
