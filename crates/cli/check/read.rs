//! What was read and what was not: hours without logs, unreadable lines, files left out.

use std::collections::BTreeMap;

use super::page::{Page, Tone};
use super::report::{Gap, Report};
use super::text::place;
use crate::escape::visible;
use crate::output::count;
use crate::output::thousands;

/// Hours without a log that are worth a line: quiet nights are shorter or known.
const LONG_GAP: i64 = 12;
/// Gaps, reasons and files that are listed.
const LISTED: usize = 5;

/// Writes it, whatever the verdict: an answer is as good as what it was made from.
pub fn write(page: &mut Page, report: &Report) {
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
                "no logs for {} (never {LONG_GAP} in a row) of {}",
                count(short_hours, "hour"),
                count(short, "service")
            ),
        );
    }
}
