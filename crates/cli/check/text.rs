//! The report for eyes: the verdict, then each cloud connector, then the rest in few lines.

use super::page::{Page, Tone};
use super::report::{Cloud, Connector, Refused, Report, State};
use super::{changed, present, read};
use crate::diagnose::{self, incident};
use crate::escape::visible;
use crate::output::count;
use crate::output::shorten;

/// Answers that are listed.
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
    let unread = report.skipped.iter().filter(|file| file.error).count();
    if unread > 0 {
        let files = count(unread as i64, "file");
        let text =
            format!("{files} could not be read (see the end): this is what the others tell.");
        page.wrapped(0, 0, &page.tone(Tone::Bad, &text));
    }
    for cloud in &report.connectors {
        page.gap();
        connector(page, cloud);
    }
    present::certificates(page, &report.connectors, report.extent.last_row);
    others(page, report);
    read::write(page, report);
    if let Some(rows) = &report.diagnosis {
        page.gap();
        page.heading(0, "Expected against observed");
        diagnose::text::write(page, &incident::gathered(rows.clone()), 0, false);
    }
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
        changed::write(page, &cloud.changes);
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

/// A role and what it means.
pub fn role(role: &str) -> String {
    match role {
        "cloud_hybrid" => "cloud_hybrid: mail to the tenant's own domains".into(),
        "cloud_relay" => "cloud_relay: mail to the world through Exchange Online".into(),
        other => visible(other).into_owned(),
    }
}

fn refused(page: &mut Page, refused: &[Refused]) {
    page.heading(2, "What was refused");
    for answer in refused.iter().take(LISTED) {
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
        page.wrapped(6, 2, &reply(answer));
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

/// `550 5.7.64 TenantAttribution; Relay Access Denied`
pub fn reply(answer: &Refused) -> String {
    let code = answer.code.map_or(String::new(), |code| code.to_string());
    let enhanced = answer.enhanced.as_deref().map_or("".into(), visible);
    let text = answer.text.as_deref().map_or("".into(), visible);
    // The text of a reply may repeat its codes.
    match text.starts_with(&code) && !code.is_empty() {
        true => text.into_owned(),
        false if !enhanced.is_empty() && text.starts_with(&*enhanced) => format!("{code} {text}"),
        false => format!("{code} {enhanced} {text}"),
    }
}

/// `path:line`
pub fn place(path: Option<&str>, line: Option<i64>) -> Option<String> {
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
