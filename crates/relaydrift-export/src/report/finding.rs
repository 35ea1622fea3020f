//! Findings, numbered: what happened to many servers in the same way within a day is one.

use super::Text;
use super::model::{Change, Connector, Report, Tone};
use super::time::{DAY, Time};

/// Changes of one connector above which those to different values are told together too.
const MANY: usize = 60;

/// Changes that are told as one.
#[derive(Debug, Clone)]
pub struct Finding<'a> {
    /// From 1; the same in pictures, tables and text.
    pub number: usize,
    /// They agree in everything but server, time and, where they are many, values; never empty.
    pub changes: Vec<&'a Change>,
}

impl Finding<'_> {
    /// The oldest of its changes.
    pub fn first(&self) -> &Change {
        self.changes[0]
    }

    /// Recipients refused.
    pub fn refused(&self) -> i64 {
        self.changes.iter().map(|change| change.refused).sum()
    }

    /// When the last of its changes happened.
    pub fn last(&self) -> Time {
        let times = self.changes.iter().map(|change| change.at);
        times.max().unwrap_or(self.first().at)
    }

    /// `EX01, EX02 and 3 more`
    pub fn servers(&self, limit: usize) -> String {
        named(self.changes.iter().map(|change| &change.server), limit)
    }

    /// What it did to mail, in words.
    pub fn effect(&self) -> String {
        let first = self.first();
        match (self.changes.len(), self.refused()) {
            (1, _) if first.effect.is_empty() => "none seen".into(),
            (1, _) => first.effect.to_string(),
            (_, 0) => "nothing refused".into(),
            (_, refused) if first.breaking => recipients(refused),
            (_, refused) => format!("{} afterwards", recipients(refused)),
        }
    }

    /// How bad it is.
    pub fn tone(&self) -> Tone {
        tone(self.first())
    }

    /// `certificate renewed`
    pub fn title(&self) -> String {
        title(self.first())
    }

    /// `critical, breaks mail`
    pub fn severity(&self) -> String {
        let change = self.first();
        match (change.breaking, change.open) {
            (true, true) => format!("{}, breaks mail", change.severity),
            (true, false) => format!("{}, broke mail", change.severity),
            (false, _) => change.severity.to_string(),
        }
    }
}

/// `EX01, EX02 and 3 more`
pub fn named<'a>(names: impl Iterator<Item = &'a Text>, limit: usize) -> String {
    let mut names: Vec<&Text> = names.filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let shown: Vec<String> = names.iter().take(limit).map(|n| n.shortened(40)).collect();
    match names.len().saturating_sub(limit) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// `1 recipient refused`
pub fn recipients(count: i64) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} recipient{plural} refused", thousands(count))
}

/// `1,234,567`
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How bad a change is.
pub fn tone(change: &Change) -> Tone {
    match (&*change.severity, change.open) {
        (_, true) => Tone::Bad,
        ("info", false) if !change.breaking => Tone::Good,
        _ => Tone::Warn,
    }
}

/// `certificate renewed`, `address moved`, `TLS lost`
pub fn title(change: &Change) -> String {
    let kind = match &*change.kind {
        "egress" => "address",
        "tls" => "TLS",
        "peer" => "Exchange Online's certificate",
        kind => kind,
    };
    if kind == &*change.class {
        kind.into()
    } else {
        format!("{kind} {}", change.class)
    }
}

/// The findings of each connector, numbered through the whole report.
pub fn findings(report: &Report) -> Vec<Vec<Finding<'_>>> {
    let mut number = 0;
    let numbered = |connector| {
        let mut findings = grouped(connector);
        for finding in &mut findings {
            number += 1;
            finding.number = number;
        }
        findings
    };
    report.connectors.iter().map(numbered).collect()
}

fn grouped(connector: &Connector) -> Vec<Finding<'_>> {
    let mut changes: Vec<&Change> = connector.changes.iter().collect();
    changes.sort_by(|a, b| (a.at, &a.server).cmp(&(b.at, &b.server)));
    let many = changes.len() > MANY;
    let mut findings: Vec<(Time, Finding<'_>)> = Vec::new();
    for change in changes {
        let same = findings.iter_mut().rfind(|(last, finding)| {
            let first = finding.first();
            let kept = |change: &Change| -> [Text; 5] {
                let value = |text: &Text| if many { Text::default() } else { text.clone() };
                [
                    change.kind.clone(),
                    change.class.clone(),
                    change.severity.clone(),
                    value(&change.before),
                    value(&change.after),
                ]
            };
            change.at - last < DAY
                && (first.breaking, first.open) == (change.breaking, change.open)
                && kept(first) == kept(change)
        });
        match same {
            Some((last, finding)) => {
                *last = change.at;
                finding.changes.push(change);
            }
            None => findings.push((
                change.at,
                Finding {
                    number: 0,
                    changes: vec![change],
                },
            )),
        }
    }
    findings.into_iter().map(|(_, finding)| finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(server: usize, at: Time, after: &str) -> Change {
        Change {
            server: format!("EX{server:02}").into(),
            at,
            kind: "certificate".into(),
            class: "renewed".into(),
            severity: "info".into(),
            after: after.into(),
            ..Change::default()
        }
    }

    fn count(changes: Vec<Change>) -> usize {
        let connector = Connector {
            changes,
            ..Connector::default()
        };
        let report = Report {
            connectors: vec![connector.clone(), connector],
            ..Report::default()
        };
        let findings = findings(&report);
        let numbers: Vec<usize> = findings.iter().flatten().map(|f| f.number).collect();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>());
        findings[0].len()
    }

    #[test]
    fn one_renewal_on_many_servers_is_one_finding() {
        let same = |server: usize| change(server, server as Time * DAY / 2, "B");
        assert_eq!(count((0..9).map(same).collect()), 1);
        let late = |server: usize| change(server, server as Time * DAY * 2, "B");
        assert_eq!(count((0..9).map(late).collect()), 9);
    }

    #[test]
    fn other_values_are_other_findings_while_there_are_few() {
        let own = |server: usize| change(server, 0, &format!("B{server}"));
        assert_eq!(count((0..9).map(own).collect()), 9);
        assert_eq!(count((0..200).map(own).collect()), 1);
    }

    #[test]
    fn what_breaks_is_told_apart() {
        let mut broke = change(1, 0, "B");
        broke.breaking = true;
        broke.open = true;
        assert_eq!(tone(&broke), Tone::Bad);
        assert_eq!(count(vec![change(0, 0, "B"), broke]), 2);
    }
}
