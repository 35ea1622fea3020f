//! Planned changes: told as planned wherever findings are told, and as breaking where they break mail.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::util::{Fleet, empty, query, run, run_for, text};

const OUT: &str = "Outbound to Office 365";
const HEAD: &str = "id,connector,thumbprint,address,from,until";

/// A file of planned changes, a row each.
fn plan(name: &str, rows: &[&str]) -> PathBuf {
    let path = empty(name).join("planned.csv");
    let text = format!("{HEAD}\n{}\n", rows.join("\n"));
    std::fs::write(&path, text).expect("a file of planned changes");
    path
}

fn word(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// The one finding of a fleet.
fn finding(code: i32, options: &[&str]) -> Value {
    let args = [&["drift", "--format", "ndjson", "--quiet"], options].concat();
    let output = run_for(code, &args);
    let mut rows = text(&output.stdout).lines();
    let row = rows.next().expect("a finding");
    assert_eq!(rows.next(), None);
    serde_json::from_str(row).expect("JSON")
}

#[test]
fn a_planned_change_is_told_as_planned_and_another_is_not() {
    let fleet = Fleet::new("--scenario egress-family-changed");
    let logs = ["--logs", fleet.path()];
    let planned = plan(
        "planned-address",
        &[
            &format!("CHG-123,{OUT},,2001:db8::/32,2026-10-02,2026-10-02"),
            &format!("CHG-124,{OUT},,203.0.113.0/24,2026-10-02,2026-10-02"),
        ],
    );
    let authorized = [&logs[..], &["--authorize", word(&planned)]].concat();
    let told = finding(0, &authorized);
    assert_eq!(told["planned_change_id"], "CHG-123");
    assert_eq!(told["severity"], "info");
    let alarming = finding(0, &logs);
    assert_eq!(alarming["planned_change_id"], Value::Null);
    assert_eq!(alarming["severity"], "medium");
    assert_eq!(alarming["key"], told["key"]);
    // Another connector, another address, another day: not this change.
    for (name, row) in [
        (
            "planned-connector",
            "CHG-123,Other,,2001:db8::/32,2026-10-02,2026-10-02".to_owned(),
        ),
        (
            "planned-value",
            format!("CHG-123,{OUT},,2001:db9::/32,2026-10-02,2026-10-02"),
        ),
        (
            "planned-time",
            format!("CHG-123,{OUT},,2001:db8::/32,2026-10-03,2026-10-04"),
        ),
    ] {
        let other = plan(name, &[&row]);
        let told = finding(0, &[&logs[..], &["--authorize", word(&other)]].concat());
        assert_eq!(told["planned_change_id"], Value::Null, "{row}");
        assert_eq!(told["severity"], "medium", "{row}");
    }
    said_everywhere(&fleet, &planned);
}

/// Every command that tells findings says it.
fn said_everywhere(fleet: &Fleet, planned: &Path) {
    let (logs, planned) = (fleet.path(), word(planned));
    let checked = run_for(0, &["check", logs, "--authorize", planned]);
    let checked = text(&checked.stdout);
    assert!(checked.contains("planned (CHG-123)"), "{checked}");
    assert!(checked.contains("none is a risk"), "{checked}");
    let facts = run_for(
        0,
        &["check", logs, "--authorize", planned, "--format", "csv"],
    );
    assert!(text(&facts.stdout).contains(",CHG-123\r\n"));
    let rows = query(
        &["--logs", logs, "--authorize", planned],
        "select kind, planned_change_id from egress_drift",
    );
    assert_eq!(rows[0]["planned_change_id"], "CHG-123");
    let page = empty("planned-report").join("report.html");
    run_for(
        0,
        &[
            "report",
            "--logs",
            logs,
            "--authorize",
            planned,
            "-o",
            word(&page),
        ],
    );
    let page = std::fs::read_to_string(page).expect("a page");
    assert!(page.contains("planned (CHG-123)"));
    let args = [
        "export",
        "--logs",
        logs,
        "--authorize",
        planned,
        "--what",
        "drift",
    ];
    let sent = run_for(0, &[&args[..], &["--as", "ndjson", "--to", "-"]].concat());
    let sent: Value = serde_json::from_slice(&sent.stdout).expect("one event");
    assert_eq!(sent["planned_change_id"], "CHG-123");
}

#[test]
fn a_planned_change_that_breaks_mail_is_breaking() {
    let fleet = Fleet::new("--scenario cause-certificate-renamed");
    let spans = fleet.truth["certificate_spans"].as_array().expect("a list");
    let renamed = spans
        .iter()
        .find(|span| span["refused"].as_i64() > Some(0))
        .expect("a certificate that was refused");
    let thumbprint = renamed["thumbprint"].as_str().expect("a thumbprint");
    let planned = plan(
        "planned-breaking",
        &[&format!("CHG-9,{OUT},{thumbprint},,2026-10-01,2026-10-03")],
    );
    let planned = word(&planned);
    let logs = ["--logs", fleet.path()];
    let authorized = [&logs[..], &["--authorize", planned]].concat();
    let told = finding(1, &authorized);
    let alarming = finding(1, &logs);
    assert_eq!(told["planned_change_id"], "CHG-9");
    assert_eq!(told["breaking"], true);
    assert_eq!(told["severity"], alarming["severity"]);
    let checked = run_for(1, &["check", fleet.path(), "--authorize", planned]);
    let checked = text(&checked.stdout);
    assert!(checked.starts_with("BREAKING"), "{checked}");
    assert!(checked.contains("renamed, planned (CHG-9)"), "{checked}");
    let rows = query(
        &authorized,
        "select cause, server, planned_change_id from diagnosis",
    );
    assert_eq!(rows[0]["cause"], "certificate_renamed");
    assert_eq!(rows[0]["planned_change_id"], "CHG-9");
    let diagnosed = run_for(1, &[&["diagnose"], &authorized[..]].concat());
    let diagnosed = text(&diagnosed.stdout);
    assert!(
        diagnosed.contains("planned (CHG-9); it breaks mail all the same"),
        "{diagnosed}"
    );
}

#[test]
fn a_lake_keeps_planned_changes() {
    let fleet = Fleet::new("--scenario egress-family-changed");
    let lake = empty("planned-lake").join("lake");
    let lake = word(&lake);
    run_for(0, &["ingest", fleet.path(), "--lake", lake, "--quiet"]);
    let planned = plan(
        "planned-stored",
        &[&format!(
            "CHG-5,{OUT},,2001:db8:10::11,2026-10-02 00:00,2026-10-02 12:00"
        )],
    );
    let stored = run_for(0, &["expect", word(&planned), "--lake", lake]);
    assert!(text(&stored.stdout).contains("planned_changes"));
    assert!(text(&stored.stderr).contains("as each change says"));
    assert_eq!(finding(0, &["--lake", lake])["planned_change_id"], "CHG-5");
    // What is given beside it counts too, and in place of what has the same id.
    let moved = plan(
        "planned-moved",
        &[&format!(
            "CHG-5,{OUT},,2001:db8:10::11,2026-11-02,2026-11-03"
        )],
    );
    let told = finding(0, &["--lake", lake, "--authorize", word(&moved)]);
    assert_eq!(told["planned_change_id"], Value::Null);
    let other = plan(
        "planned-other",
        &[&format!("CHG-6,{OUT},,192.0.2.1,2026-11-02,2026-11-03")],
    );
    let told = finding(0, &["--lake", lake, "--authorize", word(&other)]);
    assert_eq!(told["planned_change_id"], "CHG-5");
    // The newest import of an id counts.
    run_for(0, &["expect", word(&moved), "--lake", lake, "--quiet"]);
    assert_eq!(
        finding(0, &["--lake", lake])["planned_change_id"],
        Value::Null
    );
}

#[test]
fn a_malformed_file_is_named_with_what_is_wrong() {
    let fleet = Fleet::new("--scenario egress-family-changed");
    let bad = plan(
        "planned-bad",
        &[
            &format!("CHG-1,{OUT},,203.0.113.1,2026-10-02,2026-10-03"),
            &format!("CHG-2,{OUT},,203.0.113.1,tomorrow,2026-10-03"),
        ],
    );
    for args in [
        vec!["check", fleet.path(), "--authorize", word(&bad)],
        vec!["drift", "--logs", fleet.path(), "--authorize", word(&bad)],
        vec!["expect", word(&bad)],
    ] {
        let output = run(&args);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for part in [
            "planned.csv",
            "line 3",
            "'CHG-2'",
            "From",
            "'tomorrow'",
            "until and id",
        ] {
            assert!(message.contains(part), "{args:?}: {part}: {message}");
        }
        assert!(output.stdout.is_empty());
    }
    let missing = run(&["check", fleet.path(), "--authorize", "nowhere.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stderr).contains("nowhere.csv: cannot be read"));
}
