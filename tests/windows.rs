//! The program for Windows, run by Wine: it answers as this one does, and takes paths, shares, open files and
//! consoles as Windows has them.
//!
//! `.ci/windows` builds it and brings Wine; where one of them is missing or old, the tests are skipped.
#![cfg(target_os = "linux")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use regex::{Captures, Regex};
use serde_json::Value;

use crate::util::{
    CONTENT, empty, files, program, query, query_sorted, run, run_for, scratch, skip, text,
};

const WINE: &str = "/usr/lib/wine/wine64";
const FLEET: [&str; 2] = ["--logs", "tests/fleet"];
const LOG: &str = "tests/fleet/EX01/Hub/ProtocolLog/SmtpSend/SEND2026100105-1.LOG";

/// A Windows: its programs, and the folder that is its drive C.
struct Windows {
    programs: PathBuf,
    prefix: PathBuf,
}

/// The Windows that all tests share, which takes long to start; [`None`], and why, where there is none.
fn windows(test: &str) -> Option<&'static Windows> {
    static WINDOWS: OnceLock<Result<Windows, String>> = OnceLock::new();
    let windows = WINDOWS.get_or_init(Windows::start).as_ref();
    windows.map_err(|reason| skip(test, reason)).ok()
}

impl Windows {
    fn start() -> Result<Windows, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = |path: &Path| path.metadata().and_then(|about| about.modified()).ok();
        let whole = built(&root.join("target/windows/whole"));
        let whole = whole.ok_or("no program for Windows: .ci/windows builds it")?;
        let mut sources =
            ["crates", "sql", "tests/windows"].map(|folder| files(&root.join(folder)));
        sources[0].extend(["Cargo.toml", "Cargo.lock"].map(|file| root.join(file)));
        let newer = |path: &PathBuf| built(path).is_some_and(|at: SystemTime| at > whole);
        if let Some(path) = sources.iter().flatten().find(|path| newer(path)) {
            let path = path.display();
            return Err(format!(
                "the program for Windows is older than {path}: .ci/windows builds it"
            ));
        }
        if !Path::new(WINE).exists() {
            return Err(format!("no {WINE}"));
        }
        let windows = Windows {
            programs: root.join("target/windows/x86_64-pc-windows-gnu/debug"),
            prefix: scratch("wine"),
        };
        let started = windows.wine("wineboot.exe", &["--init"]).output();
        match started {
            Ok(output) if output.status.success() => Ok(windows),
            other => Err(format!("Wine does not start: {other:?}")),
        }
    }

    /// A program of Wine's, or a path of one.
    fn wine(&self, program: impl AsRef<Path>, args: &[&str]) -> Command {
        let mut command = Command::new(WINE);
        command
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("WINEPREFIX", &self.prefix)
            .env("WINEDEBUG", "-all")
            // No questions about what is not installed.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml=")
            .env("LC_ALL", "C.UTF-8")
            .env("NO_COLOR", "1")
            .arg(program.as_ref())
            .args(args);
        command
    }

    /// relaydrift.exe
    fn command(&self, args: &[&str]) -> Command {
        self.wine(self.programs.join("relaydrift.exe"), args)
    }

    /// Runs relaydrift.exe; it must exit with this code.
    #[track_caller]
    fn run_for(&self, code: i32, args: &[&str]) -> Output {
        let output = self.command(args).output().expect("Wine starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
        output
    }

    /// The rows of a query, each as JSON, sorted.
    #[track_caller]
    fn query(&self, source: &[&str], sql: &str) -> Vec<String> {
        let args = [&["sql"], source, &["--format", "ndjson", sql]].concat();
        let output = self.run_for(0, &args);
        let rows = text(&output.stdout).lines().map(|line| {
            let row: Value = serde_json::from_str(line).expect("JSON");
            row.to_string()
        });
        let mut rows: Vec<String> = rows.collect();
        rows.sort();
        rows
    }

    /// An empty folder on drive C, as seen from here and from there.
    fn empty(&self, name: &str) -> (PathBuf, String) {
        let path = self.prefix.join("drive_c").join(name);
        if path.exists() {
            std::fs::remove_dir_all(&path).expect("an old folder goes");
        }
        std::fs::create_dir_all(&path).expect("a folder");
        (path, format!(r"C:\{name}"))
    }

    /// A server with one log.
    fn server(&self, name: &str) -> (PathBuf, String) {
        let (folder, path) = self.empty(name);
        put(&folder.join("EX01/SmtpSend"));
        (folder, path)
    }

    fn holder(&self, file: &str, share: &str) -> Holder {
        let helper = self.programs.join("helper.exe");
        let mut child = self
            .wine(helper, &["hold", file, share])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Wine starts");
        let stdin = child.stdin.take().expect("stdin");
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let mut holder = Holder {
            child,
            stdin: Some(stdin),
            stdout,
        };
        assert_eq!(holder.says(), "held");
        holder
    }
}

/// A process that has a file open.
struct Holder {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Holder {
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    /// Writes a line there, and keeps the file open.
    fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{line}\r").expect("written");
        assert_eq!(self.says(), "written");
    }

    fn end(mut self) {
        drop(self.stdin.take());
        assert_eq!(self.child.wait().expect("it ends").code(), Some(0));
    }
}

/// A log of the fleet in this folder.
fn put(folder: &Path) -> PathBuf {
    std::fs::create_dir_all(folder).expect("a folder");
    let path = folder.join("SEND2026100105-1.LOG");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(LOG), &path).expect("a log");
    path
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// What this system said, with paths as Windows writes them.
fn as_windows(said: &str) -> String {
    let paths = Regex::new(r"tests/fleet[\w./-]*").expect("a pattern");
    let path = |found: &Captures| found[0].replace('/', r"\");
    paths.replace_all(said, path).into_owned()
}

/// The same in every text of a document.
fn as_windows_json(value: &mut Value) {
    match value {
        Value::String(text) => *text = as_windows(text),
        Value::Array(values) => values.iter_mut().for_each(as_windows_json),
        Value::Object(values) => values.values_mut().for_each(as_windows_json),
        _ => {}
    }
}

#[test]
fn every_table_and_view_has_the_same_rows_on_windows() {
    let Some(windows) = windows("every_table_and_view_has_the_same_rows_on_windows") else {
        return;
    };
    let columns = "select table_name, column_name, data_type from information_schema.columns
        where table_schema = 'public' and column_name <> 'ingested_at' -- the clock of the run
        order by table_name, ordinal_position";
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut nested = BTreeSet::new();
    for row in query(&FLEET, columns) {
        let text = |name: &str| row[name].as_str().expect("a name").to_owned();
        tables
            .entry(text("table_name"))
            .or_default()
            .push(text("column_name"));
        // It is no text in SQL; as JSON it is.
        if text("data_type").contains("Struct") {
            nested.insert(text("table_name"));
        }
    }
    assert!(tables.len() > 50, "{}", tables.len());
    let rows = |tables: &[(&String, &Vec<String>)]| {
        let rows = tables.iter().map(|(table, columns)| {
            let texts = columns.iter().map(|column| {
                let text = format!("coalesce(cast(\"{column}\" as varchar), '-')");
                match column.ends_with("path") {
                    true => format!(r"replace({text}, '/', '\')"),
                    false => text,
                }
            });
            let texts: Vec<String> = texts.collect();
            format!(
                "select '{table}' as name, concat_ws('|', {}) as row from \"{table}\"",
                texts.join(", ")
            )
        });
        rows.collect::<Vec<_>>().join(" union all ")
    };
    for table in &nested {
        let sql = format!("select * from {table}");
        let here = query_sorted(&FLEET, &sql);
        assert_eq!(here, windows.query(&FLEET, &sql), "{table}");
    }
    assert!((1..10).contains(&nested.len()), "{nested:?}");
    let all: Vec<_> = tables
        .iter()
        .filter(|(name, _)| !nested.contains(*name))
        .collect();
    let mut seen = 0;
    for some in all.chunks(16) {
        let here = query_sorted(&FLEET, &rows(some));
        let there = windows.query(&FLEET, &rows(some));
        for (here, there) in here.iter().zip(&there) {
            assert_eq!(here, there);
        }
        assert_eq!(here.len(), there.len());
        seen += here.len();
    }
    assert!(seen > 10_000, "{seen} rows");
}

#[test]
fn commands_say_the_same_and_end_alike_on_windows() {
    let Some(windows) = windows("commands_say_the_same_and_end_alike_on_windows") else {
        return;
    };
    for args in [
        vec!["check", "tests/fleet"],
        vec!["drift", "--logs", "tests/fleet", "--breaking"],
        vec!["diagnose", "--logs", "tests/fleet", "--all"],
        vec!["audit", "--logs", "tests/fleet"],
        vec!["review", "--logs", "tests/fleet"],
        vec!["show", "08DF1568755BCDAF", "--logs", "tests/fleet"],
        vec!["check", "no-such-folder"],
        vec!["check", "tests/fleet", "--no-such-option"],
    ] {
        let here = run(&args);
        let there: Vec<&str> = args
            .iter()
            .map(|arg| match *arg {
                "tests/fleet" => r"tests\fleet",
                arg => arg,
            })
            .collect();
        let there = windows.run_for(here.status.code().expect("an exit code"), &there);
        assert_eq!(
            as_windows(text(&here.stdout)),
            text(&there.stdout),
            "{args:?}"
        );
        assert_eq!(here.stderr.is_empty(), there.stderr.is_empty(), "{args:?}");
    }
    let here = run_for(1, &["check", "tests/fleet", "--format", "json"]);
    let there = windows.run_for(1, &["check", r"tests\fleet", "--format", "json"]);
    let mut here: Value = serde_json::from_slice(&here.stdout).expect("JSON");
    let there: Value = serde_json::from_slice(&there.stdout).expect("JSON");
    as_windows_json(&mut here);
    assert_eq!(here, there);
}

#[test]
fn a_fleet_is_generated_alike_on_windows() {
    let Some(windows) = windows("a_fleet_is_generated_alike_on_windows") else {
        return;
    };
    let here = empty("windows-generated");
    let (there, name) = windows.empty("generated");
    let options = ["--servers", "2", "--days", "2", "--seed", "11", "--quiet"];
    run_for(
        0,
        &[&["generate", path(&here), "--force"], &options[..]].concat(),
    );
    windows.run_for(0, &[&["generate", &name, "--force"], &options[..]].concat());
    let read = |folder: &Path| -> BTreeMap<PathBuf, Vec<u8>> {
        let read = |file: &PathBuf| std::fs::read(file).expect("a file");
        let name = |file: &PathBuf| file.strip_prefix(folder).expect("below").to_owned();
        files(folder)
            .iter()
            .map(|file| (name(file), read(file)))
            .collect()
    };
    let (here, there) = (read(&here), read(&there));
    assert!(here.len() > 40, "{} files", here.len());
    assert_eq!(
        here.keys().collect::<Vec<_>>(),
        there.keys().collect::<Vec<_>>()
    );
    for (name, bytes) in &here {
        let same = &there[name] == bytes;
        assert!(same || name.ends_with("truth.json"), "{}", name.display());
    }
}

#[test]
fn a_lake_is_the_same_wherever_it_was_written() {
    let Some(windows) = windows("a_lake_is_the_same_wherever_it_was_written") else {
        return;
    };
    let (folder, name) = windows.empty("lake");
    let (of_windows, ours) = (folder.join("of-windows"), folder.join("ours"));
    let (there, ours_there) = (format!(r"{name}\of-windows"), format!(r"{name}\ours"));
    for server in ["EX01", "EX02", "EX03"] {
        let (logs, same) = (
            format!("tests/fleet/{server}"),
            format!(r"tests\fleet\{server}"),
        );
        run_for(0, &["ingest", &logs, "--lake", path(&ours), "--quiet"]);
        windows.run_for(0, &["ingest", &same, "--lake", &there, "--quiet"]);
    }
    let wanted = query_sorted(&["--lake", path(&ours)], CONTENT);
    assert!(wanted.len() > 10_000, "{} rows", wanted.len());
    // Each reads both.
    assert!(query_sorted(&["--lake", path(&of_windows)], CONTENT) == wanted);
    assert!(windows.query(&["--lake", &ours_there], CONTENT) == wanted);
    let drift = "select * from drift";
    let here = query_sorted(&["--lake", path(&ours)], drift);
    assert_eq!(windows.query(&["--lake", &there], drift), here);
    // Each knows what the other has taken in, a log too short to be known by its content included.
    for lake in [&of_windows, &ours] {
        run_for(
            0,
            &["ingest", "tests/fleet", "--lake", path(lake), "--quiet"],
        );
    }
    for lake in [&there, &ours_there] {
        windows.run_for(0, &["ingest", r"tests\fleet", "--lake", lake, "--quiet"]);
        windows.run_for(0, &["verify", "--lake", lake]);
        windows.run_for(0, &["compact", "--lake", lake]);
    }
    for lake in [&of_windows, &ours] {
        run_for(0, &["verify", "--lake", path(lake)]);
        assert!(query_sorted(&["--lake", path(lake)], CONTENT) == wanted);
    }
}

#[test]
fn logs_are_found_by_every_kind_of_windows_path() {
    let Some(windows) = windows("logs_are_found_by_every_kind_of_windows_path") else {
        return;
    };
    let (folder, name) = windows.server("paths");
    let count = |source: &str| {
        let sql = "select server, count(*) as rows from events group by server";
        windows.query(&["--logs", source], sql)
    };
    let wanted = count(&name);
    assert_eq!(wanted.len(), 1);
    assert!(wanted[0].contains("EX01"), "{wanted:?}");
    let log = "SEND2026100105-1.LOG";
    for source in [
        format!(r"{name}\EX01\SmtpSend\{log}"),
        name.replace('\\', "/"),
        name.to_lowercase(),
        format!(r"\\?\{name}"),
        format!(r"\\?\{name}\EX01\*\SEND*.LOG"),
        format!(r"Z:{}", path(&folder).replace('/', r"\")),
        format!(r"{name}\*\SmtpSend\*.log"),
        format!(r"{name}\EX0?\SmtpSend"),
        format!(r"{name}\EX0[12]\smtpsend\SEND20261001??-1.LOG"),
        format!(r"{name}/EX01\{{SmtpSend,other}}/*"),
    ] {
        assert_eq!(count(&source), wanted, "{source}");
    }
    for missing in [r"\*\nothing\*", r"\EX0?\nothing", r"\nothing"] {
        for before in [name.clone(), format!(r"\\?\{name}")] {
            let missing = format!("{before}{missing}");
            let output = windows.run_for(2, &["check", &missing]);
            let said = text(&output.stderr);
            assert!(said.contains(&missing), "{said}");
            assert!(said.contains("no such file or folder"), "{said}");
        }
    }
    // A pattern with / finds a server in a path with \ .
    let sql = "select distinct server from events";
    let pattern = ["--server-from", "/(?<server>paths)/"];
    let found = windows.query(&[&["--logs", &name], &pattern[..]].concat(), sql);
    assert_eq!(found, [r#"{"server":"paths"}"#]);
}

#[test]
fn a_share_names_its_server_and_holds_no_lake() {
    let Some(windows) = windows("a_share_names_its_server_and_holds_no_lake") else {
        return;
    };
    let (folder, _) = windows.empty("share");
    put(&folder.join("SmtpSend"));
    // Where Wine has the shares of other machines.
    let host = windows.prefix.join("dosdevices/unc/ex77");
    std::fs::create_dir_all(&host).expect("a folder");
    let share = host.join("logs");
    if !share.exists() {
        std::os::unix::fs::symlink(&folder, &share).expect("a link");
    }
    let sql = "select distinct server from events";
    for source in [
        r"\\EX77\logs",
        r"\\EX77\logs\*\SEND*.LOG",
        r"\\?\UNC\EX77\logs\SmtpSend",
    ] {
        let found = windows.query(&["--logs", source], sql);
        assert_eq!(found, [r#"{"server":"EX77"}"#], "{source}");
    }
    let lake = r"\\EX77\logs\lake";
    let output = windows.run_for(2, &["ingest", r"tests\fleet\EX01", "--lake", lake]);
    let said = text(&output.stderr);
    assert!(
        said.contains("needs a drive letter") && said.contains(lake),
        "{said}"
    );
    assert!(!folder.join("lake").exists());
}

#[test]
fn paths_may_be_longer_than_windows_names_them() {
    let Some(windows) = windows("paths_may_be_longer_than_windows_names_them") else {
        return;
    };
    let (folder, name) = windows.empty("long");
    let deep: Vec<String> = (0..12)
        .map(|n| format!("a-folder-with-a-name-of-some-length-{n}"))
        .collect();
    let logs = put(&folder.join(deep.join("/")).join("EX01/SmtpSend"));
    let deep = format!(r"{name}\{}", deep.join(r"\"));
    assert!(deep.len() > 400);
    // Wine cannot resolve a path of this length, which Delta's library asks for.
    let lake = format!(r"{name}\lake");
    windows.run_for(0, &["ingest", &deep, "--lake", &lake, "--quiet"]);
    windows.run_for(0, &["verify", "--lake", &lake]);
    let sql = "select count(*) as n, max(server) as server from events";
    let here = query_sorted(&["--logs", path(&logs)], sql);
    assert!(here[0].contains("EX01"), "{here:?}");
    assert_eq!(windows.query(&["--lake", &lake], sql), here);
    assert_eq!(
        windows.query(&["--logs", &format!(r"{deep}\EX0?\*\*.LOG")], sql),
        here
    );
    let report = format!(r"{deep}\report.html");
    windows.run_for(0, &["report", "--lake", &lake, "-o", &report]);
}

#[test]
fn a_log_that_is_written_is_read_and_one_that_is_locked_is_named() {
    let Some(windows) = windows("a_log_that_is_written_is_read_and_one_that_is_locked_is_named")
    else {
        return;
    };
    let (folder, name) = windows.server("held");
    let locked = put(&folder.join("EX02/SmtpSend"));
    let log = format!(r"{name}\EX01\SmtpSend\SEND2026100105-1.LOG");
    let mut writer = windows.holder(&log, "shared");
    // Where the rows differ they are sorted by server all the same.
    let sql =
        "select server as a_server, count(*) as rows from events group by server order by server";
    let before = windows.query(&["--logs", &name], sql);
    assert_eq!(before.len(), 2);
    let row = std::fs::read_to_string(&locked).expect("a log");
    let row = row.lines().last().expect("a row");
    writer.write(row);
    let after = windows.query(&["--logs", &name], sql);
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);

    let alone = windows.holder(
        &format!(r"{name}\EX02\SmtpSend\SEND2026100105-1.LOG"),
        "alone",
    );
    let args = ["sql", "--logs", &name, "--format", "ndjson", sql];
    let output = windows.run_for(2, &args);
    let said = text(&output.stderr);
    assert!(
        said.contains(r"cannot read C:\held\EX02\SmtpSend\SEND2026100105-1.LOG"),
        "{said}"
    );
    assert!(said.contains("another program has locked it"), "{said}");
    let rows: Vec<&str> = text(&output.stdout).lines().collect();
    assert_eq!(rows, after[..1]);
    alone.end();
    writer.end();
    assert_eq!(windows.query(&["--logs", &name], sql), after);
}

#[test]
fn follow_reads_on_in_a_held_log_and_ends_at_ctrl_break() {
    let Some(windows) = windows("follow_reads_on_in_a_held_log_and_ends_at_ctrl_break") else {
        return;
    };
    let (folder, name) = windows.server("followed");
    let lake = format!(r"{name}-lake");
    let (lake_here, _) = windows.empty("followed-lake");
    let sign = folder.join("sign");
    let mut writer = windows.holder(
        &format!(r"{name}\EX01\SmtpSend\SEND2026100105-1.LOG"),
        "shared",
    );
    let exe = windows.programs.join("relaydrift.exe");
    let exe = format!("Z:{}", path(&exe).replace('/', r"\"));
    let logs = format!(r"{name}\EX01");
    let args = [
        "break",
        &format!(r"{name}\sign"),
        &exe,
        "follow",
        &logs,
        "--lake",
        &lake,
        "--interval",
        "200ms",
    ];
    let mut follow = windows
        .wine(windows.programs.join("helper.exe"), &args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("Wine starts");
    let rows = || match lake_here.join("_relaydrift/batches").exists() {
        true => query(
            &["--lake", path(&lake_here)],
            "select count(*) as n from events",
        )[0]["n"]
            .as_u64(),
        false => None,
    };
    let wait = |wanted: &dyn Fn(u64) -> bool| {
        let begun = Instant::now();
        loop {
            match rows() {
                Some(rows) if wanted(rows) => return rows,
                found => assert!(begun.elapsed() < Duration::from_secs(120), "{found:?} rows"),
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let first = wait(&|rows| rows > 0);
    let row = "2026-10-01T05:59:59.000Z,To cloud,08DF1F4EEFBDC000,0,,192.0.2.1:25,*,,attempting to connect";
    writer.write(row);
    wait(&|rows| rows == first + 1);
    std::fs::write(&sign, "").expect("a sign");
    assert_eq!(follow.wait().expect("it ends").code(), Some(0));
    writer.end();
    run_for(0, &["verify", "--lake", path(&lake_here)]);
}

#[test]
fn an_export_goes_on_in_its_file_on_windows() {
    let Some(windows) = windows("an_export_goes_on_in_its_file_on_windows") else {
        return;
    };
    let (folder, name) = windows.empty("exported");
    let lake = format!(r"{name}\lake");
    let export = |server: &str, format: &str, file: &str| {
        let logs = format!(r"tests\fleet\{server}");
        windows.run_for(0, &["ingest", &logs, "--lake", &lake, "--quiet"]);
        let to = format!(r"{name}\{file}");
        let args = [
            "export", "--lake", &lake, "--what", "sessions", "--as", format, "--to", &to,
        ];
        windows.run_for(0, &[&args[..], &["--resume", format]].concat());
        std::fs::read_to_string(folder.join(file)).expect("the file")
    };
    let first = export("EX01", "ndjson", "sessions.ndjson");
    // What a run that was killed leaves behind.
    let file = folder.join("sessions.ndjson");
    std::fs::write(&file, format!("{first}{{\"torn")).expect("written");
    let second = export("EX02", "ndjson", "sessions.ndjson");
    let more = second.strip_prefix(&first).expect("it goes on");
    assert!(!more.is_empty());
    assert!(
        second
            .lines()
            .all(|line| serde_json::from_str::<Value>(line).is_ok())
    );
    let csv = export("EX03", "csv", "sessions.csv");
    assert!(csv.lines().count() > 10 && csv.matches('\n').count() == csv.matches("\r\n").count());
}

/// `Export-Csv -Encoding UTF8` of Windows PowerShell: a mark, a type, CRLF.
const EXPORT: &str = "\u{feff}#TYPE Selected.System.Management.Automation.PSObject\r\n\
    \"Name\",\"Enabled\",\"ConnectorType\",\"SenderIPAddresses\",\"SenderDomains\",\"TlsSenderCertificateName\"\r\n\
    \"From Zürich\",\"True\",\"OnPremises\",\"192.0.2.0/24\",\"smtp:*;1\",\"*.contoso.com\"\r\n";
const PLANNED: &str = "\u{feff}\"connector\",\"address\",\"from\",\"until\",\"id\"\r\n\
    \"Outbound to Office 365\",\"203.0.113.77\",\"2026-10-01\",\"2026-10-05\",\"CHG-1\"\r\n";

#[test]
fn files_as_windows_writes_them_are_read() {
    let Some(windows) = windows("files_as_windows_writes_them_are_read") else {
        return;
    };
    let (folder, name) = windows.empty("exports");
    let exports = folder.join("exports");
    std::fs::create_dir_all(&exports).expect("a folder");
    std::fs::write(exports.join("inbound_connectors.csv"), EXPORT).expect("an export");
    std::fs::write(exports.join("planned.csv"), PLANNED).expect("a table");
    let question =
        "\u{feff}select name, tls_sender_certificate_name\r\nfrom inbound_connectors\r\n";
    std::fs::write(folder.join("question.sql"), question).expect("a question");
    let ask = |mut command: Command| {
        let question = std::fs::File::open(folder.join("question.sql")).expect("the question");
        let output = command.stdin(question).output().expect("it starts");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let args = ["sql", "--logs", LOG, "--format", "ndjson", "--expect"];
    let mut ours = program();
    ours.args(args).arg(&exports);
    let there = format!(r"{name}\exports");
    let answer = ask(windows.command(&[&args[..], &[there.as_str()]].concat()));
    assert_eq!(answer, ask(ours));
    assert!(answer.contains("From Zürich"), "{answer}");
    let output = windows.run_for(0, &["expect", &there, "--format", "json"]);
    let here = run_for(0, &["expect", path(&exports), "--format", "json"]);
    let said = text(&here.stdout)
        .replace(path(&exports), r"C:\\exports\\exports")
        .replace("exports/", r"exports\\");
    assert_eq!(text(&output.stdout), said);
}
