//! What `export` sends is what the views hold, in every format, whatever happens on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::util::{Fleet, empty, program, query, run_for, skip, text};

const FLEET: &str = "--servers 2 --days 2 --seed 33 --sessions-per-hour 6";
pub const FORMATS: [&str; 9] = [
    "ocsf", "ocsf-1.9", "ecs", "sentinel", "splunk", "cef", "leef", "ndjson", "csv",
];

fn lake(name: &str) -> String {
    let lake = empty(name).join("lake");
    let lake = lake.to_str().expect("a path in UTF-8").to_owned();
    let fleet = Fleet::new(FLEET);
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    lake
}

fn rows(lake: &str, view: &str) -> usize {
    let rows = query(
        &["--lake", lake],
        &format!("select count(*) as n from {view}"),
    );
    usize::try_from(rows[0]["n"].as_u64().expect("a count")).expect("a count")
}

/// The events of an export to stdout.
fn exported(lake: &str, what: &str, more: &[&str]) -> Vec<Value> {
    let args = [
        &[
            "export", "--lake", lake, "--what", what, "--as", "ndjson", "--to", "-", "--quiet",
        ],
        more,
    ]
    .concat();
    let output = run_for(0, &args);
    let lines = text(&output.stdout).lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn keys(events: &[Value]) -> BTreeSet<String> {
    events
        .iter()
        .map(|event| event["key"].as_str().expect("a key").to_owned())
        .collect()
}

#[test]
fn every_row_comes_out_once_in_every_format() {
    let lake = lake("export-formats");
    for (what, view) in [("refusals", "refusals"), ("sessions", "sessions")] {
        let want = rows(&lake, view);
        assert!(want > 20, "{want} {view}");
        for format in FORMATS {
            let output = run_for(
                0,
                &[
                    "export",
                    "--lake",
                    &lake,
                    "--what",
                    what,
                    "--as",
                    format,
                    "--to",
                    "-",
                    "--mailboxes",
                ],
            );
            let lines = text(&output.stdout).lines().count() - usize::from(format == "csv");
            assert_eq!(lines, want, "{what} as {format}");
            assert!(
                text(&output.stderr).contains(&format!("{want} records")),
                "{}",
                text(&output.stderr)
            );
        }
        assert_eq!(
            keys(&exported(&lake, what, &[])).len(),
            want,
            "keys of {what}"
        );
    }
}

#[test]
fn one_alert_per_incident_with_every_finding_in_it() {
    let lake = lake("export-incidents");
    let findings = query(&["--lake", &lake], "select key from drift");
    let incidents = exported(&lake, "drift", &[]);
    let inside: BTreeSet<&str> = incidents
        .iter()
        .flat_map(|incident| incident["servers"].as_array().expect("servers"))
        .map(|server| server["key"].as_str().expect("a key"))
        .collect();
    let all: BTreeSet<&str> = findings
        .iter()
        .map(|row| row["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(inside, all);
    assert!(
        incidents
            .iter()
            .all(|incident| incident["historic"] == true),
        "old logs raise nothing"
    );
    let latest = query(
        &["--lake", &lake],
        "select max(last_seen) as at from observations",
    );
    let at = latest[0]["at"].as_str().expect("a time");
    let fresh = exported(&lake, "drift", &["--as-of", at]);
    assert_eq!(
        keys(&fresh),
        keys(&incidents),
        "the same keys whenever it is told"
    );
    let logs = Fleet::new(FLEET);
    let output = run_for(
        0,
        &[
            "export",
            "--logs",
            logs.path(),
            "--what",
            "drift",
            "--as",
            "ndjson",
            "--to",
            "-",
            "--quiet",
        ],
    );
    let from_logs: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(
        keys(&from_logs),
        keys(&incidents),
        "the same keys from logs"
    );
}

#[test]
fn a_diagnosis_is_told_with_its_cause_and_fix() {
    let lake = empty("export-diagnosis").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", "tests/fleet", "--lake", lake, "--quiet"]);
    let at = ["--as-of", "2026-10-03T12:00:00Z", "--resume", "siem"];
    let told = exported(lake, "diagnosis", &at);
    let sql = "select distinct incident_uid, cause from diagnosis order by 1";
    let want: Vec<(String, String)> = query(&["--lake", lake], sql)
        .iter()
        .map(|row| (row["incident_uid"].to_string(), row["cause"].to_string()))
        .collect();
    let mut got: Vec<(String, String)> = told
        .iter()
        .map(|one| (one["incident_uid"].to_string(), one["cause"].to_string()))
        .collect();
    got.sort();
    assert_eq!(got, want);
    for one in &told {
        let fix = one["fix"].as_str().expect("a fix");
        assert!(
            fix.contains("PowerShell") && one["historic"] == false && one["state"] == "closed",
            "{one}"
        );
    }
    assert!(exported(lake, "diagnosis", &at).is_empty());
    let logs = [
        "export",
        "--logs",
        "tests/fleet",
        "--what",
        "expiry",
        "--as",
        "ecs",
        "--to",
        "-",
        "--quiet",
    ];
    // Only what Exchange Online is shown.
    let near = query(
        &["--lake", lake],
        "select distinct connector_id, thumbprint from certificate_expiry
         where band is not null and connector_id = 'Outbound to Office 365'",
    );
    assert_eq!(text(&run_for(0, &logs).stdout).lines().count(), near.len());
}

/// Copies logs with other texts in them and in their names.
fn rewritten(from: &std::path::Path, to: &std::path::Path, texts: &[(&str, &str)]) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mut name = path
            .file_name()
            .expect("a name")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        texts
            .iter()
            .for_each(|(old, new)| name = name.replace(old, new));
        if path.is_dir() {
            rewritten(&path, &to.join(name), texts);
        } else {
            let mut log = std::fs::read_to_string(&path).expect("a log");
            texts
                .iter()
                .for_each(|(old, new)| log = log.replace(old, new));
            std::fs::write(to.join(name), log).expect("a log");
        }
    }
}

#[test]
fn an_incident_names_tenant_connector_and_coverage_and_closes_with_the_renewal() {
    let folder = empty("export-expiry");
    let at = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (logs, lake) = (at("logs"), at("lake"));
    run_for(
        0,
        &[
            "generate",
            &logs,
            "--scenario",
            "certificate-expiring",
            "--quiet",
        ],
    );
    run_for(0, &["ingest", &logs, "--lake", &lake, "--quiet"]);
    run_for(
        0,
        &[
            "expect",
            &format!("{logs}/expected"),
            "--lake",
            &lake,
            "--tenant",
            "contoso",
            "--quiet",
        ],
    );
    let told = |what: &str| {
        exported(
            &lake,
            what,
            &["--resume", what, "--as-of", "2026-10-03T08:00:00Z"],
        )
    };
    let mut uids = Vec::new();
    for what in ["expiry", "drift"] {
        let first = told(what);
        assert_eq!(first.len(), 1, "{what}: {first:?}");
        let one = &first[0];
        assert_eq!(
            (&one["state"], &one["class"]),
            (&"new".into(), &"expiring".into())
        );
        assert_eq!(
            (&one["tenant"], &one["confidence"]),
            (&"contoso".into(), &"high".into())
        );
        let guid = query(&["--lake", &lake], "select guid from send_connectors");
        assert_eq!(one["connector_guid"], guid[0]["guid"]);
        let coverage = one["coverage"].as_str().expect("coverage");
        assert!(
            coverage.contains("EX02: ") && coverage.contains("logs"),
            "{coverage}"
        );
        assert!(told(what).is_empty(), "{what}: nothing new");
        uids.push(one["incident_uid"].clone());
    }
    // Ten days on, all servers send another certificate.
    let old = "select thumbprint from certificate_expiry where connector_id = 'Outbound to Office 365' limit 1";
    let old = query(&["--lake", &lake], old)[0]["thumbprint"]
        .as_str()
        .expect("a thumbprint")
        .to_owned();
    let new = "0123456789ABCDEF0123456789ABCDEF01234567";
    let mut texts = vec![
        (old.as_str(), new),
        ("2026-10-08T", "2027-10-08T"),
        ("2026-10-08 ", "2027-10-08 "),
    ];
    for (day, later) in [
        ("2026-10-01", "2026-10-11"),
        ("2026-10-02", "2026-10-12"),
        ("20261001", "20261011"),
        ("20261002", "20261012"),
    ] {
        texts.push((day, later));
    }
    for server in ["EX01", "EX02", "EX03"] {
        let from = std::path::Path::new(&logs).join(server);
        rewritten(
            &from,
            &std::path::Path::new(&at("later")).join(server),
            &texts,
        );
    }
    run_for(0, &["ingest", &at("later"), "--lake", &lake, "--quiet"]);
    for (what, uid) in ["expiry", "drift"].iter().zip(&uids) {
        let last = told(what);
        let closed = last
            .iter()
            .find(|one| one["incident_uid"] == *uid)
            .expect("the last word");
        assert_eq!(closed["state"], "closed", "{closed}");
        let detail = closed["detail"].as_str().expect("a detail");
        assert!(
            detail.contains("is replaced by") && detail.contains(new),
            "{detail}"
        );
        assert!(
            closed["revision"].as_i64() > Some(1) && closed["closed"].is_string(),
            "{closed}"
        );
        assert!(told(what).is_empty(), "{what}: told once");
    }
}

/// Mail is refused for want of what a box in between takes away: no change of certificate or address tells it.
#[test]
fn an_interception_closes_once_mail_is_relayed_again() {
    let folder = empty("export-lapse");
    let at = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (logs, lake) = (at("logs"), at("lake"));
    let scenario = "cause-tls-intercepted";
    run_for(0, &["generate", &logs, "--scenario", scenario, "--quiet"]);
    run_for(0, &["ingest", &logs, "--lake", &lake, "--quiet"]);
    let told = |now: &str| {
        let incidents = exported(&lake, "drift", &["--resume", "siem", "--as-of", now]);
        let mut lapses = incidents.into_iter();
        lapses.find(|one| one["class"] == "intercepted")
    };
    let first = told("2026-10-03T00:00:00Z").expect("the incident");
    assert_eq!(
        (&first["state"], &first["breaking"]),
        (&"new".into(), &true.into())
    );
    // Nine days on, the logs are those of the day before it.
    let later = at("later");
    let texts = [("2026-10-01", "2026-10-11"), ("20261001", "20261011")];
    let ex01 = std::path::Path::new(&logs).join("EX01");
    rewritten(&ex01, &std::path::Path::new(&later).join("EX01"), &texts);
    let good = format!("{later}/EX01/Hub/ProtocolLog/SmtpSend/SEND20261011*");
    run_for(0, &["ingest", &good, "--lake", &lake, "--quiet"]);
    let last = told("2026-10-12T00:00:00Z").expect("the last word");
    assert_eq!(
        (&last["incident_uid"], &last["state"]),
        (&first["incident_uid"], &"closed".into())
    );
    let again = "select relayed_again from tls_drift where class = 'intercepted'";
    let again = &query(&["--lake", &lake], again)[0]["relayed_again"];
    assert!(again.as_str() > Some("2026-10-11"), "{again}");
    assert_eq!(&last["closed"], again);
    assert_eq!(told("2026-10-12T00:00:00Z"), None, "told once");
}

#[test]
fn since_counts_back_from_as_of() {
    let lake = lake("export-since");
    let since = |more: &[&str]| keys(&exported(&lake, "refusals", more));
    let back = since(&["--as-of", "2026-10-03T06:00:00Z", "--since", "20h"]);
    let fixed = since(&["--since", "2026-10-02T10:00:00Z"]);
    assert_eq!(back, fixed);
    let newest = since(&["--since", "20h"]);
    assert!(
        back.len() < newest.len(),
        "without it, from the newest row on"
    );
}

#[test]
fn a_failed_export_leaves_nothing_behind() {
    let lake = lake("export-failed");
    let folder = empty("export-failed-files");
    let to = folder.to_str().expect("a path in UTF-8");
    let times = ["--since", "2026-10-02", "--until", "2026-10-01"];
    let args = [
        "export",
        "--lake",
        &lake,
        "--what",
        "drift",
        "--as",
        "ocsf-parquet",
        "--to",
        to,
    ];
    run_for(2, &[&args[..], &times].concat());
    let left: Vec<_> = std::fs::read_dir(&folder).expect("the folder").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_second_run_tells_only_what_is_new() {
    let fleet = Fleet::new(FLEET);
    let lake = empty("export-resume").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    let ingest = |server: &str| {
        let logs = fleet.logs.join(server);
        run_for(
            0,
            &[
                "ingest",
                logs.to_str().expect("a path in UTF-8"),
                "--lake",
                lake,
                "--quiet",
            ],
        );
    };
    ingest("EX01");
    let mut first_sessions = Vec::new();
    for what in ["refusals", "drift", "sessions"] {
        first_sessions = exported(lake, what, &["--resume", what]);
        assert!(!first_sessions.is_empty(), "{what}");
        assert!(
            exported(lake, what, &["--resume", what]).is_empty(),
            "{what} again"
        );
    }
    ingest("EX02");
    let new = exported(lake, "sessions", &["--resume", "sessions"]);
    let all = exported(lake, "sessions", &[]);
    assert!(keys(&first_sessions).is_disjoint(&keys(&new)), "told twice");
    // What is still open is told once it is whole.
    let whole = all.len() - rows(lake, "sessions where open");
    let told: BTreeSet<String> = keys(&first_sessions).union(&keys(&new)).cloned().collect();
    assert_eq!(told.len(), whole);
    let other = run_for(
        2,
        &[
            "export", "--lake", lake, "--what", "drift", "--as", "ndjson", "--to", "-", "--resume",
            "sessions",
        ],
    );
    assert!(
        text(&other.stderr).contains("another name"),
        "{}",
        text(&other.stderr)
    );
}

#[test]
fn killed_exports_lose_nothing() {
    let lake = lake("export-killed");
    let folder = empty("export-killed-files");
    let target = folder.join("sessions.ndjson");
    let target = target.to_str().expect("a path in UTF-8");
    let args = [
        "export", "--lake", &lake, "--what", "sessions", "--as", "ndjson", "--to", target,
        "--resume", "files", "--roll", "20KB", "--quiet",
    ];
    let started = std::time::Instant::now();
    let mut killed = 0;
    for pause in [200, 400, 600, 700, 800, 900, 1000, 1100, 1200] {
        let mut child = program().args(args).spawn().expect("the program starts");
        std::thread::sleep(Duration::from_millis(pause));
        killed += u32::from(child.try_wait().expect("its state").is_none());
        let _ = child.kill();
        let _ = child.wait();
    }
    run_for(0, &args);
    let mut lines = Vec::new();
    for file in std::fs::read_dir(&folder).expect("the folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("a file");
        for line in text(&bytes).lines() {
            lines.push(serde_json::from_str::<Value>(line).expect("whole records"));
        }
    }
    let want = keys(&exported(&lake, "sessions", &[]));
    let got = keys(&lines);
    let open = rows(&lake, "sessions where open");
    assert!(got.is_subset(&want));
    assert_eq!(
        got.len() + open,
        want.len(),
        "after {killed} kills in {:?}",
        started.elapsed()
    );
    assert!(killed > 0, "no run was killed before its end");
}

#[test]
fn security_lake_files_are_read_by_others() {
    let Some(python) = crate::lakes::python() else {
        return skip("security lake", "no Python with duckdb and pyarrow");
    };
    let lake = lake("export-security-lake");
    let folder = empty("export-security-lake-files");
    let to = folder.to_str().expect("a path in UTF-8");
    for what in ["drift", "refusals", "sessions"] {
        run_for(
            0,
            &[
                "export",
                "--lake",
                &lake,
                "--what",
                what,
                "--as",
                "ocsf-parquet",
                "--to",
                to,
                "--mailboxes",
                "--resume",
                what,
            ],
        );
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/security_lake.py");
    let output = std::process::Command::new(python)
        .args([script, to])
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut got = BTreeSet::new();
    for (source, class) in [
        ("relaydrift-finding", 2004),
        ("relaydrift-network", 4001),
        ("relaydrift-email", 4009),
    ] {
        assert_eq!(
            found[source]["classes"],
            serde_json::json!([class]),
            "{found}"
        );
        assert_eq!(found[source]["schemas"], 1, "one schema in every file");
        let keys = found[source]["keys"].as_array().expect("keys");
        got.extend(
            keys.iter()
                .map(|key| key.as_str().expect("a key").to_owned()),
        );
    }
    let mut want = BTreeSet::new();
    for what in ["drift", "refusals", "sessions"] {
        want.extend(keys(&exported(&lake, what, &[])));
    }
    let open =
        rows(&lake, "sessions where open") + rows(&lake, "transactions where open and refused > 0");
    assert!(got.is_subset(&want));
    assert_eq!(got.len() + open, want.len());
    run_for(
        2,
        &[
            "export",
            "--lake",
            &lake,
            "--what",
            "drift",
            "--as",
            "ocsf-parquet",
            "--to",
            "-",
        ],
    );
}

#[test]
fn nothing_is_overwritten_and_no_secret_is_an_argument() {
    let lake = lake("export-refusals");
    let folder = empty("export-overwrite");
    let target = folder.join("out.csv");
    let target = target.to_str().expect("a path in UTF-8");
    let args = [
        "export", "--lake", &lake, "--what", "drift", "--as", "csv", "--to", target,
    ];
    run_for(0, &args);
    let refused = run_for(2, &args);
    assert!(
        text(&refused.stderr).contains("--force"),
        "{}",
        text(&refused.stderr)
    );
    run_for(0, &[&args[..], &["--force"]].concat());
    for (to, format, word) in [
        ("https://u:hunter2@127.0.0.1/x", "ecs", "--secret-file"),
        ("http://198.51.100.7/x", "ecs", "not https"),
        ("https://169.254.169.254/x", "ecs", "link-local"),
        ("ftp://127.0.0.1/x", "ecs", "syslog+tls"),
        ("syslog+tcp://127.0.0.1", "ecs", "cef or leef"),
        ("https://127.0.0.1/x", "cef", "syslog"),
        ("https://127.0.0.1/x", "sentinel", "--tenant"),
    ] {
        let output = run_for(
            2,
            &[
                "export", "--lake", &lake, "--what", "drift", "--as", format, "--to", to,
            ],
        );
        let message = text(&output.stderr);
        assert!(
            message.contains(word) && !message.contains("hunter2"),
            "{to}: {message}"
        );
    }
}

#[test]
fn whoever_waits_for_a_receiver_is_told_why() {
    let lake = lake("export-waits");
    // Nobody listens once the listener is gone.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = closed.local_addr().expect("its address");
    drop(closed);
    let to = format!("syslog+tcp://{address}");
    let args = [
        "export",
        "--lake",
        &lake,
        "--what",
        "drift",
        "--as",
        "cef",
        "--to",
        &to,
        "--patience",
        "1s",
    ];
    let waits = format!("{to}: Connection refused (os error 111); trying again for");
    let output = run_for(2, &args);
    assert!(
        text(&output.stderr).contains(&waits),
        "{}",
        text(&output.stderr)
    );
    let quiet = run_for(2, &[&args[..], &["--quiet"]].concat());
    assert!(!text(&quiet.stderr).contains("trying again for"));
}
