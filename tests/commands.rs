//! Formats, exit codes, messages and escaping.

use crate::util::{Fleet, empty, program, query, run, run_for, text};

const HOSTILE: &str = "2026-10-05T10:00:00.000Z,\"=cmd|' /C calc'!A0 \u{1b}[2J\u{202e}\",08DF1F4EEFBDC000,0,,192.0.2.1:25,*,,attempting to connect\r\n";

fn hostile() -> String {
    let folder = empty("hostile").join("EX1");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("SEND2026100510-1.LOG"), HOSTILE).expect("a log");
    folder.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn nothing_from_a_log_reaches_a_terminal_raw() {
    let logs = hostile();
    for args in [
        vec!["check", &logs],
        vec!["sql", "--logs", &logs, "select connector_id from events"],
        vec![
            "sql",
            "--logs",
            &logs,
            "select connector_id from nothing\u{1b}[2J",
        ],
    ] {
        let output = run(&args);
        for stream in [&output.stdout, &output.stderr] {
            let shown = text(stream);
            let raw = shown
                .chars()
                .any(|c| c == '\u{1b}' || c == '\u{202e}' || c == '\u{9b}');
            assert!(!raw, "{args:?}: {shown:?}");
        }
    }
}

#[test]
fn csv_cells_are_defused_and_json_is_exact() {
    let logs = hostile();
    let sql = "select connector_id, sequence, data from events";
    let csv = run_for(0, &["sql", "--logs", &logs, "--format", "csv", sql]);
    assert!(
        text(&csv.stdout).contains("'=cmd|"),
        "{}",
        text(&csv.stdout)
    );
    let rows = query(&["--logs", &logs], sql);
    assert_eq!(
        rows[0]["connector_id"],
        "=cmd|' /C calc'!A0 \u{1b}[2J\u{202e}"
    );
    assert_eq!(rows[0]["sequence"], 0);
    assert!(
        rows[0]["data"].is_null()
            && rows[0]
                .as_object()
                .is_some_and(|row| row.contains_key("data"))
    );
}

#[test]
fn the_formats_hold_the_same_rows() {
    let fleet = Fleet::new("--servers 1 --days 2 --seed 4 --sessions-per-hour 2");
    let sql = "select connector_id, role from connectors order by connector_id";
    let rows = query(&["--logs", fleet.path()], sql);
    let json = run_for(0, &["sql", "--logs", fleet.path(), "--format", "json", sql]);
    let json: Vec<serde_json::Value> = serde_json::from_slice(&json.stdout).expect("a JSON array");
    assert_eq!(json, rows);
    let csv = run_for(0, &["sql", "--logs", fleet.path(), "--format", "csv", sql]);
    let mut reader = csv::Reader::from_reader(csv.stdout.as_slice());
    let csv: Vec<String> = reader
        .records()
        .map(|row| row.expect("CSV")[0].to_owned())
        .collect();
    let names: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["connector_id"].as_str())
        .collect();
    assert_eq!(csv, names);
}

#[test]
fn a_folder_without_logs_says_where_they_are() {
    let folder = empty("no-logs");
    let output = run_for(2, &["check", folder.to_str().expect("a path in UTF-8")]);
    let message = text(&output.stderr);
    for word in ["ProtocolLog", "SmtpSend", "Verbose", "FrontEnd"] {
        assert!(message.contains(word), "{message}");
    }
    assert!(text(&run_for(2, &["check", "no-such-folder"]).stderr).contains("no-such-folder"));
}

#[test]
fn sql_reads_and_never_writes() {
    let logs = hostile();
    for sql in [
        "create table t as select 1",
        "insert into events select * from events",
        "copy (select 1) to 'out.csv'",
        "set datafusion.execution.batch_size = 1",
        "create external table t (a int) stored as csv location '/etc/passwd'",
        "drop view drift",
    ] {
        run_for(2, &["sql", "--logs", &logs, sql]);
    }
}

#[test]
fn an_unterminated_last_line_is_pending_and_shown() {
    let folder = empty("pending").join("EX1");
    std::fs::create_dir_all(&folder).expect("a folder");
    let log = folder.join("SEND2026100510-1.LOG");
    let line = HOSTILE.trim_end();
    std::fs::write(&log, format!("{HOSTILE}{line}")).expect("a log");
    let lake = empty("pending-lake").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    let logs = folder.to_str().expect("a path in UTF-8");
    let output = run_for(0, &["ingest", logs, "--lake", lake]);
    assert!(
        text(&output.stderr).contains("pending"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(query(&["--lake", lake], "select * from events").len(), 1);
    std::fs::write(&log, format!("{HOSTILE}{line}\r\n")).expect("a log");
    run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
    assert_eq!(query(&["--lake", lake], "select * from events").len(), 2);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let fleet = Fleet::new("--servers 1 --days 2 --seed 4 --sessions-per-hour 2");
    let mut child = program()
        .args([
            "sql",
            "--logs",
            fleet.path(),
            "--format",
            "ndjson",
            "select * from events",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}
