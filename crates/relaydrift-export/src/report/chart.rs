//! The lanes in a terminal: the same letters and numbers as on the page.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Text;
use super::finding::{Finding, recipients};
use super::fold::{fold, lettered};
use super::lane::{Segment, segments};
use super::model::{Connector, Gap, Lane, Report, Span, Tone};
use super::picture::Canvas;
use super::time::{HOUR, day, range};

/// Server names are cut after this many characters.
const NAME: usize = 20;
/// Certificates below a picture.
const LEGEND: usize = 16;
/// Findings below a picture.
const FINDINGS: usize = 40;

/// How it is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Characters in a line.
    pub width: usize,
    /// Nothing but ASCII.
    pub ascii: bool,
    /// With colours of a terminal.
    pub colour: bool,
}

impl Style {
    fn pick(self, plain: char, ascii: char) -> char {
        if self.ascii { ascii } else { plain }
    }
}

/// Draws every connector of a report.
pub fn chart(report: &Report, style: Style) -> String {
    let canvas = Canvas::new(report);
    let mut text = String::new();
    for (connector, findings) in report.connectors.iter().zip(&canvas.findings) {
        let chart = Chart::new(&canvas, connector, style);
        chart.connector(&mut text, connector, findings);
    }
    if report.connectors.is_empty() {
        text.push_str("no connector toward Exchange Online\n");
    }
    match style.ascii {
        true => text.replace('…', "~").replace('→', ">"),
        false => text,
    }
}

/// One picture.
struct Chart<'a, 'c> {
    canvas: &'c Canvas<'a>,
    style: Style,
    /// Columns of names.
    names: usize,
    /// Columns of time.
    cells: usize,
}

/// A character with the number of its colour.
#[derive(Clone, Copy, PartialEq)]
struct Cell {
    shown: char,
    colour: Option<u8>,
}

const BLANK: Cell = Cell {
    shown: ' ',
    colour: None,
};
/// The colours of the page among the 256 of a terminal.
const COLOURS: [u8; 7] = [32, 214, 36, 175, 75, 227, 247];
const RED: u8 = 196;
const GREY: u8 = 244;

impl<'a, 'c> Chart<'a, 'c> {
    fn new(canvas: &'c Canvas<'a>, connector: &Connector, style: Style) -> Self {
        let names = connector.lanes.iter();
        let names = names.map(|lane| lane.server.chars().count()).max();
        let names = names.unwrap_or(0).clamp(7, NAME) + 3;
        Chart {
            canvas,
            style,
            names,
            cells: style.width.saturating_sub(names).max(20),
        }
    }

    fn connector(&self, text: &mut String, connector: &Connector, findings: &[Finding<'_>]) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&connector.name);
        if !connector.organization.is_empty() {
            push(text, format_args!(" of {}", connector.organization));
        }
        text.push('\n');
        self.line(text, "", &self.axis());
        let (shown, groups) = fold(self.canvas, connector, findings);
        for lane in &shown {
            self.lane(text, lane, findings);
        }
        for group in &groups {
            self.fitted(text, &format!("  {}", group.summary));
        }
        self.refused(text, &connector.lanes);
        self.legend(text, lettered(&shown, &groups));
        self.findings(text, findings);
    }

    /// Where a part of the axis lies.
    fn cell(&self, part: f64) -> usize {
        ((part * self.cells as f64) as usize).min(self.cells - 1)
    }

    fn axis(&self) -> Vec<Cell> {
        let mut cells = vec![BLANK; self.cells];
        let mut free = 0;
        for tick in self.canvas.axis.ticks() {
            let at = self.cell(self.canvas.axis.part(tick.at));
            let end = at + tick.label.chars().count();
            if at >= free && end <= self.cells {
                write_at(&mut cells, at, &tick.label, Some(GREY));
                free = end + 2;
            }
        }
        cells
    }

    fn lane(&self, text: &mut String, lane: &Lane, findings: &[Finding<'_>]) {
        let marks = self.marks(lane, findings);
        if marks.iter().any(|cell| *cell != BLANK) {
            self.line(text, "", &marks);
        }
        let name = format!("  {}", lane.server.shortened(NAME - 1));
        self.line(text, &name, &self.bar(lane));
        let addresses = self.addresses(lane);
        if addresses.iter().any(|cell| *cell != BLANK) {
            self.line(text, "", &addresses);
        }
    }

    /// Numbers of findings above the place where they happened.
    fn marks(&self, lane: &Lane, findings: &[Finding<'_>]) -> Vec<Cell> {
        let mut places: Vec<(usize, &Finding<'_>)> = Vec::new();
        let axis = &self.canvas.axis;
        for finding in findings {
            for change in &finding.changes {
                if change.server == lane.server && change.at >= axis.from && change.at <= axis.to {
                    places.push((self.cell(axis.part(change.at)), finding));
                }
            }
        }
        places.sort_by_key(|(at, finding)| (*at, finding.number));
        places.dedup_by_key(|(at, finding)| (*at, finding.number));
        let mut cells = vec![BLANK; self.cells];
        let mut free = 0;
        for (at, finding) in places {
            let label = finding.number.to_string();
            // Numbers that would cover each other move to the right, as far as there is room.
            let at = at.max(free).min(self.cells.saturating_sub(label.len()));
            if at >= free {
                let colour = (finding.tone() == Tone::Bad).then_some(RED);
                write_at(&mut cells, at, &label, colour);
                free = at + label.len() + 1;
            }
        }
        cells
    }

    fn bar(&self, lane: &Lane) -> Vec<Cell> {
        let mut cells = vec![BLANK; self.cells];
        let axis = &self.canvas.axis;
        for gap in &lane.gaps {
            let shown = match gap.logged {
                true => self.style.pick('·', '.'),
                false => self.style.pick('░', ':'),
            };
            let cell = Cell {
                shown,
                colour: Some(GREY),
            };
            if gap.to > axis.from && gap.from < axis.to {
                cells[self.cell(axis.part(gap.from))..=self.cell(axis.part(gap.to))].fill(cell);
            }
        }
        let narrow = 1.0 / self.cells as f64;
        for (segment, from, to) in self.pieces(&lane.certificates, &lane.gaps, narrow) {
            let one = segment.values[0];
            let letter = self.canvas.letters.letter(one);
            let colour = COLOURS[self.canvas.letters.colour(one) % COLOURS.len()];
            let (label, fill, colour) = match (segment.values.len(), letter.chars().next()) {
                (1, Some(first)) if letter.len() == 1 => (String::new(), first, colour),
                (1, _) => (letter, self.style.pick('─', '-'), colour),
                _ => (String::new(), '#', GREY),
            };
            let fill = Cell {
                shown: fill,
                colour: Some(colour),
            };
            cells[from..to].fill(fill);
            if label.len() <= to - from {
                write_at(&mut cells, from, &label, Some(colour));
            }
        }
        for span in &lane.certificates {
            let facts = self.canvas.certificate(&span.value);
            if let Some(end) = facts.and_then(|facts| facts.not_after)
                && end > axis.from
                && end < axis.to
                && span.from < end
            {
                cells[self.cell(axis.part(end))] = Cell {
                    shown: self.style.pick('┊', '!'),
                    colour: None,
                };
            }
        }
        cells
    }

    fn addresses(&self, lane: &Lane) -> Vec<Cell> {
        let mut cells = vec![BLANK; self.cells];
        let narrow = 8.0 / self.cells as f64;
        for (segment, from, to) in self.pieces(&lane.addresses, &lane.gaps, narrow) {
            let fill = Cell {
                shown: self.style.pick('─', '-'),
                colour: Some(GREY),
            };
            cells[from..to].fill(fill);
            let one = segment.values[0];
            let labels = match segment.values.len() {
                1 => vec![one.to_string()],
                count => vec![format!("{one} + {} more", count - 1), count.to_string()],
            };
            // A column that the next one may begin in and one more stay free: two never run into each other.
            let fits = |label: &String| label.chars().count() + 1 < to - from;
            if let Some(label) = labels.into_iter().find(fits) {
                write_at(&mut cells, from, &label, Some(GREY));
            }
        }
        cells
    }

    /// Segments and the columns that they touch, the longest first: where two share a column, the short
    /// one, which may have no other, is drawn over the long one.
    fn pieces<'s>(
        &self,
        spans: &'s [Span],
        gaps: &[Gap],
        narrow: f64,
    ) -> Vec<(Segment<'s>, usize, usize)> {
        let axis = &self.canvas.axis;
        let columns = |segment: Segment<'s>| {
            let from = self.cell(axis.part(segment.from));
            let to = (axis.part(segment.to) * self.cells as f64).ceil() as usize;
            (segment, from, to.clamp(from + 1, self.cells))
        };
        let segments = segments(spans, gaps, axis, narrow).into_iter();
        let mut pieces: Vec<_> = segments.map(columns).collect();
        pieces.sort_by_key(|(_, from, to)| Reverse(to - from));
        pieces
    }

    fn refused(&self, text: &mut String, lanes: &[Lane]) {
        let axis = &self.canvas.axis;
        let mut counts: BTreeMap<usize, i64> = BTreeMap::new();
        for one in lanes.iter().flat_map(|lane| &lane.refused) {
            if one.hour + HOUR > axis.from && one.hour < axis.to {
                *counts.entry(self.cell(axis.part(one.hour))).or_default() += one.recipients;
            }
        }
        let Some(most) = counts.values().copied().max() else {
            return;
        };
        let steps: Vec<char> = match self.style.ascii {
            true => ".:|#".chars().collect(),
            false => "▁▂▃▄▅▆▇█".chars().collect(),
        };
        let mut cells = vec![BLANK; self.cells];
        for (at, count) in &counts {
            let step = count * (steps.len() as i64 - 1) / most.max(1);
            cells[*at] = Cell {
                shown: usize::try_from(step)
                    .ok()
                    .and_then(|s| steps.get(s))
                    .copied()
                    .unwrap_or('#'),
                colour: Some(RED),
            };
        }
        self.line(text, "  refused", &cells);
        let all: i64 = counts.values().sum();
        self.fitted(
            text,
            &format!("  {}, at most {most} in a column", recipients(all)),
        );
    }

    fn legend<'l>(&self, text: &mut String, lanes: impl Iterator<Item = &'l Lane>) {
        let used = self.canvas.used(lanes);
        for thumbprint in used.iter().take(LEGEND) {
            let letter = self.canvas.letters.letter(thumbprint);
            let facts = self.canvas.certificate(thumbprint);
            let end = facts.and_then(|facts| facts.not_after);
            let end = end.map_or("end not logged".into(), |end| format!("until {}", day(end)));
            let short: String = thumbprint.chars().take(8).collect();
            let name = self.canvas.name(thumbprint);
            self.fitted(text, &format!("  {letter:<3} {short}  {name}  {end}"));
        }
        if used.len() > LEGEND {
            push(
                text,
                format_args!("  ... and {} more certificates\n", used.len() - LEGEND),
            );
        }
    }

    fn findings(&self, text: &mut String, findings: &[Finding<'_>]) {
        for finding in findings.iter().take(FINDINGS) {
            let first = finding.first();
            let mut servers: Vec<&Text> = finding.changes.iter().map(|c| &c.server).collect();
            servers.sort_unstable();
            servers.dedup();
            let servers = match servers.as_slice() {
                [one] => one.shortened(NAME),
                many => format!("{} servers", many.len()),
            };
            let when = range(first.at, finding.last());
            let (title, severity) = (finding.title(), finding.severity());
            let line = format!(
                "  {:<3} {when}  {servers}  {title}  {severity}",
                finding.number
            );
            self.fitted(text, &line);
        }
        if findings.len() > FINDINGS {
            push(
                text,
                format_args!("  ... and {} more findings\n", findings.len() - FINDINGS),
            );
        }
    }

    /// A line of words, cut where the terminal ends.
    fn fitted(&self, text: &mut String, line: &str) {
        text.push_str(&Text::from(line).shortened(self.style.width.saturating_sub(1)));
        text.push('\n');
    }

    /// A name and cells.
    fn line(&self, text: &mut String, name: &str, cells: &[Cell]) {
        let mut line = format!("{name:<width$}", width = self.names);
        let end = cells
            .iter()
            .rposition(|cell| *cell != BLANK)
            .map_or(0, |at| at + 1);
        let mut colour = None;
        for cell in &cells[..end] {
            if self.style.colour && cell.colour != colour {
                match cell.colour {
                    Some(number) => push(&mut line, format_args!("\x1b[38;5;{number}m")),
                    None => line.push_str("\x1b[0m"),
                }
                colour = cell.colour;
            }
            line.push(cell.shown);
        }
        if colour.is_some() {
            line.push_str("\x1b[0m");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

fn write_at(cells: &mut [Cell], at: usize, label: &str, colour: Option<u8>) {
    for (cell, shown) in cells.iter_mut().skip(at).zip(label.chars()) {
        *cell = Cell { shown, colour };
    }
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(part);
}
