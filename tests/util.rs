//! Running the program, and the fleets that the tests share.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

/// Every row of a lake, but not when and in which batch it came.
pub const CONTENT: &str = "
    select concat_ws('|', 'event', event_time, server, service, connector_id, session_id, sequence, event, data, context, line) as row from events
    union all select concat_ws('|', 'session', server, service, session_id, start_time, end_time, rows, accepted, refused, sent_thumbprint, egress_ip, outcome, open) from sessions
    union all select concat_ws('|', 'transaction', server, session_id, ordinal, sender, accepted, refused, outcome, reply_line) from transactions
    union all select concat_ws('|', 'observation', server, service, connector_id, kind, value, hour, sessions, rows, accepted, refused) from observations
    union all select concat_ws('|', 'reject', server, source_id, line, byte_offset, bytes, reason, hash) from rejects
    union all select concat_ws('|', 'source', source_id, from_offset, to_offset, rows, rejects) from sources";

/// The program, with an environment that does not depend on who runs the tests.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relaydrift"));
    command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("NO_COLOR", "1")
        // Neither the configuration nor the history of whoever runs the tests.
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Output {
    program().args(args).output().expect("the program starts")
}

/// Runs the program; it must exit with this code.
#[track_caller]
pub fn run_for(code: i32, args: &[&str]) -> Output {
    let output = run(args);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{args:?}\n{}",
        text(&output.stderr)
    );
    output
}

/// Output as text; the program promises UTF-8.
pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("valid UTF-8")
}

/// The rows of a query as JSON objects.
#[track_caller]
pub fn query(source: &[&str], sql: &str) -> Vec<Value> {
    let args = [&["sql"], source, &["--format", "ndjson", sql]].concat();
    let output = run_for(0, &args);
    text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

/// The same, as a sorted set of rows.
#[track_caller]
pub fn query_sorted(source: &[&str], sql: &str) -> Vec<String> {
    let mut rows: Vec<String> = query(source, sql).iter().map(Value::to_string).collect();
    rows.sort();
    rows
}

/// A generated fleet with its truth; made once for all tests that ask for the same one.
pub struct Fleet {
    pub logs: PathBuf,
    pub truth: Value,
}

impl Fleet {
    /// Generates (or finds) the fleet of these options.
    pub fn new(options: &str) -> Fleet {
        static MADE: OnceLock<Mutex<Vec<String>>> = OnceLock::new();
        let mut made = MADE
            .get_or_init(Mutex::default)
            .lock()
            .unwrap_or_else(|e| e.into_inner());
        let name = options.replace("--", "").replace(' ', "-");
        let logs = scratch(&format!("fleet-{name}"));
        if !made.contains(&name) {
            let path = logs.to_str().expect("a path in UTF-8");
            let args: Vec<&str> = ["generate", path, "--force"]
                .into_iter()
                .chain(options.split(' '))
                .collect();
            run_for(0, &args);
            made.push(name);
        }
        let truth = std::fs::read(logs.join("truth.json")).expect("the truth");
        Fleet {
            logs,
            truth: serde_json::from_slice(&truth).expect("JSON"),
        }
    }

    pub fn path(&self) -> &str {
        self.logs.to_str().expect("a path in UTF-8")
    }

    /// Rows of the truth with these columns, as [`query_sorted`] gives them.
    pub fn truth(&self, list: &str, columns: &[&str]) -> Vec<String> {
        let rows = self.truth[list].as_array().expect("a list");
        let pick = |row: &Value| {
            let picked = columns
                .iter()
                .map(|column| ((*column).to_owned(), row[*column].clone()));
            Value::Object(picked.collect()).to_string()
        };
        let mut rows: Vec<String> = rows.iter().map(pick).collect();
        rows.sort();
        rows
    }
}

/// A folder of this test run, empty or as an earlier call left it.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).expect("a scratch folder");
    path
}

/// An empty folder of this test run.
pub fn empty(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("an old scratch folder goes");
    }
    scratch(name)
}

/// Every file below a folder.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => files(&path),
            false => vec![path],
        })
        .collect()
}

/// A number without order from one with (SplitMix64).
pub fn mix(number: usize) -> usize {
    let mut mixed = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) as usize
}

/// Says on the terminal that a test did not run, past the test harness that would keep it.
pub fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {test}: {reason}");
}
