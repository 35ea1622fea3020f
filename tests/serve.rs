//! `relaydrift serve`, asked by the ADBC driver of Flight SQL, which others wrote.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::receivers::certificates;
use crate::util::{Fleet, empty, program, query, run_for, skip, text};

const TOKEN: &str = "5f0c1e7a9b3d4c2f8e6a7b1c0d9e3f42";

/// A Python with the driver, if there is one.
fn python() -> Option<&'static str> {
    let venv = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    [venv, "python3"].into_iter().find(|python| {
        let modules =
            "import adbc_driver_flightsql, adbc_driver_manager, duckdb, polars, pyarrow, pyspark";
        let import = Command::new(python).args(["-c", modules]).output();
        import.is_ok_and(|output| output.status.success())
    })
}

/// A Python with the driver; says that the test is skipped where there is none.
macro_rules! python {
    ($test:literal) => {
        match python() {
            Some(python) => python,
            None => {
                return skip(
                    $test,
                    "no Python with adbc_driver_flightsql, duckdb, polars, pyarrow and pyspark",
                )
            }
        }
    };
}

/// A running server and what it said.
struct Server {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
    uri: String,
}

impl Server {
    fn start(folder: &Path, lake: &str, options: &[&str]) -> Server {
        let file = token_file(folder, TOKEN);
        let mut child = program()
            .args([
                "serve",
                "--lake",
                lake,
                "--listen",
                "127.0.0.1:0",
                "--token-file",
            ])
            .arg(file)
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines();
        let first = lines.next().expect("a line").expect("text");
        let (_, uri) = first.split_once(" answered at ").expect("an address");
        let said = Arc::new(Mutex::new(Vec::new()));
        let kept = said.clone();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().expect("said").push(line);
            }
        });
        Server {
            child,
            said,
            uri: uri.to_owned(),
        }
    }

    /// What the driver got.
    #[track_caller]
    fn client(&self, python: &str, what: &str, options: &Value, rest: &Value) -> Value {
        let output = client(&self.uri, python, what, options, rest);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    #[track_caller]
    fn ask(&self, python: &str, queries: &[&str]) -> Vec<Value> {
        let answers = self.client(python, "ask", &bearer(), &json!(queries));
        answers.as_array().expect("a list").clone()
    }

    /// Waits until it has said something.
    #[track_caller]
    fn wait_for(&self, what: &str) {
        let begun = Instant::now();
        while !self
            .said
            .lock()
            .expect("said")
            .iter()
            .any(|line| line.contains(what))
        {
            let patient = begun.elapsed() < Duration::from_secs(60);
            assert!(
                patient,
                "never said {what}: {:?}",
                self.said.lock().expect("said")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends it as a service manager does; it must end well.
    fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().expect("its end");
        assert_eq!(
            status.code(),
            Some(0),
            "{:?}",
            self.said.lock().expect("said")
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves none behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the driver said of a server.
fn client(uri: &str, python: &str, what: &str, options: &Value, rest: &Value) -> Output {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/serve.py");
    // A certificate is for a name.
    let uri = uri.replace("127.0.0.1", "localhost");
    let mut child = Command::new(python)
        .args([script, &uri, &options.to_string(), what])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut stdin = child.stdin.take().expect("stdin");
    stdin
        .write_all(rest.to_string().as_bytes())
        .expect("written");
    drop(stdin);
    child.wait_with_output().expect("its end")
}

fn bearer() -> Value {
    json!({"adbc.flight.sql.authorization_header": format!("Bearer {TOKEN}")})
}

fn token_file(folder: &Path, token: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("token");
    std::fs::write(&file, format!("{token}\n")).expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    file
}

/// A folder of this test, and a lake in it of the shipped fleet.
fn lake(test: &str) -> (PathBuf, String) {
    let folder = empty(&format!("serve-{test}"));
    let lake = folder.join("lake").to_str().expect("UTF-8").to_owned();
    run_for(0, &["ingest", "tests/fleet", "--lake", &lake, "--quiet"]);
    (folder, lake)
}

/// The text of an answer that is an error.
#[track_caller]
fn error(answer: &Value) -> &str {
    answer
        .as_str()
        .unwrap_or_else(|| panic!("no error: {answer}"))
}

#[test]
fn every_table_and_view_is_that_of_the_program() {
    let python = python!("serve: every table and view");
    let folder = empty("serve-same");
    let lake = folder.join("lake").to_str().expect("UTF-8").to_owned();
    let fleet = Fleet::new("--servers 3 --days 2 --seed 21 --sessions-per-hour 8");
    run_for(0, &["ingest", fleet.path(), "--lake", &lake, "--quiet"]);
    let server = Server::start(&folder, &lake, &["--quiet=false"]);
    let same = server.client(
        python,
        "same",
        &bearer(),
        &json!([env!("CARGO_BIN_EXE_relaydrift"), lake]),
    );
    assert_eq!(same["differ"], json!([]), "{same}");
    let (tables, rows) = (same["tables"].as_i64(), same["rows"].as_i64());
    assert!(tables > Some(60) && rows > Some(10_000), "{same}");
    let engines = same["engines"].as_object().expect("engines");
    if !engines.contains_key("Spark") {
        skip("serve: Spark reads what the program wrote", "no Java");
    }
    for (engine, differ) in engines {
        assert_eq!(differ, &json!([]), "{engine}");
    }
    println!("Flight SQL, {engines:?}: {tables:?} tables and views, {rows:?} rows");
    server.stop();
}

#[test]
fn tools_find_what_there_is() {
    let python = python!("serve: what there is");
    let (folder, lake) = lake("lists");
    let server = Server::start(&folder, &lake, &[]);
    let lists = server.client(python, "lists", &bearer(), &json!([]));
    assert_eq!(lists["server"], "relaydrift");
    assert_eq!(lists["kinds"], json!(["TABLE", "VIEW"]));
    assert_eq!(lists["catalogs"], json!(["datafusion"]));
    let found = query(
        &["--lake", &lake],
        "select table_name as name, count(*) as n from information_schema.columns where table_schema = 'public' group by 1",
    );
    let tables = lists["tables"].as_object().expect("tables");
    assert_eq!(tables.len(), found.len());
    for table in found {
        let name = table["name"].as_str().expect("a name");
        assert_eq!(tables[name][1], table["n"], "{name}");
    }
    assert_eq!(lists["tables"]["events"][0], "TABLE");
    assert_eq!(lists["tables"]["drift"][0], "VIEW");
    server.stop();
}

#[test]
fn values_stand_for_placeholders() {
    let python = python!("serve: placeholders");
    let (folder, lake) = lake("values");
    let server = Server::start(&folder, &lake, &[]);
    let ask = |query: &str, values: Value| {
        server.client(python, "bind", &bearer(), &json!([query, values]))
    };
    let hostile = "EX01' or '1'='1";
    let count = "select count(distinct server) from sessions where server = ? or server = ?";
    assert_eq!(ask(count, json!(["EX01", "EX02"])), json!([["2"]]));
    assert_eq!(ask(count, json!(["EX01", hostile])), json!([["1"]]));
    assert_eq!(
        ask("select $2, $1, '?'", json!(["a", "b"])),
        json!([["b", "a", "?"]])
    );
    let few = ask(count, json!(["EX01"]));
    assert!(error(&few).contains("2 placeholders, 1 values"), "{few}");
    server.stop();
}

#[test]
fn nobody_gets_in_without_the_token() {
    let python = python!("serve: token");
    let (folder, lake) = lake("token");
    let server = Server::start(&folder, &lake, &[]);
    let wrong = |last: &str| format!("Bearer {}{last}", &TOKEN[..TOKEN.len() - 1]);
    for options in [
        json!({}),
        json!({"adbc.flight.sql.authorization_header": wrong("3")}),
        json!({"adbc.flight.sql.authorization_header": wrong("")}),
        json!({"adbc.flight.sql.authorization_header": TOKEN}),
        json!({"username": TOKEN, "password": ""}),
        json!({"username": "admin", "password": "admin"}),
    ] {
        // Neither a question nor the lists nor what the server is.
        for (what, rest) in [
            ("ask", json!(["select 1", "select * from drift"])),
            ("lists", json!([])),
        ] {
            let output = client(&server.uri, python, what, &options, &rest);
            let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
            let refused = said
                .matches("the token of this server is asked for")
                .count();
            assert!(refused >= 1, "{options} {what}: {said}");
            assert!(
                !said.contains("found_at") && !said.contains("relaydrift\""),
                "{said}"
            );
            if output.status.success() {
                let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
                assert!(
                    answers
                        .iter()
                        .all(|answer| error(answer).contains("UNAUTHENTICATED"))
                );
            }
        }
    }
    server.wait_for("refused: the token was not shown");
    let said = server.said.lock().expect("said").join("\n");
    assert!(!said.contains(TOKEN) && !said.contains("admin"), "{said}");
    // A tool that knows users and passwords only.
    let password = json!({"username": "anyone", "password": TOKEN});
    let answers = server.client(python, "ask", &password, &json!(["select 1"]));
    assert_eq!(answers, json!([[["1"]]]));
    server.stop();
}

#[test]
fn questions_only_read_the_lake() {
    let python = python!("serve: only reads");
    let (folder, lake) = lake("reads");
    let server = Server::start(&folder, &lake, &["--timeout", "5s", "--memory-mb", "64"]);
    let deep = format!("select {}1{}", "(".repeat(3000), ")".repeat(3000));
    let long = format!("select '{}'", "a".repeat(300_000));
    let file = folder.join("copied.csv");
    let copy = format!("copy events to '{}'", file.display());
    let logs = concat!(
        "select * from send_log('",
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fleet')"
    );
    let cases = [
        ("create table x as select 1", "only read here"),
        (
            "create external table x stored as csv location '/etc/passwd'",
            "only read here",
        ),
        ("drop table events", "only read here"),
        ("insert into events select * from events", "only read here"),
        ("set datafusion.execution.batch_size = 1", "only read here"),
        (&copy, "only read here"),
        (logs, "no table or view called send_log"),
        (
            "select * from '/etc/passwd'",
            "no table or view called /etc/passwd",
        ),
        ("selec 1", "cannot be read"),
        (&deep, "at most 256 are read"),
        (&long, "at most 262144 are read"),
        ("select nothing from events", "nothing"),
        (
            "select count(*) from generate_series(1, 100000000000) a, generate_series(1, 9) b",
            "not answered in 5 s",
        ),
        (
            "select array_agg(value) from generate_series(1, 100000000)",
            "Resources exhausted",
        ),
        (
            "select string_agg(repeat('x', 1000000), ',') from generate_series(1, 10000)",
            "the engine gave up",
        ),
    ];
    let mut queries: Vec<&str> = cases.iter().map(|(query, _)| *query).collect();
    queries.push("select '\u{1b}[31m', count(*) from events");
    let answers = server.ask(python, &queries);
    for ((query, expected), answer) in cases.iter().zip(&answers) {
        let query: String = query.chars().take(80).collect();
        assert!(error(answer).contains(expected), "{query}: {answer}");
    }
    assert!(!file.exists());
    let count = query(&["--lake", &lake], "select count(*) as n from events");
    assert_eq!(answers[cases.len()][0][1], count[0]["n"].to_string());
    server.wait_for("count(*) from events");
    let said = server.said.lock().expect("said").join("\n");
    assert!(!said.contains('\u{1b}'), "{said:?}");
    assert!(said.contains("only read here"), "{said}");
    server.stop();
}

#[test]
fn no_more_connections_and_questions_than_allowed() {
    let python = python!("serve: limits");
    let (folder, lake) = lake("limits");
    let server = Server::start(
        &folder,
        &lake,
        &["--connections", "2", "--questions", "1", "--timeout", "3s"],
    );
    let told = server.client(python, "hold", &bearer(), &json!([4]));
    let fared: Vec<bool> = told
        .as_array()
        .expect("a list")
        .iter()
        .map(Value::is_array)
        .collect();
    assert_eq!(fared, [true, true, false, false], "{told}");
    // The places are free again; two at once take turns, and one that waits too long is told so.
    let slow = "select count(*) from generate_series(1, 100000000000) a, generate_series(1, 9) b";
    std::thread::scope(|scope| {
        let asked = [slow, slow].map(|query| scope.spawn(|| server.ask(python, &[query])));
        for answer in asked {
            let answer = answer.join().expect("an answer");
            assert!(
                error(&answer[0]).contains("not answered in 3 s"),
                "{answer:?}"
            );
        }
    });
    assert_eq!(server.ask(python, &["select 1"]), [json!([["1"]])]);
    server.stop();
}

#[test]
fn a_question_that_never_pauses_holds_up_nobody() {
    let python = python!("serve: a question that never pauses");
    let (folder, lake) = lake("busy");
    let server = Server::start(&folder, &lake, &["--timeout", "5s"]);
    let busy =
        "select count(*) from events a, events b, events c where a.line + b.line + c.line = 7";
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| server.ask(python, &[busy]));
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(server.ask(python, &["select 1"]), [json!([["1"]])]);
        let answer = asked.join().expect("an answer");
        assert!(
            error(&answer[0]).contains("not answered in 5 s"),
            "{answer:?}"
        );
    });
    let long = format!("select {}1", "1+".repeat(60_000));
    let answers = server.ask(python, &[&long, "select 1"]);
    assert!(
        error(&answers[0]).contains("at most 4000 are read"),
        "{answers:?}"
    );
    assert_eq!(answers[1], json!([["1"]]));
    // Though it is still worked on.
    server.stop();
}

#[test]
fn rows_that_come_later_are_seen() {
    let python = python!("serve: later rows");
    let folder = empty("serve-later");
    let lake = folder.join("lake").to_str().expect("UTF-8").to_owned();
    run_for(
        0,
        &["ingest", "tests/fleet/EX01", "--lake", &lake, "--quiet"],
    );
    let server = Server::start(&folder, &lake, &[]);
    let servers =
        || server.ask(python, &["select count(distinct server) from events"])[0][0][0].clone();
    assert_eq!(servers(), "1");
    run_for(
        0,
        &["ingest", "tests/fleet/EX02", "--lake", &lake, "--quiet"],
    );
    let begun = Instant::now();
    while servers() != "2" {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the new rows are never seen"
        );
    }
    server.stop();
}

#[test]
fn a_stop_does_not_wait_for_a_long_answer() {
    let python = python!("serve: stop");
    let (folder, lake) = lake("stop");
    let mut server = Server::start(&folder, &lake, &[]);
    let slow = "select count(*) from generate_series(1, 100000000000) a, generate_series(1, 9) b";
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let output = client(&server.uri, python, "ask", &bearer(), &json!([slow]));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        });
        std::thread::sleep(Duration::from_secs(2));
        let id = server.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill runs").success());
        let answer = asked.join().expect("an answer");
        assert!(error(&answer[0]).len() > 1, "{answer}");
    });
    assert_eq!(server.child.wait().expect("its end").code(), Some(0));
}

#[test]
fn with_a_certificate_nothing_goes_in_plain_text() {
    let python = python!("serve: TLS");
    let (folder, lake) = lake("tls");
    certificates(&folder);
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let server = Server::start(
        &folder,
        &lake,
        &[
            "--tls-cert",
            &path("cert.pem"),
            "--tls-key",
            &path("key.pem"),
        ],
    );
    assert!(server.uri.starts_with("grpc+tls://"));
    let mut options = bearer();
    options["adbc.flight.sql.client_option.tls_root_certs"] =
        std::fs::read_to_string(folder.join("ca.pem"))
            .expect("a certificate")
            .into();
    assert_eq!(
        server.client(python, "ask", &options, &json!(["select 1"])),
        json!([[["1"]]])
    );
    // An authority that the client does not know, and a client that speaks no TLS.
    let stranger = server.client(python, "ask", &bearer(), &json!(["select 1"]));
    assert!(error(&stranger[0]).contains("certificate"), "{stranger}");
    let plain = server.uri.replace("+tls", "");
    let plain = client(&plain, python, "ask", &bearer(), &json!(["select 1"]));
    let plain: Value = serde_json::from_slice(&plain.stdout).expect("JSON");
    assert!(error(&plain[0]).len() > 1, "{plain}");
    server.stop();
}

#[test]
fn it_does_not_start_open_to_others() {
    let (folder, lake) = lake("open");
    let good = token_file(&folder, TOKEN)
        .to_str()
        .expect("UTF-8")
        .to_owned();
    let refused = |options: &[&str]| {
        let output = run_for(2, &[&["serve", "--lake", &lake], options].concat());
        text(&output.stderr).to_owned()
    };
    let missing = refused(&["--token-file", "/nowhere/token"]);
    assert!(missing.contains("openssl rand -hex 32"), "{missing}");
    let open = refused(&["--token-file", &good, "--listen", "0.0.0.0:0"]);
    assert!(
        open.contains("--tls-cert") && open.contains("--plaintext"),
        "{open}"
    );
    let timeout = refused(&["--token-file", &good, "--timeout", "0s"]);
    assert!(timeout.contains("--timeout"), "{timeout}");
    let name = refused(&["--token-file", &good, "--listen", "localhost:1"]);
    assert!(
        name.contains("an IP address and a port are meant"),
        "{name}"
    );
    let key = refused(&[
        "--token-file",
        &good,
        "--tls-cert",
        &good,
        "--tls-key",
        &good,
    ]);
    assert!(key.contains("cannot be used for TLS"), "{key}");
    let lake = run_for(2, &["serve", "--lake", "/nowhere", "--token-file", &good]);
    assert!(text(&lake.stderr).contains("no lake at /nowhere"));
    let short = token_file(&folder, "secret");
    let short = refused(&["--token-file", short.to_str().expect("UTF-8")]);
    assert!(short.contains("at least 16"), "{short}");
    assert!(!short.contains("secret"), "{short}");
}
