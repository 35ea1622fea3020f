//! `egress_network(ip)`: what makes two egress addresses the same one.

use std::net::IpAddr;
use std::sync::LazyLock;

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use ipnet::Ipv6Net;

use super::scalar::{Scalar, TEXT, each, section};

/// The address of IPv4, the /64 network of IPv6 (hosts change their address inside it of their own
/// accord); text that is no address stays as it is.
pub(super) fn egress_network(ip: &str) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => Ipv6Net::new_assert(address, 64).trunc().to_string(),
        },
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => ip.to_string(),
    }
}

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        section("Addresses"),
        "What makes two egress addresses the same one: the address of IPv4, the /64 network of IPv6. \
         Text that is no address stays as it is.",
        "egress_network(ip)",
    )
    .with_sql_example("select egress_network('2001:db8:1:2::25'); -- 2001:db8:1:2::/64")
    .with_argument("ip", "An IPv4 or IPv6 address")
    .build()
});

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "egress_network",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |ip| Some(egress_network(ip))),
        documentation: &DOCUMENTATION,
    }
    .udf()
}
