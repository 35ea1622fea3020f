//! The page says what was planted, is the same from logs and from a lake, and a browser shows it.

use crate::util::{Fleet, empty, run_for, text};

/// The page of a source.
fn page(source: &[&str], name: &str) -> String {
    let file = empty(name).join("report.html");
    let file = file.to_str().expect("a path in UTF-8");
    run_for(0, &[&["report"], source, &["-o", file, "--quiet"]].concat());
    std::fs::read_to_string(file).expect("the page")
}

#[test]
fn the_page_names_every_change_and_is_small() {
    let fleet = Fleet::new("--servers 8 --days 6 --seed 11 --sessions-per-hour 4");
    let page = page(&["--logs", fleet.path()], "report-of-eight");
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    for change in fleet.truth["drift"].as_array().expect("a list") {
        for column in ["server", "class"] {
            let value = change[column].as_str().expect("text");
            assert!(page.contains(value), "{value} of {change}");
        }
    }
    let servers = fleet.truth["servers"].as_array().expect("a list");
    for server in servers {
        let row = format!("scope=\"row\">{}</th>", server.as_str().expect("text"));
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn a_lake_gives_the_page_of_its_logs() {
    let lake = empty("report-lake").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    run_for(0, &["ingest", "tests/fleet", "--lake", lake, "--quiet"]);
    let from_logs = page(&["--logs", "tests/fleet"], "report-of-logs");
    let from_lake = page(&["--lake", lake], "report-of-lake");
    // A lake does not say how many files it is made of, nor which were left out.
    let (head, rest) = from_logs.split_once(" in 72 files").expect("files");
    let unread = rest.split_once("<section aria-labelledby=\"unread\">");
    let (before, after) = unread.expect("a file left out");
    let after = after.split_once("</section>\n").expect("its end").1;
    assert_eq!(from_lake, format!("{head}{before}{after}"));
}

#[test]
fn a_time_is_chosen_and_a_page_goes_to_stdout() {
    let all = ["report", "--logs", "tests/fleet", "-o", "-", "--quiet"];
    let part = [
        &all[..],
        &["--since", "2026-10-02T12:00:00Z", "--title", "A <b> & more"],
    ]
    .concat();
    let output = run_for(0, &part);
    let page = text(&output.stdout);
    assert!(page.contains("2026-10-02 12:00 to 2026-10-03 15:28 UTC"));
    assert!(page.contains("<title>A &#60;b&#62; &#38; more</title>"));
    // Only the return of EX03 lies inside it.
    assert!(page.contains("certificate reverted") && !page.contains("certificate renamed"));
    let wrong = [
        &all[..],
        &["--since", "2026-10-02", "--until", "2026-10-01"],
    ]
    .concat();
    let output = run_for(2, &wrong);
    assert!(text(&output.stderr).contains("--since is not before --until"));
}
