//! The README's commands work, and its tables are those of the program.

use std::path::Path;

use crate::util::{query, run_for, scratch, text};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The commands in the README's `sh` blocks, one per line.
pub fn commands() -> Vec<String> {
    let readme = read("README.md");
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```").next());
    blocks
        .flat_map(str::lines)
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

/// Splits a command line at spaces outside double quotes.
pub fn words(line: &str) -> Vec<String> {
    let parts = line
        .split('"')
        .enumerate()
        .flat_map(|(at, part)| match at % 2 {
            0 => part
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>(),
            _ => vec![part.to_owned()],
        });
    parts.collect()
}

#[test]
fn the_two_commands_are_the_ones_that_ci_runs() {
    let commands = commands();
    assert_eq!(commands[0], "cargo run -- check tests/fleet");
    assert_eq!(commands[1], "cargo test --workspace");
    let ci = read(".ci/run");
    for command in &commands[..2] {
        assert!(ci.contains(&format!("step {command}")), "{command}");
    }
}

#[test]
fn the_commands_of_the_readme_run() {
    let lake = scratch("readme-lake").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    let written = scratch("readme-lake").join("report.html");
    let written = written.to_str().expect("a path in UTF-8");
    let mut ran = 0;
    for line in commands()
        .iter()
        .filter(|line| line.starts_with("relaydrift "))
    {
        let words: Vec<String> = words(line).into_iter().skip(1).collect();
        let words: Vec<&str> = words
            .iter()
            .map(|word| match word.as_str() {
                "lake" => lake,
                "report.html" => written,
                word => word,
            })
            .collect();
        // The test of clusters runs those of a cluster.
        let elsewhere = ["generate", "serve", "scheduler", "executor"].contains(&words[0]);
        if elsewhere || words.contains(&"--help") || words.contains(&"--cluster") {
            continue;
        }
        // The shipped fleet has breaking changes: commands that judge exit with 1.
        let code = i32::from(["check", "drift", "rehearse"].contains(&words[0]));
        run_for(code, &words);
        ran += 1;
    }
    assert!(ran >= 4, "{ran} commands");
}

#[test]
fn the_screen_in_the_readme_is_what_check_prints() {
    let output = run_for(1, &["check", "tests/fleet"]);
    let printed = text(&output.stdout);
    let readme = read("README.md");
    let screen = readme
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("\n```").next());
    let screen = screen.expect("a screen of output");
    let lines: Vec<&str> = screen
        .lines()
        .filter(|line| !line.trim().is_empty() && *line != "…")
        .collect();
    assert!(lines.len() > 10, "{} lines", lines.len());
    for line in lines {
        assert!(
            printed.contains(line.trim_end()),
            "not printed: {line}\n{printed}"
        );
    }
}

/// The names in the first column of the table below a heading.
fn table(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let section = readme
        .split(&format!("\n## {heading}\n"))
        .nth(1)
        .unwrap_or_else(|| panic!("no section {heading}"));
    let section = section.split("\n## ").next().unwrap_or("");
    let cells = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let mut names: Vec<String> = cells
        .map(|cell| cell.split('(').next().unwrap_or(cell).to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn tables_views_and_functions_are_all_named() {
    let source = ["--logs", "tests/fleet"];
    let mut views: Vec<String> =
        stems(&Path::new(env!("CARGO_MANIFEST_DIR")).join("sql"), ".sql").collect();
    views.sort();
    assert_eq!(table("Views"), views);

    let listed = query(
        &source,
        "select table_name from information_schema.tables where table_schema = 'public'",
    );
    let mut tables: Vec<String> = listed
        .iter()
        .filter_map(|row| row["table_name"].as_str().map(str::to_owned))
        .filter(|name| !views.contains(name))
        .collect();
    tables.sort();
    assert_eq!(table("Tables"), tables);

    let folder = "crates/relaydrift-datafusion/src/functions";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    // Table functions have no file there; the others are no functions but what these share.
    let mut ours: Vec<String> = ["rehearse", "send_log"].map(str::to_owned).into();
    ours.extend(
        stems(&folder, ".rs").filter(|name| !["mod", "scalar", "x509"].contains(&name.as_str())),
    );
    ours.sort();
    assert_eq!(table("Functions"), ours);
    for function in ours {
        let sql = format!(
            "select 1 from information_schema.routines where routine_name = '{function}' limit 1"
        );
        assert_eq!(query(&source, &sql).len(), 1, "{function}");
    }
}

/// Names of the files in a folder that end like this, without the end.
/// Every class has a severity of its own; two of those are no class of the row.
#[test]
fn rows_of_drift_views_name_every_class() {
    let readme = read("README.md");
    for (view, file, elsewhere) in [
        (
            "certificate_drift",
            "sql/certificate_changes.sql",
            "repaired",
        ),
        ("egress_drift", "sql/egress_changes.sql", ""),
        ("tls_drift", "sql/lapses.sql", "missing"),
    ] {
        let row = format!("| `{view}` |");
        let row = readme.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("{view} in the README"));
        let named: Vec<&str> = row.split([' ', ',']).collect();
        let file = read(file);
        let classes = file.split("setting('relaydrift.severity_").skip(1);
        let classes = classes.filter_map(|rest| rest.split('\'').next());
        let mut classes = classes.filter(|class| *class != elsewhere).peekable();
        assert!(classes.peek().is_some(), "{view}");
        classes.for_each(|class| assert!(named.contains(&class), "{view}: {class}"));
    }
}

fn stems(folder: &Path, end: &str) -> impl Iterator<Item = String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    entries.filter_map(move |entry| {
        entry
            .ok()?
            .file_name()
            .to_str()?
            .strip_suffix(end)
            .map(str::to_owned)
    })
}

#[test]
fn links_lead_somewhere() {
    let readme = read("README.md");
    let links = readme
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http")) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(link);
        assert!(path.exists(), "{link}");
    }
}
