//! Every ready question of `sql/examples` is answered by the fleet that ships here.

use serde_json::Value;

use crate::util::{run, run_for, text};

const FLEET: [&str; 3] = ["sql", "--logs", "tests/fleet"];

/// The names of the files.
fn names() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/sql/examples");
    let entries = std::fs::read_dir(folder).expect("the folder");
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry
                .ok()?
                .file_name()
                .to_str()?
                .strip_suffix(".sql")
                .map(str::to_owned)
        })
        .collect();
    names.sort();
    names
}

fn ask(name: &str) -> Vec<Value> {
    let args = [&FLEET[..], &["--example", name, "--format", "ndjson"]].concat();
    let output = run_for(0, &args);
    let rows = text(&output.stdout).lines();
    rows.map(|row| serde_json::from_str(row).expect("JSON"))
        .collect()
}

fn sum(rows: &[Value], column: &str) -> i64 {
    rows.iter().filter_map(|row| row[column].as_i64()).sum()
}

#[test]
fn each_is_answered_with_rows() {
    let names = names();
    assert!(names.len() >= 12, "{names:?}");
    for name in names {
        assert!(!ask(&name).is_empty(), "{name}");
    }
}

#[test]
fn they_agree_with_each_other_and_with_what_is_known_of_the_fleet() {
    // What check says of this fleet stands in the README: 152 recipients on three servers.
    assert_eq!(sum(&ask("refused_by_server"), "recipients"), 152);
    assert_eq!(sum(&ask("refused_by_sender_domain"), "refused"), 152);
    assert_eq!(sum(&ask("messages_to_send_again"), "refused"), 152);
    assert_eq!(sum(&ask("what_broke_mail"), "refused_after"), 152);
    let outside = ask("egress_outside_ranges");
    assert!(outside.iter().all(|row| {
        row["egress_ip"]
            .as_str()
            .is_some_and(|ip| ip.starts_with("198.51.100."))
    }));
    let now = ask("certificates_in_use");
    let of = |server: &str| {
        let mut rows = now.iter();
        let row = rows
            .find(|row| row["server"] == server && row["connector_id"] == "Outbound to Office 365");
        row.and_then(|row| row["thumbprint"].as_str())
            .map(|thumbprint| thumbprint[..8].to_owned())
    };
    assert_eq!(of("EX01").as_deref(), Some("98EDA6C3"));
    assert_eq!(of("EX03").as_deref(), Some("7D4FAF5D"));
}

#[test]
fn they_are_listed_and_a_wrong_name_is_answered_with_those_that_exist() {
    let listed = run_for(0, &["sql", "--examples"]);
    for name in names() {
        assert!(text(&listed.stdout).contains(&name), "{name}");
    }
    let wrong = run(&[&FLEET[..], &["--example", "nothing"]].concat());
    assert_eq!(wrong.status.code(), Some(2));
    assert!(
        text(&wrong.stderr).contains("what_broke_mail"),
        "{}",
        text(&wrong.stderr)
    );
}
