//! A whole ingest: batch after batch until nothing is new.

use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::error::ArrowError;
use relaydrift_ingest::{Before, Cut, Keep, Plan, Sink, Skipped, Summary, Table};

use crate::batch::is_true;
use crate::{Committed, Error, Lake};

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
    let mut outcome = Outcome::default();
    let mut from = 0;
    while from < plan.sources.len() {
        let batch = lake.begin().await?;
        let ledger = lake.read(Table::Sources).await?;
        let carried = lake.waiting().await?;
        let (new, to) = plan.next_batch(from, options.batch_bytes, &ledger);
        if new.sources.is_empty() {
            outcome.skipped.extend(new.skipped);
            break;
        }
        let (sink, number, progress) = (batch.sink(), batch.number(), progress.clone());
        let sources = new.sources;
        let read = tokio::task::spawn_blocking(move || {
            let before = Before {
                carried: &carried,
                ledger: &ledger,
            };
            let keep = Keep {
                events: true,
                sessions: true,
                all_transactions: true,
                open_rows: true,
            };
            relaydrift_ingest::read(
                &sources,
                before,
                keep,
                options.cut,
                number,
                &sink,
                &*progress,
            )
        });
        let summary = read.await??;
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
