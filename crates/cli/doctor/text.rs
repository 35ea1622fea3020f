//! The state of the logs for eyes: who wrote what, then what is wrong and what to do about it.

use super::Report;
use super::problems::Weight;
use crate::escape::visible;
use crate::output::{count, thousands};
use crate::page::{Page, Tone};
use crate::transcript::lasting;

/// Writes it.
pub fn write(page: &mut Page, report: &Report) {
    verdict(page, report);
    page.gap();
    page.heading(0, "What is there");
    let head = [
        "SERVER",
        "SERVICE",
        "FIRST ROW",
        "LAST ROW",
        "AGE",
        "HOURS",
        "ROWS",
        "FILES",
        "SIZE",
        "250 MB HOLD",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for place in &report.examined.places {
        let time =
            |time: Option<crate::ask::Time>| time.map_or("-".to_owned(), |time| time.minute());
        let age = place
            .last_row
            .map_or("-".to_owned(), |last| lasting(report.now.0 - last.0));
        let kept = place.kept_hours();
        let kept = kept.map_or("-".to_owned(), days);
        rows.push(vec![
            visible(&place.server).into_owned(),
            visible(&place.service).into_owned(),
            time(place.first_row),
            time(place.last_row),
            age,
            thousands(place.hours),
            thousands(place.rows),
            thousands(place.files),
            size(place.bytes),
            kept,
        ]);
    }
    page.columns(2, &rows);
    for (weight, title) in [
        (Weight::Error, "What cannot be seen"),
        (Weight::Warning, "What will be missed"),
        (Weight::Note, "Worth knowing"),
    ] {
        let problems: Vec<_> = report
            .problems
            .iter()
            .filter(|problem| problem.weight == weight)
            .collect();
        if problems.is_empty() {
            continue;
        }
        page.gap();
        page.heading(0, title);
        for problem in problems {
            let tone = match weight {
                Weight::Error => Some(Tone::Bad),
                Weight::Warning => Some(Tone::Warn),
                Weight::Note => None,
            };
            let text = visible(&problem.text);
            // The first words stand out, not all of a long text.
            let text = match (tone, text.split_once(": ")) {
                (Some(tone), Some((head, rest))) => format!("{}: {rest}", page.tone(tone, head)),
                _ => text.into_owned(),
            };
            page.wrapped(2, 2, &text);
            for step in &problem.steps {
                page.line(6, &visible(step));
            }
        }
    }
}

fn verdict(page: &mut Page, report: &Report) {
    let of = |weight| {
        report
            .problems
            .iter()
            .filter(|problem| problem.weight == weight)
            .count() as i64
    };
    let (errors, warnings) = (of(Weight::Error), of(Weight::Warning));
    let (word, tone, text) = match (errors, warnings) {
        (0, 0) => (
            "COMPLETE",
            Tone::Good,
            "nothing that these logs show is missing".to_owned(),
        ),
        (0, warnings) => (
            "GAPS",
            Tone::Warn,
            format!(
                "{} by which something will be missed",
                count(warnings, "problem")
            ),
        ),
        (errors, warnings) => (
            "BLIND SPOTS",
            Tone::Bad,
            format!(
                "{} that hide something, {} by which something will be missed",
                count(errors, "problem"),
                thousands(warnings)
            ),
        ),
    };
    let word = page.tone(tone, &format!("{word}:"));
    page.wrapped(0, 0, &format!("{word} {text}"));
}

fn days(hours: i64) -> String {
    match hours {
        0..48 => count(hours, "hour"),
        48..17_520 => count(hours / 24, "day"),
        _ => "years".to_owned(),
    }
}

fn size(bytes: i64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", thousands((bytes + 999) / 1000)),
        _ => format!("{} MB", thousands(bytes / 1_000_000)),
    }
}
