//! A configuration file, the environment and the command line, in this order.

use std::process::Output;

use crate::util::{empty, program, text};

/// Runs the program with a configuration and variables.
fn run(config: &str, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let file = empty(&format!(
        "configuration-{}",
        args.join("-").replace('/', "-")
    ))
    .join("c.toml");
    std::fs::write(&file, config).expect("a file");
    let mut program = program();
    program.env("RELAYDRIFT_CONFIG", &file).args(args);
    variables.iter().for_each(|(name, value)| {
        program.env(name, value);
    });
    program.output().expect("the program starts")
}

#[test]
fn each_value_says_where_it_comes_from_and_the_output_is_a_configuration() {
    let config = "organization = 'contoso'\nthreads = 2\n[settings]\nsilence_hours = 6\n";
    let variables = [("RELAYDRIFT_THREADS", "3"), ("RELAYDRIFT_LAKE", "/lake")];
    let args = ["config", "--origin", "--set", "flapping_returns=5"];
    let output = run(config, &variables, &args);
    let shown = text(&output.stdout);
    for (value, origin) in [
        ("organization = \"contoso\"", "c.toml:1"),
        ("threads = 3", "environment variable RELAYDRIFT_THREADS"),
        ("lake = \"/lake\"", "environment variable RELAYDRIFT_LAKE"),
        ("format = \"table\"", "default"),
        ("silence_hours = 6", "c.toml:4"),
        ("flapping_returns = 5", "command line"),
    ] {
        let line = shown.lines().find(|line| line.starts_with(value));
        assert!(
            line.is_some_and(|line| line.ends_with(origin)),
            "{value}\n{shown}"
        );
    }
    let again = run(shown, &[], &["config"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(text(&again.stdout).contains("silence_hours = 6\n"));
}

#[test]
fn a_command_takes_what_is_configured_and_the_command_line_wins() {
    let config = "logs = ['tests/fleet/EX01']\nformat = 'ndjson'\nquiet = true\n";
    let sql = "select distinct server from events";
    let configured = run(config, &[], &["sql", "--lake", "/no-such-lake", sql]);
    assert_eq!(configured.status.code(), Some(2));
    let output = run(config, &[], &["sql", sql]);
    assert_eq!(text(&output.stdout), "{\"server\":\"EX01\"}\n");
    let logs = ["sql", "--logs", "tests/fleet/EX02", "--format", "csv", sql];
    let output = run(config, &[], &logs);
    assert_eq!(text(&output.stdout), "server\r\nEX02\r\n");
    let output = run(config, &[], &["check"]);
    assert!(text(&output.stdout).starts_with("{\"fact\":\"verdict\""));
}

#[test]
fn a_wrong_key_stops_everything_but_help() {
    let output = run("lakes = '/lake'", &[], &["drift"]);
    assert_eq!(output.status.code(), Some(2));
    let output = run("lakes = '/lake'", &[], &["drift", "--lake", "x"]);
    let message = text(&output.stderr);
    assert!(
        message.contains("no key lakes") && message.contains("server_from"),
        "{message}"
    );
    assert_eq!(
        run("lakes = '/lake'", &[], &["drift", "--help"])
            .status
            .code(),
        Some(0)
    );
    let missing = program()
        .args(["config", "--config", "no-such-file.toml"])
        .output();
    let missing = missing.expect("the program starts");
    assert!(text(&missing.stderr).contains("no-such-file.toml"));
}

#[test]
fn shells_and_man_get_what_they_need() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = run("", &[], &["completions", shell]);
        assert!(text(&output.stdout).contains("relaydrift"), "{shell}");
    }
    let page = run("", &[], &["man"]);
    assert!(text(&page.stdout).contains(".TH relaydrift 1"));
    let folder = empty("man-pages");
    run("", &[], &["man", "--dir", folder.to_str().expect("UTF-8")]);
    assert!(folder.join("relaydrift-check.1").exists());
}
