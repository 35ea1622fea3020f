//! `ip_in(ip, networks)`: does an address lie in one of the networks?

use std::net::IpAddr;
use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::ScalarUDF;
use relaydrift_expect::network;

use super::scalar::{About, Scalar, TEXT, OneOrMany, texts};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "ip_in",
        // Lists first: a list of another kind of text would else be taken as one text.
        takes: vec![vec![TEXT, texts()], vec![TEXT, TEXT]],
        returns: DataType::Boolean,
        kernel: ip_in,
        about: About {
            section: "Addresses",
            description: "Whether an address lies in one of the networks: CIDR networks, single addresses or ranges (first-last), one text or a list. Text that is no address gives NULL; a network that is none is an error, because nobody would notice that it never matches.",
            syntax: "ip_in(ip, networks)",
            example: "select ip_in('203.0.113.7', ['198.51.100.1', '203.0.113.0/24']); -- true",
            arguments: &[("ip", "An IPv4 or IPv6 address"),
            ("networks", "A network, or a list of them")],
        },
    }
    .udf()
}

fn ip_in(args: &[ArrayRef]) -> Result<ArrayRef> {
    let networks = OneOrMany::new(&args[1]);
    let rows = args[0].as_string::<i32>().iter().enumerate();
    let rows = rows.map(|(at, ip)| match (ip, networks.at(at)) {
        (Some(ip), Some(networks)) => contains(ip, &networks),
        _ => Ok(None),
    });
    Ok(Arc::new(rows.collect::<Result<BooleanArray>>()?))
}

fn contains(ip: &str, networks: &[String]) -> Result<Option<bool>> {
    let mut found = false;
    let ip = ip.trim().parse::<IpAddr>().map(|ip| ip.to_canonical()).ok();
    for text in networks {
        let Some((first, last)) = network(text) else {
            return exec_err!("ip_in: '{text}' is no network, address or range");
        };
        let inside = |ip: IpAddr| ip.is_ipv4() == first.is_ipv4() && first <= ip && ip <= last;
        found |= ip.is_some_and(inside);
    }
    Ok(ip.map(|_| found))
}
