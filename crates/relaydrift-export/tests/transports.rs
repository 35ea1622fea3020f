//! Transports against receivers that follow the published codes to the letter, with faults: whatever
//! happens on the way, every record arrives, and what was acknowledged is there.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use relaydrift_export::transport::{
    Application, Client, Elastic, Hec, LogsIngestion, Syslog, Transport, Trust,
};
use relaydrift_export::{Effort, Error, Queue, Record, Secret, Sent};
use serde_json::{Value, json};
use url::Url;

/// A request, as the receiver reads it.
struct Request {
    method: String,
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// What a receiver says: a status, headers, a body; `None` hangs up without a word.
type Reply = Option<(u16, Vec<(&'static str, String)>, String)>;

fn say(status: u16, body: impl ToString) -> Reply {
    Some((status, Vec::new(), body.to_string()))
}

/// A receiver on a port of its own.
struct Receiver {
    port: u16,
}

impl Receiver {
    fn new(answer: impl FnMut(Request) -> Reply + Send + 'static) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answer = Arc::new(Mutex::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, answer) = (stream.unwrap(), answer.clone());
                std::thread::spawn(move || serve(stream, &answer));
            }
        });
        Receiver { port }
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }
}

fn serve(mut stream: TcpStream, answer: &Mutex<impl FnMut(Request) -> Reply>) {
    while let Some(request) = read(&stream) {
        let Some((status, headers, body)) = (answer.lock().unwrap())(request) else {
            return;
        };
        let mut text = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n", body.len());
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if stream
            .write_all(format!("{text}\r\n{body}").as_bytes())
            .is_err()
        {
            return;
        }
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request {
        method,
        path,
        headers,
        body,
    })
}

/// Records with texts that would break a careless receiver.
fn records(count: usize) -> Vec<Record> {
    let texts = [
        "plain",
        "a\"b\\c",
        "line\nline",
        "\u{1b}[2J",
        "\u{2028}é€",
        "}{,][",
    ];
    (0..count)
        .map(|n| {
            let key = format!("{n:032x}");
            let bytes = json!({"key": key, "event": texts[n % texts.len()]})
                .to_string()
                .into_bytes();
            Record { key, bytes }
        })
        .collect()
}

/// Sends records; gives back what was done and the numbers of those that were acknowledged.
fn send(
    transport: Box<dyn Transport>,
    records: Vec<Record>,
    patience: u64,
    rejected: Option<std::fs::File>,
) -> (Result<Sent, Error>, Vec<usize>) {
    let safe = Arc::new(Mutex::new(Vec::new()));
    let noted = safe.clone();
    let effort = Effort {
        patience: Duration::from_millis(patience),
        rejected,
        tell: |_| (),
    };
    let mut queue = Queue::start(
        transport,
        effort,
        Box::new(move |marks: &[usize]| {
            noted.lock().unwrap().extend_from_slice(marks);
            Ok(())
        }),
    );
    for (n, record) in records.into_iter().enumerate() {
        if queue.push(record, n).is_err() {
            break;
        }
    }
    let sent = queue.finish();
    let safe = safe.lock().unwrap().clone();
    (sent, safe)
}

fn secret(text: &str) -> (tempfile::NamedTempFile, Secret) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let secret = Secret::read(Some(file.path())).unwrap();
    (file, secret)
}

/// Authorities that none of these receivers needs.
fn trust() -> Trust {
    Trust::new(Some(std::path::Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/authority.pem"
    ))))
    .unwrap()
}

fn client(url: &Url) -> Client {
    Client::new(url, &trust()).unwrap()
}

type Store = Arc<Mutex<HashMap<String, usize>>>;

fn note(store: &Store, key: &Value) {
    *store
        .lock()
        .unwrap()
        .entry(key.as_str().unwrap().to_owned())
        .or_default() += 1;
}

/// A collector: strict about token, channel and body; `fault(n)` answers the n-th event request.
fn collector(
    store: Store,
    acks: bool,
    fault: impl Fn(usize) -> Option<Reply> + Send + 'static,
) -> Receiver {
    let (mut requests, mut next_ack) = (0, 0);
    let mut asked: HashMap<u64, usize> = HashMap::new();
    Receiver::new(move |request| {
        let code = |status, code: i64, text: &str| say(status, json!({"text": text, "code": code}));
        match request.headers.get("authorization").map(String::as_str) {
            None => return code(401, 2, "Token is required"),
            Some("Splunk right") => {}
            Some(_) => return code(403, 4, "Invalid token"),
        }
        let channel = request.headers.get("x-splunk-request-channel");
        if acks
            && !channel
                .is_some_and(|channel| channel.len() == 36 && channel.split('-').count() == 5)
        {
            return code(400, 10, "Data channel is missing");
        }
        if request.path.starts_with("/services/collector/ack?channel=") {
            let ids: Value = serde_json::from_slice(&request.body).unwrap();
            let id = ids["acks"][0].as_u64().unwrap();
            let times = asked.entry(id).or_default();
            *times += 1;
            return say(200, json!({"acks": {id.to_string(): *times > 1}}));
        }
        assert_eq!(
            (request.method.as_str(), request.path.as_str()),
            ("POST", "/services/collector/event")
        );
        requests += 1;
        if let Some(reply) = fault(requests) {
            return reply;
        }
        let mut events = Vec::new();
        for event in serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>() {
            let Ok(event) = event else {
                return code(400, 6, "Invalid data format");
            };
            match &event["event"] {
                Value::Null => return code(400, 12, "Event field is required"),
                Value::String(text) if text.is_empty() => {
                    return code(400, 13, "Event field cannot be blank");
                }
                _ => events.push(event),
            }
        }
        if events.is_empty() {
            return code(400, 5, "No data");
        }
        events.iter().for_each(|event| note(&store, &event["key"]));
        if !acks {
            return code(200, 0, "Success");
        }
        next_ack += 1;
        say(
            200,
            json!({"text": "Success", "code": 0, "ackId": next_ack}),
        )
    })
}

fn hec(receiver: &Receiver, token: &str) -> Box<dyn Transport> {
    let url = receiver.url("/");
    Box::new(Hec::new(client(&url), &url, &secret(token).1).unwrap())
}

#[test]
fn a_collector_gets_all_with_and_without_acknowledgement() {
    for acks in [false, true] {
        let store = Store::default();
        let receiver = collector(store.clone(), acks, |n| match n {
            1 => Some(say(503, json!({"text": "Server is busy", "code": 9}))),
            2 => Some(None),
            3 => Some(say(
                500,
                json!({"text": "Internal server error", "code": 8}),
            )),
            4 => Some(say(429, "")),
            _ => None,
        });
        let (sent, safe) = send(hec(&receiver, "right"), records(2_500), 60_000, None);
        let sent = sent.unwrap();
        assert_eq!((sent.taken, sent.rejected), (2_500, 0));
        assert!(sent.retried >= 4, "{sent:?}");
        assert_eq!(safe, Vec::from_iter(0..2_500));
        assert_eq!(store.lock().unwrap().len(), 2_500);
    }
}

#[test]
fn a_collector_that_refuses_is_named_with_its_words() {
    for (token, status, code, text) in [
        ("wrong", 403, 4, "Invalid token"),
        ("right", 400, 7, "Incorrect index"),
    ] {
        let receiver = collector(Store::default(), false, move |_| {
            Some(say(status, json!({"text": text, "code": code})))
        });
        let (sent, safe) = send(hec(&receiver, token), records(10), 5_000, None);
        let error = sent.unwrap_err().to_string();
        assert!(error.contains(text) && !error.contains(token), "{error}");
        assert!(safe.is_empty());
    }
}

#[test]
fn a_record_that_spoils_a_batch_is_set_aside_and_the_others_arrive() {
    let store = Store::default();
    let receiver = collector(store.clone(), false, |_| None);
    let mut all = records(100);
    all[37].bytes = br#"{"key":"x","event":""}"#.to_vec();
    let (sent, safe) = send(hec(&receiver, "right"), all.clone(), 5_000, None);
    let error = sent.unwrap_err().to_string();
    assert!(
        error.contains(&all[37].key)
            && error.contains("cannot be blank")
            && error.contains("--rejected"),
        "{error}"
    );
    assert!(safe.is_empty());
    let aside = tempfile::NamedTempFile::new().unwrap();
    let (sent, safe) = send(
        hec(&receiver, "right"),
        all,
        5_000,
        Some(aside.reopen().unwrap()),
    );
    let sent = sent.unwrap();
    assert_eq!((sent.taken, sent.rejected, safe.len()), (99, 1, 100));
    assert_eq!(store.lock().unwrap().len(), 99);
    assert_eq!(
        std::fs::read(aside.path()).unwrap(),
        b"{\"key\":\"x\",\"event\":\"\"}\n"
    );
}

#[test]
fn a_receiver_that_stays_away_is_given_up_and_nothing_counts_as_safe() {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (sent, safe) = send(hec(&Receiver { port }, "right"), records(10), 700, None);
    let error = sent.unwrap_err();
    assert!(
        matches!(error, Error::GaveUp { attempts: 2.., .. }),
        "{error}"
    );
    assert!(safe.is_empty());
}

#[test]
fn a_receiver_that_asks_to_be_tried_at_once_is_not_tried_all_the_time() {
    // Asked once, then a plain refusal; asked each time.
    for times in [1, usize::MAX] {
        let receiver = collector(Store::default(), false, move |n| {
            let at_once = vec![("retry-after", "0".to_owned())];
            let headers = if n <= times { at_once } else { Vec::new() };
            Some(Some((
                503,
                headers,
                json!({"text": "Server is busy", "code": 9}).to_string(),
            )))
        });
        let (sent, _) = send(hec(&receiver, "right"), records(1), 1_500, None);
        match sent.unwrap_err() {
            Error::GaveUp { attempts, .. } => {
                assert!((3..=8).contains(&attempts), "{attempts} attempts in 1.5 s")
            }
            other => panic!("{other}"),
        }
    }
}

/// Elasticsearch's `_bulk`: `create` under an id, 409 where it is there, 429 for some items at first.
fn bulk(store: Store) -> Receiver {
    let mut requests = 0;
    Receiver::new(move |request| {
        if request.headers.get("authorization").map(String::as_str) != Some("ApiKey right") {
            return say(
                401,
                json!({"error": {"type": "security_exception", "reason": "unable to authenticate"}, "status": 401}),
            );
        }
        assert_eq!(request.path, "/logs-relaydrift-default/_bulk");
        assert_eq!(request.headers["content-type"], "application/x-ndjson");
        requests += 1;
        if requests == 1 {
            return say(503, "");
        }
        assert_eq!(request.body.last(), Some(&b'\n'), "the last line ends");
        let lines: Vec<&[u8]> = request
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .collect();
        let mut items = Vec::new();
        for (n, pair) in lines.chunks(2).enumerate() {
            let action: Value = serde_json::from_slice(pair[0]).unwrap();
            let id = &action["create"]["_id"];
            let document: Value = serde_json::from_slice(pair[1]).unwrap();
            let known = store.lock().unwrap().contains_key(id.as_str().unwrap());
            let (status, error) = if document["event"] == "bad" {
                (
                    400,
                    json!({"type": "document_parsing_exception", "reason": "failed to parse field [event]"}),
                )
            } else if known {
                (
                    409,
                    json!({"type": "version_conflict_engine_exception", "reason": "document already exists"}),
                )
            } else if requests == 2 && n % 3 == 0 {
                (
                    429,
                    json!({"type": "es_rejected_execution_exception", "reason": "queue full"}),
                )
            } else {
                note(&store, id);
                (201, Value::Null)
            };
            items.push(match error {
                Value::Null => json!({"create": {"_id": id, "status": status}}),
                error => json!({"create": {"_id": id, "status": status, "error": error}}),
            });
        }
        // The answer to one request is lost: the documents are there all the same.
        if requests == 3 {
            return None;
        }
        say(200, json!({"took": 1, "errors": true, "items": items}))
    })
}

#[test]
fn bulk_gets_each_document_once_whatever_is_repeated() {
    let store = Store::default();
    let receiver = bulk(store.clone());
    let url = receiver.url("/logs-relaydrift-default");
    let elastic = |key| Box::new(Elastic::new(client(&url), &url, &secret(key).1).unwrap());
    let mut all = records(2_500);
    all[5].bytes = br#"{"event":"bad"}"#.to_vec();
    let aside = tempfile::tempfile().unwrap();
    let (sent, safe) = send(elastic("right"), all.clone(), 60_000, Some(aside));
    let sent = sent.unwrap();
    assert_eq!((sent.taken, sent.rejected), (2_499, 1));
    assert_eq!(safe.len(), 2_500);
    let stored = store.lock().unwrap().clone();
    assert!(stored.len() == 2_499 && stored.values().all(|times| *times == 1));
    let (sent, _) = send(elastic("right"), all, 5_000, None);
    assert!(
        sent.unwrap_err()
            .to_string()
            .contains("failed to parse field [event]")
    );
    let (sent, _) = send(elastic("wrong"), records(1), 5_000, None);
    assert!(
        sent.unwrap_err()
            .to_string()
            .contains("unable to authenticate")
    );
}

/// Logs Ingestion and who issues its tokens, on one port: tokens that are revoked once, 1 MB, 429.
fn ingestion(store: Store) -> Receiver {
    let (mut requests, mut tokens) = (0, 0);
    Receiver::new(move |request| {
        if request.path == "/tenant/oauth2/v2.0/token" {
            let form: HashMap<String, String> = url::form_urlencoded::parse(&request.body)
                .into_owned()
                .collect();
            assert_eq!(form["grant_type"], "client_credentials");
            assert_eq!(form["scope"], "https://monitor.azure.com//.default");
            if form["client_id"] != "app" || form["client_secret"] != "s3cret&=" {
                return say(
                    401,
                    json!({"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret"}),
                );
            }
            tokens += 1;
            return say(
                200,
                json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("t{tokens}")}),
            );
        }
        assert_eq!(
            request.path,
            "/dataCollectionRules/dcr-1/streams/Custom-RelaydriftFindings_CL?api-version=2023-01-01"
        );
        requests += 1;
        if requests == 2 {
            return say(
                401,
                json!({"error": {"code": "InvalidToken", "message": "revoked"}}),
            );
        }
        let want = if requests == 1 {
            "Bearer t1"
        } else {
            "Bearer t2"
        };
        assert_eq!(request.headers["authorization"], want);
        if requests == 3 {
            return Some((
                429,
                vec![("retry-after", "1".to_owned())],
                "slow down".to_owned(),
            ));
        }
        assert_eq!(request.headers["content-encoding"], "gzip");
        let mut body = Vec::new();
        flate2::read::GzDecoder::new(request.body.as_slice())
            .read_to_end(&mut body)
            .unwrap();
        if body.len() > 1_000_000 {
            return say(
                413,
                json!({"error": {"code": "ContentLengthLimitExceeded"}}),
            );
        }
        let rows: Vec<Value> = serde_json::from_slice(&body).unwrap();
        rows.iter().for_each(|row| note(&store, &row["key"]));
        say(204, "")
    })
}

fn logs_ingestion(receiver: &Receiver, client_secret: &str) -> Box<dyn Transport> {
    let url = receiver.url("/dataCollectionRules/dcr-1/streams/Custom-RelaydriftFindings_CL");
    let authority = receiver.url("/tenant");
    let application = Application {
        authority: authority.clone(),
        client_id: "app".to_owned(),
        secret: secret(client_secret).1,
        scope: None,
    };
    Box::new(LogsIngestion::new(client(&url), client(&authority), &url, application).unwrap())
}

#[test]
fn logs_ingestion_takes_all_in_calls_of_a_megabyte() {
    let store = Store::default();
    let receiver = ingestion(store.clone());
    let mut all = records(3_000);
    for record in &mut all {
        let text = "x".repeat(900);
        record.bytes = json!({"key": record.key, "text": text})
            .to_string()
            .into_bytes();
    }
    let started = std::time::Instant::now();
    let (sent, safe) = send(logs_ingestion(&receiver, "s3cret&="), all, 60_000, None);
    assert_eq!(sent.unwrap().taken, 3_000);
    assert_eq!(safe.len(), 3_000);
    assert_eq!(store.lock().unwrap().len(), 3_000);
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "Retry-After is obeyed"
    );
    let (sent, _) = send(logs_ingestion(&receiver, "wrong"), records(1), 5_000, None);
    let error = sent.unwrap_err().to_string();
    assert!(
        error.contains("AADSTS7000215") && !error.contains("wrong"),
        "{error}"
    );
}

#[test]
fn redirects_are_not_followed() {
    let receiver = Receiver::new(|_| {
        Some((
            302,
            vec![("location", "http://198.51.100.1/".to_owned())],
            String::new(),
        ))
    });
    let (sent, _) = send(hec(&receiver, "right"), records(1), 5_000, None);
    assert!(
        sent.unwrap_err()
            .to_string()
            .contains("redirects are not followed")
    );
}

/// Reads messages counted by octets until the sender closes.
fn octets(stream: &mut impl Read) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let (mut messages, mut rest) = (Vec::new(), bytes.as_slice());
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space])
            .unwrap()
            .parse()
            .unwrap();
        let Some(message) = rest.get(space + 1..space + 1 + length) else {
            break;
        };
        messages.push(message.to_vec());
        rest = &rest[space + 1 + length..];
    }
    messages
}

#[test]
fn a_syslog_receiver_that_dies_and_comes_back_loses_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = got.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            if n % 2 == 0 {
                // Dies with bytes unread: the kernel resets the connection.
                let _ = stream.read(&mut [0; 100]);
                continue;
            }
            kept.lock().unwrap().extend(octets(&mut stream));
        }
    });
    let all = records(12_000);
    let syslog = Box::new(Syslog::new("127.0.0.1", port, None).unwrap());
    let (sent, safe) = send(syslog, all.clone(), 60_000, None);
    let sent = sent.unwrap();
    assert_eq!((sent.taken, safe.len()), (12_000, 12_000));
    assert!(sent.retried >= 3, "{sent:?}");
    let got = got.lock().unwrap();
    let want: Vec<Vec<u8>> = all.into_iter().map(|record| record.bytes).collect();
    assert_eq!(*got, want);
}

#[test]
fn memory_is_bounded_by_the_queue() {
    struct Slow(Arc<Mutex<usize>>);
    impl Transport for Slow {
        fn target(&self) -> &str {
            "slow"
        }
        fn limits(&self) -> relaydrift_export::transport::Limits {
            relaydrift_export::transport::Limits {
                records: 10,
                bytes: 1 << 20,
            }
        }
        fn send(
            &mut self,
            batch: &[Record],
        ) -> Result<Vec<relaydrift_export::transport::Fate>, relaydrift_export::transport::Failure>
        {
            std::thread::sleep(Duration::from_millis(20));
            *self.0.lock().unwrap() += batch.len();
            Ok(vec![relaydrift_export::transport::Fate::Taken; batch.len()])
        }
    }
    let taken = Arc::new(Mutex::new(0));
    let effort = Effort {
        patience: Duration::from_secs(1),
        rejected: None,
        tell: |_| (),
    };
    let mut queue = Queue::start(
        Box::new(Slow(taken.clone())),
        effort,
        Box::new(|_: &[()]| Ok(())),
    );
    for (n, record) in records(500).into_iter().enumerate() {
        queue.push(record, ()).unwrap();
        // One batch is being filled, two wait, one is under way and one more was just taken.
        let ahead = n + 1 - *taken.lock().unwrap();
        assert!(ahead <= 50, "{ahead} records in memory");
    }
    assert_eq!(queue.finish().unwrap().taken, 500);
}
