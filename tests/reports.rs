//! The page says what was planted, is the same from logs and from a lake, and a browser shows it.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::util::{Fleet, empty, run, run_for, scratch, skip, text};

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
    for part in [
        "The certificate has another name</strong> on EX01",
        "(closed, confidence",
    ] {
        assert!(from_logs.contains(part), "{part}");
    }
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

#[test]
fn the_lanes_are_drawn_in_a_terminal() {
    let lanes = ["drift", "--logs", "tests/fleet", "--chart"];
    let output = run_for(1, &lanes);
    let shown = text(&output.stdout);
    for part in [
        "EX01",
        "AAAAA",
        "203.0.113.10──",
        "refused",
        "certificate renamed  critical, broke mail",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
    let one = [&lanes[..], &["--ascii", "--server", "ex03", "--breaking"]].concat();
    let output = run_for(1, &one);
    let shown = text(&output.stdout);
    assert!(
        shown.is_ascii() && shown.contains("EX03") && !shown.contains("EX01"),
        "{shown}"
    );
    assert!(!shown.contains("reverted"), "{shown}");
}

#[test]
fn a_picture_and_a_message_are_written() {
    let folder = empty("report-mail");
    let file = |name: &str| {
        folder
            .join(name)
            .to_str()
            .expect("a path in UTF-8")
            .to_owned()
    };
    let (png, eml) = (file("lanes.png"), file("report.eml"));
    let args = [
        "report",
        "--logs",
        "tests/fleet",
        "--png",
        &png,
        "--email",
        &eml,
        "--from",
        "Relay <relay@contoso.com>",
        "--mail-to",
        "a@contoso.com",
        "--mail-to",
        "b@contoso.com",
    ];
    let output = run(&args);
    let messages = text(&output.stderr);
    if messages.contains("no font was found") {
        return skip(
            "a_picture_and_a_message_are_written",
            "no font on this machine",
        );
    }
    assert_eq!(output.status.code(), Some(0), "{messages}");
    assert!(output.stdout.is_empty(), "a page that nobody asked for");
    let picture = std::fs::read(&png).expect("the picture");
    assert!(picture.starts_with(b"\x89PNG"));
    // A reader that nobody here wrote takes the message apart.
    let python = "import sys, email, email.policy as p\n\
        m = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=p.default)\n\
        print(m['from'], '|', m['to'], '|', m['subject'])\n\
        for part in m.walk():\n    \
        print(part.get_content_type(), part['content-id'], part.get_filename(), len(part.defects))\n\
        open(sys.argv[2], 'wb').write([x for x in m.walk() if x.get_content_type() == 'image/png'][0].get_content())";
    let copy = file("copy.png");
    let Ok(read) = std::process::Command::new("python3")
        .args(["-c", python, &eml, &copy])
        .output()
    else {
        return skip(
            "a_picture_and_a_message_are_written",
            "no python3 to read the message with",
        );
    };
    let told = text(&read.stdout);
    assert!(
        told.starts_with("Relay <relay@contoso.com> | a@contoso.com, b@contoso.com | REPAIRED: "),
        "{told}"
    );
    let parts: Vec<&str> = told.lines().skip(1).collect();
    assert_eq!(
        parts,
        [
            "multipart/mixed None None 0",
            "multipart/related None None 0",
            "multipart/alternative None None 0",
            "text/plain None None 0",
            "text/html None None 0",
            "image/png <lanes@relaydrift> None 0",
            "text/html None report.html 0",
        ]
    );
    assert_eq!(
        std::fs::read(copy).expect("the picture in the message"),
        picture
    );
    let wrong = run_for(2, &[&args[..9], &["--mail-to", "nobody"]].concat());
    assert!(
        text(&wrong.stderr).contains("not a mail address"),
        "{}",
        text(&wrong.stderr)
    );
}

/// A connector that every output of strangers would be: markup, a handler, a place elsewhere.
const HOSTILE: &str =
    "</title><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)>";

/// The shipped fleet with a hostile connector and a hostile server.
fn hostile_fleet() -> PathBuf {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet");
    let hostile = empty("hostile-fleet");
    let mut folders = vec![fleet.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(&fleet).expect("below the fleet");
            let below = below
                .to_str()
                .expect("UTF-8")
                .replace("EX02", "<b onclick=alert(3)>EX02");
            let target = hostile.join(below);
            std::fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
            let log = std::fs::read_to_string(&path).expect("a log");
            let log = log.replace("Outbound to Office 365,", &format!("{HOSTILE},"));
            std::fs::write(target, log).expect("a log");
        }
    }
    hostile
}

#[test]
fn a_browser_shows_hostile_text_as_text_and_asks_for_nothing() {
    const TEST: &str = "a_browser_shows_hostile_text_as_text_and_asks_for_nothing";
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let playwright = root.join("target/browser/node_modules/playwright-core/index.mjs");
    for needed in [&playwright, Path::new("/usr/bin/chromium")] {
        if !needed.exists() {
            return skip(TEST, &format!("{} is not there", needed.display()));
        }
    }
    let logs = hostile_fleet();
    let logs = logs.to_str().expect("a path in UTF-8");
    let written = page(&["--logs", logs], "report-in-browser");
    assert!(!written.contains("<script") && !written.contains("<img"));
    let folder = scratch("report-in-browser");
    let browser = std::process::Command::new("node")
        .arg(root.join("tests/browser.mjs"))
        .args([&playwright, &folder.join("report.html"), &folder])
        .output();
    let Ok(browser) = browser else {
        return skip(TEST, "no node on this machine");
    };
    assert!(browser.status.success(), "{}", text(&browser.stderr));
    let seen: Value = serde_json::from_slice(&browser.stdout).expect("JSON");
    assert_eq!(seen["console"], serde_json::json!([]));
    assert_eq!(seen["dialogs"], 0);
    for request in seen["requests"].as_array().expect("a list") {
        let url = request.as_str().expect("text");
        assert!(
            url.starts_with("file:") && url.ends_with("/report.html"),
            "{url}"
        );
    }
    assert!(seen["pdf"].as_u64() > Some(10_000));
    let views = seen["views"].as_array().expect("a list");
    assert_eq!(views.len(), 5);
    for view in views {
        let name = view["name"].as_str().expect("text");
        let shown = view["text"].as_str().expect("text");
        assert!(shown.contains(HOSTILE), "{name}: {shown}");
        assert!(shown.contains("<b onclick=alert(3)>EX02"), "{name}");
        for count in ["sideways", "outside", "crooked", "active"] {
            assert_eq!(view[count], 0, "{name}: {count}");
        }
        assert_eq!(view["tables"], view["named"], "{name}");
        // Every lane is told in words; every mark leads to its finding.
        assert!(
            view["lanes"].as_u64() >= Some(6) && view["told"].as_u64() >= view["lanes"].as_u64(),
            "{name}"
        );
        assert!(view["marks"].as_u64() >= Some(4), "{name}");
        assert_eq!(view["bar"], "rgb(0, 114, 178)", "{name}");
        let dark = view["background"] != "rgb(255, 255, 255)";
        assert_eq!(dark, name == "dark", "{name}: {}", view["background"]);
        assert!(folder.join(format!("{name}.png")).exists());
    }
}
