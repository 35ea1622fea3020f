//! What each server of a connector presents now, in few rows: servers that show the same share one.

use std::collections::BTreeMap;

use super::ask::Time;
use super::page::Page;
use super::report::{Cloud, Presented};
use crate::escape::visible;
use crate::output::{listed, shorten, thousands};

/// Rows that a screen has room for; refused and changed servers come first.
const ROWS: usize = 16;

/// Writes the table of one connector.
pub fn write(page: &mut Page, cloud: &Cloud) {
    page.heading(2, "Presented now");
    if cloud.presented.is_empty() {
        page.wrapped(
            4,
            0,
            "nothing that these logs show: neither a certificate nor an address",
        );
        return;
    }
    let mut rows = grouped(cloud);
    let hidden = rows.len().saturating_sub(ROWS);
    rows.truncate(ROWS);
    let head = [
        "SERVER",
        "CERTIFICATE",
        "SINCE",
        "ADDRESS",
        "SINCE",
        "REFUSED",
    ];
    let mut lines = vec![head.map(String::from).to_vec()];
    lines.extend(rows);
    page.columns(4, &lines);
    if hidden > 0 {
        page.line(
            4,
            &format!("... and {hidden} more rows; those refused or changed are above"),
        );
    }
    pools(page, cloud);
}

/// Servers that come from more addresses than the table has room for.
fn pools(page: &mut Page, cloud: &Cloud) {
    let mut servers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for shown in cloud
        .presented
        .iter()
        .filter(|shown| shown.kind == "egress")
    {
        servers.entry(&shown.server).or_default().push(&shown.value);
    }
    let mut pools: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for (server, mut addresses) in servers {
        if addresses.len() > 2 {
            addresses.sort();
            pools.entry(addresses).or_default().push(server);
        }
    }
    for (addresses, servers) in pools {
        let text = format!("{} by turns: {}", named(&servers), listed(&addresses, 24));
        page.wrapped(4, 2, &text);
    }
}

/// Writes every certificate that is presented now, once.
pub fn certificates(page: &mut Page, clouds: &[Cloud], now: Option<Time>) {
    let mut certificates: BTreeMap<&str, &Presented> = BTreeMap::new();
    for shown in clouds.iter().flat_map(|cloud| &cloud.presented) {
        if shown.kind == "certificate" {
            certificates.entry(&shown.value).or_insert(shown);
        }
    }
    if certificates.is_empty() {
        return;
    }
    page.gap();
    page.heading(0, "Certificates presented now");
    let head = ["THUMBPRINT", "VALID UNTIL", "ISSUED BY", "NAMES"];
    let mut lines = vec![head.map(String::from).to_vec()];
    for shown in certificates.values() {
        let issuer = shown.issued_by.as_ref().or(shown.issuer.as_ref());
        lines.push(vec![
            visible(&shown.value).into_owned(),
            validity(shown, now),
            issuer.map_or("not logged".into(), |issuer| shorten(&visible(issuer), 40)),
            names(shown),
        ]);
    }
    page.columns(2, &lines);
}

fn names(shown: &Presented) -> String {
    let names = shown.names.as_deref().unwrap_or_default();
    match (names.is_empty(), &shown.subject) {
        (true, Some(subject)) => visible(subject).into_owned(),
        (true, None) => "not logged".into(),
        (false, _) => listed(names, 3),
    }
}

/// One row per set of servers that show the same, the refused ones first.
fn grouped(cloud: &Cloud) -> Vec<Vec<String>> {
    let mut servers: BTreeMap<&str, Vec<&Presented>> = BTreeMap::new();
    for shown in &cloud.presented {
        servers.entry(&shown.server).or_default().push(shown);
    }
    let mut rows: BTreeMap<Vec<String>, (bool, bool, Vec<&str>)> = BTreeMap::new();
    for (server, shown) in servers {
        let of = |kind: &str| {
            shown
                .iter()
                .copied()
                .filter(|s| s.kind == kind)
                .collect::<Vec<_>>()
        };
        let (certificates, addresses) = (of("certificate"), of("egress"));
        // Of certificate and address, the one that came last tells what is refused now.
        let newest = [&certificates, &addresses]
            .into_iter()
            .filter(|shown| !shown.is_empty())
            .min_by_key(|shown| shown.iter().map(|shown| shown.refused).sum::<i64>());
        let newest = newest.map_or(&[][..], Vec::as_slice);
        let refused = newest.iter().map(|shown| shown.refused).sum::<i64>();
        let last = newest.iter().filter_map(|shown| shown.last_refused).max();
        let changed = shown.iter().any(|shown| !shown.from_start);
        let cells = vec![
            several(&certificates, certificate, "not seen"),
            since(&certificates),
            several(
                &addresses,
                |shown| visible(&shown.value).into_owned(),
                "not seen",
            ),
            since(&addresses),
            match last {
                Some(last) if refused > 0 => {
                    format!("{}, last {}", thousands(refused), last.minute())
                }
                _ => "none".into(),
            },
        ];
        let row = rows
            .entry(cells)
            .or_insert((refused > 0, changed, Vec::new()));
        row.2.push(server);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by(|(_, a), (_, b)| (b.0, b.1, &a.2).cmp(&(a.0, a.1, &b.2)));
    rows.into_iter()
        .map(|(cells, (_, _, servers))| [vec![named(&servers)], cells].concat())
        .collect()
}

fn several(shown: &[&Presented], label: impl Fn(&Presented) -> String, none: &str) -> String {
    match shown {
        [] => none.into(),
        [one] => label(one),
        [one, two] => format!("{} + {}", label(one), label(two)),
        [one, rest @ ..] => format!("{} + {} more", label(one), rest.len()),
    }
}

/// The first eight digits of the thumbprint and the first name.
fn certificate(shown: &Presented) -> String {
    let short: String = visible(&shown.value).chars().take(8).collect();
    let name = shown
        .names
        .as_ref()
        .and_then(|names| names.first())
        .or(shown.subject.as_ref());
    match name {
        Some(name) => format!("{short} {}", shorten(&visible(name), 32)),
        None => short,
    }
}

fn since(shown: &[&Presented]) -> String {
    match shown
        .iter()
        .map(|shown| (shown.first_seen, shown.from_start))
        .max()
    {
        None => String::new(),
        Some((_, true)) => "start of logs".into(),
        Some((time, false)) => time.minute(),
    }
}

fn named(servers: &[&str]) -> String {
    let names: Vec<String> = servers
        .iter()
        .map(|server| shorten(&visible(server), 40))
        .collect();
    match names.as_slice() {
        [first, .., last] if names.len() > 3 => format!("{first} ... {last} ({})", names.len()),
        names => names.join(" "),
    }
}

fn validity(shown: &Presented, now: Option<Time>) -> String {
    let (Some(end), Some(now)) = (shown.not_after, now) else {
        return shown.not_after.map_or("not logged".into(), Time::day);
    };
    let days = (end.0 - now.0).div_euclid(86_400_000_000);
    match days {
        ..0 => format!("EXPIRED {}", end.day()),
        0..60 => format!("{}, {days} days left", end.day()),
        _ => end.day(),
    }
}
