//! Bytes as text, nothing lost from sight.
//!
//! Replies and commands stand in the log as they came over the wire (Exchange converts only its own
//! strings to UTF-8), so 8-bit replies and old code pages occur in `data`.

use std::borrow::Cow;
use std::fmt::Write;

/// The bytes as text: borrowed where they are UTF-8, else with each invalid byte as `\xNN`.
///
/// A literal `\xNN` in the input looks the same afterwards: where that matters, keep the bytes too.
pub fn lossless(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing into a `String` cannot fail.
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    Cow::Owned(text)
}

/// True for a character that acts on a display or hides in it: C0, DEL and C1 controls, line and
/// paragraph separators, bidi controls, zero-width characters and tags.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn borrows_what_is_utf8() {
        assert!(matches!(lossless(b""), Cow::Borrowed("")));
        assert!(matches!(
            lossless("Привет\0\u{1b}".as_bytes()),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn shows_what_is_not() {
        assert_eq!(lossless(b"550 gr\xfc\xdfe"), "550 gr\\xFC\\xDFe");
        assert_eq!(lossless(b"\xff"), "\\xFF");
        assert_eq!(lossless(b"cut \xe2\x82"), "cut \\xE2\\x82");
    }

    proptest! {
        #[test]
        fn no_byte_is_lost(bytes: Vec<u8>) {
            let text = lossless(&bytes);
            let mut slow = String::new();
            let mut rest = &bytes[..];
            while let [first, ..] = rest {
                let len = (1..=4.min(rest.len())).find(|len| str::from_utf8(&rest[..*len]).is_ok());
                match len {
                    Some(len) => slow.push_str(str::from_utf8(&rest[..len]).unwrap()),
                    None => slow.push_str(&format!("\\x{first:02X}")),
                }
                rest = &rest[len.unwrap_or(1)..];
            }
            prop_assert_eq!(text, slow);
        }
    }
}
