//! The same tables however the work is cut: windows, threads, files, runs, and the order of files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use arrow::array::{ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use proptest::prelude::*;

use crate::*;

mod bad_input;
mod packed;

/// Keeps every batch, as a lake does.
#[derive(Default)]
struct Memory(Mutex<Vec<(Table, RecordBatch)>>);

struct Task<'a>(&'a Memory);

impl Sink for Memory {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Task(self)))
    }
}

impl TaskSink for Task<'_> {
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError> {
        let batch = crate::columns::spelled_out(&batch, table)?;
        self.0.0.lock().unwrap().push((table, batch));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

type Batches = Vec<(Table, RecordBatch)>;

/// A row as text by column, without the columns that say how the input was cut.
type TextRow = BTreeMap<String, String>;

const CUT_COLUMNS: [&str; 10] = [
    "batch",
    "source_id",
    "line",
    "byte_offset",
    "reply_source_id",
    "reply_line",
    "first_source_id",
    "first_line",
    "ingested_at",
    "path",
];

fn rows(batches: &Batches, table: Table) -> Vec<TextRow> {
    let mut rows = Vec::new();
    let options = FormatOptions::default().with_null("∅");
    for (_, batch) in batches.iter().filter(|(of, _)| *of == table) {
        let schema = batch.schema();
        // Shown without the zone, which needs a time-zone database.
        let plain = |column: &ArrayRef| match column.data_type() {
            DataType::Timestamp(unit, _) => {
                cast(column, &DataType::Timestamp(*unit, None)).unwrap()
            }
            _ => column.clone(),
        };
        let columns: Vec<_> = batch.columns().iter().map(plain).collect();
        let formats: Vec<_> = columns
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
            .collect();
        for row in 0..batch.num_rows() {
            let values = schema.fields().iter().zip(&formats);
            let values = values.filter(|(field, _)| !CUT_COLUMNS.contains(&field.name().as_str()));
            rows.push(
                values
                    .map(|(field, format)| (field.name().clone(), format.value(row).to_string()))
                    .collect(),
            );
        }
    }
    rows.sort();
    rows
}

/// Observations add up: rows with the same key are one.
fn observations(batches: &Batches) -> BTreeMap<Vec<String>, TextRow> {
    let mut sums: BTreeMap<Vec<String>, TextRow> = BTreeMap::new();
    let schema = Table::Observations.schema();
    let columns = schema.fields().iter().map(|field| field.name());
    let keys: Vec<&String> = columns.take_while(|name| *name != "first_seen").collect();
    for row in rows(batches, Table::Observations) {
        let key: Vec<String> = keys.iter().map(|key| row[*key].clone()).collect();
        let Some(sum) = sums.get_mut(&key) else {
            sums.insert(key, row);
            continue;
        };
        let first = (&row["first_seen"], &row["first_session_id"])
            < (&sum["first_seen"], &sum["first_session_id"]);
        if first {
            sum.insert("first_session_id".into(), row["first_session_id"].clone());
        }
        for (column, value) in row {
            let old = sum[&column].clone();
            let new = match column.as_str() {
                "sessions" | "rows" | "accepted" | "refused" => {
                    (old.parse::<i64>().unwrap() + value.parse::<i64>().unwrap()).to_string()
                }
                "first_session_id" => old,
                _ if old == "∅" => value,
                _ if value == "∅" => old,
                _ if column.starts_with("first") => old.min(value),
                _ => old.max(value),
            };
            sum.insert(column, new);
        }
    }
    sums
}

/// What must not depend on the cut.
fn content(batches: &Batches) -> (Vec<Vec<TextRow>>, BTreeMap<Vec<String>, TextRow>) {
    let tables = [
        Table::Events,
        Table::Sessions,
        Table::Transactions,
        Table::ProxiedHalves,
        Table::Rejects,
    ];
    let mut certificates = rows(batches, Table::CertificatesSeen);
    certificates.dedup();
    let mut content: Vec<_> = tables.iter().map(|table| rows(batches, *table)).collect();
    content.push(certificates);
    (content, observations(batches))
}

const WHOLE: Keep = Keep {
    events: true,
    sessions: true,
    all_transactions: true,
    open_rows: false,
};

fn read_once(folder: &Path, cut: Cut, threads: usize) -> (Batches, Summary) {
    let plan = find(&[folder.to_owned()], &Naming::default()).unwrap();
    let memory = Memory::default();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap();
    let summary = pool
        .install(|| {
            read(
                &plan.sources,
                Before::default(),
                WHOLE,
                cut,
                0,
                &memory,
                &|_| {},
            )
        })
        .unwrap();
    (memory.0.into_inner().unwrap(), summary)
}

/// Reads groups of files one run after the other, as a lake's batches, and folds what stayed open.
fn read_in_runs(runs: &[Vec<PathBuf>]) -> Batches {
    let keep = Keep {
        open_rows: true,
        ..WHOLE
    };
    let mut stored: Batches = Vec::new();
    for (number, paths) in runs.iter().enumerate() {
        let of = |table: Table| {
            stored
                .iter()
                .filter(move |(of, _)| *of == table)
                .map(|(_, batch)| batch.clone())
        };
        let ledger: Vec<_> = of(Table::Sources).collect();
        let carried: Vec<_> = of(Table::OpenSessions)
            .filter(|batch| number_of(batch) == number as i64)
            .collect();
        let plan = find(paths, &Naming::default()).unwrap().resume(&ledger);
        let memory = Memory::default();
        let before = Before {
            carried: &carried,
            ledger: &ledger,
        };
        read(
            &plan.sources,
            before,
            keep,
            leave_memory(),
            number as i64 + 1,
            &memory,
            &|_| {},
        )
        .unwrap();
        stored.extend(memory.0.into_inner().unwrap());
    }
    let last = runs.len() as i64;
    let open: Vec<_> = stored
        .iter()
        .filter(|(table, _)| *table == Table::OpenSessions)
        .map(|(_, batch)| batch)
        .map(|batch| {
            if number_of(batch) == last {
                batch.clone()
            } else {
                parked(batch)
            }
        })
        .collect();
    stored.extend(fold_open(&open).unwrap());
    stored
}

/// All rows of unfinished sessions go where they go if they are too many.
fn leave_memory() -> Cut {
    Cut {
        carry: 0,
        ..Cut::default()
    }
}

fn number_of(batch: &RecordBatch) -> i64 {
    batch
        .column_by_name("batch")
        .unwrap()
        .as_primitive::<Int64Type>()
        .value(0)
}

fn parked(batch: &RecordBatch) -> RecordBatch {
    let parked = batch.column_by_name("parked").unwrap().as_boolean();
    arrow::compute::filter_record_batch(batch, parked).unwrap()
}

/// A session's rows as text without its end of line; `cut` drops rows from its head or tail.
fn session(number: u64, start: i64, connector: &str, kind: usize) -> Vec<(i64, String)> {
    let id = format!("{:016X}", 0x08DF_1F4E_EFBD_C000u64 + number);
    let certificate = "CN=mx.example.com, O=Example CN=Test CA, O=Test";
    let print = format!("{:040X}", 0xAB00 + number % 3);
    let mut lines = vec![
        "*,,attempting to connect".to_owned(),
        "+,,".to_owned(),
        "<,\"220 x.mail.protection.outlook.com Microsoft ESMTP MAIL Service ready at Mon, 5 Oct 2026 09:59:58 +0000\",".to_owned(),
        ">,EHLO mx.example.com,".to_owned(),
        format!(
            "<,250-x.mail.protection.outlook.com Hello [203.0.113.{}],",
            number % 4 + 1
        ),
        "<,250 STARTTLS,".to_owned(),
        ">,STARTTLS,".to_owned(),
        "<,220 2.0.0 SMTP server ready,".to_owned(),
    ];
    match kind % 3 {
        0 => lines.extend([
            "*,,Sending certificate".to_owned(),
            "*,\"CN=mx.example.com, O=Example\",Certificate subject".to_owned(),
            "*,\"CN=Test CA, O=Test\",Certificate issuer name".to_owned(),
            "*,0A1B,Certificate serial number".to_owned(),
            format!("*,{print},Certificate thumbprint"),
            "*,mx.example.com,Certificate alternate names".to_owned(),
        ]),
        1 => lines.push(format!("*,\" {certificate} 0A1B {print} 2026-01-01T00:00:00.000Z 2027-01-01T00:00:00.000Z mx.example.com\",Sending certificate Subject Issuer name Serial number Thumbprint Not before Not after Subject alternate names")),
        _ => {}
    }
    lines.extend([
        ">,MAIL FROM:<a@example.com> SIZE=100,".to_owned(),
        ">,RCPT TO:<b@example.org>,".to_owned(),
        ">,RCPT TO:<c@example.net>,".to_owned(),
        "<,250 2.1.0 Sender OK,".to_owned(),
    ]);
    lines.push(match number % 3 {
        0 => {
            "<,550 5.7.64 TenantAttribution; Relay Access Denied [x.prod.outlook.com 2026-10-05T10:00:00.000Z 08DD],"
                .to_owned()
        }
        _ => "<,250 2.1.5 Recipient OK,".to_owned(),
    });
    lines.extend(
        [
            "<,250 2.1.5 Recipient OK,",
            ">,QUIT,",
            "<,221 2.0.0 Bye,",
            "-,,Local",
        ]
        .map(String::from),
    );
    match kind {
        7 => lines.truncate(9),
        // The hub's half of a delivery through a front end (whatever its peer seems to be), and the
        // front end's.
        10 => lines.splice(8..8, PROXY.map(String::from)).for_each(drop),
        11 => {
            lines[0] = format!(
                "*,,attempting to connect. Outbound proxy from hub with session id {id}. Proxied session id 08DF1F4EEFBDBFFF"
            );
        }
        // A device in between, a handshake and an authentication that fail; TLS without a certificate.
        12 => lines.splice(2..8, MASKED.map(String::from)).for_each(drop),
        13 => lines[8] = "*,,TLS negotiation failed with error UntrustedRoot".to_owned(),
        14 => lines.splice(7..8, AUTH.map(String::from)).for_each(drop),
        17 => lines.insert(8, SECURED.to_owned()),
        _ => {}
    }
    let from = if kind == 8 { 5 } else { 0 };
    let rows = lines.iter().enumerate().skip(from).map(|(sequence, line)| {
        let time = start + sequence as i64 * 37_000;
        let time_text = relaydrift_parse::time::format(time);
        (
            time,
            format!("{time_text},{connector},{id},{sequence},10.0.0.1:99,192.0.2.1:25,{line}"),
        )
    });
    rows.collect()
}

const MASKED: [&str; 4] = [
    "<,220 ********************,",
    ">,EHLO mx.example.com,",
    "<,250-mx.example.org,",
    "<,250 XXXA,",
];
const SECURED: &str = "*,,\"TLS protocol SP_PROT_TLS1_2_CLIENT negotiation succeeded using bulk encryption algorithm CALG_AES_256 with strength 256 bits, MAC hash algorithm CALG_SHA_384 with strength 0 bits\"";
const PROXY: [&str; 2] = [">,XPROXYTO DESTINATIONS=x SESSIONID=1,", "<,250 OK,"];
const AUTH: [&str; 3] = [
    ">,X-EXPS EXCHANGEAUTH SHA256 ,",
    ">,<Binary Data>,",
    "<,535 5.7.3 Authentication unsuccessful,",
];

/// Sessions spread over hours and servers, as files that cut them anywhere.
fn write_fleet(folder: &Path, seed: &[(u64, i64, usize)], rows_per_file: usize) -> Vec<PathBuf> {
    let base = relaydrift_parse::time::parse(b"2026-10-05T10:00:00.000Z").unwrap();
    let mut files = Vec::new();
    for server in ["EX1", "EX2"] {
        let mut all: Vec<(i64, String)> = Vec::new();
        for (at, (number, offset, kind)) in seed.iter().enumerate() {
            let id = number + at as u64 * 100;
            all.extend(session(id, base + offset * 1_000_000, "To cloud", *kind));
        }
        all.sort_by_key(|(time, _)| *time);
        let path = folder.join(server).join("SmtpSend");
        std::fs::create_dir_all(&path).unwrap();
        for (number, lines) in all.chunks(rows_per_file).enumerate() {
            let mut text = format!(
                "\u{feff}#Software: Microsoft Exchange Server\r\n#Log-type: SMTP Send Protocol Log\r\n#Date: 2026-10-05T10:00:00.{number:03}Z\r\n"
            );
            lines
                .iter()
                .for_each(|(_, line)| text.extend([line.as_str(), "\r\n"]));
            text.push_str(if number % 4 == 3 { "torn,row\r\n" } else { "" });
            let file = path.join(format!(
                "SEND20261005{:02}-{}.LOG",
                number / 40,
                number % 40 + 1
            ));
            std::fs::write(&file, text).unwrap();
            files.push(file);
        }
    }
    files
}

fn seeds() -> impl Strategy<Value = Vec<(u64, i64, usize)>> {
    proptest::collection::vec((0u64..99, 0i64..400_000, 0usize..18), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn windows_threads_files_runs_and_order_do_not_matter(
        seed in seeds(), rows_per_file in 5usize..60, shuffle in any::<u64>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let files = write_fleet(folder.path(), &seed, rows_per_file);
        let (batches, summary) = read_once(folder.path(), Cut::default(), 1);
        let want = content(&batches);
        let size: u64 = files.iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
        prop_assert_eq!(summary.bytes(), size, "every byte has a class");

        let cut = |window, chunk, task, carry| Cut { window, chunk, task, carry };
        for (cut, threads) in [
            (cut(1, 1, 1, 0), 2), (cut(7, 500, 1 << 20, 500), 8), (cut(64, 1 << 20, 3000, 1 << 20), 2), (cut(2, 1, 1, 2000), 1),
        ] {
            let (batches, again) = read_once(folder.path(), cut, threads);
            prop_assert_eq!(&content(&batches), &want, "{:?}", cut);
            prop_assert_eq!(again.bytes(), size);
        }

        let mut order = files.clone();
        let count = order.len() as u64;
        for at in (1..order.len()).rev() {
            order.swap(at, (shuffle.rotate_left(at as u32) % count.min(at as u64 + 1)) as usize);
        }
        let runs: Vec<Vec<PathBuf>> = order.iter().map(|file| vec![file.clone()]).collect();
        prop_assert_eq!(&content(&read_in_runs(&runs)), &want, "a run per file, in any order");
        let halves: Vec<Vec<PathBuf>> = order.chunks(order.len().div_ceil(2)).map(<[PathBuf]>::to_vec).collect();
        prop_assert_eq!(&content(&read_in_runs(&halves)), &want, "two runs");
    }

    #[test]
    fn a_log_that_grows_gives_the_same_rows(seed in seeds(), cuts in proptest::collection::vec(0.0f64..1.0, 1..6)) {
        let folder = tempfile::tempdir().unwrap();
        let files = write_fleet(folder.path(), &seed, usize::MAX);
        let (whole, _) = read_once(folder.path(), Cut::default(), 2);
        let want = content(&whole);
        let text = std::fs::read(&files[0]).unwrap();
        std::fs::write(&files[0], b"").unwrap();
        let mut ends: Vec<usize> = cuts.iter().map(|cut| (cut * text.len() as f64) as usize).collect();
        ends.sort_unstable();
        ends.push(text.len());
        // `read_in_runs` cannot change files between runs, so each state of the log is its own copy.
        let growing = GrowingLog { path: files[0].clone(), text, ends };
        prop_assert_eq!(&content(&growing.read(&files[1])), &want);
    }
}

struct GrowingLog {
    path: PathBuf,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl GrowingLog {
    fn read(&self, other: &Path) -> Batches {
        let keep = Keep {
            open_rows: true,
            ..WHOLE
        };
        let (mut stored, mut open): (Batches, Batches) = (Vec::new(), Vec::new());
        for (number, end) in self.ends.iter().enumerate() {
            std::fs::write(&self.path, &self.text[..*end]).unwrap();
            let ledger: Vec<_> = stored
                .iter()
                .filter(|(table, _)| *table == Table::Sources)
                .map(|(_, batch)| batch.clone())
                .collect();
            let carried: Vec<_> = open.iter().map(|(_, batch)| batch.clone()).collect();
            let paths = [self.path.clone(), other.to_owned()];
            let plan = find(&paths, &Naming::default()).unwrap().resume(&ledger);
            let memory = Memory::default();
            let before = Before {
                carried: &carried,
                ledger: &ledger,
            };
            read(
                &plan.sources,
                before,
                keep,
                leave_memory(),
                number as i64,
                &memory,
                &|_| {},
            )
            .unwrap();
            let (now_open, new): (Batches, Batches) = memory
                .0
                .into_inner()
                .unwrap()
                .into_iter()
                .partition(|(table, _)| *table == Table::OpenSessions);
            let stay = open
                .iter()
                .map(|(table, batch)| (*table, parked(batch)))
                .filter(|(_, batch)| batch.num_rows() > 0);
            open = stay.chain(now_open).collect();
            stored.extend(new);
        }
        let rest: Vec<_> = open.iter().map(|(_, batch)| batch.clone()).collect();
        stored.extend(fold_open(&rest).unwrap());
        stored
    }
}

#[test]
fn sessions_refusals_and_certificates_are_what_the_rows_say() {
    let folder = tempfile::tempdir().unwrap();
    write_fleet(folder.path(), &[(3, 0, 1), (1, 60, 0)], 1000);
    let (batches, summary) = read_once(folder.path(), Cut::default(), 1);
    assert_eq!(
        (summary.sessions, summary.open_sessions, summary.rejects),
        (4, 0, 0)
    );
    let sessions = rows(&batches, Table::Sessions);
    let refused = sessions
        .iter()
        .find(|row| row["refused"] == "1" && row["server"] == "EX1")
        .unwrap();
    for (column, value) in [
        ("egress_ip", "203.0.113.4"),
        (
            "sent_thumbprint",
            "000000000000000000000000000000000000AB00",
        ),
        ("sent_subject", "CN=mx.example.com, O=Example"),
        ("sent_issuer", "CN=Test CA, O=Test"),
        ("sent_not_after", "2027-01-01T00:00:00"),
        ("peer_kind", "eop"),
        ("outcome", "partly_refused"),
        ("refusal_enhanced", "5.7.64"),
        ("accepted", "1"),
        ("open", "false"),
    ] {
        assert_eq!(refused[column], value, "{column}");
    }
    let transactions = rows(&batches, Table::Transactions);
    assert_eq!(
        transactions
            .iter()
            .filter(|row| row["refused_domains"] == "[example.org]")
            .count(),
        2
    );
}

/// Observations of some sessions of [`session`]: kind and value to sessions.
fn values(kinds: &[usize]) -> BTreeMap<(String, String), String> {
    let folder = tempfile::tempdir().unwrap();
    let seed: Vec<_> = kinds.iter().map(|kind| (3, 0, *kind)).collect();
    write_fleet(folder.path(), &seed, 1000);
    let (batches, _) = read_once(folder.path(), Cut::default(), 1);
    let sums = observations(&batches).into_iter();
    let of_one = sums.filter(|(_, row)| row["server"] == "EX1");
    of_one
        .map(|(_, row)| {
            (
                (row["kind"].clone(), row["value"].clone()),
                row["sessions"].clone(),
            )
        })
        .collect()
}

#[test]
fn what_was_not_there_is_observed_where_it_is_proved() {
    let count = |found: &BTreeMap<_, String>, kind: &str, value: &str| {
        let key = (kind.to_owned(), value.to_owned());
        found.get(&key).cloned().unwrap_or_default()
    };
    // Kind 1 sends its certificate and has no row of TLS; kind 2 sends none.
    let found = values(&[1, 2]);
    assert_eq!(count(&found, "tls", "none"), "2");
    assert_eq!(
        count(&found, "certificate", "none"),
        "",
        "TLS is not proved"
    );
    assert_eq!(count(&found, "starttls", "offered"), "2");
    // A greeting of 09:59:58 read at 10:00:00, to the second; a refusal of 10:00:00, to the millisecond.
    assert_eq!(count(&found, "skew", "2"), "1");
    assert_eq!(count(&found, "skew", "0"), "1");
    // A head that is cut off proves nothing.
    assert_eq!(count(&values(&[8]), "tls", "none"), "");
    let found = values(&[12, 13]);
    assert_eq!(count(&found, "starttls", "stripped"), "1");
    assert_eq!(count(&found, "tls_failure", "UntrustedRoot"), "1");
    // TLS came to be, and no certificate was sent.
    let found = values(&[17]);
    assert_eq!(count(&found, "certificate", "none"), "1", "{found:?}");
    assert_eq!(count(&found, "tls", "SP_PROT_TLS1_2_CLIENT"), "1");
}

#[test]
fn halves_have_what_each_side_knows() {
    let folder = tempfile::tempdir().unwrap();
    write_fleet(folder.path(), &[(3, 0, 10), (4, 5, 11)], 1000);
    let (batches, _) = read_once(folder.path(), Cut::default(), 1);
    let halves = rows(&batches, Table::ProxiedHalves);
    let halves: Vec<_> = halves.iter().filter(|row| row["server"] == "EX1").collect();
    let hub: BTreeMap<_, _> = halves
        .iter()
        .filter(|row| row["half"] == "hub")
        .map(|row| {
            assert_eq!(row["hub_session_id"], row["session_id"]);
            assert_eq!(row["certificate"], "∅", "that is between hub and front end");
            (
                row["domain"].as_str(),
                (row["accepted"].as_str(), row["refused"].as_str()),
            )
        })
        .collect();
    let want = [("example.net", ("1", "0")), ("example.org", ("0", "1"))];
    assert_eq!(hub, BTreeMap::from(want));
    let front: Vec<_> = halves
        .iter()
        .filter(|row| row["half"] == "front_end")
        .collect();
    assert_eq!(front.len(), 1);
    assert_eq!(front[0]["egress"], "203.0.113.1");
    assert_eq!(front[0]["route"], "eop/worldwide");
    assert_eq!(front[0]["accepted"], "∅");
    // What the hub shows, it shows to the front end.
    let sums = observations(&batches).into_values();
    let mut kinds: Vec<_> = sums
        .filter(|row| row["first_session_id"].ends_with("C003") && row["server"] == "EX1")
        .map(|row| row["kind"].clone())
        .collect();
    kinds.sort();
    assert_eq!(kinds, ["route", "skew"]);
}

/// The one session of a log, given as `event,data,context` rows.
fn session_of(lines: &[&str]) -> TextRow {
    let folder = tempfile::tempdir().unwrap();
    let row = |(sequence, line): (usize, &&str)| {
        format!(
            "2026-10-05T10:00:00.000Z,c,08DF1F4EEFBDC000,{sequence},10.0.0.1:9,192.0.2.1:25,{line}\r\n"
        )
    };
    let text: String = lines.iter().enumerate().map(row).collect();
    std::fs::write(folder.path().join("SEND2026100510-1.LOG"), text).unwrap();
    let sessions = rows(
        &read_once(folder.path(), Cut::default(), 1).0,
        Table::Sessions,
    );
    assert_eq!(sessions.len(), 1);
    sessions[0].clone()
}

#[test]
fn sessions_say_what_failed_and_what_they_are() {
    let after_ehlo = |lines: &[&str]| {
        let start = ["+,,", "<,220 mx,", ">,EHLO a,", "<,250 DSN,"];
        session_of(&[&start[..], lines, &["-,,Local"]].concat())
    };
    for (lines, column, value, outcome) in [
        (
            &[">,AUTH LOGIN,", "<,535 5.7.3 no,"][..],
            "auth_error",
            "535 5.7.3 no",
            "auth_failed",
        ),
        (
            &["*,,Outbound Authentication failed with LogonDenied"],
            "auth_error",
            "LogonDenied",
            "auth_failed",
        ),
        (
            &[
                "*,,\"Message to secure domain 'a' on send connector 'c' failed because x, \"\"y\"\"\"",
            ],
            "secure_domain_error",
            "x, \"y\"",
            "secure_domain_failed",
        ),
        (
            &["*,,Tls cipher strength is too weak"],
            "tls_error",
            "TlsTooWeak",
            "tls_failed",
        ),
        (
            &["*,,Proxying inbound session with session id 08DF1F4EEFBDBFFF"],
            "flags",
            "[inbound_proxy]",
            "proxied",
        ),
    ] {
        let session = after_ehlo(lines);
        assert_eq!(session[column], value);
        assert_eq!(session["outcome"], outcome, "{lines:?}");
    }
    let stripped = [
        "+,,",
        "<,220 ********,",
        ">,EHLO a,",
        "<,250 XXXA,",
        "-,,Local",
    ];
    assert_eq!(
        session_of(&stripped)["flags"],
        "[masked, starttls_stripped]"
    );
    // Mail that went through decides, whatever failed before.
    let session = after_ehlo(&[
        ">,AUTH LOGIN,",
        "<,535 5.7.3 no,",
        ">,MAIL FROM:<a@b.example>,",
        "<,250 2.1.0 OK,",
        ">,RCPT TO:<c@d.example>,",
        "<,250 2.1.5 OK,",
    ]);
    assert_eq!(session["outcome"], "delivered");
}

#[test]
fn a_kept_row_that_cannot_be_read_again_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("SEND2026100510-1.LOG");
    let row = "2026-10-05T10:00:00.000Z,Out,08DF1F4EEFBDC001,0,,192.0.2.1:25,*,,attempting to connect\r\n";
    std::fs::write(&log, row).unwrap();
    let stored = read_in_runs(&[vec![log]]);
    let open = stored
        .iter()
        .find(|(table, _)| *table == Table::OpenSessions);
    let (_, open) = open.expect("an open session");
    assert!(fold_open(std::slice::from_ref(open)).is_ok());
    let at = open.schema().index_of("raw").unwrap();
    let mut columns = open.columns().to_vec();
    columns[at] = std::sync::Arc::new(arrow::array::BinaryArray::from_vec(vec![
        &row.as_bytes()[..20],
    ]));
    let carried = [RecordBatch::try_new(open.schema(), columns).unwrap()];
    let before = Before {
        carried: &carried,
        ledger: &[],
    };
    let memory = Memory::default();
    let carried_on = read(&[], before, WHOLE, Cut::default(), 2, &memory, &|_| {});
    for result in [carried_on.map(drop), fold_open(&carried).map(drop)] {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("line 1 of source "), "{error}");
        assert!(error.contains("1 field, expected 9"), "{error}");
    }
}

#[test]
fn a_short_log_that_grew_while_it_was_read_leaves_no_gap() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("SEND2026100510-1.LOG");
    let row = "2026-10-05T10:00:00.000Z,Out,08DF1F4EEFBDC001,0,,192.0.2.1:25,*,,attempting to connect\r\n";
    let found = || {
        let plan = find(std::slice::from_ref(&log), &Naming::default());
        plan.unwrap().sources
    };
    std::fs::write(&log, row).unwrap();
    let seen = found();
    std::fs::write(&log, row.repeat(3)).unwrap();
    let keep = Keep {
        open_rows: true,
        ..WHOLE
    };
    let memory = Memory::default();
    let before = Before::default();
    read(&seen, before, keep, Cut::default(), 1, &memory, &|_| {}).unwrap();
    let stored = memory.0.into_inner().unwrap();
    let ledger = stored.into_iter().filter(|(of, _)| *of == Table::Sources);
    let ledger: Vec<RecordBatch> = ledger.map(|(_, batch)| batch).collect();
    let gap = Gap::of(found().remove(0), &ledger);
    let end = 3 * row.len() as u64;
    assert_eq!((gap.source.from_offset, gap.bytes), (end, 0));
    // Two more rows were seen and not read.
    std::fs::write(&log, row.repeat(5)).unwrap();
    let gap = Gap::of(found().remove(0), &ledger);
    assert_eq!((gap.source.from_offset, gap.bytes), (end, end / 3 * 2));
    assert_eq!(gap.source.from_line, 4);
}

/// Reads a log, after what the ledger holds, and adds to it: rows read, and why it was skipped.
fn read_on(log: &Path, ledger: &mut Vec<RecordBatch>) -> (u64, String) {
    let plan = find(&[log.to_owned()], &Naming::default()).unwrap();
    let plan = plan.resume(ledger);
    let keep = Keep {
        open_rows: true,
        ..WHOLE
    };
    let (memory, before) = (Memory::default(), Before::default());
    let cut = Cut::default();
    let read = read(&plan.sources, before, keep, cut, 1, &memory, &|_| {});
    let stored = memory.0.into_inner().unwrap().into_iter();
    let sources = stored.filter(|(of, _)| *of == Table::Sources);
    ledger.extend(sources.map(|(_, batch)| batch));
    let reasons = plan.skipped.iter().map(|file| file.reason.clone());
    (read.unwrap().rows, reasons.collect::<String>())
}

const NOTHING_NEW: &str = "shorter than what was taken in of it before: nothing new";

#[test]
fn a_short_log_under_another_name_is_not_taken_in_again() {
    let row = |n: usize| {
        format!(
            "2026-10-05T10:00:0{n}.000Z,Out,08DF1F4EEFBDC00{n},0,,192.0.2.1:25,*,,attempting to connect\r\n"
        )
    };
    let head = "#Software: Microsoft Exchange Server\r\n#Date: 2026-10-05T10:00:00.000Z\r\n";
    let text = |rows: std::ops::Range<usize>| head.to_owned() + &rows.map(row).collect::<String>();
    let folder = tempfile::tempdir().unwrap();
    let mut ledger = Vec::new();
    let mut read_as = |name: &str, text: String| {
        let log = folder.path().join(name);
        std::fs::write(&log, text).unwrap();
        read_on(&log, &mut ledger)
    };
    let new = |rows: u64| (rows, String::new());
    assert_eq!(read_as("SEND2026100510-1.LOG", text(0..2)), new(2));
    assert_eq!(read_as("SEND2026100510-1.LOG", text(0..5)), new(3));
    assert_eq!(read_as("SEND2026100510-2.LOG", text(0..5)), new(0));
    assert_eq!(read_as("SEND2026100510-3.LOG", text(0..7)), new(2));
    // Older copies.
    for rows in [1, 2, 4] {
        let found = read_as("SEND2026100510-4.LOG", text(0..rows));
        assert_eq!(found, (0, NOTHING_NEW.to_owned()), "{rows} rows");
    }
    // A header alone, and other rows below the same header, are another log.
    assert_eq!(read_as("SEND2026100510-5.LOG", text(0..0)), new(0));
    assert_eq!(read_as("SEND2026100510-6.LOG", text(5..7)), new(2));
    // A log that had no row yet when it was read first.
    let late = |rows| text(rows).replace("#Date: 2026-10-05T10", "#Date: 2026-10-05T09");
    assert_eq!(read_as("SEND2026100510-7.LOG", late(0..0)), new(0));
    assert_eq!(read_as("SEND2026100510-7.LOG", late(0..3)), new(3));
    assert_eq!(read_as("SEND2026100510-8.LOG", late(0..3)), new(0));
}

#[test]
fn a_short_log_that_is_cut_back_is_not_taken_in_again() {
    let row = |n: usize| {
        format!(
            "2026-10-05T10:00:0{n}.000Z,Out,08DF1F4EEFBDC00{n},0,,192.0.2.1:25,*,,attempting to connect\r\n"
        )
    };
    let date = "#Software: Microsoft Exchange Server\r\n#Date: 2026-10-05T10:00:00.000Z\r\n";
    for head in ["", date] {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("SEND2026100510-1.LOG");
        let text = |rows: usize| head.to_owned() + &(0..rows).map(row).collect::<String>();
        let mut ledger = Vec::new();
        let mut read_now = |text: String| {
            std::fs::write(&log, text).unwrap();
            read_on(&log, &mut ledger)
        };
        assert_eq!(read_now(text(2)), (2, String::new()));
        assert_eq!(read_now(text(6)), (4, String::new()));
        for rows in 1..6 {
            assert_eq!(
                read_now(text(rows)),
                (0, NOTHING_NEW.to_owned()),
                "{rows} rows"
            );
        }
        assert_eq!(read_now(text(7)), (1, String::new()));
        // Another log of that name begins with another row.
        let other = text(6).replace("10:00:0", "10:00:1");
        let other = other.replace("#Date: 2026-10-05T10:00:10", "#Date: 2026-10-05T10:00:11");
        assert_eq!(read_now(other), (6, String::new()));
    }
}
