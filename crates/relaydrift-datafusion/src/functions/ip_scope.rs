//! `ip_scope(ip)`: where an address can be reached from.

use std::net::IpAddr;

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::peer;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "ip_scope",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], ip_scope),
        about: About {
            section: "Addresses",
            description: "Where an address can be reached from: public, private, shared (carrier-grade NAT), link-local, loopback, or reserved for all others. Documentation addresses are public: they stand for public ones in logs that were passed on. NULL for text that is no address.",
            syntax: "ip_scope(ip)",
            example: "select ip_scope('100.64.3.4'); -- shared",
            arguments: &[("ip", "An IPv4 or IPv6 address")],
        },
    }
    .udf()
}

fn ip_scope(ip: &str) -> Option<&'static str> {
    let ip = ip.trim().parse::<IpAddr>().ok()?.to_canonical();
    let (private, shared, link_local) = match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            (v4.is_private(), a == 100 && b & 0xC0 == 64, v4.is_link_local())
        }
        IpAddr::V6(v6) => (v6.is_unique_local(), false, v6.is_unicast_link_local()),
    };
    Some(match () {
        () if ip.is_loopback() => "loopback",
        () if private => "private",
        () if shared => "shared",
        () if link_local => "link-local",
        () if peer::is_public(&ip) => "public",
        () => "reserved",
    })
}
