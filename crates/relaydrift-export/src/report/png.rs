//! The lanes as a picture for mail: one SVG of fixed size, drawn to PNG.

use std::sync::Arc;

use askama::Template;
use resvg::usvg::{Options, Tree, fontdb::Database};
use resvg::{tiny_skia, usvg};

use super::fold::{fold, lettered};
use super::model::Report;
use super::picture::{self, Canvas, Column, Drawing, TALLEST, class};
use super::time::{Tick, range};
use crate::Error;

/// Pixels from left to right.
const WIDTH: usize = 1200;
/// Where the time axis begins.
const LEFT: usize = 170;
/// Free pixels at each side.
const MARGIN: usize = 24;
/// A picture that is taller is cut here, and says so.
const HEIGHT: usize = 6000;
/// Characters of a line across the picture.
const LINE: usize = 125;
/// Certificates below the lanes.
const LEGEND: usize = 36;
/// Families that look like the page, in this order; else any that is there.
const FAMILIES: [&str; 7] = [
    "Segoe UI",
    "DejaVu Sans",
    "Liberation Sans",
    "Noto Sans",
    "Helvetica",
    "Arial",
    "Roboto",
];

/// Draws verdict and lanes.
///
/// # Errors
/// There is no font on this machine.
pub fn png(report: &Report) -> Result<Vec<u8>, Error> {
    let svg = svg(report)?;
    let mut fonts = Database::new();
    fonts.load_system_fonts();
    let has = |family: &str| {
        fonts
            .faces()
            .any(|f| f.families.iter().any(|(n, _)| n == family))
    };
    let known = FAMILIES.into_iter().find(|family| has(family));
    let any = || {
        fonts
            .faces()
            .find_map(|face| Some(face.families.first()?.0.clone()))
    };
    let family = known.map(str::to_owned).or_else(any).ok_or(Error::NoFont)?;
    fonts.set_sans_serif_family(&family);
    let options = Options {
        font_family: family,
        fontdb: Arc::new(fonts),
        ..Options::default()
    };
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| Error::Drawing(error);
    let tree = Tree::from_str(&svg, &options).map_err(|error| failed(Box::new(error)))?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())
        .ok_or_else(|| failed("no memory for the picture".into()))?;
    resvg::render(&tree, usvg::Transform::default(), &mut pixels.as_mut());
    pixels.encode_png().map_err(|error| failed(Box::new(error)))
}

/// The picture as SVG, without reference to anything outside.
fn svg(report: &Report) -> Result<String, Error> {
    let canvas = Canvas::new(report);
    let mut sheet = Sheet {
        y: 40,
        ..Sheet::default()
    };
    sheet.text(MARGIN, "title", report.title.shortened(90));
    sheet.y += 22;
    let span = format!("{} UTC. {}", range(report.from, report.to), report.extent);
    sheet.text(MARGIN, "muted", span.chars().take(LINE).collect());
    sheet.y += 18;
    let lines = wrapped(&report.verdict.text, LINE - 20);
    let top = sheet.y;
    for line in &lines {
        sheet.y += 22;
        sheet.text(MARGIN + 18, "verdict", line.clone());
    }
    sheet.y += 16;
    let verdict = (top, sheet.y - top, class(report.verdict.tone));
    for (connector, findings) in report.connectors.iter().zip(&canvas.findings) {
        sheet.y += 40;
        sheet.text(MARGIN, "heading", connector.name.shortened(90));
        sheet.y += 10;
        sheet.axes.push(sheet.y);
        sheet.y += 22;
        let (shown, groups) = fold(&canvas, connector, findings);
        for lane in &shown {
            let lane = picture::lane(&canvas, lane, findings);
            let name = lane.server.shortened(18);
            sheet.y += lane.bar + 15;
            sheet.text(MARGIN, "server", name);
            sheet.y -= lane.bar + 15;
            let height = lane.height;
            sheet.lanes.push((sheet.y, lane));
            sheet.y += height + 2;
        }
        for group in &groups {
            sheet.y += 20;
            sheet.text(MARGIN, "muted", group.summary.chars().take(LINE).collect());
        }
        let histogram = picture::histogram(&canvas, &connector.lanes);
        sheet.y += 12;
        if histogram.total > 0 {
            sheet.y += 20;
            sheet.text(MARGIN, "server", "Refused".into());
            sheet.y += 16;
            let most = format!("at most {} per {}", histogram.most, histogram.step);
            sheet.text(MARGIN, "muted", most);
            sheet.y -= 36;
            sheet.histograms.push((sheet.y, histogram.bars));
            sheet.y += TALLEST + 8;
        }
        let used = canvas.used(lettered(&shown, &groups));
        for (at, thumbprint) in used.iter().take(LEGEND).enumerate() {
            if at % 3 == 0 {
                sheet.y += 24;
            }
            let x = MARGIN + at % 3 * 384;
            sheet.chips.push(Chip {
                x,
                y: sheet.y,
                colour: canvas.letters.colour(thumbprint),
                weave: canvas.letters.weave(thumbprint),
                letter: canvas.letters.letter(thumbprint),
            });
            let short: String = thumbprint.chars().take(8).collect();
            sheet.text(
                x + 40,
                "plain",
                format!("{} {short}", canvas.name(thumbprint)),
            );
        }
        if used.len() > LEGEND {
            sheet.y += 22;
            let more = used.len() - LEGEND;
            sheet.text(MARGIN, "muted", format!("and {more} more certificates"));
        }
    }
    let whole = sheet.y + 28;
    let height = whole.min(HEIGHT);
    Picture {
        css: css(),
        width: WIDTH,
        height,
        left: LEFT,
        plot: WIDTH - LEFT - MARGIN,
        tallest: TALLEST,
        ticks: canvas.ticks(),
        verdict,
        cut: whole > height,
        sheet,
    }
    .render()
    .map_err(|error| Error::Drawing(Box::new(error)))
}

#[derive(Template)]
#[template(path = "picture.svg", escape = "html")]
struct Picture {
    css: String,
    width: usize,
    height: usize,
    left: usize,
    plot: usize,
    tallest: usize,
    ticks: Vec<(String, Tick)>,
    /// Top, height, class.
    verdict: (usize, usize, &'static str),
    cut: bool,
    sheet: Sheet,
}

/// What stands where.
#[derive(Default)]
struct Sheet {
    y: usize,
    texts: Vec<Words>,
    axes: Vec<usize>,
    lanes: Vec<(usize, Drawing)>,
    histograms: Vec<(usize, Vec<Column>)>,
    chips: Vec<Chip>,
}

struct Words {
    x: usize,
    y: usize,
    class: &'static str,
    text: String,
}

struct Chip {
    x: usize,
    y: usize,
    colour: usize,
    weave: usize,
    letter: String,
}

impl Sheet {
    fn text(&mut self, x: usize, class: &'static str, text: String) {
        let y = self.y;
        self.texts.push(Words { x, y, class, text });
    }
}

/// The colours of the page by day, in place of its variables, which only browsers know.
fn css() -> String {
    let page = include_str!("../../templates/report.css");
    let mut css = include_str!("../../templates/picture.css").to_owned();
    let variables = page
        .split('{')
        .nth(1)
        .and_then(|rest| rest.split('}').next());
    for variable in variables.unwrap_or_default().split(';') {
        if let Some((name, value)) = variable.split_once(':') {
            css = css.replace(&format!("var({name})"), value);
        }
    }
    css
}

/// Lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let word: String = word.chars().take(width).collect();
        let line = lines.last_mut().filter(|line| {
            line.is_empty() || line.chars().count() + 1 + word.chars().count() <= width
        });
        match line {
            Some(line) if line.is_empty() => line.push_str(&word),
            Some(line) => {
                line.push(' ');
                line.push_str(&word);
            }
            None => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::{crowd, hostile, small};
    use super::*;

    #[test]
    fn no_variable_is_left_and_nothing_outside_is_named() {
        let css = css();
        assert!(!css.contains("var("), "{css}");
        for report in [small(), hostile()] {
            let svg = svg(&report).unwrap();
            assert!(!svg.contains("<script") && !svg.contains("<img"));
            assert_eq!(svg.matches("http").count(), 1, "the namespace alone");
        }
    }

    #[test]
    fn a_picture_is_drawn_where_there_are_fonts() {
        for report in [small(), hostile(), Report::default()] {
            match png(&report) {
                Ok(png) => assert!(png.starts_with(b"\x89PNG") && png.len() > 1000),
                Err(Error::NoFont) => eprintln!("skipped a_picture_is_drawn: no font here"),
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn the_legend_tells_the_letters_that_are_drawn() {
        let svg = svg(&crowd()).unwrap();
        assert!(svg.contains(" B2B2B2B2<"), "{svg}");
    }

    #[test]
    fn words_wrap() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcd", "k"]);
    }
}
