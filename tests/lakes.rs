//! A lake is exactly what its logs say, however it came about, and others can read it.

use std::process::Command;
use std::time::Duration;

use crate::util::{Fleet, empty, program, query, query_sorted, run_for, skip, text};

const FLEET: &str = "--servers 3 --days 2 --seed 21 --sessions-per-hour 8";

/// Everything in a lake that does not say when and in which batch it came.
fn content(source: &[&str]) -> Vec<Vec<String>> {
    let events = "select event_time, server, service, connector_id, session_id, sequence, event, data, context, line from events";
    let sessions = "select server, service, session_id, start_time, end_time, rows, accepted, refused, sent_thumbprint, egress_ip, outcome, open from sessions";
    let transactions = "select server, session_id, ordinal, sender, recipients, accepted, refused, outcome, reply_line from transactions";
    let observations = "select server, service, connector_id, kind, value, hour, min(first_seen), max(last_seen), sum(sessions), sum(rows), sum(accepted), sum(refused) from observations group by 1, 2, 3, 4, 5, 6";
    let ledger = "select source_id, max(to_offset), sum(rows), sum(header_bytes + event_bytes + reject_bytes + blank_bytes) from sources group by source_id";
    [events, sessions, transactions, observations, ledger]
        .map(|sql| query_sorted(source, sql))
        .into()
}

fn lake_path(name: &str) -> String {
    empty(name)
        .join("lake")
        .to_str()
        .expect("a path in UTF-8")
        .to_owned()
}

#[test]
fn logs_and_lake_give_the_same_tables() {
    let fleet = Fleet::new(FLEET);
    let lake = lake_path("whole");
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    let (from_logs, from_lake) = (
        content(&["--logs", fleet.path()]),
        content(&["--lake", &lake]),
    );
    for (logs, lake) in from_logs.iter().zip(&from_lake) {
        assert!(
            logs == lake,
            "{} rows from logs, {} from the lake",
            logs.len(),
            lake.len()
        );
    }
}

#[test]
fn ingest_takes_in_only_what_is_new() {
    let fleet = Fleet::new(FLEET);
    let (whole, parts) = (lake_path("once"), lake_path("parts"));
    run_for(0, &["ingest", fleet.path(), "--lake", &whole, "--quiet"]);
    for server in ["EX02", "EX01", "EX03"] {
        let logs = fleet.logs.join(server);
        run_for(
            0,
            &[
                "ingest",
                logs.to_str().expect("a path in UTF-8"),
                "--lake",
                &parts,
                "--quiet",
            ],
        );
    }
    let before = query(
        &["--lake", &parts],
        "select max(batch) as batch from sources",
    );
    run_for(0, &["ingest", fleet.path(), "--lake", &parts, "--quiet"]);
    assert_eq!(
        query(
            &["--lake", &parts],
            "select max(batch) as batch from sources"
        ),
        before
    );
    assert!(
        content(&["--lake", &parts]) == content(&["--lake", &whole]),
        "three runs or one"
    );
}

#[test]
fn a_killed_ingest_is_made_good_by_the_next() {
    let fleet = Fleet::new(FLEET);
    let whole = lake_path("undisturbed");
    let started = std::time::Instant::now();
    run_for(0, &["ingest", fleet.path(), "--lake", &whole, "--quiet"]);
    let took = started.elapsed();
    let want = content(&["--lake", &whole]);
    let lake = lake_path("killed");
    let mut killed = 0;
    for part in 1..8u32 {
        let mut child = program()
            .args(["ingest", fleet.path(), "--lake", &lake, "--quiet"])
            .spawn()
            .expect("the program starts");
        std::thread::sleep(took * part / 8 + Duration::from_millis(1));
        killed += u32::from(child.try_wait().expect("its state").is_none());
        let _ = child.kill();
        let _ = child.wait();
    }
    assert!(killed > 0, "no run was killed before its end");
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    assert!(content(&["--lake", &lake]) == want, "after {killed} kills");
}

/// A Python that has the libraries, if there is one.
pub fn python() -> Option<String> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let modules = "import deltalake, duckdb, polars, pyarrow";
    [venv, "python3"]
        .into_iter()
        .map(str::to_owned)
        .find(|python| {
            let import = Command::new(python).args(["-c", modules]).output();
            import.is_ok_and(|output| output.status.success())
        })
}

#[test]
fn other_engines_read_every_table() {
    let Some(python) = python() else {
        return skip(
            "other engines",
            "no Python with deltalake, duckdb, polars and pyarrow",
        );
    };
    let fleet = Fleet::new(FLEET);
    let lake = lake_path("others");
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers.py");
    let output = Command::new(python)
        .args([script, &lake])
        .output()
        .expect("Python starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let counts: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let counts = counts.as_object().expect("an object");
    let tables = query(
        &["--lake", &lake],
        "select table_name from information_schema.tables where table_type = 'BASE TABLE' and table_schema = 'public'",
    );
    assert_eq!(counts.len(), tables.len(), "every table opens");
    for (table, counts) in counts {
        let [delta, duckdb, polars] =
            ["deltalake", "duckdb", "polars"].map(|engine| &counts[engine]);
        assert!(delta == duckdb && delta == polars, "{table}: {counts}");
        if ["events", "rejects", "sources"].contains(&table.as_str()) {
            let ours = query(
                &["--lake", &lake],
                &format!("select count(*) as n from {table}"),
            );
            assert_eq!(&ours[0]["n"], delta, "{table}");
        }
    }
    assert_ne!(counts["events"]["duckdb"], 0);
}
