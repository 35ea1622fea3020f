//! Distinguished names, as .NET writes them and as RFC 4514 has them.
//!
//! `CN=mail.contoso.example, O="Contoso, Inc.", C=US`: relative names with `, ` between them, the
//! most specific first; several attributes of one relative name with ` + `; types without a short
//! name as `OID.2.5.4.97`; state as `S`, e-mail as `E`. A value that holds one of `, + = " < > # ;`
//! or begins or ends with a space stands in quotes, and quotes in it are doubled (Microsoft Learn,
//! "X500DistinguishedName.Name", "CertNameToStrW"). RFC 4514 writes a backslash before such a
//! character instead; outside quotes both are read. Hex pairs (`\2C`) stay as they are: in .NET's
//! text a backslash is a letter like others.
//!
//! Forms B and C of the certificate rows put subject and issuer side by side with a space between
//! and no quotes around either; [`split`] finds the place by the grammar, or says that it cannot.

use std::borrow::Cow;

use nom::branch::alt;
use nom::bytes::complete::{is_not, tag, take_while1};
use nom::character::complete::{anychar, char, one_of, space0};
use nom::combinator::{all_consuming, recognize, verify};
use nom::multi::{many0_count, separated_list0, separated_list1};
use nom::sequence::{delimited, terminated};
use nom::{IResult, Parser};

/// One attribute of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// The type as written: `CN`, `S`, `OID.2.5.4.97`.
    pub kind: &'a str,
    /// The value without quoting, and without spaces around it unless it was quoted.
    pub value: Cow<'a, str>,
}

/// Where the text "subject issuer" divides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split<'a> {
    /// At one place only, or into two equal halves.
    Two {
        /// The name before it; empty where the text begins with a space.
        subject: &'a str,
        /// The name after it.
        issuer: &'a str,
    },
    /// At more than one place, or at none: nothing is made up.
    Ambiguous,
}

/// Reads a name: its relative names in the order written, each with one attribute or more.
///
/// `None` where the text follows no grammar. The empty name has no relative names.
pub fn parse(name: &str) -> Option<Vec<Vec<Attribute<'_>>>> {
    let between = |wanted| delimited(space0, one_of(wanted), space0);
    let relative = separated_list1(between("+"), attribute_value);
    let names = separated_list0(between(",;"), relative);
    all_consuming(delimited(space0, names, space0))
        .parse(name)
        .ok()
        .map(|(_, names)| names)
}

/// The value of the first attribute of a type, counted from the left.
///
/// Types are compared in any case; `S` and `ST`, `E` and `EMAILADDRESS`, and the OID of a type that
/// has a short name are the same.
pub fn attribute(name: &str, kind: &str) -> Option<String> {
    let kind = canonical_kind(kind);
    let names = parse(name)?;
    let found = names
        .into_iter()
        .flatten()
        .find(|it| canonical_kind(it.kind) == kind)?;
    Some(found.value.into_owned())
}

/// Whether two names are the same by X.500's rules: the case of types and values, the width of
/// spaces, quoting and the order inside a multi-valued relative name do not count.
///
/// Texts that are no names are compared as texts, by the same rules for case and spaces.
pub fn equal(one: &str, other: &str) -> bool {
    if one == other {
        return true;
    }
    match (canonical(one), canonical(other)) {
        (Some(one), Some(other)) => one == other,
        _ => canonical_value(one) == canonical_value(other),
    }
}

/// Divides "subject issuer".
///
/// The place is a space before `TYPE=`, outside quotes, that no `,` or `+` precedes. Values with
/// `=` are quoted, so there is normally one such place; among several, the one between two equal
/// halves (a self-signed certificate) is right.
pub fn split(text: &str) -> Split<'_> {
    let places = places(text).unwrap_or_default();
    let halves = |at: usize| (&text[..at], text[at..].trim_start_matches(' '));
    let decided = match places[..] {
        [at] => Some(at),
        _ => places.into_iter().find(|at| {
            let (subject, issuer) = halves(*at);
            subject == issuer
        }),
    };
    match decided.map(halves) {
        Some((subject, issuer)) => Split::Two { subject, issuer },
        None => Split::Ambiguous,
    }
}

/// The byte offsets of the spaces at which a text may divide; `None` where it follows no grammar.
fn places(text: &str) -> Option<Vec<usize>> {
    let mut places = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    if rest.len() < text.len() {
        places.push(0);
    }
    loop {
        let (value, _) = kind(rest).ok()?;
        let end = match quoted(value.trim_start_matches(' ')) {
            Ok((end, _)) => end,
            Err(_) => &value[unquoted_end(value)..],
        };
        rest = end.trim_start_matches(' ');
        if rest.is_empty() {
            return Some(places);
        } else if let Some(next) = rest.strip_prefix([',', ';', '+']) {
            rest = next.trim_start_matches(' ');
        } else if rest.len() < end.len() {
            places.push(text.len() - end.len());
        } else {
            return None;
        }
    }
}

/// Where an unquoted value ends: at a separator, at a space before `TYPE=`, or with the text.
fn unquoted_end(value: &str) -> usize {
    let bytes = value.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b',' | b';' | b'+' => break,
            b'\\'
                if bytes
                    .get(at + 1)
                    .is_some_and(|next| is_escapable(char::from(*next))) =>
            {
                at += 2
            }
            b' ' => {
                let rest = value[at..].trim_start_matches(' ');
                if kind(rest).is_ok() {
                    break;
                }
                at = value.len() - rest.len();
            }
            _ => at += 1,
        }
    }
    at
}

/// `TYPE=`
fn kind(input: &str) -> IResult<&str, &str> {
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let name = verify(take_while1(letters), |name: &str| {
        !name.starts_with(['.', '-'])
    });
    terminated(name, (space0, char('='))).parse(input)
}

fn attribute_value(input: &str) -> IResult<&str, Attribute<'_>> {
    let (rest, kind) = terminated(kind, space0).parse(input)?;
    if rest.starts_with('"') {
        let (rest, inner) = quoted(rest)?;
        return Ok((
            rest,
            Attribute {
                kind,
                value: replace(inner, "\"\"", "\""),
            },
        ));
    }
    let escaped = recognize((char('\\'), verify(anychar, |c| is_escapable(*c))));
    let (rest, value) =
        recognize(many0_count(alt((is_not(",;+\\"), escaped, tag("\\"))))).parse(rest)?;
    Ok((
        rest,
        Attribute {
            kind,
            value: unescape(value.trim_end_matches(' ')),
        },
    ))
}

/// The inside of `"..."`, quotes still doubled.
fn quoted(input: &str) -> IResult<&str, &str> {
    let inner = recognize(many0_count(alt((is_not("\""), tag("\"\"")))));
    delimited(char('"'), inner, char('"')).parse(input)
}

/// What RFC 4514 writes a backslash before.
fn is_escapable(c: char) -> bool {
    matches!(
        c,
        ',' | ';' | '+' | '"' | '\\' | '<' | '>' | '=' | '#' | ' '
    )
}

fn unescape(value: &str) -> Cow<'_, str> {
    if !value.contains('\\') {
        return Cow::Borrowed(value);
    }
    let mut text = String::with_capacity(value.len());
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        match chars.next_if(|next| c == '\\' && is_escapable(*next)) {
            Some(escaped) => text.push(escaped),
            None => text.push(c),
        }
    }
    Cow::Owned(text)
}

fn replace<'a>(text: &'a str, from: &str, to: &str) -> Cow<'a, str> {
    match text.contains(from) {
        true => Cow::Owned(text.replace(from, to)),
        false => Cow::Borrowed(text),
    }
}

fn canonical(name: &str) -> Option<Vec<Vec<(String, String)>>> {
    let relative = |attributes: Vec<Attribute>| {
        let mut pairs: Vec<_> = attributes
            .iter()
            .map(|it| (canonical_kind(it.kind), canonical_value(&it.value)))
            .collect();
        pairs.sort_unstable();
        pairs
    };
    Some(parse(name)?.into_iter().map(relative).collect())
}

fn canonical_value(value: &str) -> String {
    value
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

fn canonical_kind(kind: &str) -> String {
    let kind = kind.to_ascii_uppercase();
    let name = match kind.strip_prefix("OID.").unwrap_or(&kind) {
        "S" | "2.5.4.8" => "ST",
        "E" | "1.2.840.113549.1.9.1" => "EMAILADDRESS",
        "2.5.4.3" => "CN",
        "2.5.4.5" => "SERIALNUMBER",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.25" => "DC",
        other => other,
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(name: &str) -> Option<Vec<(&str, String)>> {
        let names = parse(name)?;
        Some(
            names
                .into_iter()
                .flatten()
                .map(|it| (it.kind, it.value.into_owned()))
                .collect(),
        )
    }

    #[test]
    fn reads_names() {
        for (name, wanted) in [
            ("", &[][..]),
            (
                "CN=R3, O=Let's Encrypt, C=US",
                &[("CN", "R3"), ("O", "Let's Encrypt"), ("C", "US")],
            ),
            (
                "O=\"thawte, Inc.\", C=US",
                &[("O", "thawte, Inc."), ("C", "US")],
            ),
            ("O=\"A \"\"B\"\" C\"", &[("O", "A \"B\" C")]),
            ("O=a\\, b,C=US", &[("O", "a, b"), ("C", "US")]),
            (
                "CN=a + OU=b, C=US",
                &[("CN", "a"), ("OU", "b"), ("C", "US")],
            ),
            (
                "OID.2.5.4.97=NTRDE-1, 1.2.3=x",
                &[("OID.2.5.4.97", "NTRDE-1"), ("1.2.3", "x")],
            ),
            ("CN=, C=US", &[("CN", ""), ("C", "US")]),
            ("OU= x , C=US", &[("OU", "x"), ("C", "US")]),
            ("CN=\" x \"", &[("CN", " x ")]),
            ("CN=CORP\\user", &[("CN", "CORP\\user")]),
            ("CN=a=b", &[("CN", "a=b")]),
            ("CN=x\\", &[("CN", "x\\")]),
            (
                "CN=Bücher GmbH; C=DE",
                &[("CN", "Bücher GmbH"), ("C", "DE")],
            ),
        ] {
            let wanted = wanted
                .iter()
                .map(|(kind, value)| (*kind, (*value).to_owned()))
                .collect();
            assert_eq!(flat(name), Some(wanted), "{name}");
        }
        for none in [
            "x",
            "=x",
            "CN",
            "CN=a,",
            "CN=a,,C=US",
            "O=Contoso, Inc.",
            "O=\"open",
            "CN=C++",
            "CN=\"a\"b",
        ] {
            assert_eq!(flat(none), None, "{none}");
        }
        let parsed = parse("CN=a + OU=b, C=US").unwrap();
        assert_eq!(parsed.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn finds_attributes() {
        let name = "cn=a, CN=b, S=\"x, y\", E=me@contoso.example, OID.2.5.4.10=Contoso";
        for (kind, value) in [
            ("CN", Some("a")),
            ("ST", Some("x, y")),
            ("EmailAddress", Some("me@contoso.example")),
            ("O", Some("Contoso")),
            ("C", None),
        ] {
            assert_eq!(attribute(name, kind).as_deref(), value, "{kind}");
        }
        assert_eq!(attribute("no name", "CN"), None);
    }

    #[test]
    fn compares_names() {
        for (one, other) in [
            ("CN=R3, O=Let's Encrypt", "cn=r3,O=let's  encrypt"),
            ("O=\"Contoso\", S=WA", "o=Contoso,ST=wa"),
            ("CN=a + OU=b", "OU=B+CN=A"),
            ("E=x@y", "1.2.840.113549.1.9.1=X@Y"),
            ("O=a\\, b", "O=\"a, b\""),
            ("no  name", "No name"),
        ] {
            assert!(equal(one, other), "{one} / {other}");
        }
        for (one, other) in [
            ("CN=a, O=b", "O=b, CN=a"),
            ("CN=a", "CN=b"),
            ("CN=a", "OU=a"),
            ("CN=a", ""),
            ("", "x"),
        ] {
            assert!(!equal(one, other), "{one} / {other}");
        }
    }

    #[test]
    fn divides_subject_and_issuer() {
        for (subject, issuer) in [
            ("CN=webmail.contoso.example", "CN=R3, O=Let's Encrypt, C=US"),
            ("CN=SERVER", "CN=SERVER"),
            (
                "CN=*, OU=IT, O=contoso (L.L.C)",
                "CN=thawte SHA256 SSL CA, O=\"thawte, Inc.\", C=US",
            ),
            ("O=\"Contoso, OU=x CN=y\", C=US", "OU=Root, O=CA"),
            ("CN=a + OU=b", "E=ca@contoso.example, CN=CA"),
            ("CN=a", "C=DE, O=CA"),
            ("CN=a", "O=CA 2 + CN=b, C=DE"),
            ("CN=, O=x", "CN=CA"),
            ("CN=", "CN=CA"),
            ("OU= Unit, CN=a", "O=CA"),
            ("", "CN=CA"),
        ] {
            let text = format!("{subject} {issuer}");
            assert_eq!(split(&text), Split::Two { subject, issuer }, "{text}");
        }
        // A value with an unquoted `=`, as no .NET writes it: the equal halves decide.
        let half = "CN=x OU=y";
        let text = format!("{half} {half}");
        assert_eq!(
            split(&text),
            Split::Two {
                subject: half,
                issuer: half
            }
        );
    }

    #[test]
    fn makes_nothing_up() {
        for text in [
            "",
            " ",
            "CN=a",
            "CN=a, O=b",
            "CN=a CN=b CN=c",
            "CN=*.example.com, OU=Redacted Certificate Information *.example.com;example.com",
            "O=Contoso, Inc. CN=CA",
            "CN=a + b CN=CA",
            "O=\"open CN=a CN=b",
            "O=\"a\"b CN=c",
            "no name",
            " CN=a CN=b",
        ] {
            assert_eq!(split(text), Split::Ambiguous, "{text}");
        }
    }

    #[test]
    fn long_names_take_linear_time() {
        let long = "CN=".to_owned() + &"a ".repeat(500_000);
        assert_eq!(split(&long), Split::Ambiguous);
        let many = "CN=a ".repeat(200_001);
        assert_eq!(split(&many), Split::Ambiguous);
        assert!(parse(&"CN=a, ".repeat(100_000)).is_none());
        assert_eq!(
            split(&("CN=".to_owned() + &" ".repeat(1_000_000) + "x")),
            Split::Ambiguous
        );
    }

    /// Writes a name as .NET does.
    fn write(names: &[Vec<(String, String)>]) -> String {
        let value = |value: &str| match value
            .contains([',', '+', '=', '"', '\n', '<', '>', '#', ';'])
            || value.starts_with(' ')
            || value.ends_with(' ')
        {
            true => format!("\"{}\"", value.replace('"', "\"\"")),
            false => value.to_owned(),
        };
        let pair = |(kind, text): &(String, String)| format!("{kind}={}", value(text));
        let relative = |pairs: &Vec<_>| pairs.iter().map(pair).collect::<Vec<_>>().join(" + ");
        names.iter().map(relative).collect::<Vec<_>>().join(", ")
    }

    fn name() -> impl Strategy<Value = Vec<Vec<(String, String)>>> {
        let kind = prop::sample::select(vec!["CN", "OU", "O", "C", "E", "S", "OID.2.5.4.97"]);
        let value = "[a-zA-ZäЖ0-9 ,+=\"<>#;'.()*-]{0,12}";
        let pair = (kind.prop_map(str::to_owned), value);
        prop::collection::vec(prop::collection::vec(pair, 1..3), 1..4)
    }

    proptest! {
        #[test]
        fn names_come_back(names in name()) {
            let text = write(&names);
            let parsed: Vec<Vec<_>> = parse(&text)
                .unwrap()
                .into_iter()
                .map(|it| it.into_iter().map(|a| (a.kind.to_owned(), a.value.into_owned())).collect())
                .collect();
            prop_assert_eq!(parsed, names);
            let wider = format!(" {text} ");
            prop_assert!(equal(&text, &wider));
        }

        /// Whatever .NET writes side by side comes apart at the right place.
        #[test]
        fn halves_come_back(subject in name(), issuer in name()) {
            let (subject, issuer) = (write(&subject), write(&issuer));
            let text = format!("{subject} {issuer}");
            prop_assert_eq!(split(&text), Split::Two { subject: &subject, issuer: &issuer });
        }

        #[test]
        fn takes_any_text(text in "([A-Z]{1,2}=|[,;+\"\\\\ ]|.){0,30}") {
            if let Split::Two { subject, issuer } = split(&text) {
                prop_assert!(text.starts_with(subject) && text.ends_with(issuer));
            }
            let _ = (parse(&text), attribute(&text, "CN"));
            let wider = format!(" {text} ");
            prop_assert!(equal(&text, &wider));
        }
    }
}
