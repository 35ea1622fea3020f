//! Lanes as SVG. Horizontal places are parts of the width, so that one drawing serves a phone, a
//! screen and paper; heights are pixels, so that text keeps its size.

use std::collections::{BTreeMap, HashMap, HashSet};

use askama::Template;

use super::Text;
use super::finding::{self, Finding, recipients, thousands};
use super::lane::{Segment, segments};
use super::letters::Letters;
use super::model::{Certificate, Coverage, Lane, Logged, Report, Tone};
use super::time::{Axis, DAY, HOUR, Tick, Time, minute, range, second};

/// Certificates narrower than this part of the width are drawn as a blend.
const NARROW_BAR: f64 = 0.004;
/// Addresses narrower than this have no room for their text.
const NARROW_ADDRESS: f64 = 0.04;
/// The part of the width that a character takes on a screen and on a phone.
const CHARACTER: [f64; 2] = [0.0085, 0.021];
/// Marks nearer than this share one.
const NEAR: f64 = 0.035;
/// Bars of refusals along the axis, at most.
const BARS: i64 = 170;
/// Parts of a lane that its description lists.
const LISTED: usize = 10;

/// What all drawings of a report have in common.
#[derive(Debug)]
pub struct Canvas<'a> {
    pub axis: Axis,
    pub letters: Letters,
    /// By connector.
    pub findings: Vec<Vec<Finding<'a>>>,
    /// The time of the latest row, where the axis goes on after it.
    pub now: Option<Time>,
    facts: HashMap<&'a Text, &'a Certificate>,
}

impl<'a> Canvas<'a> {
    /// Prepares letters, numbers and the axis, which reaches to an expiry that is near.
    pub fn new(report: &'a Report) -> Canvas<'a> {
        let mut axis = Axis::new(report.from, report.to);
        let length = axis.to - axis.from;
        let near = |end: &Time| *end > axis.to && *end - axis.to <= length / 4;
        let sent = report.certificates.iter().filter(|c| !c.servers.is_empty());
        let expiry = sent.filter_map(|c| c.not_after).filter(near).max();
        let now = expiry.map(|_| axis.to);
        axis.to = expiry.map_or(axis.to, |end| end + length / 40);
        Canvas {
            axis,
            letters: Letters::of(report),
            findings: finding::findings(report),
            now,
            facts: report
                .certificates
                .iter()
                .map(|one| (&one.thumbprint, one))
                .collect(),
        }
    }

    /// What is known of a certificate.
    pub fn certificate(&self, thumbprint: &Text) -> Option<&'a Certificate> {
        self.facts.get(thumbprint).copied()
    }

    /// The first name of a certificate, else its subject, else its thumbprint.
    pub fn name(&self, thumbprint: &Text) -> String {
        let name = self.certificate(thumbprint).and_then(|facts| {
            let subject = Some(&facts.subject).filter(|subject| !subject.is_empty());
            facts.names.first().or(subject)
        });
        name.unwrap_or(thumbprint).shortened(40)
    }

    /// The certificates that lanes of a connector show, A first.
    pub fn used<'c>(&self, lanes: impl IntoIterator<Item = &'c Lane>) -> Vec<&Text> {
        let spans = lanes.into_iter().flat_map(|lane| &lane.certificates);
        let used: HashSet<&Text> = spans.map(|span| &span.value).collect();
        let order = self.letters.order().iter();
        order
            .filter(|thumbprint| used.contains(thumbprint))
            .collect()
    }

    /// `12.34%`
    pub fn x(&self, at: Time) -> String {
        percent(self.axis.part(at))
    }

    /// The marks of the axis.
    pub fn ticks(&self) -> Vec<(String, Tick)> {
        let ticks = self.axis.ticks().into_iter();
        ticks.map(|tick| (self.x(tick.at), tick)).collect()
    }

    fn strip(&self, from: Time, to: Time, class: &'static str, title: String) -> Strip {
        let (left, right) = (self.axis.part(from), self.axis.part(to));
        Strip {
            x: percent(left),
            width: percent((right - left).max(0.0022)),
            class: class.into(),
            weave: 0,
            label: String::new(),
            name: String::new(),
            fits: "",
            title,
        }
    }
}

fn percent(part: f64) -> String {
    let text = format!("{:.2}", part * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A box along the axis.
#[derive(Debug, Clone)]
pub struct Strip {
    pub x: String,
    pub width: String,
    pub class: String,
    /// What is woven into its colour; 0 is nothing.
    pub weave: usize,
    /// What must be readable: letters of a certificate, an address.
    pub label: String,
    /// What may follow it.
    pub name: String,
    /// Where the label has room: `""` everywhere, `wide` not on a phone.
    pub fits: &'static str,
    pub title: String,
}

/// A line across a lane.
#[derive(Debug, Clone)]
pub struct Line {
    pub x: String,
    pub title: String,
}

/// One or more findings at one time.
#[derive(Debug, Clone)]
pub struct Mark {
    pub x: String,
    /// `3`, `3,4`
    pub label: String,
    /// The finding to go to.
    pub number: usize,
    /// Half of its width in pixels.
    pub half: usize,
    pub width: usize,
    pub class: &'static str,
    pub title: String,
}

/// A lane, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    pub server: Text,
    pub height: usize,
    /// The top of the certificates; marks are above.
    pub bar: usize,
    /// What it shows, in words.
    pub words: String,
    pub gaps: Vec<Strip>,
    pub bars: Vec<Strip>,
    pub refused: Vec<Strip>,
    pub addresses: Vec<Strip>,
    pub expiries: Vec<Line>,
    pub marks: Vec<Mark>,
    pub now: Option<String>,
}

impl Drawing {
    /// Below the certificates.
    pub fn refused_y(&self) -> usize {
        self.bar + 21
    }

    /// Below the refusals.
    pub fn address_y(&self) -> usize {
        self.bar + 26
    }
}

/// The template of a lane alone.
#[derive(Template)]
#[template(path = "lane.svg", escape = "html")]
pub struct LaneSvg<'a> {
    pub lane: &'a Drawing,
}

/// Draws a lane with the findings of its connector.
pub fn lane(canvas: &Canvas<'_>, lane: &Lane, findings: &[Finding<'_>]) -> Drawing {
    let marks = marks(canvas, &lane.server, findings);
    let bar = if marks.is_empty() { 3 } else { 21 };
    let certificates = segments(&lane.certificates, &lane.gaps, &canvas.axis, NARROW_BAR);
    let addresses = segments(&lane.addresses, &lane.gaps, &canvas.axis, NARROW_ADDRESS);
    Drawing {
        server: lane.server.clone(),
        height: bar + 42,
        bar,
        words: words(canvas, lane, &certificates, &addresses),
        gaps: gaps(canvas, lane),
        bars: certificates.iter().map(|one| bar_of(canvas, one)).collect(),
        refused: refused(canvas, lane),
        addresses: addresses_of(canvas, &addresses),
        expiries: expiries(canvas, lane),
        marks,
        now: canvas.now.map(|now| canvas.x(now)),
    }
}

fn bar_of(canvas: &Canvas<'_>, segment: &Segment<'_>) -> Strip {
    let letters: Vec<String> = segment
        .values
        .iter()
        .map(|value| canvas.letters.letter(value))
        .collect();
    let label = match letters.as_slice() {
        [a, b, c, rest @ ..] if !rest.is_empty() => format!("{a}{b}{c}…"),
        letters => letters.join("/"),
    };
    let one = segment.values[0];
    let title = match segment.values.len() {
        1 => format!("certificate {label}, {}", canvas.name(one)),
        count => format!(
            "{count} certificates by turns: {}",
            letters[..count.min(LISTED)].join(", ")
        ),
    };
    let class = match segment.values.len() {
        1 => format!("c{}", canvas.letters.colour(one)),
        _ => "mixed".into(),
    };
    let width = canvas.axis.part(segment.to) - canvas.axis.part(segment.from);
    let room = |text: &str, padding: f64| room(width - padding, text);
    let name = match (segment.values.len(), room(&canvas.name(one), 0.03)) {
        (1, Some(_)) => canvas.name(one),
        _ => String::new(),
    };
    let fits = room(&label, 0.0);
    Strip {
        class,
        weave: match segment.values.len() {
            1 => canvas.letters.weave(one),
            _ => 0,
        },
        label: if fits.is_some() { label } else { String::new() },
        name,
        fits: fits.unwrap_or_default(),
        ..canvas.strip(
            segment.from,
            segment.to,
            "",
            format!("{title}, {}", range(segment.from, segment.to)),
        )
    }
}

/// Where a text has room in a part of the width: everywhere, on wide screens, nowhere.
fn room(width: f64, text: &str) -> Option<&'static str> {
    let characters = text.chars().count() as f64 + 0.6;
    match CHARACTER.map(|one| characters * one <= width) {
        [_, true] => Some(""),
        [true, false] => Some("wide"),
        [false, false] => None,
    }
}

fn addresses_of(canvas: &Canvas<'_>, segments: &[Segment<'_>]) -> Vec<Strip> {
    let mut known: Vec<&[&Text]> = Vec::new();
    let draw = segments.iter().map(|segment| {
        let number = known.iter().position(|values| *values == segment.values);
        let number = number.unwrap_or_else(|| {
            known.push(&segment.values);
            known.len() - 1
        });
        let width = canvas.axis.part(segment.to) - canvas.axis.part(segment.from);
        let one = segment.values[0];
        let labels = match segment.values.len() {
            1 => vec![one.shortened(45)],
            count => vec![
                format!("{} + {} more", one.shortened(45), count - 1),
                format!("{count} addresses"),
                format!("{count}"),
            ],
        };
        let label = labels.into_iter().find_map(|label| {
            let fits = room(width, &label)?;
            Some((label, fits))
        });
        let (label, fits) = label.unwrap_or_default();
        let values: Vec<String> = segment
            .values
            .iter()
            .take(LISTED)
            .map(|value| value.shortened(45))
            .collect();
        let more = segment.values.len().saturating_sub(LISTED);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        Strip {
            label,
            fits,
            ..canvas.strip(
                segment.from,
                segment.to,
                ["a0", "a1"][number % 2],
                format!(
                    "from {}{more}, {}",
                    values.join(", "),
                    range(segment.from, segment.to)
                ),
            )
        }
    });
    draw.collect()
}

fn gaps(canvas: &Canvas<'_>, lane: &Lane) -> Vec<Strip> {
    let axis = &canvas.axis;
    let inside = |from: Time, to: Time| to > axis.from && from < axis.to;
    let gaps = lane.gaps.iter().filter(|gap| inside(gap.from, gap.to));
    let strips = gaps.map(|gap| {
        let (class, what) = match gap.logged {
            true => ("quiet", "nothing sent to Exchange Online"),
            false => ("nolog", "no logs"),
        };
        let title = format!("{what}, {}", range(gap.from, gap.to));
        canvas.strip(gap.from, gap.to, class, title)
    });
    strips.collect()
}

/// Refusals, hours next to each other as one.
fn refused(canvas: &Canvas<'_>, lane: &Lane) -> Vec<Strip> {
    let near = (canvas.axis.to - canvas.axis.from) / 400;
    let mut runs: Vec<(Time, Time, i64)> = Vec::new();
    for one in &lane.refused {
        let end = one.hour + HOUR;
        match runs.last_mut() {
            Some((_, to, sum)) if one.hour - *to <= near => {
                *to = end;
                *sum += one.recipients;
            }
            _ => runs.push((one.hour, end, one.recipients)),
        }
    }
    let inside = |run: &&(Time, Time, i64)| run.1 > canvas.axis.from && run.0 < canvas.axis.to;
    let strips = runs.iter().filter(inside).map(|&(from, to, sum)| {
        let title = format!("{}, {}", recipients(sum), range(from, to));
        canvas.strip(from, to, "refused", title)
    });
    strips.collect()
}

/// A line where a certificate ends that the lane shows.
fn expiries(canvas: &Canvas<'_>, lane: &Lane) -> Vec<Line> {
    let mut shown: Vec<&Text> = lane.certificates.iter().map(|span| &span.value).collect();
    shown.sort_unstable();
    shown.dedup();
    let lines = shown.into_iter().filter_map(|thumbprint| {
        let end = canvas.certificate(thumbprint)?.not_after?;
        let spans = lane.certificates.iter();
        let first = spans
            .filter(|span| &span.value == thumbprint)
            .map(|s| s.from);
        let inside = end > canvas.axis.from && end < canvas.axis.to && first.min()? < end;
        inside.then(|| Line {
            x: canvas.x(end),
            title: format!(
                "certificate {} expires {}",
                canvas.letters.letter(thumbprint),
                second(end)
            ),
        })
    });
    lines.collect()
}

fn marks(canvas: &Canvas<'_>, server: &Text, findings: &[Finding<'_>]) -> Vec<Mark> {
    let axis = &canvas.axis;
    let mut places: Vec<(f64, &Finding<'_>)> = findings
        .iter()
        .flat_map(|finding| {
            let here = finding.changes.iter().filter(|c| &c.server == server);
            let inside = here.filter(|c| c.at >= axis.from && c.at <= axis.to);
            inside.map(move |change| (axis.part(change.at), finding))
        })
        .collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.number.cmp(&b.1.number)));
    let mut groups: Vec<Vec<(f64, &Finding<'_>)>> = Vec::new();
    for place in places {
        match groups.last_mut() {
            Some(group) if place.0 - group[0].0 < NEAR => group.push(place),
            _ => groups.push(vec![place]),
        }
    }
    groups.iter().map(|group| mark(group)).collect()
}

fn mark(group: &[(f64, &Finding<'_>)]) -> Mark {
    let mut numbers: Vec<usize> = group.iter().map(|(_, finding)| finding.number).collect();
    numbers.dedup();
    let label = match numbers.as_slice() {
        [one] => one.to_string(),
        [one, two] => format!("{one},{two}"),
        [first, .., last] => format!("{first}…{last}"),
        [] => String::new(),
    };
    let tone = group.iter().map(|(_, finding)| finding.tone()).max();
    let mut titles: Vec<String> = group
        .iter()
        .map(|(_, finding)| format!("{}: {}", finding.number, finding.title()))
        .collect();
    titles.dedup();
    titles.truncate(LISTED);
    // The worst of them is the one to go to.
    let worst = group.iter().max_by_key(|(_, finding)| finding.tone());
    let width = 9 + 7 * label.chars().count().max(1);
    Mark {
        x: percent(group[0].0),
        half: width / 2,
        width,
        label,
        number: worst.map_or(0, |(_, finding)| finding.number),
        class: class(tone.unwrap_or_default()),
        title: titles.join("; "),
    }
}

/// The class of a tone.
pub fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
    }
}

/// A lane in words, for those who hear the page.
fn words(
    canvas: &Canvas<'_>,
    lane: &Lane,
    certificates: &[Segment<'_>],
    addresses: &[Segment<'_>],
) -> String {
    let mut parts: Vec<String> = Vec::new();
    for segment in certificates.iter().take(LISTED) {
        let letters: Vec<String> = segment.values[..segment.values.len().min(4)]
            .iter()
            .map(|value| canvas.letters.letter(value))
            .collect();
        let when = range(segment.from, segment.to);
        parts.push(format!("certificate {} {when}", letters.join(" and ")));
    }
    for segment in addresses.iter().take(LISTED) {
        let more = match segment.values.len() {
            1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        let when = range(segment.from, segment.to);
        parts.push(format!(
            "address {}{more} {when}",
            segment.values[0].shortened(45)
        ));
    }
    if certificates.len() > LISTED || addresses.len() > LISTED {
        parts.push("more changes than are listed here".into());
    }
    if parts.is_empty() {
        parts.push("neither a certificate nor an address".into());
    }
    let refused: i64 = lane.refused.iter().map(|one| one.recipients).sum();
    parts.push(match refused {
        0 => "nothing refused".into(),
        refused => recipients(refused),
    });
    format!("{}: {}", lane.server, parts.join("; "))
}

/// Refused recipients along the axis.
#[derive(Debug, Clone)]
pub struct Histogram {
    pub bars: Vec<Column>,
    /// The tallest bar.
    pub most: String,
    /// `hour`, `6 hours`, `day`
    pub step: String,
    pub total: i64,
    pub words: String,
    pub now: Option<String>,
}

/// A bar of it.
#[derive(Debug, Clone)]
pub struct Column {
    pub x: String,
    pub width: String,
    pub y: usize,
    pub height: usize,
    pub title: String,
}

/// The height of the tallest bar.
pub const TALLEST: usize = 44;

/// Counts refusals of all lanes of a connector in hours, days or weeks.
pub fn histogram(canvas: &Canvas<'_>, lanes: &[Lane]) -> Histogram {
    let axis = &canvas.axis;
    let steps = [1, 2, 3, 6, 12, 24, 48, 168, 24 * 30, 24 * 90, 24 * 365];
    let fits = |hours: &i64| (axis.to - axis.from) / (hours * HOUR) <= BARS;
    let hours = steps.into_iter().find(fits).unwrap_or(24 * 3650);
    let step = hours * HOUR;
    let mut buckets: BTreeMap<Time, i64> = BTreeMap::new();
    let inside = |hour: Time| hour + HOUR > axis.from && hour < axis.to;
    for one in lanes.iter().flat_map(|lane| &lane.refused) {
        if inside(one.hour) {
            *buckets.entry(one.hour.div_euclid(step) * step).or_default() += one.recipients;
        }
    }
    let most = buckets.values().copied().max().unwrap_or(0).max(1);
    let total = buckets.values().sum();
    let bars = buckets.iter().map(|(&from, &count)| {
        let (left, right) = (axis.part(from), axis.part(from + step));
        // Whatever was refused is seen.
        let height = ((count as f64 / most as f64 * TALLEST as f64) as usize).max(3);
        Column {
            x: percent(left),
            width: percent((right - left).max(0.002)),
            y: TALLEST - height,
            height,
            title: format!("{}, {}", recipients(count), range(from, from + step)),
        }
    });
    let bars: Vec<Column> = bars.collect();
    let span = buckets.keys().next().zip(buckets.keys().next_back());
    let words = match span {
        None => "nothing refused".into(),
        Some((first, last)) => format!(
            "{} between {} and {}",
            recipients(total),
            minute(*first),
            minute(last + step)
        ),
    };
    Histogram {
        bars,
        most: thousands(most),
        step: match hours {
            1 => "hour".into(),
            24 => "day".into(),
            hours if hours % 24 == 0 => format!("{} days", hours / 24),
            hours => format!("{hours} hours"),
        },
        total,
        words,
        now: canvas.now.map(|now| canvas.x(now)),
    }
}

/// Where a server has logs, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Logs {
    pub server: Text,
    pub service: Text,
    /// `98 %`
    pub share: String,
    /// `100 %` is quiet; less is not.
    pub whole: bool,
    pub runs: Vec<Strip>,
    pub words: String,
}

/// Draws the coverage of a service.
pub fn logs(canvas: &Canvas<'_>, coverage: &Coverage) -> Logs {
    let axis = &canvas.axis;
    let inside = coverage
        .runs
        .iter()
        .filter(|run| run.to > axis.from && run.from < axis.to);
    let mut hours = [0i64; 3];
    let mut runs = Vec::new();
    let mut longest = 0;
    for run in inside {
        let length = (run.to.min(axis.to) - run.from.max(axis.from)) / HOUR;
        let (at, class, what) = match run.state {
            Logged::Rows => (0, "rows", "logs"),
            Logged::Quiet => (1, "still", "nothing to log"),
            Logged::Nothing => (2, "nolog", "no logs"),
        };
        hours[at] += length;
        if run.state == Logged::Nothing {
            longest = longest.max(run.to - run.from);
        }
        // Single hours of a long time are no wider than a hair.
        if axis.part(run.to) - axis.part(run.from) >= 0.001 {
            let title = format!("{what}, {}", range(run.from, run.to));
            runs.push(canvas.strip(run.from, run.to, class, title));
        }
    }
    let all: i64 = hours.iter().sum::<i64>().max(1);
    let covered = (hours[0] + hours[1]) * 100 / all;
    let gap = match longest {
        0 => String::new(),
        gap if gap >= 2 * DAY => format!(", longest gap {} days", gap / DAY),
        gap => format!(", longest gap {} hours", gap / HOUR),
    };
    Logs {
        server: coverage.server.clone(),
        service: coverage.service.clone(),
        share: format!("{covered} %"),
        whole: hours[2] == 0,
        runs,
        words: format!("logs for {covered} % of the hours{gap}"),
    }
}
