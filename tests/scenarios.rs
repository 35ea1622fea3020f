//! Every scenario that stands in a README is judged by the program as its truth says: a class
//! of drift yields its own finding, what looks like one yields none, and the causes are in the logs.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::util::{Fleet, empty, run, run_for, text};

/// Scenarios that are also read through a lake.
const THROUGH_A_LAKE: [&str; 4] = [
    "certificate-renamed",
    "egress-moved",
    "certificate-flapping",
    "quiet-new-address",
];

/// The first cells of the table below a heading or a fold of a README, and its rows.
fn table(heading: &str) -> (Vec<String>, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(folder.join(path)).expect("a README");
    let readme = read("README.md") + &read("tests/README.md");
    let section = readme
        .split_once(&format!("\n## {heading}\n"))
        .or_else(|| readme.split_once(&format!("<details><summary>{heading}:")))
        .unwrap_or_else(|| panic!("no section {heading}"))
        .1;
    let section = section.split("\n## ").next().unwrap_or("");
    let section = section.split("</details>").next().unwrap_or("");
    let rows: Vec<String> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(str::to_owned)
        .collect();
    let names = rows
        .iter()
        .filter_map(|row| row.split('`').nth(1))
        .map(str::to_owned)
        .collect();
    (names, rows)
}

/// What `generate --list-scenarios` names in a group.
fn listed(group: &str) -> Vec<String> {
    let output = run_for(0, &["generate", "--list-scenarios"]);
    text(&output.stdout)
        .lines()
        .skip_while(|line| *line != group)
        .skip(1)
        .map_while(|line| line.strip_prefix("  ")?.split(' ').next())
        .map(str::to_owned)
        .collect()
}

fn scenario(name: &str) -> Fleet {
    Fleet::new(&format!("--scenario {name}"))
}

/// A finding as the table words it.
fn word(finding: &Value) -> String {
    let part = |column: &str| finding[column].as_str().unwrap_or("?").to_owned();
    let breaking = match finding["breaking"] == true {
        true => ", breaking",
        false => "",
    };
    let (kind, class) = (part("kind"), part("class"));
    let what = match kind == class {
        true => kind,
        false => format!("{kind} {class}"),
    };
    format!("{what} on {}{breaking}", part("server"))
}

/// What `drift` says about a source, and that its exit code agrees.
fn drift(name: &str, source: &[&str]) -> Vec<Value> {
    let output = run(&[&["drift", "--format", "ndjson"], source].concat());
    let found: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let breaking = found.iter().any(|finding| finding["breaking"] == true);
    let code = output.status.code();
    let messages = text(&output.stderr);
    assert_eq!(code, Some(i32::from(breaking)), "{name}: {messages}");
    found
}

/// A lake of a scenario's logs, forests apart.
fn lake(folder: &str, fleet: &Fleet) -> String {
    let lake = empty(&format!("lake-of-{folder}")).join("lake");
    let lake = lake.to_str().expect("a path in UTF-8").to_owned();
    let forests = fleet.truth["scenario"]["organizations"].as_array();
    let forests: Vec<&str> = forests
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let all = fleet.path().to_owned();
    for forest in forests
        .iter()
        .copied()
        .map(Some)
        .chain(forests.is_empty().then_some(None))
    {
        let logs = forest.map_or(all.clone(), |forest| format!("{all}/{forest}"));
        let organization = forest.unwrap_or("default");
        let args = [
            "ingest",
            &logs,
            "--lake",
            &lake,
            "--organization",
            organization,
            "--quiet",
        ];
        run_for(0, &args);
    }
    lake
}

/// Holds the findings of a scenario against its truth; the row of the table, or what is wrong.
fn judge(name: &str) -> Result<String, String> {
    let fleet = scenario(name);
    let story = &fleet.truth["scenario"];
    let forests = story["organizations"]
        .as_array()
        .is_some_and(|all| !all.is_empty());
    let mut sources = vec![vec!["--logs".to_owned(), fleet.path().to_owned()]];
    if forests {
        sources.clear();
    }
    if forests || THROUGH_A_LAKE.contains(&name) {
        sources.push(vec!["--lake".to_owned(), lake(name, &fleet)]);
    }
    let wanted = story["findings"].as_array().expect("a list");
    let exports = fleet.logs.join("expected");
    let exports = exports.to_str().expect("a path in UTF-8");
    // Only what the tenant expects tells that an address lies outside of it.
    let outside = |finding: &Value| finding["class"] == "outside_expected";
    if wanted.iter().any(outside) {
        sources[0].extend(["--expect".to_owned(), exports.to_owned()]);
    } else if !wanted.iter().any(|finding| finding["breaking"] == true) && !forests {
        // What the tenant expects is met: held against it, nothing is foretold to break either.
        let found = drift(name, &["--logs", fleet.path(), "--expect", exports]);
        if let Some(finding) = found.iter().find(|finding| finding["breaking"] == true) {
            return Err(format!("{name}: breaking beside its exports: {finding}"));
        }
    }
    let mut want: Vec<String> = wanted.iter().map(word).collect();
    want.sort();
    for source in sources {
        let source: Vec<&str> = source.iter().map(String::as_str).collect();
        let found = drift(name, &source);
        let mut words: Vec<String> = found.iter().map(word).collect();
        words.sort();
        if words != want {
            return Err(format!("{name}: wanted {want:?}, found {words:?}"));
        }
        for finding in wanted {
            let same = |other: &&Value| {
                ["kind", "class", "connector_id", "server", "breaking"]
                    .iter()
                    .all(|column| other[*column] == finding[*column])
                    && ["before", "after"].iter().all(|column| {
                        finding[*column].is_null() || other[*column] == finding[*column]
                    })
            };
            if !found.iter().any(|other| same(&other)) {
                return Err(format!("{name}: no finding is {finding} in {found:?}"));
            }
        }
    }
    let cell = match want.is_empty() {
        true => "nothing".to_owned(),
        false => want.join("; "),
    };
    Ok(format!(
        "| `{name}` | {} | {cell} |",
        story["tells"].as_str().unwrap_or("?")
    ))
}

/// The rows of `diagnose` for a scenario with the exports that it ships, and that its exit code agrees.
fn diagnosed(name: &str, fleet: &Fleet) -> Vec<Value> {
    let exports = fleet.logs.join("expected");
    let exports = exports.to_str().expect("a path in UTF-8");
    let forests = fleet.truth["scenario"]["organizations"].as_array();
    let forests: Vec<&str> = forests
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut args = vec!["diagnose", "--format", "ndjson"];
    let lake = (!forests.is_empty()).then(|| lake(&format!("diagnosed-{name}"), fleet));
    match &lake {
        None => args.extend(["--logs", fleet.path(), "--expect", exports]),
        Some(lake) => {
            for forest in forests {
                let exports = format!("{exports}/{forest}");
                let of = ["--organization", forest, "--quiet"];
                run_for(
                    0,
                    &[&["expect", &exports, "--lake", lake][..], &of].concat(),
                );
            }
            args.extend(["--lake", lake]);
        }
    }
    let output = run(&args);
    let rows: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let open = |row: &Value| row["state"] == "open" || row["state"] == "recovering";
    let code = i32::from(rows.iter().any(open));
    let messages = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{name}: {messages}");
    rows
}

/// What is wrong with the diagnosis of one server: the session refused first, how many recipients, the fix.
fn against(planted: &Value, server: &Value, rows: &[Value], fleet: &Fleet) -> Option<String> {
    let here: Vec<&Value> = rows
        .iter()
        .filter(|row| row["server"] == server["server"])
        .collect();
    let first = here
        .iter()
        .min_by_key(|row| row["first_refused"].as_str())
        .expect("a row");
    let session = &server["first_refused_session"];
    if first["session_id"] != *session {
        return Some(format!("{session} was refused first, told {first}"));
    }
    // All refusals for want of attribution are one incident or several; others may be too few to make one.
    let here_refused = |row: &&Value| {
        ["connector_id", "server"]
            .iter()
            .all(|column| row[*column] == first[*column])
    };
    let refusals = fleet.truth["refusals"].as_array().expect("a list");
    let unattributed = refusals.iter().find(here_refused);
    let told: i64 = here.iter().filter_map(|row| row["refused"].as_i64()).sum();
    if unattributed.is_some_and(|row| row["refused"] == server["refused"] && row["refused"] != told)
    {
        return Some(format!("{} were refused, told {told}", server["refused"]));
    }
    let commands = planted["commands"].as_array().expect("a list");
    let mut commands = commands.iter().filter_map(Value::as_str);
    let fix = first["fix"].as_str().expect("a fix");
    let changes = ["Set-", "New-", "Enable-", "Import-", "Restart-"];
    let fits = match commands.clone().next() {
        Some(_) => commands.any(|command| fix.contains(command)),
        None => !fix
            .lines()
            .any(|line| changes.iter().any(|change| line.starts_with(change))),
    };
    (!fits).then(|| format!("planted fix {}, told {fix}", planted["fix"]))
}

/// Holds the diagnosis of a scenario against its truth: nothing but the planted cause on the planted servers.
fn diagnose(name: &str) -> Result<String, String> {
    let fleet = scenario(name);
    let story = &fleet.truth["scenario"];
    let rows = diagnosed(name, &fleet);
    let part = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let found: BTreeSet<(String, String)> = rows
        .iter()
        .map(|row| (part(&row["cause"]), part(&row["server"])))
        .collect();
    let planted = &story["diagnosis"];
    let servers = planted["servers"].as_array().cloned().unwrap_or_default();
    let want: BTreeSet<(String, String)> = servers
        .iter()
        .map(|server| (part(&planted["cause"]), part(&server["server"])))
        .collect();
    if found != want {
        return Err(format!("{name}: planted {want:?}, diagnosed {found:?}"));
    }
    for server in &servers {
        if let Some(wrong) = against(planted, server, &rows, &fleet) {
            return Err(format!("{name} on {}: {wrong}", server["server"]));
        }
    }
    let incidents: BTreeSet<Option<&str>> = rows
        .iter()
        .map(|row| row["incident_uid"].as_str())
        .collect();
    let refused: i64 = rows.iter().filter_map(|row| row["refused"].as_i64()).sum();
    let on: Vec<String> = want.into_iter().map(|(_, server)| server).collect();
    let (cause, diagnosis) = match planted["cause"].as_str() {
        Some(cause) => (cause, format!("{cause} on {}", on.join(", "))),
        None => ("none", "nothing".to_owned()),
    };
    let tells = story["tells"].as_str().unwrap_or("?");
    let counts = format!("{} | {refused}", incidents.len());
    Ok(format!(
        "| `{name}` | {cause} | {tells} | {diagnosis} | {counts} |"
    ))
}

/// Judges scenarios on two threads and prints the table; panics with all that is wrong.
fn holds(heading: &str, judge: fn(&str) -> Result<String, String>) {
    let (names, rows) = table(heading);
    let next = AtomicUsize::new(0);
    let judged = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = judge(name);
                    judged.lock().expect("no panic").push((name, result));
                }
            });
        }
    });
    let mut wrong = Vec::new();
    let mut judged = judged.into_inner().expect("no panic");
    judged.sort_by_key(|(name, _)| names.iter().position(|other| other == *name));
    for (_, result) in judged {
        match result {
            Ok(row) => {
                println!("{row}");
                if !rows.contains(&row) {
                    wrong.push(format!("not in a README: {row}"));
                }
            }
            Err(why) => wrong.push(why),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_class_yields_its_own_finding() {
    holds("Classes of drift", judge);
    assert_eq!(table("Classes of drift").0, listed("classes of drift"));
}

#[test]
fn what_looks_like_drift_yields_none() {
    holds("What looks like it", judge);
    assert_eq!(table("What looks like it").0, listed("what looks like it"));
}

/// The data of the `<` rows of a session on a server, in the order of its files.
fn replies(fleet: &Fleet, server: &str, session: &str) -> Vec<String> {
    let mut rows: Vec<String> = logs(&fleet.logs.join(server))
        .iter()
        .flat_map(|log| log.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains(&format!(",{session},")))
        .collect();
    rows.sort_by_key(|line| {
        let sequence = line.split(&format!(",{session},")).nth(1).unwrap_or("");
        let sequence = sequence.split(',').next().unwrap_or("");
        sequence.parse::<u32>().expect("a sequence number")
    });
    let data = |line: &String| {
        line.split_once(",<,")
            .map(|(_, data)| data.replace('"', ""))
    };
    rows.iter().filter_map(data).collect()
}

/// All logs below a folder.
fn logs(folder: &Path) -> Vec<String> {
    let mut logs = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => logs.extend(self::logs(&path)),
            false => logs.push(std::fs::read_to_string(&path).expect("a log")),
        }
    }
    logs
}

/// Code, enhanced code and step of attribution of a reply that refuses.
fn code(reply: &str) -> Option<String> {
    let mut words = reply.split(' ');
    let (code, enhanced) = (words.next()?, words.next()?);
    let refuses = matches!(code.bytes().next(), Some(b'4' | b'5')) && code != "503";
    let step = words.find(|word| word.starts_with("ATTR"));
    let step = step.map_or("", |step| step.trim_end_matches('.'));
    refuses.then(|| format!("{code} {enhanced} {step}").trim_end().to_owned())
}

/// The row of a cause: what is refused where, as the logs have it.
fn cause(name: &str) -> String {
    let fleet = scenario(name);
    let story = &fleet.truth["scenario"];
    let diagnosis = &story["diagnosis"];
    let (mut servers, mut codes) = (Vec::new(), BTreeSet::new());
    for incident in diagnosis["servers"].as_array().expect("a list") {
        let server = incident["server"].as_str().expect("a server");
        servers.push(server);
        let Some(session) = incident["first_refused_session"].as_str() else {
            assert_eq!(incident["refused"], 0, "{name}");
            continue;
        };
        assert_ne!(incident["refused"], 0, "{name}");
        let said = replies(&fleet, server, session);
        let first = said.iter().find_map(|reply| code(reply));
        codes.insert(first.unwrap_or_else(|| panic!("{name}: {server} {session}: {said:?}")));
    }
    let codes: Vec<String> = codes.into_iter().collect();
    let said = match codes.is_empty() {
        true => "nothing".to_owned(),
        false => codes.join(", "),
    };
    let cause = diagnosis["cause"].as_str().expect("a cause");
    format!("| `{name}` | {cause} | {} | {said} |", servers.join(", "))
}

/// The exports are JSON, and the certificates sent are those that a server's store holds.
fn exports(name: &str) {
    let fleet = scenario(name);
    let read = |file: &str| -> Value {
        let path = fleet.logs.join("expected").join(file);
        let text = std::fs::read(&path).unwrap_or_else(|_| panic!("{}", path.display()));
        serde_json::from_slice(&text).expect("JSON")
    };
    let listed = fleet.truth["scenario"]["expected"]
        .as_array()
        .expect("a list");
    for file in listed.iter().filter_map(Value::as_str) {
        read(file);
    }
    let inbound = read("inbound_connectors.json");
    let known = inbound["SenderIPAddresses"].as_array().map_or(0, Vec::len);
    let named = inbound["TlsSenderCertificateName"].is_string();
    assert!(
        inbound.is_array() || named || known > 0,
        "{name}: {inbound}"
    );
    let connector = &read("send-connector.json")["Name"];
    for span in fleet.truth["certificate_spans"].as_array().expect("a list") {
        if span["connector_id"] != *connector {
            continue;
        }
        let store = format!(
            "certificates-{}.json",
            span["server"].as_str().expect("a server")
        );
        let store = read(&store);
        let held = store.as_array().expect("a list").iter();
        let mut held = held.map(|certificate| &certificate["Thumbprint"]);
        assert!(
            held.any(|held| *held == span["thumbprint"]),
            "{name}: {span}"
        );
    }
}

#[test]
fn every_cause_is_in_the_logs() {
    let (names, rows) = table("Causes of refusals");
    for name in &names {
        let row = cause(name);
        println!("{row}");
        assert!(rows.contains(&row), "not in a README: {row}");
        exports(name);
    }
    assert_eq!(names, listed("causes of refusals"));
}

#[test]
fn each_planted_cause_is_the_diagnosis_and_a_look_alike_has_none() {
    holds("Diagnosis", diagnose);
    let stories = [listed("causes of refusals"), listed("what looks like it")];
    assert_eq!(table("Diagnosis").0, stories.concat());
}

/// Certificate and address stay as they are in these stories, and mail is turned away all the same.
#[test]
fn a_check_says_what_else_mail_is_turned_away_for() {
    for (name, told) in [
        ("cause-connector-blocked", "5.7.711"),
        ("cause-tenant-limit", "limit of external recipients"),
        ("cause-version-throttled", "version is throttled"),
        ("cause-connector-disabled", "certificate and address stayed"),
    ] {
        let fleet = Fleet::new(&format!("--scenario {name}"));
        let output = run_for(1, &["check", fleet.path(), "--format", "json"]);
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let verdict = &report["verdict"];
        assert_eq!(verdict["state"], "refused", "{name}: {verdict}");
        let text = verdict["text"].as_str().expect("a text");
        assert!(text.contains(told), "{name}: {text}");
        let refused = report["connectors"][0]["refused"]
            .as_array()
            .expect("a list");
        let servers: BTreeSet<&str> = refused
            .iter()
            .filter_map(|one| one["server"].as_str())
            .collect();
        let planted = fleet.truth["scenario"]["diagnosis"]["servers"]
            .as_array()
            .expect("a list");
        let planted: BTreeSet<&str> = planted
            .iter()
            .filter_map(|one| one["server"].as_str())
            .collect();
        assert_eq!(servers, planted, "{name}");
    }
    // What recipients refuse is no affair of the connector.
    let fleet = Fleet::new("--scenario cause-recipient-side");
    run_for(0, &["check", fleet.path()]);
}
