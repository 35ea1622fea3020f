//! RFC 5424 messages, one per record. No BOM: rsyslog would keep it in the message.

use std::fmt::Write as _;

use crate::escape::acts;
use crate::event::{Event, Fact, Severity};
use crate::text::escaped;

/// local0
const FACILITY: u8 = 16;

/// Appends everything before the message: priority, time, host, application, id and structured data.
///
/// The structured data's id is under 32473, the number that RFC 5612 sets aside for examples, because
/// relaydrift has no number of its own at IANA.
pub(crate) fn header(event: &Event, out: &mut Vec<u8>) {
    let severity = match event.severity() {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    };
    let id = match event.fact {
        Fact::Incident(_) => "finding",
        Fact::Refusal(_) => "refusal",
        Fact::Session(_) => "session",
    };
    let mut text = String::with_capacity(160);
    // Writing into a String cannot fail.
    let _ = write!(
        text,
        "<{}>1 {} {} relaydrift - {id} [relaydrift@32473 key=\"{}\" organization=\"{}\"] ",
        FACILITY * 8 + severity,
        relaydrift_parse::time::format(event.time),
        printable(&event.server, 255),
        parameter(&event.key),
        parameter(&event.organization),
    );
    out.extend_from_slice(text.as_bytes());
}

/// A header field is PRINTUSASCII; everything else becomes `_`, nothing becomes `-`.
fn printable(text: &str, limit: usize) -> String {
    let is_print = |c: char| ('!'..='~').contains(&c);
    let kept = text.chars().map(|c| if is_print(c) { c } else { '_' });
    let field: String = kept.take(limit).collect();
    if field.is_empty() {
        "-".to_owned()
    } else {
        field
    }
}

/// A value of structured data: `"`, `\` and `]` are escaped; what acts is spelled out.
fn parameter(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    escaped(&mut value, text, 255, |out, c| match c {
        '"' | '\\' | ']' => out.extend(['\\', c]),
        c if acts(c) => {
            let _ = write!(out, "\\\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    });
    value
}

/// A record as RFC 6587 counts it: its length in bytes, a space, the bytes. What is in it cannot
/// begin another message.
pub(crate) fn frame(record: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("{} ", record.len()).as_bytes());
    out.extend_from_slice(record);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_header_keep_to_their_characters() {
        assert_eq!(printable("", 255), "-");
        assert_eq!(printable("EX 01\n\u{fc}", 255), "EX_01__");
        assert_eq!(printable(&"x".repeat(300), 255).len(), 255);
        assert_eq!(parameter("a\"b\\c]\nd"), "a\\\"b\\\\c\\]\\\\u{a}d");
    }

    #[test]
    fn a_frame_counts_bytes() {
        let mut out = Vec::new();
        frame("\u{e9}\n<34>1 forged".as_bytes(), &mut out);
        assert_eq!(out, "15 \u{e9}\n<34>1 forged".as_bytes());
    }
}
