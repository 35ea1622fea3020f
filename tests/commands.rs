//! Formats, exit codes, messages and escaping.

use crate::util::{Fleet, empty, program, query, query_sorted, run, run_for, text};

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
fn a_script_goes_into_a_file_and_a_page_into_none_that_is_named_like_another_kind() {
    let folder = empty("named");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    run_for(0, &["collect", "--output", &file("collect.ps1")]);
    let script = std::fs::read(file("collect.ps1")).expect("a script");
    assert!(script == run_for(0, &["collect"]).stdout);
    for [option, name] in [
        ["--output", "r.pdf"],
        ["--output", "r.json"],
        ["--png", "r.txt"],
    ] {
        let said = run_for(2, &["report", "--logs", "tests/fleet", option, &file(name)]);
        assert!(text(&said.stderr).contains("name it ."), "{name}");
        assert!(!folder.join(name).exists());
    }
}

#[test]
fn what_cannot_be_meant_is_said_so() {
    let folder = empty("meant");
    let file = folder.join("lake");
    std::fs::write(&file, "").expect("written");
    let file = file.to_str().expect("UTF-8");
    let page = folder.join("r.html");
    let page = page.to_str().expect("UTF-8");
    for (args, words) in [
        (&["drift", "--lake", file][..], "not a directory"),
        (
            &["ingest", "tests/fleet", "--lake", file],
            "not a directory",
        ),
        (
            &["check", "tests/fleet", "--server", ""],
            "a value is required",
        ),
        (
            &[
                "report",
                "--logs",
                "tests/fleet",
                "--since",
                "2030-01-01",
                "--output",
                page,
            ],
            "after the last row of the logs, 2026-10-03",
        ),
    ] {
        let said = run_for(2, args);
        assert!(
            text(&said.stderr).contains(words),
            "{args:?}: {}",
            text(&said.stderr)
        );
    }
}

#[test]
fn a_block_to_copy_holds_commands_and_nothing_said_to_people() {
    let args = [
        "diagnose",
        "--logs",
        "tests/fleet",
        "--all",
        "--format",
        "markdown",
    ];
    let output = run_for(0, &args);
    let board = text(&output.stdout);
    let mut blocks = board.split("```powershell\n").skip(1);
    let commands = blocks.clone().count();
    assert!(
        commands > 3 && board.contains("\n\nSend one message from"),
        "{board}"
    );
    let code = |line: &str| {
        let word = line.split(' ').next().unwrap_or_default();
        line.starts_with(['#', '$']) || word.contains('-')
    };
    let all = blocks.all(|block| {
        let (block, _) = block.split_once("\n```").expect("an end");
        block.lines().all(code)
    });
    assert!(all, "{board}");
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
fn a_file_is_written_whole_in_the_format_of_its_name() {
    let folder = empty("output");
    let file = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let sql = "select server, sequence from events order by sequence limit 5";
    let logs = ["sql", "--logs", "tests/fleet/EX01"];
    for (name, begins) in [
        ("a.csv", "server,sequence\r\nEX01,0\r\n"),
        ("a.json", "[\n{\"server\":\"EX01\""),
        ("a.jsonl", "{\"server\":\"EX01\""),
        (
            "a.md",
            "| server | sequence |\n| --- | ---: |\n| EX01 | 0 |\n",
        ),
        ("a.txt", "server  sequence\n"),
        ("a.parquet", "PAR1"),
    ] {
        let path = file(name);
        let output = run_for(0, &[&logs[..], &["-o", &path, sql]].concat());
        assert!(output.stdout.is_empty(), "{name}");
        let written = std::fs::read(&path).expect("the file");
        let written = String::from_utf8_lossy(&written).into_owned();
        assert!(written.starts_with(begins), "{name}: {written:?}");
    }
    // --format beats the name; an error leaves what was there, and nothing else.
    let path = file("a.csv");
    run_for(
        0,
        &[&logs[..], &["-o", &path, "--format", "json", sql]].concat(),
    );
    let written = std::fs::read(&path).expect("the file");
    assert!(written.starts_with(b"["));
    let fails = "select data, arrow_cast(data, 'Int64') from events";
    run_for(2, &[&logs[..], &["-o", &path, fails]].concat());
    assert_eq!(std::fs::read(&path).expect("the file"), written);
    assert_eq!(std::fs::read_dir(&folder).expect("the folder").count(), 6);
}

#[cfg(unix)]
#[test]
fn a_command_that_is_interrupted_leaves_no_half_of_a_file() {
    let folder = empty("output-interrupted");
    let file = folder.join("a.csv");
    let mut child = program()
        .args(["sql", "--logs", "tests/fleet/EX03", "-o"])
        .arg(&file)
        .arg("select a.data from events a cross join events b cross join events c")
        .spawn()
        .expect("the program starts");
    let entries = || std::fs::read_dir(&folder).expect("the folder").count();
    let begun = std::time::Instant::now();
    while entries() == 0 {
        assert!(begun.elapsed().as_secs() < 120, "nothing was written");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(killed.expect("kill runs").success());
    let status = child.wait().expect("it ends");
    assert_eq!(status.code(), Some(130));
    assert_eq!(entries(), 0);
}

#[test]
fn a_file_that_nothing_goes_into_is_an_error() {
    let folder = empty("output-unused");
    let fleet = folder.join("fleet");
    let file = folder.join("fleet.csv");
    let (fleet, file) = (
        fleet.to_str().expect("UTF-8"),
        file.to_str().expect("UTF-8"),
    );
    let output = run_for(
        2,
        &[
            "generate",
            fleet,
            "--days",
            "1",
            "--servers",
            "1",
            "-o",
            file,
        ],
    );
    assert!(text(&output.stderr).contains("fleet.csv was not written"));
}

#[test]
fn check_fits_every_format() {
    for format in ["table", "json", "ndjson", "csv", "parquet", "markdown"] {
        let output = run_for(1, &["check", "tests/fleet/EX03", "--format", format]);
        assert!(output.stdout.len() > 1000, "{format}");
        if format == "markdown" {
            assert!(text(&output.stdout).starts_with("```text\nREPAIRED: "));
        }
    }
}

#[test]
fn an_unknown_setting_is_refused_before_anything_is_read() {
    let output = run_for(2, &["check", "no-such-folder", "--set", "no_such_thing=1"]);
    let message = text(&output.stderr);
    assert!(
        message.contains("no setting called no_such_thing"),
        "{message}"
    );
    run_for(2, &["check", "no-such-folder", "--set", "novalue"]);
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

#[test]
fn a_full_disk_behind_stderr_changes_nothing() {
    let fleet = Fleet::new("--servers 1 --days 1 --seed 7 --sessions-per-hour 2");
    let logs = fleet.logs.to_str().expect("a path in UTF-8");
    let lake = empty("full-stderr").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    for (code, args) in [
        (0, vec!["ingest", logs, "--lake", lake]),
        (1, vec!["drift", "--lake", lake]),
        (2, vec!["check", "/nothing/there"]),
        (2, vec!["sql", "--lake", lake, "select x from nothing"]),
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let mut command = program();
        command.args(&args).stderr(full.expect("a full disk"));
        let output = command.output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{args:?}");
    }
}

#[test]
fn a_hundred_thousand_sessions_open_at_once_leave_memory_where_they_can() {
    let folder = empty("open-at-once").join("EX1");
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut log = String::with_capacity(80 << 20);
    let hello = "<,220 mx.example ESMTP ready,";
    for (sequence, rest) in [
        "+,,",
        hello,
        ">,EHLO ex1.example,",
        "<,250 mx.example,",
        ">,RSET,",
    ]
    .iter()
    .enumerate()
    {
        for session in 0..100_000_u64 {
            let connector = "Outbound to Office 365 - 0af1cb8b-f3c6-bd89-4a54-cecfffda4049";
            let id = 0x08DF_1F4E_EFBD_C000 + session;
            let ends = "192.0.2.1:4025,198.51.100.25:25";
            let row =
                format!("2026-10-05T10:00:00.000Z,{connector},{id:X},{sequence},{ends},{rest}\r\n");
            log.push_str(&row);
        }
    }
    std::fs::write(folder.join("SEND2026100510-1.LOG"), log).expect("a log");
    let logs = folder.to_str().expect("a path in UTF-8");
    let question =
        "select count(*), sum(rows), count(distinct session_id) from sessions where open";
    for (folder, told) in [
        (std::env::temp_dir(), false),
        ("/nothing/there".into(), true),
    ] {
        let run_with = |args: &[&str]| {
            let mut command = program();
            command.args(args).env("TMPDIR", &folder);
            let output = command.output().expect("it runs");
            assert_eq!(output.status.code(), Some(0), "{args:?}");
            text(&output.stdout).to_owned()
        };
        let answer = run_with(&["sql", "--logs", logs, "--format", "csv", question]);
        assert_eq!(answer.lines().nth(1), Some("100000,500000,100000"));
        let page = run_with(&["check", logs]);
        let notice = page.contains("/nothing/there: No such file") && page.contains("(TMPDIR");
        assert_eq!(notice, told, "{page}");
    }
}

#[test]
fn nothing_is_written_among_the_logs() {
    let logs = empty("among-logs");
    let folder = logs.join("EX1/SmtpSend");
    std::fs::create_dir_all(&folder).expect("a folder");
    let log = folder.join("SEND2026100510-1.LOG");
    std::fs::write(&log, HOSTILE).expect("a log");
    let beside = logs.join("new/r.csv");
    let (logs, log, beside) = (path(&logs), path(&log), path(&beside));
    for command in [
        vec!["check", logs, "-o", log, "--format", "csv"],
        vec![
            "sql", "--logs", log, "-o", log, "--format", "csv", "select 1",
        ],
        vec!["drift", "--logs", logs, "-o", beside],
        vec!["report", "--logs", logs, "-o", "r.html", "--png", beside],
        vec!["ingest", logs, "--lake", beside],
    ] {
        let output = run_for(2, &command);
        let message = text(&output.stderr);
        assert!(
            message.contains("lies among the logs"),
            "{command:?}: {message}"
        );
    }
    assert_eq!(std::fs::read_to_string(log).expect("the log"), HOSTILE);
    assert!(!std::path::Path::new(beside).exists());
}

#[test]
fn a_file_named_like_no_format_is_refused() {
    let file = empty("no-format").join("r.xlsx");
    let file = path(&file);
    let output = run_for(2, &["check", "tests/fleet/EX03", "-o", file]);
    assert!(
        text(&output.stderr).contains("--format"),
        "{}",
        text(&output.stderr)
    );
    assert!(!std::path::Path::new(file).exists());
    run_for(
        1,
        &["check", "tests/fleet/EX03", "-o", file, "--format", "csv"],
    );
    assert!(std::path::Path::new(file).exists());
}

#[cfg(unix)]
#[test]
fn a_link_among_the_logs_is_named() {
    let folder = empty("linked");
    let logs = folder.join("logs/EX1");
    std::fs::create_dir_all(&logs).expect("a folder");
    std::fs::write(logs.join("SEND2026100510-1.LOG"), HOSTILE).expect("a log");
    std::os::unix::fs::symlink(&logs, folder.join("logs/EX2")).expect("a link");
    let output = run(&["check", path(&folder.join("logs"))]);
    let page = text(&output.stdout);
    assert!(
        page.contains("EX2: a symbolic link, not followed"),
        "{page}"
    );
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

#[test]
fn b43_a_session_of_another_age_is_kept_and_judges_nothing() {
    let folder = empty("another-age");
    let (name, id) = ("SEND2026100105-1.LOG", "08DF1568755BCDAF");
    let from = std::path::Path::new("tests/fleet/EX01/Hub/ProtocolLog/SmtpSend").join(name);
    let log = std::fs::read_to_string(from).expect("a log of the fleet");
    let logs = folder.join("logs");
    let source = logs.to_str().expect("a path in UTF-8");
    let at = logs.join("EX01/SmtpSend");
    std::fs::create_dir_all(&at).expect("a folder");
    std::fs::write(at.join(name), &log).expect("written");
    let drift = "select kind, server, value, first_seen, last_seen, sessions from spans";
    let before = query_sorted(&["--logs", source], drift);

    let session = log.lines().filter(|line| line.contains(id));
    let session: Vec<String> = session
        .map(|line| line.replace(id, "08DF1568FFFFFFFF"))
        .collect();
    let mut aged = log.clone();
    for year in ["0001", "1601", "9999"] {
        let id = format!("08DF1568FFFF{year}");
        for line in &session {
            aged += &format!("{year}{}\r\n", line[4..].replace("08DF1568FFFFFFFF", &id));
        }
    }
    std::fs::write(at.join(name), aged).expect("written");
    let kept = "select count(*) as n from events where event_time > '2200-01-01' or event_time < '1970-01-01'";
    let kept = query(&["--logs", source], kept);
    assert_eq!(kept[0]["n"], 3 * session.len());
    assert_eq!(query_sorted(&["--logs", source], drift), before);
    let check = run_for(0, &["check", source]);
    let said = [text(&check.stdout), text(&check.stderr)].concat();
    assert!(
        said.contains("are kept as they are, and not judged"),
        "{said}"
    );
    let lake = folder.join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", source, "--lake", lake, "--quiet"]);
    assert_eq!(query_sorted(&["--lake", lake], drift), before);
    for command in ["diagnose", "drift", "report"] {
        let output = folder.join("out.html");
        let output = output.to_str().expect("a path in UTF-8");
        let more: &[&str] = if command == "report" {
            &["-o", output]
        } else {
            &[]
        };
        run_for(0, &[&[command, "--lake", lake], more].concat());
    }
}
