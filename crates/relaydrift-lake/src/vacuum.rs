//! Which files nobody needs any more, and away with them.
//!
//! What a table's Delta log names stays, and so does what the paper of any batch names, applied or not, until
//! a merged file that the table names stands in its place. Papers stay, and so does a Delta log from a checkpoint
//! on that has stood for a lease. Everything else that this program wrote goes once it is older than a lease: readers that listed files before read on meanwhile,
//! and a writer that slept for so long looks whether its files are still there before it names them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::ErrorKind;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error as StoreError, ObjectStoreExt};
use relaydrift_ingest::Table;

use crate::compact::Compacted;
use crate::prepared::Prepared;
use crate::stats::Stats;
use crate::{DataFile, Error, Lake, delta_log};

/// Nothing younger is ever removed.
pub const LEASE: Duration = Duration::from_secs(6 * 60 * 60);

/// A writer that took longer between its first file and its decision looks whether its files are there.
const PROMPT: Duration = Duration::from_secs(60 * 60);

/// Papers that are asked for at once.
const AT_ONCE: usize = 16;

/// Why nobody needs a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needless {
    /// A merged file stands in its place.
    Replaced,
    /// It was merged, and another run was first.
    Unmerged,
    /// Its batch was never committed, or another run's in its place.
    Uncommitted,
    /// It never got its name.
    Staged,
    /// A file of a Delta log: a checkpoint after it says the same.
    Superseded,
}

impl Needless {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Needless::Replaced => "replaced",
            Needless::Unmerged => "unmerged",
            Needless::Uncommitted => "uncommitted",
            Needless::Staged => "staged",
            Needless::Superseded => "superseded",
        }
    }
}

/// A file that nobody needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Why.
    pub kind: Needless,
    /// Path in the store.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// For how long nobody has needed it.
    pub age: Duration,
}

/// A file in the folder of a table, or in that of its Delta log.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// Milliseconds since 1970.
    pub(crate) written: i64,
}

/// Removes what nobody has needed for so long, or (`dry_run`) only finds it; `tell` hears of each file when it
/// is gone. Runs beside any number of readers and writers.
///
/// # Errors
/// [`Error::Lease`] below [`LEASE`]; if the lake cannot be read, or a file cannot be removed.
pub async fn vacuum(
    lake: &Lake,
    older_than: Duration,
    dry_run: bool,
    tell: impl FnMut(Removed),
) -> Result<(), Error> {
    vacuum_at(SystemTime::now(), lake, older_than, dry_run, tell).await
}

/// The same at another time than now.
pub(crate) async fn vacuum_at(
    now: SystemTime,
    lake: &Lake,
    older_than: Duration,
    dry_run: bool,
    mut tell: impl FnMut(Removed),
) -> Result<(), Error> {
    if older_than < LEASE {
        return Err(Error::Lease);
    }
    let now = millis(now);
    // What lies in the folders first: whatever is named after that is known to be named.
    let mut folders = Vec::new();
    for table in Table::ALL {
        folders.push((table, found(lake, table).await?));
    }
    let mut listed = Vec::new();
    for table in Table::ALL {
        listed.push(lake.all_files(table).await?);
    }
    let papers = Papers::all(lake, &folders, &listed).await?;
    for ((table, found), listed) in folders.into_iter().zip(listed) {
        let named = Named::of(table, listed, &found, &papers);
        for file in &found {
            let Some((kind, since)) = named.judge(&file.name) else {
                continue;
            };
            let age = u64::try_from(now - since.max(file.written)).unwrap_or(0);
            let age = Duration::from_millis(age);
            if age < older_than {
                continue;
            }
            // Its writer may have decided meanwhile.
            if kind == Needless::Uncommitted && is_decided(lake, table, &file.name).await? {
                continue;
            }
            if !dry_run {
                remove(lake, table, &file.name).await?;
            }
            tell(Removed {
                kind,
                path: format!("{}/{}", lake.path(&[table.name()]), file.name),
                bytes: file.bytes,
                age,
            });
        }
    }
    for table in Table::ALL {
        vacuum_log(now, lake, table, older_than, dry_run, &mut tell).await?;
    }
    Ok(())
}

/// The same in the Delta log of a table, which was just read.
async fn vacuum_log(
    now: i64,
    lake: &Lake,
    table: Table,
    older_than: Duration,
    dry_run: bool,
    tell: &mut impl FnMut(Removed),
) -> Result<(), Error> {
    let lease = i64::try_from(older_than.as_millis()).unwrap_or(i64::MAX);
    let Some((files, since)) =
        delta_log::superseded(lake, table, now.saturating_sub(lease)).await?
    else {
        return Ok(());
    };
    for file in files {
        let age = u64::try_from(now - since.max(file.written)).unwrap_or(0);
        let age = Duration::from_millis(age);
        if age < older_than {
            continue;
        }
        let path = lake.path(&[table.name(), "_delta_log", &file.name]);
        if !dry_run {
            remove_object(lake, &path).await?;
        }
        tell(Removed {
            kind: Needless::Superseded,
            path: path.to_string(),
            bytes: file.bytes,
            age,
        });
    }
    Ok(())
}

/// The lake's own papers about files. Those of batches become ever more: of them only what is said of files that are
/// still there.
struct Papers {
    batches: BTreeSet<i64>,
    /// The newest batch.
    newest: i64,
    /// Files that a batch names.
    prepared: BTreeSet<(Table, String)>,
    merged: Vec<Compacted>,
}

impl Papers {
    async fn all(
        lake: &Lake,
        folders: &[(Table, Vec<Found>)],
        listed: &[Vec<DataFile>],
    ) -> Result<Papers, Error> {
        let rows = listed.iter().flatten().filter_map(|file| file.batch_max);
        let newest = lake.newest_batch().await?.max(rows.max().unwrap_or(0));
        let mut papers = Papers {
            batches: BTreeSet::new(),
            newest,
            prepared: BTreeSet::new(),
            merged: Vec::new(),
        };
        let there: HashSet<(Table, &str)> = folders
            .iter()
            .flat_map(|(table, found)| found.iter().map(|file| (*table, file.name.as_str())))
            .collect();
        // One that is missing is lost; verify says so.
        let load = |batch| Prepared::load(lake, batch);
        let mut known = stream::iter(1..=newest).map(load).buffered(AT_ONCE);
        while let Some(prepared) = known.try_next().await? {
            papers.add(prepared, &there);
        }
        while let Some(prepared) = Prepared::load(lake, papers.newest + 1).await? {
            papers.newest += 1;
            papers.add(Some(prepared), &there);
        }
        papers.merged = Compacted::all(lake).await?;
        for paper in &mut papers.merged {
            paper.file.stats = Stats::default();
        }
        Ok(papers)
    }

    fn add(&mut self, prepared: Option<Prepared>, there: &HashSet<(Table, &str)>) {
        let Some(prepared) = prepared else { return };
        self.batches.insert(prepared.batch);
        for table in Table::ALL {
            let names = prepared.files(table).iter().map(|file| &file.path);
            let there = names.filter(|name| there.contains(&(table, name.as_str())));
            self.prepared
                .extend(there.map(|name| (table, name.clone())));
        }
    }
}

/// The names in a table that something depends on.
struct Named<'a> {
    table: Table,
    /// By the Delta log.
    listed: BTreeSet<String>,
    /// Merged files by each of their parts.
    merged: BTreeMap<&'a str, Vec<&'a str>>,
    /// Parts by their merged file.
    parts: BTreeMap<&'a str, &'a [String]>,
    /// When what is in the folder was written.
    written: BTreeMap<&'a str, i64>,
    /// When the last file of a batch and attempt was: its writer may be at work still.
    latest: BTreeMap<&'a str, i64>,
    papers: &'a Papers,
}

impl<'a> Named<'a> {
    fn of(table: Table, listed: Vec<DataFile>, found: &'a [Found], papers: &'a Papers) -> Self {
        let (mut merged, mut parts) = (BTreeMap::<&str, Vec<&str>>::new(), BTreeMap::new());
        let of_table = |paper: &&Compacted| paper.table == table.name();
        let (mut written, mut latest) = (BTreeMap::new(), BTreeMap::new());
        let mut sizes = BTreeMap::new();
        for file in found {
            written.insert(file.name.as_str(), file.written);
            sizes.insert(file.name.as_str(), file.bytes);
            if let Some(attempt) = attempt_of(&file.name) {
                let last = latest.entry(attempt).or_insert(file.written);
                *last = file.written.max(*last);
            }
        }
        for paper in papers.merged.iter().filter(of_table) {
            // One that was cut short stands in nobody's place.
            let size = sizes.get(paper.file.path.as_str());
            if size.is_none_or(|size| *size == paper.file.size) {
                for part in &paper.parts {
                    merged.entry(part).or_default().push(&paper.file.path);
                }
            }
            parts.insert(paper.file.path.as_str(), paper.parts.as_slice());
        }
        Named {
            table,
            listed: listed.into_iter().map(|file| file.path).collect(),
            merged,
            parts,
            written,
            latest,
            papers,
        }
    }

    /// Why nobody needs a file, and since when (milliseconds since 1970) where that is not since it was written.
    /// [`None`] where somebody may need it, and for files that are not ours.
    fn judge(&self, name: &str) -> Option<(Needless, i64)> {
        if let Some((name, number)) = name.split_once('#') {
            let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
            return (is_number && batch_of(name).is_some()).then_some((Needless::Staged, 0));
        }
        let batch = batch_of(name)?;
        if self.listed.contains(name) {
            return None;
        }
        let papers = self.papers;
        if let Some(since) = self.replaced(name) {
            return Some((Needless::Replaced, since));
        }
        if papers.prepared.contains(&(self.table, name.to_owned())) {
            return None;
        }
        if let Some(parts) = self.parts.get(name) {
            // Its rows must be elsewhere.
            let is_kept = |part: &String| {
                let is_there = self.written.contains_key(part.as_str());
                self.listed.contains(part) && is_there || self.replaced(part).is_some()
            };
            return parts.iter().all(is_kept).then_some((Needless::Unmerged, 0));
        }
        if name.trim_end_matches(".parquet").contains('.') {
            return None;
        }
        // A paper that is lost may have named it.
        let known = papers.batches.contains(&batch) || batch > papers.newest;
        let latest = attempt_of(name).and_then(|attempt| self.latest.get(attempt));
        known.then_some((Needless::Uncommitted, latest.copied().unwrap_or(0)))
    }

    /// When a merged file that the table names, or one that was merged into such a one, took the place of a file.
    fn replaced(&self, name: &str) -> Option<i64> {
        self.replaced_beside(name, &mut BTreeSet::new())
    }

    /// As [`Named::replaced`], but by none of those that were looked at: papers may name each other in a circle.
    fn replaced_beside(&self, name: &str, seen: &mut BTreeSet<&'a str>) -> Option<i64> {
        let mut since = None;
        for merged in self.merged.get(name)? {
            if !seen.insert(merged) {
                continue;
            }
            let written = self.written.get(merged).copied();
            since = since.max(match self.listed.contains(*merged) {
                // Where that one is gone, the parts are all there is.
                true => written,
                false => self
                    .replaced_beside(merged, seen)
                    .map(|later| written.unwrap_or(later)),
            });
        }
        since
    }
}

/// The batch in the name of a data file, as this program gives names.
pub(crate) fn batch_of(name: &str) -> Option<i64> {
    let rest = name.strip_prefix("part-")?.strip_suffix(".parquet")?;
    let (number, rest) = rest.split_at_checked(20)?;
    let attempt = rest.strip_prefix('-')?.split('-').next()?;
    is_attempt(attempt).then(|| number.parse().ok()).flatten()
}

fn is_attempt(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|one| one.is_ascii_hexdigit())
}

/// True for the name of a merged file, as this program gives names.
pub(crate) fn is_merged(name: &str) -> bool {
    let parts = name.trim_end_matches(".parquet").split_once('.');
    batch_of(name).is_some() && parts.is_some_and(|(_, attempt)| is_attempt(attempt))
}

/// The batch and the attempt in the name of a data file.
fn attempt_of(name: &str) -> Option<&str> {
    batch_of(name)?;
    // part-, twenty digits, a hyphen, and the attempt.
    name.get(..5 + 20 + 1 + 32)
}

/// True if the paper of its batch names a file.
async fn is_decided(lake: &Lake, table: Table, name: &str) -> Result<bool, Error> {
    let Some(batch) = batch_of(name) else {
        return Ok(false);
    };
    let paper = Prepared::load(lake, batch).await?;
    Ok(paper.is_some_and(|paper| paper.files(table).iter().any(|file| file.path == name)))
}

/// The files right in a folder, as the store lists them.
pub(crate) async fn listed(lake: &Lake, folder: &Path) -> Result<Vec<Found>, Error> {
    let listed = lake.store().list_with_delimiter(Some(folder)).await;
    let listed = listed.map_err(Error::store(folder))?.objects.into_iter();
    let found = listed.filter_map(|file| {
        Some(Found {
            name: file.location.filename()?.to_owned(),
            bytes: file.size,
            written: file.last_modified.timestamp_millis(),
        })
    });
    Ok(found.collect())
}

/// The files right in the folder of a table, those without a name yet too.
async fn found(lake: &Lake, table: Table) -> Result<Vec<Found>, Error> {
    let mut found = listed(lake, &lake.path(&[table.name()])).await?;
    // The store leaves these out.
    if let Some(folder) = local(lake, table) {
        let unreadable = |source| Error::Folder {
            location: folder.display().to_string(),
            source,
        };
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            entries => entries.map_err(unreadable)?,
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            // Another run may have given it its name meanwhile.
            let Ok(data) = entry.metadata() else {
                continue;
            };
            if name.contains('#') && data.is_file() {
                found.push(Found {
                    name,
                    bytes: data.len(),
                    written: data.modified().map_or(i64::MAX, millis),
                });
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// The folder of a table on a local disk.
fn local(lake: &Lake, table: Table) -> Option<std::path::PathBuf> {
    let url = lake.table_url(table);
    (url.scheme() == "file")
        .then(|| url.to_file_path().ok())
        .flatten()
}

/// Removes a file; one that is gone already is as good.
async fn remove(lake: &Lake, table: Table, name: &str) -> Result<(), Error> {
    let path = lake.path(&[table.name(), name]);
    // The store does not know of a file without a name.
    if let Some(folder) = local(lake, table).filter(|_| name.contains('#')) {
        return match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let source = error.into();
                let store = "local";
                Err(Error::store(&path)(StoreError::Generic { store, source }))
            }
            _ => Ok(()),
        };
    }
    remove_object(lake, &path).await
}

async fn remove_object(lake: &Lake, path: &Path) -> Result<(), Error> {
    match lake.store().delete(path).await {
        Err(StoreError::NotFound { .. }) => Ok(()),
        removed => removed.map_err(Error::store(path)),
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// True if the files of a writer that began to write them then may be gone by now, where it slept.
pub(crate) fn is_late(begun: SystemTime) -> bool {
    begun.elapsed().is_ok_and(|elapsed| elapsed > PROMPT)
}

/// True if a file of a table is there.
pub(crate) async fn is_there(lake: &Lake, table: Table, name: &str) -> Result<bool, Error> {
    let path = lake.path(&[table.name(), name]);
    match lake.store().head(&path).await {
        Ok(_) => Ok(true),
        Err(StoreError::NotFound { .. }) => Ok(false),
        Err(error) => Err(Error::store(&path)(error)),
    }
}
