//! N rows in, N records out, to the byte: whatever bytes logs hold, in every format, by every way, and whoever dies
//! at whatever moment. What a receiver has is held against the lines of an undisturbed export.
//!
//! Deaths are tried at moments of the second request; RELAYDRIFT_SWEEP=1 tries every moment of six (17 minutes).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::receivers::{Death, Kind, Point, Receiver};
use crate::util::{Fleet, empty, program, query, run_for, skip, text};

const FLEET: &str = "--servers 2 --days 2 --seed 57 --sessions-per-hour 25";
/// The time of every report, so that records are the same in every run.
const AS_OF: [&str; 2] = ["--as-of", "2026-11-20T00:00:00Z"];
/// A connector's name with all that formats escape.
const CONNECTOR: &[u8] =
    b"\"Out, \"\"x\"\" |=\\] '\x1b[2J\xe2\x80\xa8\xff\xfe<script>\xc3\xa9\x00%n {{7*7}}\"";

/// Bytes of no meaning at all, without the four that the log format gives one.
struct Noise(u64);

impl Noise {
    fn bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..8 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            bytes.extend_from_slice(&self.0.to_be_bytes()[..3]);
        }
        bytes.retain(|byte| !b"\r\n,\"".contains(byte));
        bytes
    }
}

/// A line of a log with noise in its texts.
fn spoil(line: &[u8], noise: &mut Noise, out: &mut Vec<u8>) {
    const PLACES: [&[u8]; 5] = [
        b"TenantAttribution",
        b"Hello [203.0.113.10]",
        b"Microsoft ESMTP MAIL Service",
        b"O=Contoso",
        b"2.6.0 <",
    ];
    const NAME: &[u8] = b",Outbound to Office 365,";
    let at = |of: &[u8]| line.windows(of.len()).position(|window| window == of);
    let mut line = line.to_vec();
    // Texts of certificates stay the same from line to line.
    if let Some((place, from)) = PLACES.iter().find_map(|place| Some((place, at(place)?))) {
        let bytes = match *place {
            b"O=Contoso" => Noise(7).bytes(),
            _ => noise.bytes(),
        };
        let end = from + place.len();
        line.splice(end..end, bytes);
    }
    if let Some(from) = at(NAME) {
        line.splice(from + 1..from + NAME.len() - 1, CONNECTOR.iter().copied());
    }
    out.extend_from_slice(&line);
}

/// A lake of logs with arbitrary bytes in them; made once.
fn lake() -> &'static str {
    static LAKE: OnceLock<String> = OnceLock::new();
    LAKE.get_or_init(|| {
        let (fleet, folder) = (Fleet::new(FLEET), empty("deliveries"));
        let mut noise = Noise(57);
        for server in ["EX01", "EX02"] {
            let mut folders = vec![fleet.logs.join(server)];
            while let Some(from) = folders.pop() {
                for entry in std::fs::read_dir(&from).expect("a folder") {
                    let path = entry.expect("an entry").path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    let mut spoiled = Vec::new();
                    for line in std::fs::read(&path)
                        .expect("a log")
                        .split_inclusive(|b| *b == b'\n')
                    {
                        spoil(line, &mut noise, &mut spoiled);
                    }
                    let to = folder
                        .join("logs")
                        .join(path.strip_prefix(&fleet.logs).expect("below"));
                    std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                    std::fs::write(to, spoiled).expect("a log");
                }
            }
        }
        let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
        run_for(
            0,
            &["ingest", &path("logs"), "--lake", &path("lake"), "--quiet"],
        );
        path("lake")
    })
}

fn arguments(what: &str, format: &str, resume: Option<&str>) -> Vec<String> {
    let mut all: Vec<String> = ["export", "--lake", lake(), "--what", what, "--as", format]
        .iter()
        .chain(&AS_OF)
        .chain(&["--mailboxes", "--quiet"])
        .map(|word| (*word).to_owned())
        .collect();
    if let Some(name) = resume {
        all.extend(["--resume".to_owned(), name.to_owned()]);
    }
    all
}

fn start(what: &str, format: &str, resume: Option<&str>, target: &[String]) -> Child {
    let mut command = program();
    command.args(arguments(what, format, resume)).args(target);
    command
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

#[track_caller]
fn deliver(what: &str, format: &str, resume: Option<&str>, target: &[String]) {
    let output = start(what, format, resume, target)
        .wait_with_output()
        .expect("it ends");
    assert!(
        output.status.success(),
        "{target:?}: {}",
        text(&output.stderr)
    );
}

/// The records of an undisturbed export, as a set of lines; JSON in one spelling.
fn reference(what: &str, format: &str, resume: bool) -> BTreeSet<String> {
    let name = format!(
        "reference-{what}-{format}-{:?}",
        std::thread::current().id()
    );
    let name: String = name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let mut command = program();
    command.args(arguments(what, format, resume.then_some(&name)));
    let output = command
        .args(["--to", "-"])
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = text(&output.stdout)
        .lines()
        .skip(usize::from(format == "csv"));
    lines.map(spelled).collect()
}

fn spelled(line: &str) -> String {
    match line.starts_with('{') {
        true => serde_json::from_str::<Value>(line)
            .expect("JSON")
            .to_string(),
        false => line.to_owned(),
    }
}

fn rows(view: &str) -> usize {
    let rows = query(
        &["--lake", lake()],
        &format!("select count(*) as n from {view}"),
    );
    usize::try_from(rows[0]["n"].as_u64().expect("a count")).expect("a count")
}

/// The position that a name has in the lake.
fn kept(name: &str) -> PathBuf {
    Path::new(lake()).join(format!("_relaydrift/positions/{name}.json"))
}

#[test]
fn any_bytes_come_out_in_every_format_and_by_every_way() {
    let folder = empty("deliveries-files");
    let connectors = query(
        &["--lake", lake()],
        "select distinct connector_id from sessions",
    );
    let connectors: BTreeSet<&str> = connectors
        .iter()
        .filter_map(|row| row["connector_id"].as_str())
        .collect();
    assert!(
        connectors.iter().any(|name| name.contains("|=\\]")),
        "{connectors:?}"
    );
    let mut all = Vec::new();
    for what in ["refusals", "sessions"] {
        let want = rows(what);
        assert!(want > 50, "{want} {what}");
        for format in crate::exports::FORMATS {
            let lines = reference(what, format, false);
            assert_eq!(lines.len(), want, "{what} as {format}");
            if format == "ndjson" {
                let told = lines
                    .iter()
                    .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
                let told: BTreeSet<String> = told
                    .map(|one| one["connector"].as_str().unwrap_or_default().to_owned())
                    .collect();
                assert!(
                    told.iter()
                        .all(|name| name.is_empty() || connectors.contains(name.as_str())),
                    "{told:?}"
                );
            }
            let file = folder.join(format!("{what}-{format}"));
            let target = ["--to", file.to_str().expect("UTF-8")].map(str::to_owned);
            deliver(what, format, None, &target);
            let text = std::fs::read_to_string(&file).expect("UTF-8");
            let got: BTreeSet<String> = text
                .lines()
                .skip(usize::from(format == "csv"))
                .map(spelled)
                .collect();
            assert!(got == lines, "{what} as {format} into a file");
            all.push((what, format, lines));
        }
    }
    for kind in Kind::ALL {
        let receiver = Receiver::start(kind, "bytes");
        for (what, format, lines) in &all {
            if !kind.formats().contains(format) {
                continue;
            }
            receiver.forget();
            deliver(what, format, None, &receiver.target());
            let taken = receiver.taken();
            assert_eq!(taken.len(), lines.len(), "{what} as {format} to {kind:?}");
            let taken: BTreeSet<String> = taken.iter().map(|line| spelled(line)).collect();
            assert!(taken == *lines, "{what} as {format} to {kind:?}");
        }
    }
}

/// What is tried: moments of the second request; or every moment of six.
fn deaths(of_sender: bool) -> Vec<Death> {
    use Point::{Answered, Half, HalfAnswered, Kept, Stored};
    let some: &[Point] = match of_sender {
        true => &[Half, Stored, Answered, Kept],
        // One that dies behind its answer's last byte is one that dies before the next request.
        false => &[Half, Stored, HalfAnswered],
    };
    let (requests, points) = match std::env::var_os("RELAYDRIFT_SWEEP") {
        Some(_) => (1..=6, Point::ALL.as_slice()),
        None => (2..=2, some),
    };
    let all = requests.flat_map(|request| points.iter().map(move |point| (request, *point)));
    let all = all.filter(|(_, point)| of_sender || *point != Kept);
    all.map(|(request, point)| Death { request, point })
        .collect()
}

#[track_caller]
fn nothing_is_lost(receiver: &Receiver, want: &BTreeSet<String>, death: &Death) {
    let got: BTreeSet<String> = receiver.taken().iter().map(|line| spelled(line)).collect();
    let lost = want.difference(&got).count();
    let strange = got.difference(want).next();
    assert_eq!((lost, strange), (0, None), "{:?}, {death:?}", receiver.kind);
}

/// The sender is killed at each moment and started again.
fn killed_senders(kind: Kind) {
    let format = kind.formats()[0];
    let want = reference("sessions", format, true);
    let receiver = Receiver::start(kind, "senders");
    let mut killed = 0;
    for (n, death) in deaths(true).iter().enumerate() {
        let name = format!("{}-{n}", kind.name());
        receiver.forget();
        // The receiver learns whom to kill before the sender can have read its lake.
        let mut child = start("sessions", format, Some(&name), &receiver.target());
        receiver.plan(Some(*death), child.id(), &kept(&name));
        let status = child.wait().expect("it ends");
        killed += u32::from(!status.success());
        deliver("sessions", format, Some(&name), &receiver.target());
        nothing_is_lost(&receiver, &want, death);
    }
    assert!(killed >= 3, "{kind:?}: {killed} senders were killed");
}

/// The receiver is killed at each moment, and comes back a while later.
fn killed_receivers(kind: Kind) {
    let format = kind.formats()[0];
    let want = reference("sessions", format, true);
    let mut receiver = Receiver::start(kind, "receivers");
    let mut killed = 0;
    for (n, death) in deaths(false).iter().enumerate() {
        let name = format!("{}-receiver-{n}", kind.name());
        receiver.forget();
        receiver.plan(Some(*death), 0, &kept(&name));
        let mut child = start("sessions", format, Some(&name), &receiver.target());
        let started = Instant::now();
        while child.try_wait().expect("its state").is_none() {
            assert!(
                started.elapsed() < Duration::from_secs(100),
                "{kind:?}, {death:?}"
            );
            if receiver.is_dead() {
                std::thread::sleep(Duration::from_millis(400));
                receiver.restart();
                killed += 1;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().expect("it ended");
        assert!(output.status.success(), "{}", text(&output.stderr));
        nothing_is_lost(&receiver, &want, death);
    }
    assert!(killed >= 2, "{kind:?}: {killed} receivers were killed");
}

macro_rules! each_way {
    ($($name:ident: $kind:ident),* $(,)?) => {$(
        mod $name {
            #[test]
            fn a_sender_killed_at_any_moment_loses_nothing() {
                super::killed_senders(super::Kind::$kind);
            }

            #[test]
            fn a_receiver_killed_at_any_moment_loses_nothing() {
                super::killed_receivers(super::Kind::$kind);
            }
        }
    )*};
}

each_way! {
    syslog_tcp: SyslogTcp,
    syslog_tls: SyslogTls,
    hec: Hec,
    hec_with_acknowledgement: HecAcks,
    bulk: Bulk,
    logs_ingestion: LogsIngestion,
}

/// Every record in the parts of a file.
fn in_files(folder: &Path) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder") {
        let text = std::fs::read_to_string(entry.expect("a file").path()).expect("UTF-8");
        all.extend(text.lines().map(spelled));
    }
    all
}

/// Kills an export to files in many ways, each followed by an undisturbed run.
fn killed_writers(test: &str, killers: Vec<Vec<String>>) {
    let want = reference("sessions", "ndjson", true);
    let mut killed = 0;
    for (n, killer) in killers.iter().enumerate() {
        let name = format!("{test}-{n}");
        let folder = empty(&format!("deliveries-{test}"));
        let file = folder
            .join("out.ndjson")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        let target = ["--to", &file, "--roll", "1500KB"].map(str::to_owned);
        let mut command = Command::new(&killer[0]);
        command.args(&killer[1..]).arg(program().get_program());
        command
            .args(arguments("sessions", "ndjson", Some(&name)))
            .args(&target);
        let status = command.stderr(Stdio::null()).status().expect("it starts");
        killed += u32::from(!status.success());
        deliver("sessions", "ndjson", Some(&name), &target);
        let got = in_files(&folder);
        let lost = want.difference(&got).count();
        assert_eq!(
            (lost, got.difference(&want).next()),
            (0, None),
            "{killer:?}"
        );
    }
    let tried = killers.len();
    assert!(
        killed as usize * 2 >= tried,
        "{test}: {killed} of {tried} were killed"
    );
}

fn is_there(tool: &str) -> bool {
    let output = Command::new(tool).arg("--version").output();
    output.is_ok_and(|output| output.status.success())
}

#[test]
fn a_file_torn_at_any_byte_is_made_good() {
    if !is_there("prlimit") {
        return skip("torn files", "no prlimit");
    }
    // The system ends a program whose file grows beyond this: all bytes up to it are written.
    let limits = [300_000, 1, 4_096, 999_999, 1_048_576, 1_100_001, 1_300_000];
    let killers = limits
        .iter()
        .map(|bytes| vec!["prlimit".to_owned(), format!("--fsize={bytes}")]);
    killed_writers("torn", killers.collect());
}

#[test]
fn a_writer_killed_at_each_write_loses_nothing() {
    if !is_there("strace") {
        return skip("killed writers", "no strace");
    }
    // Before it syncs what it wrote, and before the position gets its name.
    let all = std::env::var_os("RELAYDRIFT_SWEEP").is_some();
    let mut killers = Vec::new();
    for call in [
        "fdatasync",
        "fsync",
        "?rename,?renameat,?renameat2,?link,?linkat",
    ] {
        for count in 1..=if all { 4 } else { 2 } {
            let (trace, inject) = (
                format!("trace={call}"),
                format!("inject={call}:signal=KILL:when={count}"),
            );
            let words = [
                "strace",
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &trace,
                "-e",
                &inject,
            ];
            killers.push(words.map(str::to_owned).to_vec());
        }
    }
    killed_writers("writes", killers);
}
