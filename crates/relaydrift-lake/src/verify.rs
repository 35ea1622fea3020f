//! Are the data files still what was written?

use std::collections::BTreeMap;

use relaydrift_ingest::Table;

use crate::compact::Compacted;
use crate::prepared::Prepared;
use crate::{DataFile, Error, Lake, store};

/// What [`verify`] looked at and found.
#[derive(Debug, Default)]
pub struct Report {
    /// Batches of the lake.
    pub batches: i64,
    /// Files that were read.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their rows, by what was written.
    pub rows: u64,
    /// What is not as it was written.
    pub damaged: Vec<Damage>,
}

/// Something that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The table names it, and it is not there or cannot be read.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// Path in the store.
        path: String,
        /// Why.
        reason: String,
    },
    /// Other bytes than were written.
    #[error(
        "{found_bytes} bytes with BLAKE3 {found}, {bytes} bytes with BLAKE3 {written} were written"
    )]
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
    /// The table's Delta log says something else of it than its batch.
    #[error(
        "{listed_rows:?} rows and {listed_bytes} bytes by its Delta log, {rows} rows and {bytes} bytes were written"
    )]
    Listed {
        /// Path in the store.
        path: String,
        /// As committed.
        rows: u64,
        /// As committed.
        bytes: u64,
        /// In the Delta log.
        listed_rows: Option<u64>,
        /// In the Delta log.
        listed_bytes: u64,
    },
    /// A batch wrote it, and the table's Delta log does not name it (any more).
    #[error("{rows} rows of batch {batch} that the Delta log of its table does not name")]
    Unlisted {
        /// Path in the store.
        path: String,
        /// The batch.
        batch: i64,
        /// Its rows.
        rows: u64,
    },
    /// The table names it and no batch does: another program wrote it.
    #[error("not written by relaydrift: nobody can tell whether it is still what was written")]
    Foreign {
        /// Path in the store.
        path: String,
    },
    /// What a batch wrote is written nowhere.
    #[error("the paper of batch {batch} is not there: its files cannot be checked")]
    NoPaper {
        /// Path in the store.
        path: String,
        /// The batch.
        batch: i64,
    },
}

impl Damage {
    /// Path in the store.
    pub fn path(&self) -> &str {
        match self {
            Damage::Unreadable { path, .. }
            | Damage::Changed { path, .. }
            | Damage::Listed { path, .. }
            | Damage::Unlisted { path, .. }
            | Damage::Foreign { path }
            | Damage::NoPaper { path, .. } => path,
        }
    }

    /// One word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Damage::Unreadable { .. } => "unreadable",
            Damage::Changed { .. } => "changed",
            Damage::Listed { .. } => "listed_otherwise",
            Damage::Unlisted { .. } => "not_listed",
            Damage::Foreign { .. } => "foreign",
            Damage::NoPaper { .. } => "no_paper",
        }
    }

    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Damage::Unreadable { .. } | Damage::Changed { .. } => {
                "put the file back from a backup, under the same name; without one, take the logs into a new lake"
            }
            Damage::Listed { .. } | Damage::Unlisted { .. } => {
                "put the table's folder _delta_log back from a backup; without one, take the logs into a new lake"
            }
            Damage::Foreign { .. } => {
                "if no program of yours compacts or writes this table, take the logs into a new lake"
            }
            Damage::NoPaper { .. } => "put it back from a backup",
        }
    }
}

/// What a batch wrote under a name.
struct Written {
    batch: i64,
    blake3: String,
    bytes: u64,
    rows: u64,
}

/// Reads every data file that a reader of the lake would read, and holds it against the paper of its
/// batch: that it is there, its size, rows and BLAKE3. `progress` is told the bytes read, and of how many.
///
/// # Errors
/// If the lake's own papers or the Delta logs cannot be read, or an object store fails.
pub async fn verify(lake: &Lake, progress: impl Fn(u64, u64)) -> Result<Report, Error> {
    let mut report = Report {
        batches: lake.newest_batch().await?,
        ..Report::default()
    };
    let mut written = written(lake, &mut report).await?;
    let merged = Compacted::all(lake).await?;
    let all = written.values().map(|file| file.bytes).sum();
    let mut done = 0;
    for table in Table::ALL {
        // Rows that another program put in place of ours, where it merged files.
        let mut foreign_rows = 0;
        let listed = lake.all_files(table).await?;
        account(table, &listed, &merged, &mut written, &mut report);
        for file in listed {
            let names = file.path.split('/');
            let at = names.fold(lake.path(&[table.name()]), |path, name| path.join(name));
            let path = at.to_string();
            let Some(ours) = written.remove(&(table, file.path)) else {
                // Of a batch that is being applied while we look: not ours to judge yet.
                if file.batch_min.is_none_or(|batch| batch <= report.batches) {
                    foreign_rows += file.rows.unwrap_or(0);
                    report.damaged.push(Damage::Foreign { path });
                }
                continue;
            };
            report.files += 1;
            report.bytes += ours.bytes;
            report.rows += ours.rows;
            if (file.rows, file.size) != (Some(ours.rows), ours.bytes) {
                report.damaged.push(Damage::Listed {
                    path: path.clone(),
                    rows: ours.rows,
                    bytes: ours.bytes,
                    listed_rows: file.rows,
                    listed_bytes: file.size,
                });
            }
            let found = store::hash(&*lake.store(), &at, |read| progress(done + read, all)).await;
            done += ours.bytes;
            match found {
                Ok((found, bytes)) if found == ours.blake3 && bytes == ours.bytes => {}
                Ok((found, found_bytes)) => report.damaged.push(Damage::Changed {
                    path,
                    written: ours.blake3,
                    bytes: ours.bytes,
                    found,
                    found_bytes,
                }),
                // What a disk cannot read is lost; a store may only be away for a while.
                Err(error) if !lake.is_local() && !store::is_gone(&error) => {
                    return Err(Error::store(&at)(error));
                }
                Err(error) => report.damaged.push(Damage::Unreadable {
                    path,
                    reason: error.to_string(),
                }),
            }
        }
        let mut left = Vec::new();
        written.retain(|(of, name), file| {
            if *of == table {
                left.push((
                    lake.path(&[table.name(), name]).to_string(),
                    file.batch,
                    file.rows,
                ));
            }
            *of != table
        });
        if left.iter().map(|(_, _, rows)| rows).sum::<u64>() != foreign_rows {
            report.damaged.extend(
                left.into_iter()
                    .map(|(path, batch, rows)| Damage::Unlisted { path, batch, rows }),
            );
        }
    }
    Ok(report)
}

/// Puts merged files that the table lists in the place of what they were made of.
fn account(
    table: Table,
    listed: &[DataFile],
    merged: &[Compacted],
    written: &mut BTreeMap<(Table, String), Written>,
    report: &mut Report,
) {
    let of_table = merged.iter().filter(|paper| paper.table == table.name());
    let papers: BTreeMap<&str, &Compacted> = of_table
        .map(|paper| (paper.file.path.as_str(), paper))
        .collect();
    for file in listed {
        let Some(paper) = papers.get(file.path.as_str()) else {
            continue;
        };
        let mut parts: Vec<&str> = vec![&file.path];
        let mut rows = 0;
        while let Some(part) = parts.pop() {
            match papers.get(part) {
                Some(paper) => parts.extend(paper.parts.iter().map(String::as_str)),
                None => {
                    let part = written.remove(&(table, part.to_owned()));
                    rows += part.map_or(0, |part| part.rows);
                }
            }
        }
        let written_rows = paper.file.stats.num_records;
        if rows != written_rows {
            report.damaged.push(Damage::Listed {
                path: file.path.clone(),
                rows,
                bytes: paper.file.size,
                listed_rows: Some(written_rows),
                listed_bytes: paper.file.size,
            });
        }
        let ours = Written {
            batch: file.batch_max.unwrap_or(report.batches),
            blake3: paper.file.blake3.clone(),
            bytes: paper.file.size,
            rows: written_rows,
        };
        written.insert((table, file.path.clone()), ours);
    }
}

/// What the batches of the lake wrote; those whose paper is gone are damage.
async fn written(
    lake: &Lake,
    report: &mut Report,
) -> Result<BTreeMap<(Table, String), Written>, Error> {
    let mut written = BTreeMap::new();
    for batch in 1..=report.batches {
        let Some(prepared) = Prepared::load(lake, batch).await? else {
            report.damaged.push(Damage::NoPaper {
                path: Prepared::path(lake, batch).to_string(),
                batch,
            });
            continue;
        };
        for table in Table::ALL {
            for file in prepared.files(table) {
                let paper = Written {
                    batch,
                    blake3: file.blake3.clone(),
                    bytes: file.size,
                    rows: file.stats.num_records,
                };
                written.insert((table, file.path.clone()), paper);
            }
        }
    }
    Ok(written)
}
