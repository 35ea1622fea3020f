//! Lakes in object stores that fail: between the program and a server of `stores` stands a proxy that refuses, loses,
//! delays and falsifies answers, as a seed says.
//!
//! Whatever it does, a command succeeds or says what failed; no question gets a wrong count; and once it has ceased, one
//! more ingest makes the lake what a local one is. `RELAYDRIFT_CHAOS` says how many seeds are tried on each server.
//! A seed says which requests go wrong by their number: those that are made at the same time share their lots anew in
//! each run.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::stores::{FLEET, Server, local, servers};
use crate::util::{Fleet, empty, mix, query_sorted, run_for, text};

/// Longer than an answer may take (`PATIENCE`).
const DELAY: Duration = Duration::from_millis(3500);
const PATIENCE: &str = "3s";

/// One row: what is counted.
const COUNTS: &str = "select concat_ws(' ', (select count(*) from events), (select count(*) from transactions), \
    (select count(*) from sources)) as counts";

#[test]
fn a_lake_in_a_store_that_fails_is_whole_or_the_failure_is_told() {
    let fleet = Fleet::new(FLEET);
    let (want, counts) = (local(&fleet), counts_of_states(&fleet));
    let seeds = std::env::var("RELAYDRIFT_CHAOS");
    let seeds = seeds.map_or(1, |number| {
        number.parse().expect("RELAYDRIFT_CHAOS: a number")
    });
    let servers = servers("a store that fails");
    std::thread::scope(|scope| {
        for mut server in servers {
            let (fleet, counts) = (&fleet, &counts);
            scope.spawn(move || {
                let chaos = Chaos::before(&mut server);
                server.environment.push(("AWS_TIMEOUT", PATIENCE.into()));
                server.environment.push(("AZURE_TIMEOUT", PATIENCE.into()));
                for seed in 0..seeds {
                    let lake = format!("{}/chaos-{seed}", server.bucket);
                    let run = Run {
                        server: &server,
                        chaos: &chaos,
                        fleet,
                        counts,
                        lake,
                    };
                    run.go(seed, want);
                }
                let done = chaos.done.lock().expect("no thread panics with it");
                assert!(done.contains_key("succeeded") && done.len() > 2, "{done:?}");
                println!("{}: {seeds} seeds, {done:?}", server.bucket);
            });
        }
    });
}

/// What is counted before and after each server's logs were taken in.
fn counts_of_states(fleet: &Fleet) -> Vec<String> {
    let lake = empty("chaos-states").join("lake");
    let lake = lake.to_str().expect("a path in UTF-8");
    let none = r#"{"counts":"0 0 0"}"#.to_owned();
    let after = ["EX01", "EX02", "EX03"].map(|server| {
        let logs = fleet.logs.join(server);
        let logs = logs.to_str().expect("a path in UTF-8");
        run_for(0, &["ingest", logs, "--lake", lake, "--quiet"]);
        query_sorted(&["--lake", lake], COUNTS).remove(0)
    });
    std::iter::once(none).chain(after).collect()
}

/// One lake that is worked with while its store fails.
struct Run<'a> {
    server: &'a Server,
    chaos: &'a Chaos,
    fleet: &'a Fleet,
    counts: &'a [String],
    lake: String,
}

impl Run<'_> {
    fn go(&self, seed: usize, want: &[String]) {
        self.chaos.begin(seed);
        let mut least = usize::from(self.ingest(1).is_some());
        self.ask(least);
        self.killed(mix(seed) % 80);
        self.ask(least);
        for _ in 0..2 {
            if self.ingest(3).is_some() {
                least = 3;
            }
            self.ask(least);
            self.command(&["verify", "--lake", &self.lake]);
            self.command(&["compact", "--lake", &self.lake, "--quiet"]);
            self.ask(least);
        }
        self.chaos.end();
        self.ask(least);
        let all = ["ingest", self.fleet.path(), "--lake", &self.lake, "--quiet"];
        self.server.run(0, &all);
        assert!(self.server.content(&self.lake) == want, "{}", self.lake);
        self.server.run(0, &["verify", "--lake", &self.lake]);
    }

    /// Takes in the logs of the first servers.
    fn ingest(&self, servers: usize) -> Option<Output> {
        self.run(&mut self.ingest_of(servers))
    }

    fn ingest_of(&self, servers: usize) -> Command {
        let logs = (1..=servers).map(|number| self.fleet.logs.join(format!("EX0{number}")));
        let mut command = self
            .server
            .program(&["ingest", "--lake", &self.lake, "--quiet"]);
        command.args(logs);
        command
    }

    /// An ingest of two servers that is killed (9) at a request.
    fn killed(&self, request: usize) {
        let until = self.chaos.number.load(Ordering::SeqCst) + request;
        let mut command = self.ingest_of(2);
        let mut child = command
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        while self.chaos.number.load(Ordering::SeqCst) < until
            && child.try_wait().expect("its state").is_none()
        {
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        child.wait().expect("its end");
    }

    fn command(&self, args: &[&str]) -> Option<Output> {
        self.run(&mut self.server.program(args))
    }

    /// Its output if it succeeded; if not, it has to say so.
    fn run(&self, command: &mut Command) -> Option<Output> {
        let output = command.output().expect("the program starts");
        let said = text(&output.stderr);
        let told =
            said.contains(" cannot be ") || said.contains("no lake") || said.contains("try again");
        match output.status.code() {
            Some(0) => {
                self.chaos.note("succeeded");
                Some(output)
            }
            Some(2) if told && !said.contains("panicked") => {
                self.chaos.note("failed and said so");
                None
            }
            status => {
                let printed = text(&output.stdout);
                panic!("{}: {command:?}: {status:?}: {said}{printed}", self.lake)
            }
        }
    }

    /// Counts are those of a state that the lake may have, none before the last that an ingest acknowledged.
    fn ask(&self, least: usize) {
        let asked = self.command(&["sql", "--lake", &self.lake, "--format", "ndjson", COUNTS]);
        let Some(output) = asked else { return };
        let counts = text(&output.stdout).trim();
        let states = &self.counts[least..];
        assert!(
            states.iter().any(|state| state == counts),
            "{}: {counts}, not one of {states:?}",
            self.lake
        );
    }
}

/// What is done to a request or its answer.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// It does not reach the store.
    Reset,
    /// It is done, and nobody is told.
    Lost,
    /// It is done, or not, but answered too late.
    Late { done: bool },
    /// It does not reach the store, which seems to have answered.
    Answer(&'static str, Option<u32>),
    /// Done, and answered as if it were not.
    DoneAnswer(&'static str),
    /// Half of what was read comes back.
    Cut,
    /// A list of an earlier time.
    Stale,
}

const FAULTS: [Fault; 14] = [
    Fault::Reset,
    Fault::Reset,
    Fault::Lost,
    Fault::Lost,
    Fault::Late { done: true },
    Fault::Late { done: false },
    Fault::Answer("409 Conflict", None),
    Fault::Answer("412 Precondition Failed", None),
    Fault::Answer("500 Internal Server Error", None),
    Fault::Answer("503 Slow Down", Some(1)),
    Fault::Answer("503 Slow Down", None),
    Fault::DoneAnswer("500 Internal Server Error"),
    Fault::Cut,
    Fault::Stale,
];

/// A proxy before a server, which does harm while a seed is set.
struct Chaos {
    seed: Mutex<usize>,
    on: AtomicBool,
    /// Of the next request.
    number: AtomicUsize,
    /// The first answer to each list.
    lists: Mutex<HashMap<String, Vec<u8>>>,
    /// How often what was done, and what came of the commands.
    done: Mutex<BTreeMap<String, usize>>,
}

impl Chaos {
    fn before(server: &mut Server) -> Arc<Chaos> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let to = server.redirect(listener.local_addr().expect("an address").port());
        let chaos = Arc::new(Chaos {
            seed: Mutex::default(),
            on: AtomicBool::new(false),
            number: AtomicUsize::new(0),
            lists: Mutex::default(),
            done: Mutex::default(),
        });
        let shared = chaos.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = shared.clone();
                std::thread::spawn(move || shared.serve(client, to));
            }
        });
        chaos
    }

    fn begin(&self, seed: usize) {
        *self.seed.lock().expect("no thread panics with it") = seed;
        self.number.store(0, Ordering::SeqCst);
        self.on.store(true, Ordering::SeqCst);
    }

    fn end(&self) {
        self.on.store(false, Ordering::SeqCst);
    }

    /// What happens to the next request: nothing to most.
    fn fault(&self, request: &str) -> Option<Fault> {
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        let seed = *self.seed.lock().expect("no thread panics with it");
        let drawn = mix(mix(seed) ^ number);
        let once_in = [25, 12, 80][seed % 3];
        if !self.on.load(Ordering::SeqCst) || !drawn.is_multiple_of(once_in) {
            return None;
        }
        let fault = FAULTS[drawn / once_in % FAULTS.len()];
        let fits = match fault {
            Fault::Cut => request.starts_with("GET "),
            Fault::Stale => is_list(request),
            _ => true,
        };
        let fault = if fits { fault } else { Fault::Reset };
        self.note(&format!("{fault:?}"));
        Some(fault)
    }

    fn note(&self, what: &str) {
        let mut done = self.done.lock().expect("no thread panics with it");
        *done.entry(what.to_owned()).or_default() += 1;
    }

    /// One connection, one request.
    fn serve(&self, mut client: TcpStream, to: u16) -> std::io::Result<()> {
        let request = read_request(&mut client)?;
        let line = request
            .split(|byte| *byte == b'\r')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line).into_owned();
        let fault = self.fault(&line);
        let answer = match fault {
            Some(Fault::Reset) => return Ok(()),
            Some(Fault::Answer(status, wait)) => refusal(status, wait),
            Some(Fault::Late { done: false }) => Vec::new(),
            _ => self.forward(&request, &line, to)?,
        };
        match fault {
            Some(Fault::Lost) => Ok(()),
            Some(Fault::Late { .. }) => {
                std::thread::sleep(DELAY);
                Ok(())
            }
            Some(Fault::DoneAnswer(status)) => client.write_all(&refusal(status, None)),
            Some(Fault::Cut) => client.write_all(&answer[..(head(&answer) + answer.len()) / 2]),
            Some(Fault::Stale) => {
                let lists = self.lists.lock().expect("no thread panics with it");
                client.write_all(lists.get(&line).unwrap_or(&answer))
            }
            _ => client.write_all(&answer),
        }
    }

    /// What the server answers; kept if it is the first list of its kind.
    fn forward(&self, request: &[u8], line: &str, to: u16) -> std::io::Result<Vec<u8>> {
        let mut server = TcpStream::connect(("127.0.0.1", to))?;
        server.write_all(request)?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        if is_list(line) {
            let mut lists = self.lists.lock().expect("no thread panics with it");
            lists
                .entry(line.to_owned())
                .or_insert_with(|| answer.clone());
        }
        Ok(answer)
    }
}

fn is_list(request: &str) -> bool {
    request.starts_with("GET ")
        && (request.contains("list-type=2") || request.contains("comp=list"))
}

/// Where the head of a message ends.
fn head(message: &[u8]) -> usize {
    let end = message.windows(4).position(|four| four == b"\r\n\r\n");
    end.map_or(message.len(), |at| at + 4)
}

/// A whole request, changed so that its connection ends with it.
fn read_request(client: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut request, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = client.read(&mut bytes)?;
        request.extend_from_slice(&bytes[..read]);
        let body = head(&request);
        let of_head = String::from_utf8_lossy(&request[..body]).into_owned();
        let length = of_head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse().ok())?
        });
        let whole = of_head.ends_with("\r\n\r\n") && request.len() >= body + length.unwrap_or(0);
        if read == 0 && !whole {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if whole {
            let mut changed = of_head[..of_head.len() - 2].to_owned();
            changed += "Connection: close\r\n\r\n";
            return Ok([changed.as_bytes(), &request[body..]].concat());
        }
    }
}

/// An answer of a store that does not do what it is asked.
fn refusal(status: &str, wait: Option<u32>) -> Vec<u8> {
    let wait = wait.map_or(String::new(), |seconds| {
        format!("Retry-After: {seconds}\r\n")
    });
    let code = status[4..].replace(' ', "");
    let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\n{wait}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}
