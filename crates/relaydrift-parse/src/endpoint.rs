//! Endpoints: an address and a port.
//!
//! `local-endpoint` and `remote-endpoint` hold what .NET's `IPEndPoint.ToString()` writes:
//! `192.0.2.1:25`, `[2001:db8::1]:25`, `[fe80::1%12]:2525`; never a host name, and nothing before
//! the connection stands (Microsoft Learn, `exchange/mail-flow/connectors/protocol-logging`). People
//! mask and rewrite addresses before they pass logs on, so what is no address is kept as it is and
//! marked.

use std::net::Ipv6Addr;

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// The address without brackets and scope, or the text that stands in its place.
    pub ip: &'a [u8],
    /// The port, where there is one.
    pub port: Option<u16>,
    /// True where the field is not what Exchange writes: masked, without port or brackets.
    pub odd: bool,
}

/// Reads an endpoint field; `None` where it is empty. Nothing else is dropped.
pub fn parse(field: &[u8]) -> Option<Endpoint<'_>> {
    if field.is_empty() {
        return None;
    }
    let whole = Endpoint {
        ip: field,
        port: None,
        odd: true,
    };
    let Some(colon) = memchr::memrchr(b':', field) else {
        return Some(Endpoint {
            ip: bare(field),
            ..whole
        });
    };
    let (ip, port) = (&field[..colon], port(&field[colon + 1..]));
    if let Some(port) = port {
        if is_ipv4(ip) {
            return Some(Endpoint {
                ip,
                port: Some(port),
                odd: port == 0,
            });
        }
        if let Some(ip) = ip.strip_prefix(b"[").and_then(|ip| ip.strip_suffix(b"]")) {
            let ip = bare(ip);
            return Some(Endpoint {
                ip,
                port: Some(port),
                odd: port == 0 || !is_ipv6(ip),
            });
        }
        // Without brackets the last group may be the port: it is where what stands before it is
        // an address of its own.
        if !ip.contains(&b':') || is_ipv6(bare(ip)) {
            return Some(Endpoint {
                ip: bare(ip),
                port: Some(port),
                odd: true,
            });
        }
    }
    let inner = field
        .strip_prefix(b"[")
        .and_then(|ip| ip.strip_suffix(b"]"))
        .unwrap_or(field);
    Some(if is_ipv6(bare(inner)) {
        Endpoint {
            ip: bare(inner),
            ..whole
        }
    } else {
        whole
    })
}

/// An IPv6 address without its scope (`%12`); other text as it is.
fn bare(ip: &[u8]) -> &[u8] {
    match memchr::memchr(b'%', ip) {
        Some(scope) if is_ipv6(&ip[..scope]) => &ip[..scope],
        _ => ip,
    }
}

fn port(text: &[u8]) -> Option<u16> {
    if text.is_empty() || text.len() > 5 {
        return None;
    }
    let value = text.iter().try_fold(0_u32, |value, byte| {
        byte.is_ascii_digit()
            .then(|| value * 10 + u32::from(byte - b'0'))
    })?;
    u16::try_from(value).ok()
}

/// Four numbers up to 255 without leading zeros, with dots between them.
fn is_ipv4(text: &[u8]) -> bool {
    if text.len() > 15 {
        return false;
    }
    let (mut parts, mut value, mut len) = (1, 0_u32, 0);
    for byte in text {
        match byte {
            b'0'..=b'9' if len == 0 || (value != 0 && len < 3) => {
                value = value * 10 + u32::from(byte - b'0');
                len += 1;
            }
            b'.' if len > 0 => (parts, value, len) = (parts + 1, 0, 0),
            _ => return false,
        }
        if value > 255 {
            return false;
        }
    }
    parts == 4 && len > 0
}

fn is_ipv6(text: &[u8]) -> bool {
    // Longest form: 39 characters, or 45 with an IPv4 address as its tail.
    text.len() <= 45 && str::from_utf8(text).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::{Ipv4Addr, SocketAddr};

    fn endpoint(ip: &str, port: Option<u16>, odd: bool) -> Option<Endpoint<'_>> {
        Some(Endpoint {
            ip: ip.as_bytes(),
            port,
            odd,
        })
    }

    #[test]
    fn what_exchange_writes() {
        assert_eq!(parse(b""), None);
        assert_eq!(
            parse(b"192.0.2.1:44276"),
            endpoint("192.0.2.1", Some(44276), false)
        );
        assert_eq!(
            parse(b"[2001:db8::1]:25"),
            endpoint("2001:db8::1", Some(25), false)
        );
        assert_eq!(
            parse(b"[fe80::1%12]:2525"),
            endpoint("fe80::1", Some(2525), false)
        );
        assert_eq!(
            parse(b"[::ffff:1.2.3.4]:25"),
            endpoint("::ffff:1.2.3.4", Some(25), false)
        );
    }

    #[test]
    fn what_people_make_of_it() {
        for (text, ip, port) in [
            ("x.x.x.x:25", "x.x.x.x", Some(25)),
            ("10.**.**.31", "10.**.**.31", None),
            ("10.1.1.1", "10.1.1.1", None),
            ("2001:db8::1:25", "2001:db8::1", Some(25)),
            ("2001:db8::1", "2001:db8::1", None),
            ("2001:db8:0:0:0:0:0:1", "2001:db8:0:0:0:0:0:1", None),
            ("fe80::1%12", "fe80::1", None),
            ("[fe80::1%12]", "fe80::1", None),
            ("::ffff:1.2.3.4", "::ffff:1.2.3.4", None),
            ("10.1.1.1:0", "10.1.1.1", Some(0)),
            ("10.1.1.1:99999", "10.1.1.1:99999", None),
            ("[2001:db8::1]:99999", "[2001:db8::1]:99999", None),
            ("10.1.1.01:25", "10.1.1.01", Some(25)),
            ("10.1.1.256:25", "10.1.1.256", Some(25)),
            ("RemoteEndpoint", "RemoteEndpoint", None),
            (":", ":", None),
            (":25", "", Some(25)),
            ("[]:25", "", Some(25)),
            ("[x%%]:1", "x%%", Some(1)),
        ] {
            assert_eq!(parse(text.as_bytes()), endpoint(ip, port, true), "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_standard_library(address: SocketAddr) {
            let ip = address.ip().to_string();
            let text = match address {
                SocketAddr::V4(_) => format!("{ip}:{}", address.port()),
                SocketAddr::V6(_) => format!("[{ip}]:{}", address.port()),
            };
            prop_assert_eq!(
                parse(text.as_bytes()),
                endpoint(&ip, Some(address.port()), address.port() == 0)
            );
        }

        #[test]
        fn ipv4_agrees_with_the_standard_library(text in "[0-9]{0,4}([.][0-9]{0,3}){2,4}") {
            prop_assert_eq!(is_ipv4(text.as_bytes()), text.parse::<Ipv4Addr>().is_ok());
        }

        #[test]
        fn takes_any_bytes(field: Vec<u8>) {
            prop_assert_eq!(parse(&field).is_none(), field.is_empty());
        }
    }
}
