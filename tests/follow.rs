//! A lake that follows folders holds each line that was written there once, whatever is done to the files.
#![cfg(unix)]

use std::collections::VecDeque;
use std::fs::{FileTimes, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::util::{empty, files, program, query, query_sorted, run_for, text};

/// A running `relaydrift follow` and what it said.
pub(crate) struct Follow {
    pub(crate) child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Follow {
    pub(crate) fn start(logs: &Path, lake: &str, said: &Arc<Mutex<Vec<String>>>) -> Follow {
        Follow::start_with(logs, lake, said, &[])
    }

    fn start_with(
        logs: &Path,
        lake: &str,
        said: &Arc<Mutex<Vec<String>>>,
        options: &[&str],
    ) -> Follow {
        let mut child = program()
            .args([
                "follow",
                "--interval",
                "100ms",
                "--lake",
                lake,
                "--format",
                "ndjson",
            ])
            .arg(logs)
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let looks = count(said, "so far");
        let out = BufReader::new(child.stdout.take().expect("stdout"));
        let err = BufReader::new(child.stderr.take().expect("stderr"));
        keep(out, said.clone());
        keep(err, said.clone());
        let follow = Follow {
            child,
            said: said.clone(),
        };
        follow.wait_for("so far", looks + 1);
        follow
    }

    /// Waits until it has said something so often.
    #[track_caller]
    fn wait_for(&self, what: &str, times: usize) {
        let begun = Instant::now();
        while count(&self.said, what) < times {
            let patient = begun.elapsed() < Duration::from_secs(300);
            assert!(
                patient,
                "never said {what}: {:?}",
                self.said.lock().expect("said")
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a lake has so many rows.
    #[track_caller]
    pub(crate) fn wait_for_rows(&self, lake: &str, least: u64) {
        let begun = Instant::now();
        let rows = || query(&["--lake", lake], "select count(*) as n from events")[0]["n"].as_u64();
        while rows() < Some(least) && begun.elapsed() < Duration::from_secs(120) {
            std::thread::sleep(Duration::from_millis(500));
        }
    }

    /// The most memory it has had so far, KiB.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok());
        peak.unwrap_or(0)
    }

    /// Ends it as a service manager does; it must end well.
    pub(crate) fn stop(mut self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status();
        assert!(sent.expect("kill runs").success());
        let status = self.child.wait().expect("its end");
        assert_eq!(
            status.code(),
            Some(0),
            "{:?}",
            self.said.lock().expect("said")
        );
    }
}

fn keep(lines: impl BufRead + Send + 'static, said: Arc<Mutex<Vec<String>>>) {
    std::thread::spawn(move || {
        for line in lines.lines().map_while(Result::ok) {
            said.lock().expect("said").push(line);
        }
    });
}

pub(crate) fn count(said: &Arc<Mutex<Vec<String>>>, what: &str) -> usize {
    let said = said.lock().expect("said");
    said.iter().filter(|line| line.contains(what)).count()
}

/// A server that logs: rows of interleaved sessions, cut anywhere between two writes.
pub(crate) struct Server {
    folder: PathBuf,
    name: &'static str,
    pub(crate) instance: usize,
    session: u64,
    /// Bytes that are in the server's buffer.
    buffer: Vec<u8>,
    /// Logs that are no longer written, and how many batches there were when they were closed.
    pub(crate) closed: VecDeque<(PathBuf, usize)>,
    pub(crate) written: Vec<String>,
}

impl Server {
    pub(crate) fn new(logs: &Path, name: &'static str, first: u64) -> Server {
        let folder = logs.join(name).join("Hub/ProtocolLog/SmtpSend");
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut server = Server {
            folder,
            name,
            instance: 0,
            session: 0x08DF_1F4E_EFBD_0000 + first,
            buffer: Vec::new(),
            closed: VecDeque::new(),
            written: Vec::new(),
        };
        server.rotate(0);
        server
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder
            .join(format!("SEND2026100510-{}.LOG", self.instance))
    }

    /// Closes the log and begins another; one in three without a header, as after a restart.
    pub(crate) fn rotate(&mut self, batches: usize) {
        self.flush(usize::MAX);
        if self.instance > 0 {
            self.closed.push_back((self.path(), batches));
        }
        self.instance += 1;
        if !self.instance.is_multiple_of(3) {
            let header = format!(
                "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: SMTP Send Protocol Log\r\n\
                 #Date: 2026-10-05T10:{:02}:{:02}.000Z\r\n#Fields: date-time,connector-id,session-id,sequence-number,\
                 local-endpoint,remote-endpoint,event,data,context\r\n",
                self.instance / 60 % 60,
                self.instance % 60
            );
            self.buffer.extend_from_slice(header.as_bytes());
        }
    }

    pub(crate) fn session(&mut self) {
        self.session += 1;
        let id = format!("{:016X}", self.session);
        for (sequence, event) in ["+", "<", ">", "<", "-"].iter().enumerate() {
            let time = format!(
                "2026-10-05T10:{:02}:{:02}.000Z",
                self.session / 60 % 60,
                self.session % 60
            );
            let data = format!("{} {id} {sequence}", self.name);
            let row =
                format!("{time},Out,{id},{sequence},10.0.0.1:100,192.0.2.1:25,{event},{data},\r\n");
            self.buffer.extend_from_slice(row.as_bytes());
            let row = json!({"session_id": id, "sequence": sequence, "data": data});
            self.written.push(row.to_string());
        }
    }

    /// Brings some of the buffer to disk.
    pub(crate) fn flush(&mut self, bytes: usize) {
        let bytes = bytes.min(self.buffer.len());
        if bytes == 0 {
            return;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path())
            .expect("a log");
        file.write_all(&self.buffer[..bytes]).expect("written");
        self.buffer.drain(..bytes);
    }
}

#[test]
fn rotation_deletion_and_deaths_lose_no_line_and_double_none() {
    let logs = empty("followed");
    let lake = empty("followed-lake").join("lake");
    let lake = lake.to_str().expect("UTF-8");
    let said = Arc::default();
    let mut follow = Follow::start(&logs, lake, &said);
    let mut servers = [
        Server::new(&logs, "EX01", 0),
        Server::new(&logs, "EX02", 0x10_0000),
    ];
    let (mut deleted, mut noise) = (0, 1_u64);
    for step in 1..=240 {
        let batches = count(&said, " batch ");
        for server in &mut servers {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            server.session();
            server.flush((noise >> 33) as usize % 900);
            if (noise >> 20).is_multiple_of(12) {
                server.rotate(batches);
            }
            // Circular logging: what was looked at since it was closed goes, the oldest first.
            while let Some((path, _)) = server.closed.pop_front_if(|(_, at)| *at + 3 <= batches) {
                std::fs::remove_file(path).expect("deleted");
                deleted += 1;
            }
        }
        if step % 10 == 0 {
            // However slow this machine is, it has looked by now.
            servers[0].flush(usize::MAX);
            follow.wait_for(" batch ", batches + 1);
        }
        match step {
            80 => {
                follow.child.kill().expect("killed");
                follow.child.wait().expect("its end");
                follow = Follow::start(&logs, lake, &said);
            }
            160 => {
                follow.stop();
                follow = Follow::start(&logs, lake, &said);
            }
            _ => {
                std::thread::sleep(Duration::from_millis(50));
                continue;
            }
        }
        // Whoever begins anew has not seen yet that a log is no longer written.
        let batches = count(&said, " batch ");
        for closed in servers.iter_mut().flat_map(|server| &mut server.closed) {
            closed.1 = batches;
        }
    }
    let mut written = Vec::new();
    for server in &mut servers {
        server.flush(usize::MAX);
        written.append(&mut server.written);
    }
    written.sort();
    follow.wait_for_rows(lake, written.len() as u64);
    follow.stop();
    let held = query_sorted(
        &["--lake", lake],
        "select session_id, sequence, data from events",
    );
    assert!(
        held == written,
        "{} rows of {}, {deleted} logs deleted",
        held.len(),
        written.len()
    );
    assert!(deleted > 3, "{deleted} logs deleted");
    assert_eq!(
        count(&said, "was deleted before it was read"),
        0,
        "{said:?}"
    );
    run_for(0, &["verify", "--lake", lake]);
    let output = run_for(0, &["audit", "--lake", lake, "--format", "ndjson"]);
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_log_deleted_while_it_is_written_leaves_a_gap_and_a_share_that_is_away_none() {
    let logs = empty("gone");
    let lake = empty("gone-lake").join("lake");
    let lake = lake.to_str().expect("UTF-8");
    let said = Arc::default();
    let mut servers = [
        Server::new(&logs, "EX01", 0),
        Server::new(&logs, "EX02", 0x10_0000),
    ];
    for server in &mut servers {
        server.session();
        server.flush(usize::MAX);
    }
    let follow = Follow::start(&logs, lake, &said);
    // The share goes away and comes back with more in it.
    std::fs::rename(logs.join("EX02"), logs.with_extension("away")).expect("away");
    let size = std::fs::metadata(servers[0].path()).expect("a log").len();
    std::fs::remove_file(servers[0].path()).expect("deleted");
    follow.wait_for("was deleted before it was read to its end", 1);
    std::fs::rename(logs.with_extension("away"), logs.join("EX02")).expect("back");
    servers[1].session();
    servers[1].flush(usize::MAX);
    servers[0].rotate(0);
    servers[0].session();
    servers[0].flush(usize::MAX);
    follow.wait_for_rows(lake, 20);
    follow.stop();
    let rows = query(&["--lake", lake], "select count(*) as n from events");
    assert_eq!(rows[0]["n"], 20);
    let gaps = || {
        query(
            &["--lake", lake],
            "select path, from_offset, to_offset, rows from sources where array_has(flags, 'gap') order by batch",
        )
    };
    let found = gaps();
    let [gap] = found.as_slice() else {
        panic!("{found:?}")
    };
    assert!(
        gap["path"]
            .as_str()
            .is_some_and(|path| path.contains("EX01")),
        "{gap}"
    );
    assert_eq!(
        (&gap["from_offset"], &gap["to_offset"]),
        (&size.into(), &size.into())
    );

    // Deleted while nobody looks: told by the next run, and not again by the one after.
    std::fs::remove_file(servers[1].path()).expect("deleted");
    for run in 1..=2 {
        let follow = Follow::start(&logs, lake, &said);
        follow.wait_for("was deleted before it was read to its end", 2);
        follow.stop();
        let found = gaps();
        assert_eq!(found.len(), 2, "run {run}: {found:?}");
        let path = found[1]["path"].as_str();
        assert!(path.is_some_and(|path| path.contains("EX02")), "{found:?}");
    }
    run_for(0, &["verify", "--lake", lake]);
}

/// Copies the logs of the shipped fleet of the first day, or of the second, when changes broke mail.
fn copy(logs: &Path, second_day: bool) {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet");
    for path in files(&fleet) {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.extension().is_none_or(|end| end != "LOG") || (name > "SEND20261002") != second_day
        {
            continue;
        }
        let to = logs.join(path.strip_prefix(&fleet).expect("below"));
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::copy(path, to).expect("copied");
    }
}

/// The breaking changes of the shipped fleet, each as a line of JSON.
fn breaking() -> Vec<String> {
    let args = ["drift", "--logs", "tests/fleet", "--breaking"];
    let output = run_for(1, &[&args[..], &["--format", "ndjson"]].concat());
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn a_change_that_breaks_mail_is_told_once_when_it_appears() {
    let logs = empty("appears");
    let lake = empty("appears-lake").join("lake");
    let lake = lake.to_str().expect("UTF-8");
    copy(&logs, false);
    let said = Arc::default();
    let follow = Follow::start(&logs, lake, &said);
    assert_eq!(count(&said, "\"key\""), 0);
    copy(&logs, true);
    let all = breaking().len();
    follow.wait_for("\"class\":\"renamed\"", 1);
    let begun = Instant::now();
    while count(&said, "\"key\"") < all && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    follow.stop();
    let said = said.lock().expect("said");
    let mut told: Vec<&String> = said
        .iter()
        .filter(|line| line.contains("\"key\""))
        .collect();
    let lines = told.len();
    told.sort();
    told.dedup();
    assert!(
        told.len() == lines && lines >= all,
        "{lines} lines, {} different, {all} findings",
        told.len()
    );
}

/// A webhook that answers as it is told, and what it was sent: head and body of each request.
struct Hook {
    port: u16,
    sent: Arc<Mutex<Vec<(u16, String, Value)>>>,
}

impl Hook {
    /// Answers these, then 204 for ever.
    fn start(answers: &[u16]) -> Hook {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let sent = Arc::<Mutex<Vec<_>>>::default();
        let (taken, mut answers) = (sent.clone(), VecDeque::from(answers.to_vec()));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut reader = BufReader::new(stream.try_clone().expect("a handle"));
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert!(reader.read_line(&mut head).expect("a line") > 0, "{head}");
                }
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).expect("a length");
                let length = length.lines().next().and_then(|line| line.parse().ok());
                let mut body = vec![0; length.expect("a number")];
                reader.read_exact(&mut body).expect("a body");
                let status = answers.pop_front().unwrap_or(204);
                let body = serde_json::from_slice(&body).expect("JSON");
                taken.lock().expect("sent").push((status, head, body));
                let answer = format!(
                    "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Hook { port, sent }
    }

    /// The changes that it took, in the order of their keys.
    fn taken(&self) -> Vec<Value> {
        let sent = self.sent.lock().expect("sent");
        let taken = sent.iter().filter(|(status, ..)| *status < 300);
        sorted(taken.map(|(.., body)| body.clone()).collect())
    }
}

fn sorted(mut changes: Vec<Value>) -> Vec<Value> {
    changes.sort_by_key(|change| change["key"].to_string());
    changes
}

/// Waits until something is so.
#[track_caller]
fn wait_until(what: &str, is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < Duration::from_secs(120), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The changes on the lines of a file.
fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let lines = text.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn keys(changes: &[Value]) -> Vec<String> {
    let keys = changes.iter().map(|change| change["key"].to_string());
    keys.collect()
}

/// True if these are all that broke mail in the shipped fleet, and those of earlier looks.
fn all_told(changes: &[Value]) -> bool {
    static BREAKING: OnceLock<Vec<Value>> = OnceLock::new();
    let parse = |line: String| serde_json::from_str(&line).expect("JSON");
    let due = BREAKING.get_or_init(|| breaking().into_iter().map(parse).collect());
    let told = keys(changes);
    keys(due).iter().all(|key| told.contains(key))
}

/// True if nothing is owed by the papers in a lake.
fn is_settled(lake: &str) -> bool {
    let papers = Path::new(lake).join("_relaydrift/positions");
    let papers = crate::util::files(&papers).into_iter();
    let owed = papers.map(|paper| {
        let paper = std::fs::read(paper).expect("a paper");
        let paper: Value = serde_json::from_slice(&paper).expect("JSON");
        paper["owed"].as_array().expect("a list").len()
    });
    owed.sum::<usize>() == 0
}

/// A program that appends the change and some variables to a file.
fn pager(folder: &Path) -> (String, PathBuf) {
    let (script, told) = (folder.join("page"), folder.join("told"));
    let text = "#!/bin/sh\ncat >> \"$1\"\necho \"$RELAYDRIFT_SERVER|$RELAYDRIFT_CLASS|$RELAYDRIFT_SEVERITY\" >> \"$1\"\necho paged\n";
    std::fs::write(&script, text).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&script, mode).expect("its mode");
    (format!("'{}' '{}'", script.display(), told.display()), told)
}

/// What is told whenever it was.
const EVER: [&str; 2] = ["--alarm-since", "36500d"];

#[test]
fn an_alarm_reaches_a_command_and_a_webhook_once_though_the_webhook_fails_at_first() {
    let folder = empty("alarms");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    let lake = lake.to_str().expect("UTF-8");
    copy(&logs, false);
    let (command, told) = pager(&folder);
    let hook = Hook::start(&[500, 429, 404]);
    let (address, token) = (folder.join("address"), folder.join("token"));
    std::fs::write(
        &address,
        format!("http://127.0.0.1:{}/hooks/s3cret?t=s3cret\n", hook.port),
    )
    .expect("written");
    std::fs::write(&token, "t0ken\n").expect("written");
    let (address, token) = (
        format!("@{}", address.display()),
        token.display().to_string(),
    );
    let options = [
        &EVER[..],
        &[
            "--on-drift",
            &command,
            "--webhook",
            &address,
            "--secret-file",
            &token,
        ],
    ]
    .concat();
    let said = Arc::default();
    let follow = Follow::start_with(&logs, lake, &said, &options);
    assert_eq!((hook.taken(), lines(&told)), (vec![], vec![]));
    copy(&logs, true);
    wait_until("all told", || {
        all_told(&hook.taken()) && all_told(&lines(&told)) && is_settled(lake)
    });
    // A restart tells nothing again.
    follow.stop();
    let follow = Follow::start_with(&logs, lake, &said, &options);
    let batches = count(&said, " batch ");
    let mut server = Server::new(&logs, "EX09", 0);
    server.session();
    server.flush(usize::MAX);
    follow.wait_for(" batch ", batches + 1);
    follow.stop();

    let output = program()
        .args(["drift", "--lake", lake, "--breaking", "--format", "ndjson"])
        .output()
        .expect("it runs");
    let found: Vec<Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let taken = hook.taken();
    // Some were told under an earlier look; each is a row of drift, and came once.
    assert!(
        found
            .iter()
            .all(|one| keys(&taken).contains(&one["key"].to_string())),
        "{taken:?}"
    );
    assert_eq!(keys(&taken), keys(&sorted(lines(&told))));
    let mut once = keys(&taken);
    once.dedup();
    assert_eq!(once, keys(&taken));
    let columns = |change: &Value| {
        change
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(
        taken
            .iter()
            .all(|change| columns(change) == columns(&found[0])),
        "{taken:?}"
    );
    let variables = std::fs::read_to_string(&told).expect("told");
    assert!(variables.contains("EX01|renamed|"), "{variables}");
    let sent = hook.sent.lock().expect("sent");
    assert!(
        sent.iter()
            .all(|(_, head, _)| head.to_lowercase().contains("authorization: bearer t0ken"))
    );
    assert!(
        sent[0].1.starts_with("POST /hooks/s3cret?t=s3cret "),
        "{}",
        sent[0].1
    );
    let said = said.lock().expect("said").join("\n");
    for status in ["500", "429", "404"] {
        let line = said.lines().find(|line| {
            line.contains(&format!("--webhook http://127.0.0.1:{}: ", hook.port))
                && line.contains(status)
        });
        assert!(
            line.is_some_and(|line| line.contains("trying again in")),
            "{status}: {said}"
        );
    }
    assert!(
        said.contains("paged") && !said.contains("s3cret") && !said.contains("t0ken"),
        "{said}"
    );
}

#[test]
fn a_program_killed_between_a_change_and_its_alarm_tells_it_after_its_restart() {
    let folder = empty("owed");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    let lake = lake.to_str().expect("UTF-8");
    copy(&logs, false);
    let pid = folder.join("pid");
    let hangs = format!(
        "sh -c 'echo $$ > \"{0}.new\"; mv \"{0}.new\" \"{0}\"; exec sleep 1000'",
        pid.display()
    );
    let said = Arc::default();
    let options = [&EVER[..], &["--alarm-timeout", "1h", "--on-drift", &hangs]].concat();
    let mut follow = Follow::start_with(&logs, lake, &said, &options);
    copy(&logs, true);
    wait_until("the command runs", || pid.exists());
    follow.child.kill().expect("killed");
    follow.child.wait().expect("its end");
    let left = std::fs::read_to_string(&pid).expect("its id");
    let ended = Command::new("kill").args(["-KILL", left.trim()]).status();
    assert!(ended.expect("kill").success(), "it was running");

    let (command, told) = pager(&folder);
    let options = [&EVER[..], &["--on-drift", &command]].concat();
    let follow = Follow::start_with(&logs, lake, &said, &options);
    wait_until("all told", || all_told(&lines(&told)) && is_settled(lake));
    follow.stop();
    let mut once = keys(&lines(&told));
    let all = once.len();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), all);
}

#[test]
fn a_command_that_hangs_is_killed_and_holds_up_neither_the_logs_nor_the_end() {
    let folder = empty("hangs");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    let lake = lake.to_str().expect("UTF-8");
    copy(&logs, false);
    let pids = folder.join("pids");
    let hangs = format!("sh -c 'echo $$ >> \"{}\"; exec sleep 1000'", pids.display());
    let said = Arc::default();
    let options = [
        &EVER[..],
        &["--alarm-timeout", "300ms", "--on-drift", &hangs],
    ]
    .concat();
    let follow = Follow::start_with(&logs, lake, &said, &options);
    copy(&logs, true);
    follow.wait_for("--on-drift sh: not done after 300ms, and killed", 2);
    let batches = count(&said, " batch ");
    let mut server = Server::new(&logs, "EX09", 0);
    server.session();
    server.flush(usize::MAX);
    follow.wait_for(" batch ", batches + 1);
    follow.stop();
    for pid in std::fs::read_to_string(&pids).expect("ids").lines() {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is left");
    }
}

#[test]
fn what_was_there_before_or_is_long_over_raises_no_alarm() {
    let folder = empty("old-alarms");
    let lake = folder.join("lake");
    let lake = lake.to_str().expect("UTF-8");
    let (command, told) = pager(&folder);
    run_for(0, &["ingest", "tests/fleet", "--lake", lake, "--quiet"]);
    let said = Arc::default();
    let options = [&EVER[..], &["--on-drift", &command]].concat();
    let follow = Follow::start_with(Path::new("tests/fleet"), lake, &said, &options);
    let paper = Path::new(lake).join("_relaydrift/positions/follow.told.on_drift.json");
    wait_until("it is on paper", || paper.exists());
    follow.stop();

    // Logs of long ago that arrive now.
    let (logs, lake) = (folder.join("late"), folder.join("late-lake"));
    let lake = lake.to_str().expect("UTF-8");
    copy(&logs, false);
    let follow = Follow::start_with(&logs, lake, &said, &["--on-drift", &command]);
    copy(&logs, true);
    follow.wait_for("did the last harm before --alarm-since: no alarm", 1);
    follow.stop();
    assert_eq!(lines(&told), Vec::<Value>::new());
}

#[test]
fn what_nobody_needs_any_more_goes_where_that_is_wanted() {
    let folder = empty("vacuumed");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    std::fs::create_dir_all(&logs).expect("a folder");
    let lake = lake.to_str().expect("UTF-8");
    for server in ["EX01", "EX02"] {
        let logs = format!("tests/fleet/{server}");
        run_for(0, &["ingest", &logs, "--lake", lake, "--quiet"]);
    }
    run_for(0, &["compact", "--lake", lake, "--quiet"]);
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 24 * 3600);
    for file in files(Path::new(lake)) {
        let file = OpenOptions::new().append(true).open(file).expect("a file");
        let times = FileTimes::new().set_modified(long_ago);
        file.set_times(times).expect("its time");
    }
    let needless = || {
        run_for(
            0,
            &[
                "vacuum",
                "--lake",
                lake,
                "--older-than",
                "1d",
                "--dry-run",
                "--format",
                "ndjson",
            ],
        )
    };
    assert!(text(&needless().stdout).contains(r#""kind":"replaced""#));
    let follow = Follow::start_with(&logs, lake, &Arc::default(), &["--vacuum", "1d"]);
    // With the first batch.
    let log = "tests/fleet/EX03/SmtpSend/SEND20261003-1.LOG";
    std::fs::copy(log, logs.join("SEND2026100105-1.LOG")).expect("copied");
    wait_until("it is gone", || needless().stdout.is_empty());
    follow.stop();
    run_for(0, &["verify", "--lake", lake]);
}

#[test]
fn a_change_that_another_program_took_in_is_told() {
    let folder = empty("alarms-of-others");
    let (logs, lake) = (folder.join("logs"), folder.join("lake"));
    std::fs::create_dir_all(&logs).expect("a folder");
    let lake = lake.to_str().expect("UTF-8");
    let (command, told) = pager(&folder);
    let said = Arc::default();
    let options = [&EVER[..], &["--on-drift", &command]].concat();
    let follow = Follow::start_with(&logs, lake, &said, &options);
    follow.wait_for("0 breaking changes so far", 1);
    run_for(0, &["ingest", "tests/fleet", "--lake", lake, "--quiet"]);
    wait_until("it is told", || {
        told.exists() && is_settled(lake) && all_told(&lines(&told))
    });
    follow.stop();
}

#[test]
fn a_way_that_cannot_work_is_an_error_before_anything_is_read() {
    let lake = empty("no-way").join("lake");
    let lake = lake.to_str().expect("UTF-8");
    for (option, value, what) in [
        (
            "--on-drift",
            "/no/such/program --now",
            "--on-drift /no/such/program: no such program",
        ),
        (
            "--on-drift",
            "README.md",
            "--on-drift README.md: no such program",
        ),
        (
            "--on-drift",
            "./README.md",
            "--on-drift ./README.md: no such program",
        ),
        ("--on-drift", "sh 'x", "a quote is not closed"),
        ("--webhook", "http://198.51.100.1/s3cret", "not https"),
        ("--webhook", "s3cret", "not an address"),
        ("--webhook", "@/no/such/file", "cannot be read"),
        ("--vacuum", "5h", "write 6h or more"),
    ] {
        let output = run_for(2, &["follow", "tests/fleet", "--lake", lake, option, value]);
        let said = text(&output.stderr);
        assert!(said.contains(what) && !said.contains("s3cret"), "{said}");
    }
}
