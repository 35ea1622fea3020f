//! The Python package: a wheel is built, installed into an empty environment, and used as people use it.
#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::util::{Fleet, empty, program, query, run_for, scratch, skip, text};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// An environment with the wheel and nothing else, and one that sees pandas, polars, DataFusion and others too.
struct Environments {
    bare: PathBuf,
    full: PathBuf,
}

/// Builds the wheel and installs it, once for all tests; nothing where there is no maturin.
fn environments() -> Option<&'static Environments> {
    static MADE: OnceLock<Option<Environments>> = OnceLock::new();
    MADE.get_or_init(make).as_ref()
}

fn make() -> Option<Environments> {
    let tools = Path::new(ROOT).join("target/python");
    let maturin = tools.join("bin/maturin");
    if !maturin.exists() {
        return None;
    }
    let folder = empty("python");
    let wheels = folder.join("wheels");
    let mut build = Command::new(&maturin);
    // What cargo tells a test of itself would have build scripts run again, and all that stands on them.
    let told = std::env::vars_os().map(|(name, _)| name);
    for name in told.filter(|name| name.to_string_lossy().starts_with("CARGO_")) {
        if name != "CARGO_HOME" && name != "CARGO_TARGET_DIR" {
            build.env_remove(name);
        }
    }
    done(
        build
            .args([
                "build",
                "--quiet",
                "--profile",
                "dev",
                "--compatibility",
                "linux",
            ])
            .args([
                "--manifest-path",
                "crates/relaydrift-python/Cargo.toml",
                "--out",
            ])
            .arg(&wheels)
            .current_dir(ROOT),
    );
    let wheel = std::fs::read_dir(&wheels).expect("wheels").next();
    let wheel = wheel.expect("a wheel").expect("an entry").path();
    let environment = |name: &str| {
        let venv = folder.join(name);
        done(Command::new("python3").args(["-m", "venv"]).arg(&venv));
        let python = venv.join("bin/python");
        let install = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps"];
        done(Command::new(&python).args(install).arg(&wheel));
        python
    };
    let (bare, full) = (environment("bare"), environment("full"));
    let folder_of = |python: &Path| {
        let told = "import sysconfig; print(sysconfig.get_paths()['purelib'])";
        let output = done(Command::new(python).args(["-c", told]));
        PathBuf::from(text(&output.stdout).trim())
    };
    let others = folder_of(&tools.join("bin/python"));
    let others = others.to_str().expect("a path in UTF-8");
    std::fs::write(folder_of(&full).join("others.pth"), others).expect("a .pth file");
    Some(Environments { bare, full })
}

/// The environments; says that the test is skipped where there are none.
macro_rules! environments {
    ($test:literal) => {
        match environments() {
            Some(environments) => environments,
            None => return skip($test, "no maturin in target/python"),
        }
    };
}

#[track_caller]
fn done(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    let said = || format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{}", said());
    output
}

/// Python as a user of ours has it: no configuration, no packages of the user's own.
fn python(path: &Path) -> Command {
    let mut command = Command::new(path);
    command
        .current_dir(ROOT)
        .env("PYTHONNOUSERSITE", "1")
        .env("XDG_CONFIG_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// What a function of `python.py` prints.
#[track_caller]
fn ask(path: &Path, function: &str, values: &Value) -> Value {
    let output = done(
        python(path)
            .arg("tests/python.py")
            .arg(function)
            .arg(values.to_string()),
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn lake(name: &str, logs: &str) -> String {
    let lake = empty(name).join("lake");
    let lake = lake.to_str().expect("a path in UTF-8").to_owned();
    run_for(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
    lake
}

#[test]
fn a_wheel_in_an_empty_environment_checks_and_ingests() {
    let environments = environments!("python: the wheel");
    let lake = empty("python-ingest").join("lake");
    let found = ask(&environments.bare, "first", &json!(["tests/fleet", lake]));
    let output = run_for(1, &["check", "tests/fleet", "--format", "json"]);
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["check"], told);
    let lake = lake.to_str().expect("a path in UTF-8");
    let rows = query(&["--lake", lake], "select count(*) as rows from events");
    assert_eq!(found["first"]["rows"], rows[0]["rows"]);
    assert!(found["first"]["rows"].as_i64() > Some(1000));
    assert_eq!(found["again"]["rows"], json!(0));
}

#[test]
fn tables_and_views_have_the_rows_of_the_program() {
    let environments = environments!("python: rows");
    let lake = lake("python-rows", "tests/fleet");
    let program = env!("CARGO_BIN_EXE_relaydrift");
    let found = ask(&environments.full, "same", &json!([program, lake]));
    let count = query(
        &["--lake", &lake],
        "select count(*) as n from information_schema.tables where table_schema = 'public'",
    );
    assert_eq!(found["tables"], count[0]["n"]);
    assert_eq!(found["differ"], json!([]), "{found}");
    assert!(found["rows"].as_i64() > Some(5000), "{found}");
}

#[test]
fn datafusion_of_python_asks_tables_views_and_functions() {
    let environments = environments!("python: datafusion");
    let lake = lake("python-datafusion", "tests/fleet");
    let program = env!("CARGO_BIN_EXE_relaydrift");
    let found = ask(&environments.full, "host", &json!([program, lake]));
    assert_eq!(found["differ"], json!([]), "{found}");
    assert_eq!(found["questions"], json!([]), "{found}");
    assert!(found["tables"].as_i64() > Some(60), "{found}");
}

#[test]
fn errors_say_what_the_program_says() {
    let environments = environments!("python: errors");
    let lake = lake("python-errors", "tests/fleet");
    for (what, words) in [
        ("connect", vec!["sql", "--lake", "no-such-lake", "select 1"]),
        ("check", vec!["check", "no-such-folder"]),
        ("sql", vec!["sql", "--lake", &lake, "select * from drfit"]),
        ("write", vec!["sql", "--lake", &lake, "drop table drift"]),
        ("deep", vec!["sql", "--lake", &lake, "deep"]),
    ] {
        let deep = format!("select {}1{}", "(".repeat(10_000), ")".repeat(10_000));
        let words: Vec<&str> = words
            .iter()
            .map(|word| if *word == "deep" { &deep } else { *word })
            .collect();
        let output = run_for(2, &words);
        let told = text(&output.stderr).trim_end();
        let told = told.strip_prefix("relaydrift: error: ").expect("an error");
        let asked = json!([what, lake, words.last()]);
        assert_eq!(
            ask(&environments.bare, "error", &asked),
            json!(["Error", told]),
            "{what}"
        );
    }
    let option = ask(&environments.bare, "error", &json!(["option", lake, ""]));
    let told = option[1].as_str().expect("a text");
    assert!(
        told.contains("--since") && !told.contains("Usage"),
        "{told}"
    );
}

#[test]
fn files_that_cannot_be_read_are_warned_of() {
    let environments = environments!("python: warnings");
    let logs = empty("python-unread");
    let log = "tests/fleet/EX01/Hub/ProtocolLog/SmtpSend";
    for entry in std::fs::read_dir(Path::new(ROOT).join(log)).expect("logs") {
        let entry = entry.expect("an entry");
        std::fs::copy(entry.path(), logs.join(entry.file_name())).expect("a copy");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let row = "2026-10-05T10:00:00.000Z,Out,08DF1F4EEFBD0000,0,10.0.0.1:100,192.0.2.1:25,+,,\r\n";
    std::io::Write::write_all(&mut packed, row.repeat(2000).as_bytes()).expect("packed");
    let packed = packed.finish().expect("packed");
    std::fs::write(logs.join("broken.LOG.gz"), &packed[..packed.len() / 2]).expect("a file");
    let warned = ask(&environments.bare, "warned", &json!([logs]));
    let warned = warned.as_array().expect("a list");
    assert_eq!(warned.len(), 3, "{warned:?}");
    for warning in warned {
        let warning = warning.as_str().expect("a text");
        assert!(warning.contains("broken.LOG.gz"), "{warning}");
    }
}

#[test]
fn what_cannot_be_answered_is_said() {
    let environments = environments!("python: forks");
    let told = ask(&environments.bare, "forked", &json!([]));
    let told: Vec<String> = told
        .as_array()
        .expect("a list")
        .iter()
        .map(Value::to_string)
        .collect();
    let wanted = [
        "was forked",
        "is no path",
        "is no path",
        "no path: name files",
        "is no path",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.contains(wanted), "{told}");
    }
}

#[test]
fn ctrl_c_ends_long_work() {
    let environments = environments!("python: Ctrl-C");
    let fleet = Fleet::new("--servers 4 --days 6 --bytes 60MB --seed 3");
    let mut child = python(&environments.bare)
        .args([
            "tests/python.py",
            "long",
            &json!([fleet.path()]).to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let mut out = std::io::BufReader::new(child.stdout.take().expect("stdout"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    assert_eq!(line, "begun\n");
    std::thread::sleep(Duration::from_millis(300));
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status();
    assert!(sent.expect("kill runs").success());
    let begun = Instant::now();
    line.clear();
    std::io::BufRead::read_line(&mut out, &mut line).expect("a line");
    assert_eq!(line, "KeyboardInterrupt\n");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert!(child.wait().expect("its end").success());
}

#[test]
fn the_stubs_are_those_of_the_module() {
    let environments = environments!("python: stubs");
    // Names of the compiled part are not for people.
    let folder = scratch("python-stubs");
    let output = python(&environments.full)
        .args([
            "-m",
            "mypy.stubtest",
            "relaydrift",
            "--ignore-missing-stub",
            "--mypy-config-file",
        ])
        .arg(config(&folder))
        .current_dir(&folder)
        .output()
        .expect("stubtest starts");
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let undocumented = ask(&environments.bare, "undocumented", &json!([]));
    assert_eq!(undocumented, json!([]));
}

/// Types of packages that have none are not looked at.
fn config(folder: &Path) -> PathBuf {
    let file = folder.join("mypy.ini");
    std::fs::write(&file, "[mypy]\nignore_missing_imports = true\n").expect("a file");
    file
}

#[test]
fn the_notebook_runs() {
    let environments = environments!("python: the notebook");
    let folder = empty("python-notebook");
    let found = ask(
        &environments.full,
        "notebook",
        &json!([
            "crates/relaydrift-python/examples/three_questions.ipynb",
            folder
        ]),
    );
    assert_eq!(found["errors"], json!([]), "{found}");
    assert!(found["pictures"].as_i64() >= Some(3), "{found}");
    let said = found["text"].as_str().expect("a text");
    let told = query(
        &["--logs", "tests/fleet"],
        "select distinct server from refusals",
    );
    assert!(!told.is_empty());
    for row in told {
        assert!(
            said.contains(row["server"].as_str().expect("a server")),
            "{said}"
        );
    }
}

#[test]
fn the_readme_says_it_as_it_is() {
    let environments = environments!("python: README");
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).expect("README.md");
    let section = readme
        .split("\n## From Python\n")
        .nth(1)
        .expect("a section");
    let section = section.split("\n## ").next().expect("its text");
    let block = section.split("```python\n").nth(1).expect("a block");
    let block = block.split("\n```").next().expect("its text");
    let folder = empty("python-readme");
    let lake = folder.join("lake");
    run_for(
        0,
        &[
            "ingest",
            "tests/fleet",
            "--lake",
            lake.to_str().expect("UTF-8"),
            "--quiet",
        ],
    );
    let fleet = Path::new(ROOT).join("tests/fleet");
    let block = block
        .replace(
            "\"/logs\"",
            &format!("{:?}", fleet.to_str().expect("UTF-8")),
        )
        .replace("\"/lake\"", &format!("{:?}", lake.to_str().expect("UTF-8")));
    let file = folder.join("readme.py");
    std::fs::write(&file, block).expect("a file");
    let output = done(python(&environments.full).arg(&file).current_dir(&folder));
    assert!(
        text(&output.stdout).contains("EX0"),
        "{}",
        text(&output.stdout)
    );
    // The program is what the package says it is.
    let version = done(program().arg("--version"));
    let ours = done(python(&environments.bare).args([
        "-c",
        "import relaydrift; print('relaydrift', relaydrift.__version__)",
    ]));
    assert_eq!(text(&version.stdout), text(&ours.stdout));
}
