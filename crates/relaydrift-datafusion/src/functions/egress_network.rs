//! `egress_network(ip)`: what makes two egress addresses the same one.

use std::net::IpAddr;

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use ipnet::Ipv6Net;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "egress_network",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |ip| Some(egress_network(ip))),
        about: About {
            section: "Addresses",
            description: "What makes two egress addresses the same one: the address of IPv4, the /64 network of IPv6 (hosts change their address inside it of their own accord). Text that is no address stays as it is.",
            syntax: "egress_network(ip)",
            example: "select egress_network('2001:db8:1:2::25'); -- 2001:db8:1:2::/64",
            arguments: &[("ip", "An IPv4 or IPv6 address")],
        },
    }
    .udf()
}

fn egress_network(ip: &str) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => Ipv6Net::new_assert(address, 64).trunc().to_string(),
        },
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => ip.to_string(),
    }
}
