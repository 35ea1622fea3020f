//! Every planted change is found on the right connector and server, from logs and from a lake, and
//! nothing else is.

use serde_json::Value;

use crate::util::{Fleet, empty, query, query_sorted, run, run_for, text};

const CERTIFICATE: &str = "--servers 9 --days 6 --seed 11 --sessions-per-hour 6";
const ADDRESS: &str = "--match address --servers 4 --days 5 --seed 3 --sessions-per-hour 8";
const QUIET: &str = "--no-drift --servers 4 --days 4 --seed 5 --sessions-per-hour 8";

const CERTIFICATE_SPANS: &str = "select connector_id, server, thumbprint, first_seen, last_seen, sessions, refused from certificate_spans";
const EGRESS_SPANS: &str = "select connector_id, server, egress_ip, first_seen, last_seen, sessions, refused from egress_spans";
const DRIFT: &str = "select kind, class, breaking, organization, connector_id, server, before, after, first_seen, refused_after from drift";
const REFUSALS: &str = "select organization, connector_id, server, sum(refused) as refused from refusals group by organization, connector_id, server";

fn columns(sql: &str) -> Vec<&str> {
    let list = sql
        .trim_start_matches("select ")
        .split(" from ")
        .next()
        .unwrap_or("");
    list.split(", ")
        .map(|column| column.rsplit(' ').next().unwrap_or(column))
        .collect()
}

fn holds(options: &str) {
    let fleet = Fleet::new(options);
    let lake = empty(&format!("lake-of-{}", options.replace(' ', "")));
    let lake = lake.join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", fleet.path(), "--lake", lake, "--quiet"]);
    for source in [["--logs", fleet.path()], ["--lake", lake]] {
        for (list, sql) in [
            ("certificate_spans", CERTIFICATE_SPANS),
            ("egress_spans", EGRESS_SPANS),
            ("drift", DRIFT),
        ] {
            let want = fleet.truth(list, &columns(sql));
            assert_eq!(query_sorted(&source, sql), want, "{list} of {source:?}");
        }
        let mut want = fleet.truth("refusals", &columns(REFUSALS));
        want.retain(|row| !row.contains("\"refused\":0"));
        assert_eq!(
            query_sorted(&source, REFUSALS),
            want,
            "refusals of {source:?}"
        );
    }
}

#[test]
fn a_fleet_matched_by_certificate() {
    holds(CERTIFICATE);
}

#[test]
fn a_fleet_matched_by_address() {
    holds(ADDRESS);
}

#[test]
fn a_fleet_without_drift() {
    holds(QUIET);
}

#[test]
fn check_names_what_breaks_and_exits_1() {
    for options in [CERTIFICATE, ADDRESS] {
        let fleet = Fleet::new(options);
        let output = run_for(1, &["check", fleet.path()]);
        let shown = text(&output.stdout);
        let changes = fleet.truth["drift"].as_array().expect("a list");
        for change in changes.iter().filter(|change| change["breaking"] == true) {
            for column in ["server", "connector_id"] {
                assert!(
                    shown.contains(change[column].as_str().expect("text")),
                    "{change}\n{shown}"
                );
            }
        }
    }
}

#[test]
fn check_says_that_a_fleet_has_no_drift_and_exits_0() {
    let fleet = Fleet::new(QUIET);
    let output = run_for(0, &["check", fleet.path()]);
    let verdict = text(&output.stdout).lines().next().unwrap_or("");
    assert!(verdict.to_lowercase().contains("no drift"), "{verdict}");
}

#[test]
fn drift_filters_findings_and_not_input() {
    let fleet = Fleet::new(CERTIFICATE);
    let all = query(&["--logs", fleet.path()], "select * from drift");
    let breaking: Vec<&Value> = all
        .iter()
        .filter(|finding| finding["breaking"] == true)
        .collect();
    let server = breaking[0]["server"].as_str().expect("text");
    let args = [
        "drift",
        "--logs",
        fleet.path(),
        "--format",
        "ndjson",
        "--breaking",
        "--server",
        server,
    ];
    let output = run(&args);
    let found: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let want: Vec<&&Value> = breaking
        .iter()
        .filter(|finding| finding["server"] == server)
        .collect();
    assert_eq!(found.len(), want.len());
    // What came before the change is still known, though only this server was asked for.
    assert!(found.iter().all(|finding| finding["before"].is_string()));

    // A name that is not there is an error and no all-clear.
    for option in ["--server", "--connector"] {
        let output = run_for(2, &["drift", "--logs", fleet.path(), option, "nope"]);
        assert!(
            text(&output.stderr).contains("there are: "),
            "{}",
            text(&output.stderr)
        );
    }
}
