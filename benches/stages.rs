//! How fast each stage is, from bytes to answers, beside what nothing beats (`ceiling_…`) and the obvious way
//! (`naive_…`), all over the same logs.
//!
//! `RELAYDRIFT_BENCH_LOGS=FOLDER cargo bench -p relaydrift-datafusion --bench stages -- parse` takes the logs of a
//! folder (the small fleet of the tests unless given) and runs the benches whose name has the word in it: `parse`,
//! `sessions`, `check`, `ingest`, `views`, or all of them.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::RecordBatch;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use relaydrift_datafusion::{LogTables, Need, Source, register_all, session_context};
use relaydrift_ingest::{Before, Cut, Keep, Naming, Plan, Sink, SinkError, Table, TaskSink, find};
use relaydrift_lake::{Lake, Options};
use relaydrift_parse::{Columns, Header, OpenSessions, Piece, Record, Reject, Row, Session, Visit};
use tokio::runtime::Runtime;

fn main() {
    let logs = &*LOGS;
    println!(
        "{} logs, {:.1} MB",
        logs.texts.len(),
        logs.bytes as f64 / 1e6
    );
    divan::main();
}

/// The logs, read once.
struct Logs {
    folder: PathBuf,
    texts: Vec<Vec<u8>>,
    bytes: u64,
}

static LOGS: LazyLock<Logs> = LazyLock::new(|| {
    let folder = std::env::var_os("RELAYDRIFT_BENCH_LOGS").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fleet").into());
    let plan = plan_of(&folder);
    let text = |source: &relaydrift_ingest::Source| std::fs::read(&source.path).expect("a log");
    let texts: Vec<_> = plan.sources.iter().map(text).collect();
    let bytes = texts.iter().map(|text| text.len() as u64).sum();
    Logs {
        folder,
        texts,
        bytes,
    }
});

fn plan_of(folder: &std::path::Path) -> Plan {
    find(&[folder.to_owned()], &Naming::default()).expect("logs")
}

/// Times `run`, as bytes of log per second.
fn time<T>(bencher: Bencher<'_, '_>, run: impl Fn() -> T + Sync) {
    bencher.counter(BytesCount::new(LOGS.bytes)).bench(run);
}

fn pool(threads: usize) -> rayon::ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("threads")
}

/// Whole lines of a log.
fn piece(text: &[u8]) -> Piece<'_> {
    let whole = memchr::memrchr(b'\n', text).map_or(0, |last| last + 1);
    Piece {
        bytes: &text[..whole],
        offset: 0,
        line: 1,
    }
}

/// Takes columns and keeps none.
struct Nowhere;

impl Sink for Nowhere {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Nowhere))
    }
}

impl TaskSink for Nowhere {
    fn take(&mut self, _: Table, batch: RecordBatch) -> Result<(), SinkError> {
        black_box(batch);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

fn read(keep: Keep, threads: &rayon::ThreadPool, plan: &Plan) {
    let (before, cut) = (Before::default(), Cut::default());
    let read = || relaydrift_ingest::read(&plan.sources, before, keep, cut, 0, &Nowhere, &|_| {});
    black_box(threads.install(read).expect("readable logs"));
}

/// Lines, fields, rows; one thread.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod parse {
    use super::*;

    #[derive(Default)]
    struct Count(u64);

    impl<'a> Visit<'a> for Count {
        fn row(&mut self, row: &Row<'a>, _: &Columns) {
            self.0 += black_box(row.record.sequence) as u64;
        }

        fn reject(&mut self, _: Reject<'a>) {}
    }

    #[divan::bench]
    fn ceiling_line_ends_by_memchr(bencher: Bencher) {
        let ends = |text: &Vec<u8>| memchr::memchr_iter(b'\n', text).count();
        time(bencher, || LOGS.texts.iter().map(ends).sum::<usize>());
    }

    #[divan::bench]
    fn naive_split_by_commas(bencher: Bencher) {
        let fields = |line: &str| line.split(',').map(str::to_owned).collect::<Vec<_>>().len();
        let split = |text: &Vec<u8>| {
            let text = String::from_utf8_lossy(text);
            text.lines().map(fields).sum::<usize>()
        };
        time(bencher, || LOGS.texts.iter().map(split).sum::<usize>());
    }

    #[divan::bench]
    fn nine_fields(bencher: Bencher) {
        let columns = Columns::default();
        let is_row = |line: &&[u8]| Record::parse(line, &columns).is_ok();
        let rows = |text: &Vec<u8>| text.split(|byte| *byte == b'\n').filter(is_row).count();
        time(bencher, || LOGS.texts.iter().map(rows).sum::<usize>());
    }

    #[divan::bench]
    fn rows(bencher: Bencher) {
        let rows = |text: &Vec<u8>| {
            let mut count = Count::default();
            let read = relaydrift_parse::read(piece(text), &mut Header::default(), &mut count);
            black_box(read);
            count.0
        };
        time(bencher, || LOGS.texts.iter().map(rows).sum::<u64>());
    }
}

/// Rows into sessions; one thread.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod sessions {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Fold<'a> {
        open: OpenSessions<'a>,
        count: u64,
    }

    impl<'a> Visit<'a> for Fold<'a> {
        fn row(&mut self, row: &Row<'a>, _: &Columns) {
            let count = &mut self.count;
            self.open.push(row, 0, &mut |session: &Session<'a>| {
                black_box(session);
                *count += 1;
            });
        }

        fn reject(&mut self, _: Reject<'a>) {}
    }

    /// Each line into a list of its session, by the text of the id.
    #[divan::bench]
    fn naive_map_of_lines(bencher: Bencher) {
        let group = |text: &Vec<u8>| {
            let text = String::from_utf8_lossy(text);
            let mut sessions: HashMap<String, Vec<String>> = HashMap::new();
            for line in text.lines() {
                if let Some(id) = line.split(',').nth(2) {
                    sessions
                        .entry(id.to_owned())
                        .or_default()
                        .push(line.to_owned());
                }
            }
            sessions.len()
        };
        time(bencher, || LOGS.texts.iter().map(group).sum::<usize>());
    }

    #[divan::bench]
    fn folded(bencher: Bencher) {
        let fold = |text: &Vec<u8>| {
            let mut fold = Fold::default();
            black_box(relaydrift_parse::read(
                piece(text),
                &mut Header::default(),
                &mut fold,
            ));
            fold.count
        };
        time(bencher, || LOGS.texts.iter().map(fold).sum::<u64>());
    }
}

/// Logs to the observations that `check` reads, by threads.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod check {
    use super::*;

    #[divan::bench(args = [1, 2])]
    fn observations(bencher: Bencher, threads: usize) {
        let keep = Keep {
            events: false,
            sessions: false,
            all_transactions: false,
            open_rows: false,
        };
        let (plan, threads) = (plan_of(&LOGS.folder), pool(threads));
        time(bencher, || read(keep, &threads, &plan));
    }
}

/// Logs to a lake.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod ingest {
    use super::*;

    #[divan::bench]
    fn ceiling_zstd_one_thread(bencher: Bencher) {
        let pack = |text: &Vec<u8>| zstd::bulk::compress(text, 1).expect("memory").len();
        time(bencher, || LOGS.texts.iter().map(pack).sum::<usize>());
    }

    /// All columns, and nothing written.
    #[divan::bench(args = [1, 2])]
    fn columns(bencher: Bencher, threads: usize) {
        let keep = Keep {
            events: true,
            sessions: true,
            all_transactions: true,
            open_rows: true,
        };
        let (plan, threads) = (plan_of(&LOGS.folder), pool(threads));
        time(bencher, || read(keep, &threads, &plan));
    }

    /// Committed: Parquet, zstd, synced.
    #[divan::bench]
    fn lake(bencher: Bencher) {
        let runtime = Runtime::new().expect("threads");
        let lakes = bencher.with_inputs(|| tempfile::tempdir().expect("a folder"));
        lakes
            .counter(BytesCount::new(LOGS.bytes))
            .bench_values(|folder| {
                runtime.block_on(super::ingest_into(&folder));
                folder
            });
    }
}

async fn ingest_into(folder: &tempfile::TempDir) {
    let path = folder.path().join("lake");
    let lake = Lake::open_or_create(path.to_str().expect("a name")).await;
    let plan = plan_of(&LOGS.folder);
    let lake = lake.expect("a lake");
    let done = relaydrift_lake::ingest(&lake, plan, Options::default(), |_| ()).await;
    done.expect("room");
}

/// Questions, as bytes of the logs that they are about.
#[divan::bench_group(sample_count = 5, sample_size = 1)]
mod views {
    use super::*;

    static LAKE: LazyLock<(Runtime, tempfile::TempDir)> = LazyLock::new(|| {
        let runtime = Runtime::new().expect("threads");
        let folder = tempfile::tempdir().expect("a folder");
        runtime.block_on(ingest_into(&folder));
        (runtime, folder)
    });

    /// Each question in a context of its own: one keeps what it worked out for the next question.
    fn ask(source: Source, query: &str) -> usize {
        let rows = LAKE.0.block_on(async {
            let context = session_context(2);
            register_all(&context, source).await?;
            context.sql(query).await?.collect().await
        });
        let rows = rows.expect("an answer");
        rows.iter().map(RecordBatch::num_rows).sum()
    }

    fn ask_lake(bencher: Bencher, query: &str) {
        let path = LAKE.1.path().join("lake");
        time(bencher, || {
            let lake = LAKE.0.block_on(Lake::open(path.to_str().expect("a name")));
            ask(Source::Lake(Arc::new(lake.expect("a lake"))), query)
        });
    }

    /// What the views read, and no more.
    #[divan::bench]
    fn ceiling_all_observations(bencher: Bencher) {
        ask_lake(
            bencher,
            "select count(*), max(last_seen), sum(sessions), max(value) from observations",
        );
    }

    /// Certificates by connector and server out of the rows themselves.
    #[divan::bench]
    fn naive_certificates_from_events(bencher: Bencher) {
        ask_lake(
            bencher,
            "select connector_id, server, regexp_match(data, '[0-9A-F]{40}')[1] as thumbprint,
                 min(event_time), max(event_time), count(*)
             from events where event = '*' and context = 'Sending certificate' group by 1, 2, 3",
        );
    }

    #[divan::bench]
    fn certificate_spans(bencher: Bencher) {
        ask_lake(bencher, "select * from certificate_spans");
    }

    #[divan::bench]
    fn drift(bencher: Bencher) {
        ask_lake(bencher, "select * from drift");
    }

    #[divan::bench]
    fn refusals(bencher: Bencher) {
        ask_lake(bencher, "select * from refusals");
    }

    #[divan::bench]
    fn certificate_expiry(bencher: Bencher) {
        ask_lake(bencher, "select * from certificate_expiry");
    }

    /// Logs to `drift`, without a lake.
    #[divan::bench]
    fn drift_over_logs(bencher: Bencher) {
        time(bencher, || {
            let logs = LogTables::new(plan_of(&LOGS.folder), Naming::default(), Need::Drift);
            ask(Source::Logs(Arc::new(logs)), "select * from drift")
        });
    }
}
