//! A soak: eight servers log, rotate and delete for as long as one likes, while a lake that follows them is killed,
//! merged (and the merge killed) and asked all the time.
#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::follow::{Follow, Server, count};
use crate::util::{empty, mix, program, query, query_sorted, run, run_for, text};

const NAMES: [&str; 8] = [
    "EX01", "EX02", "EX03", "EX04", "EX05", "EX06", "EX07", "EX08",
];

/// After so many looks, what was there before them is known to whoever looks.
const LOOKS: usize = 2;

#[test]
fn a_long_life_loses_no_line_and_doubles_none() {
    let seconds = std::env::var("RELAYDRIFT_SOAK");
    let seconds = seconds.map_or(60, |all| all.parse().expect("RELAYDRIFT_SOAK: seconds"));
    let logs = empty("soak");
    let lake = empty("soak-lake").join("lake").display().to_string();
    let said = Arc::default();
    let mut follow = Follow::start(&logs, &lake, &said);
    let (over, merges, questions) = (AtomicBool::new(false), Tried::default(), Tried::default());
    let (mut fleet, mut deaths, mut peak) = (Fleet::new(&logs), 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| merges.until(&over, |number| merge(&lake, number)));
        scope.spawn(|| questions.until(&over, |_| ask(&lake)));
        let begun = Instant::now();
        let life = Duration::from_secs((seconds / 3).clamp(1, 30));
        while begun.elapsed() < Duration::from_secs(seconds) {
            let born = Instant::now();
            let first = count(&said, " batch ");
            let looks = || count(&said, " batch ");
            // Long enough for something to be deleted, on a slow machine too.
            while born.elapsed() < life || looks() < first + 2 * LOOKS {
                assert!(born.elapsed() < 10 * life, "{said:?}");
                fleet.step(first, looks());
                std::thread::sleep(Duration::from_millis(20));
                peak = peak.max(follow.peak_memory());
            }
            follow.child.kill().expect("killed");
            follow.child.wait().expect("its end");
            deaths += 1;
            follow = Follow::start(&logs, &lake, &said);
        }
        fleet.flush();
        follow.wait_for_rows(&lake, fleet.least());
        over.store(true, Ordering::Relaxed);
    });
    follow.stop();

    let held = query_sorted(
        &["--lake", &lake],
        "select session_id, sequence, data from events",
    );
    let (rows, lost) = fleet.compare(&held);
    let gaps: HashSet<String> = query(
        &["--lake", &lake],
        "select path from sources where array_has(flags, 'gap')",
    )
    .iter()
    .map(|gap| gap["path"].as_str().expect("a path").to_owned())
    .collect();
    let unnamed = fleet
        .unread
        .iter()
        .filter(|(path, _)| !gaps.contains(&path.display().to_string()));
    assert_eq!(unnamed.count(), 0, "{:?} and {gaps:?}", fleet.unread);
    run_for(0, &["verify", "--lake", &lake]);
    println!(
        "soak: {seconds} s, {deaths} deaths, {} merges ({} killed), {} questions; {rows} rows in {} logs, {} of them \
         deleted; 0 rows lost and 0 doubled, beside {lost} rows of the {} logs deleted unread, each named as a gap; \
         `follow` took {} MiB at the most",
        merges.done(),
        merges.done().div_ceil(3),
        questions.done(),
        fleet.logs(),
        fleet.deleted,
        fleet.unread.len(),
        peak >> 10,
    );
    assert!(deaths > 1 && merges.done() > 1 && questions.done() > 1);
    assert!(fleet.deleted > NAMES.len() && !fleet.unread.is_empty());
}

/// The servers, and what became of their logs.
struct Fleet {
    servers: Vec<Server>,
    step: usize,
    deleted: usize,
    /// Logs that were deleted while rows were written into them, and those rows.
    unread: Vec<(PathBuf, Vec<String>)>,
    /// Of each server: the first row of the log that it writes, and when that log was begun.
    current: Vec<(usize, usize)>,
}

impl Fleet {
    fn new(logs: &std::path::Path) -> Fleet {
        let server = |(number, name)| Server::new(logs, name, number as u64 * 0x10_0000);
        Fleet {
            servers: NAMES.into_iter().enumerate().map(server).collect(),
            step: 0,
            deleted: 0,
            unread: Vec::new(),
            current: vec![(0, 0); NAMES.len()],
        }
    }

    /// Each server logs a session, and some rotate and delete; `first` is the first look of who looks now, `looks`
    /// are those that there were.
    fn step(&mut self, first: usize, looks: usize) {
        self.step += 1;
        for number in 0..self.servers.len() {
            let noise = mix(self.step * NAMES.len() + number);
            let server = &mut self.servers[number];
            server.session();
            server.flush(noise % 900);
            let (row, begun) = self.current[number];
            let known = looks >= begun.max(first) + LOOKS;
            if number == 0 && known && noise.is_multiple_of(7) {
                self.unread.push(delete_unread(server, row));
                self.current[number] = (server.written.len(), looks);
            } else if number > 0 && noise.is_multiple_of(71) {
                server.rotate(looks);
                self.current[number] = (server.written.len(), looks);
            }
            // Circular logging: the oldest go. Whoever began anew looks at them before.
            let old = |(_, at): &mut (PathBuf, usize)| looks >= (*at).max(first) + LOOKS;
            while let Some((path, _)) = self.servers[number].closed.pop_front_if(old) {
                std::fs::remove_file(path).expect("deleted");
                self.deleted += 1;
            }
        }
    }

    fn flush(&mut self) {
        for server in &mut self.servers {
            server.flush(usize::MAX);
        }
    }

    fn logs(&self) -> usize {
        self.servers.iter().map(|server| server.instance).sum()
    }

    /// Rows that have to be there.
    fn least(&self) -> u64 {
        let written = self.servers.iter().map(|server| server.written.len());
        written.sum::<usize>() as u64
    }

    /// Rows that were written, and those that are missing of logs deleted unread; fails where others are missing,
    /// and where there are rows that were not written, or twice.
    fn compare(&mut self, held: &[String]) -> (usize, usize) {
        let unread = self.unread.iter().flat_map(|(_, rows)| rows);
        let unread: HashSet<String> = unread.cloned().collect();
        let mut written: Vec<String> = Vec::new();
        for server in &mut self.servers {
            written.append(&mut server.written);
        }
        written.extend(unread.iter().cloned());
        written.sort();
        let there: HashSet<&String> = held.iter().collect();
        assert_eq!(held.len(), there.len(), "rows are there twice");
        let missing: Vec<_> = written.iter().filter(|row| !there.contains(row)).collect();
        let lost = missing.iter().filter(|row| !unread.contains(**row)).count();
        assert_eq!(lost, 0, "{missing:?}");
        assert_eq!(written.len() - missing.len(), held.len(), "rows of nobody");
        (written.len(), missing.len())
    }
}

/// Deletes the log that a server writes, with rows that nobody can have read; gives its rows from this one on.
fn delete_unread(server: &mut Server, row: usize) -> (PathBuf, Vec<String>) {
    let path = server.path();
    server.rotate(0);
    server.closed.pop_back();
    std::fs::remove_file(&path).expect("deleted");
    (path, server.written.split_off(row))
}

/// Something that is done again and again.
#[derive(Default)]
struct Tried(AtomicUsize);

impl Tried {
    fn until(&self, over: &AtomicBool, mut once: impl FnMut(usize)) {
        while !over.load(Ordering::Relaxed) {
            once(self.done());
            self.0.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    fn done(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Merges, or is killed while it does so.
fn merge(lake: &str, number: usize) {
    if !number.is_multiple_of(3) {
        let output = run(&["compact", "--lake", lake]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        return;
    }
    let mut command = program();
    let mut child = command
        .args(["compact", "--quiet", "--lake", lake])
        .spawn()
        .expect("the program starts");
    std::thread::sleep(Duration::from_millis(mix(number) as u64 % 800));
    child.kill().expect("killed");
    child.wait().expect("its end");
}

/// What one question sees is of one moment: no row twice, and the rows that the ledger counts.
fn ask(lake: &str) {
    let rows = query(
        &["--lake", lake],
        "select count(*) as rows, count(distinct concat(session_id, ' ', sequence)) as different,
             (select coalesce(sum(rows), 0) from sources) as taken_in from events",
    );
    assert_eq!(rows[0]["rows"], rows[0]["different"], "rows twice");
    assert_eq!(rows[0]["rows"], rows[0]["taken_in"], "a part of a batch");
}
