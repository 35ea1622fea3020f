//! Are the data files still what was written?

use std::collections::HashMap;

use relaydrift_ingest::Table;

use crate::prepared::Prepared;
use crate::{Error, Lake, store};

/// What [`verify`] looked at and found.
#[derive(Debug, Default)]
pub struct Report {
    /// Batches of the lake.
    pub batches: i64,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are not what was written.
    pub damaged: Vec<Damage>,
}

/// A file that is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The table names it, and it is not there or cannot be read.
    #[error("{path}: cannot be read: {reason}")]
    Unreadable {
        /// Path in the store.
        path: String,
        /// Why.
        reason: String,
    },
    /// Other bytes than were written.
    #[error("{path}: {found_bytes} bytes with BLAKE3 {found}, {bytes} bytes with BLAKE3 {written} were written")]
    Changed {
        /// Path in the store.
        path: String,
        /// As committed.
        written: String,
        /// As committed.
        bytes: u64,
        /// As it is now.
        found: String,
        /// As it is now.
        found_bytes: u64,
    },
    /// The table names it and no batch does: another program wrote it.
    #[error("{path}: not written by relaydrift")]
    Foreign {
        /// Path in the store.
        path: String,
    },
}

/// Reads every data file that a reader of the lake would read, and compares its BLAKE3 with the one
/// in its batch.
///
/// # Errors
/// If the lake's own papers or the Delta logs cannot be read.
pub async fn verify(lake: &Lake) -> Result<Report, Error> {
    let mut report = Report { batches: lake.newest_batch().await?, ..Report::default() };
    let mut written: HashMap<(Table, String), (String, u64)> = HashMap::new();
    for batch in 1..=report.batches {
        let Some(prepared) = Prepared::load(lake, batch).await? else { continue };
        for table in Table::ALL {
            for file in prepared.files(table) {
                written.insert((table, file.path.clone()), (file.blake3.clone(), file.size));
            }
        }
    }
    for table in Table::ALL {
        for file in lake.all_files(table).await? {
            let path = file.path.split('/').fold(lake.path(&[table.name()]), |path, name| path.join(name));
            let Some((hash, size)) = written.remove(&(table, file.path)) else {
                if file.batch_min.is_none_or(|batch| batch <= report.batches) {
                    report.damaged.push(Damage::Foreign { path: path.to_string() });
                }
                continue;
            };
            report.files += 1;
            report.bytes += size;
            match store::hash(&*lake.store(), &path).await {
                Ok((found, bytes)) if found == hash && bytes == size => {}
                Ok((found, found_bytes)) => report.damaged.push(Damage::Changed {
                    path: path.to_string(),
                    written: hash,
                    bytes: size,
                    found,
                    found_bytes,
                }),
                Err(error) => report
                    .damaged
                    .push(Damage::Unreadable { path: path.to_string(), reason: error.to_string() }),
            }
        }
    }
    Ok(report)
}
