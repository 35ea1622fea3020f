//! Replies: the `<` rows.
//!
//! A reply is a three-digit code, a space or, where more lines follow, a hyphen, often an enhanced
//! status code (RFC 3463), then text. Exchange 2007 to 2013 log a row per line; later receive logs
//! join the lines of an EHLO answer into one row, `250  host Hello [192.0.2.1] SIZE ... STARTTLS`.
//!
//! Exchange Online closes its errors with the host, time and session that wrote them, in brackets,
//! and names the step of tenant attribution that failed: `ATTR36` (Microsoft Support, articles
//! `relay-access-denied-smtp`, `relay-access-denied-attr36-ndr`, `wrong-office-365-region-exo`,
//! `non-delivery-reports-in-exchange-online`). The texts change over the years, the codes do not.

use std::borrow::Cow;

use memchr::{memmem, memrchr};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case};
use nom::character::complete::digit1;
use nom::combinator::{opt, recognize};
use nom::{IResult, Parser};

/// One reply line, or several joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// The three digits.
    pub code: u16,
    /// More lines follow: written `250-`.
    pub more: bool,
    /// The enhanced status code: `5.7.64`.
    pub enhanced: Option<&'a [u8]>,
    /// What follows the codes; from 400 on without the closing brackets of an Exchange Online host.
    pub text: &'a [u8],
    /// The step that refused, as written: `ATTR36`, `ATT36`, `PRX5`, `ATTR3.1`; from 400 on only.
    pub attr: Option<&'a [u8]>,
    /// Inside of those brackets: `HOST.prod.outlook.com 2025-01-29T19:07:30.476Z 08DD3FA5DBC8F401`.
    pub origin: Option<&'a [u8]>,
}

/// Reads a reply; `None` unless it is three digits and then a space, a hyphen or the end.
pub fn parse(data: &[u8]) -> Option<Reply<'_>> {
    let [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] = data else {
        return None;
    };
    let code = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    let (more, rest) = match rest {
        [] => (false, rest),
        [b' ', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => return None,
    };
    let rest = rest.trim_ascii_start();
    let (text, enhanced) = match enhanced(rest) {
        Some((enhanced, text)) => (text, Some(enhanced)),
        None => (rest, None),
    };
    let mut reply = Reply {
        code,
        more,
        enhanced,
        text,
        attr: None,
        origin: None,
    };
    if code >= 400 {
        (reply.text, reply.origin) = origin(text);
        reply.attr = attr(reply.text);
    }
    Some(reply)
}

/// The step that refused, in one spelling: `ATT36` is `ATTR36`.
pub fn attr_name(attr: &[u8]) -> Cow<'_, str> {
    let text = crate::text::lossless(attr);
    match text.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("ATT") => {
            let number = text[3..].trim_start_matches(['R', 'r']);
            if text.starts_with("ATTR") {
                text
            } else {
                Cow::Owned(format!("ATTR{number}"))
            }
        }
        _ if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            Cow::Owned(text.to_ascii_uppercase())
        }
        _ => text,
    }
}

/// Whether Exchange Online refused because it could not attribute the connection to the tenant.
///
/// 5.7.64 (relay denied), ATTR35 (wrong region or no connector), ATTR36 (no accepted domain), 5.7.51
/// and 5.7.68 (fell through to the recipient's tenant), and the 454 that names the TLS channel.
pub fn is_attribution_refusal(reply: &Reply) -> bool {
    if reply.code < 400 {
        return false;
    }
    let channel = b"Failed to establish appropriate TLS channel";
    match reply.enhanced {
        Some(b"5.7.64" | b"5.7.51" | b"5.7.68") => return true,
        Some(b"4.7.0") if reply.code == 454 => {
            let start = reply.text.get(..channel.len());
            if start.is_some_and(|start| start.eq_ignore_ascii_case(channel)) {
                return true;
            }
        }
        _ => {}
    }
    reply
        .attr
        .is_some_and(|attr| matches!(&*attr_name(attr), "ATTR35" | "ATTR36"))
}

/// The time at which Exchange Online wrote an error: the stamp in its closing brackets.
pub fn stamp(reply: &Reply) -> Option<i64> {
    let words = reply.origin?.split(|byte| *byte == b' ');
    words.into_iter().find_map(crate::time::parse)
}

/// The time, to the second, with which a greeting closes: `... ready at Thu, 21 Mar 2019 13:00:44 +0000`.
pub fn greeting_time(data: &[u8]) -> Option<i64> {
    let dates = memmem::find_iter(data, b", ").map(|at| &data[at + 2..]);
    dates.into_iter().find_map(crate::time::parse_mail)
}

/// Host and bracketed address of `250-host Hello [192.0.2.1]` and of its joined form.
///
/// The address is the client's as the host sees it; an `IPv6:` before it is left out. It is the
/// text as it stands: a masked address is returned too.
pub fn hello(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'2', b'5', b'0', b' ' | b'-', line @ ..] = data else {
        return None;
    };
    // Of an EHLO answer's many lines one has it.
    memchr::memchr(b'[', line)?;
    let line = after_spaces(line);
    let (host, rest) = line.split_at(memchr::memchr(b' ', line)?);
    let (word, rest) = after_spaces(rest).split_at_checked(b"Hello".len())?;
    let [b' ' | b'\t', ..] = rest else {
        return None;
    };
    let address = after_spaces(rest).strip_prefix(b"[")?;
    let address = match address.split_at_checked(b"IPv6:".len()) {
        Some((name, address)) if name.eq_ignore_ascii_case(b"IPv6:") => address,
        _ => address,
    };
    let end = memchr::memchr(b']', address)?;
    word.eq_ignore_ascii_case(b"Hello")
        .then(|| (host, &address[..end]))
}

/// What follows spaces and tabs.
fn after_spaces(text: &[u8]) -> &[u8] {
    let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
    &text[text.iter().take_while(blank).count()..]
}

/// Whether a line of an EHLO answer, of either form, offers STARTTLS.
pub fn offers_starttls(data: &[u8]) -> bool {
    let [b'2', b'5', b'0', b' ' | b'-', words @ ..] = data else {
        return false;
    };
    words
        .split(|byte| *byte == b' ')
        .any(|word| word.eq_ignore_ascii_case(b"STARTTLS"))
}

/// Whether a device in between has masked a reply: `220 ****` (banner), `250-XXXXXXXA` (keyword).
///
/// Cisco's SMTP inspection does both, so that neither side finds STARTTLS (the digits 2 and 0
/// survive in its banners).
pub fn is_masked(data: &[u8]) -> bool {
    match data {
        [b'2', b'2', b'0', b' ' | b'-', text @ ..] => {
            text.iter().filter(|byte| **byte == b'*').count() >= 4
                && text
                    .iter()
                    .all(|byte| matches!(byte, b'*' | b'2' | b'0' | b' '))
        }
        [b'2', b'5', b'0', b' ' | b'-', text @ ..] => match text.trim_ascii() {
            [xs @ .., b'A'..=b'Z'] => xs.len() >= 3 && xs.iter().all(|byte| *byte == b'X'),
            _ => false,
        },
        _ => false,
    }
}

/// The enhanced status code that a text begins with, and what follows it. Every reply is asked: no parser is built.
fn enhanced(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let [b'2' | b'4' | b'5', b'.', rest @ ..] = text else {
        return None;
    };
    let rest = short_number(rest)?.strip_prefix(b".")?;
    let rest = short_number(rest)?;
    let code = &text[..text.len() - rest.len()];
    match rest {
        [] => Some((code, rest)),
        [b' ', text @ ..] => Some((code, text.trim_ascii_start())),
        // `5.7.1;` occurs; `5.7.1.2` is an address or a version.
        [byte, ..] if !byte.is_ascii_alphanumeric() && *byte != b'.' => Some((code, rest)),
        _ => None,
    }
}

/// What follows a number of one to three digits.
fn short_number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take(3).take_while(|byte| byte.is_ascii_digit());
    let count = digits.count();
    (count > 0).then(|| &text[count..])
}

/// Cuts ` [host time session]` off the end where the host is one of Microsoft 365.
fn origin(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let trimmed = text.trim_ascii_end();
    let Some(inner) = trimmed.strip_suffix(b"]") else {
        return (text, None);
    };
    let Some(open) = memrchr(b'[', inner) else {
        return (text, None);
    };
    let (before, inner) = (&inner[..open], &inner[open + 1..]);
    let host = inner.split(|byte| *byte == b' ').next().unwrap_or(inner);
    let ours =
        crate::peer::cloud_of_host(host).is_some() || memmem::find(inner, b"outlook.com").is_some();
    if ours && before.last().is_none_or(|byte| *byte == b' ') {
        (before.trim_ascii_end(), Some(inner))
    } else {
        (text, None)
    }
}

/// `ATTR36`, `ATT36`, `PRX5`, `ATTR3.1` as a word of its own.
fn attr(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        if let Ok((after, found)) = attr_word(rest) {
            let ends =
                |byte: &u8| !byte.is_ascii_alphanumeric() && !matches!(byte, b'@' | b'-' | b'_');
            if after.first().is_none_or(ends) {
                return Some(found);
            }
        }
        let space = memchr::memchr(b' ', rest)?;
        rest = &rest[space + 1..];
    }
}

fn attr_word(text: &[u8]) -> IResult<&[u8], &[u8]> {
    let name = alt((tag_no_case("ATTR"), tag_no_case("ATT"), tag_no_case("PRX")));
    recognize((name, digit1, opt((tag("."), digit1)))).parse(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: Option<&[u8]>) -> Option<&str> {
        bytes.map(|bytes| str::from_utf8(bytes).unwrap())
    }

    #[test]
    fn codes() {
        let reply = parse(b"250 2.1.5 Recipient OK").unwrap();
        assert_eq!((reply.code, reply.more), (250, false));
        assert_eq!(
            (text(reply.enhanced), reply.text),
            (Some("2.1.5"), &b"Recipient OK"[..])
        );
        let reply = parse(b"250-SIZE 157286400").unwrap();
        assert_eq!((reply.code, reply.more, reply.enhanced), (250, true, None));
        assert_eq!(reply.text, b"SIZE 157286400");
        assert_eq!(parse(b"354").unwrap().text, b"");
        assert_eq!(text(parse(b"250 2.0.0").unwrap().enhanced), Some("2.0.0"));
        assert_eq!(
            text(parse(b"550-5.7.1 [192.0.2.1] no").unwrap().enhanced),
            Some("5.7.1")
        );
        assert_eq!(parse(b"220 2.16.840.1 mx").unwrap().enhanced, None);
        assert_eq!(parse(b"550 5.7.1234 no").unwrap().enhanced, None);
        for none in [&b""[..], b"25", b"2500", b"abc", b"250_", b" 250 ok"] {
            assert_eq!(parse(none), None);
        }
    }

    #[test]
    fn what_exchange_online_adds() {
        let reply = parse(
            b"550 5.7.64 Relay Access Denied ATTR36. For more details please refer to \
              https://support.microsoft.com/kb/3169958 [AM4PEPF00027A65.eurprd04.prod.outlook.com \
              2025-01-29T19:07:30.476Z 08DD3FA5DBC8F401]",
        )
        .unwrap();
        assert_eq!(text(reply.attr), Some("ATTR36"));
        assert!(reply.text.ends_with(b"kb/3169958"));
        assert!(text(reply.origin).unwrap().ends_with("08DD3FA5DBC8F401"));

        let old = parse(
            b"550 5.7.64 TenantAttribution; Relay Access Denied SMTP \
              [BL2NAM06FT004.Eop-nam06.prod.protection.outlook.com]",
        )
        .unwrap();
        assert_eq!(old.text, b"TenantAttribution; Relay Access Denied SMTP");
        assert_eq!(old.attr, None);
        assert_eq!(
            text(old.origin),
            Some("BL2NAM06FT004.Eop-nam06.prod.protection.outlook.com")
        );
        // Other brackets are part of the text, and good answers are not searched.
        let other = parse(b"550 5.7.606 Access denied, banned sending IP [203.0.113.7]").unwrap();
        assert_eq!((other.origin, other.text.last()), (None, Some(&b']')));
        assert_eq!(parse(b"250 ok [a.prod.outlook.com]").unwrap().origin, None);
    }

    #[test]
    fn steps_in_every_spelling() {
        for (line, attr, name) in [
            ("550 5.7.64 Denied ATT36", "ATT36", "ATTR36"),
            ("550 5.7.64 Denied ATTR36.", "ATTR36", "ATTR36"),
            (
                "451 4.4.3 Temporary server error. ATTR3.1",
                "ATTR3.1",
                "ATTR3.1",
            ),
            (
                "451 4.7.0 Try again later. PRX4 NextHop: example.com",
                "PRX4",
                "PRX4",
            ),
            ("550 attr5", "attr5", "ATTR5"),
            ("550 prx5", "prx5", "PRX5"),
        ] {
            let found = parse(line.as_bytes()).unwrap().attr.unwrap();
            assert_eq!(
                (text(Some(found)), &*attr_name(found)),
                (Some(attr), name),
                "{line}"
            );
        }
        for line in [
            "550 5.1.1 <ATTR36@example.com> unknown",
            "550 5.1.1 ATTR36@example.com unknown",
            "550 no ATTR",
            "550 MATTR36",
            "550 ATTR36x",
            "250 2.1.5 ATTR36",
        ] {
            assert_eq!(parse(line.as_bytes()).unwrap().attr, None, "{line}");
        }
    }

    #[test]
    fn attribution_refusals() {
        let refused = |line: &str| is_attribution_refusal(&parse(line.as_bytes()).unwrap());
        for line in [
            "550 5.7.64 TenantAttribution; Relay Access Denied",
            "550 5.7.64 Relay Access Denied ATT36",
            "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35. For more information",
            "550 5.7.51 TenantInboundAttribution; There is a partner connector configured",
            "550 5.7.68 TenantInboundAttribution; Direct Send not allowed",
            "454 4.7.0 Failed to establish appropriate TLS channel: UntrustedRoot: Access Denied",
        ] {
            assert!(refused(line), "{line}");
        }
        for line in [
            "503 5.5.1 Bad sequence of commands",
            "550 5.7.606 Access denied, banned sending IP [203.0.113.7]",
            "550 5.7.1 Unable to relay ATTR14",
            "451 4.4.4 Temporary server error. Please try again later ATTR5",
            "454 4.7.0 Temporary authentication failure",
            "454 4.7.5 The certificate specified in TlsCertificateName could not be found",
            "250 5.7.64 odd",
            "550 5.7.640 odd",
            "550",
        ] {
            assert!(!refused(line), "{line}");
        }
    }

    #[test]
    fn greetings() {
        let found = |line: &'static str| {
            hello(line.as_bytes())
                .map(|(host, ip)| (text(Some(host)).unwrap(), text(Some(ip)).unwrap()))
        };
        let host = "AM5EUR03FT012.mail.protection.outlook.com";
        assert_eq!(
            found("250-AM5EUR03FT012.mail.protection.outlook.com Hello [203.0.113.7]"),
            Some((host, "203.0.113.7"))
        );
        assert_eq!(
            found("250  AM5EUR03FT012.mail.protection.outlook.com Hello [203.0.113.7] SIZE 9 DSN"),
            Some((host, "203.0.113.7"))
        );
        assert_eq!(
            found("250 mx.example Hello [IPv6:2001:db8::7]"),
            Some(("mx.example", "2001:db8::7"))
        );
        assert_eq!(
            found("250-mx.example Hello [203.x.x.x]"),
            Some(("mx.example", "203.x.x.x"))
        );
        for none in [
            "",
            "250",
            "250-mx.example Hello client",
            "250-mx.example Hello [203.0.113.7",
            "220 mx.example Hello [203.0.113.7]",
            "250-Hello [203.0.113.7]",
        ] {
            assert_eq!(found(none), None, "{none}");
        }
    }

    #[test]
    fn starttls() {
        assert!(offers_starttls(b"250-STARTTLS"));
        assert!(offers_starttls(b"250 starttls"));
        assert!(offers_starttls(
            b"250  mx Hello [192.0.2.1] SIZE 1 STARTTLS AUTH LOGIN"
        ));
        for none in [
            &b"250-XSTARTTLS"[..],
            b"250-STARTTLSX",
            b"250",
            b"220 STARTTLS",
            b"250-AUTH=STARTTLS",
        ] {
            assert!(!offers_starttls(none));
        }
    }

    #[test]
    fn times() {
        let refused = |origin: &str| format!("550 5.7.64 Relay Access Denied [{origin}]");
        let time = crate::time::parse(b"2025-01-29T19:07:30.476Z");
        let whole =
            "CH3PEPF00000016.namprd21.prod.outlook.com 2025-01-29T19:07:30.476Z 08DD3FA5DBC8F401";
        assert_eq!(stamp(&parse(refused(whole).as_bytes()).unwrap()), time);
        for none in [
            "BL2NAM06FT004.Eop-nam06.prod.protection.outlook.com",
            "mx.example 2025-01-29T19:07:30.476Z 08DD",
        ] {
            assert_eq!(stamp(&parse(refused(none).as_bytes()).unwrap()), None);
        }
        let banner = b"220 x.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at Thu, 21 Mar 2019 13:00:44 +0000 [08DD]";
        let time = crate::time::parse(b"2019-03-21T13:00:44.000Z");
        assert_eq!(greeting_time(banner), time);
        assert_eq!(greeting_time(b"220 mx, ready"), None);
    }

    #[test]
    fn masks() {
        for masked in [
            &b"220 ********************"[..],
            b"220 ***0*0*0*2**",
            b"250 XXXA",
            b"250-XXXXXXXA",
            b"250-XXXXXXXB ",
        ] {
            assert!(is_masked(masked));
        }
        for plain in [
            &b"220 "[..],
            b"220 ***",
            b"220 * mx *****",
            b"250 XXA",
            b"250-XXXXx",
            b"250-SIZE",
            b"550 ****",
        ] {
            assert!(!is_masked(plain));
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, code in 100_u16..600) {
            let data = [format!("{code} ").as_bytes(), &bytes[..]].concat();
            for data in [&data, &bytes] {
                if let Some(reply) = parse(data) {
                    let _ = is_attribution_refusal(&reply);
                    let _ = reply.attr.map(attr_name);
                }
                let _ = (hello(data), offers_starttls(data), is_masked(data), greeting_time(data));
            }
        }

        /// A step is found exactly where a word of the text is one, give or take punctuation.
        #[test]
        fn steps_agree_with_words(words in prop::collection::vec("(ATTR?|PRX|attr|X)[0-9]{0,2}[.,;@x]?", 0..5)) {
            let line = format!("550 {}", words.join(" "));
            let is_step = |word: &str| {
                let word = word.trim_end_matches(['.', ',', ';']).to_uppercase();
                let number = ["ATTR", "ATT", "PRX"].iter().find_map(|name| word.strip_prefix(name));
                number.is_some_and(|n| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
            };
            let slow = words.iter().find(|word| is_step(word)).map(|word| word.trim_end_matches(['.', ',', ';']));
            prop_assert_eq!(text(parse(line.as_bytes()).unwrap().attr), slow);
        }
    }
}
