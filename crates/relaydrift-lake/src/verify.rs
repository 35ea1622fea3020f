//! Are the data files still what was written?

use std::collections::{BTreeMap, BTreeSet};

use object_store::path::Path;
use relaydrift_ingest::Table;

use crate::compact::Compacted;
use crate::prepared::{Prepared, PreparedFile};
use crate::vacuum::{batch_of, is_merged};
use crate::{ColumnStats, DataFile, Error, Lake, store};

/// What [`verify`] looked at and found.
#[derive(Debug, Default)]
pub struct Report {
    /// Batches of the lake.
    pub batches: i64,
    /// Batches after them that are decided and not in `sources`: they count from the next [`Lake::begin`] on.
    pub waiting: i64,
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
        "{found_bytes} bytes with BLAKE3 {found}, {bytes} bytes with BLAKE3 {written} were written by {paper}"
    )]
    Changed {
        /// Path in the store.
        path: String,
        /// The paper that says what was written, in the lake.
        paper: String,
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
        "{} rows and {listed_bytes} bytes by its Delta log, {rows} rows and {bytes} bytes were written by {paper}",
        listed_rows.map_or("no".to_owned(), |rows| rows.to_string())
    )]
    Listed {
        /// Path in the store.
        path: String,
        /// The paper that says what was written, in the lake.
        paper: String,
        /// As committed.
        rows: u64,
        /// As committed.
        bytes: u64,
        /// In the Delta log.
        listed_rows: Option<u64>,
        /// In the Delta log.
        listed_bytes: u64,
    },
    /// The table's Delta log tells of other values in it than its batch: a question may pass it over.
    #[error("column {column}: other least and greatest values by its Delta log than by {paper}")]
    Bounds {
        /// Path in the store.
        path: String,
        /// The paper that says what was written, in the lake.
        paper: String,
        /// The first column that differs.
        column: String,
    },
    /// A batch wrote it, and the table's Delta log does not name it (any more).
    #[error("{rows} rows of batch {batch} ({paper}) that the Delta log of its table does not name")]
    Unlisted {
        /// Path in the store.
        path: String,
        /// The paper that says so, in the lake.
        paper: String,
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
    /// What a batch or a merge wrote is written nowhere.
    #[error("the paper of {of} {reason}: what it tells of cannot be checked")]
    NoPaper {
        /// Path in the store.
        path: String,
        /// The batch, or the merged file.
        of: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Damage {
    /// Path in the store.
    pub fn path(&self) -> &str {
        match self {
            Damage::Unreadable { path, .. }
            | Damage::Changed { path, .. }
            | Damage::Listed { path, .. }
            | Damage::Bounds { path, .. }
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
            Damage::Listed { .. } | Damage::Bounds { .. } => "listed_otherwise",
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
            Damage::Listed { .. } | Damage::Bounds { .. } | Damage::Unlisted { .. } => {
                "put the table's folder _delta_log, or that paper, back from a backup; without one, take the logs into a new lake"
            }
            Damage::Foreign { .. } => {
                "if no program of yours compacts or writes this table, take the logs into a new lake"
            }
            Damage::NoPaper { .. } => "put it back from a backup",
        }
    }
}

/// What was written under a name.
struct Written {
    /// The paper that says so, in the lake.
    paper: String,
    batch: i64,
    blake3: String,
    bytes: u64,
    rows: u64,
    columns: BTreeMap<String, ColumnStats>,
}

impl Written {
    fn new(table: Table, file: &PreparedFile, paper: String, batch: i64) -> Written {
        Written {
            paper,
            batch,
            blake3: file.blake3.clone(),
            bytes: file.size,
            rows: file.stats.num_records,
            columns: file.stats.columns(&table.schema()),
        }
    }

    /// What the table's Delta log says otherwise.
    fn listed(&self, file: &DataFile, path: &str) -> Option<Damage> {
        if (file.rows, file.size) != (Some(self.rows), self.bytes) {
            return Some(Damage::Listed {
                path: path.to_owned(),
                paper: self.paper.clone(),
                rows: self.rows,
                bytes: self.bytes,
                listed_rows: file.rows,
                listed_bytes: file.size,
            });
        }
        // A bound that another program left out makes no question pass over rows.
        let column = file.columns.iter().find(|(name, listed)| {
            let written = self.columns.get(*name).cloned().unwrap_or_default();
            listed.min.is_some() && listed.min != written.min
                || listed.max.is_some() && listed.max != written.max
                || listed.nulls.is_some() && listed.nulls != written.nulls
        });
        column.map(|(column, _)| Damage::Bounds {
            path: path.to_owned(),
            paper: self.paper.clone(),
            column: column.clone(),
        })
    }

    /// What its bytes say otherwise.
    ///
    /// # Errors
    /// If an object store fails.
    async fn read(
        &self,
        lake: &Lake,
        at: &Path,
        progress: impl Fn(u64),
    ) -> Result<Option<Damage>, Error> {
        let path = at.to_string();
        match store::hash(&*lake.store(), at, progress).await {
            Ok((found, bytes)) if found == self.blake3 && bytes == self.bytes => Ok(None),
            Ok((found, found_bytes)) => Ok(Some(Damage::Changed {
                path,
                paper: self.paper.clone(),
                written: self.blake3.clone(),
                bytes: self.bytes,
                found,
                found_bytes,
            })),
            // What a disk cannot read is lost; a store may only be away for a while.
            Err(error) if !lake.is_local() && !store::is_gone(&error) => {
                Err(Error::store(at)(error))
            }
            Err(error) => Ok(Some(Damage::Unreadable {
                path,
                reason: error.to_string(),
            })),
        }
    }
}

/// What the papers of a lake say was written.
#[derive(Default)]
struct Papers {
    files: BTreeMap<(Table, String), Written>,
    /// Batches of which nothing is known.
    lost: BTreeSet<i64>,
}

/// Reads every data file that a reader of the lake would read, and holds it against the paper of its
/// batch: that it is there, its size, rows and BLAKE3, and what its table's Delta log says of it. `progress` is told
/// the bytes read, and of how many.
///
/// # Errors
/// If the lake's own papers or the Delta logs cannot be read, or an object store fails.
pub async fn verify(lake: &Lake, progress: impl Fn(u64, u64)) -> Result<Report, Error> {
    let mut report = Report {
        batches: lake.newest_batch().await?,
        ..Report::default()
    };
    let mut papers = Papers::read(lake, &mut report).await?;
    let merged = Compacted::all(lake).await?;
    let all = papers.files.values().map(|file| file.bytes).sum();
    let mut done = 0;
    for table in Table::ALL {
        // Rows that another program put in place of ours, where it merged files.
        let mut foreign_rows = 0;
        let listed = lake.all_files(table).await?;
        papers.account(table, &listed, &merged, &mut report);
        for file in listed {
            let names = file.path.split('/');
            let at = names.fold(lake.path(&[table.name()]), |path, name| path.join(name));
            let Some(ours) = papers.files.remove(&(table, file.path.clone())) else {
                if papers.is_foreign(&file, report.batches) {
                    foreign_rows += file.rows.unwrap_or(0);
                    report.damaged.push(foreign(lake, table, &file, &at));
                }
                continue;
            };
            report.files += 1;
            report.bytes += ours.bytes;
            report.rows += ours.rows;
            report.damaged.extend(ours.listed(&file, at.as_ref()));
            let found = ours.read(lake, &at, |read| progress(done + read, all));
            report.damaged.extend(found.await?);
            done += ours.bytes;
        }
        papers.unlisted(lake, table, foreign_rows, &mut report);
    }
    Ok(report)
}

/// A file that no paper names.
fn foreign(lake: &Lake, table: Table, file: &DataFile, at: &Path) -> Damage {
    match is_merged(&file.path) {
        true => Damage::NoPaper {
            path: Compacted::path(lake, table, &file.path).to_string(),
            of: format!("{}/{}", table.name(), file.path),
            reason: "is not there".to_owned(),
        },
        false => Damage::Foreign {
            path: at.to_string(),
        },
    }
}

impl Papers {
    /// What the batches of the lake wrote; those whose paper is gone are damage.
    async fn read(lake: &Lake, report: &mut Report) -> Result<Papers, Error> {
        let mut papers = Papers::default();
        for batch in 1..=report.batches {
            let path = Prepared::path(lake, batch).to_string();
            let prepared = match Prepared::load(lake, batch).await {
                Ok(Some(prepared)) => Ok(prepared),
                Ok(None) => Err("is not there".to_owned()),
                Err(Error::OtherPaper { found, .. }) => Err(format!("is that of {found}")),
                Err(Error::Json { source, .. }) => Err(format!("is no JSON of ours ({source})")),
                Err(error) => return Err(error),
            };
            match prepared {
                Ok(prepared) => papers.add(&prepared),
                Err(reason) => {
                    papers.lost.insert(batch);
                    report.damaged.push(Damage::NoPaper {
                        path,
                        of: format!("batch {batch}"),
                        reason,
                    });
                }
            }
        }
        while Prepared::load(lake, report.batches + report.waiting + 1)
            .await?
            .is_some()
        {
            report.waiting += 1;
        }
        Ok(papers)
    }

    fn add(&mut self, prepared: &Prepared) {
        for table in Table::ALL {
            for file in prepared.files(table) {
                let paper = format!("_relaydrift/batches/{}.json", prepared.batch);
                let written = Written::new(table, file, paper, prepared.batch);
                self.files.insert((table, file.path.clone()), written);
            }
        }
    }

    /// Puts merged files that the table lists in the place of what they were made of.
    fn account(
        &mut self,
        table: Table,
        listed: &[DataFile],
        merged: &[Compacted],
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
            let name = format!("_relaydrift/compacted/{}", paper.name());
            let batch = file.batch_max.unwrap_or(report.batches);
            let ours = Written::new(table, &paper.file, name, batch);
            let mut parts: Vec<&str> = vec![&file.path];
            let (mut rows, mut known) = (0, true);
            // Papers may have been written that lead in a circle.
            let mut seen = BTreeSet::new();
            while let Some(part) = parts.pop() {
                if !seen.insert(part) {
                    continue;
                }
                match papers.get(part) {
                    Some(paper) => parts.extend(paper.parts.iter().map(String::as_str)),
                    None => match self.files.remove(&(table, part.to_owned())) {
                        Some(part) => rows += part.rows,
                        None => known &= !batch_of(part).is_some_and(|of| self.lost.contains(&of)),
                    },
                }
            }
            if known && rows != ours.rows {
                report.damaged.push(Damage::Listed {
                    path: file.path.clone(),
                    paper: ours.paper.clone(),
                    rows,
                    bytes: ours.bytes,
                    listed_rows: Some(ours.rows),
                    listed_bytes: ours.bytes,
                });
            }
            self.files.insert((table, file.path.clone()), ours);
        }
    }

    /// True if another program wrote the file. One of a batch that is being applied while we look is not ours to
    /// judge yet, and one of a batch without a paper was told of with that.
    fn is_foreign(&self, file: &DataFile, newest: i64) -> bool {
        let batch = batch_of(&file.path).or(file.batch_min);
        batch.is_none_or(|batch| batch <= newest && !self.lost.contains(&batch))
    }

    /// What is left of a table is in no file that it lists, unless it is in those of another program.
    fn unlisted(&mut self, lake: &Lake, table: Table, foreign_rows: u64, report: &mut Report) {
        let left: BTreeMap<_, _> = self
            .files
            .extract_if(.., |(of, _), _| *of == table)
            .collect();
        if left.values().map(|file| file.rows).sum::<u64>() == foreign_rows {
            return;
        }
        let unlisted = left.into_iter().map(|((_, name), file)| Damage::Unlisted {
            path: lake.path(&[table.name(), &name]).to_string(),
            paper: file.paper,
            batch: file.batch,
            rows: file.rows,
        });
        report.damaged.extend(unlisted);
    }
}
