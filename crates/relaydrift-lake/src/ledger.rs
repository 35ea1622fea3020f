//! The ledger in memory: what it tells of every log, and not more, read on from where it was read to.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use relaydrift_ingest::{Table, condense};

use crate::prepared::Prepared;
use crate::{Error, Lake};

/// Rows that are gathered before those that tell nothing new are left out.
const GATHERED: usize = 1 << 16;

/// The ledger as of one batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    batch: i64,
    /// Whose batch that is: another one means another lake in its place, or an older state of it.
    attempt: Option<String>,
    rows: Vec<RecordBatch>,
    /// Rows since rows were last left out, and how many these left.
    gathered: usize,
    condensed: usize,
}

impl Lake {
    /// The rows of `sources` as of the newest batch, without those that say nothing of a log that later ones do not
    /// say. What was read before is kept: whoever follows logs asks again and again.
    ///
    /// # Errors
    /// If the table or the paper of the newest batch cannot be read.
    pub async fn ledger(&self) -> Result<Vec<RecordBatch>, Error> {
        let mut kept = self.ledger.lock().await;
        let files = self.files(Table::Sources).await?;
        let mut ledger = match kept.is_of(self, files.batch).await? {
            true => kept.clone(),
            false => Ledger::default(),
        };
        for file in &files.files {
            if file.batch_max.is_some_and(|batch| batch <= ledger.batch) {
                continue;
            }
            for batch in self.file_rows(&files, file).await? {
                let batch = between(&batch?, ledger.batch, files.batch);
                ledger.gather(batch.map_err(Error::columns(Table::Sources))?)?;
            }
        }
        ledger.batch = files.batch;
        let paper = Prepared::load(self, files.batch).await?;
        ledger.attempt = paper.map(|paper| paper.attempt);
        *kept = ledger;
        Ok(kept.rows.clone())
    }
}

impl Ledger {
    /// True if the lake goes on from here.
    async fn is_of(&self, lake: &Lake, newest: i64) -> Result<bool, Error> {
        if self.attempt.is_none() || newest < self.batch {
            return Ok(false);
        }
        let paper = Prepared::load(lake, self.batch).await?;
        Ok(paper.map(|paper| paper.attempt) == self.attempt)
    }

    fn gather(&mut self, batch: RecordBatch) -> Result<(), Error> {
        self.gathered += batch.num_rows();
        self.rows.push(batch);
        // Each row is looked at twice on average, however many there are.
        if self.gathered > GATHERED.max(self.condensed) {
            self.rows = condense(&self.rows).map_err(Error::columns(Table::Sources))?;
            self.condensed = self.rows.iter().map(RecordBatch::num_rows).sum();
            self.gathered = 0;
        }
        Ok(())
    }
}

/// The rows of batches after `from` up to `to`.
fn between(rows: &RecordBatch, from: i64, to: i64) -> Result<RecordBatch, ArrowError> {
    let missing = || ArrowError::SchemaError("no column batch".to_owned());
    let batches = rows.column_by_name("batch").ok_or_else(missing)?;
    let batches = batches.as_primitive::<Int64Type>().iter();
    let new: BooleanArray = batches
        .map(|batch| Some(batch.is_some_and(|batch| from < batch && batch <= to)))
        .collect();
    match new.true_count() == rows.num_rows() {
        true => Ok(rows.clone()),
        false => filter_record_batch(rows, &new),
    }
}
