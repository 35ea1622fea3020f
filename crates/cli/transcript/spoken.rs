//! Rows in words.

use relaydrift_parse::certificate::{self, Certificate, Form, Heading, Row};
use relaydrift_parse::text::lossless;

use super::{Step, Talk};

/// What a row says, without the marks of the log: not yet escaped.
pub fn said(step: &Step<'_>) -> String {
    let record = &step.row.record;
    let (data, context) = (record.data().value(), record.context().value());
    let (data, context) = (lossless(&data), lossless(&context));
    match record.event() {
        b"+" => format!(
            "connected: {} to {}",
            lossless(record.local()),
            lossless(record.remote())
        ),
        b"-" if context.is_empty() => "disconnected".into(),
        b"-" => format!("disconnected: {context}"),
        _ if context.is_empty() => data.into_owned(),
        _ if data.is_empty() => context.into_owned(),
        b"*" => format!("{context}: {data}"),
        _ => format!("{data} ({context})"),
    }
}

/// The certificate whose rows begin at this step, in any of the three forms, and how many rows it
/// takes up.
pub fn certificate_at(talk: &Talk<'_>, at: usize) -> Option<(Heading, Certificate, usize)> {
    let row = |at: usize| {
        let record = &talk.steps.get(at)?.row.record;
        if record.event() != b"*" {
            return None;
        }
        Some((record.context().value(), record.data().value()))
    };
    let (context, data) = row(at)?;
    match certificate::classify(&context, &data)? {
        Row::Whole(heading, _) => Some((heading, certificate::parse_whole(&context, &data), 1)),
        Row::Attribute(..) => None,
        Row::Heading(heading) => {
            let mut found = Certificate::new(Form::A);
            let mut rows = 1;
            while let Some((context, data)) = row(at + rows)
                && let Some(Row::Attribute(attribute, _)) = certificate::classify(&context, &data)
            {
                certificate::apply(&mut found, attribute, &data);
                rows += 1;
            }
            Some((heading, found, rows))
        }
    }
}

/// `418 ms`, `12.3 s`, `5 min 3 s`, `2 h 10 min`, `3 d 4 h`
pub fn lasting(micros: i64) -> String {
    let seconds = micros.unsigned_abs() / 1_000_000;
    let text = match seconds {
        0 => format!("{} ms", micros.unsigned_abs() / 1000),
        1..60 => format!("{seconds}.{} s", micros.unsigned_abs() / 100_000 % 10),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    };
    if micros < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_in_words() {
        for (micros, text) in [
            (0, "0 ms"),
            (418_900, "418 ms"),
            (-34_000, "-34 ms"),
            (12_340_000, "12.3 s"),
            (303_000_000, "5 min 3 s"),
            (7_800_000_000, "2 h 10 min"),
            (273_600_000_000, "3 d 4 h"),
        ] {
            assert_eq!(lasting(micros), text);
        }
    }
}
