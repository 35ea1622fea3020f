//! Deaths and errors at system calls: strace kills an ingest before a call, or makes the call fail.
//!
//! A place is a call on a path of the lake. `RELAYDRIFT_FAULTS` says how many cases each test tries
//! at each start, or `all`; a few, spread over the whole run, unless it is set.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::util::{CONTENT, Fleet, empty, files, program, query_sorted, run, run_for, skip};

/// Batches in the lake before the disturbed run: none, open sessions to carry on, a checkpoint due.
const STARTS: [usize; 3] = [0, 1, 9];

const CALLS: &str = "write,pwrite64,fsync,fdatasync,rename,renameat2,openat,unlink,linkat,mkdir";

/// No ingest of these logs takes as long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An error and the words that a message has to hold.
const ERRORS: [(&str, &str); 5] = [
    ("ENOSPC", "No space left on device"),
    ("EIO", "Input/output error"),
    ("EACCES", "Permission denied"),
    ("EMFILE", "Too many open files"),
    ("EINTR", "Interrupted system call"),
];

/// Sorted rows; none where there is no lake yet.
type Content = Option<Vec<String>>;

#[test]
fn an_ingest_killed_before_any_call_is_made_good_by_the_next() {
    let mut tally = Tally::default();
    for rig in rigs("kills") {
        for place in tally.sample(&rig.places) {
            rig.reset();
            let output = rig.disturbed(place, "signal=KILL");
            tally.case(place, || {
                let killed = output.status.signal() == Some(9);
                if !killed && output.status.code() != Some(0) {
                    return Err(format!("exit {}: {}", output.status, said(&output)));
                }
                rig.whole()?;
                rig.made_good()?;
                Ok(killed)
            });
        }
    }
    tally.end("kill points");
}

#[test]
fn a_recovery_killed_twice_is_made_good_by_the_third() {
    let mut tally = Tally::default();
    for rig in rigs("recoveries") {
        // Right after the decision there is most to recover.
        let decided = |place: &&Place| place.call == "unlink" && place.is_on("/batches/");
        let decided = rig.places.iter().find(decided).expect("a decision");
        rig.reset();
        rig.disturbed(decided, "signal=KILL");
        let recovery = rig.trace();
        let half = recovery.len() / 2;
        let pairs: Vec<_> = recovery
            .iter()
            .zip(recovery[half..].iter().chain(&recovery))
            .collect();
        for (second, third) in tally.sample(&pairs) {
            rig.reset();
            let runs =
                [decided, second, third].map(|place| rig.disturbed(place, "signal=KILL").status);
            tally.case(&format!("{decided}, {second}, {third}"), || {
                rig.whole()?;
                rig.made_good()?;
                Ok(runs.iter().all(|status| status.signal() == Some(9)))
            });
        }
    }
    tally.end("kills three deep");
}

#[test]
fn an_error_of_any_call_is_told_and_leaves_the_lake_whole() {
    let mut tally = Tally::default();
    for rig in rigs("errors") {
        let every = ERRORS.iter().flat_map(|error| {
            let places = rig.places.iter();
            places.map(move |place| (place, error))
        });
        let every: Vec<_> = every.collect();
        for (place, (error, words)) in tally.sample(&every) {
            rig.reset();
            let output = rig.disturbed(place, &format!("error={error}"));
            let hit = rig.injected();
            tally.case(&format!("{error} at {place}"), || {
                let found = rig.whole()?;
                let ended_badly = output.status.signal() == Some(9) || panicked(&output);
                if ended_badly && rig.hit_a_wake() {
                    return rig.made_good().map(|()| false);
                }
                match output.status.code() {
                    Some(0) if found == rig.new => {}
                    Some(0) => return Err("a silent success: rows are missing".into()),
                    Some(2) if said(&output).contains(words) && !panicked(&output) => {}
                    _ => return Err(format!("{}, said: {}", output.status, said(&output))),
                }
                rig.made_good()?;
                Ok(hit)
            });
        }
    }
    tally.end("errors");
}

/// A call of a run that can be hit again.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub call: String,
    /// None where the name is another one in each run (data files).
    path: Option<String>,
    /// Its number among the calls on this path (among all, where there is none) in one thread:
    /// strace counts by thread, so that the same number can be another call in the next run.
    when: usize,
}

impl Place {
    pub fn is_on(&self, part: &str) -> bool {
        self.path.as_ref().is_some_and(|path| path.contains(part))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.as_deref().unwrap_or("any file");
        write!(f, "{} {} of {path}", self.call, self.when)
    }
}

/// Logs, the lake before they are taken in, and what it has to hold before and after.
pub struct Rig {
    folder: PathBuf,
    pub lake: PathBuf,
    old: Content,
    pub new: Content,
    pub places: Vec<Place>,
}

/// One rig per start; none, told, where strace does not work.
fn rigs(test: &str) -> impl Iterator<Item = Rig> {
    let works = traces(&format!("faults of {test}"));
    let starts = match std::env::var_os("RELAYDRIFT_FAULTS") {
        Some(_) => &STARTS[..],
        None => &STARTS[..2],
    };
    let starts = starts.iter().filter(move |_| works);
    starts.map(move |start| {
        let folder = empty(&format!("faults-{test}-{start}"));
        Rig::new(&folder, folder.join("lake"), *start)
    })
}

/// Whether strace works; where it does not, the test is told as skipped.
pub fn traces(test: &str) -> bool {
    let strace = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output();
    let works = strace.is_ok_and(|output| output.status.success());
    if !works {
        skip(test, "strace is missing or must not trace");
    }
    works
}

impl Rig {
    /// A rig in an empty folder, for a lake there or elsewhere.
    pub fn new(folder: &Path, lake: PathBuf, batches: usize) -> Rig {
        let mut rig = Rig {
            folder: folder.to_owned(),
            lake,
            old: None,
            new: None,
            places: Vec::new(),
        };
        let fleet = Fleet::new("--servers 1 --days 1 --seed 5 --sessions-per-hour 2");
        let mut logs = files(&fleet.logs);
        logs.retain(|path| path.extension().is_some_and(|end| end == "LOG"));
        logs.sort();
        let server = rig.folder.join("logs/EX01");
        fs::create_dir_all(&server).expect("a folder of logs");
        for (number, log) in logs.iter().take(10).enumerate() {
            let to = server.join(log.file_name().expect("a name"));
            let mut bytes = fs::read(log).expect("a log");
            bytes.extend_from_slice(b"not a line\r\n");
            fs::write(&to, bytes).expect("a copy");
            if number < batches {
                let before = rig.folder.join("before");
                let [log, lake] = [&to, &before].map(|path| path.to_str().expect("UTF-8"));
                run_for(0, &["ingest", log, "--lake", lake, "--quiet"]);
            }
        }
        rig.reset();
        rig.old = rig.content().expect("the lake before");
        rig.places = rig.trace();
        rig.new = rig.content().expect("the lake after");
        assert!(rig.new.is_some() && rig.new != rig.old && !rig.places.is_empty());
        rig
    }

    /// Puts the lake of before in place.
    pub fn reset(&self) {
        let (before, lake) = (self.folder.join("before"), &self.lake);
        if lake.exists() {
            fs::remove_dir_all(lake).expect("the last lake goes");
        }
        if before.exists() {
            for file in files(&before) {
                let to = lake.join(file.strip_prefix(&before).expect("below it"));
                fs::create_dir_all(to.parent().expect("a folder")).expect("made");
                fs::copy(&file, to).expect("copied");
            }
        }
    }

    /// An ingest under strace with these options; killed where it does not end in [`PATIENCE`].
    pub fn ingest(&self, options: &[&str]) -> Output {
        let mut command = Command::new("strace");
        command
            // Not --seccomp-bpf: with it, signals are not always delivered.
            .args(["-f", "-qq", "-y", "-s", "0", "-o"])
            .arg(self.folder.join("trace"))
            .args(options)
            .arg(program().get_program())
            .args(["ingest", "--quiet"])
            .arg(self.folder.join("logs"))
            .arg("--lake")
            .arg(&self.lake)
            .stdin(Stdio::null());
        for (name, value) in program().get_envs() {
            command.env(name, value.expect("a value"));
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("strace starts");
        let begun = Instant::now();
        while child.try_wait().expect("a child").is_none() {
            if begun.elapsed() > PATIENCE {
                let group = format!("-{}", child.id());
                let kill = Command::new("kill").args(["-9", "--", &group]).status();
                assert!(kill.is_ok_and(|status| status.success()), "it is killed");
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().expect("its output")
    }

    pub fn disturbed(&self, place: &Place, effect: &str) -> Output {
        let trace = format!("trace={}", place.call);
        let inject = format!("inject={}:{effect}:when={}", place.call, place.when);
        let mut options = vec!["-e", &trace, "-e", &inject];
        options.extend(place.path.iter().flat_map(|path| ["-P", path]));
        self.ingest(&options)
    }

    fn injected(&self) -> bool {
        self.traced().contains("(INJECTED)")
    }

    /// Threads wake one another by writes to an eventfd. No kernel lets these fail: tokio panics, or whoever
    /// sleeps on sleeps for ever.
    fn hit_a_wake(&self) -> bool {
        let trace = self.traced();
        // A call during which another thread is traced has its arguments in one line and its result in a later one.
        let mut begun = HashMap::new();
        trace.lines().any(|line| {
            let (thread, call) = line.split_once(' ').unwrap_or_default();
            let failed = line.contains("(INJECTED)");
            let wake = line.contains("[eventfd]");
            if line.ends_with("<unfinished ...>") {
                begun.insert(thread, wake);
            }
            let resumed = call.trim_start().starts_with("<...");
            failed && (wake || resumed && begun.get(thread) == Some(&true))
        })
    }

    fn traced(&self) -> String {
        let trace = fs::read(self.folder.join("trace")).expect("a trace");
        String::from_utf8_lossy(&trace).into_owned()
    }

    /// An undisturbed ingest; its places, in their order.
    fn trace(&self) -> Vec<Place> {
        let output = self.ingest(&["-e", &format!("trace={CALLS}")]);
        assert!(output.status.success(), "{}", said(&output));
        let trace = self.traced();
        let lake = self.lake.to_str().expect("UTF-8");
        let (mut times, mut seen) = (BTreeMap::<_, usize>::new(), HashSet::new());
        let mut places = Vec::new();
        for line in trace.lines() {
            // The other lines are ends of calls and of threads.
            let Some((thread, (call, arguments))) = line
                .split_once(' ')
                .and_then(|(thread, rest)| Some((thread, rest.trim_start().split_once('(')?)))
                .filter(|(_, (call, _))| CALLS.split(',').any(|known| known == *call))
            else {
                continue;
            };
            let mut count = |what: &str| {
                let times = times.entry((call.to_owned(), what.to_owned())).or_default();
                *times += 1;
                *times
            };
            let in_thread = count(thread);
            let Some(at) = arguments.find(lake) else {
                continue;
            };
            let path = arguments[at..].split(['"', '>']).next().unwrap_or_default();
            let (path, when) = match path.contains("/part-") {
                true => (None, in_thread),
                false => (Some(path.to_owned()), count(&format!("{thread} {path}"))),
            };
            let place = Place {
                call: call.to_owned(),
                path,
                when,
            };
            if seen.insert(place.clone()) {
                places.push(place);
            }
        }
        places
    }

    /// What readers find.
    pub fn content(&self) -> Result<Content, String> {
        let lake = self.lake.to_str().expect("UTF-8");
        if !Path::new(lake).join("_relaydrift/lake.json").exists() {
            return Ok(None);
        }
        let read = std::panic::catch_unwind(|| query_sorted(&["--lake", lake], CONTENT));
        let rows = read.map_err(|_| "the lake cannot be read".to_owned())?;
        // A lake without a row says what no lake says.
        Ok(Some(rows).filter(|rows| !rows.is_empty()))
    }

    /// Readers find the lake of before or of after, nothing between.
    pub fn whole(&self) -> Result<Content, String> {
        let found = self.content()?;
        match found == self.old || found == self.new {
            true => Ok(found),
            false => Err("readers find a part of a batch".into()),
        }
    }

    /// One more run, and the lake is what it would be without the fault.
    pub fn made_good(&self) -> Result<(), String> {
        let logs = self.folder.join("logs");
        let [logs, lake] = [&logs, &self.lake].map(|path| path.to_str().expect("UTF-8"));
        let commands: [&[&str]; 2] = [
            &["ingest", logs, "--lake", lake, "--quiet"],
            &["verify", "--lake", lake],
        ];
        for command in commands {
            let output = run(command);
            if !output.status.success() {
                return Err(format!("then {}: {}", command[0], said(&output)));
            }
        }
        match self.content()? == self.new {
            true => Ok(()),
            false => Err("the lake differs after the next run".into()),
        }
    }
}

/// What came of the cases of a test.
#[derive(Default)]
pub struct Tally {
    pub cases: usize,
    tried: usize,
    hit: usize,
    failed: Vec<String>,
}

impl Tally {
    /// As many of a rig's cases as asked for, spread over all.
    fn sample<'a, T>(&mut self, cases: &'a [T]) -> Vec<&'a T> {
        let wanted = match std::env::var("RELAYDRIFT_FAULTS").as_deref() {
            Ok("all") => cases.len(),
            Ok(number) => number.parse().expect("RELAYDRIFT_FAULTS: a number or all"),
            Err(_) => 4,
        };
        self.cases += cases.len();
        let wanted = wanted.clamp(1, cases.len());
        let at = |number| (2 * number + 1) * cases.len() / (2 * wanted);
        (0..wanted).map(|number| &cases[at(number)]).collect()
    }

    /// Counts a case: whether the fault came to pass, or what is wrong after it.
    pub fn case(&mut self, name: &impl fmt::Display, check: impl FnOnce() -> Result<bool, String>) {
        self.tried += 1;
        if self.tried.is_multiple_of(50) {
            println!("{} tried so far, {} wrong", self.tried, self.failed.len());
        }
        match check() {
            Ok(true) => self.hit += 1,
            Ok(false) => println!("missed {name}"),
            Err(wrong) => {
                println!("wrong at {name}: {wrong}");
                self.failed.push(format!("{name}: {wrong}"));
            }
        }
    }

    #[track_caller]
    pub fn end(self, what: &str) {
        let wrong = self.failed.len();
        let Tally {
            cases,
            tried,
            hit,
            failed,
        } = self;
        println!("{what}: {tried} of {cases} tried, {hit} hit, {wrong} wrong");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
        assert!(tried == 0 || hit > 0, "no fault came to pass");
    }
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn panicked(output: &Output) -> bool {
    said(output).contains("panicked")
}
