//! How fast logs are read, beside two ceilings and a naive twin, all over the same bytes in memory or
//! page cache: `memchr` counting line ends, the split into nine fields, and a split by `str::split`.
//!
//! `RELAYDRIFT_BENCH_LOGS=FOLDER cargo bench -p relaydrift-ingest --bench read -- WORD` runs the stages
//! whose name has the word in it, or all of them; `RELAYDRIFT_BENCH_RUNS` is how often.

use std::path::PathBuf;
use std::time::Instant;

use arrow::array::RecordBatch;
use relaydrift_ingest::{Before, Cut, Keep, Naming, Sink, SinkError, Table, TaskSink, find, read};
use relaydrift_parse::{Columns, Header, Piece, Record, Reject, Row, Visit};

const RUNS: usize = 5;

fn runs() -> usize {
    let runs = std::env::var("RELAYDRIFT_BENCH_RUNS").ok();
    runs.and_then(|runs| runs.parse().ok()).unwrap_or(RUNS)
}

/// Whether the command line asks for a stage.
fn is_wanted(stage: &str) -> bool {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    words.next().is_none_or(|word| stage.contains(&word))
}

struct Nowhere;

impl Sink for Nowhere {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Nowhere))
    }
}

impl TaskSink for Nowhere {
    fn take(&mut self, _: Table, batch: RecordBatch) -> Result<(), SinkError> {
        std::hint::black_box(batch);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

#[derive(Default)]
struct Count(u64);

impl<'a> Visit<'a> for Count {
    fn row(&mut self, row: Row<'a>, _: &Columns) {
        self.0 += std::hint::black_box(row.record.sequence) as u64;
    }

    fn reject(&mut self, _: Reject<'a>) {}
}

/// Prints the median of some runs in bytes per second.
fn time(name: &str, bytes: u64, mut run: impl FnMut()) {
    if !is_wanted(name) {
        return;
    }
    let runs = runs();
    let mut seconds: Vec<f64> = (0..runs)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let rate = bytes as f64 / 1e6 / seconds[runs / 2];
    println!("{name:<44} {rate:>8.0} MB/s");
}

fn naive(text: &[u8]) -> usize {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>().len())
        .sum()
}

fn main() {
    let folder = std::env::var_os("RELAYDRIFT_BENCH_LOGS").map(PathBuf::from);
    let folder =
        folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fleet").into());
    let plan = find(&[folder], &Naming::default()).expect("logs");
    let texts: Vec<Vec<u8>> = plan
        .sources
        .iter()
        .map(|source| std::fs::read(&source.path).expect("a log"))
        .collect();
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    println!(
        "{} files, {:.1} MB, median of {}",
        texts.len(),
        bytes as f64 / 1e6,
        runs()
    );

    time("ceiling: line ends by memchr, one thread", bytes, || {
        let ends: usize = texts
            .iter()
            .map(|text| memchr::memchr_iter(b'\n', text).count())
            .sum();
        std::hint::black_box(ends);
    });
    time("naive twin: str::split, one thread", bytes, || {
        std::hint::black_box(texts.iter().map(|text| naive(text)).sum::<usize>());
    });
    time("split: nine fields, one thread", bytes, || {
        let split = |line: &[u8]| Record::parse(line, &Columns::default()).is_ok();
        let lines = texts
            .iter()
            .flat_map(|text| text.split(|byte| *byte == b'\n'));
        std::hint::black_box(lines.filter(|line| split(line)).count());
    });
    time("parse: lines, classes, rows, one thread", bytes, || {
        for text in &texts {
            let whole = memchr::memrchr(b'\n', text).map_or(0, |last| last + 1);
            let piece = Piece {
                bytes: &text[..whole],
                offset: 0,
                line: 1,
            };
            let mut count = Count::default();
            std::hint::black_box(relaydrift_parse::read(
                piece,
                &mut Header::default(),
                &mut count,
            ));
        }
    });
    let check = Keep {
        events: false,
        sessions: false,
        all_transactions: false,
        open_rows: false,
    };
    let lake = Keep {
        events: true,
        sessions: true,
        all_transactions: true,
        open_rows: true,
    };
    for (name, keep) in [
        ("check: files to observations", check),
        ("ingest: files to columns, no encoding", lake),
    ] {
        for threads in [1, 2] {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .expect("threads");
            time(&format!("{name}, {threads} thread(s)"), bytes, || {
                let run = || {
                    read(
                        &plan.sources,
                        Before::default(),
                        keep,
                        Cut::default(),
                        0,
                        &Nowhere,
                        &|_| {},
                    )
                };
                std::hint::black_box(pool.install(run).expect("readable logs"));
            });
        }
    }
}
