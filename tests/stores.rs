//! Lakes in object stores, against real servers of their protocols: an S3 server (moto) and an Azure one
//! (Azurite), each a process of its own. What a lake holds there is what a local one holds.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::util::{CONTENT, Fleet, empty, program, query_sorted, run_for, skip, text};

pub const FLEET: &str = "--servers 3 --days 1 --seed 21 --sessions-per-hour 1";

const SECRET: &str = "bm90LXRoZS1zZWNyZXQtdGhhdC1pcy1rbm93bg==";

/// A server that ends with its test.
pub struct Server {
    child: Child,
    port: u16,
    /// What the program is told of it.
    pub environment: Vec<(&'static str, String)>,
    /// Where lakes are made.
    pub bucket: &'static str,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `.ci/run` has installed.
fn tool(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/stores")
        .join(path);
    path.exists().then_some(path)
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Server {
    /// Starts a server and waits until it listens.
    fn start(command: &mut Command, port: u16, bucket: &'static str) -> Server {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let server = Server {
            child: child.expect("the server starts"),
            port,
            environment: Vec::new(),
            bucket,
        };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{bucket}: no server"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    fn s3(port: u16) -> Option<Server> {
        let moto = tool("venv/bin/moto_server")?;
        let listening = ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned);
        let mut server = Server::start(Command::new(moto).args(listening), port, "s3://lakes");
        server.upload(None);
        server.environment = vec![
            ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
            ("AWS_ACCESS_KEY_ID", "id".into()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.into()),
        ];
        Some(server)
    }

    fn azure(port: u16) -> Option<Server> {
        let azurite = tool("node/node_modules/.bin/azurite-blob")?;
        let options = [
            "--inMemoryPersistence",
            "--skipApiVersionCheck",
            "--disableTelemetry",
        ];
        let mut command = Command::new(azurite);
        command
            .args(options)
            .arg("--blobPort")
            .arg(port.to_string());
        let mut server = Server::start(&mut command, port, "az://lakes");
        server.upload(None);
        server.environment = vec![
            ("AZURE_STORAGE_USE_EMULATOR", "true".into()),
            (
                "AZURITE_BLOB_STORAGE_URL",
                format!("http://127.0.0.1:{port}"),
            ),
        ];
        Some(server)
    }

    /// Tells the program to ask another port; the one so far.
    pub fn redirect(&mut self, port: u16) -> u16 {
        let (_, url) = (self.environment.iter_mut())
            .find(|(_, value)| value.starts_with("http"))
            .expect("a server has a URL");
        *url = format!("http://127.0.0.1:{port}");
        self.port
    }

    /// Makes the bucket, or puts all files of a folder into it.
    fn upload(&self, folder: Option<&Path>) {
        let (scheme, name) = self.bucket.split_once("://").expect("a URL");
        let mut command = Command::new("python3");
        command.args(["tests/upload.py", scheme, &self.port.to_string(), name]);
        let command = command.args(folder).current_dir(env!("CARGO_MANIFEST_DIR"));
        let done = command.output().expect("python3 starts");
        assert!(done.status.success(), "{}", text(&done.stderr));
    }

    pub fn program(&self, args: &[&str]) -> Command {
        let mut command = program();
        command
            .args(args)
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    #[track_caller]
    pub fn run(&self, code: i32, args: &[&str]) -> Output {
        let output = self.program(args).output().expect("the program starts");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}\n{said}");
        output
    }

    #[track_caller]
    pub fn content(&self, lake: &str) -> Vec<String> {
        let output = self.run(0, &["sql", "--lake", lake, "--format", "ndjson", CONTENT]);
        let mut rows: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
        rows.sort();
        rows
    }
}

/// A proxy before a server: it counts what comes back, and can stop the run at a write.
struct Proxy {
    /// What to stop at.
    stop: Mutex<Option<Stop>>,
    /// The write was seen: it waits, and so does whoever sent it.
    stopped: AtomicBool,
    received: AtomicU64,
}

/// A write of an object with this in its name, before the store has it or after.
#[derive(Clone, Copy)]
struct Stop(&'static str, When);

#[derive(Clone, Copy, PartialEq)]
enum When {
    Before,
    After,
}

impl Proxy {
    /// Puts a proxy between the program and the server.
    fn before(server: &mut Server) -> Arc<Proxy> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = server.redirect(listener.local_addr().expect("an address").port());
        let proxy = Arc::new(Proxy {
            stop: Mutex::new(None),
            stopped: AtomicBool::new(false),
            received: AtomicU64::new(0),
        });
        let shared = proxy.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (shared, server) = (shared.clone(), TcpStream::connect(("127.0.0.1", to)));
                std::thread::spawn(move || shared.carry(client, server?));
            }
        });
        proxy
    }

    /// One connection: requests there, answers back.
    fn carry(
        self: Arc<Proxy>,
        mut client: TcpStream,
        mut server: TcpStream,
    ) -> std::io::Result<()> {
        let (shared, silent) = (self.clone(), Arc::new(AtomicBool::new(false)));
        let (mut from, mut to, unanswered) =
            (server.try_clone()?, client.try_clone()?, silent.clone());
        std::thread::spawn(move || -> std::io::Result<()> {
            let mut bytes = vec![0; 1 << 16];
            loop {
                let read = from.read(&mut bytes)?;
                if read == 0 {
                    return to.shutdown(Shutdown::Both);
                }
                if unanswered.load(Ordering::SeqCst) {
                    shared.stopped.store(true, Ordering::SeqCst);
                    loop {
                        std::thread::park();
                    }
                }
                shared.received.fetch_add(read as u64, Ordering::SeqCst);
                to.write_all(&bytes[..read])?;
            }
        });
        let mut bytes = vec![0; 1 << 16];
        loop {
            let read = client.read(&mut bytes)?;
            if read == 0 {
                return server.shutdown(Shutdown::Both);
            }
            let line = bytes[..read]
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            let line = String::from_utf8_lossy(line);
            let stop = *self.stop.lock().expect("no thread panics with it");
            match stop.filter(|stop| line.starts_with("PUT ") && line.contains(stop.0)) {
                None => {}
                Some(Stop(_, When::After)) => silent.store(true, Ordering::SeqCst),
                Some(Stop(_, When::Before)) => {
                    self.stopped.store(true, Ordering::SeqCst);
                    loop {
                        std::thread::park();
                    }
                }
            }
            server.write_all(&bytes[..read])?;
        }
    }

    /// Kills (9) the run of a command when it stops.
    fn kill(&self, stop: Stop, command: &mut Command) {
        self.stopped.store(false, Ordering::SeqCst);
        *self.stop.lock().expect("no thread panics with it") = Some(stop);
        let mut child = command.spawn().expect("the program starts");
        while !self.stopped.load(Ordering::SeqCst) {
            let ended = child.try_wait().expect("its state");
            assert!(ended.is_none(), "ended without writing {}", stop.0);
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().expect("killed");
        child.wait().expect("its end");
        *self.stop.lock().expect("no thread panics with it") = None;
    }
}

/// Servers that can be had here.
pub fn servers(test: &str) -> Vec<Server> {
    let s3 = Server::s3(free_port());
    let azure = Server::azure(free_port());
    for (server, missing) in [("S3", s3.is_none()), ("Azure", azure.is_none())] {
        if missing {
            skip(
                &format!("{test} ({server})"),
                "no server in target/stores: .ci/run installs it",
            );
        }
    }
    s3.into_iter().chain(azure).collect()
}

/// What a local lake of the fleet holds.
pub fn local(fleet: &Fleet) -> &'static [String] {
    static ROWS: OnceLock<Vec<String>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let lake = empty("stores-local").join("lake");
        let lake = lake.to_str().expect("a path in UTF-8");
        run_for(0, &["ingest", fleet.path(), "--lake", lake, "--quiet"]);
        query_sorted(&["--lake", lake], CONTENT)
    })
}

#[test]
fn a_lake_in_a_store_holds_what_a_local_one_holds() {
    let fleet = Fleet::new(FLEET);
    let want = local(&fleet);
    for server in servers("a lake in a store") {
        let lake = format!("{}/a b/lake", server.bucket);
        let ingest = ["ingest", fleet.path(), "--lake", &lake];
        server.run(0, &ingest);
        assert!(server.content(&lake) == want, "{lake}");
        let again = server.run(0, &ingest);
        assert!(text(&again.stderr).contains("nothing new"), "{lake}");
        server.run(0, &["verify", "--lake", &lake]);
        // The other ways to name the same place.
        let other = match server.bucket {
            "s3://lakes" => "s3a://lakes/a%20b/lake/",
            _ => "abfss://lakes@devstoreaccount1.dfs.core.windows.net/a b/lake",
        };
        assert!(server.content(other) == want, "{other}");
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    std::fs::copy(from, to).expect("copied");
}

fn gzip(file: &Path) {
    let done = Command::new("gzip").arg(file).status();
    assert!(done.expect("gzip starts").success());
}

#[test]
fn logs_in_a_store_give_what_they_give_in_a_folder() {
    let fleet = Fleet::new(FLEET);
    let want = local(&fleet);
    let logs = crate::util::files(&fleet.logs);
    let log = |path: &Path| path.strip_prefix(&fleet.logs).expect("a log").to_owned();
    for server in servers("logs in a store") {
        let url = |name: &str| format!("{}/{name}", server.bucket);
        // At first one server's logs are packed, and another's last one is not all there.
        let begun = empty("stores-begun");
        for path in &logs {
            let to = begun.join("logs").join(log(path));
            copy(path, &to);
            if to.components().any(|part| part.as_os_str() == "EX02") {
                gzip(&to);
            }
        }
        let last = logs.iter().rfind(|path| log(path).starts_with("EX03"));
        let last = last.expect("a log of EX03");
        let whole = std::fs::read(last).expect("a log");
        let half = whole[..whole.len() / 2]
            .iter()
            .rposition(|byte| *byte == b'\n');
        let growing = begun.join("logs").join(log(last));
        std::fs::write(&growing, &whole[..=half.expect("a line")]).expect("written");
        server.upload(Some(&begun));

        let folder = empty("stores-logs");
        let lake = folder.join("lake");
        let lake = lake.to_str().expect("a path in UTF-8");
        let ingest = ["ingest", &url("logs"), "--lake", lake];
        server.run(0, &ingest);
        std::fs::write(&growing, &whole).expect("written");
        server.upload(Some(&begun));
        server.run(0, &ingest);
        let again = server.run(0, &ingest);
        assert!(text(&again.stderr).contains("nothing new"));
        // Where they lie makes no other logs of them.
        let again = run_for(0, &["ingest", fleet.path(), "--lake", lake]);
        let said = text(&again.stderr);
        assert!(said.contains("nothing new"), "{said}");
        // An hour of two batches has two observations; all else is as it is at once.
        let once = |content: &[String]| -> Vec<String> {
            let of = |row: &&String| row.contains("event|") || row.contains("transaction|");
            content.iter().filter(of).cloned().collect()
        };
        assert!(
            once(&server.content(lake)) == once(want),
            "{}",
            server.bucket
        );
        let whole = folder.join("whole");
        let whole = whole.to_str().expect("a path in UTF-8");
        server.run(0, &["ingest", &url("logs"), "--lake", whole]);
        assert!(server.content(whole) == want, "{}", server.bucket);

        let query = "select server, count(*) as n from events group by 1 order by 1";
        let ask = |logs: &str| {
            let rows = server.run(0, &["sql", "--logs", logs, "--format", "csv", query]);
            text(&rows.stdout).to_owned()
        };
        assert_eq!(ask(&url("logs")), ask(fleet.path()));
        let one = ask(&url("logs/EX0[12]/**"));
        assert!(one.contains("EX01") && !one.contains("EX03"), "{one}");
        let findings = |logs: &str| {
            let output = server.run(1, &["check", logs, "--format", "csv", "--quiet"]);
            text(&output.stdout).lines().count()
        };
        assert_eq!(findings(&url("logs")), findings(fleet.path()));
        let missing = server.run(2, &["check", &url("lost")]);
        assert!(text(&missing.stderr).contains(&url("lost")));
    }
}

#[test]
fn an_ingest_into_a_store_is_killed_and_made_good_by_the_next() {
    let fleet = Fleet::new(FLEET);
    let want = local(&fleet);
    for mut server in servers("a killed ingest") {
        let proxy = Proxy::before(&mut server);
        let lake = format!("{}/killed", server.bucket);
        let ingest = ["ingest", fleet.path(), "--lake", &lake, "--quiet"];
        // From the first write to the last, each run going on where the one before was stopped.
        for stop in [
            Stop("/_relaydrift/lake.json", When::After),
            Stop(
                "/observations/_delta_log/00000000000000000000.json",
                When::Before,
            ),
            Stop("/events/part-", When::Before),
            Stop("/_relaydrift/batches/1.json", When::Before),
            Stop("/_relaydrift/batches/1.json", When::After),
            Stop("/events/_delta_log/00000000000000000001.json", When::After),
            Stop(
                "/sources/_delta_log/00000000000000000001.json",
                When::Before,
            ),
        ] {
            proxy.kill(stop, &mut server.program(&ingest));
        }
        server.run(0, &ingest);
        assert!(server.content(&lake) == want, "{lake}");
        server.run(0, &["verify", "--lake", &lake]);
    }
}

#[test]
fn a_question_about_a_day_and_a_connector_fetches_a_part_of_the_lake() {
    let fleet = Fleet::new("--servers 2 --days 4 --seed 21 --sessions-per-hour 4");
    let days: Vec<String> = query_sorted(
        &["--logs", fleet.path()],
        "select distinct cast(cast(event_time as date) as varchar) as day from events",
    );
    let days = days.iter().map(|row| row[8..18].to_owned());
    let days: Vec<_> = days.collect();
    for mut server in servers("bytes fetched") {
        let proxy = Proxy::before(&mut server);
        let lake = format!("{}/days", server.bucket);
        for day in &days {
            let glob = format!("{}/**/SEND{}*", fleet.path(), day.replace('-', ""));
            server.run(0, &["ingest", &glob, "--lake", &lake, "--quiet"]);
        }
        let ask = |what: &str| {
            let before = proxy.received.load(Ordering::SeqCst);
            let sql = format!(
                "select count(*) as n, min(data) as least, max(context) as most from events {what}"
            );
            let output = server.run(0, &["sql", "--lake", &lake, "--format", "csv", &sql]);
            (
                text(&output.stdout).to_owned(),
                proxy.received.load(Ordering::SeqCst) - before,
            )
        };
        let (day, next) = (&days[2], &days[3]);
        let one = format!(
            "where event_time >= '{day}T00:00:00Z' and event_time < '{next}T00:00:00Z' and connector_id = 'Outbound to Office 365'"
        );
        let ((all, whole), (some, part)) = (ask(""), ask(&one));
        println!(
            "{}: {whole} bytes fetched for all events, {part} for one day and connector",
            server.bucket
        );
        assert!(some != all && !some.contains("\n0,"), "{some}");
        assert!(part * 2 < whole, "{part} of {whole} bytes");
    }
}

#[test]
fn two_writers_at_once_in_a_store_take_in_each_line_once() {
    let fleet = Fleet::new(FLEET);
    let want = local(&fleet);
    for server in servers("two writers") {
        let lake = format!("{}/two", server.bucket);
        let write = |way: [&str; 3]| {
            for name in way {
                let logs = fleet.logs.join(name);
                let logs = logs.to_str().expect("a path in UTF-8");
                server.run(0, &["ingest", logs, "--lake", &lake, "--quiet"]);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| write(["EX01", "EX02", "EX03"]));
            scope.spawn(|| write(["EX03", "EX01", "EX02"]));
        });
        assert!(server.content(&lake) == want, "{lake}");
        server.run(0, &["compact", "--lake", &lake, "--quiet"]);
        assert!(server.content(&lake) == want, "{lake} compacted");
        server.run(0, &["verify", "--lake", &lake]);
    }
}

#[test]
fn an_error_of_a_store_says_what_and_what_to_do_and_no_secret() {
    let fleet = Fleet::new(FLEET);
    let dead = format!("http://127.0.0.1:{}", free_port());
    let said = |server: &Server, lake: &str, change: &[(&str, &str)], words: &[&str]| {
        for args in [
            &["ingest", fleet.path(), "--lake", lake][..],
            &["drift", "--lake", lake],
        ] {
            let mut command = server.program(args);
            for (name, value) in change {
                match value.is_empty() {
                    true => command.env_remove(name),
                    false => command.env(name, value),
                };
            }
            let output = command.output().expect("the program starts");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(
                words.iter().all(|word| said.contains(word)),
                "{words:?}: {said}"
            );
            assert!(
                !said.contains("bm90LX") && !said.contains("pass-word"),
                "{said}"
            );
        }
    };
    for server in servers("errors of a store") {
        let s3 = server.bucket.starts_with("s3");
        let (endpoint, key) = match s3 {
            true => ("AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY"),
            false => ("AZURITE_BLOB_STORAGE_URL", "AZURE_STORAGE_ACCOUNT_KEY"),
        };
        let (lake, scheme) = (&format!("{}/lake", server.bucket), &server.bucket[..2]);
        let nowhere = format!("{scheme}://nowhere/lake");
        said(
            &server,
            &nowhere,
            &[],
            &[&nowhere, "no bucket or container", "create it"],
        );
        let unreachable = [lake, "cannot be reached", "Connection refused", "network"];
        said(&server, lake, &[(endpoint, &dead)], &unreachable);
        if s3 {
            // This server takes every key: half of one, and none, are found out before it is asked.
            let half = [("AWS_ACCESS_KEY_ID", "")];
            said(&server, lake, &half, &[lake, "cannot be opened", key]);
            let none = [half[0], (key, ""), ("AWS_METADATA_ENDPOINT", &dead)];
            said(&server, lake, &none, &[lake, "no credentials", key]);
        } else {
            said(
                &server,
                lake,
                &[(key, SECRET)],
                &[lake, "refuses these credentials", key],
            );
            let token = [("AZURE_STORAGE_SAS_TOKEN", "sv=2022-11-02&sig=pass-word")];
            said(&server, lake, &token, &[lake, "refuses these credentials"]);
            let dead = [token[0], (endpoint, &dead)];
            said(&server, lake, &dead, &unreachable);
        }
        for secret in ["name:pass-word@lakes/lake", "lakes/lake?sig=pass-word"] {
            said(
                &server,
                &format!("{scheme}://{secret}"),
                &[],
                &["from the environment"],
            );
        }
    }
}
