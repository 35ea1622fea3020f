//! A letter and a colour for every certificate, the same wherever it is drawn.

use std::collections::HashMap;

use super::Text;
use super::model::Report;

/// Colours that can be told apart, also by people who see few.
const COLOURS: usize = 7;
/// Plain, striped, dotted: certificates that share a colour differ in this, and by letter.
const WEAVES: usize = 3;

/// The letters of a report: A is the certificate seen first.
#[derive(Debug, Default)]
pub struct Letters {
    numbers: HashMap<Text, usize>,
    order: Vec<Text>,
}

impl Letters {
    /// Gives letters by the time at which certificates were first seen, at the same time by thumbprint.
    pub fn of(report: &Report) -> Letters {
        let lanes = report.connectors.iter().flat_map(|one| &one.lanes);
        let mut seen: Vec<_> = lanes
            .flat_map(|lane| &lane.certificates)
            .map(|span| (span.from, &span.value))
            .collect();
        seen.sort_unstable();
        let mut letters = Letters::default();
        for (_, value) in seen {
            let next = letters.numbers.len();
            if !letters.numbers.contains_key(value) {
                letters.numbers.insert(value.clone(), next);
                letters.order.push(value.clone());
            }
        }
        letters
    }

    /// `A` to `Z`, then `AA`; `?` for a certificate that no lane shows.
    pub fn letter(&self, thumbprint: &Text) -> String {
        let Some(&number) = self.numbers.get(thumbprint) else {
            return "?".into();
        };
        let mut rest = number + 1;
        let mut letters = Vec::new();
        while rest > 0 {
            letters.push(char::from(b'A' + ((rest - 1) % 26) as u8));
            rest = (rest - 1) / 26;
        }
        letters.iter().rev().collect()
    }

    /// The number of its colour.
    pub fn colour(&self, thumbprint: &Text) -> usize {
        self.numbers.get(thumbprint).map_or(0, |n| n % COLOURS)
    }

    /// What is woven into the colour; 0 is nothing.
    pub fn weave(&self, thumbprint: &Text) -> usize {
        let number = self.numbers.get(thumbprint);
        number.map_or(0, |n| n / COLOURS % WEAVES)
    }

    /// Whether any lane shows it.
    pub fn knows(&self, thumbprint: &Text) -> bool {
        self.numbers.contains_key(thumbprint)
    }

    /// Every certificate, A first.
    pub fn order(&self) -> &[Text] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Connector, Lane, Span};
    use super::*;

    fn report(count: i64) -> Report {
        let span = |number: i64| Span {
            value: format!("{number:040X}").into(),
            from: number,
            to: number,
        };
        let lane = Lane {
            certificates: (0..count).rev().map(span).collect(),
            ..Lane::default()
        };
        let connector = Connector {
            lanes: vec![lane.clone(), lane],
            ..Connector::default()
        };
        Report {
            connectors: vec![connector],
            ..Report::default()
        }
    }

    #[test]
    fn letters_follow_time_and_never_repeat() {
        let letters = Letters::of(&report(800));
        let all: Vec<String> = letters.order().iter().map(|t| letters.letter(t)).collect();
        assert_eq!(all[0], "A");
        assert_eq!(all[25..28], ["Z", "AA", "AB"]);
        assert_eq!(all[702], "AAA");
        let mut distinct = all.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 800);
        assert_eq!(letters.letter(&"x".into()), "?");
    }
}
