//! The other end: whose host it is, and whether an address is public.
//!
//! Exchange Online names its hosts under a few suffixes, one set per cloud (Microsoft Learn,
//! `microsoft-365/enterprise/urls-and-ip-address-ranges` and its pages for US Government and China;
//! newer mail domains have MX records under `mx.microsoft`). Only such a host's `Hello [address]` tells
//! the public address that a server relays from.

use std::net::IpAddr;

/// A cloud of Microsoft 365.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cloud {
    /// `*.protection.outlook.com`, `*.mx.microsoft`, `*.prod.outlook.com`.
    Worldwide,
    /// US Government: `*.office365.us`.
    Gcc,
    /// Operated by 21Vianet: `*.partner.outlook.cn`.
    China,
}

impl Cloud {
    const SUFFIXES: [(&'static [u8], Cloud); 5] = [
        (b".protection.outlook.com", Cloud::Worldwide),
        (b".prod.outlook.com", Cloud::Worldwide),
        (b".mx.microsoft", Cloud::Worldwide),
        (b".office365.us", Cloud::Gcc),
        (b".partner.outlook.cn", Cloud::China),
    ];

    /// `worldwide`, `gcc`, `china`.
    pub fn as_str(self) -> &'static str {
        match self {
            Cloud::Worldwide => "worldwide",
            Cloud::Gcc => "gcc",
            Cloud::China => "china",
        }
    }
}

/// The cloud that a host name belongs to, by whole labels and in any case; a closing dot is allowed.
pub fn cloud_of_host(host: &[u8]) -> Option<Cloud> {
    let host = host.strip_suffix(b".").unwrap_or(host);
    Cloud::SUFFIXES.into_iter().find_map(|(suffix, cloud)| {
        let (label, tail) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
        (!label.is_empty() && tail.eq_ignore_ascii_case(suffix)).then_some(cloud)
    })
}

/// Whether an address can be one that Exchange Online sees.
///
/// Private, shared (carrier-grade NAT), loopback, link-local, unique local, unspecified, multicast,
/// reserved and broadcast addresses cannot. Documentation ranges count as public: they stand for
/// public addresses in logs that were passed on. An IPv4 address mapped into IPv6 is judged as IPv4.
pub fn is_public(ip: &IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            !(a == 0
                || a >= 224
                || (a == 100 && b & 0xc0 == 64)
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local())
        }
        IpAddr::V6(ip) => {
            let site_local = ip.segments()[0] & 0xffc0 == 0xfec0;
            !(ip.is_unspecified()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unique_local()
                || ip.is_multicast()
                || site_local)
        }
    }
}

/// The host in a greeting, `220 host ...`; `None` where the first word is no dotted host name.
pub fn banner_host(reply: &[u8]) -> Option<&[u8]> {
    let text = reply.strip_prefix(b"220")?;
    let text = text
        .strip_prefix(b" ")
        .or_else(|| text.strip_prefix(b"-"))?
        .trim_ascii_start();
    let word = text.split(|byte| *byte == b' ').next()?;
    let host = word.strip_suffix(b".").unwrap_or(word);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut labels = 0;
    let mut last: &[u8] = b"";
    for label in host.split(|byte| *byte == b'.') {
        if label.is_empty() || label.len() > 63 || !label.iter().all(plain) {
            return None;
        }
        (labels, last) = (labels + 1, label);
    }
    // `220 2.0.0 SMTP server ready` answers STARTTLS: no name ends in a number.
    (labels > 1 && host.len() < 254 && !last.iter().all(u8::is_ascii_digit)).then_some(host)
}

/// Whether a greeting is Exchange's own, on-premises or in the cloud.
pub fn is_exchange_banner(reply: &[u8]) -> bool {
    reply.starts_with(b"220")
        && memchr::memmem::find(reply, b"Microsoft ESMTP MAIL Service").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn clouds() {
        for (host, cloud) in [
            (
                "AM5EUR03FT012.mail.protection.outlook.com",
                Some(Cloud::Worldwide),
            ),
            (
                "contoso-com.mail.protection.outlook.com.",
                Some(Cloud::Worldwide),
            ),
            ("contoso-com.r-v1.MX.MICROSOFT", Some(Cloud::Worldwide)),
            (
                "CH3PEPF00000016.namprd21.prod.outlook.com",
                Some(Cloud::Worldwide),
            ),
            ("contoso.mail.protection.office365.us", Some(Cloud::Gcc)),
            (
                "contoso.mail.protection.partner.outlook.cn",
                Some(Cloud::China),
            ),
            ("evilprotection.outlook.com", None),
            (".protection.outlook.com", None),
            ("mail.protection.outlook.com.evil.example", None),
            ("mail.contoso.com", None),
            ("", None),
            (".", None),
        ] {
            assert_eq!(cloud_of_host(host.as_bytes()), cloud, "{host}");
        }
        assert_eq!(Cloud::Gcc.as_str(), "gcc");
    }

    #[test]
    fn public_addresses() {
        for ip in [
            "203.0.113.7",
            "198.51.100.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "2001:db8::1",
            "2a01:111:f403::1",
            "::ffff:203.0.113.7",
        ] {
            assert!(is_public(&ip.parse().unwrap()), "{ip}");
        }
        for ip in [
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(!is_public(&ip.parse().unwrap()), "{ip}");
        }
    }

    #[test]
    fn banners() {
        let eop: &[u8] = b"220 VI1EUR04FT012.mail.protection.outlook.com Microsoft ESMTP MAIL \
            Service ready at Thu, 21 Mar 2019 13:00:44 +0000";
        assert_eq!(
            banner_host(eop),
            Some(&b"VI1EUR04FT012.mail.protection.outlook.com"[..])
        );
        assert!(is_exchange_banner(eop));
        assert_eq!(
            banner_host(b"220-mx.example.net ESMTP"),
            Some(&b"mx.example.net"[..])
        );
        assert_eq!(
            banner_host(b"220 mx.example.net."),
            Some(&b"mx.example.net"[..])
        );
        for none in [
            &b""[..],
            b"220",
            b"220 ",
            b"220 2.0.0 SMTP server ready",
            b"220 ****************",
            b"220 ESMTP",
            b"250 mx.example.net",
            b"220 a..b",
            b"220 m\xfcx.example.net hi",
        ] {
            assert_eq!(banner_host(none), None);
            assert!(!is_exchange_banner(none));
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(bytes: Vec<u8>, ip: IpAddr) {
            let _ = (cloud_of_host(&bytes), is_public(&ip), is_exchange_banner(&bytes));
            let reply = [b"220 ", &bytes[..]].concat();
            if let Some(host) = banner_host(&reply) {
                prop_assert!(host.is_ascii() && host.contains(&b'.'));
            }
        }
    }
}
