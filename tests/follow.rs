//! A lake that follows folders holds each line that was written there once, whatever is done to the files.
#![cfg(unix)]

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::util::{empty, files, program, query, query_sorted, run_for, text};

/// A running `relaydrift follow` and what it said.
struct Follow {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Follow {
    fn start(logs: &Path, lake: &str, said: &Arc<Mutex<Vec<String>>>) -> Follow {
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

    /// Ends it as a service manager does; it must end well.
    fn stop(mut self) {
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

fn count(said: &Arc<Mutex<Vec<String>>>, what: &str) -> usize {
    let said = said.lock().expect("said");
    said.iter().filter(|line| line.contains(what)).count()
}

/// A server that logs: rows of interleaved sessions, cut anywhere between two writes.
struct Server {
    folder: PathBuf,
    name: &'static str,
    instance: usize,
    session: u64,
    /// Bytes that are in the server's buffer.
    buffer: Vec<u8>,
    /// Logs that are no longer written, and how many batches there were when they were closed.
    closed: VecDeque<(PathBuf, usize)>,
    written: Vec<String>,
}

impl Server {
    fn new(logs: &Path, name: &'static str, first: u64) -> Server {
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

    fn path(&self) -> PathBuf {
        self.folder
            .join(format!("SEND2026100510-{}.LOG", self.instance))
    }

    /// Closes the log and begins another; one in three without a header, as after a restart.
    fn rotate(&mut self, batches: usize) {
        self.flush(usize::MAX);
        if self.instance > 0 {
            self.closed.push_back((self.path(), batches));
        }
        self.instance += 1;
        if !self.instance.is_multiple_of(3) {
            let header = format!(
                "#Software: Microsoft Exchange Server\r\n#Version: 15.0.0.0\r\n#Log-type: SMTP Send Protocol Log\r\n\
                 #Date: 2026-10-05T10:00:00.{:03}Z\r\n#Fields: date-time,connector-id,session-id,sequence-number,\
                 local-endpoint,remote-endpoint,event,data,context\r\n",
                self.instance
            );
            self.buffer.extend_from_slice(header.as_bytes());
        }
    }

    fn session(&mut self) {
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
    fn flush(&mut self, bytes: usize) {
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
    let begun = Instant::now();
    let rows = || query(&["--lake", lake], "select count(*) as n from events")[0]["n"].as_u64();
    while rows() < Some(written.len() as u64) && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(500));
    }
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
    let begun = Instant::now();
    let rows = || query(&["--lake", lake], "select count(*) as n from events")[0]["n"].as_u64();
    while rows() < Some(20) && begun.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(500));
    }
    follow.stop();
    assert_eq!(rows(), Some(20));
    let gaps = query(
        &["--lake", lake],
        "select path, from_offset, to_offset, rows from sources where array_has(flags, 'gap')",
    );
    let [gap] = gaps.as_slice() else {
        panic!("{gaps:?}")
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
    run_for(0, &["verify", "--lake", lake]);
}

#[test]
fn a_change_that_breaks_mail_is_told_once_when_it_appears() {
    let fleet = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet");
    let logs = empty("appears");
    let lake = empty("appears-lake").join("lake");
    let lake = lake.to_str().expect("UTF-8");
    // The changes that broke mail are of the second day or later.
    let copy = |second_day: bool| {
        for path in files(&fleet) {
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if path.extension().is_none_or(|end| end != "LOG")
                || (name > "SEND20261002") != second_day
            {
                continue;
            }
            let to = logs.join(path.strip_prefix(&fleet).expect("below"));
            std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            std::fs::copy(path, to).expect("copied");
        }
    };
    copy(false);
    let said = Arc::default();
    let follow = Follow::start(&logs, lake, &said);
    assert_eq!(count(&said, "\"key\""), 0);
    copy(true);
    let all = run_for(
        1,
        &[
            "drift",
            "--logs",
            "tests/fleet",
            "--breaking",
            "--format",
            "ndjson",
        ],
    );
    let all = text(&all.stdout).lines().count();
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
