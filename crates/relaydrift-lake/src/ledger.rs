//! The ledger in memory: what it tells of every log, and not more, read on from where it was read to.

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::Int64Type;
use arrow::error::ArrowError;
use relaydrift_ingest::{Table, condense};

use crate::prepared::Prepared;
use crate::{Error, Lake};

/// Rows that are gathered before those that tell nothing new are left out.
const GATHERED: usize = 1 << 16;

/// Batches that are gathered before they become one: however small, each has an array per column.
const SMALL: usize = 1 << 10;

/// The ledger as of one batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ledger {
    batch: i64,
    /// Whose batch that is: another one means another lake in its place, or an older state of it.
    attempt: Option<String>,
    rows: Vec<RecordBatch>,
    /// How many of `rows` come of joining others.
    joined: usize,
    /// Rows since rows were last left out, and how many these left.
    gathered: usize,
    condensed: usize,
}

impl Lake {
    /// The rows of `sources` as of the newest batch, without those that say nothing of a log that later ones do not
    /// say. What was read before is kept: whoever follows logs asks again and again.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn ledger(&self) -> Result<Vec<RecordBatch>, Error> {
        let mut kept = self.ledger.lock().await;
        let files = self.files(Table::Sources).await?;
        let is_ours = kept.is_of(self, files.batch).await?;
        if is_ours && kept.batch == files.batch {
            return Ok(kept.rows.clone());
        }
        let mut ledger = match is_ours {
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
        ledger.attempt = attempt(self, files.batch).await?;
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
        Ok(attempt(lake, self.batch).await? == self.attempt)
    }

    fn gather(&mut self, batch: RecordBatch) -> Result<(), Error> {
        self.gathered += batch.num_rows();
        self.rows.push(batch);
        if self.rows.len() - self.joined > SMALL {
            let small = self.rows.split_off(self.joined);
            let schema = Table::Sources.schema();
            let joined = concat_batches(&schema, &small);
            self.rows
                .push(joined.map_err(Error::columns(Table::Sources))?);
            self.joined = self.rows.len();
        }
        // Each row is looked at twice on average, however many there are.
        if self.gathered > GATHERED.max(self.condensed) {
            self.rows = condense(&self.rows).map_err(Error::columns(Table::Sources))?;
            self.joined = self.rows.len();
            self.condensed = self.rows.iter().map(RecordBatch::num_rows).sum();
            self.gathered = 0;
        }
        Ok(())
    }
}

/// Whose batch that is; [`None`] where nobody can tell, `verify` says why.
async fn attempt(lake: &Lake, batch: i64) -> Result<Option<String>, Error> {
    match Prepared::load(lake, batch).await {
        Ok(paper) => Ok(paper.map(|paper| paper.attempt)),
        Err(Error::Json { .. } | Error::OtherPaper { .. }) => Ok(None),
        Err(error) => Err(error),
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
