//! Are the data files still what was written?

use std::collections::{BTreeMap, BTreeSet, HashSet};

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
    /// Batches after those that are decided and not in `sources`: they count from the next [`Lake::begin`] on.
    pub unapplied: i64,
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
    /// It has other rows than what it was merged of.
    #[error("{rows} rows by {paper}, {parts} in the files that it was merged of")]
    Parts {
        /// Path in the store.
        path: String,
        /// The paper of the merged file, in the lake.
        paper: String,
        /// By that paper.
        rows: u64,
        /// By the papers of their batches.
        parts: u64,
    },
    /// The table names it beside a file that it was merged into.
    #[error(
        "its rows are there twice: its table's Delta log also names the file that it was merged into ({paper})"
    )]
    Twice {
        /// Path in the store.
        path: String,
        /// The paper of the merged file, in the lake.
        paper: String,
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
            | Damage::Parts { path, .. }
            | Damage::Twice { path, .. }
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
            Damage::Listed { .. } | Damage::Bounds { .. } | Damage::Parts { .. } => {
                "listed_otherwise"
            }
            Damage::Twice { .. } => "listed_twice",
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
            Damage::Listed { .. }
            | Damage::Bounds { .. }
            | Damage::Parts { .. }
            | Damage::Twice { .. }
            | Damage::Unlisted { .. } => {
                "put the table's folder _delta_log, or that paper, back from a backup; without one, take the logs into a new lake"
            }
            Damage::Foreign { .. } => {
                "if no program of yours compacts or writes this table, take the logs into a new lake"
            }
            Damage::NoPaper { .. } => {
                "put it back from a backup: the whole lake, as it was at one time, if its tables were put back before"
            }
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
    /// Of a file that its table lists.
    columns: BTreeMap<String, ColumnStats>,
}

impl Written {
    /// Without the bounds of its columns.
    fn new(file: &PreparedFile, paper: String, batch: i64) -> Written {
        Written {
            paper,
            batch,
            blake3: file.blake3.clone(),
            bytes: file.size,
            rows: file.stats.num_records.unwrap_or(0),
            columns: BTreeMap::new(),
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
    /// If an object store fails, or the table cannot be asked whether it lists the file still.
    async fn read(
        &self,
        lake: &Lake,
        table: Table,
        file: &DataFile,
        progress: impl Fn(u64),
    ) -> Result<Option<Damage>, Error> {
        let at = location(lake, table, file);
        let path = at.to_string();
        match store::hash(&*lake.store(), &at, progress).await {
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
                Err(Error::store(&at)(error))
            }
            // It may have been merged and removed since the tables were listed.
            Err(error) if store::is_gone(&error) && !is_listed(lake, table, file).await? => {
                drop(error);
                Ok(None)
            }
            Err(error) => Ok(Some(Damage::Unreadable {
                path,
                reason: error.to_string(),
            })),
        }
    }
}

async fn is_listed(lake: &Lake, table: Table, file: &DataFile) -> Result<bool, Error> {
    let listed = lake.all_files(table).await?;
    Ok(listed.iter().any(|other| other.path == file.path))
}

fn location(lake: &Lake, table: Table, file: &DataFile) -> Path {
    file.below(&lake.path(&[table.name()]))
}

/// The newest batch of which a file has rows.
fn newest_of(file: &DataFile) -> Option<i64> {
    let written = batch_of(&file.path).filter(|_| !is_merged(&file.path));
    written.or(file.batch_max)
}

/// What the papers of a lake say was written.
struct Papers<'a> {
    lake: &'a Lake,
    files: BTreeMap<(Table, String), Written>,
    /// Paths of papers and files that were told of.
    told: BTreeSet<String>,
    damaged: Vec<Damage>,
}

/// Reads every data file that a reader of the lake would read, and holds it against the paper of its
/// batch: that it is there, its size, rows and BLAKE3, and what its table's Delta log says of it. `progress` is told
/// the bytes read, and of how many. Runs beside any number of readers and writers.
///
/// # Errors
/// If the Delta logs or the lake's papers cannot be read, or an object store fails.
pub async fn verify(lake: &Lake, progress: impl Fn(u64, u64)) -> Result<Report, Error> {
    let mut report = Report {
        batches: lake.newest_batch().await?,
        ..Report::default()
    };
    // Papers are written before what they tell of is listed: read after the lists, none can be missing.
    let mut tables = Vec::new();
    for table in Table::ALL {
        tables.push((table, lake.all_files(table).await?));
    }
    let mut papers = Papers::read(lake, &tables, report.batches).await?;
    let all = papers.files.values().map(|file| file.bytes).sum();
    let mut done = 0;
    for (table, listed) in &tables {
        // Rows that another program put in place of ours, where it merged files.
        let mut foreign_rows = 0;
        for file in listed {
            let Some(ours) = papers.files.remove(&(*table, file.path.clone())) else {
                foreign_rows += file.rows.unwrap_or(0);
                papers.foreign(*table, file);
                continue;
            };
            report.files += 1;
            report.bytes += ours.bytes;
            report.rows += ours.rows;
            let path = location(lake, *table, file).to_string();
            papers.damaged.extend(ours.listed(file, &path));
            let found = ours.read(lake, *table, file, |read| progress(done + read, all));
            papers.damaged.extend(found.await?);
            done += ours.bytes;
        }
        papers.unlisted(*table, foreign_rows, report.batches);
    }
    report.damaged = papers.damaged;
    let mut newest = lake.newest_batch().await?;
    while Prepared::load(lake, newest + 1).await?.is_some() {
        newest += 1;
        report.unapplied += 1;
    }
    Ok(report)
}

impl<'a> Papers<'a> {
    /// What the batches up to `newest` wrote, and those beyond of which a table lists files already, and what was
    /// merged since; papers that are gone are damage.
    async fn read(
        lake: &'a Lake,
        tables: &[(Table, Vec<DataFile>)],
        newest: i64,
    ) -> Result<Papers<'a>, Error> {
        let mut papers = Papers {
            lake,
            files: BTreeMap::new(),
            told: BTreeSet::new(),
            damaged: Vec::new(),
        };
        let listed = tables.iter().flat_map(|(_, files)| files);
        let beyond = listed.filter_map(newest_of).filter(|batch| *batch > newest);
        let beyond: BTreeSet<i64> = beyond.collect();
        let names: HashSet<(Table, &str)> = tables
            .iter()
            .flat_map(|(table, files)| files.iter().map(|file| (*table, file.path.as_str())))
            .collect();
        for batch in (1..=newest).chain(beyond) {
            match Prepared::load(lake, batch).await {
                Ok(Some(prepared)) => papers.add(&prepared, &names),
                Ok(None) => papers.lost(batch, "is not there".to_owned()),
                Err(error) => papers.lost(batch, unreadable(error)?),
            }
        }
        let mut merged: BTreeMap<(Table, String), Compacted> = BTreeMap::new();
        for (path, paper) in Compacted::each(lake).await? {
            match paper {
                Ok(paper) => {
                    let table = Table::ALL.into_iter().find(|one| one.name() == paper.table);
                    merged.extend(table.map(|table| ((table, paper.file.path.clone()), paper)));
                }
                Err(error) => {
                    let reason = unreadable(error)?;
                    papers.no_paper(path.to_string(), "a merged file".to_owned(), reason);
                }
            }
        }
        for (table, listed) in tables {
            for file in listed {
                papers.account(*table, file, &merged, &names);
            }
        }
        Ok(papers)
    }

    fn add(&mut self, prepared: &Prepared, listed: &HashSet<(Table, &str)>) {
        for table in Table::ALL {
            for file in prepared.files(table) {
                let paper = format!("_relaydrift/batches/{}.json", prepared.batch);
                let mut written = Written::new(file, paper, prepared.batch);
                // Those that were merged away become ever more.
                if listed.contains(&(table, &file.path)) {
                    written.columns = file.stats.columns(&table.schema());
                }
                self.files.insert((table, file.path.clone()), written);
            }
        }
    }

    /// Puts a merged file that its table lists in the place of what it was made of.
    fn account(
        &mut self,
        table: Table,
        file: &DataFile,
        merged: &BTreeMap<(Table, String), Compacted>,
        listed: &HashSet<(Table, &str)>,
    ) {
        let Some(paper) = merged.get(&(table, file.path.clone())) else {
            return;
        };
        let name = format!("_relaydrift/compacted/{}", paper.name());
        let mut ours = Written::new(&paper.file, name, newest_of(file).unwrap_or(0));
        ours.columns = paper.file.stats.columns(&table.schema());
        let mut parts: Vec<&str> = vec![&file.path];
        let (mut rows, mut known) = (0, true);
        // Papers may have been written that lead in a circle.
        let mut seen = BTreeSet::new();
        while let Some(part) = parts.pop() {
            if !seen.insert(part) {
                continue;
            }
            if part != file.path && listed.contains(&(table, part)) {
                self.twice(table, part, &ours.paper);
            }
            match merged.get(&(table, part.to_owned())) {
                Some(paper) => parts.extend(paper.parts.iter().map(String::as_str)),
                None => match self.files.remove(&(table, part.to_owned())) {
                    Some(part) => rows += part.rows,
                    None => known &= !self.is_lost(part),
                },
            }
        }
        if known && rows != ours.rows {
            self.damaged.push(Damage::Parts {
                path: location(self.lake, table, file).to_string(),
                paper: ours.paper.clone(),
                rows: ours.rows,
                parts: rows,
            });
        }
        self.files.insert((table, file.path.clone()), ours);
    }

    fn twice(&mut self, table: Table, part: &str, paper: &str) {
        let path = self.lake.path(&[table.name(), part]).to_string();
        self.told.insert(path.clone());
        self.damaged.push(Damage::Twice {
            path,
            paper: paper.to_owned(),
        });
    }

    fn lost(&mut self, batch: i64, reason: String) {
        let path = Prepared::path(self.lake, batch).to_string();
        self.no_paper(path, format!("batch {batch}"), reason);
    }

    /// True if the paper of the batch that wrote a file is.
    fn is_lost(&self, file: &str) -> bool {
        let paper = batch_of(file).map(|batch| Prepared::path(self.lake, batch));
        paper.is_some_and(|paper| self.told.contains(paper.as_ref()))
    }

    fn no_paper(&mut self, path: String, of: String, reason: String) {
        if self.told.insert(path.clone()) {
            self.damaged.push(Damage::NoPaper { path, of, reason });
        }
    }

    /// A file that a table lists and no paper names.
    fn foreign(&mut self, table: Table, file: &DataFile) {
        let path = location(self.lake, table, file).to_string();
        if self.told.contains(&path) {
            return;
        }
        if is_merged(&file.path) {
            let paper = Compacted::path(self.lake, table, &file.path).to_string();
            let of = format!("{}/{}", table.name(), file.path);
            self.no_paper(paper, of, "is not there".to_owned());
        } else if !self.is_lost(&file.path) {
            self.damaged.push(Damage::Foreign { path });
        }
    }

    /// What batches up to `newest` wrote into a table is in a file that it lists, unless it is in those of another
    /// program.
    fn unlisted(&mut self, table: Table, foreign_rows: u64, newest: i64) {
        let of_table = self.files.extract_if(.., |(of, _), _| *of == table);
        let mut left: Vec<_> = of_table.collect();
        let rows = |left: &[(_, Written)]| left.iter().map(|(_, file)| file.rows).sum::<u64>();
        // It may have merged what a run applied that was stopped in between.
        let also_beyond = rows(&left);
        left.retain(|(_, file)| file.batch <= newest);
        if [rows(&left), also_beyond].contains(&foreign_rows) {
            return;
        }
        let unlisted = left.into_iter().map(|((_, name), file)| Damage::Unlisted {
            path: self.lake.path(&[table.name(), &name]).to_string(),
            paper: file.paper,
            batch: file.batch,
            rows: file.rows,
        });
        self.damaged.extend(unlisted);
    }
}

/// What is wrong with a paper that cannot be read.
///
/// # Errors
/// What has nothing to do with what stands in it.
fn unreadable(error: Error) -> Result<String, Error> {
    match error {
        Error::OtherPaper { found, .. } => Ok(format!("is that of {found}")),
        Error::Json { source, .. } => Ok(format!("is no JSON of ours ({source})")),
        error => Err(error),
    }
}
