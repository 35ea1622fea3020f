//! Many small files into few: the same rows in the same order, in files that are read faster.
//!
//! First the paper of a merged file is written (`_relaydrift/compacted/`: parts, size, rows, BLAKE3), so that it
//! can be verified as a batch's files can, and explained whenever a run dies. Then the file is, synced, under a
//! name that stands where the first of its parts stood. One Delta commit puts it in the place of its parts, if
//! all of these are still listed. The parts stay in the folder: whoever began to read before reads on.

use std::time::{SystemTime, UNIX_EPOCH};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add, Remove};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, PutMode};
use relaydrift_ingest::Table;
use serde::{Deserialize, Serialize};

use crate::apply::{ATTEMPTS, is_conflict};
use crate::batch::attempt;
use crate::encode::{Encoder, FILE_BYTES};
use crate::prepared::{Prepared, PreparedFile};
use crate::{DataFile, Error, Lake, store, vacuum};

/// Rows of a row group of `events`, where small files do not end it earlier.
const GROUP_ROWS: usize = 1 << 17;

/// Which files are merged.
#[derive(Debug, Clone, Copy)]
pub struct Merge {
    /// Files of so many bytes are left alone, and merged ones grow about so large.
    pub target_bytes: u64,
    /// Fewer neighbours than these are left alone.
    pub least_files: usize,
    /// Leaves a file alone until its younger neighbours have as many bytes: a row is then written anew a few
    /// times at the most, however often files are merged.
    pub by_size: bool,
}

impl Merge {
    /// All small files that have a small neighbour.
    pub const ALL: Merge = Merge {
        target_bytes: FILE_BYTES as u64,
        least_files: 2,
        by_size: false,
    };

    /// What is worth it while small batches come all the time.
    pub const AS_THEY_COME: Merge = Merge {
        least_files: 10,
        by_size: true,
        ..Merge::ALL
    };
}

/// What [`compact`] did in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// The table.
    pub table: Table,
    /// Files that were replaced, and their bytes.
    pub files_before: u64,
    /// See `files_before`.
    pub bytes_before: u64,
    /// Files in their place, and their bytes.
    pub files_after: u64,
    /// See `files_after`.
    pub bytes_after: u64,
    /// Rows in them, as many as before.
    pub rows: u64,
    /// Files left alone because they are not what was written: `verify` says more.
    pub damaged: Vec<String>,
}

/// A merged file on paper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Compacted {
    pub(crate) table: String,
    /// Milliseconds since 1970.
    pub(crate) prepared_at: i64,
    /// Names of the files in whose place it is.
    pub(crate) parts: Vec<String>,
    pub(crate) file: PreparedFile,
}

/// Merges small files of committed batches, table by table. Runs beside any number of ingests, readers and
/// others of its kind. Rows of `open_sessions` that still wait are left as they are.
///
/// # Errors
/// If the lake cannot be read or written. What was merged before stays so.
pub async fn compact(lake: &Lake, merge: Merge) -> Result<Vec<Merged>, Error> {
    let newest = lake.newest_batch().await?;
    let mut done = Vec::new();
    for table in Table::ALL {
        let mut merged = Merged {
            table,
            files_before: 0,
            bytes_before: 0,
            files_after: 0,
            bytes_after: 0,
            rows: 0,
            damaged: Vec::new(),
        };
        let mut files = lake.all_files(table).await?;
        files.retain(|file| table != Table::OpenSessions || file.parked() == Some(true));
        let is_committed = |file: &DataFile| file.batch_max.is_some_and(|batch| batch <= newest);
        for parts in groups(&files, is_committed, merge) {
            merge_group(lake, parts, &mut merged).await?;
        }
        if merged.files_after > 0 || !merged.damaged.is_empty() {
            done.push(merged);
        }
    }
    Ok(done)
}

/// Runs of neighbours that are worth merging.
fn groups(
    files: &[DataFile],
    is_committed: impl Fn(&DataFile) -> bool,
    merge: Merge,
) -> Vec<&[DataFile]> {
    let small = |file: &DataFile| is_committed(file) && file.size < merge.target_bytes;
    let mut groups = Vec::new();
    for run in files.chunk_by(|a, b| small(a) && small(b)) {
        let mut rest = run;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|file| {
                let begun = bytes < merge.target_bytes;
                bytes += file.size;
                begun
            });
            let (mut group, after) = rest.split_at(fits.count());
            rest = after;
            let sum = |files: &[DataFile]| files.iter().map(|file| file.size).sum::<u64>();
            while let [first, younger @ ..] = group
                && merge.by_size
                && first.size > sum(younger)
            {
                group = younger;
            }
            if group.len() >= merge.least_files.max(2) {
                groups.push(group);
            }
        }
    }
    groups
}

/// Merges the parts, those on either side of a damaged one apart.
async fn merge_group(lake: &Lake, parts: &[DataFile], merged: &mut Merged) -> Result<(), Error> {
    let table = merged.table;
    let mut whole: Vec<(&DataFile, bytes::Bytes)> = Vec::new();
    let mut runs = Vec::new();
    for part in parts {
        match read_written(lake, table, part).await? {
            Some(bytes) => whole.push((part, bytes)),
            None => {
                merged.damaged.push(part.path.clone());
                runs.push(std::mem::take(&mut whole));
            }
        }
    }
    runs.push(whole);
    for run in runs.into_iter().filter(|run| run.len() > 1) {
        let (parts, bytes): (Vec<_>, Vec<_>) = run.into_iter().unzip();
        let encoding = tokio::task::spawn_blocking(move || encode(table, bytes));
        let (bytes, stats) = encoding.await??;
        let rows: Option<u64> = parts.iter().map(|part| part.rows).sum();
        if rows != stats.num_records {
            let source = arrow::error::ArrowError::ComputeError(format!(
                "{:?} rows merged out of {rows:?}",
                stats.num_records
            ));
            return Err(Error::columns(table)(source));
        }
        let first = parts[0].path.trim_end_matches(".parquet");
        let first = first.split_once('.').map_or(first, |(name, _)| name);
        let file = PreparedFile {
            path: format!("{first}.{}.parquet", attempt()),
            size: bytes.len() as u64,
            blake3: blake3::hash(&bytes).to_hex().to_string(),
            stats,
        };
        let begun = SystemTime::now();
        let now = begun.duration_since(UNIX_EPOCH);
        let compacted = Compacted {
            table: table.name().to_owned(),
            prepared_at: i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX),
            parts: parts.iter().map(|part| part.path.clone()).collect(),
            file,
        };
        compacted.write(lake, table, bytes).await?;
        if compacted.replace(lake, table, &parts, begun).await? {
            merged.files_before += parts.len() as u64;
            merged.bytes_before += parts.iter().map(|part| part.size).sum::<u64>();
            merged.files_after += 1;
            merged.bytes_after += compacted.file.size;
            merged.rows += compacted.file.stats.num_records.unwrap_or(0);
        }
    }
    Ok(())
}

/// The bytes of a file; [`None`] if they are not what was written.
async fn read_written(
    lake: &Lake,
    table: Table,
    file: &DataFile,
) -> Result<Option<bytes::Bytes>, Error> {
    let Some(written) = on_paper(lake, table, &file.path).await? else {
        return Ok(None);
    };
    let bytes = store::read(&*lake.store(), &lake.path(&[table.name(), &file.path])).await?;
    Ok(bytes.filter(|bytes| blake3::hash(bytes).to_hex().as_str() == written.blake3))
}

/// What is on paper of a file, by a batch or a merge.
pub(crate) async fn on_paper(
    lake: &Lake,
    table: Table,
    name: &str,
) -> Result<Option<PreparedFile>, Error> {
    let path = Compacted::path(lake, table, name);
    if let Some(json) = store::read(&*lake.store(), &path).await? {
        return Ok(Some(Compacted::parse(&path, &json)?.file));
    }
    let Some(batch) = vacuum::batch_of(name) else {
        return Ok(None);
    };
    let prepared = Prepared::load(lake, batch).await?;
    let files = prepared
        .as_ref()
        .map_or(&[][..], |paper| paper.files(table));
    Ok(files.iter().find(|file| file.path == name).cloned())
}

/// True for a name that [`paper_name`] gives.
fn is_paper(name: &str) -> bool {
    let of = name.strip_suffix(".json").and_then(|of| of.split_once('-'));
    of.is_some_and(|(table, file)| {
        Table::ALL.iter().any(|one| one.name() == table) && vacuum::is_merged(file)
    })
}

/// The name of the paper of a merged file.
fn paper_name(table: &str, file: &str) -> String {
    format!("{table}-{file}.json")
}

/// Writes under a name that is this attempt's alone.
async fn put(lake: &Lake, names: &[&str], bytes: Vec<u8>) -> Result<(), Error> {
    let path = lake.path(names);
    let put = lake
        .store()
        .put_opts(&path, bytes.into(), PutMode::Overwrite.into())
        .await;
    put.map(|_| ()).map_err(Error::store(&path))
}

/// The rows of Parquet files as one.
fn encode(table: Table, parts: Vec<bytes::Bytes>) -> Result<(Vec<u8>, crate::stats::Stats), Error> {
    let schema = table.schema();
    let mut encoder = Encoder::new(table)?;
    let mut waiting: Vec<RecordBatch> = Vec::new();
    let mut rows = 0;
    let mut write = |waiting: &mut Vec<RecordBatch>| {
        let batch = concat_batches(&schema, &*waiting).map_err(Error::columns(table))?;
        waiting.clear();
        encoder.write(&batch)
    };
    for part in parts {
        for batch in crate::snapshot::rows(table, part)? {
            let batch = batch?;
            rows += batch.num_rows();
            waiting.push(batch);
            if rows >= GROUP_ROWS {
                write(&mut waiting)?;
                rows = 0;
            }
        }
    }
    if rows > 0 {
        write(&mut waiting)?;
    }
    let encoded = encoder.finish()?;
    Ok((encoded.bytes, encoded.stats))
}

impl Compacted {
    /// Every merged file on paper, whether it came into its table or not.
    pub(crate) async fn all(lake: &Lake) -> Result<Vec<Compacted>, Error> {
        let each = Compacted::each(lake).await?.into_iter();
        each.map(|(_, paper)| paper).collect()
    }

    /// Every paper of a merged file, and what is in it. Files that have no name of ours are none.
    pub(crate) async fn each(lake: &Lake) -> Result<Vec<(Path, Result<Compacted, Error>)>, Error> {
        let folder = lake.path(&["_relaydrift", "compacted"]);
        let papers: Vec<_> = lake
            .store()
            .list(Some(&folder))
            .try_collect()
            .await
            .map_err(Error::store(&folder))?;
        let mut all = Vec::new();
        for paper in papers {
            let path = paper.location;
            if !path.filename().is_some_and(is_paper) {
                continue;
            }
            let Some(json) = store::read(&*lake.store(), &path).await? else {
                continue;
            };
            let paper = Compacted::parse(&path, &json);
            all.push((path, paper));
        }
        Ok(all)
    }

    /// Where the paper of a merged file lies.
    pub(crate) fn path(lake: &Lake, table: Table, name: &str) -> Path {
        lake.path(&["_relaydrift", "compacted", &paper_name(table.name(), name)])
    }

    /// The name of its paper.
    pub(crate) fn name(&self) -> String {
        paper_name(&self.table, &self.file.path)
    }

    fn parse(path: &Path, json: &[u8]) -> Result<Compacted, Error> {
        let compacted: Compacted = serde_json::from_slice(json).map_err(|source| Error::Json {
            path: path.to_string(),
            source,
        })?;
        match path.filename() == Some(compacted.name().as_str()) {
            true => Ok(compacted),
            false => Err(Error::OtherPaper {
                path: path.to_string(),
                found: format!("{}/{}", compacted.table, compacted.file.path),
            }),
        }
    }

    /// Writes the paper, and then the file.
    async fn write(&self, lake: &Lake, table: Table, bytes: Vec<u8>) -> Result<(), Error> {
        let json = serde_json::to_vec(self).map_err(|source| Error::Json {
            path: self.file.path.clone(),
            source,
        })?;
        put(lake, &["_relaydrift", "compacted", &self.name()], json).await?;
        put(lake, &[table.name(), &self.file.path], bytes).await
    }

    /// Puts the file in the place of its parts; false if another run was there before, or if this one slept since
    /// it was begun: the file may be removed as one that nobody needs, and readers of its parts count from it.
    async fn replace(
        &self,
        lake: &Lake,
        table: Table,
        parts: &[&DataFile],
        begun: SystemTime,
    ) -> Result<bool, Error> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let Some(delta) = lake.table(table).await? else {
                return Ok(false);
            };
            let state = delta.snapshot().map_err(Error::delta(table))?;
            let listed: Vec<_> = state
                .log_data()
                .iter()
                .map(|file| file.path().into_owned())
                .collect();
            // An error says nothing about whether the commit was done: only the table does.
            if listed.contains(&self.file.path) {
                return Ok(true);
            }
            let all_listed = self.parts.iter().all(|part| listed.contains(part));
            if !all_listed || vacuum::is_late(begun) {
                return Ok(false);
            }
            match (self.commit(&delta, parts).await, failure.take()) {
                (Ok(()), _) => return Ok(true),
                (Err(error), _) if is_conflict(&error) => {}
                (Err(error), None) => failure = Some(error),
                (Err(error), Some(_)) => return Err(Error::delta(table)(error)),
            }
        }
        Err(Error::Busy {
            table: table.name(),
        })
    }

    /// As the very next version, or not at all: the library would let two merges of one file pass.
    async fn commit(&self, delta: &DeltaTable, parts: &[&DataFile]) -> Result<(), DeltaTableError> {
        let size = |bytes| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut actions = vec![Action::Add(Add {
            path: self.file.path.clone(),
            size: size(self.file.size),
            modification_time: self.prepared_at,
            data_change: false,
            stats: Some(serde_json::to_string(&self.file.stats)?),
            ..Add::default()
        })];
        actions.extend(parts.iter().map(|part| {
            Action::Remove(Remove {
                path: part.path.clone(),
                data_change: false,
                deletion_timestamp: Some(self.prepared_at),
                extended_file_metadata: Some(true),
                partition_values: Some(Default::default()),
                size: Some(size(part.size)),
                ..Remove::default()
            })
        }));
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_cleanup_expired_logs(Some(false));
        let optimize = DeltaOperation::Optimize {
            predicate: None,
            target_size: size(self.file.size),
        };
        let state: &dyn TableReference = delta.snapshot()?;
        CommitBuilder::from(properties)
            .with_actions(actions)
            .build(Some(state), delta.log_store(), optimize)
            .await?;
        Ok(())
    }
}
