//! A committed batch on paper: `_relaydrift/batches/N.json`.

use std::collections::BTreeMap;

use object_store::path::Path;
use object_store::{Error as StoreError, PutMode};
use relaydrift_ingest::{Summary, Table};
use serde::{Deserialize, Serialize};

use crate::stats::Stats;
use crate::{Error, Lake, store};

/// Everything that is needed to apply a batch, without the logs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Prepared {
    pub(crate) batch: i64,
    /// Whose batch this is: tells "mine, the answer got lost" from "another run's".
    pub(crate) attempt: String,
    /// Milliseconds since 1970.
    pub(crate) prepared_at: i64,
    pub(crate) counts: Counts,
    /// By table name.
    pub(crate) tables: BTreeMap<String, Vec<PreparedFile>>,
}

/// A data file that is written and synced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PreparedFile {
    /// Relative to the table.
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Of the whole file, hex.
    pub(crate) blake3: String,
    pub(crate) stats: Stats,
}

/// What the batch read, for a person who looks at it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Counts {
    files: u64,
    bytes: u64,
    rows: u64,
    rejects: u64,
    sessions: u64,
    open_sessions: u64,
}

impl From<&Summary> for Counts {
    fn from(summary: &Summary) -> Counts {
        Counts {
            files: summary.files,
            bytes: summary.bytes(),
            rows: summary.rows,
            rejects: summary.rejects,
            sessions: summary.sessions,
            open_sessions: summary.open_sessions,
        }
    }
}

impl Prepared {
    /// Where the paper of a batch lies.
    pub(crate) fn path(lake: &Lake, batch: i64) -> Path {
        lake.path(&["_relaydrift", "batches", &format!("{batch}.json")])
    }

    /// The batch of that number; [`None`] if nobody committed one.
    pub(crate) async fn load(lake: &Lake, batch: i64) -> Result<Option<Prepared>, Error> {
        let path = Self::path(lake, batch);
        let Some(json) = store::read(&*lake.store(), &path).await? else {
            return Ok(None);
        };
        let prepared: Prepared = serde_json::from_slice(&json).map_err(|source| Error::Json {
            path: path.to_string(),
            source,
        })?;
        if prepared.batch != batch {
            return Err(Error::OtherPaper {
                path: path.to_string(),
                found: format!("batch {}", prepared.batch),
            });
        }
        let known = |name: &&String| Table::ALL.iter().any(|table| table.name() == **name);
        match prepared.tables.keys().find(|name| !known(name)) {
            Some(table) => Err(Error::UnknownTable {
                path: path.to_string(),
                table: table.clone(),
            }),
            None => Ok(Some(prepared)),
        }
    }

    /// Commits the batch: from here on it is part of the lake, whoever applies it.
    ///
    /// # Errors
    /// [`Error::LostBatch`] if another attempt has the number.
    pub(crate) async fn commit(&self, lake: &Lake) -> Result<(), Error> {
        let path = Self::path(lake, self.batch);
        let json = serde_json::to_vec(self).map_err(|source| Error::Json {
            path: path.to_string(),
            source,
        })?;
        let Err(error) = lake
            .store()
            .put_opts(&path, json.into(), PutMode::Create.into())
            .await
        else {
            return Ok(());
        };
        // A store that retries a write it had done already says that the name is taken, and an
        // error says nothing about whether the write was done: only the file itself does.
        match Self::load(lake, self.batch).await? {
            Some(there) if there.attempt == self.attempt => Ok(()),
            Some(_) => Err(Error::LostBatch { batch: self.batch }),
            None if matches!(error, StoreError::AlreadyExists { .. }) => {
                Err(Error::LostBatch { batch: self.batch })
            }
            None => Err(Error::store(&path)(error)),
        }
    }

    pub(crate) fn files(&self, table: Table) -> &[PreparedFile] {
        self.tables.get(table.name()).map_or(&[], Vec::as_slice)
    }
}
