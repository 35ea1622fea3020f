//! Forms B and C: a whole certificate in one row.
//!
//! ` subject issuer serial thumbprint [not-before not-after ]names`, with a space before and between
//! the parts. Subject and issuer hold spaces themselves and names may, so the row is read from its
//! fixed parts outward: the two dates, or the serial and the thumbprint.

use super::{Certificate, Form, Heading, filled, is_hex, is_thumbprint};
use crate::dn::{self, Split};
use crate::text::lossless;
use crate::time;

/// Reads a row that holds a whole certificate; `context` and `data` are those of the row.
///
/// Nothing is guessed: where the parts cannot be told apart, the text stands in `unsplit` under the
/// flag `ambiguous`.
pub fn parse_whole(context: &[u8], data: &[u8]) -> Certificate {
    let text = lossless(data);
    let text = text.strip_prefix(' ').unwrap_or(&text);
    let words = Words::of(text);
    if is_thumbprint(text) {
        let mut certificate = Certificate::new(Form::A);
        certificate.set_thumbprint(text);
        return certificate;
    }
    let labels = Heading::at_start(context.trim_ascii_end()).map_or(&b""[..], |(_, rest)| rest);
    let form = form(labels).unwrap_or(match words.validity().next() {
        Some(_) => Form::C,
        None => Form::B,
    });
    let mut certificate = Certificate::new(form);
    let Some(at) = words.thumbprint(form) else {
        certificate.unsplit = filled(text.trim_end());
        certificate.flag("ambiguous");
        if (0..words.len()).any(|at| is_odd_thumbprint(words.word(at))) {
            certificate.flag("odd_thumbprint");
        }
        return certificate;
    };
    match dn::split(words.before(at - 1)) {
        Split::Two { subject, issuer } => {
            (certificate.subject, certificate.issuer) = (filled(subject), filled(issuer));
        }
        Split::Ambiguous => {
            certificate.unsplit = filled(words.before(at - 1));
            certificate.flag("ambiguous");
        }
    }
    certificate.set_serial(words.word(at - 1));
    certificate.set_thumbprint(words.word(at));
    if form == Form::C {
        certificate.set_validity(words.word(at + 1), words.word(at + 2));
        certificate.set_names(words.after(at + 2));
    } else {
        certificate.set_names(words.after(at));
    }
    certificate
}

/// The form that the labels behind a heading announce.
pub(super) fn form(labels: &[u8]) -> Option<Form> {
    let starts = |start: &str| labels.starts_with(start.as_bytes());
    if starts(" Subject Issuer name") || starts(" Thumbprint") {
        Some(Form::C)
    } else if starts(" Certificate subject") || starts(" Certificate thumbprint") {
        Some(Form::B)
    } else {
        None
    }
}

/// The text of a whole row and where its words lie: each space divides two of them.
struct Words<'a> {
    text: &'a str,
    ends: Vec<usize>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Words<'a> {
        let mut ends: Vec<usize> = memchr::memchr_iter(b' ', text.as_bytes()).collect();
        ends.push(text.len());
        Words { text, ends }
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    fn start(&self, at: usize) -> usize {
        if at == 0 { 0 } else { self.ends[at - 1] + 1 }
    }

    fn word(&self, at: usize) -> &'a str {
        &self.text[self.start(at)..self.ends[at]]
    }

    /// The text before a word, without the space between them.
    fn before(&self, at: usize) -> &'a str {
        if at == 0 {
            ""
        } else {
            &self.text[..self.ends[at - 1]]
        }
    }

    /// The text after a word, without the space between them.
    fn after(&self, at: usize) -> &'a str {
        self.text.get(self.ends[at] + 1..).unwrap_or("")
    }

    /// Where two dates stand side by side after two other words: the place of the first date.
    fn validity(&self) -> impl Iterator<Item = usize> + '_ {
        let date = |at| is_date(self.word(at));
        (2..self.len().saturating_sub(1)).filter(move |at| date(*at) && date(at + 1))
    }

    /// The one place where a thumbprint can be: before the dates in form C, after a serial in B.
    ///
    /// Names inside the certificate may imitate the pattern: then there are two places, and `None`.
    fn thumbprint(&self, form: Form) -> Option<usize> {
        let strong = |at: &usize| is_thumbprint(self.word(*at)) && is_serial(self.word(at - 1));
        let only = |places: Vec<usize>| match places[..] {
            [at] => Some(at),
            _ => None,
        };
        if form != Form::C {
            return only((1..self.len()).filter(strong).collect());
        }
        let places: Vec<usize> = self.validity().map(|at| at - 1).collect();
        match places.len() {
            1 => only(places),
            _ => only(places.into_iter().filter(strong).collect()),
        }
    }
}

/// Whole bytes in hex: at least one.
fn is_serial(text: &str) -> bool {
    text.len().is_multiple_of(2) && is_hex(text)
}

/// A mask, or hex digits of nearly the right number.
fn is_odd_thumbprint(word: &str) -> bool {
    let masked = |mask: char| word.len() >= 8 && word.chars().all(|c| c == mask);
    let nearly = matches!(word.len(), 36..=39 | 41..=44) && is_hex(word);
    nearly || ['*', 'x', 'X'].into_iter().any(masked)
}

/// A date by its shape, whether a calendar has it or not, or by any form of the standard.
fn is_date(word: &str) -> bool {
    let shape = b"0000-00-00T00:00:00.000Z";
    let fits = |(byte, wanted): (u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        _ => byte == *wanted,
    };
    (word.len() == shape.len() && word.bytes().zip(shape).all(fits))
        || (word.len() >= 20 && time::parse(word.as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const B: &str = "Sending certificate Certificate subject Certificate issuer name Certificate \
                     serial number Certificate thumbprint Certificate alternate names";
    const C: &str = "Remote certificate Subject Issuer name Serial number Thumbprint Not before \
                     Not after Subject alternate names";
    const THUMBPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";
    const DATES: &str = "2023-08-12T10:39:24.000Z 2023-11-10T09:39:23.000Z";

    fn parse(context: &str, data: &str) -> Certificate {
        parse_whole(context.as_bytes(), data.as_bytes())
    }

    #[test]
    fn form_b() {
        let data = format!(
            " CN=*, OU=IT, O=Contoso (L.L.C) CN=Fabrikam SSL CA, O=\"Fabrikam, Inc.\", C=US \
             0D92CF {THUMBPRINT} mail.contoso.example"
        );
        let certificate = parse(B, &data);
        assert_eq!(
            certificate.subject.as_deref(),
            Some("CN=*, OU=IT, O=Contoso (L.L.C)")
        );
        assert_eq!(
            certificate.issuer.as_deref(),
            Some("CN=Fabrikam SSL CA, O=\"Fabrikam, Inc.\", C=US")
        );
        assert_eq!(certificate.serial.as_deref(), Some("0D92CF"));
        assert_eq!(certificate.thumbprint.as_deref(), Some(THUMBPRINT));
        assert_eq!(certificate.names, ["mail.contoso.example"]);
        assert_eq!((certificate.form, certificate.not_after), (Form::B, None));
        assert!(certificate.flags.is_empty());
    }

    #[test]
    fn form_c() {
        let data = format!(
            " CN=web.contoso.example CN=R3, O=Let's Encrypt, C=US 0404C0 {THUMBPRINT} {DATES} \
             web.contoso.example;autodiscover.contoso.example"
        );
        let certificate = parse(C, &data);
        assert_eq!(
            certificate.subject.as_deref(),
            Some("CN=web.contoso.example")
        );
        assert_eq!(
            certificate.issuer.as_deref(),
            Some("CN=R3, O=Let's Encrypt, C=US")
        );
        assert_eq!(certificate.not_before, time::parse(b"2023-08-12T10:39:24Z"));
        assert_eq!(certificate.not_after, time::parse(b"2023-11-10T09:39:23Z"));
        assert_eq!(
            certificate.names,
            ["web.contoso.example", "autodiscover.contoso.example"]
        );
        assert!(certificate.flags.is_empty() && certificate.unsplit.is_none());

        // Neither names nor the space before them; the row without its leading space.
        for data in [
            format!("CN=S CN=S 12DE {THUMBPRINT} {DATES}"),
            format!(" CN=S CN=S 12DE {THUMBPRINT} {DATES} "),
        ] {
            let certificate = parse(C, &data);
            assert_eq!(certificate.issuer.as_deref(), Some("CN=S"));
            assert_eq!(
                (certificate.names, certificate.flags.len()),
                (vec!["S".to_owned()], 0)
            );
        }
    }

    #[test]
    fn without_labels() {
        let thumbprint = parse("Received certificate", THUMBPRINT);
        assert_eq!(thumbprint.form, Form::A);
        assert_eq!(thumbprint.thumbprint.as_deref(), Some(THUMBPRINT));
        let whole = format!(" CN=a CN=b 12 {THUMBPRINT} {DATES} a");
        assert_eq!(parse("Received certificate", &whole), parse(C, &whole));
        let whole = format!(" CN=a CN=b 12 {THUMBPRINT} a");
        assert_eq!(parse("Received certificate", &whole), parse(B, &whole));
    }

    #[test]
    fn odd_parts() {
        let whole = |thumbprint: &str, dates: &str| {
            parse(
                C,
                &format!(" CN=a CN=b 12DE {thumbprint} {dates} a.example"),
            )
        };
        let odd = whole("***", DATES);
        assert_eq!(
            (odd.thumbprint, odd.raw_thumbprint.as_deref()),
            (None, Some("***"))
        );
        assert_eq!(
            (odd.flags, odd.issuer.as_deref()),
            (vec!["odd_thumbprint"], Some("CN=b"))
        );
        let reversed = whole(
            THUMBPRINT,
            "2024-01-01T00:00:00.000Z 2023-01-01T00:00:00.000Z",
        );
        assert_eq!(reversed.flags, ["validity_reversed"]);
        let none = whole(
            THUMBPRINT,
            "0000-00-00T00:00:00.000Z 9999-12-31T23:59:59.999Z",
        );
        assert_eq!((none.flags, none.not_before), (vec!["odd_validity"], None));
        assert!(none.not_after.is_some());
        let border = whole(
            THUMBPRINT,
            "1601-01-01T00:00:00.000Z 2050-01-01T00:00:00.000Z",
        );
        assert!(border.flags.is_empty() && border.not_before.is_some());
        let masked = parse(B, " CN=a CN=b xxxxxxxxxxxx xxxxxxxxxxxxxxxx a.example");
        assert_eq!(masked.flags, ["ambiguous", "odd_thumbprint"]);
        let long = parse(B, &format!(" CN=a CN=b 12DE {THUMBPRINT}0 a.example"));
        assert_eq!(long.flags, ["ambiguous", "odd_thumbprint"]);
    }

    #[test]
    fn nothing_is_made_up() {
        let redacted = " CN=*.contoso.example, OU=Removed *.contoso.example;contoso.example";
        for context in [B, C, "Sending certificate"] {
            let certificate = parse(context, redacted);
            assert_eq!(certificate.unsplit.as_deref(), redacted.get(1..));
            assert_eq!(certificate.flags, ["ambiguous"]);
            assert_eq!((certificate.subject, certificate.thumbprint), (None, None));
        }
        let three = parse(
            C,
            &format!(" CN=a CN=b CN=c 12 {THUMBPRINT} {DATES} x.example"),
        );
        assert_eq!(three.unsplit.as_deref(), Some("CN=a CN=b CN=c"));
        assert_eq!(three.thumbprint.as_deref(), Some(THUMBPRINT));
        assert_eq!(
            (three.subject, three.names),
            (None, vec!["x.example".to_owned()])
        );
        assert_eq!(three.flags, ["ambiguous"]);
    }

    #[test]
    fn names_cannot_pass_for_the_thumbprint() {
        let evil = "F".repeat(40);
        for data in [
            format!(" CN=a CN=b 12 {THUMBPRINT} {DATES} x 34 {evil} {DATES} y"),
            format!(" CN=x 34 {evil} {DATES} CN=b 12 {THUMBPRINT} {DATES} a"),
        ] {
            let certificate = parse(C, &data);
            assert_eq!(
                (certificate.thumbprint, certificate.flags),
                (None, vec!["ambiguous"])
            );
        }
        let certificate = parse(B, &format!(" CN=a CN=b 12 {THUMBPRINT} 34 {evil}"));
        assert_eq!(
            (certificate.thumbprint, certificate.flags),
            (None, vec!["ambiguous"])
        );
        let dates = format!(" CN=a CN=b 12 {THUMBPRINT} {DATES} {DATES}");
        assert_eq!(parse(C, &dates).thumbprint.as_deref(), Some(THUMBPRINT));
    }

    fn name() -> impl Strategy<Value = String> {
        let attribute = "(CN|OU|O|C|E|S|OID[.]2[.]5[.]4[.]97)=([a-zA-Z0-9ä.-]{1,8}|[a-z] [a-z]|\"[a-z],[a-z =]\")";
        prop::collection::vec(attribute, 1..4).prop_map(|names| names.join(", "))
    }

    proptest! {
        /// A certificate written as Exchange writes it comes back in all its parts.
        #[test]
        fn rows_come_back(
            subject in name(),
            issuer in name(),
            serial in "([0-9A-F]{2}){1,20}",
            thumbprint in "[0-9A-F]{40}",
            from in 0_i64..4_000_000_000_000,
            life in 0_i64..4_000_000_000_000,
            names in prop::collection::vec("[a-z]{1,8}([.][a-z]{1,8}){1,2}", 0..4),
        ) {
            let dates = (from * 1000, (from + life) * 1000);
            let list = names.join(";");
            let (start, end) = (time::format(dates.0), time::format(dates.1));
            let data = format!(" {subject} {issuer} {serial} {thumbprint} {start} {end} {list}");
            let certificate = parse(C, &data);
            prop_assert_eq!(certificate.not_before.zip(certificate.not_after), Some(dates));
            let short = parse(B, &format!(" {subject} {issuer} {serial} {thumbprint} {list}"));
            for found in [certificate, short] {
                prop_assert_eq!(found.subject.as_deref(), Some(&*subject));
                prop_assert_eq!(found.issuer.as_deref(), Some(&*issuer));
                prop_assert_eq!(found.serial.as_deref(), Some(&*serial));
                prop_assert_eq!(found.thumbprint.as_deref(), Some(&*thumbprint));
                prop_assert!(names.iter().all(|name| found.names.contains(name)));
                prop_assert!(found.flags.is_empty());
            }
        }

        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, words in "([A-F0-9]{40}|12|CN=|2023-01-01T00:00:00.000Z| |.){0,20}") {
            let data = [words.as_bytes(), &bytes].concat();
            for context in [B, C, "Sending certificate", ""] {
                let found = parse_whole(context.as_bytes(), &data);
                prop_assert!(found.subject.is_none() || found.unsplit.is_none());
            }
        }
    }
}
