//! Files and variables with everything in them that can go wrong, and what commands make of them.

use clap::{CommandFactory, FromArgMatches};

use super::*;
use crate::args::{Cli, Command as Run, PlaceArgs};

fn parse(text: &str) -> Result<Config> {
    let mut config = file::parse(Path::new("c.toml"), text)?;
    config.take_environment([].into_iter())?;
    config.check()?;
    Ok(config)
}

#[track_caller]
fn refused(text: &str) -> String {
    let error = parse(text).expect_err("an error");
    format!("{error:#}")
}

/// What a command line comes to under a configuration.
fn read(config: &str, line: &str) -> Run {
    let command = parse(config).unwrap().apply(Cli::command());
    let found = command.try_get_matches_from(line.split(' ')).unwrap();
    Cli::from_arg_matches(&found).unwrap().command
}

fn place(config: &str, line: &str) -> PlaceArgs {
    match read(config, line) {
        Run::Sql(args) => args.place,
        Run::Drift(args) => args.place,
        _ => panic!("{line}"),
    }
}

const WHOLE: &str = r#"
lake = "/lake"
logs = ["/logs/a", "/logs/b"]
organization = "contoso"
server_from = '/(?<server>[^/]+)/send/'
format = "json"
threads = 8
quiet = true
output = "x.parquet"

[settings]
silence_hours = 6
expiry_first_share = "1/4"
"#;

#[test]
fn every_key_has_a_value_with_its_line() {
    let config = parse(WHOLE).unwrap();
    for (line, (key, _)) in KEYS.iter().enumerate() {
        let entry = config.entries.iter().find(|entry| entry.name == *key);
        let origin = &entry.unwrap_or_else(|| panic!("{key}")).origin;
        assert_eq!(origin.to_string(), format!("c.toml:{}", line + 2));
    }
    assert_eq!(config.get("threads"), Some("8"));
    assert_eq!(config.values("logs").unwrap(), ["/logs/a", "/logs/b"]);
    let choices = [
        Choice::new("expiry_first_share", "1/4"),
        Choice::new("silence_hours", "6"),
    ];
    assert_eq!(config.choices(), choices);
    // What an editor on Windows makes of it is the same.
    let windows = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
    assert_eq!(parse(&windows).unwrap().choices(), choices);
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_what_would_be_right() {
    for (text, words) in [
        (
            "lakes = '/lake'",
            vec!["c.toml:1", "lakes", "server_from", "[settings]"],
        ),
        (
            "\nthreads = 'many'",
            vec!["c.toml:2", "threads", "1 to 512"],
        ),
        ("threads = 0", vec!["c.toml:1", "1 to 512"]),
        ("format = 'xml'", vec!["c.toml:1", "format", "markdown"]),
        ("quiet = 'perhaps'", vec!["quiet", "true or false"]),
        ("lake = ['/a', '/b']", vec!["c.toml:1", "lake"]),
        (
            "lake = '/a'\nlake = '/b'",
            vec!["c.toml", "line 2", "duplicate"],
        ),
        (
            "[settings]\nsilence = 6",
            vec!["c.toml:2", "called silence", "silence_hours"],
        ),
        (
            "[settings]\nsilence_hours = 'long'",
            vec!["c.toml:2", "silence_hours", "hours"],
        ),
        ("settings = 1", vec!["c.toml:1", "[settings]"]),
        ("lake = ", vec!["c.toml", "line 1"]),
    ] {
        let message = refused(text);
        for word in words {
            assert!(message.contains(word), "{text}: {message}");
        }
    }
    let deep = format!("lake = {}", "[".repeat(10_000));
    assert!(parse(&deep).is_err());
}

#[test]
fn the_environment_beats_the_file() {
    let mut config = file::parse(Path::new("c.toml"), WHOLE).unwrap();
    let logs = std::env::join_paths(["/x", "/y"]).unwrap();
    let variables = [
        ("RELAYDRIFT_LAKE", "/other".into()),
        ("RELAYDRIFT_LOGS", logs),
        ("RELAYDRIFT_SET_SILENCE_HOURS", "7".into()),
        ("RELAYDRIFT_THREADS", "".into()),
        ("RELAYDRIFT_SOMETHING_ELSE", "1".into()),
        ("LAKE", "/none".into()),
    ];
    let variables = variables.map(|(name, value): (_, OsString)| (name.into(), value));
    config.take_environment(variables.into_iter()).unwrap();
    config.check().unwrap();
    assert_eq!(config.get("lake"), Some("/other"));
    assert_eq!(config.values("logs").unwrap(), ["/x", "/y"]);
    assert_eq!(config.get("threads"), Some("8"));
    assert!(
        config
            .choices()
            .contains(&Choice::new("silence_hours", "7"))
    );

    let wrong = [("RELAYDRIFT_SET_NOTHING".into(), "1".into())];
    config.take_environment(wrong.into_iter()).unwrap();
    let message = format!("{:#}", config.check().unwrap_err());
    assert!(message.contains("RELAYDRIFT_SET_NOTHING"), "{message}");
}

#[test]
fn places_are_defaults_that_the_command_line_beats() {
    let both = "lake = '/lake'\nlogs = ['/a', '/b']";
    let logs = "logs = ['/a', '/b']";
    assert_eq!(
        place(both, "relaydrift drift").lake.as_deref(),
        Some("/lake")
    );
    assert!(place(both, "relaydrift drift").logs.is_empty());
    let typed = place(both, "relaydrift drift --logs /c");
    assert_eq!((typed.lake, typed.logs), (None, vec!["/c".into()]));
    let configured = place(logs, "relaydrift drift");
    assert_eq!((configured.lake, configured.logs.len()), (None, 2));
    let typed = place(logs, "relaydrift drift --lake /c");
    assert_eq!((typed.lake.as_deref(), typed.logs.len()), (Some("/c"), 0));
    assert_eq!(place(both, "relaydrift sql").lake.as_deref(), Some("/lake"));
    let nothing = parse("").unwrap().apply(Cli::command());
    assert!(
        nothing
            .try_get_matches_from(["relaydrift", "drift"])
            .is_err()
    );
}

#[test]
fn paths_and_names_are_defaults_too() {
    let Run::Check(args) = read(WHOLE, "relaydrift check") else {
        panic!();
    };
    assert_eq!(args.paths.len(), 2);
    assert_eq!(args.naming.organization, "contoso");
    assert!(args.naming.server_from.is_some());
    let Run::Check(args) = read(WHOLE, "relaydrift check /c --organization o --server EX1") else {
        panic!();
    };
    assert_eq!(args.paths, [PathBuf::from("/c")]);
    assert_eq!(args.naming.organization, "o");
    assert_eq!(args.server.as_deref(), Some("EX1"));
    let Run::Ingest(args) = read(WHOLE, "relaydrift ingest") else {
        panic!();
    };
    assert_eq!((args.paths.len(), args.lake.as_str()), (2, "/lake"));
}

#[test]
fn the_commands_fit_together_under_any_configuration() {
    for text in ["", "lake = '/lake'", "logs = '/logs'", WHOLE] {
        parse(text).unwrap().apply(Cli::command()).debug_assert();
    }
}
