//! Other settings of the inbound connector, tried on fleets whose truth is known.

use serde_json::Value;

use crate::util::{Fleet, empty, query_sorted, run, run_for, text};

fn story(name: &str) -> Fleet {
    Fleet::new(&format!("--scenario {name}"))
}

/// What the command says of a fleet, and the rows it gives to a machine.
fn rehearse(code: i32, source: &[&str], options: &[&str]) -> (String, Vec<Value>) {
    let args = [&["rehearse"], source, options].concat();
    let page = run_for(code, &args);
    let rows = run_for(
        code,
        &[&args[..], &["--format", "ndjson", "--quiet"]].concat(),
    );
    let rows = text(&rows.stdout).lines();
    let rows = rows.map(|line| serde_json::from_str(line).expect("JSON"));
    (text(&page.stdout).to_owned(), rows.collect())
}

/// Sums of sessions by server and outcome.
fn outcomes(rows: &[Value]) -> Vec<(String, String, i64)> {
    let mut sums = std::collections::BTreeMap::new();
    for row in rows {
        let cell = |name: &str| row[name].as_str().expect("a text").to_owned();
        *sums
            .entry((cell("server"), cell("attributed")))
            .or_default() += row["sessions"].as_i64().expect("a number");
    }
    let sums = sums.into_iter();
    sums.map(|((server, outcome), sessions)| (server, outcome, sessions))
        .collect()
}

#[test]
fn a_server_with_another_name_is_told_with_what_it_sends() {
    let fleet = story("cause-certificate-renamed");
    let source = ["--logs", fleet.path()];
    let (page, rows) = rehearse(
        1,
        &source,
        &["--tls-sender-certificate-name", "*.contoso.com"],
    );
    let renamed = &rows
        .iter()
        .find(|row| row["attributed"] == "neither")
        .expect("a row that is refused");
    assert_eq!(renamed["server"], "EX01");
    // The truth knows the certificate, and when it began to be sent.
    let spans = fleet.truth["certificate_spans"].as_array().expect("a list");
    let span = spans
        .iter()
        .find(|span| span["thumbprint"] == renamed["thumbprint"])
        .expect("a certificate of the truth");
    assert_eq!(span["server"], "EX01");
    assert_eq!(span["first_seen"], renamed["first_seen"]);
    assert_eq!(span["sessions"], renamed["sessions"]);
    let sessions = renamed["sessions"].as_i64().expect("a number");
    let first = page.lines().next().unwrap_or_default();
    assert!(
        first.starts_with(&format!("RED  {sessions} of EX01's ")),
        "{page}"
    );
    let cell = |name: &str| renamed[name].as_str().expect("a text");
    let place = format!("{}:{}", cell("path"), renamed["line"]);
    for told in [
        cell("thumbprint"),
        cell("session_id"),
        &place,
        "accepted domains are not imported",
    ] {
        assert!(page.contains(told), "{told}\n{page}");
    }
    let line = std::fs::read_to_string(cell("path")).expect("a log");
    let line = line
        .lines()
        .nth(renamed["line"].as_u64().expect("a number") as usize - 1);
    assert!(line.expect("a line").contains(cell("session_id")));

    // The address is still the one it was: listed, it makes up for the certificate.
    let listed = [
        "--tls-sender-certificate-name",
        "*.contoso.com",
        "--sender-ip",
    ];
    let address = cell("egress_ip");
    let (page, rows) = rehearse(0, &source, &[&listed[..], &[address]].concat());
    assert!(page.starts_with("GREEN  All "), "{page}");
    assert!(outcomes(&rows).contains(&("EX01".into(), "address".into(), sessions)));
}

#[test]
fn a_fleet_that_is_ready_for_a_cut_over_passes() {
    // It is known by its addresses; its certificate would do.
    let fleet = story("egress-moved");
    let source = ["--logs", fleet.path()];
    let (page, rows) = rehearse(
        0,
        &source,
        &["--tls-sender-certificate-name", "mail.contoso.com"],
    );
    assert!(page.starts_with("GREEN  All "), "{page}");
    assert!(rows.iter().all(|row| row["attributed"] == "certificate"));
    let (page, rows) = rehearse(1, &source, &["--sender-ip", "203.0.113.0/24"]);
    let refused: Vec<_> = outcomes(&rows)
        .into_iter()
        .filter(|(_, outcome, _)| outcome == "neither")
        .collect();
    assert_eq!(refused.len(), 1, "{page}");
    assert_eq!(refused[0].0, "EX01");
    assert!(page.contains("the address is not listed"), "{page}");

    // From the end of the logs back, only what came after the move is left on that server.
    let (_, rows) = rehearse(
        1,
        &source,
        &["--sender-ip", "203.0.113.0/24", "--since", "2h"],
    );
    let left: i64 = outcomes(&rows)
        .iter()
        .map(|(_, _, sessions)| sessions)
        .sum();
    let all = fleet.truth["egress_spans"].as_array().expect("a list");
    let all: i64 = all
        .iter()
        .filter_map(|span| span["sessions"].as_i64())
        .sum();
    assert!(left > 0 && left < all, "{left} of {all}");
    assert_eq!(
        rehearse(
            1,
            &source,
            &["--sender-ip", "203.0.113.0/24", "--days", "400"]
        )
        .1
        .len(),
        rehearse(1, &source, &["--sender-ip", "203.0.113.0/24"])
            .1
            .len()
    );
}

#[test]
fn a_front_end_shows_its_certificate_for_the_mail_of_a_hub() {
    let fleet = story("cause-certificate-renamed-front-end");
    let source = ["--logs", fleet.path()];
    let name = ["--tls-sender-certificate-name", "*.contoso.com"];
    let (_, rows) = rehearse(1, &source, &name);
    let refused = rows
        .iter()
        .find(|row| row["attributed"] == "neither")
        .expect("a row that is refused");
    // One session where the hub and the front end have a half each, with the mail of the hub's.
    let spans = fleet.truth["certificate_spans"].as_array().expect("a list");
    let span = spans
        .iter()
        .find(|span| span["thumbprint"] == refused["thumbprint"])
        .expect("a certificate of the truth");
    assert_eq!(span["sessions"], refused["sessions"]);
    assert!(refused["recipients"].as_i64() > Some(0), "{refused}");
}

#[test]
fn senders_that_the_tenant_does_not_accept_are_told() {
    let fleet = story("cause-sender-dependent");
    let expected = fleet.logs.join("expected");
    let expected = expected.to_str().expect("a path in UTF-8");
    let source = ["--logs", fleet.path(), "--expect", expected];
    let (page, rows) = rehearse(1, &source, &["--sender-ip", "203.0.113.0/24"]);
    assert!(page.starts_with("RED  All sessions"), "{page}");
    assert!(
        rows.iter()
            .all(|row| row["sender_refused"].as_i64() > Some(0))
    );
    // The name's own domain is accepted: senders no longer matter.
    let (page, _) = rehearse(
        0,
        &source,
        &["--tls-sender-certificate-name", "*.contoso.com"],
    );
    assert!(page.starts_with("GREEN"), "{page}");
}

#[test]
fn a_lake_and_the_table_function_say_the_same() {
    let fleet = story("cause-starttls-stripped");
    let lake = empty("rehearse-lake").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", fleet.path(), "--lake", lake, "--quiet"]);
    let options = [
        "--tls-sender-certificate-name",
        "mail.contoso.com",
        "--sender-ip",
        "203.0.113.12",
    ];
    let (_, from_logs) = rehearse(1, &["--logs", fleet.path()], &options);
    let (page, from_lake) = rehearse(1, &["--lake", lake], &options);
    assert_eq!(from_logs, from_lake);
    assert!(page.contains("no certificate was sent"), "{page}");
    let mut rows: Vec<String> = from_lake.iter().map(Value::to_string).collect();
    rows.sort();
    let asked = "select * from rehearse('mail.contoso.com', '203.0.113.12')";
    assert_eq!(query_sorted(&["--lake", lake], asked), rows);
    assert_eq!(query_sorted(&["--logs", fleet.path()], asked), rows);
}

#[test]
fn settings_that_cannot_be_made_are_refused() {
    let fleet = story("egress-moved");
    for (options, said) in [
        (&[][..], "--sender-ip <CIDR>"),
        (&["--sender-ip", "10.1.2.3"], "private"),
        (&["--sender-ip", "203.0.113.0/20"], "/24 to /32"),
        (&["--sender-ip", "2001:db8::1"], "IPv4 alone"),
        (&["--sender-ip", "mail.contoso.com"], "no network"),
        (&["--tls-sender-certificate-name", "*"], "no domain"),
        (
            &["--tls-sender-certificate-name", "<S>CN=a"],
            "distinguished name",
        ),
        (&["--sender-ip", "203.0.113.1", "--days", "0"], "--days"),
        (
            &["--sender-ip", "203.0.113.1", "--since", "2030-01-01"],
            "nothing to judge",
        ),
    ] {
        let output = run(&[&["rehearse", "--logs", fleet.path()], options].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options:?} {message}");
        assert!(message.contains(said), "{options:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}
