//! A lake is exactly what its logs say, however it came about, and others can read it.

use std::fs::{File, FileTimes};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use crate::util::{Fleet, empty, files, program, query, query_sorted, run_for, skip, text};

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
    // The first at its very start, so that one is killed however fast the others are; `faults.rs` kills by the call.
    for part in 0..8u32 {
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

#[test]
fn a_log_that_can_no_longer_be_read_is_an_error_and_a_shorter_copy_is_told() {
    let folder = empty("damaged");
    let row =
        "2026-10-05T10:00:00.000Z,Out,08DF1F4EEFBDC001,0,,192.0.2.1:25,*,,attempting to connect";
    let mut rows: Vec<String> = (0..9000).map(|at| format!("{row} {at}\r\n")).collect();
    let plain = folder.join("EX01/SEND2026100510-1.LOG");
    let packed = folder.join("EX02/SEND2026100510-1.LOG.gz");
    for path in [&plain, &packed] {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    }
    std::fs::write(&plain, rows.concat()).expect("written");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    std::io::Write::write_all(&mut gzip, rows.concat().as_bytes()).expect("packed");
    let mut bytes = gzip.finish().expect("packed");
    std::fs::write(&packed, &bytes).expect("written");
    let (logs, lake) = (folder.to_str().expect("UTF-8"), lake_path("damaged-lake"));
    run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);

    bytes.truncate(bytes.len() / 2);
    std::fs::write(&packed, &bytes).expect("written");
    rows.truncate(8000);
    std::fs::write(&plain, rows.concat()).expect("written");
    let output = run_for(2, &["ingest", logs, "--lake", &lake]);
    let said = text(&output.stderr);
    assert!(
        said.contains("cannot read") && said.contains("EX02/SEND2026100510-1.LOG.gz"),
        "{said}"
    );
    assert!(
        said.contains("shorter than what was taken in of it before"),
        "{said}"
    );
}

#[test]
fn verify_finds_nothing_in_a_good_lake_and_names_a_file_with_another_bit() {
    let fleet = Fleet::new(FLEET);
    let lake = lake_path("verified");
    // In two batches, with lines that cannot be read and one that is not whole yet.
    let extra = empty("verified-extra").join("EX09/SEND2026100510-1.LOG");
    std::fs::create_dir_all(extra.parent().expect("a folder")).expect("made");
    let row = "2026-10-05T10:00:00.000Z,Out,08DF1F4EEFBDC001,0,,192.0.2.1:25,*,,attempting to connect\r\n";
    std::fs::write(
        &extra,
        ["#Software: x\r\n", row, "no row\r\n\r\n", &row[..40]].concat(),
    )
    .expect("written");
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    run_for(
        0,
        &[
            "ingest",
            extra.to_str().expect("UTF-8"),
            "--lake",
            &lake,
            "--quiet",
        ],
    );
    let output = run_for(0, &["verify", "--lake", &lake]);
    let said = text(&output.stdout);
    assert!(
        said.starts_with("WHOLE: ") && said.contains("of 2 batches"),
        "{said}"
    );
    assert_eq!(
        text(&run_for(0, &["verify", "--lake", &lake, "--format", "ndjson"]).stdout),
        ""
    );

    let events = std::fs::read_dir(format!("{lake}/events")).expect("a folder");
    let files = events.map(|entry| entry.expect("an entry").path());
    let file = files
        .filter(|path| path.extension().is_some())
        .min()
        .expect("a file");
    let mut bytes = std::fs::read(&file).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&file, bytes).expect("written");
    let output = run_for(2, &["verify", "--lake", &lake, "--format", "ndjson"]);
    let found: serde_json::Value = serde_json::from_str(text(&output.stdout)).expect("one line");
    assert_eq!(found["kind"], "changed");
    let name = file
        .file_name()
        .and_then(|name| name.to_str())
        .expect("UTF-8");
    assert!(
        found["file"]
            .as_str()
            .is_some_and(|path| path.ends_with(name)),
        "{found}"
    );
    assert!(
        found["remedy"]
            .as_str()
            .is_some_and(|text| text.contains("backup")),
        "{found}"
    );
}

#[test]
fn a_compacted_lake_says_the_same() {
    let fleet = Fleet::new(FLEET);
    let lake = lake_path("compacted");
    for server in ["EX02", "EX01", "EX03"] {
        let logs = fleet.logs.join(server);
        let logs = logs.to_str().expect("UTF-8");
        run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
    }
    let before = content(&["--lake", &lake]);
    let args = ["compact", "--lake", &lake, "--format", "ndjson"];
    let merged = run_for(0, &args);
    let events = text(&merged.stdout)
        .lines()
        .find(|line| line.contains("\"table\":\"events\""));
    let events: serde_json::Value = serde_json::from_str(events.expect("events")).expect("JSON");
    assert_eq!(events["files_after"], 1, "{events}");
    assert!(
        content(&["--lake", &lake]) == before,
        "other rows than before"
    );
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    run_for(0, &["verify", "--lake", &lake, "--quiet"]);
    assert_eq!(text(&run_for(0, &args).stdout), "");
}

/// True if there is a tool that kills a program at a system call.
fn strace() -> bool {
    let strace = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output();
    strace.is_ok_and(|output| output.status.success())
}

/// Makes files as if they had been written so many hours ago.
fn age(files: &[PathBuf], hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    for file in files {
        let file = File::options().append(true).open(file).expect("a file");
        let times = FileTimes::new().set_modified(then);
        file.set_times(times).expect("its time");
    }
}

fn vacuum(lake: &str, options: &[&str]) -> Vec<serde_json::Value> {
    let args = ["vacuum", "--lake", lake, "--format", "ndjson"];
    let output = run_for(0, &[&args[..], options].concat());
    let lines = text(&output.stdout).lines();
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn a_vacuum_takes_nothing_from_readers_and_rows() {
    let fleet = Fleet::new(FLEET);
    let lake = lake_path("vacuumed");
    for server in ["EX02", "EX01", "EX03"] {
        let logs = fleet.logs.join(server);
        let logs = logs.to_str().expect("UTF-8");
        run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
    }
    let before = content(&["--lake", &lake]);
    let parts = files(Path::new(&lake));
    // It has listed the files and waits for whoever reads its rows.
    let sql = "select * from events";
    let mut reader = program()
        .args(["sql", "--lake", &lake, "--format", "ndjson", sql])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut rows = BufReader::new(reader.stdout.take().expect("stdout")).lines();
    rows.next().expect("a row").expect("read");
    run_for(0, &["compact", "--lake", &lake, "--quiet"]);
    age(&parts, 24 * 30);
    let young = vacuum(&lake, &["--older-than", "6h"]);
    assert!(young.is_empty(), "replaced just now: {young:?}");
    let events = before[0].len();
    assert_eq!(rows.count() + 1, events, "rows for who began before");
    assert!(reader.wait().expect("its end").success());

    age(&files(Path::new(&lake)), 24 * 8);
    let due = vacuum(&lake, &["--dry-run"]);
    assert!(due.len() > 6, "{due:?}");
    for file in &due {
        assert_eq!(
            (&file["kind"], &file["age_hours"]),
            (&"replaced".into(), &192.into())
        );
        let path = Path::new("/").join(file["file"].as_str().expect("a path"));
        let size = std::fs::metadata(path).expect("it is there").len();
        assert_eq!(file["bytes"], size);
    }
    match strace() {
        true => {
            let killed = Command::new("strace")
                .args([
                    "-f",
                    "-qq",
                    "-o",
                    "/dev/null",
                    "-e",
                    "trace=unlink,unlinkat",
                ])
                .args(["-e", "inject=unlink,unlinkat:signal=KILL:when=3"])
                .arg(program().get_program())
                .args(["vacuum", "--lake", &lake])
                .output();
            assert_ne!(killed.expect("it starts").status.code(), Some(0));
            let left = vacuum(&lake, &["--dry-run"]).len();
            assert!((1..due.len()).contains(&left), "{left} of {}", due.len());
            assert!(content(&["--lake", &lake]) == before, "after a kill");
            run_for(0, &["verify", "--lake", &lake, "--quiet"]);
        }
        false => skip(
            "a vacuum that is killed",
            "strace is missing or must not trace",
        ),
    }
    vacuum(&lake, &[]);
    assert_eq!(
        vacuum(&lake, &["--older-than", "6h"]),
        Vec::<serde_json::Value>::new()
    );
    assert!(content(&["--lake", &lake]) == before, "other rows");
    run_for(0, &["verify", "--lake", &lake, "--quiet"]);
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    assert!(content(&["--lake", &lake]) == before, "taken in again");

    let short = run_for(2, &["vacuum", "--lake", &lake, "--older-than", "5h"]);
    let said = text(&short.stderr);
    assert!(said.contains("--older-than 6h"), "{said}");
}

#[test]
fn audit_finds_every_row_that_was_taken_out_of_the_logs() {
    let fleet = Fleet::new("--servers 2 --days 1 --seed 5 --sessions-per-hour 12");
    let logs = empty("audited");
    let mut taken = Vec::new();
    let mut all: Vec<_> = files(&fleet.logs)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "LOG"))
        .collect();
    all.sort();
    let gone = all.len() / 2;
    for (at, path) in all.iter().enumerate() {
        // A whole log is gone, and a row inside every third.
        if at == gone {
            continue;
        }
        let to = logs.join(path.strip_prefix(&fleet.logs).expect("below"));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        let content = std::fs::read(path).expect("read");
        let mut lines: Vec<&[u8]> = content.split_inclusive(|byte| *byte == b'\n').collect();
        let is_ehlo = |line: &&[u8]| line.windows(8).any(|part| part == b",>,EHLO ");
        if let (0, Some(inside)) = (at % 3, lines.iter().position(is_ehlo)) {
            let line = text(lines.remove(inside));
            let fields: Vec<&str> = line.split(',').collect();
            taken.push(format!("{} {}", fields[2], fields[3]));
        }
        std::fs::write(to, lines.concat()).expect("written");
    }
    assert!(taken.len() > 5, "{} rows", taken.len());
    taken.sort();
    let logs = logs.to_str().expect("UTF-8");
    let lake = lake_path("audited-lake");
    run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
    for source in [["--lake", &lake], ["--logs", logs]] {
        let holes = query(&source, "select * from audit");
        let mut found: Vec<String> = holes
            .iter()
            .filter(|hole| hole["explanation"].is_null())
            .inspect(|hole| {
                assert_eq!(
                    (&hole["kind"], &hole["rows"]),
                    (&"hole".into(), &1.into()),
                    "{hole}"
                )
            })
            .map(|hole| {
                format!(
                    "{} {}",
                    hole["session_id"].as_str().unwrap_or(""),
                    hole["first_sequence"]
                )
            })
            .collect();
        found.sort();
        assert_eq!(found, taken);
    }
    let output = run_for(0, &["audit", "--lake", &lake, "--unexplained"]);
    let said = text(&output.stdout);
    assert!(
        said.starts_with(&format!("UNEXPLAINED: {} of ", taken.len())),
        "{said}"
    );
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
    let mut engines = vec!["deltalake", "duckdb", "polars", "pyarrow"];
    match has_spark(&python) {
        true => engines.push("spark"),
        false => skip("Spark beside the other engines", "no pyspark, or no Java"),
    }
    let folder = empty("others");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    let (logs, lake) = (logs.to_str().expect("UTF-8"), lake.to_str().expect("UTF-8"));
    run_for(
        0,
        &[
            "generate",
            logs,
            "--scenario",
            "cause-no-credentials",
            "--quiet",
        ],
    );
    run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
    let exports = format!("{logs}/expected");
    run_for(0, &["expect", &exports, "--lake", lake, "--quiet"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers.py");
    let mut command = Command::new(python);
    command.args([script, lake]).args(engines.last());
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let read = read.as_object().expect("an object");
    let tables = query(
        &["--lake", lake],
        "select table_name from information_schema.tables where table_type = 'BASE TABLE' and table_schema = 'public'",
    );
    let names: Vec<&str> = tables
        .iter()
        .filter_map(|row| row["table_name"].as_str())
        .collect();
    let mut filled = 0;
    for (table, told) in read {
        let first = &told["engines"]["duckdb"];
        if first[0] == 0 {
            continue;
        }
        filled += 1;
        for engine in &engines {
            assert_eq!(&told["engines"][engine], first, "{table} by {engine}");
        }
        // Ours holds the sessions that are folded from `open_sessions` as well.
        let open = if ["sessions", "transactions"].contains(&table.as_str()) {
            "where session_id not in (select session_id from open_sessions)"
        } else {
            ""
        };
        if !names.contains(&table.as_str()) || table == "observations" {
            continue;
        }
        let numbers = told["numbers"].as_array().expect("names").iter();
        let sums =
            numbers.map(|name| format!("coalesce(sum({}), 0)", name.as_str().expect("a name")));
        let all: Vec<String> = std::iter::once("count(*)".to_owned()).chain(sums).collect();
        let ours = query(
            &["--lake", lake],
            &format!(
                "select make_array({}) as sums from {table} {open}",
                all.join(", ")
            ),
        );
        assert_eq!(&ours[0]["sums"], first, "{table}");
    }
    assert!(filled >= 12, "{filled} tables have rows");
    assert_eq!(read.len(), names.len(), "every table opens");
}

/// As a job does that looks after all tables of a place.
const MERGE: &str = "
import sys, deltalake
for table in sys.argv[2:]:
    metrics = deltalake.DeltaTable(f'{sys.argv[1]}/{table}').optimize.compact()
    assert metrics['numFilesRemoved'] > 1, (table, metrics)
";

#[test]
fn a_lake_that_another_program_merged_is_read_and_filled_on() {
    let Some(python) = python() else {
        return skip(
            "a lake merged by another program",
            "no Python with deltalake, duckdb, polars and pyarrow",
        );
    };
    let folder = empty("merged");
    let lake = folder.join("lake");
    let lake = lake.to_str().expect("UTF-8");
    for server in ["EX01", "EX02"] {
        let logs = format!("tests/fleet/{server}");
        run_for(0, &["ingest", &logs, "--lake", lake, "--quiet"]);
    }
    let rows = || content(&["--lake", lake]);
    let before = rows();
    let tables = [
        "sources",
        "events",
        "sessions",
        "transactions",
        "observations",
        "open_sessions",
    ];
    let mut command = Command::new(python);
    command.args(["-c", MERGE, lake]).args(tables);
    let output = command.output().expect("Python starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(rows(), before);
    // What was read is known, and what is new comes in.
    for server in ["EX01", "EX02"] {
        let logs = format!("tests/fleet/{server}");
        run_for(0, &["ingest", &logs, "--lake", lake, "--quiet"]);
    }
    assert_eq!(rows(), before);
    run_for(0, &["ingest", "tests/fleet", "--lake", lake, "--quiet"]);
    let alone = folder.join("alone");
    let alone = alone.to_str().expect("UTF-8");
    run_for(0, &["ingest", "tests/fleet", "--lake", alone, "--quiet"]);
    assert_eq!(rows(), content(&["--lake", alone]));
    // Nobody can tell whether the other program wrote what it read.
    let output = run_for(2, &["verify", "--lake", lake, "--format", "ndjson"]);
    let kinds = text(&output.stdout).lines().map(|line| {
        let one: serde_json::Value = serde_json::from_str(line).expect("JSON");
        one["kind"].as_str().unwrap_or_default().to_owned()
    });
    assert_eq!(kinds.collect::<Vec<_>>(), vec!["foreign"; tables.len()]);
}

/// Spark needs Java beside its Python.
fn has_spark(python: &str) -> bool {
    let import = Command::new(python).args(["-c", "import pyspark"]).output();
    let java = Command::new("java").arg("-version").output();
    [import, java]
        .into_iter()
        .all(|run| run.is_ok_and(|output| output.status.success()))
}
