//! What should be presented: read, shown, stored, and asked about beside logs and lakes.

use std::path::PathBuf;

use serde_json::Value;

use crate::util::{Fleet, empty, query, query_sorted, run, run_for, text};

const INBOUND: &str = r#"[{"Name": "Inbound \u001b[2J", "Enabled": true, "ConnectorType": 1,
    "SenderIPAddresses": ["192.0.2.0/24"], "SenderDomains": ["smtp:*;1"],
    "TlsSenderCertificateName": "*.contoso.com"}]"#;
const SEND: &str = r#"{"Name": "To cloud", "Enabled": true, "AddressSpaces": ["smtp:*;1"],
    "SourceTransportServers": ["EX01", "EX02"]}"#;
const SERVICES: &str =
    r#"{"Name": "EX01", "SendProtocolLogPath": "D:\\Custom\\Out", "PickupDirectoryPath": "x"}"#;
const ROW: &str = "2026-10-05T10:00:00.000Z,To cloud,08DF1F4EEFBDC000,0,,192.0.2.1:25,*,,attempting to connect\r\n";

/// A folder with exports of one kind each.
fn exports(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = empty(name);
    for (name, text) in files {
        std::fs::write(folder.join(name), text).expect("an export");
    }
    folder
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn exports_are_shown_and_stored_as_snapshots() {
    let folder = exports(
        "expect-stored",
        &[("inbound.json", INBOUND), ("send.json", SEND)],
    );
    let lake = empty("expect-lake").join("lake");
    let import = [
        "expect",
        path(&folder),
        "--lake",
        path(&lake),
        "--format",
        "json",
    ];
    let output = run_for(0, &import);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(shown[0]["kind"], "inbound_connectors");
    assert_eq!(shown[0]["name"], "Inbound \u{1b}[2J");
    assert_eq!(shown[1]["server"], "EX01 EX02");
    assert!(!text(&output.stdout).contains('\u{1b}'));
    assert!(
        text(&output.stderr).contains("from the beginning"),
        "{}",
        text(&output.stderr)
    );
    run_for(0, &import);
    let source = ["--lake", path(&lake)];
    let rows = query(
        &source,
        "select valid_from, connector_type, sender_domains, tenant from inbound_connectors order by valid_from",
    );
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0]["valid_from"], "1970-01-01T00:00:00.000Z");
    assert_ne!(rows[1]["valid_from"], rows[0]["valid_from"]);
    assert_eq!(rows[0]["connector_type"], "OnPremises");
    assert_eq!(rows[0]["sender_domains"], serde_json::json!(["*"]));
    let dated = [
        "expect",
        path(&folder),
        "--lake",
        path(&lake),
        "--valid-from",
        "2026-09-01",
        "--tenant",
        "t",
    ];
    run_for(0, &dated);
    let rows = query(
        &source,
        "select valid_from from send_connectors where tenant = 't'",
    );
    assert_eq!(rows[0]["valid_from"], "2026-09-01T00:00:00.000Z");
}

#[test]
fn one_bad_file_and_nothing_is_imported() {
    let key = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
    let folder = exports(
        "expect-refused",
        &[("inbound.json", INBOUND), ("key.pem", key)],
    );
    let lake = empty("expect-refused-lake").join("lake");
    let output = run(&["expect", path(&folder), "--lake", path(&lake)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = text(&output.stderr);
    assert!(
        message.contains("key.pem") && message.contains("private key"),
        "{message}"
    );
    assert!(!lake.exists());
}

#[test]
fn expectations_stand_beside_logs_and_name_their_servers() {
    let logs = empty("expect-logs");
    let folder = logs.join("copy/Custom/Out");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("SEND2026100510-1.LOG"), ROW).expect("a log");
    let expected = exports(
        "expect-beside",
        &[
            ("inbound.json", INBOUND),
            ("send.json", SEND),
            ("services.json", SERVICES),
        ],
    );
    let source = ["--logs", path(&logs), "--expect", path(&expected)];
    let rows = query(
        &source,
        "select server, service, state from coverage order by server",
    );
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            ["server", "service", "state"].map(|name| row[name].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(found, [["EX01", "Hub", "logs"], ["EX02", "Hub", "no logs"]]);
    let rows = query(
        &source,
        "select tls_sender_certificate_name as name from inbound_connectors",
    );
    assert_eq!(rows[0]["name"], "*.contoso.com");
    let checked = run_for(0, &["check", path(&logs), "--expect", path(&expected)]);
    assert!(
        text(&checked.stdout).contains("no logs for 1 hour"),
        "{}",
        text(&checked.stdout)
    );
    run_for(2, &["check", path(&logs), "--expect", "nowhere.json"]);

    // A lake knows the paths from an import before.
    let lake = empty("expect-paths").join("lake");
    run_for(
        0,
        &["expect", path(&expected), "--lake", path(&lake), "--quiet"],
    );
    run_for(
        0,
        &["ingest", path(&logs), "--lake", path(&lake), "--quiet"],
    );
    let rows = query(
        &["--lake", path(&lake)],
        "select server, service from sources",
    );
    assert_eq!(
        (&rows[0]["server"], &rows[0]["service"]),
        (&"EX01".into(), &"Hub".into())
    );
}

#[test]
fn that_a_tenant_has_no_connector_is_an_expectation() {
    let fleet = Fleet::new("--scenario cause-connector-missing");
    let logs = fleet.path();
    let none = exports("expect-none", &[("inbound_connectors.json", "[]")]);
    let one = exports("expect-one", &[("inbound_connectors.json", INBOUND)]);
    let lake = empty("expect-none-lake").join("lake");
    let lake = path(&lake);
    run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
    let causes = |given: &[&str]| {
        let source = [&["--lake", lake], given].concat();
        query_sorted(&source, "select distinct cause, confidence from diagnosis")
    };
    let missing = [r#"{"cause":"connector_missing","confidence":"high"}"#];
    assert_ne!(causes(&[]), missing);
    // Over a lake the file given takes the place of what is stored.
    run_for(0, &["expect", path(&one), "--lake", lake, "--quiet"]);
    assert_ne!(causes(&[]), missing);
    assert_eq!(causes(&["--expect", path(&none)]), missing);
    // Removed before the first refusal: the import that found none counts then, not the one before it.
    let removed = ["--valid-from", "2026-10-02T09:00:00Z", "--quiet"];
    run_for(
        0,
        &[&["expect", path(&none), "--lake", lake], &removed[..]].concat(),
    );
    assert_eq!(causes(&[]), missing);
    assert_ne!(causes(&["--expect", path(&one)]), missing);
    let imports = "select kind, objects from imports order by valid_from";
    let imports = query(&["--lake", lake], imports);
    let objects: Vec<&Value> = imports.iter().map(|row| &row["objects"]).collect();
    assert_eq!(objects, [1, 0]);
}

#[test]
fn a_check_that_is_told_what_to_expect_ends_with_the_diagnosis() {
    let fleet = Fleet::new("--scenario cause-certificate-renamed");
    let expected = format!("{}/expected", fleet.path());
    let asked = |command: &[&str], format: &str| {
        let args = [
            command,
            &["--expect", &expected, "--format", format, "--quiet"],
        ]
        .concat();
        text(&run_for(1, &args).stdout).to_owned()
    };
    let check = |format| asked(&["check", fleet.path()], format);
    let diagnose = |format| asked(&["diagnose", "--logs", fleet.path()], format);
    let page = check("table");
    let (_, end) = page
        .split_once("Expected against observed\n")
        .expect("a part");
    assert_eq!(end, diagnose("table"));
    let report: Value = serde_json::from_str(&check("json")).expect("JSON");
    let told: Vec<Value> = serde_json::from_str(&diagnose("json")).expect("JSON");
    assert!(!told.is_empty());
    let rows = report["diagnosis"].as_array().expect("a list");
    assert_eq!(rows.len(), told.len());
    for (row, told) in rows.iter().zip(&told) {
        for (name, value) in row.as_object().expect("an object") {
            assert_eq!(value, &told[name], "{name}");
        }
    }
    let facts = check("ndjson");
    let facts = facts
        .lines()
        .filter(|line| line.contains(r#""fact":"diagnosis""#));
    assert_eq!(facts.count(), told.len());
    // Without the option nothing is said of it.
    let plain = run_for(1, &["check", fleet.path()]);
    assert!(!text(&plain.stdout).contains("Expected against observed"));
}

#[test]
fn collect_prints_a_script() {
    let output = run_for(
        0,
        &["collect", "--version", "2010", "--servers", "EX01,EX02"],
    );
    let script = text(&output.stdout);
    assert!(script.contains("$Servers = @('EX01', 'EX02')"), "{script}");
    assert!(script.contains("Export-Clixml"));
    run_for(2, &["collect", "--servers", "a\nb"]);
}
