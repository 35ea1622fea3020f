//! Addresses as connectors list them: single ones, networks and ranges.

use std::net::IpAddr;

use ipnet::IpNet;

/// First and last address of `192.0.2.1`, `192.0.2.0/24` or `192.0.2.1-192.0.2.9`, of either family.
pub fn network(text: &str) -> Option<(IpAddr, IpAddr)> {
    let text = text.trim();
    if let Ok(network) = text.parse::<IpNet>() {
        return Some((network.network(), network.broadcast()));
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (IpAddr, IpAddr) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first.is_ipv4() == last.is_ipv4() && first <= last).then_some((first, last))
}
