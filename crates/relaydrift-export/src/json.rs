//! JSON objects, written front to back into bytes: what is absent is left out.
//!
//! Every character that [`acts`] is spelled `\uXXXX`, so that a line of output can neither break in
//! two nor act on a terminal; any reader turns it back into the character.

use crate::escape::acts;

/// An object that is being written. Members that have no value are left out, and so are objects
/// and lists that stay empty.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

/// Writes one object, `{}` where `members` writes none.
pub(crate) fn object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    members(&mut Object { out, empty: true });
    out.push(b'}');
}

impl Object<'_> {
    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.empty) {
            self.out.push(b',');
        }
        // Names are ours, and plain.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    /// A text; an empty one is left out.
    pub fn text(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.name(name);
            string(self.out, value);
        }
    }

    /// A text that may be missing.
    pub fn maybe(&mut self, name: &str, value: Option<&str>) {
        self.text(name, value.unwrap_or_default());
    }

    /// A whole number.
    pub fn int(&mut self, name: &str, value: i64) {
        self.name(name);
        number(self.out, value);
    }

    /// A whole number that may be missing.
    pub fn maybe_int(&mut self, name: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.int(name, value);
        }
    }

    /// true or false.
    pub fn flag(&mut self, name: &str, value: bool) {
        self.name(name);
        self.out
            .extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A time as RFC 3339 in UTC.
    pub fn time(&mut self, name: &str, micros: Option<i64>) {
        if let Some(micros) = micros {
            self.name(name);
            self.out.push(b'"');
            relaydrift_parse::time::write(micros, self.out);
            self.out.push(b'"');
        }
    }

    /// A time as whole milliseconds since 1970.
    pub fn millis(&mut self, name: &str, micros: Option<i64>) {
        self.maybe_int(name, micros.map(|micros| micros.div_euclid(1000)));
    }

    /// A time as seconds since 1970 with three decimals.
    pub fn seconds(&mut self, name: &str, micros: i64) {
        self.name(name);
        let millis = micros.div_euclid(1000);
        number(self.out, millis.div_euclid(1000));
        let rest = millis.rem_euclid(1000);
        self.out.push(b'.');
        for digit in [rest / 100, rest / 10 % 10, rest % 10] {
            // A digit fits a byte.
            self.out.push(b'0' + digit as u8);
        }
    }

    /// A member object.
    pub fn object(&mut self, name: &str, members: impl FnOnce(&mut Object<'_>)) {
        let (start, was_empty) = (self.out.len(), self.empty);
        self.name(name);
        self.out.push(b'{');
        let mut inner = Object {
            out: self.out,
            empty: true,
        };
        members(&mut inner);
        if inner.empty {
            self.out.truncate(start);
            self.empty = was_empty;
        } else {
            self.out.push(b'}');
        }
    }

    /// A list of texts; empty texts are left out.
    pub fn texts<'t>(&mut self, name: &str, values: impl IntoIterator<Item = &'t str>) {
        let mut values = values
            .into_iter()
            .filter(|value| !value.is_empty())
            .peekable();
        if values.peek().is_none() {
            return;
        }
        self.name(name);
        let mut next = b'[';
        for value in values {
            self.out.push(next);
            string(self.out, value);
            next = b',';
        }
        self.out.push(b']');
    }

    /// A list of objects.
    pub fn objects<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut members: impl FnMut(&mut Object<'_>, T),
    ) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        self.name(name);
        let mut next = b'[';
        for item in items {
            self.out.push(next);
            object(self.out, |object| members(object, item));
            next = b',';
        }
        self.out.push(b']');
    }
}

fn number(out: &mut Vec<u8>, value: i64) {
    if value < 0 {
        out.push(b'-');
    }
    let (mut digits, mut rest) = ([0; 20], value.unsigned_abs());
    let mut at = digits.len();
    loop {
        at -= 1;
        // A digit fits a byte.
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Bytes that stand for themselves: 20 to 7e but quote and backslash. Nearly all text is such.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        plain[byte] = byte != b'"' as usize && byte != b'\\' as usize;
        byte += 1;
    }
    plain
};

/// One string, quoted.
pub(crate) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| !PLAIN[usize::from(byte)]) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        // `at` is the start of a character: all before it are of one byte.
        let Some(c) = rest[at..].chars().next() else {
            break;
        };
        escape(out, c);
        rest = &rest[at + c.len_utf8()..];
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn escape(out: &mut Vec<u8>, c: char) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        c if acts(c) => {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = usize::from(*unit >> shift & 0xf);
                    out.push(b"0123456789abcdef"[digit]);
                }
            }
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(members: impl FnOnce(&mut Object<'_>)) -> String {
        let mut out = Vec::new();
        object(&mut out, members);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_absent_is_left_out() {
        let text = written(|o| {
            o.maybe("none", None);
            o.text("empty", "");
            o.object("hollow", |o| o.texts("list", [""]));
            o.int("n", -5);
            o.object("inner", |o| o.flag("yes", true));
            o.texts("list", ["a", "", "b"]);
            o.seconds("at", 1_500_001_000);
        });
        assert_eq!(
            text,
            r#"{"n":-5,"inner":{"yes":true},"list":["a","b"],"at":1500.001}"#
        );
        assert_eq!(written(|o| o.object("a", |_| ())), "{}");
        let ends = written(|o| {
            [i64::MIN, -1, 0, 10, i64::MAX]
                .into_iter()
                .for_each(|n| o.int("n", n))
        });
        assert_eq!(
            ends,
            r#"{"n":-9223372036854775808,"n":-1,"n":0,"n":10,"n":9223372036854775807}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back_and_acts_on_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
            for text in [String::from_utf8_lossy(&bytes).into_owned(), text] {
                let mut out = Vec::new();
                string(&mut out, &text);
                let written = String::from_utf8(out).unwrap();
                prop_assert!(!written.chars().any(acts));
                prop_assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
            }
        }
    }
}
