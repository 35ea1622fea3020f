//! What holds for any bytes whatever. Each check is a fuzz target of its name; the test command runs it over the
//! files of `corpus/NAME`.

#[path = "../../crates/relaydrift-export/tests/samples/mod.rs"]
mod samples;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use relaydrift_export::Format;
use relaydrift_export::escape;
use relaydrift_ingest::{Before, Cut, Keep, Naming, Sink, SinkError, Summary, Table, TaskSink};
use relaydrift_parse::text::acts;
use relaydrift_parse::{Columns, Counts, Header, Piece, Reject, Row, Visit};
use relaydrift_parse::{certificate, command, dn, endpoint, note, peer, reply, time};

/// Panics where something does not hold.
type Check = fn(&[u8]);

/// The checks, by the names of their targets.
pub const ALL: [(&str, Check); 6] = [
    ("lines", lines),
    ("fields", fields),
    ("cuts", cuts),
    ("archives", archives),
    ("exports", exports),
    ("outputs", outputs),
];

/// Every byte of whole lines has one class, rows and rejects lie where they say, and it does not matter at which
/// line the bytes are cut.
pub fn lines(bytes: &[u8]) {
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
        return;
    };
    let bytes = &bytes[..=end];
    let (counts, seen, bad) = read(&[bytes]);
    if bad {
        return;
    }
    let classes = [
        counts.header_bytes,
        counts.event_bytes,
        counts.reject_bytes,
        counts.blank_bytes,
    ];
    assert_eq!(classes.iter().sum::<u64>(), bytes.len() as u64);
    assert_eq!(counts.rows + counts.rejects, seen.len() as u64);
    for (offset, text) in &seen {
        let at = usize::try_from(*offset).expect("an offset");
        assert!(bytes[at..].starts_with(text), "at {offset}");
    }
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let ends: Vec<usize> = ends.map(|(at, _)| at + 1).collect();
    let cut = ends[bytes.len() % ends.len()];
    let (again, seen_again, _) = read(&[&bytes[..cut], &bytes[cut..]]);
    assert_eq!(again, counts, "cut at {cut}");
    assert_eq!(seen_again, seen, "cut at {cut}");
}

/// Offset and bytes of each row (its event and data) and reject.
#[derive(Default)]
struct Seen(Vec<(u64, Vec<u8>)>);

impl<'a> Visit<'a> for Seen {
    fn row(&mut self, row: &Row<'a>, _: &Columns) {
        row.record.data().value();
        row.record.to_line();
        self.0.push((row.offset, Vec::new()));
    }

    fn reject(&mut self, reject: Reject<'a>) {
        self.0.push((reject.offset, reject.bytes.to_vec()));
    }
}

fn read(pieces: &[&[u8]]) -> (Counts, Vec<(u64, Vec<u8>)>, bool) {
    let (mut header, mut seen, mut all) = (Header::default(), Seen::default(), Counts::default());
    let mut offset = 0;
    for bytes in pieces {
        let piece = Piece {
            bytes,
            offset,
            line: all.lines + 1,
        };
        let (counts, bad) = relaydrift_parse::read(piece, &mut header, &mut seen);
        all.add(&counts);
        offset += bytes.len() as u64;
        if bad.is_some() {
            return (all, seen.0, true);
        }
    }
    (all, seen.0, false)
}

/// Parsers of fields end, and what they find is part of what they were given.
pub fn fields(bytes: &[u8]) {
    let (context, data) = bytes.split_at(bytes.len() / 3);
    if let Some(found) = certificate::classify(context, data)
        && let certificate::Row::Attribute(attribute, value) = found
    {
        let mut certificate = certificate::Certificate::new(certificate::Form::A);
        certificate::apply(&mut certificate, attribute, value);
    }
    certificate::parse_whole(context, data);
    certificate::is_unknown_label(context, data);
    note::parse(context, data);
    command::parse(bytes);
    command::domain(bytes);
    if let Some(reply) = reply::parse(bytes) {
        reply::is_attribution_refusal(&reply);
        reply::stamp(&reply);
    }
    reply::hello(bytes);
    reply::greeting_time(bytes);
    peer::banner_host(bytes);
    peer::cloud_of_host(bytes);
    endpoint::parse(bytes);
    if let Some(micros) = time::parse(bytes) {
        assert_eq!(time::parse(time::format(micros).as_bytes()), Some(micros));
    }
    if let Ok(name) = std::str::from_utf8(bytes) {
        dn::split(name);
        dn::attribute(name, "CN");
        assert!(
            dn::equal(name, name) || dn::parse(name).is_none(),
            "{name:?}"
        );
    }
}

/// A log gives the same rows however it is cut into windows, groups and tasks.
pub fn cuts(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let mut log = b"#Log-type: SMTP Send Protocol Log\r\n".to_vec();
    log.extend(bytes);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("SEND2026010100-1.LOG"), &log).expect("written");
    let (whole, summary) = ingest(folder.path(), Cut::default());
    // Left out of the run, named as unreadable, or read to its last byte.
    let named = summary.files == 0 || !summary.failed.is_empty();
    assert!(named || summary.bytes() == log.len() as u64);
    let cut = Cut {
        window: usize::from(*choice) + 1,
        chunk: usize::from(*choice) * 7 + 1,
        task: 1,
        carry: usize::from(*choice) * 11,
    };
    let (pieces, again) = ingest(folder.path(), cut);
    assert_eq!(pieces, whole, "{cut:?}");
    assert_eq!(again.bytes(), summary.bytes(), "{cut:?}");
}

/// Any file whatever is read to its end, left out or named with a reason.
pub fn archives(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let name = ["a.zip", "a.gz", "a.zst", "a.LOG"][usize::from(*choice) % 4];
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join(name), bytes).expect("written");
    ingest(folder.path(), Cut::default());
}

/// Rows of every table as text, and how often each is there; of observations, which are parts of sums, the sums.
#[derive(Default)]
struct Rows(Mutex<BTreeMap<String, [i64; SUMS.len()]>>);

/// Columns of observations that add up; those before `first_seen` say of what.
const SUMS: [&str; 4] = ["sessions", "rows", "accepted", "refused"];

impl Sink for Rows {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Task(self)))
    }
}

struct Task<'a>(&'a Rows);

impl TaskSink for Task<'_> {
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError> {
        let options = FormatOptions::default().with_null("∅");
        let columns = batch.columns().iter();
        let columns: Vec<_> = columns
            .map(|column| ArrayFormatter::try_new(column.as_ref(), &options))
            .collect::<Result<_, _>>()?;
        let schema = batch.schema();
        let named = || {
            schema
                .fields()
                .iter()
                .map(|field| field.name().as_str())
                .zip(&columns)
        };
        let mut rows = self.0.0.lock().expect("rows");
        for row in 0..batch.num_rows() {
            let mut text = table.name().to_owned();
            for (name, column) in named() {
                match (table, name) {
                    (Table::Observations, "first_seen") => break,
                    // When it was taken in is no part of a log.
                    (_, "ingested_at") => {}
                    _ => text += &format!("|{}", column.value(row)),
                }
            }
            let counts = rows.entry(text).or_default();
            match table {
                Table::Observations => {
                    for (count, sum) in counts.iter_mut().zip(SUMS) {
                        let (_, column) = named().find(|(name, _)| *name == sum).expect("a sum");
                        *count += column.value(row).to_string().parse::<i64>()?;
                    }
                }
                // Once or many times is the same.
                Table::CertificatesSeen => {}
                _ => counts[0] += 1,
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

fn ingest(folder: &Path, cut: Cut) -> (BTreeMap<String, [i64; SUMS.len()]>, Summary) {
    let keep = Keep {
        events: true,
        sessions: true,
        all_transactions: true,
        open_rows: true,
    };
    let plan = relaydrift_ingest::find(&[folder.to_owned()], &Naming::default()).expect("a plan");
    let rows = Rows::default();
    let before = Before::default();
    let read = relaydrift_ingest::read(&plan.sources, before, keep, cut, 1, &rows, &|_| ());
    let rows = rows.0.into_inner().expect("rows");
    (rows, read.expect("lines and files do not fail a run"))
}

/// Exports of connectors, domains, certificates and planned changes are read, or refused with a reason.
pub fn exports(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let name = ["a.xml", "a.json", "a.csv", "a.txt", "a.cer"][usize::from(*choice) % 5];
    for read in [
        relaydrift_expect::read_bytes,
        relaydrift_expect::read_planned,
    ] {
        if let Err(error) = read(Path::new(name), bytes) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// A text of a stranger comes back from JSON as it was, begins no second record anywhere, and acts on no display.
pub fn outputs(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert!(!escape::visible(&text).chars().any(acts));
    let mut out = Vec::new();
    escape::json(&mut out, text.as_ref()).expect("written");
    assert_eq!(serde_json::from_slice::<String>(&out).expect("JSON"), text);
    for (event, plain) in samples::events(&text).iter().zip(&samples::events("x")) {
        let row = [
            relaydrift_export::csv_header(),
            rendered(Format::Csv, event).into(),
        ]
        .join(&b"\r\n"[..]);
        let mut records = csv::Reader::from_reader(row.as_slice()).into_records();
        assert!(records.next().is_some_and(|record| record.is_ok()) && records.next().is_none());
        for format in Format::ALL
            .into_iter()
            .filter(|format| *format != Format::Csv)
        {
            let line = rendered(format, event);
            // Tabs part the fields of LEEF.
            let acting = |line: &str| line.chars().filter(|c| acts(*c)).collect::<String>();
            let (found, wanted) = (acting(&line), acting(&rendered(format, plain)));
            // LEEF leaves out a field without text, and the tab before it.
            let left_out = text.is_empty() && format == Format::Leef && wanted.starts_with(&found);
            assert!(found == wanted || left_out, "{line:?}");
        }
    }
}

fn rendered(format: Format, event: &relaydrift_export::Event) -> String {
    let mut out = Vec::new();
    format.render(event, &mut out);
    String::from_utf8(out).expect("UTF-8")
}
