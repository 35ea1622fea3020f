//! A batch on its way into the lake: data files, then the decision, then the tables.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not, prep_null_mask_filter};
use object_store::PutMode;
use relaydrift_ingest::{Sink, SinkError, Summary, Table, TaskSink};
use tokio::runtime::Handle;

use crate::encode::Encoder;
use crate::prepared::{Prepared, PreparedFile};
use crate::{Error, Lake, apply, vacuum};

/// A batch that is being written. Dropped without [`Batch::commit`], it never was.
#[derive(Debug, Clone)]
pub struct Batch {
    shared: Arc<Shared>,
}

/// Takes the columns of a batch from many threads; every task writes its own files.
///
/// Encoding and writing happen on the calling threads, which must not be threads that drive async
/// tasks.
#[derive(Debug, Clone)]
pub struct BatchSink {
    shared: Arc<Shared>,
}

/// A batch that is part of the lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Its number, the first is 1.
    pub batch: i64,
    /// The Delta version by which each table got its files; a table without new files is not there.
    pub versions: BTreeMap<Table, u64>,
}

#[derive(Debug)]
struct Shared {
    lake: Lake,
    batch: i64,
    attempt: String,
    begun: SystemTime,
    runtime: Handle,
    next: AtomicU64,
    files: Mutex<BTreeMap<Table, Vec<PreparedFile>>>,
}

impl Lake {
    /// Begins the next batch, after applying those that earlier runs committed and did not apply.
    ///
    /// # Errors
    /// If the lake cannot be read or written.
    pub async fn begin(&self) -> Result<Batch, Error> {
        let batch = apply::recover(self).await? + 1;
        Ok(self.attempt(batch))
    }

    /// Files for the batch of that number, under names that nobody else gives.
    pub(crate) fn attempt(&self, batch: i64) -> Batch {
        let shared = Shared {
            lake: self.clone(),
            batch,
            attempt: attempt(),
            begun: SystemTime::now(),
            runtime: Handle::current(),
            next: AtomicU64::new(0),
            files: Mutex::default(),
        };
        Batch {
            shared: Arc::new(shared),
        }
    }
}

impl Batch {
    /// The number it will have; every row carries it.
    pub fn number(&self) -> i64 {
        self.shared.batch
    }

    /// Where its columns go.
    pub fn sink(&self) -> BatchSink {
        BatchSink {
            shared: self.shared.clone(),
        }
    }

    /// What the finished tasks of its sinks wrote.
    pub(crate) fn files(&self) -> BTreeMap<Table, Vec<PreparedFile>> {
        self.shared.files()
    }

    /// Takes files that were written elsewhere for the same number as its own.
    pub(crate) fn adopt(&self, table: Table, files: Vec<PreparedFile>) {
        let mut all = self.shared.files.lock();
        let all = all
            .as_deref_mut()
            .unwrap_or_else(|poisoned| poisoned.get_mut());
        all.entry(table).or_default().extend(files);
    }

    /// True if no finished task wrote any row of that table.
    pub fn is_empty(&self, table: Table) -> bool {
        !self.shared.files().contains_key(&table)
    }

    /// Makes the batch part of the lake: decides, then applies. What the finished tasks of its
    /// sinks wrote is in it.
    ///
    /// # Errors
    /// [`Error::LostBatch`] if another run committed this number first, [`Error::Vacuumed`] if its files are
    /// gone: nothing of this batch is in the lake. After any other error the batch may be in the lake; the next [`Lake::begin`] tells.
    pub async fn commit(self, summary: &Summary) -> Result<Committed, Error> {
        let prepared = self.prepare(summary).await?;
        apply::apply(&self.shared.lake, &prepared).await
    }

    /// The decision alone.
    pub(crate) async fn prepare(&self, summary: &Summary) -> Result<Prepared, Error> {
        let tables = self.shared.files();
        if vacuum::is_late(self.shared.begun) {
            self.look(&tables).await?;
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let prepared = Prepared {
            batch: self.shared.batch,
            attempt: self.shared.attempt.clone(),
            prepared_at: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
            counts: summary.into(),
            tables: tables
                .into_iter()
                .map(|(table, files)| (table.name().to_owned(), files))
                .collect(),
        };
        prepared.commit(&self.shared.lake).await?;
        Ok(prepared)
    }

    /// As if it had begun then.
    #[cfg(test)]
    pub(crate) fn begun_at(mut self, begun: SystemTime) -> Batch {
        Arc::get_mut(&mut self.shared).unwrap().begun = begun;
        self
    }

    /// Are all files still there?
    async fn look(&self, tables: &BTreeMap<Table, Vec<PreparedFile>>) -> Result<(), Error> {
        let (lake, batch) = (&self.shared.lake, self.shared.batch);
        for (table, files) in tables {
            for file in files {
                if !vacuum::is_there(lake, *table, &file.path).await? {
                    return Err(Error::Vacuumed { batch });
                }
            }
        }
        Ok(())
    }
}

impl Shared {
    /// In the order of their names.
    fn files(&self) -> BTreeMap<Table, Vec<PreparedFile>> {
        let mut files = self
            .files
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone();
        for files in files.values_mut() {
            files.sort_by(|a, b| a.path.cmp(&b.path));
        }
        files
    }

    /// Closes a file and writes it, synced.
    fn store(&self, table: Table, encoder: Encoder) -> Result<(), Error> {
        let encoded = encoder.finish()?;
        if encoded.stats.num_records == Some(0) {
            return Ok(());
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "part-{:020}-{}-{number:05}.parquet",
            self.batch, self.attempt
        );
        let path = self.lake.path(&[table.name(), &name]);
        let file = PreparedFile {
            path: name,
            size: encoded.bytes.len() as u64,
            blake3: blake3::hash(&encoded.bytes).to_hex().to_string(),
            stats: encoded.stats,
        };
        let store = self.lake.store();
        // The name is this attempt's alone, so that a store may write it again when an answer gets lost.
        let put = store.put_opts(&path, encoded.bytes.into(), PutMode::Overwrite.into());
        self.runtime.block_on(put).map_err(Error::store(&path))?;
        let mut files = self
            .files
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        files.entry(table).or_default().push(file);
        Ok(())
    }
}

impl Sink for BatchSink {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Task {
            shared: &self.shared,
            encoders: HashMap::new(),
        }))
    }
}

/// The files of one task: one per table, and one more for parked rows of `open_sessions`, which
/// are read long after the other rows of their batch.
struct Task<'a> {
    shared: &'a Shared,
    encoders: HashMap<(Table, bool), Encoder>,
}

impl Task<'_> {
    fn write(&mut self, table: Table, parked: bool, batch: &RecordBatch) -> Result<(), Error> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let mut encoder = match self.encoders.remove(&(table, parked)) {
            Some(encoder) => encoder,
            None => Encoder::new(table)?,
        };
        encoder.write(batch)?;
        if encoder.is_full() {
            return self.shared.store(table, encoder);
        }
        self.encoders.insert((table, parked), encoder);
        Ok(())
    }
}

impl TaskSink for Task<'_> {
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError> {
        let parked = match table {
            Table::OpenSessions => batch
                .column_by_name("parked")
                .and_then(|column| column.as_boolean_opt()),
            _ => None,
        };
        let Some(parked) = parked.map(is_true) else {
            return Ok(self.write(table, false, &batch)?);
        };
        let select = |rows: &BooleanArray| filter_record_batch(&batch, rows);
        let waiting = select(&not(&parked)?)?;
        let parked = select(&parked)?;
        self.write(table, false, &waiting)?;
        Ok(self.write(table, true, &parked)?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), SinkError> {
        for ((table, _), encoder) in self.encoders.drain() {
            self.shared.store(table, encoder)?;
        }
        Ok(())
    }
}

/// Null is not true.
pub(crate) fn is_true(values: &BooleanArray) -> BooleanArray {
    if values.null_count() == 0 {
        values.clone()
    } else {
        prep_null_mask_filter(values)
    }
}

/// An id that no other attempt has: 32 hex digits of time, process and the system's randomness.
pub(crate) fn attempt() -> String {
    let mut hasher = blake3::Hasher::new();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    hasher.update(&now.as_nanos().to_le_bytes());
    hasher.update(&std::process::id().to_le_bytes());
    for _ in 0..2 {
        hasher.update(&RandomState::new().hash_one(now).to_le_bytes());
    }
    hasher.finalize().to_hex().as_str()[..32].to_owned()
}
