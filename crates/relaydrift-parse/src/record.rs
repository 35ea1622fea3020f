//! One row: nine fields as slices of its line, typed when asked.
//!
//! Exchange quotes a field only if it holds a comma or a quote, doubles quotes inside, and writes
//! line breaks as the two characters `\r` and `\n`: a row never spans lines, so neither does a quote
//! here. A quote in the middle of a field is text.

use std::borrow::Cow;

use memchr::{memchr, memchr2_iter, memmem};

use crate::{LINE_LIMIT, Reason, header::Columns};

/// Fields in a row as Exchange writes it.
const FIELD_COUNT: usize = 9;

/// Bytes of a time as Exchange writes it.
const TIME_BYTES: usize = 24;

/// A field's bytes, quotes taken off; doubled quotes inside are still doubled if `escaped`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a> {
    /// The bytes between the quotes, or the whole field.
    pub bytes: &'a [u8],
    /// True if `bytes` holds doubled quotes that stand for single ones.
    pub escaped: bool,
}

impl<'a> Text<'a> {
    /// A field that was not quoted.
    pub fn plain(bytes: &'a [u8]) -> Self {
        Text {
            bytes,
            escaped: false,
        }
    }

    /// The field's value: borrowed unless quotes have to be undoubled.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if !self.escaped {
            return Cow::Borrowed(self.bytes);
        }
        let mut value = Vec::with_capacity(self.bytes.len());
        let mut rest = self.bytes;
        while let Some(at) = memmem::find(rest, b"\"\"") {
            value.extend_from_slice(&rest[..=at]);
            rest = &rest[at + 2..];
        }
        value.extend_from_slice(rest);
        Cow::Owned(value)
    }

    /// True if there is nothing in the field.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}

/// Where a field's bytes stand in its line, quotes left out. Rows are copied often: nine of these are 72 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bounds {
    start: u32,
    /// With [`ESCAPED`] where quotes are doubled.
    end: u32,
}

/// Bit of [`Bounds::end`]: lines are shorter than that, see [`check_length`].
const ESCAPED: u32 = 1 << 31;

impl Bounds {
    fn plain(start: usize, end: usize) -> Self {
        Bounds {
            start: start as u32,
            end: end as u32,
        }
    }

    fn of(self, line: &[u8]) -> Text<'_> {
        Text {
            bytes: &line[self.start as usize..(self.end & !ESCAPED) as usize],
            escaped: self.end & ESCAPED != 0,
        }
    }

    /// The same field in a line in which it stands that much later (wrapping: or earlier).
    fn moved(self, by: u32) -> Self {
        Bounds {
            start: self.start.wrapping_add(by),
            end: self.end.wrapping_add(by),
        }
    }
}

/// One row, borrowed from its line.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The whole line without its line end.
    pub line: &'a [u8],
    fields: [Bounds; FIELD_COUNT],
    /// Microseconds since 1970, UTC.
    pub time: i64,
    /// 0 for the first row of a session, then one more for each.
    pub sequence: i64,
}

impl<'a> Record<'a> {
    /// Splits and checks one line (without its line end).
    ///
    /// # Errors
    /// The reason for which the line is a reject. A glued row is not looked for here: see
    /// [`glued_at`].
    pub fn parse(line: &'a [u8], columns: &Columns) -> Result<Self, Reason> {
        check_length(line)?;
        let fields = if columns.is_standard() {
            split_standard(line)?
        } else {
            split_by(line, columns)?
        };
        Record::from_fields(line, fields)
    }

    /// Becomes the row of the next line, in the standard order as this one is.
    ///
    /// Rows come in bursts: connector, session and endpoints, mostly the time too, are those of the
    /// row before. Where their bytes are the same, so are the fields. `None`, and nothing changed, where
    /// they are not, and for every line that needs a closer look: see [`Record::parse`].
    pub(crate) fn go_on(&mut self, line: &'a [u8]) -> Option<()> {
        let [first, .., number, _, _, event, _, _] = &self.fields;
        let shared = self.line.get(TIME_BYTES..number.start as usize)?;
        let endpoints = &self.line[number.end as usize..event.start as usize];
        // Quotes around the number or the event are left to the other path.
        let bare = endpoints.first() == Some(&b',') && endpoints.last() == Some(&b',');
        if !bare || first.end as usize != TIME_BYTES || line.len() > LINE_LIMIT {
            return None;
        }
        let (text, tail) = line.split_first_chunk::<TIME_BYTES>()?;
        let tail = tail.strip_prefix(shared)?;
        let (sequence, tail) = leading_number(tail)?;
        let tail = tail.strip_prefix(endpoints)?;
        let time = match self.line.first_chunk() {
            Some(same) if same == text => self.time,
            _ => crate::time::parse(text)?,
        };
        let at = line.len() - tail.len();
        let last = last_fields(line, at)?;
        let moved = (at as u32).wrapping_sub(event.start);
        // The sequence number may be longer or shorter.
        if moved != 0 {
            self.fields[3].end = self.fields[3].end.wrapping_add(moved);
            self.fields[4] = self.fields[4].moved(moved);
            self.fields[5] = self.fields[5].moved(moved);
        }
        [self.fields[6], self.fields[7], self.fields[8]] = last;
        (self.line, self.time, self.sequence) = (line, time, sequence);
        Some(())
    }

    fn from_fields(line: &'a [u8], fields: [Bounds; FIELD_COUNT]) -> Result<Self, Reason> {
        let Some(time) = crate::time::parse(fields[0].of(line).bytes) else {
            return Err(if padded(line, &fields) {
                Reason::Reformatted
            } else {
                Reason::BadTime
            });
        };
        let Some(sequence) = parse_sequence(fields[3].of(line).bytes) else {
            return Err(if padded(line, &fields) {
                Reason::Reformatted
            } else {
                Reason::BadSequence
            });
        };
        Ok(Record {
            line,
            fields,
            time,
            sequence,
        })
    }

    fn field(&self, at: usize) -> Text<'a> {
        self.fields[at].of(self.line)
    }

    /// Name of the connector.
    pub fn connector(&self) -> Text<'a> {
        self.field(1)
    }

    /// Sixteen hexadecimal digits.
    pub fn session_id(&self) -> &'a [u8] {
        self.field(2).bytes
    }

    /// `address:port`, empty until connected.
    pub fn local(&self) -> &'a [u8] {
        self.field(4).bytes
    }

    /// `address:port`.
    pub fn remote(&self) -> &'a [u8] {
        self.field(5).bytes
    }

    /// `+`, `-`, `>`, `<` or `*`; other text is kept.
    pub fn event(&self) -> &'a [u8] {
        self.field(6).bytes
    }

    /// What was sent or received, or the value that belongs to the context.
    pub fn data(&self) -> Text<'a> {
        self.field(7)
    }

    /// What a `*` row is about, why a `-` row ended the session.
    pub fn context(&self) -> Text<'a> {
        self.field(8)
    }

    /// True if both rows have the same nine values.
    pub fn has_same_fields(&self, other: &Record<'_>) -> bool {
        (0..FIELD_COUNT).all(|at| self.field(at) == other.field(at))
    }

    /// The row as Exchange writes it: nine fields in their order, quoted where they have to be.
    pub fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(self.line.len());
        for (at, field) in self
            .fields
            .iter()
            .map(|field| field.of(self.line))
            .enumerate()
        {
            if at > 0 {
                line.push(b',');
            }
            let quoted = field.escaped
                || memchr(b',', field.bytes).is_some()
                || field.bytes.starts_with(b"\"");
            match quoted {
                false => line.extend_from_slice(field.bytes),
                true => {
                    line.push(b'"');
                    for byte in field.value().iter() {
                        line.extend_from_slice(if *byte == b'"' {
                            b"\"\""
                        } else {
                            std::slice::from_ref(byte)
                        });
                    }
                    line.push(b'"');
                }
            }
        }
        line
    }

    /// True if the id is not sixteen upper-case hexadecimal digits, or all zero.
    pub fn has_odd_session_id(&self) -> bool {
        let id = self.session_id();
        !is_session_id(id) || id.iter().all(|byte| *byte == b'0')
    }
}

/// Sixteen upper-case hexadecimal digits.
pub fn is_session_id(id: &[u8]) -> bool {
    id.len() == 16
        && id
            .iter()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// Splits by quotes and commas without any shortcut: the obvious twin of the fast path, and the way
/// for lines with quotes or columns in another order.
pub fn split_all(line: &[u8]) -> Result<Vec<Text<'_>>, Reason> {
    let fields = bounds_all(line)?;
    Ok(fields.into_iter().map(|field| field.of(line)).collect())
}

fn bounds_all(line: &[u8]) -> Result<Vec<Bounds>, Reason> {
    check_length(line)?;
    let mut fields = Vec::with_capacity(FIELD_COUNT);
    let mut at = 0;
    loop {
        let (field, next) = next_field(line, at)?;
        fields.push(field);
        match next {
            Some(next) => at = next,
            None => return Ok(fields),
        }
    }
}

/// The byte at which a second row starts inside `line`: a timestamp, a comma, a connector, a comma
/// and a session id, after the line's start.
pub fn glued_at(line: &[u8]) -> Option<usize> {
    let mut from = 1;
    while let Some(found) = line.get(from..).and_then(|rest| memchr(b'T', rest)) {
        let t = from + found;
        from = t + 1;
        let Some(start) = t.checked_sub(10).filter(|start| *start > 0) else {
            continue;
        };
        if starts_row(&line[start..]) {
            return Some(start);
        }
    }
    None
}

fn starts_row(text: &[u8]) -> bool {
    let Some(time) = text.get(..24) else {
        return false;
    };
    if text.get(24) != Some(&b',') || crate::time::parse(time).is_none() {
        return false;
    }
    let Ok((_, Some(id))) = next_field(text, 25) else {
        return false;
    };
    text.get(id..id + 16).is_some_and(is_session_id) && text.get(id + 16) == Some(&b',')
}

/// [`Bounds`] can tell where the fields stand.
fn check_length(line: &[u8]) -> Result<(), Reason> {
    if line.len() < ESCAPED as usize {
        Ok(())
    } else {
        Err(Reason::TooLong { bytes: line.len() })
    }
}

/// Event, data and context of a line whose event starts at `at`.
fn last_fields(line: &[u8], at: usize) -> Option<[Bounds; 3]> {
    // Nearly all: an event of one byte, no quotes, often no context.
    if let [event, b',', rest @ ..] = &line[at..]
        && !matches!(event, b',' | b'"')
        && rest.first() != Some(&b'"')
    {
        let comma = memchr(b',', rest)?;
        let context = &rest[comma + 1..];
        if context.first() != Some(&b'"') {
            let data = at + 2;
            let end = context.is_empty() || memchr(b',', context).is_none();
            return end.then_some([
                Bounds::plain(at, at + 1),
                Bounds::plain(data, data + comma),
                Bounds::plain(data + comma + 1, line.len()),
            ]);
        }
    }
    let (event, data) = next_field(line, at).ok()?;
    let (data, context) = next_field(line, data?).ok()?;
    let (context, end) = next_field(line, context?).ok()?;
    end.is_none().then_some([event, data, context])
}

/// A number of up to 18 digits, and what follows it.
fn leading_number(text: &[u8]) -> Option<(i64, &[u8])> {
    let mut value = 0;
    let mut at = 0;
    while let Some(digit) = text.get(at).map(|byte| byte.wrapping_sub(b'0'))
        && digit < 10
    {
        value = value * 10 + i64::from(digit);
        at += 1;
        if at > 18 {
            return None;
        }
    }
    (at > 0).then(|| (value, &text[at..]))
}

fn split_standard(line: &[u8]) -> Result<[Bounds; FIELD_COUNT], Reason> {
    let mut fields = [Bounds::default(); FIELD_COUNT];
    let mut commas = 0;
    let mut start = 0;
    for at in memchr2_iter(b',', b'"', line) {
        if line[at] == b'"' {
            return split_quoted(line);
        }
        if commas < FIELD_COUNT - 1 {
            fields[commas] = Bounds::plain(start, at);
            start = at + 1;
        }
        commas += 1;
    }
    if commas != FIELD_COUNT - 1 {
        return Err(count_error(line, commas + 1, FIELD_COUNT));
    }
    fields[FIELD_COUNT - 1] = Bounds::plain(start, line.len());
    Ok(fields)
}

fn split_quoted(line: &[u8]) -> Result<[Bounds; FIELD_COUNT], Reason> {
    let mut fields = [Bounds::default(); FIELD_COUNT];
    let mut count = 0;
    let mut at = 0;
    loop {
        let (field, next) = next_field(line, at)?;
        if count < FIELD_COUNT {
            fields[count] = field;
        }
        count += 1;
        match next {
            Some(next) => at = next,
            None if count == FIELD_COUNT => return Ok(fields),
            None => return Err(count_error(line, count, FIELD_COUNT)),
        }
    }
}

fn split_by(line: &[u8], columns: &Columns) -> Result<[Bounds; FIELD_COUNT], Reason> {
    let all = bounds_all(line)?;
    if all.len() != columns.count {
        return Err(count_error(line, all.len(), columns.count));
    }
    Ok(columns.at.map(|at| all[at]))
}

fn count_error(line: &[u8], found: usize, expected: usize) -> Reason {
    let tabs = memchr::memchr_iter(b'\t', line)
        .take(FIELD_COUNT - 1)
        .count();
    if found < expected && tabs == FIELD_COUNT - 1 {
        Reason::Reformatted
    } else {
        Reason::FieldCount { found, expected }
    }
}

/// The field that starts at `at`, and where the next one starts.
fn next_field(line: &[u8], at: usize) -> Result<(Bounds, Option<usize>), Reason> {
    let rest = &line[at..];
    if rest.first() != Some(&b'"') {
        let end = match rest {
            [] => None,
            [b',', ..] => Some(0),
            // The event.
            [_, b',', ..] => Some(1),
            _ => memchr(b',', rest),
        };
        let bounds = Bounds::plain(at, at + end.unwrap_or(rest.len()));
        return Ok((bounds, end.map(|end| at + end + 1)));
    }
    let mut escaped = false;
    let mut from = 1;
    loop {
        let Some(found) = memchr(b'"', &rest[from..]) else {
            return Err(Reason::OpenQuote);
        };
        let quote = from + found;
        match rest.get(quote + 1) {
            Some(b'"') => {
                escaped = true;
                from = quote + 2;
            }
            next @ (Some(b',') | None) => {
                let mut bounds = Bounds::plain(at + 1, at + quote);
                if escaped {
                    bounds.end |= ESCAPED;
                }
                return Ok((bounds, next.map(|_| at + quote + 2)));
            }
            Some(_) => return Err(Reason::TextAfterQuote),
        }
    }
}

/// Fields padded with spaces where Exchange never writes any.
fn padded(line: &[u8], fields: &[Bounds; FIELD_COUNT]) -> bool {
    [2, 3, 6].iter().all(|field| {
        let bytes = fields[*field].of(line).bytes;
        bytes.starts_with(b" ") || bytes.ends_with(b" ")
    })
}

fn parse_sequence(digits: &[u8]) -> Option<i64> {
    match leading_number(digits) {
        Some((value, [])) => Some(value),
        _ => str::from_utf8(digits).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROW: &[u8] = b"2019-03-21T13:00:45.157Z,To cloud,08D6A8D416004F78,3,10.0.0.1:44277,192.0.2.1:25,<,\"220 mx ready at Thu, 21 Mar\",";

    fn parse(line: &[u8]) -> Result<Record<'_>, Reason> {
        Record::parse(line, &Columns::default())
    }

    #[test]
    fn a_row_has_nine_fields() {
        let record = parse(ROW).unwrap();
        assert_eq!(record.sequence, 3);
        assert_eq!(record.connector().bytes, b"To cloud");
        assert_eq!(record.data().bytes, b"220 mx ready at Thu, 21 Mar");
        assert!(record.context().is_empty());
    }

    #[test]
    fn doubled_quotes_are_single_ones() {
        let line = b"2019-03-21T13:00:45.157Z,\"a \"\"b\"\", c\",08D6A8D416004F78,3,,,*,,x";
        assert_eq!(
            parse(line).unwrap().connector().value().as_ref(),
            b"a \"b\", c"
        );
    }

    #[test]
    fn a_quote_in_mid_field_is_text() {
        let line = b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,220 \"mx1 ready,";
        assert_eq!(parse(line).unwrap().data().bytes, b"220 \"mx1 ready");
    }

    #[test]
    fn bad_lines_say_why() {
        for (line, reason) in [
            (
                &b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,x"[..],
                Reason::FieldCount {
                    found: 8,
                    expected: 9,
                },
            ),
            (
                b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,x,y,z",
                Reason::FieldCount {
                    found: 10,
                    expected: 9,
                },
            ),
            (
                b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,\"x,y",
                Reason::OpenQuote,
            ),
            (
                b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,\"x\"y,",
                Reason::TextAfterQuote,
            ),
            (
                b"2024-02-30T13:00:45.157Z,c,08D6A8D416004F78,3,,,<,x,",
                Reason::BadTime,
            ),
            (
                b"2019-03-21T13:00:45.157Z,c,08D6A8D416004F78,1e3,,,<,x,",
                Reason::BadSequence,
            ),
            (b",,,,,,,,", Reason::BadTime),
            (
                b"2019-03-21T13:00:45.157Z\tc\t08D6A8D416004F78\t3\t\t\t<\tx\t",
                Reason::Reformatted,
            ),
            (
                b"2019-03-21T13:00:45.157Z, c, 08D6A8D416004F78, 3, , , <, x, ",
                Reason::Reformatted,
            ),
        ] {
            assert_eq!(
                parse(line).map(|record| record.sequence),
                Err(reason),
                "{}",
                line.escape_ascii()
            );
        }
        let commas = vec![b','; 300_000];
        assert_eq!(
            parse(&commas).err(),
            Some(Reason::FieldCount {
                found: 300_001,
                expected: 9
            })
        );
    }

    #[test]
    fn sequence_numbers_are_64_bit_integers() {
        for (text, value) in [
            ("-1", Some(-1)),
            ("007", Some(7)),
            ("2147483648", Some(1 << 31)),
        ] {
            assert_eq!(parse_sequence(text.as_bytes()), value);
        }
        for text in ["18446744073709551616", "1e3", "", " 1", "+"] {
            assert_eq!(parse_sequence(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_glued_row_is_found() {
        let glued = [&ROW[..40], ROW].concat();
        assert_eq!(glued_at(&glued), Some(40));
        assert_eq!(glued_at(ROW), None);
        // A time inside a reply is no row.
        assert_eq!(
            glued_at(b"x,[host 2025-01-29T19:07:30.476Z 08DD3FA5DBC8F401],"),
            None
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// Where the row before helps at all, the row is the one that is read without it.
        #[test]
        fn the_row_before_changes_nothing(
            before in row(),
            shared in 0_usize..7,
            other in row(),
            tail in "[,\"a ]{0,9}",
        ) {
            let columns = Columns::default();
            let mut values = before.clone();
            values[shared..].clone_from_slice(&other[shared..]);
            let line = values.join(",") + &tail;
            let before = before.join(",");
            if let Ok(mut fast) = Record::parse(before.as_bytes(), &columns)
                && fast.go_on(line.as_bytes()).is_some()
            {
                let slow = Record::parse(line.as_bytes(), &columns).unwrap();
                prop_assert_eq!(fast.fields, slow.fields);
                prop_assert_eq!((fast.time, fast.sequence), (slow.time, slow.sequence));
            }
        }
    }

    /// Nine fields of few values each, so that rows are often alike.
    fn row() -> impl Strategy<Value = Vec<String>> {
        let time =
            "2019-03-21T1[0-2]:00:0[0-1]\\.000Z|\"2019-03-21T10:00:00.000Z\"|2019-03-21T10:00:00Z";
        let end = "(10[.]0[.]0[.]1:[0-9]{1,2}|\"x\"|x\"|)";
        let fields = [
            "c{1,2}|\"c,c\"|\"c\"\"\"|c\"",
            "08D6A8D416004F7[8-9]",
            "-?[0-9]{1,3}|\"1\"|1\"|",
            end,
            end,
            "[<>*]|\"<\"|",
            "a?|\"a,a\"",
            "b?|\"b\"\"\"",
        ];
        std::iter::once(time)
            .chain(fields)
            .map(|field| field.prop_map(|text| text).boxed())
            .collect::<Vec<_>>()
    }

    proptest! {
        #[test]
        fn fast_and_slow_split_agree(line in "[,\"a-c ]{0,40}") {
            let fast = split_standard(line.as_bytes())
                .map(|fields| fields.map(|field| field.of(line.as_bytes())).to_vec());
            let slow = split_all(line.as_bytes()).and_then(|fields| {
                let found = fields.len();
                if found == 9 { Ok(fields) } else { Err(count_error(line.as_bytes(), found, 9)) }
            });
            prop_assert_eq!(fast, slow);
        }

        #[test]
        fn quoting_round_trips(values in proptest::collection::vec("[,\"a-c ]{0,8}", 9)) {
            let quoted: Vec<String> = values.iter().map(|value| {
                if value.contains([',', '"']) { format!("\"{}\"", value.replace('"', "\"\"")) } else { value.clone() }
            }).collect();
            let line = quoted.join(",");
            let fields = split_all(line.as_bytes()).unwrap();
            let back: Vec<_> = fields.iter().map(|field| String::from_utf8(field.value().into_owned()).unwrap()).collect();
            prop_assert_eq!(back, values);
        }
    }
}
