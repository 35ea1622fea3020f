//! The rows of a session on a page: replies below their commands, certificates spelled out, what is
//! missing marked.

use std::ops::Range;

use relaydrift_parse::certificate::Certificate;
use relaydrift_parse::command::{self, Command};
use relaydrift_parse::reply;
use relaydrift_parse::text::lossless;
use unicode_width::UnicodeWidthStr;

use super::{Spelled, Told, lasting, said};
use crate::ask::Time;
use crate::escape::visible;
use crate::page::{Page, Tone};

/// Names of a certificate that are listed.
const NAMES: usize = 12;

/// The rows of a session on a page.
pub struct Rows<'s, 'a> {
    told: &'s Told<'a>,
    pause: i64,
    indent: usize,
    /// Places of the text column before it is wrapped; no limit where nobody looks.
    width: usize,
    margin: usize,
    line_width: usize,
    sequence_width: usize,
    /// Replies by the command that they answer.
    replies: Vec<Vec<usize>>,
    source: Option<u32>,
}

impl<'s, 'a> Rows<'s, 'a> {
    /// Begins `indent` places from the left; a silence of `pause` microseconds is marked. Long
    /// rows are wrapped where a terminal of so many places shows them.
    pub fn new(told: &'s Told<'a>, pause: i64, indent: usize, terminal: Option<usize>) -> Self {
        let steps = &told.talk.steps;
        let mut replies = vec![Vec::new(); steps.len()];
        for (at, step) in steps.iter().enumerate() {
            if let Some(command) = step.answers {
                replies[command].push(at);
            }
        }
        let digits = |numbers: &mut dyn Iterator<Item = String>| {
            numbers.map(|text| text.len()).max().unwrap_or(1)
        };
        // A range of lines, `12-20`, may stand in the place of one.
        let line_width = digits(&mut steps.iter().map(|step| step.row.number.to_string())) * 2 + 1;
        let sequence_width = digits(
            &mut steps
                .iter()
                .map(|step| step.row.record.sequence.to_string()),
        );
        let margin = indent + line_width + 2 + sequence_width + 2 + 12 + 2;
        let width = terminal.map_or(usize::MAX, |width| width.saturating_sub(margin + 5).max(30));
        Rows {
            told,
            pause,
            indent,
            width,
            margin,
            line_width,
            sequence_width,
            replies,
            source: None,
        }
    }

    /// Writes the steps of this range.
    pub fn write(&mut self, page: &mut Page, range: Range<usize>) {
        let (lines, sequences) = (self.line_width, self.sequence_width);
        let names = format!("{:>lines$}  {:>sequences$}  TIME          ROW", "LINE", "#");
        page.line(self.indent, &names);
        let told = self.told;
        let mut at = range.start;
        while at < range.end {
            // A reply stands below its command.
            let command = told.talk.steps[at].answers;
            if command.is_some_and(|command| range.contains(&command)) {
                at += 1;
                continue;
            }
            if let Some(spelled) = told.certificates.get(&at) {
                self.certificate(page, at, spelled);
                at += spelled.rows;
                continue;
            }
            self.row(page, (at, at), &self.text(at), 0);
            self.answers(page, at);
            at += 1;
        }
        let last = range.end == told.talk.steps.len();
        if last && told.talk.session.disconnect.is_none() {
            let text = page.tone(Tone::Warn, "-- no row says that the session ended --");
            page.line(self.margin, &text);
        }
    }

    /// The replies to a command; the keywords of an EHLO answer in one.
    fn answers(&mut self, page: &mut Page, command: usize) {
        let steps = &self.told.talk.steps;
        let replies = self.replies[command].clone();
        let data = steps[command].row.record.data();
        let greets = matches!(command::parse(data.bytes), Command::Ehlo(_));
        if greets && replies.len() > 3 {
            self.row(page, (replies[0], replies[0]), &self.text(replies[0]), 2);
            let keyword = |at: &usize| said(&steps[*at]).chars().skip(4).collect::<String>();
            let keywords: Vec<String> = replies[1..].iter().map(keyword).collect();
            let last = replies[replies.len() - 1];
            let text = format!("250 {}", visible(&keywords.join(", ")));
            let text = self.waited(page, last, text);
            self.row(page, (replies[1], last), &text, 2);
            return;
        }
        for at in replies {
            let text = self.text(at);
            let code =
                reply::parse(steps[at].row.record.data().bytes).map_or(0, |reply| reply.code);
            let text = if code >= 400 {
                page.tone(Tone::Bad, &text)
            } else {
                text
            };
            let text = self.waited(page, at, text);
            self.row(page, (at, at), &text, 2);
        }
    }

    fn text(&self, at: usize) -> String {
        visible(&said(&self.told.talk.steps[at])).into_owned()
    }

    /// Adds how long the other end took.
    fn waited(&self, page: &Page, at: usize, text: String) -> String {
        match self.told.talk.wait(at) {
            Some(wait) if wait >= self.pause => {
                format!(
                    "{text}  {}",
                    page.tone(Tone::Warn, &format!("({})", lasting(wait)))
                )
            }
            Some(wait) => format!("{text}  ({})", lasting(wait)),
            None => text,
        }
    }

    /// What is missing before a row, then the row; `first` and `last` where several are one.
    fn row(&mut self, page: &mut Page, (first, last): (usize, usize), text: &str, indent: usize) {
        let steps = &self.told.talk.steps;
        let (step, until) = (&steps[first], &steps[last]);
        self.marks(page, first);
        if self.source != Some(step.source) {
            self.source = Some(step.source);
            let path = self.told.paths[step.source as usize]
                .as_deref()
                .unwrap_or("?");
            page.line(self.indent, &format!("in {}", visible(path)));
        }
        let record = &step.row.record;
        let lines = match first == last {
            true => step.row.number.to_string(),
            false => format!("{}-{}", step.row.number, until.row.number),
        };
        let time: String = Time(record.time).milli().chars().skip(11).collect();
        let event = visible(&lossless(record.event())).into_owned();
        let mut parts = wrapped(text, self.width.saturating_sub(indent)).into_iter();
        let begin = format!(
            "{lines:>lines_width$}  {:>sequence_width$}  {time}  {}{event}  {}",
            record.sequence,
            " ".repeat(indent),
            parts.next().unwrap_or_default(),
            lines_width = self.line_width,
            sequence_width = self.sequence_width,
        );
        page.line(self.indent, &begin);
        for part in parts {
            page.line(self.margin + indent + 3, &part);
        }
    }

    fn marks(&self, page: &mut Page, at: usize) {
        let step = &self.told.talk.steps[at];
        let mut mark = |text: String| {
            let text = page.tone(Tone::Warn, &format!("-- {text} --"));
            page.line(self.margin, &text);
        };
        if at == 0 && self.told.talk.session.marks.cut_head {
            mark(format!(
                "rows 0 to {} are not in these logs",
                step.row.record.sequence.saturating_sub(1)
            ));
        }
        if step.missing > 0 {
            let last = step.row.record.sequence.saturating_sub(1);
            let missing = i64::try_from(step.missing).unwrap_or(i64::MAX);
            let first = last.saturating_sub(missing).saturating_add(1);
            mark(match missing {
                1 => {
                    format!("row {last} is missing: the server dropped it, or its log is not here")
                }
                _ => format!(
                    "rows {first} to {last} are missing: the server dropped them, or their log is not here"
                ),
            });
        }
        if step.pause >= self.pause {
            mark(format!("{} without a row", lasting(step.pause)));
        }
    }

    /// A certificate, spelled out.
    fn certificate(&mut self, page: &mut Page, at: usize, spelled: &Spelled) {
        let last = at + spelled.rows - 1;
        let context = self.told.talk.steps[at].row.record.context().value();
        // Forms B and C put the labels of the columns behind the heading.
        let heading = lossless(&context).into_owned();
        let heading = heading
            .split_once(" certificate")
            .map_or(heading.clone(), |(whose, _)| format!("{whose} certificate"));
        self.row(page, (at, last), &visible(&heading), 0);
        let end = self.told.talk.session.end;
        for (name, value) in facts(&spelled.certificate, spelled, end) {
            let value = match name {
                "expired" => page.tone(Tone::Bad, &value),
                _ => value,
            };
            let mut parts = wrapped(&value, self.width.saturating_sub(15)).into_iter();
            let first = parts.next().unwrap_or_default();
            page.line(self.margin + 3, &format!("{name:<11} {first}"));
            for part in parts {
                page.line(self.margin + 15, &part);
            }
        }
    }
}

/// The facts of a certificate, names before values; not a fact is left out silently.
fn facts(certificate: &Certificate, spelled: &Spelled, seen: i64) -> Vec<(&'static str, String)> {
    let text = |value: &Option<String>| value.as_deref().map(|value| visible(value).into_owned());
    let mut facts = Vec::new();
    let mut fact = |name: &'static str, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name, value));
        }
    };
    fact(
        "thumbprint",
        text(&certificate.thumbprint).or(text(&certificate.raw_thumbprint)),
    );
    fact("subject", text(&certificate.subject));
    fact("issuer", text(&certificate.issuer));
    fact("unsplit", text(&certificate.unsplit));
    fact("serial", text(&certificate.serial));
    let (from, to) = (
        certificate.not_before.map(Time),
        certificate.not_after.map(Time),
    );
    let elsewhere = spelled.elsewhere;
    let dates = |from: Option<Time>, to: Time| {
        let from = from.map_or("?".to_owned(), Time::minute);
        format!("{from} to {} UTC", to.minute())
    };
    let valid = match (to, elsewhere.and_then(|dates| dates.not_after)) {
        (Some(to), _) => dates(from, to),
        (None, Some(to)) => format!(
            "{} (from another row of the same thumbprint)",
            dates(elsewhere.and_then(|dates| dates.not_before), to)
        ),
        (None, None) => "not in the logs: this form of row has no dates".to_owned(),
    };
    fact("valid", Some(valid));
    let to = to.or(elsewhere.and_then(|dates| dates.not_after));
    let expired = to.filter(|to| to.0 < seen);
    fact(
        "expired",
        expired.map(|to| format!("{} before", lasting(seen - to.0))),
    );
    let names: Vec<&str> = certificate.names.iter().map(String::as_str).collect();
    let listed = names.iter().take(NAMES).map(|name| visible(name));
    let mut listed = listed.collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        listed += &format!(" and {} more", names.len() - NAMES);
    }
    fact("names", Some(listed).filter(|names| !names.is_empty()));
    fact(
        "flags",
        Some(certificate.flags.join(", ")).filter(|flags| !flags.is_empty()),
    );
    facts
}

/// The text in lines of at most `width` places, cut between words.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() && line.width().saturating_add(1 + word.width()) > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}
