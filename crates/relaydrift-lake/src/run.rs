//! A whole ingest: batch after batch until nothing is new.

use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::error::ArrowError;
use relaydrift_ingest::{Before, Cut, Keep, Naming, Plan, Sink, Skipped, Source, Summary, Table};

use crate::batch::is_true;
use crate::share::{self, Share, SharesError, Written};
use crate::{Batch, Committed, Error, Lake};

/// How a run is cut; every choice gives the same rows.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Bytes of input in one batch, at the most (one log is never cut in two).
    pub batch_bytes: u64,
    /// How a batch is read.
    pub cut: Cut,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            batch_bytes: 4 << 30,
            cut: Cut::default(),
        }
    }
}

/// What a run did.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The batches that it committed.
    pub batches: Vec<Committed>,
    /// What they hold.
    pub summary: Summary,
    /// Files of the plan of which it could not be told what is new, and files that lost what they had.
    pub skipped: Vec<Skipped>,
}

/// Brings everything of the plan that is new into the lake. Nothing new: no batch.
///
/// `progress` is told the bytes read, again where a batch was lost to another run.
///
/// # Errors
/// If the lake cannot be read or written, or the sink refuses. The batches before stay.
pub async fn ingest(
    lake: &Lake,
    plan: Plan,
    options: Options,
    progress: impl Fn(u64) + Send + Sync + 'static,
) -> Result<Outcome, Error> {
    let progress: Arc<dyn Fn(u64) + Send + Sync> = Arc::new(progress);
    let read = |new: New| {
        let (sink, number, progress) = (new.batch.sink(), new.batch.number(), progress.clone());
        let read = move || {
            let before = Before {
                carried: &new.carried,
                ledger: &new.ledger,
            };
            relaydrift_ingest::read(
                &new.sources,
                before,
                ALL,
                options.cut,
                number,
                &sink,
                &*progress,
            )
        };
        async { Ok(tokio::task::spawn_blocking(read).await??) }
    };
    batches(lake, plan, options.batch_bytes, read).await
}

/// As [`ingest`], with the logs of each batch read by other machines: `run` gives each [`Share`] to one of them and
/// returns what all of them wrote. `naming` is that of the plan; `machines` is how many can work at once.
///
/// # Errors
/// As [`ingest`], and [`Error::Shares`] where a share was not read, or read twice.
pub async fn ingest_by<F>(
    lake: &Lake,
    plan: Plan,
    naming: &Naming,
    machines: NonZeroUsize,
    run: impl Fn(Vec<Share>) -> F,
) -> Result<Outcome, Error>
where
    F: Future<Output = Result<Vec<Written>, SharesError>>,
{
    let bytes = Options::default().batch_bytes;
    let bytes = bytes.saturating_mul(machines.get() as u64);
    let run = &run;
    let read = |new: New| {
        let shares = share::shares(lake, naming, machines, &new);
        async move {
            let shares = shares?;
            let count = shares.len();
            let written = run(shares).await.map_err(Error::Shares)?;
            share::adopt(lake, &new.batch, written, count).await
        }
    };
    batches(lake, plan, bytes, read).await
}

/// What a lake keeps of a log: all of it.
pub(crate) const ALL: Keep = Keep {
    events: true,
    sessions: true,
    all_transactions: true,
    open_rows: true,
};

/// A batch to be read.
pub(crate) struct New {
    pub(crate) batch: Batch,
    pub(crate) sources: Vec<Source>,
    pub(crate) ledger: Vec<RecordBatch>,
    pub(crate) carried: Vec<RecordBatch>,
}

/// Commits batch after batch of what `read` writes into its files.
async fn batches<F>(
    lake: &Lake,
    plan: Plan,
    bytes: u64,
    read: impl Fn(New) -> F,
) -> Result<Outcome, Error>
where
    F: Future<Output = Result<Summary, Error>>,
{
    let mut outcome = Outcome::default();
    let mut from = 0;
    while from < plan.sources.len() {
        let batch = lake.begin().await?;
        let ledger = lake.ledger().await?;
        let carried = lake.waiting().await?;
        let (new, to) = plan.next_batch(from, bytes, &ledger);
        if new.sources.is_empty() {
            outcome.skipped.extend(new.skipped);
            break;
        }
        let summary = read(New {
            batch: batch.clone(),
            sources: new.sources,
            ledger,
            carried,
        });
        let summary = summary.await?;
        // No row where no log could be read or held a whole new line.
        if !batch.is_empty(Table::Sources) {
            match batch.commit(&summary).await {
                Ok(committed) => outcome.batches.push(committed),
                // The same logs again, as far as the other run's ledger leaves them.
                Err(Error::LostBatch { .. } | Error::Vacuumed { .. }) => continue,
                Err(error) => return Err(error),
            }
        }
        outcome.add(summary);
        outcome.skipped.extend(new.skipped);
        from = to;
    }
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, batch: Summary) {
        // Every batch counts all that are open after it.
        self.summary.open_sessions = 0;
        self.summary.add(batch);
    }
}

/// Brings rows that stand in no log into the lake, as one batch of their own.
///
/// `rows` builds them for a batch number, again where another run takes that number first.
///
/// # Errors
/// If the lake cannot be read or written, or the rows cannot be built.
pub async fn import(
    lake: &Lake,
    rows: impl Fn(i64) -> Result<Vec<(Table, RecordBatch)>, ArrowError>,
) -> Result<Committed, Error> {
    loop {
        let batch = lake.begin().await?;
        let mut batches = rows(batch.number()).map_err(relaydrift_ingest::Error::Arrow)?;
        let open = lake.waiting().await?;
        let open = open.iter().map(|open| carry(open, batch.number()));
        for open in open {
            let open = open.map_err(Error::columns(Table::OpenSessions))?;
            batches.push((Table::OpenSessions, open));
        }
        let sink = batch.sink();
        let write = tokio::task::spawn_blocking(move || {
            let mut task = sink.task()?;
            for (table, batch) in batches {
                task.take(table, batch)?;
            }
            task.finish()
        });
        write.await?.map_err(relaydrift_ingest::Error::Sink)?;
        match batch.commit(&Summary::default()).await {
            Err(Error::LostBatch { .. } | Error::Vacuumed { .. }) => continue,
            result => return result,
        }
    }
}

/// Rows of sessions still open, which only the newest batch holds, as rows of the next one; those
/// parked count in every batch.
fn carry(open: &RecordBatch, batch: i64) -> Result<RecordBatch, ArrowError> {
    let column = |name: &str| {
        let missing = || ArrowError::SchemaError(format!("no column {name}"));
        open.column_by_name(name).ok_or_else(missing)
    };
    let waiting = not(&is_true(column("parked")?.as_boolean()))?;
    let waiting = filter_record_batch(open, &waiting)?;
    let schema = waiting.schema();
    let mut columns = waiting.columns().to_vec();
    let at = schema.index_of("batch")?;
    columns[at] = Arc::new(Int64Array::from_value(batch, waiting.num_rows()));
    RecordBatch::try_new(schema, columns)
}
