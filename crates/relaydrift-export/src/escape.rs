//! Text from a log on its way to a person: nothing in it may act on the terminal.
//!
//! Banners, replies and names are written by strangers. Control characters could move the cursor,
//! set a title or fill a clipboard; bidi controls could make one name look like another. All of
//! them are shown as what they are, `\x1b` or `\u{202e}`, in tables, messages and errors, and as
//! `\u001b` in JSON, which any reader turns back into the character.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use serde_json::ser::Formatter;

pub use relaydrift_parse::text::acts;

/// The text with every character that [`acts`] spelled out; line ends too, as `\n`.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if !acts(c) => shown.push(c),
            c if u32::from(c) < 0x100 => push(&mut shown, format_args!("\\x{:02x}", u32::from(c))),
            c => push(&mut shown, format_args!("\\u{{{:x}}}", u32::from(c))),
        }
    }
    Cow::Owned(shown)
}

/// Like [`visible`] for a message of our own that may have several lines: its line ends stay.
pub fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

fn push(text: &mut String, part: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = text.write_fmt(part);
}

/// Writes JSON as serde_json does, compact, with every character that [`acts`] as `\uXXXX`.
#[derive(Debug, Clone, Copy)]
pub struct Inert;

impl Formatter for Inert {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| acts(*c)) {
            out.write_all(&rest.as_bytes()[..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

/// One value as JSON, appended to `out`.
pub fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Inert))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canaries_are_spelled_out() {
        assert_eq!(visible("\x1b]0;x\x07"), "\\x1b]0;x\\x07");
        assert_eq!(visible("a\u{202e}b\u{9b}2J"), "a\\u{202e}b\\x9b2J");
        assert_eq!(visible("one\r\ntwo\tthree\0"), "one\\r\\ntwo\\tthree\\x00");
        assert_eq!(visible_lines("one\ntw\x1bo"), "one\ntw\\x1bo");
        assert!(matches!(
            visible("Ausgehend – Büro/отдел"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn json_spells_out_what_serde_leaves() {
        let mut out = Vec::new();
        json(&mut out, "\u{7f}\u{9b}\u{2028}\u{e0041}\x1b\"").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, r#""\u007f\u009b\u2028\udb40\udc41\u001b\"""#);
    }

    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            any::<char>(),
            (0u32..0x20).prop_map(|c| char::from_u32(c).unwrap()),
            (0x7fu32..0xa0).prop_map(|c| char::from_u32(c).unwrap()),
            (0x2000u32..0x2070).prop_map(|c| char::from_u32(c).unwrap()),
        ];
        prop::collection::vec(piece, 0..40).prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn nothing_that_acts_gets_out(text in hostile()) {
            prop_assert!(!visible(&text).chars().any(acts));
            prop_assert!(!visible_lines(&text).chars().any(|c| acts(c) && c != '\n'));
        }

        #[test]
        fn json_is_inert_and_comes_back(text in hostile()) {
            let mut out = Vec::new();
            json(&mut out, &text).unwrap();
            let written = String::from_utf8(out).unwrap();
            prop_assert!(!written.chars().any(acts));
            prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }
}
