use std::collections::BTreeMap;
use std::sync::Mutex;

use super::calendar::{DAY, parse_date};
use super::rng::mix;
use super::*;

type Files = BTreeMap<PathBuf, Vec<u8>>;

fn outline(seed: u64, servers: usize, days: i64, matched_by: Match) -> Outline {
    let start = parse_date("2026-10-01").expect("a date");
    Outline {
        seed,
        servers,
        days,
        start,
        matched_by,
        drift: true,
        incidents: 0,
    }
}

/// Writes a fleet into memory.
fn fleet(outline: &Outline, rate: u64) -> (Files, Truth) {
    let files = Mutex::new(Files::new());
    let store = |path: &Path, bytes: &[u8]| {
        let before = files
            .lock()
            .expect("no panic")
            .insert(path.into(), bytes.to_vec());
        assert!(before.is_none(), "{} was written twice", path.display());
        Ok(())
    };
    let plan = plan::plan(outline);
    let (truth, _) = write(&plan, outline.seed, rate * 1000, &store).expect("memory takes it all");
    (files.into_inner().expect("no panic"), truth)
}

fn hash(files: &Files) -> u64 {
    files.iter().fold(0, |hash, (path, bytes)| {
        let path = path.to_str().expect("our own names are UTF-8").bytes();
        path.chain(bytes.iter().copied())
            .fold(hash, |hash, byte| mix(hash ^ u64::from(byte)))
    })
}

/// The rows of a file, header lines left out.
fn rows(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    let body = file
        .strip_prefix(b"\xEF\xBB\xBF")
        .expect("a byte-order mark");
    let body = body.strip_suffix(b"\r\n").expect("a line end");
    body.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.starts_with(b"#"))
}

/// The obvious way to split a row.
fn split(row: &[u8]) -> Vec<Vec<u8>> {
    let mut fields = vec![Vec::new()];
    let (mut quoted, mut at) = (false, 0);
    while at < row.len() {
        let last = fields.len() - 1;
        match row[at] {
            b'"' if quoted && row.get(at + 1) == Some(&b'"') => {
                fields[last].push(b'"');
                at += 1;
            }
            b'"' => quoted = !quoted,
            b',' if !quoted => fields.push(Vec::new()),
            byte => fields[last].push(byte),
        }
        at += 1;
    }
    fields
}

#[test]
fn one_seed_gives_the_same_bytes_at_any_number_of_threads() {
    let outline = outline(7, 4, 2, Match::Certificate);
    let (files, truth) = fleet(&outline, 4);
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread");
    let (again, truth_again) = pool.install(|| fleet(&outline, 4));
    assert_eq!(hash(&files), hash(&again));
    let text = |truth: &Truth| serde_json::to_string(truth).expect("plain data");
    assert_eq!(text(&truth), text(&truth_again));
    let other = fleet(&Outline { seed: 8, ..outline }, 4).0;
    assert_ne!(hash(&files), hash(&other));
}

#[test]
fn every_row_has_nine_fields_and_sequences_have_no_gap() {
    let (files, truth) = fleet(&outline(3, 5, 2, Match::Certificate), 10);
    let mut next: BTreeMap<(PathBuf, Vec<u8>), u64> = BTreeMap::new();
    let mut names: Vec<_> = files.keys().collect();
    names.sort_by_key(|path| {
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name");
        let (hour, instance) = name.split_once('-').expect("an instance");
        (hour.to_string(), instance.parse::<u32>().expect("a number"))
    });
    let (mut count, mut older, mut crossing) = (0, 0, 0);
    for path in names {
        let folder = path.parent().expect("a folder").to_path_buf();
        let file = &files[path];
        let date = file
            .windows(7)
            .position(|text| text == b"#Date: ")
            .expect("a date")
            + 7;
        for (number, row) in rows(file).enumerate() {
            let fields = split(row);
            assert_eq!(fields.len(), 9, "{}", String::from_utf8_lossy(row));
            assert_eq!((fields[0].len(), fields[2].len()), (24, 16));
            let sequence: u64 = String::from_utf8_lossy(&fields[3])
                .parse()
                .expect("a sequence number");
            let expected = next.entry((folder.clone(), fields[2].clone())).or_default();
            assert_eq!(sequence, *expected, "{}", String::from_utf8_lossy(row));
            *expected += 1;
            count += 1;
            older += u64::from(number == 0 && fields[0].as_slice() < &file[date..date + 24]);
            crossing += u64::from(number == 0 && sequence > 0);
        }
    }
    assert_eq!(count, truth.totals.rows);
    assert_eq!(next.len() as u64, truth.totals.sessions);
    assert!(
        older > 0 && crossing > 0,
        "{older} older, {crossing} crossing"
    );
    let bytes: usize = files.values().map(Vec::len).sum();
    assert_eq!(
        (bytes as u64, files.len() as u64),
        (truth.totals.bytes, truth.totals.files)
    );
}

#[test]
fn the_oddities_of_real_logs_are_there() {
    let (files, _) = fleet(&outline(1, 9, 4, Match::Certificate), 40);
    let has = |server: &str, text: &[u8]| {
        files.iter().any(|(path, bytes)| {
            path.starts_with(server) && bytes.windows(text.len()).any(|at| at == text)
        })
    };
    assert!(has("EX01", b"\r\n#Software"), "a header inside");
    assert!(has("EX01", b",\"Ausgehend, Standard\","));
    assert!(has("EX02", ",Интернет,".as_bytes()));
    assert!(has("EX02", b"<,250  "), "a joined EHLO reply");
    assert!(has("EX02", b"O=\"\"thawte, Inc.\"\""));
    assert!(
        has("EX02", b",Sending certificate Certificate subject "),
        "form B"
    );
    assert!(has("EX03", b",*,,Sending certificate\r\n"), "form A");
    assert!(
        has("EX01", b",Sending certificate Subject Issuer name "),
        "form C"
    );
    assert!(has("EX04/FrontEnd", b"Proxied session id "));
    assert!(has("EX04/Hub", b">,XPROXYTO "));
    assert!(has("EX01", b"Failed to connect. "));
    assert!(has("EX01", b"TLS negotiation failed with error "));
    assert!(has("", b"503 5.5.2 Need rcpt command") && has("", b"503 5.5.2 Need mail command"));
    assert!(
        files
            .keys()
            .any(|path| path.ends_with("EX03/SmtpSend/SEND20261001-1.LOG"))
    );
    assert!(
        files
            .keys()
            .any(|path| path.to_str().is_some_and(|path| path.ends_with("-2.LOG")))
    );
    assert!(
        files
            .values()
            .any(|bytes| std::str::from_utf8(bytes).is_err()),
        "Latin-1"
    );
}

#[test]
fn spans_sum_to_the_sessions_that_show_a_value() {
    let (files, truth) = fleet(&outline(5, 3, 3, Match::Certificate), 12);
    let sent: u64 = truth
        .certificate_spans
        .iter()
        .map(|span| span.extent.sessions)
        .sum();
    let mut logged = 0;
    for row in files.values().flat_map(|file| rows(file)) {
        logged += u64::from(split(row)[8].starts_with(b"Sending certificate"));
    }
    assert_eq!(sent, logged);
    let refused: u64 = truth.refusals.iter().map(|row| row.refused).sum();
    assert_eq!(refused, truth.totals.refused);
    let in_spans: u64 = truth
        .certificate_spans
        .iter()
        .map(|span| span.extent.refused)
        .sum();
    assert_eq!(
        refused, in_spans,
        "no session without a certificate is refused here"
    );
}

#[test]
fn each_planted_change_is_seen_and_has_its_refusals() {
    for seed in 0..6 {
        for (servers, days, matched_by) in [
            (1, 1, Match::Certificate),
            (1, 1, Match::Address),
            (3, 2, Match::Certificate),
            (9, 4, Match::Certificate),
            (5, 3, Match::Address),
        ] {
            let outline = outline(seed, servers, days, matched_by);
            let plan = plan::plan(&outline);
            let (_, truth) = fleet(&outline, 1);
            assert_eq!(
                truth.drift.len(),
                plan.changes.len(),
                "seed {seed}, {servers} servers"
            );
            for change in &plan.changes {
                let breaks = change.fixed.is_some() && change.connector == fleet::RELAY;
                let name = &plan.connectors[change.connector].name;
                let seen = truth.drift.iter().find(|drift| {
                    drift.changed_at == calendar::rfc3339(change.at) && drift.is_of(name)
                });
                let seen = seen.expect("the change was seen");
                assert_eq!(seen.breaking, breaks, "seed {seed}: {seen}");
                assert!(days == 1 || change.at >= plan.start + DAY);
            }
            assert!(truth.drift.iter().any(|drift| drift.breaking));
        }
    }
}

#[test]
fn so_many_incidents_are_planted() {
    let outline = Outline {
        incidents: 7,
        ..outline(2, 20, 2, Match::Certificate)
    };
    let (_, truth) = fleet(&outline, 30);
    let refused = truth.drift.iter().filter(|drift| drift.breaking).count();
    assert_eq!(refused, 7);
}

#[test]
fn without_drift_only_other_tenants_refuse() {
    let outline = Outline {
        drift: false,
        ..outline(2, 3, 2, Match::Certificate)
    };
    let (_, truth) = fleet(&outline, 30);
    assert!(truth.drift.is_empty());
    let internet =
        |row: &record::Refusals| row.is_of("Ausgehend, Standard") || row.is_of("Интернет");
    assert!(truth.refusals.iter().all(internet));
}

#[test]
fn the_size_asked_for_is_met() {
    for wanted in [3_000_000, 20_000_000] {
        let outline = outline(1, 2, 3, Match::Certificate);
        let plan = plan::plan(&outline);
        let rate = rate_for(&plan, 1, wanted).expect("memory takes it all");
        let bytes = write(&plan, 1, rate, &|_, _| Ok(()))
            .expect("memory takes it all")
            .0
            .totals
            .bytes;
        assert!(bytes.abs_diff(wanted) < wanted / 8, "{bytes} for {wanted}");
    }
    assert_eq!(parse_size("1GB"), Ok(1_000_000_000));
    assert_eq!(parse_size("2 GiB"), Ok(2 << 30));
    assert!(parse_size("many").is_err() && parse_size("99999999999999TB").is_err());
}

/// Tells a story into memory.
fn told(story: &Story, seed: u64) -> (Files, Truth) {
    let files = Mutex::new(Files::new());
    let store = |path: &Path, bytes: &[u8]| {
        let mut files = files.lock().expect("no panic");
        files.insert(path.into(), bytes.to_vec());
        Ok(())
    };
    let start = parse_date("2026-10-01").expect("a date");
    let truth = tell(story, seed, start, &store).expect("memory takes it all");
    (files.into_inner().expect("no panic"), truth)
}

#[test]
fn every_story_is_told_whatever_the_seed() {
    let stories = || {
        scenario::GROUPS
            .iter()
            .flat_map(|(_, stories)| stories.iter())
    };
    let mut names: Vec<&str> = stories().map(|story| story.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), stories().count(), "names are unique");
    for story in stories().filter(|story| story.days < 10) {
        for seed in [2, 3] {
            let name = story.name;
            let (_, truth) = told(story, seed);
            let scenario = truth.scenario.expect("a story");
            for finding in &scenario.findings {
                let swapped = matches!(
                    (finding.kind, finding.class),
                    (
                        "certificate",
                        "renewed" | "reissued" | "renamed" | "names_lost" | "reverted"
                    ) | ("certificate" | "egress", "flapping")
                        | ("egress", _)
                );
                assert_eq!(finding.before.is_some(), swapped, "{name}");
                assert_ne!(finding.before == finding.after, swapped, "{name}");
            }
            let Some(diagnosis) = scenario.diagnosis else {
                continue;
            };
            for incident in &diagnosis.servers {
                let silent = matches!(diagnosis.cause, "silence" | "silent_degradation");
                assert_ne!(incident.refused > 0, silent, "{name} {}", incident.server);
            }
            // The servers that a cause spares are its control group.
            let spared = |server: &&String| {
                let mut hit = diagnosis.servers.iter();
                !hit.any(|incident| incident.server == **server)
            };
            for server in truth.servers.iter().filter(spared) {
                let refused = truth.refusals.iter().filter(|row| row.is_at(server));
                assert_eq!(refused.count(), 0, "{name} {server}");
            }
        }
    }
}

#[test]
fn one_seed_tells_a_story_in_the_same_bytes() {
    for name in [
        "certificate-flapping",
        "quiet-two-forests",
        "cause-shared-tenant",
    ] {
        let story = scenario::parse(name).expect("a story");
        let files = told(story, 1).0;
        assert_eq!(hash(&files), hash(&told(story, 1).0), "{name}");
        assert_ne!(hash(&files), hash(&told(story, 2).0), "{name}");
        assert!(
            files.keys().any(|path| path.starts_with("expected")),
            "{name}"
        );
    }
    assert!(scenario::parse("no-such").is_err());
}
