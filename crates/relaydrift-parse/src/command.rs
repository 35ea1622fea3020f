//! Commands: the `>` rows.
//!
//! What Exchange sends, as RFC 5321 has it (paths, source routes, quoted local parts), RFC 1870
//! (SIZE), RFC 3030 (BDAT) and its own verbs: `X-ANONYMOUSTLS` and `X-EXPS` between Exchange
//! servers, `XPROXY` and `XPROXYTO` between a hub and a front end. Bodies are never logged, and
//! credentials stand as `<Binary Data>`.

use memchr::{memchr, memchr2, memrchr};
use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take, take_while, take_while1};
use nom::character::complete::{digit1, space0, space1};
use nom::combinator::{opt, recognize};
use nom::error::Error;
use nom::multi::{many0_count, many1_count, separated_list1};
use nom::sequence::{delimited, preceded, terminated};
use nom::{IResult, Parser};

/// One command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// EHLO or HELO, with the name given.
    Ehlo(&'a [u8]),
    /// STARTTLS
    StartTls,
    /// X-ANONYMOUSTLS: TLS between Exchange servers of one organization.
    AnonymousTls,
    /// AUTH or X-EXPS, with whatever method.
    Auth,
    /// `<Binary Data>`: what an AUTH exchange sends, never logged itself.
    Credentials,
    /// MAIL FROM: the reverse path without its angle brackets, empty for `<>`; SIZE where given.
    Mail {
        /// `user@host`, as written.
        address: &'a [u8],
        /// Bytes announced.
        size: Option<u64>,
    },
    /// RCPT TO: the forward path without its angle brackets and source route.
    Rcpt {
        /// `user@host`, as written.
        address: &'a [u8],
    },
    /// DATA
    Data,
    /// BDAT: one chunk of a message.
    Bdat {
        /// Bytes of the chunk.
        size: u64,
        /// The chunk that ends the message.
        last: bool,
    },
    /// RSET
    Rset,
    /// QUIT
    Quit,
    /// XPROXY: the front end hands over the client it speaks for.
    Xproxy,
    /// XPROXYTO: the hub tells the front end where to go.
    XproxyTo,
    /// Everything else, and commands without the argument they need.
    Other,
}

/// Longer than any verb.
const NO_VERB: usize = 15;

/// Reads a command, in any case.
pub fn parse(data: &[u8]) -> Command<'_> {
    let start = &data[..data.len().min(NO_VERB)];
    let end = start
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\t' | b':' | b'='));
    let (verb, rest) = data.split_at(end.unwrap_or(start.len()));
    let is = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    match verb.len() {
        4 if is("MAIL") => match path_command("FROM", rest) {
            Ok((rest, address)) => Command::Mail {
                address,
                size: size(rest),
            },
            Err(_) => Command::Other,
        },
        4 if is("RCPT") => match path_command("TO", rest) {
            Ok((_, address)) => Command::Rcpt { address },
            Err(_) => Command::Other,
        },
        4 if is("BDAT") => match bdat(rest) {
            Ok((_, (size, last))) => Command::Bdat { size, last },
            Err(_) => Command::Other,
        },
        4 if is("EHLO") || is("HELO") => Command::Ehlo(rest.trim_ascii()),
        4 if is("DATA") => Command::Data,
        4 if is("RSET") => Command::Rset,
        4 if is("QUIT") => Command::Quit,
        4 if is("AUTH") => Command::Auth,
        6 if is("X-EXPS") => Command::Auth,
        7 if data == b"<Binary Data>" => Command::Credentials,
        6 if is("XPROXY") => Command::Xproxy,
        8 if is("STARTTLS") => Command::StartTls,
        8 if is("XPROXYTO") => Command::XproxyTo,
        14 if is("X-ANONYMOUSTLS") => Command::AnonymousTls,
        _ => Command::Other,
    }
}

/// The domain of an address: what follows the last `@` outside quotes.
///
/// `None` where there is none, as in the null sender and in `postmaster`.
pub fn domain(address: &[u8]) -> Option<&[u8]> {
    let at = match memchr(b'"', address) {
        None => memrchr(b'@', address)?,
        Some(_) => {
            let (mut quoted, mut escaped, mut found) = (false, false, None);
            for (at, byte) in address.iter().enumerate() {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' if quoted => escaped = true,
                    b'"' => quoted = !quoted,
                    b'@' if !quoted => found = Some(at),
                    _ => {}
                }
            }
            found?
        }
    };
    let domain = &address[at + 1..];
    (!domain.is_empty()).then_some(domain)
}

/// ` FROM:<path>` and what follows it.
fn path_command<'a>(word: &str, input: &'a [u8]) -> IResult<&'a [u8], &'a [u8]> {
    // Nearly all, as Exchange writes it.
    let plain = input.strip_prefix(b" ");
    let plain = plain.and_then(|rest| rest.strip_prefix(word.as_bytes()));
    if let Some(rest @ [b'<', ..]) = plain.and_then(|rest| rest.strip_prefix(b":")) {
        return path(rest);
    }
    preceded((space1, tag_no_case(word), space0, tag(":"), space0), path).parse(input)
}

/// In angle brackets, or bare up to a space; a quote or bracket that never closes (a cut row) ends
/// at the next space or bracket.
fn path(input: &[u8]) -> IResult<&[u8], &[u8]> {
    // Nearly all: no quote, no source route.
    if let Some(inner) = input.strip_prefix(b"<")
        && let Some(end) = memchr2(b'>', b'"', inner)
        && inner[end] == b'>'
        && inner[0] != b'@'
    {
        return Ok((&inner[end + 1..], &inner[..end]));
    }
    any_path(input)
}

fn any_path(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let open = |byte: u8| byte != b'>' && byte != b' ';
    alt((
        delimited(
            (tag("<"), opt(source_route)),
            recognize(many0_count(piece(b'>'))),
            tag(">"),
        ),
        delimited(
            (tag("<"), opt(source_route)),
            take_while(open),
            opt(tag(">")),
        ),
        recognize(many1_count(piece(b' '))),
        take_while1(open),
    ))
    .parse(input)
}

/// A quoted string, or a run without quotes and without the closing byte.
fn piece<'a>(close: u8) -> impl Parser<&'a [u8], Output = &'a [u8], Error = Error<&'a [u8]>> {
    alt((
        quoted,
        take_while1(move |byte| byte != b'"' && byte != close),
    ))
}

/// `"..."`, in which a backslash takes the next byte as it is.
fn quoted(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let plain = take_while1(|byte| byte != b'"' && byte != b'\\');
    let escaped = preceded(tag("\\"), take(1_usize));
    recognize((tag("\""), many0_count(alt((plain, escaped))), tag("\""))).parse(input)
}

/// `@a,@b:` before an address: to be ignored by whoever receives it (RFC 5321, appendix C).
fn source_route(input: &[u8]) -> IResult<&[u8], &[u8]> {
    let host = preceded(
        tag("@"),
        take_while1(|byte| !matches!(byte, b',' | b':' | b'>' | b'"' | b' ')),
    );
    recognize(terminated(separated_list1(tag(","), host), tag(":"))).parse(input)
}

fn size(parameters: &[u8]) -> Option<u64> {
    let mut words = parameters.split(|byte| *byte == b' ');
    words.find_map(|word| match word.split_at_checked(5)? {
        (name, value) if name.eq_ignore_ascii_case(b"SIZE=") => number(value),
        _ => None,
    })
}

fn bdat(input: &[u8]) -> IResult<&[u8], (u64, bool)> {
    let (rest, size) = preceded(space1, digit1).parse(input)?;
    let (rest, last) = opt((space1, tag_no_case("LAST"))).parse(rest)?;
    Ok((rest, (number(size).unwrap_or(u64::MAX), last.is_some())))
}

fn number(text: &[u8]) -> Option<u64> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mail(line: &str) -> Option<(&str, Option<u64>)> {
        match parse(line.as_bytes()) {
            Command::Mail { address, size } => Some((str::from_utf8(address).unwrap(), size)),
            _ => None,
        }
    }

    #[test]
    fn verbs() {
        for (line, command) in [
            (
                "EHLO mail.contoso.example",
                Command::Ehlo(b"mail.contoso.example"),
            ),
            (
                "helo mail.contoso.example ",
                Command::Ehlo(b"mail.contoso.example"),
            ),
            ("STARTTLS", Command::StartTls),
            ("X-ANONYMOUSTLS", Command::AnonymousTls),
            ("X-EXPS EXCHANGEAUTH SHA256 ", Command::Auth),
            ("AUTH LOGIN", Command::Auth),
            ("DATA", Command::Data),
            (
                "BDAT 3012 LAST",
                Command::Bdat {
                    size: 3012,
                    last: true,
                },
            ),
            (
                "bdat 0 last",
                Command::Bdat {
                    size: 0,
                    last: true,
                },
            ),
            (
                "BDAT 65536",
                Command::Bdat {
                    size: 65536,
                    last: false,
                },
            ),
            (
                "BDAT 99999999999999999999999 LAST",
                Command::Bdat {
                    size: u64::MAX,
                    last: true,
                },
            ),
            ("BDAT LAST", Command::Other),
            ("RSET", Command::Rset),
            ("QUIT", Command::Quit),
            ("XPROXY SID=08D0", Command::Xproxy),
            (
                "XPROXYTO PORT=25 DESTINATIONS=mx.example",
                Command::XproxyTo,
            ),
            ("XPROXYFROM SID=08D0", Command::Other),
            ("<Binary Data>", Command::Credentials),
            ("<Binary Data> x", Command::Other),
            ("MAIL", Command::Other),
            ("RCPT FROM:<a@b>", Command::Other),
            ("", Command::Other),
        ] {
            assert_eq!(parse(line.as_bytes()), command, "{line}");
        }
    }

    #[test]
    fn paths() {
        for (line, address, size) in [
            (
                "MAIL FROM:<a@b.example> SIZE=1234 XOORG=b.example",
                "a@b.example",
                Some(1234),
            ),
            ("mail from: <a@b.example> size=5", "a@b.example", Some(5)),
            ("MAIL FROM : <a@b.example>", "a@b.example", None),
            ("MAIL FROM:<>", "", None),
            ("MAIL FROM:<> SIZE=12", "", Some(12)),
            ("MAIL FROM:a@b.example SIZE=7", "a@b.example", Some(7)),
            (
                "MAIL FROM:<\"a b, >c\\\"\"@b.example> SIZE=1",
                "\"a b, >c\\\"\"@b.example",
                Some(1),
            ),
            (
                "MAIL FROM:<@x.example,@y.example:a@b.example>",
                "a@b.example",
                None,
            ),
            (
                "MAIL FROM:<jürgen@müller.example> SMTPUTF8",
                "jürgen@müller.example",
                None,
            ),
            ("MAIL FROM:<a@b.example> SIZE=", "a@b.example", None),
            ("MAIL FROM:<a@b.exam", "a@b.exam", None),
            ("MAIL FROM:<\"a@b.example> SIZE=3", "\"a@b.example", Some(3)),
        ] {
            assert_eq!(mail(line), Some((address, size)), "{line}");
        }
        assert_eq!(mail("MAIL FROM:"), None);
        let long = format!("RCPT TO:<{}@b.example>", "a".repeat(10 * 1024));
        let Command::Rcpt { address } = parse(long.as_bytes()) else {
            panic!()
        };
        assert_eq!(address.len(), 10 * 1024 + 10);
    }

    #[test]
    fn domains() {
        for (address, wanted) in [
            ("a@b.example", Some("b.example")),
            ("\"x@y\"@b.example", Some("b.example")),
            ("\"x\\\"@y\"@b.example", Some("b.example")),
            ("a@x@b.example", Some("b.example")),
            ("\"a@b.example", None),
            ("a@", None),
            ("postmaster", None),
            ("", None),
        ] {
            assert_eq!(
                domain(address.as_bytes()),
                wanted.map(str::as_bytes),
                "{address}"
            );
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, start in "(MAIL FROM:|RCPT TO:|BDAT |)<?\"?@?") {
            let _ = domain(&bytes);
            let _ = parse(&[start.as_bytes(), &bytes].concat());
        }

        #[test]
        fn plain_paths_are_read_like_any(text in "<?[<>\"@a:, ]{0,12}") {
            prop_assert_eq!(path(text.as_bytes()), any_path(text.as_bytes()));
        }

        /// Any address without quotes comes back as it went in, and its domain is the tail.
        #[test]
        fn plain_addresses_come_back(local in "[!#-;=?A-Za-z~ ]{0,20}", host in "[a-z.]{1,20}") {
            prop_assume!(!local.starts_with('@'));
            let address = format!("{local}@{host}");
            let line = format!("RCPT TO:<{address}>");
            prop_assert_eq!(parse(line.as_bytes()), Command::Rcpt { address: address.as_bytes() });
            prop_assert_eq!(domain(address.as_bytes()), Some(host.as_bytes()));
        }
    }
}
