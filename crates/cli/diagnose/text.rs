//! Incidents for a person: what happened, since when, who is hit, why, what to do.

use super::incident::{Incident, Row, State};
use crate::escape::visible;
use crate::output::{count, listed};
use crate::page::{Page, Tone};

/// Servers that a sentence names.
pub const SERVERS: usize = 6;

/// The columns that labels take.
const LABEL: usize = 9;

/// The newest incident in full, the others in a line each; all of them in full where `whole`. `hidden`: how many
/// incidents the options leave out.
pub fn write(page: &mut Page, incidents: &[Incident], hidden: usize, whole: bool) {
    let Some((newest, others)) = incidents.split_first() else {
        let text = page.tone(Tone::Good, "GREEN");
        let text = match hidden {
            0 => format!("{text}  No incident: no mail was refused often enough to make one."),
            hidden => format!("{text}  No incident that fits; {}.", left_out(hidden)),
        };
        page.wrapped(0, 0, &text);
        return;
    };
    full(page, newest);
    if whole {
        for incident in others {
            page.gap();
            full(page, incident);
        }
    } else if !others.is_empty() {
        brief(page, others);
    }
    if hidden > 0 {
        page.gap();
        page.line(0, &left_out(hidden));
    }
}

/// `2 more incidents without --since, --until, --connector and --server`
fn left_out(hidden: usize) -> String {
    let incidents = count(hidden as i64, "more incident");
    format!("{incidents} without --since, --until, --connector and --server")
}

/// A line for each.
fn brief(page: &mut Page, others: &[Incident]) {
    page.gap();
    page.heading(
        0,
        "Before that (relaydrift diagnose --all, or --incident with the id)",
    );
    for incident in others {
        let (tone, label) = label(incident.state());
        let label = page.tone(tone, label);
        page.wrapped(
            0,
            2,
            &format!(
                "{} {label} {} since {}: {}, {}",
                &incident.uid[..8],
                place(incident),
                incident.first().first_refused.minute(),
                visible(&incident.first().title),
                count(incident.refused(), "recipient")
            ),
        );
    }
}

fn label(state: State) -> (Tone, &'static str) {
    match state {
        State::Open => (Tone::Bad, "RED open"),
        State::Recovering => (Tone::Warn, "YELLOW recovering"),
        State::Closed => (Tone::Good, "GREEN closed"),
        State::Historic => (Tone::Good, "GREEN historic"),
    }
}

fn place(incident: &Incident) -> String {
    format!(
        "'{}' on {}",
        visible(&incident.first().connector_id),
        listed(&incident.servers(), SERVERS)
    )
}

fn full(page: &mut Page, incident: &Incident) {
    let row = incident.first();
    let (tone, label) = label(incident.state());
    let label = page.tone(tone, label);
    page.line(
        0,
        &format!(
            "{label}  {} ({}, confidence {})",
            visible(&row.title),
            row.severity,
            row.confidence
        ),
    );
    entry(
        page,
        "Check",
        &format!("{}, incident {}", place(incident), &incident.uid[..8]),
    );
    entry(page, "Status", &status(incident));
    let planned = incident.planned();
    if !planned.is_empty() {
        let planned = listed(&planned, SERVERS);
        entry(
            page,
            "Planned",
            &format!("the change was planned ({planned}); it breaks mail all the same"),
        );
    }
    let spared = incident.spared();
    let detail = if spared.is_empty() {
        String::new()
    } else {
        format!("; not hit: {}", listed(&spared, SERVERS))
    };
    if incident.refused() > 0 {
        entry(
            page,
            "Detail",
            &format!(
                "{} ({}){detail}",
                incident.impact(),
                visible(&row.codes.clone().unwrap_or_default().join(", ")),
            ),
        );
    }
    let senders = incident.senders();
    if !senders.is_empty() {
        entry(page, "Senders", &senders);
    }
    let mut told = "";
    for row in &incident.rows {
        // What is true of all servers is told once.
        if row.explanation != told {
            let label = if told.is_empty() { "Why" } else { "" };
            entry(page, label, &visible(&row.explanation));
            told = &row.explanation;
        }
        evidence(page, row);
    }
    if let Some(ruled_out) = row.ruled_out.as_deref().filter(|text| !text.is_empty()) {
        entry(page, "Not it", &visible(ruled_out));
    }
    block(page, "Fix", &row.fix);
    entry(page, "Verify", &visible(&row.verify));
    block(page, "Undo", &row.rollback);
    entry(page, "More", &row.link);
}

fn status(incident: &Incident) -> String {
    let first = incident.first();
    let good = match first.last_good {
        Some(good) => format!("; last proved relay before {}", good.minute()),
        None => String::new(),
    };
    let again = incident
        .rows
        .iter()
        .filter_map(|row| row.relayed_again)
        .max();
    let end = match (incident.state(), again) {
        (State::Open, _) => format!("last seen {}", incident.last_refused().minute()),
        (_, Some(again)) => format!(
            "until {}, relayed again {}",
            incident.last_refused().minute(),
            again.minute()
        ),
        (_, None) => format!("until {}", incident.last_refused().minute()),
    };
    format!("since {} UTC, {end}{good}", first.first_refused.minute())
}

/// The deciding row as it stands in the log, and where.
fn evidence(page: &mut Page, row: &Row) {
    if let (Some(reply), Some(session)) = (&row.reply, &row.session_id) {
        page.wrapped(
            LABEL,
            2,
            &format!("\"{}\" (session {})", visible(reply), visible(session)),
        );
    }
    if let (Some(path), Some(line)) = (&row.path, row.line) {
        page.line(LABEL, &format!("{}:{line}", visible(path)));
    }
}

fn entry(page: &mut Page, label: &str, text: &str) {
    match label {
        "" => page.wrapped(LABEL, 0, text),
        label => page.wrapped(0, LABEL, &format!("{label:<LABEL$}{text}")),
    }
}

/// Commands: never wrapped, so that they can be copied.
fn block(page: &mut Page, label: &str, text: &str) {
    for (at, line) in text.lines().enumerate() {
        let label = if at == 0 { label } else { "" };
        page.line(0, &format!("{label:<LABEL$}{}", visible(line)));
    }
}
