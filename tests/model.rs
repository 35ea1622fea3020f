//! A model of logs: they grow by any number of bytes, rotate, are renamed, copied, packed, put back as they were,
//! rewritten and deleted, while ingests run, die and meet. Each row that a finished ingest could read is in the lake
//! once, in order, and no other.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::util::{empty, program, query, query_sorted, run_for};

/// What can happen. An [`Index`] picks one of what there is.
#[derive(Debug, Clone)]
enum Step {
    /// Bytes, not lines.
    Grow(Index, usize),
    Rotate(Index),
    Rename(Index),
    Copy(Index),
    /// And what was packed may stay.
    Pack(Index, bool),
    /// The file becomes this share of what it is; when it grows next it is whole again.
    PutBack(Index, f64),
    /// Another log, in a file of this name.
    Rewrite(Index),
    Delete(Index),
    Ingest,
    /// Killed after that many milliseconds.
    Killed(u64),
    TwoIngests,
    Compact,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let log = any::<Index>;
    let step = prop_oneof![
        8 => (log(), 1usize..4000).prop_map(|(log, bytes)| Step::Grow(log, bytes)),
        2 => log().prop_map(Step::Rotate),
        2 => log().prop_map(Step::Rename),
        2 => log().prop_map(Step::Copy),
        2 => (log(), any::<bool>()).prop_map(|(log, stays)| Step::Pack(log, stays)),
        1 => (log(), 0.0..1.0f64).prop_map(|(log, share)| Step::PutBack(log, share)),
        1 => log().prop_map(Step::Rewrite),
        1 => log().prop_map(Step::Delete),
        5 => Just(Step::Ingest),
        2 => (1u64..400).prop_map(Step::Killed),
        1 => Just(Step::TwoIngests),
        1 => Just(Step::Compact),
    ];
    proptest::collection::vec(step, 8..32)
}

#[test]
fn whatever_happens_to_logs_each_row_is_taken_in_once() {
    let cases = std::env::var("RELAYDRIFT_MODEL");
    let cases = cases.map_or(8, |cases| {
        cases.parse().expect("RELAYDRIFT_MODEL: a number")
    });
    let config = Config {
        cases,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..Config::default()
    };
    // The same cases in each run, and more of them where more are asked for.
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (rows, ingests) = (Cell::new(0), Cell::new(0));
    let outcome = TestRunner::new_with_rng(config, random).run(&steps(), |steps| {
        let mut world = World::new();
        steps.iter().for_each(|step| world.go(step));
        world.ingest();
        rows.set(rows.get() + world.held());
        ingests.set(ingests.get() + world.ingests);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    println!(
        "{cases} cases, {} ingests, {} rows: 0 lost, 0 doubled",
        ingests.get(),
        rows.get()
    );
}

/// A log: its text never changes, its file shows a part of it from its start.
struct Log {
    /// The folder of its server.
    folder: PathBuf,
    text: String,
    /// Its bytes that were written so far.
    written: usize,
    /// Rows of which a finished ingest says that they are in the lake.
    taken: usize,
}

impl Log {
    fn new(folder: PathBuf, number: usize) -> Log {
        let mut text = format!(
            "\u{feff}#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: SMTP Send Protocol Log\r\n\
             #Date: 2026-10-05T10:{:02}:{:02}.000Z\r\n#Fields: date-time,connector-id,session-id,sequence-number,\
             local-endpoint,remote-endpoint,event,data,context\r\n",
            number / 60,
            number % 60
        );
        for row in 0..ROWS {
            let time = number * 1000 + row;
            let (session, sequence) = (number * ROWS + row / SAID.len(), row % SAID.len());
            let said = SAID[sequence];
            let _ = write!(
                text,
                "2026-10-05T11:{:02}:{:02}.{:03}Z,Outbound,08DF1F4E{session:08X},{sequence},10.0.0.1:1024,192.0.2.1:25,{said}\r\n",
                time / 60_000,
                time / 1000 % 60,
                time % 1000
            );
        }
        Log {
            folder,
            text,
            written: 0,
            taken: 0,
        }
    }

    /// Whole rows in that many of its bytes.
    fn rows(&self, bytes: usize) -> usize {
        let lines = self.text.as_bytes()[..bytes].split(|byte| *byte == b'\n');
        (lines.count() - 1).saturating_sub(HEADER)
    }
}

/// Rows of a log, and lines before them.
const ROWS: usize = 240;
const HEADER: usize = 5;

/// Event, data and context of a session's rows.
const SAID: [&str; 6] = [
    "*,,attempting to connect",
    "+,,",
    "<,\"220 mx.example ESMTP, ready\",",
    ">,EHLO mail.contoso.com,",
    "<,250 OK,",
    "-,,Local",
];

/// A file that holds the start of a log.
#[derive(Clone)]
struct File {
    log: usize,
    bytes: usize,
    packed: bool,
}

struct World {
    logs: Vec<Log>,
    folder: PathBuf,
    lake: String,
    files: BTreeMap<PathBuf, File>,
    /// The file that each server writes.
    live: [PathBuf; 2],
    names: usize,
    ingests: usize,
}

impl World {
    fn new() -> World {
        let folder = empty("model");
        let mut world = World {
            logs: Vec::new(),
            lake: folder.join("lake").display().to_string(),
            folder: folder.join("logs"),
            files: BTreeMap::new(),
            live: [PathBuf::new(), PathBuf::new()],
            names: 0,
            ingests: 0,
        };
        (0..2).for_each(|server| world.begin(server));
        world
    }

    fn go(&mut self, step: &Step) {
        match step {
            Step::Grow(server, bytes) => self.grow(server.index(2), *bytes),
            Step::Rotate(server) => self.begin(server.index(2)),
            Step::Rename(file) => self.change(file, |world, path, file| {
                world.remove(path);
                let name = world.name(path);
                world.put(name, file);
            }),
            Step::Copy(file) => {
                let (path, file) = self
                    .files
                    .iter()
                    .nth(file.index(self.files.len()))
                    .expect("a file");
                let (name, file) = (path.clone(), file.clone());
                let mut name = self.name(&name);
                if file.packed {
                    name.set_extension("LOG.gz");
                }
                self.put(name, file);
            }
            Step::Pack(file, stays) => self.change(file, |world, path, file| {
                if !stays {
                    world.remove(path);
                }
                let packed = PathBuf::from(format!("{}.gz", path.display()));
                world.put(
                    packed,
                    File {
                        packed: true,
                        ..file
                    },
                );
            }),
            Step::PutBack(server, share) => {
                let path = self.live[server.index(2)].clone();
                let mut file = self.files[&path].clone();
                file.bytes = (file.bytes as f64 * share) as usize;
                self.put(path, file);
            }
            Step::Rewrite(file) => self.change(file, |world, path, _| {
                let log = world.log(path);
                let bytes = world.logs[log].text.len() / 3;
                world.logs[log].written = bytes;
                world.put(
                    path.to_owned(),
                    File {
                        log,
                        bytes,
                        packed: false,
                    },
                );
            }),
            Step::Delete(file) => self.change(file, |world, path, _| world.remove(path)),
            Step::Ingest => self.ingest(),
            Step::Killed(after) => self.killed(Duration::from_millis(*after)),
            Step::TwoIngests => self.two_ingests(),
            // A run that was killed may not have made the lake.
            Step::Compact if Path::new(&self.lake).join("_relaydrift/lake.json").exists() => {
                run_for(0, &["compact", "--lake", &self.lake, "--quiet"]);
            }
            Step::Compact => {}
        }
    }

    /// Does something to a plain file that no server writes, if there is one.
    fn change(&mut self, which: &Index, what: impl FnOnce(&mut World, &Path, File)) {
        let idle = |(path, file): &(&PathBuf, &File)| !file.packed && !self.live.contains(path);
        let files: Vec<_> = self.files.iter().filter(idle).collect();
        if !files.is_empty() {
            let (path, file) = files[which.index(files.len())];
            let (path, file) = (path.clone(), file.clone());
            what(self, &path, file);
        }
    }

    /// A new log, for a file of this path.
    fn log(&mut self, path: &Path) -> usize {
        let folder = path.parent().expect("a folder").to_owned();
        self.logs.push(Log::new(folder, self.logs.len()));
        self.logs.len() - 1
    }

    /// A name that no file beside this one ever had.
    fn name(&mut self, beside: &Path) -> PathBuf {
        self.names += 1;
        beside.with_file_name(format!("SEND2026100511-{}.LOG", self.names))
    }

    /// A server begins a log.
    fn begin(&mut self, server: usize) {
        let folder = self.folder.join(format!("EX{server}")).join("SmtpSend");
        fs::create_dir_all(&folder).expect("a folder");
        let path = self.name(&folder.join("SEND"));
        self.live[server].clone_from(&path);
        let (log, bytes, packed) = (self.log(&path), 0, false);
        self.put(path, File { log, bytes, packed });
    }

    fn grow(&mut self, server: usize, bytes: usize) {
        let path = self.live[server].clone();
        let mut file = self.files[&path].clone();
        let log = &mut self.logs[file.log];
        log.written = (log.written + bytes).min(log.text.len());
        file.bytes = log.written;
        self.put(path, file);
    }

    fn put(&mut self, path: PathBuf, file: File) {
        let bytes = &self.logs[file.log].text.as_bytes()[..file.bytes];
        if file.packed {
            let plain = fs::File::create(&path).expect("a file");
            let mut gz = flate2::write::GzEncoder::new(plain, flate2::Compression::fast());
            gz.write_all(bytes).expect("written");
            gz.finish().expect("packed");
        } else {
            fs::write(&path, bytes).expect("written");
        }
        self.files.insert(path, file);
    }

    fn remove(&mut self, path: &Path) {
        fs::remove_file(path).expect("there");
        self.files.remove(path);
    }

    fn ingest_args(&self) -> [String; 5] {
        let logs = self.folder.display().to_string();
        [
            "ingest".into(),
            logs,
            "--lake".into(),
            self.lake.clone(),
            "--quiet".into(),
        ]
    }

    fn ingest(&mut self) {
        let args = self.ingest_args();
        run_for(0, &args.each_ref().map(String::as_str));
        self.ended();
    }

    /// What can be read now was taken in.
    fn ended(&mut self) {
        self.ingests += 1;
        for file in self.files.values() {
            let log = &mut self.logs[file.log];
            log.taken = log.taken.max(log.rows(file.bytes));
        }
    }

    fn killed(&mut self, after: Duration) {
        let mut child = program()
            .args(self.ingest_args())
            .spawn()
            .expect("it starts");
        std::thread::sleep(after);
        // It may have ended before.
        let _ = child.kill();
        if child.wait().expect("its end").success() {
            self.ended();
        }
    }

    /// Both at once: the later one may have to give way, and says so.
    fn two_ingests(&mut self) {
        let start = || {
            let mut command = program();
            command.args(self.ingest_args()).stderr(Stdio::piped());
            command.spawn().expect("it starts")
        };
        let both = [start(), start()].map(|child| child.wait_with_output().expect("its end"));
        for output in &both {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 2)), "{said}");
        }
        if both.iter().any(|output| output.status.success()) {
            self.ended();
        }
    }

    /// Checks the lake against the model, and against a lake of the same rows in plain logs: rows that it holds.
    fn held(&self) -> usize {
        let source = ["--lake", &self.lake];
        run_for(0, &["verify", "--lake", &self.lake, "--quiet"]);
        let sql = "select session_id, sequence from events order by session_id, sequence";
        let mut found: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in query(&source, sql) {
            let session = row["session_id"].as_str().expect("a session");
            let session = usize::from_str_radix(&session[8..], 16).expect("a number");
            let sequence = row["sequence"].as_u64().expect("a number") as usize;
            let (log, session) = (session / ROWS, session % ROWS);
            found
                .entry(log)
                .or_default()
                .push(session * SAID.len() + sequence);
        }
        let plain = empty("model-plain");
        let mut rows = 0;
        for (number, log) in self.logs.iter().enumerate() {
            let found = found.remove(&number).unwrap_or_default();
            let may: RangeInclusive<usize> = log.taken..=log.rows(log.written);
            assert!(
                may.contains(&found.len()),
                "log {number}: {found:?}, not {may:?} rows"
            );
            assert!(
                found.iter().copied().eq(0..found.len()),
                "log {number}: {found:?}"
            );
            rows += found.len();
            let lines = log.text.split_inclusive('\n').take(HEADER + found.len());
            let folder = log.folder.strip_prefix(&self.folder).expect("below");
            let folder = plain.join("logs").join(folder);
            fs::create_dir_all(&folder).expect("a folder");
            let name = format!("SEND2026100511-{number}.LOG");
            fs::write(folder.join(name), lines.collect::<String>()).expect("written");
        }
        assert!(found.is_empty(), "rows that were never written: {found:?}");
        let (logs, lake) = (plain.join("logs"), plain.join("lake"));
        let (logs, lake) = (logs.display().to_string(), lake.display().to_string());
        run_for(0, &["ingest", &logs, "--lake", &lake, "--quiet"]);
        let sessions =
            "select server, session_id, start_time, end_time, rows, outcome from sessions";
        let plain = query_sorted(&["--lake", &lake], sessions);
        assert_eq!(query_sorted(&source, sessions), plain);
        rows
    }
}
