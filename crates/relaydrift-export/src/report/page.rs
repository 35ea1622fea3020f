//! The page: HTML from a template, with everything in it that it needs.

use askama::Template;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Text;
use super::finding::{Finding, named, thousands, tone};
use super::fold::{UNFOLDED, fold};
use super::model::{Band, Cause, Certificate, Change, Connector, Lane, Report, Tone};
use super::picture::{self, Canvas, Drawing, Histogram, Logs, TALLEST, class};
use super::time::{DAY, Tick, Time, day, minute, range, second};
use crate::Error;

/// Servers that are named in a sentence.
const NAMED: usize = 6;
/// Certificates that stand below a picture; more have their table only.
const LEGEND: usize = 16;

/// Writes the page.
///
/// # Errors
/// None, in practice: writing into memory fails only where there is none left.
pub fn html(report: &Report) -> Result<String, Error> {
    let css = concat!(
        include_str!("../../templates/picture.css"),
        include_str!("../../templates/report.css")
    );
    let digest = ring::digest::digest(&ring::digest::SHA256, css.as_bytes());
    let canvas = Canvas::new(report);
    let sections = report.connectors.iter().zip(&canvas.findings);
    let sections = sections
        .enumerate()
        .map(|(at, (connector, findings))| Section::new(&canvas, connector, findings, at));
    let logs: Vec<Logs> = report
        .coverage
        .iter()
        .map(|one| picture::logs(&canvas, one))
        .collect();
    let (word, verdict) = match report.verdict.text.split_once(':') {
        Some((word, rest)) => (format!("{word}:"), rest.to_string()),
        None => (String::new(), report.verdict.text.to_string()),
    };
    Page {
        css,
        policy: STANDARD.encode(digest),
        title: &report.title,
        tone: class(report.verdict.tone),
        word,
        verdict,
        span: range(report.from, report.to),
        extent: &report.extent,
        figures: figures(report, &canvas),
        sections: sections.collect(),
        certificates: certificates(report, &canvas),
        others: report,
        folded_logs: logs.len() > UNFOLDED,
        whole: logs.iter().filter(|one| one.whole).count(),
        logs,
        ticks: canvas.ticks(),
    }
    .render()
    .map_err(|error| Error::Drawing(Box::new(error)))
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    css: &'static str,
    /// The hash of the style sheet: no other style and nothing else is allowed.
    policy: String,
    title: &'a Text,
    tone: &'static str,
    word: String,
    verdict: String,
    span: String,
    extent: &'a Text,
    figures: Vec<Figure>,
    sections: Vec<Section<'a>>,
    certificates: Vec<Sent<'a>>,
    others: &'a Report,
    logs: Vec<Logs>,
    folded_logs: bool,
    whole: usize,
    ticks: Vec<(String, Tick)>,
}

impl Page<'_> {
    fn at(&self, time: &Time) -> String {
        minute(*time)
    }
}

/// A number that a manager asks for.
struct Figure {
    number: String,
    noun: &'static str,
    tone: &'static str,
}

fn figures(report: &Report, canvas: &Canvas<'_>) -> Vec<Figure> {
    let lanes = || report.connectors.iter().flat_map(|one| &one.lanes);
    let changes = || report.connectors.iter().flat_map(|one| &one.changes);
    let refused: i64 = lanes()
        .flat_map(|lane| &lane.refused)
        .map(|one| one.recipients)
        .sum();
    let mut hit: Vec<&Text> = lanes()
        .filter(|lane| !lane.refused.is_empty())
        .map(|lane| &lane.server)
        .collect();
    let mut servers: Vec<&Text> = lanes().map(|lane| &lane.server).collect();
    for names in [&mut hit, &mut servers] {
        names.sort_unstable();
        names.dedup();
    }
    let open = changes().filter(|change| change.open).count();
    let findings: usize = canvas.findings.iter().map(Vec::len).sum();
    let mut figures = vec![
        Figure {
            number: thousands(refused),
            noun: "recipients refused",
            tone: if refused > 0 { "bad" } else { "good" },
        },
        Figure {
            number: format!("{} of {}", hit.len(), servers.len()),
            noun: "servers refused",
            tone: if hit.is_empty() { "good" } else { "bad" },
        },
        Figure {
            number: thousands(open as i64),
            noun: "changes that break mail now",
            tone: if open > 0 { "bad" } else { "good" },
        },
        Figure {
            number: thousands(findings as i64),
            noun: "findings",
            tone: "plain",
        },
    ];
    let sent = report.certificates.iter().filter(|c| !c.servers.is_empty());
    let next = sent
        .filter(|c| c.not_after.is_some())
        .min_by_key(|c| c.not_after);
    if let Some((next, end)) = next.and_then(|next| Some((next, next.not_after?))) {
        let days = (end - report.to).div_euclid(DAY);
        figures.push(Figure {
            number: if days < 0 {
                "expired".into()
            } else {
                format!("{} days", thousands(days))
            },
            noun: "to the next expiry",
            tone: class(band(next, report.to).0),
        });
    }
    figures
}

/// A connector on the page.
struct Section<'a> {
    id: usize,
    connector: &'a Connector,
    shown: Vec<Drawing>,
    groups: Vec<Folded>,
    causes: Vec<Causes<'a>>,
    histogram: Histogram,
    tallest: usize,
    ticks: Vec<(String, Tick)>,
    findings: Vec<Row<'a>>,
    legend: Vec<Chip>,
    more_certificates: usize,
}

/// Lanes that are folded away.
struct Folded {
    summary: String,
    lanes: Vec<Drawing>,
}

impl<'a> Section<'a> {
    fn new(
        canvas: &Canvas<'a>,
        connector: &'a Connector,
        findings: &[Finding<'a>],
        at: usize,
    ) -> Section<'a> {
        let draw = |lane: &&Lane| picture::lane(canvas, lane, findings);
        let (shown, groups) = fold(canvas, connector, findings);
        let groups = groups.into_iter().map(|group| Folded {
            lanes: group.lanes.iter().map(draw).collect(),
            summary: group.summary,
        });
        let used = canvas.used(&connector.lanes).into_iter();
        let legend: Vec<Chip> = used.map(|thumbprint| chip(canvas, thumbprint)).collect();
        let many = legend.len() > LEGEND;
        Section {
            id: at + 1,
            connector,
            shown: shown.iter().map(draw).collect(),
            groups: groups.collect(),
            causes: causes(&connector.causes),
            histogram: picture::histogram(canvas, &connector.lanes),
            tallest: TALLEST,
            ticks: canvas.ticks(),
            findings: findings.iter().map(|one| row(canvas, one)).collect(),
            more_certificates: if many { legend.len() } else { 0 },
            legend: if many { Vec::new() } else { legend },
        }
    }
}

/// Incidents with one cause, in one state.
struct Causes<'a> {
    servers: String,
    first: &'a Cause,
    /// One per server, where there are several.
    all: Vec<&'a Cause>,
}

/// Open incidents first; a cause that hit many servers is told once.
fn causes(causes: &[Cause]) -> Vec<Causes<'_>> {
    let mut groups: Vec<Vec<&Cause>> = Vec::new();
    for cause in causes {
        let of = |one: &Cause| (one.cause.clone(), one.state.clone(), one.confidence.clone());
        match groups.iter_mut().find(|group| of(group[0]) == of(cause)) {
            Some(group) => group.push(cause),
            None => groups.push(vec![cause]),
        }
    }
    groups.sort_by_key(|group| match &*group[0].state {
        "open" => 0,
        "recovering" => 1,
        _ => 2,
    });
    let told = groups.into_iter().map(|all| Causes {
        servers: named(all.iter().map(|one| &one.server), NAMED),
        first: all[0],
        all: if all.len() > 1 { all } else { Vec::new() },
    });
    told.collect()
}

/// A certificate as its letter on its colour.
struct Chip {
    letter: String,
    colour: usize,
    weave: usize,
    name: String,
    thumbprint: String,
    until: String,
}

fn chip(canvas: &Canvas<'_>, thumbprint: &Text) -> Chip {
    let end = canvas
        .certificate(thumbprint)
        .and_then(|facts| facts.not_after);
    Chip {
        letter: canvas.letters.letter(thumbprint),
        colour: canvas.letters.colour(thumbprint),
        weave: canvas.letters.weave(thumbprint),
        name: canvas.name(thumbprint),
        thumbprint: thumbprint.chars().take(8).collect(),
        until: end.map_or("end not logged".into(), |end| format!("until {}", day(end))),
    }
}

/// A finding on the page.
struct Row<'a> {
    number: usize,
    tone: &'static str,
    severity: String,
    title: String,
    when: String,
    servers: String,
    before: Option<Value>,
    after: Option<Value>,
    detail: String,
    effect: String,
    /// `12 times on 3 servers`
    count: String,
    first: &'a Change,
    /// One line per server, where there are several.
    all: Vec<Part<'a>>,
}

/// One server of a finding.
struct Part<'a> {
    change: &'a Change,
    when: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// A certificate or any other value.
enum Value {
    Certificate(Chip),
    Plain(String),
}

fn value(canvas: &Canvas<'_>, change: &Change, value: &Text) -> Option<Value> {
    if value.is_empty() {
        return None;
    }
    Some(match &*change.kind {
        "certificate" if canvas.letters.knows(value) => Value::Certificate(chip(canvas, value)),
        _ => Value::Plain(value.shortened(64)),
    })
}

fn row<'a>(canvas: &Canvas<'_>, finding: &Finding<'a>) -> Row<'a> {
    let changes = &finding.changes;
    let first = changes[0];
    let same = |of: fn(&Change) -> &Text| changes.iter().all(|change| of(change) == of(first));
    let part = |change: &&'a Change| Part {
        change,
        when: second(change.at),
        before: value(canvas, change, &change.before),
        after: value(canvas, change, &change.after),
    };
    let mut servers: Vec<&Text> = changes.iter().map(|change| &change.server).collect();
    servers.sort_unstable();
    servers.dedup();
    Row {
        number: finding.number,
        tone: class(tone(first)),
        severity: finding.severity(),
        title: finding.title(),
        when: range(first.at, finding.last()),
        servers: finding.servers(NAMED),
        before: value(canvas, first, &first.before).filter(|_| same(|c| &c.before)),
        after: value(canvas, first, &first.after).filter(|_| same(|c| &c.after)),
        detail: match same(|c| &c.detail) {
            true => first.detail.to_string(),
            false => "not the same everywhere: see the evidence".into(),
        },
        count: match servers.len() {
            count if count == changes.len() => format!("{count} servers"),
            count => format!("{} times on {count} servers", changes.len()),
        },
        effect: finding.effect(),
        first,
        all: match changes.len() {
            1 => Vec::new(),
            _ => changes.iter().map(part).collect(),
        },
    }
}

/// A certificate in the table.
struct Sent<'a> {
    chip: Chip,
    facts: &'a Certificate,
    names: String,
    servers: String,
    valid: String,
    /// How near the end is, in words.
    band: String,
    tone: &'static str,
    /// Of ninety days.
    left: String,
}

/// Certificates that are sent now, the next to expire first; then the others that lanes show.
fn certificates<'a>(report: &'a Report, canvas: &Canvas<'_>) -> Vec<Sent<'a>> {
    let known = report.certificates.iter();
    let mut known: Vec<&Certificate> = known
        .filter(|one| canvas.letters.knows(&one.thumbprint))
        .collect();
    known.sort_by_key(|one| {
        let sent = one.servers.is_empty();
        (
            sent,
            one.not_after.is_none(),
            one.not_after,
            &one.thumbprint,
        )
    });
    let row = |facts: &'a Certificate| {
        let (tone, band) = band(facts, report.to);
        let days = facts.not_after.map(|end| (end - report.to).div_euclid(DAY));
        let left = days.map_or(0, |days| days.clamp(0, 90) * 100 / 90);
        Sent {
            chip: chip(canvas, &facts.thumbprint),
            facts,
            names: named(facts.names.iter(), NAMED),
            servers: named(facts.servers.iter(), NAMED),
            valid: match (facts.not_before, facts.not_after) {
                (Some(from), Some(to)) => format!("{} to {}", day(from), day(to)),
                (None, Some(to)) => format!("until {}", day(to)),
                _ => "not logged".into(),
            },
            band,
            tone: if facts.servers.is_empty() {
                "plain"
            } else {
                class(tone)
            },
            left: format!("{left}%"),
        }
    };
    known.into_iter().map(row).collect()
}

/// How near the end of a certificate is, in words.
fn band(facts: &Certificate, now: Time) -> (Tone, String) {
    let Some(end) = facts.not_after else {
        return (Tone::Good, "end not logged".into());
    };
    let days = (end - now).div_euclid(DAY);
    let left = match days {
        ..0 => "expired".into(),
        0 => "its last day".into(),
        1 => "1 day left".into(),
        days => format!("{} days left", thousands(days)),
    };
    match facts.band {
        Band::Far if days >= 0 => (Tone::Good, left),
        Band::First => (Tone::Warn, format!("{left}: plan it")),
        Band::Second => (Tone::Warn, format!("{left}: soon")),
        Band::Last => (Tone::Bad, format!("{left}: now")),
        Band::Far | Band::Expired => (Tone::Bad, left),
    }
}
