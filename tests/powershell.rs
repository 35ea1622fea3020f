//! The PowerShell module against the program: the options it passes, the properties it names.
//! PowerShell itself is not run here; its grammar is that of tree-sitter.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::util::{query, run, run_for, scratch, skip, text};

const MODULE: &str = include_str!("../crates/cli/powershell/Relaydrift.psm1");
const FORMAT: &str = include_str!("../crates/cli/powershell/Relaydrift.format.ps1xml");
const MANIFEST: &str = include_str!("../crates/cli/powershell/Relaydrift.psd1");
const LOGS: [&str; 2] = ["--logs", "tests/fleet"];

/// The functions of the module that are commands, with their text.
fn commands() -> Vec<(&'static str, &'static str)> {
    let functions = MODULE.split("\nfunction ").skip(1);
    functions
        .filter_map(|body| Some((body.split_once(" {")?.0, body)))
        .filter(|(name, _)| name.contains("-SendLog"))
        .collect()
}

/// What stands between single quotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('\'').skip(1).step_by(2).collect()
}

/// The subcommand that a command runs: the first word of its arguments.
fn subcommand(body: &str) -> &str {
    let (_, after) = body.split_once("$arguments = @('").expect("arguments");
    after.split('\'').next().expect("a subcommand")
}

#[test]
fn every_option_that_it_passes_exists() {
    assert_eq!(commands().len(), 4);
    let helpers = ["Get-RelaydriftSource", "Get-RelaydriftFilter"].map(|name| {
        let (_, body) = MODULE
            .split_once(&format!("function {name} {{"))
            .expect("a helper");
        let body = body.split("\n}").next().expect("its end");
        assert!(body.contains("'--"), "{name}");
        (name, body)
    });
    for (name, body) in commands() {
        let help = run_for(0, &[subcommand(body), "--help"]).stdout;
        let known: BTreeSet<&str> = text(&help).split([' ', '\n', '[', '=', ',']).collect();
        let code = body.split_once("#>").expect("help in a comment").1;
        let helpers = helpers.iter().filter(|(helper, _)| code.contains(helper));
        let texts = helpers.map(|(_, body)| *body).chain([code]);
        let passed = texts.flat_map(quoted).filter(|text| text.starts_with("--"));
        for option in passed.chain(["--lake"]) {
            assert!(known.contains(option), "{name} passes {option}");
        }
    }
}

#[test]
fn every_property_that_it_names_is_in_the_rows() {
    for (kind, command) in [
        ("Drift", "drift"),
        ("Diagnosis", "diagnose"),
        ("Session", "sql"),
    ] {
        let row: Value = match command {
            "sql" => query(&LOGS, "select * from sessions limit 1").remove(0),
            _ => {
                let output = run(&[&[command], &LOGS[..], &["--format", "ndjson", "-q"]].concat());
                let line = text(&output.stdout).lines().next().expect("a row");
                serde_json::from_str(line).expect("JSON")
            }
        };
        let row = row.as_object().expect("an object");
        let (_, view) = FORMAT
            .split_once(&format!("<TypeName>Relaydrift.{kind}</TypeName>"))
            .expect("a view");
        let view = view.split("</View>").next().expect("its end");
        let columns = view.split("<PropertyName>").skip(1);
        let columns: Vec<&str> = columns.filter_map(|c| c.split('<').next()).collect();
        assert!(columns.len() > 5);
        let (_, body) = commands()
            .into_iter()
            .find(|(_, body)| subcommand(body) == command)
            .expect("a command");
        assert!(body.contains(&format!("'Relaydrift.{kind}'")));
        let times = body
            .lines()
            .find_map(|line| line.trim().strip_prefix("$times = "))
            .map_or_else(|| vec!["start_time", "end_time"], quoted);
        for name in columns.iter().chain(&times) {
            assert!(row.contains_key(*name), "{kind} has no {name}");
        }
    }
}

#[test]
fn the_manifest_exports_the_commands_and_each_has_help_for_its_parameters() {
    for (name, body) in commands() {
        assert!(quoted(MANIFEST).contains(&name), "{name}");
        let (help, code) = body.split_once("#>").expect("help in a comment");
        assert!(
            help.contains(".SYNOPSIS") && help.contains(".EXAMPLE"),
            "{name}"
        );
        let (_, parameters) = code.split_once("param(").expect("parameters");
        let parameters = parameters.split("\n    )").next().expect("their end");
        for line in parameters.lines().filter(|line| line.contains('$')) {
            let parameter = line.rsplit_once('$').expect("a name").1;
            let parameter = parameter.split([' ', ',', '=']).next().expect("a name");
            assert!(
                help.contains(&format!(".PARAMETER {parameter}\n")),
                "{name} -{parameter}"
            );
        }
    }
}

#[test]
fn its_syntax_is_powershells() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/powershell/bin/python");
    if !python.exists() {
        skip("its_syntax_is_powershells", "no tree-sitter, see .ci/run");
        return;
    }
    let parse = |path: &Path| {
        Command::new(&python)
            .arg(root.join("tests/powershell.py"))
            .arg(path)
            .output()
            .expect("Python starts")
    };
    for file in ["Relaydrift.psm1", "Relaydrift.psd1"] {
        let output = parse(&root.join("crates/cli/powershell").join(file));
        assert!(output.status.success(), "{output:?}");
    }
    let cut = scratch("powershell").join("cut.psm1");
    std::fs::write(&cut, MODULE.replace("process {", "process")).expect("a file");
    assert_eq!(
        parse(&cut).status.code(),
        Some(1),
        "a lost brace is noticed"
    );
}
