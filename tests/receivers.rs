//! Receivers that follow the published codes of syslog, HEC, `_bulk` and Logs Ingestion, each a process of its own
//! that writes to a file what it takes before it says so. At a moment that the test names, either the
//! sender or the receiver itself is killed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::util::{empty, text};

/// The environment in which this test binary is a receiver.
const ENVIRONMENT: &str = "RELAYDRIFT_TEST_RECEIVER";

/// A receiver's protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    SyslogTcp,
    SyslogTls,
    Hec,
    HecAcks,
    Bulk,
    LogsIngestion,
}

impl Kind {
    pub const ALL: [Kind; 6] = [
        Kind::SyslogTcp,
        Kind::SyslogTls,
        Kind::Hec,
        Kind::HecAcks,
        Kind::Bulk,
        Kind::LogsIngestion,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Kind::SyslogTcp => "syslog-tcp",
            Kind::SyslogTls => "syslog-tls",
            Kind::Hec => "hec",
            Kind::HecAcks => "hec-acks",
            Kind::Bulk => "bulk",
            Kind::LogsIngestion => "logs-ingestion",
        }
    }

    /// The formats that travel this way.
    pub fn formats(self) -> &'static [&'static str] {
        match self {
            Kind::SyslogTcp | Kind::SyslogTls => &["cef", "leef"],
            Kind::Hec | Kind::HecAcks => &["splunk"],
            Kind::Bulk => &["ecs", "ocsf", "ocsf-1.9", "ndjson"],
            Kind::LogsIngestion => &["sentinel"],
        }
    }

    fn is_syslog(self) -> bool {
        matches!(self, Kind::SyslogTcp | Kind::SyslogTls)
    }
}

/// The moments of a request (of a connection, in syslog) at which someone dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The first byte is read.
    Begun,
    /// Half of it is read.
    Half,
    /// It is written down, and nothing is answered.
    Stored,
    /// Half an answer is out.
    HalfAnswered,
    /// The answer is out.
    Answered,
    /// The sender noted in its lake that it was answered.
    Kept,
}

impl Point {
    pub const ALL: [Point; 6] = [
        Point::Begun,
        Point::Half,
        Point::Stored,
        Point::HalfAnswered,
        Point::Answered,
        Point::Kept,
    ];

    fn name(self) -> String {
        format!("{self:?}")
    }
}

/// Who dies, at which moment of which request; written into a file that the receiver reads.
#[derive(Debug, Clone, Copy)]
pub struct Death {
    pub request: usize,
    pub point: Point,
}

/// A running receiver and the folder of its files.
pub struct Receiver {
    pub kind: Kind,
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Receiver {
    /// Starts a receiver with an empty folder.
    pub fn start(kind: Kind, name: &str) -> Receiver {
        let folder = empty(&format!("receiver-{name}-{}", kind.name()));
        std::fs::write(folder.join("secret"), "right\n").expect("a secret");
        std::fs::write(folder.join("taken"), "").expect("a file");
        if kind == Kind::SyslogTls {
            certificates(&folder);
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        let child = spawn(kind, port, &folder);
        Receiver {
            kind,
            port,
            folder,
            child,
        }
    }

    /// Starts it again on its port, with what it had.
    pub fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.child = spawn(self.kind, self.port, &self.folder);
    }

    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().expect("its state").is_some()
    }

    /// From the next request on: this death, once, of this process or (0) of the receiver.
    pub fn plan(&self, death: Option<Death>, victim: u32, kept: &Path) {
        let plan = death.map_or_else(String::new, |death| {
            let (request, point) = (death.request, death.point.name());
            format!("{request} {point} {victim} {}", kept.display())
        });
        std::fs::write(self.folder.join("plan.new"), plan).expect("a plan");
        std::fs::rename(self.folder.join("plan.new"), self.folder.join("plan")).expect("a plan");
    }

    /// Options of `export` that lead here.
    pub fn target(&self) -> Vec<String> {
        let port = self.port;
        let at = |name: &str| self.folder.join(name).display().to_string();
        let secret = ["--secret-file".to_owned(), at("secret")];
        let to = match self.kind {
            Kind::SyslogTcp => format!("syslog+tcp://127.0.0.1:{port}"),
            Kind::SyslogTls => format!("syslog+tls://localhost:{port}"),
            Kind::Hec | Kind::HecAcks => format!("http://127.0.0.1:{port}"),
            Kind::Bulk => format!("http://127.0.0.1:{port}/logs-relaydrift-default"),
            Kind::LogsIngestion => {
                format!("http://127.0.0.1:{port}/dataCollectionRules/dcr-1/streams/Custom-R_CL")
            }
        };
        let mut all = vec!["--to".to_owned(), to];
        match self.kind {
            Kind::SyslogTcp => {}
            Kind::SyslogTls => all.extend(["--ca-file".to_owned(), at("ca.pem")]),
            Kind::LogsIngestion => {
                all.extend(secret);
                let more =
                    format!("--tenant t --client-id app --authority http://127.0.0.1:{port}");
                all.extend(more.split(' ').map(str::to_owned));
            }
            _ => all.extend(secret),
        }
        all
    }

    /// The records that it wrote down, in order: lines.
    pub fn taken(&self) -> Vec<String> {
        let bytes = std::fs::read(self.folder.join("taken")).expect("what was taken");
        text(&bytes).lines().map(str::to_owned).collect()
    }

    /// Forgets what it has.
    pub fn forget(&self) {
        File::create(self.folder.join("taken")).expect("an empty file");
    }
}

/// Starts a receiver as a process and waits until it listens.
fn spawn(kind: Kind, port: u16, folder: &Path) -> Child {
    let this = std::env::current_exe().expect("this test binary");
    let place = format!("{} {port} {}", kind.name(), folder.display());
    let child = Command::new(this)
        .args([
            "receivers::a_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env(ENVIRONMENT, place)
        .stdout(Stdio::null())
        .spawn()
        .expect("the receiver starts");
    let started = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{kind:?} does not listen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[test]
#[ignore = "what other tests start as a process"]
fn a_process() {
    let Ok(place) = std::env::var(ENVIRONMENT) else {
        return;
    };
    let words: Vec<&str> = place.splitn(3, ' ').collect();
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == words[0]);
    let (kind, port, folder) = (kind.expect("a kind"), words[1], PathBuf::from(words[2]));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).expect("the port");
    let tls = (kind == Kind::SyslogTls).then(|| server(&folder));
    let desk = Arc::new(Desk::new(kind, folder));
    for stream in listener.incoming() {
        let (stream, desk, tls) = (stream.expect("a connection"), desk.clone(), tls.clone());
        std::thread::spawn(move || match (kind.is_syslog(), tls) {
            (true, None) => desk.syslog(stream),
            (true, Some(tls)) => {
                let connection = rustls::ServerConnection::new(tls).expect("TLS");
                desk.syslog(rustls::StreamOwned::new(connection, stream));
            }
            (false, _) => desk.http(&stream),
        });
    }
}

/// One receiver's state.
struct Desk {
    kind: Kind,
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    requests: usize,
    plan: String,
    next_ack: u64,
    asked: HashMap<u64, u32>,
}

impl Desk {
    fn new(kind: Kind, folder: PathBuf) -> Desk {
        Desk {
            kind,
            folder,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no thread panicked with it")
    }

    /// The number of a request that begins. A new plan counts anew.
    fn begin(&self) -> usize {
        let plan = std::fs::read_to_string(self.folder.join("plan")).unwrap_or_default();
        let mut state = self.state();
        if state.plan != plan {
            (state.plan, state.requests) = (plan, 0);
        }
        state.requests += 1;
        state.requests
    }

    /// Kills whom the plan names, if this is the moment.
    fn at(&self, request: usize, point: Point) {
        let plan = self.state().plan.clone();
        let words: Vec<&str> = plan.splitn(4, ' ').collect();
        let [number, name, victim, kept] = words.as_slice() else {
            return;
        };
        if *number != request.to_string() || *name != point.name() {
            return;
        }
        if point == Point::Kept {
            let (before, asked) = (std::fs::read(kept).ok(), Instant::now());
            while std::fs::read(kept).ok() == before && asked.elapsed() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        // A plan is for once, for this process and for the one that follows it.
        std::fs::write(self.folder.join("plan"), "").expect("a plan");
        let own = std::process::id().to_string();
        let victim = if *victim == "0" { &own } else { *victim };
        let killed = Command::new("kill").args(["-KILL", victim]).status();
        assert!(killed.expect("kill").success());
    }

    /// Writes records down; they are safe when this returns.
    fn store<'a>(&self, records: impl IntoIterator<Item = &'a [u8]>) {
        let mut lines = Vec::new();
        for record in records {
            assert!(!record.contains(&b'\n'), "a record of two lines");
            lines.extend_from_slice(record);
            lines.push(b'\n');
        }
        let _one_at_a_time = self.state();
        let mut options = OpenOptions::new();
        let file = options
            .append(true)
            .create(true)
            .open(self.folder.join("taken"));
        file.expect("the file").write_all(&lines).expect("room");
    }

    /// A connection of syslog: messages counted by octets, until the sender closes.
    fn syslog(&self, mut stream: impl Read) {
        let mut bytes = Vec::new();
        let mut chunk = vec![0; 16 << 10];
        // Someone who only looked whether we listen says nothing.
        let Ok(count @ 1..) = stream.read(&mut chunk) else {
            return;
        };
        bytes.extend_from_slice(&chunk[..count]);
        let request = self.begin();
        self.at(request, Point::Begun);
        let mut halved = false;
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
            if !std::mem::replace(&mut halved, bytes.len() > 200_000) && bytes.len() > 200_000 {
                self.at(request, Point::Half);
            }
        }
        self.store(octets(&bytes));
        self.at(request, Point::Stored);
        self.at(request, Point::HalfAnswered);
        drop(stream);
        self.at(request, Point::Answered);
        self.at(request, Point::Kept);
    }

    /// A connection of HTTP: one request after the other.
    fn http(&self, mut stream: &TcpStream) {
        while let Some(request) = self.request(stream) {
            let number = request.number;
            let (status, body) = self.answer(&request);
            self.at(number, Point::Stored);
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n\r\n{body}");
            let (first, second) = answer.split_at(answer.len() / 2);
            if stream.write_all(first.as_bytes()).is_err() {
                return;
            }
            self.at(number, Point::HalfAnswered);
            if stream.write_all(second.as_bytes()).is_err() {
                return;
            }
            self.at(number, Point::Answered);
            self.at(number, Point::Kept);
        }
    }

    fn request(&self, stream: &TcpStream) -> Option<Request> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        let method = "POST ";
        reader.read_line(&mut line).ok()?;
        let path = line.strip_prefix(method)?.split(' ').next()?.to_owned();
        let number = self.begin();
        self.at(number, Point::Begun);
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(": ") {
                Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
                None => break,
            };
        }
        let length: usize = headers.get("content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        let (first, second) = body.split_at_mut(length / 2);
        reader.read_exact(first).ok()?;
        self.at(number, Point::Half);
        reader.read_exact(second).ok()?;
        Some(Request {
            number,
            path,
            headers,
            body,
        })
    }

    fn answer(&self, request: &Request) -> (u16, String) {
        let (status, body) = match self.kind {
            Kind::Hec => self.hec(request, false),
            Kind::HecAcks => self.hec(request, true),
            Kind::Bulk => self.bulk(request),
            _ => self.ingestion(request),
        };
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        (status, body)
    }

    fn hec(&self, request: &Request, acks: bool) -> (u16, Value) {
        let code = |status, code: i64, text: &str| (status, json!({"text": text, "code": code}));
        if request.header("authorization") != "Splunk right" {
            return code(403, 4, "Invalid token");
        }
        if acks && request.header("x-splunk-request-channel").len() != 36 {
            return code(400, 10, "Data channel is missing");
        }
        if request.path.starts_with("/services/collector/ack?channel=") {
            let ids: Value = serde_json::from_slice(&request.body).expect("JSON");
            let id = ids["acks"][0].as_u64().expect("an id");
            let mut state = self.state();
            let times = state.asked.entry(id).or_default();
            *times += 1;
            // Of an indexer that was started anew no id is known.
            let known = *times > 1 && id <= state.next_ack;
            return (200, json!({"acks": {id.to_string(): known}}));
        }
        assert_eq!(request.path, "/services/collector/event");
        let events: Vec<&[u8]> = lines(&request.body).collect();
        for event in &events {
            match serde_json::from_slice::<Value>(event).map(|event| event["event"].clone()) {
                Ok(Value::Object(_)) => {}
                Ok(_) => return code(400, 13, "Event field cannot be blank"),
                Err(_) => return code(400, 6, "Invalid data format"),
            }
        }
        self.store(events);
        if !acks {
            return code(200, 0, "Success");
        }
        let mut state = self.state();
        state.next_ack += 1;
        (
            200,
            json!({"text": "Success", "code": 0, "ackId": state.next_ack}),
        )
    }

    fn bulk(&self, request: &Request) -> (u16, Value) {
        assert_eq!(request.path, "/logs-relaydrift-default/_bulk");
        if request.header("authorization") != "ApiKey right" {
            return (401, json!({"error": {"type": "security_exception"}}));
        }
        let taken = std::fs::read_to_string(self.folder.join("taken")).unwrap_or_default();
        let mut known: std::collections::HashSet<&str> = taken.lines().collect();
        let all: Vec<&[u8]> = lines(&request.body).collect();
        let (mut items, mut new) = (Vec::new(), Vec::new());
        for pair in all.chunks(2) {
            let action: Value = serde_json::from_slice(pair[0]).expect("an action");
            let id = action["create"]["_id"].as_str().expect("an id");
            let document = std::str::from_utf8(pair[1]).expect("UTF-8");
            // What is there already is answered with 409.
            let status = if known.insert(document) { 201 } else { 409 };
            if status == 201 {
                new.push(pair[1]);
            }
            items.push(json!({"create": {"_id": id, "status": status}}));
        }
        self.store(new);
        (200, json!({"errors": false, "items": items}))
    }

    fn ingestion(&self, request: &Request) -> (u16, Value) {
        if request.path == "/t/oauth2/v2.0/token" {
            return (200, json!({"access_token": "right", "expires_in": 3599}));
        }
        if request.header("authorization") != "Bearer right" {
            return (401, json!({"error": {"code": "InvalidToken"}}));
        }
        let mut body = Vec::new();
        let mut gzip = flate2::read::GzDecoder::new(request.body.as_slice());
        gzip.read_to_end(&mut body).expect("gzip");
        if body.len() > 1_000_000 {
            return (
                413,
                json!({"error": {"code": "ContentLengthLimitExceeded"}}),
            );
        }
        let rows: Vec<Value> = serde_json::from_slice(&body).expect("an array");
        let rows: Vec<String> = rows.iter().map(Value::to_string).collect();
        self.store(rows.iter().map(String::as_bytes));
        (204, Value::Null)
    }
}

struct Request {
    number: usize,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
}

/// The whole messages, each behind its length.
fn octets(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut messages = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = text(&bytes[..space]).parse().expect("a length");
        let Some(message) = bytes.get(space + 1..space + 1 + length) else {
            break;
        };
        messages.push(message);
        bytes = &bytes[space + 1 + length..];
    }
    messages
}

/// A certificate authority and a certificate of localhost, made by openssl.
pub fn certificates(folder: &Path) {
    let openssl = |args: &str| {
        let output = Command::new("openssl")
            .current_dir(folder)
            .args(args.split(' '))
            .output();
        let output = output.expect("openssl starts");
        assert!(output.status.success(), "{args}: {}", text(&output.stderr));
    };
    let new = "-newkey rsa:2048 -nodes -days 2";
    openssl(&format!(
        "req -x509 {new} -keyout ca.key -out ca.pem -subj /CN=authority"
    ));
    openssl(&format!(
        "req -x509 {new} -keyout key.pem -out cert.pem -subj /CN=localhost -CA ca.pem -CAkey ca.key \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
    ));
}

fn server(folder: &Path) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificate =
        CertificateDer::from_pem_file(folder.join("cert.pem")).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key);
    Arc::new(config.expect("a certificate and its key"))
}
