//! `relaydrift follow`: keeps a lake current from folders in which logs are written, rotated and deleted.
//!
//! Looking at the folders is the truth: every interval all logs are listed and those that are not as they
//! were are read on. No file is open between two looks.

mod alarms;
mod way;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use alarms::Alarms;
use anyhow::{Context, Result, ensure};
use datafusion::prelude::col;
use relaydrift_datafusion::Need;
use relaydrift_ingest::{Gap, Naming, Place, Plan, Skipped, Source, Table, unfinished};
use relaydrift_lake::{LEASE, Lake, Merge, Merged, Options, Outcome, compact};
use serde::Deserialize;
use tokio::task::JoinHandle;
use way::Way;

use crate::args::{FollowArgs, Global, PlaceArgs};
use crate::ask::Time;
use crate::escape::{visible, visible_lines};
use crate::output::{self, Format, count};
use crate::{Exit, ingest, source, when};

/// Bytes of input in a batch: few, so that whoever stops it loses little work.
const BATCH_BYTES: u64 = 256 << 20;

/// Each looks at every file of the lake.
const BETWEEN_VACUUMS: Duration = Duration::from_secs(60 * 60);

/// Looks, until somebody ends it; 2 where the last look had an error.
pub async fn run(args: FollowArgs, global: &Global) -> Result<Exit> {
    let interval = args.interval.duration();
    ensure!(!interval.is_zero(), "--interval 0: write 10s, 1m or 1h");
    let vacuum = args.vacuum.map(when::Span::duration);
    ensure!(
        vacuum.is_none_or(|span| span >= LEASE),
        "--vacuum: what was needed within the last 6 hours is never removed: write 6h or more"
    );
    let ways = Way::all(&args)?;
    let mut naming = source::naming(&args.naming, args.server.as_ref())?;
    source::keep_out(Some(args.lake.as_ref()), &args.paths)?;
    naming.log_paths = ingest::known_paths(&args.lake, &naming.organization).await?;
    let lake = Lake::open_or_create(&args.lake).await?;
    let alarms = Alarms::open(ways, args.alarms.alarm_since, &lake).await?;
    let mut follower = Follower {
        logs: unread(&lake, &args.paths, &naming).await?,
        args,
        naming,
        lake,
        global,
        told: HashSet::new(),
        breaking: None,
        judged: None,
        alarms,
        merging: None,
        vacuum,
        vacuumed: None,
        tidying: None,
    };
    let mut stopped = std::pin::pin!(stopped());
    let mut failed = false;
    loop {
        // What was decided when it is stopped in the middle is applied by the next run.
        tokio::select! {
            looked = follower.look() => {
                failed = match looked {
                    Ok(clean) => !clean,
                    Err(error) if crate::is_broken_pipe(&error) => return Err(error),
                    Err(error) => {
                        let error = visible_lines(&crate::chain(&error));
                        tell!("relaydrift: error: {error}; trying again");
                        true
                    }
                };
            }
            () = &mut stopped => break,
        }
        tokio::select! {
            () = tokio::time::sleep(interval) => {}
            () = &mut stopped => break,
        }
    }
    if let Some(alarms) = follower.alarms {
        alarms.close().await;
    }
    Ok(if failed {
        Exit::Unreadable
    } else {
        Exit::Clean
    })
}

/// Ctrl-C, or what a service manager sends.
pub async fn stopped() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminated.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    interrupted().await;
}

/// Ctrl-C; on Windows also Ctrl-Break, a closed console and the end of the machine.
pub async fn interrupted() {
    #[cfg(windows)]
    {
        use tokio::signal::windows::{ctrl_break, ctrl_close, ctrl_shutdown};
        if let (Ok(mut broken), Ok(mut closed), Ok(mut shut)) =
            (ctrl_break(), ctrl_close(), ctrl_shutdown())
        {
            tokio::select! {
                _ = broken.recv() => {}
                _ = closed.recv() => {}
                _ = shut.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// A log as the last look left it.
struct Log {
    source: Source,
    /// The look before found it as it is, and it was read.
    settled: bool,
    /// It was read to the end that it had.
    read: bool,
    /// The latest log of its place: rows are still written into it.
    newest: bool,
}

struct Follower<'a> {
    args: FollowArgs,
    naming: Naming,
    lake: Lake,
    global: &'a Global,
    logs: HashMap<PathBuf, Log>,
    /// Files that could not be read at the last look, and why.
    told: HashSet<(PathBuf, String)>,
    /// Keys of the breaking changes that are known; none before the first look.
    breaking: Option<BTreeSet<String>>,
    /// The newest batch whose changes were told.
    judged: Option<i64>,
    /// Who is told of breaking changes.
    alarms: Option<Alarms>,
    /// Merges small files; ended with the program, it leaves the lake as it is.
    merging: Option<JoinHandle<Result<Vec<Merged>, relaydrift_lake::Error>>>,
    /// What nobody has needed for so long is removed.
    vacuum: Option<Duration>,
    /// When that was begun last.
    vacuumed: Option<Instant>,
    /// Removes it; ended with the program, it goes on next time.
    tidying: Option<JoinHandle<Result<(), relaydrift_lake::Error>>>,
}

impl Follower<'_> {
    /// Takes in what is new; true if all could be read.
    async fn look(&mut self) -> Result<bool> {
        let found = self.find().await?;
        let fresh = |source: &&Source| {
            self.logs
                .get(&source.path)
                .is_none_or(|log| !log.read || !is_same(&log.source, source))
        };
        let plan = Plan {
            sources: found.sources.iter().filter(fresh).cloned().collect(),
            skipped: Vec::new(),
        };
        let outcome = match plan.sources.is_empty() {
            true => Outcome::default(),
            false => {
                let options = Options {
                    batch_bytes: BATCH_BYTES,
                    ..Options::default()
                };
                relaydrift_lake::ingest(&self.lake, plan, options, |_| ()).await?
            }
        };
        self.say(&outcome);
        let problems = found.skipped.iter().chain(&outcome.skipped);
        let problems = problems.filter(|file| file.error);
        let problems: Vec<&Skipped> = problems.chain(&outcome.summary.failed).collect();
        self.warn(&problems);
        self.gaps(&found).await?;
        self.remember(&found, &problems);
        // Others may take in logs too.
        let newest = self.lake.newest_batch().await?;
        if self.judged != Some(newest) {
            self.drift().await?;
            self.judged = Some(newest);
        }
        if !outcome.batches.is_empty() {
            self.merge().await?;
            self.tidy().await?;
        }
        Ok(problems.is_empty())
    }

    /// Merges the files of small batches beside the looks, once there are enough of them.
    async fn merge(&mut self) -> Result<()> {
        if let Some(merging) = self.merging.take_if(|merging| merging.is_finished()) {
            let merged = merging
                .await
                .context("a thread that merges files ended")??;
            crate::compact::warn(&merged);
        }
        if self.merging.is_none() {
            let lake = self.lake.clone();
            let merging = async move { compact(&lake, Merge::AS_THEY_COME).await };
            self.merging = Some(tokio::spawn(merging));
        }
        Ok(())
    }

    /// Removes what nobody needs any more beside the looks, where that is wanted and due.
    async fn tidy(&mut self) -> Result<()> {
        if let Some(tidying) = self.tidying.take_if(|tidying| tidying.is_finished()) {
            tidying
                .await
                .context("a thread that removes files ended")??;
        }
        if self.tidying.is_none()
            && let Some(older_than) = self.vacuum_due()
        {
            let lake = self.lake.clone();
            let vacuum =
                async move { relaydrift_lake::vacuum(&lake, older_than, false, |_| ()).await };
            self.tidying = Some(tokio::spawn(vacuum));
        }
        Ok(())
    }

    /// Once in [`BETWEEN_VACUUMS`], if it is wanted at all.
    fn vacuum_due(&mut self) -> Option<Duration> {
        let is_due = |last: Instant| last.elapsed() >= BETWEEN_VACUUMS;
        let older_than = self.vacuum.filter(|_| self.vacuumed.is_none_or(is_due))?;
        self.vacuumed = Some(Instant::now());
        Some(older_than)
    }

    /// All logs there are; a path that is not there is waited for.
    async fn find(&self) -> Result<Plan> {
        let (paths, naming) = (self.args.paths.clone(), self.naming.clone());
        let found = tokio::task::spawn_blocking(move || relaydrift_lake::find(&paths, &naming));
        match found.await.context("a thread that looks for logs ended")? {
            Err(relaydrift_lake::Error::Ingest(relaydrift_ingest::Error::NotFound(path))) => {
                Ok(Plan {
                    sources: Vec::new(),
                    skipped: vec![Skipped {
                        path,
                        reason: "no such file or folder".to_owned(),
                        error: true,
                    }],
                })
            }
            found => Ok(found?),
        }
    }

    fn say(&self, outcome: &Outcome) {
        let (Some(last), false) = (outcome.batches.last(), self.global.quiet) else {
            return;
        };
        let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        tell!(
            "{} batch {}: {} of {}, {} unreadable",
            Time(when::clock()).second(),
            last.batch,
            count(int(outcome.summary.rows), "row"),
            count(int(outcome.summary.files), "log"),
            count(int(outcome.summary.rejects), "line"),
        );
    }

    /// Names what cannot be read, once until it can be.
    fn warn(&mut self, problems: &[&Skipped]) {
        let now: HashSet<_> = problems
            .iter()
            .map(|file| (file.path.clone(), file.reason.clone()))
            .collect();
        for file in problems {
            if !self
                .told
                .contains(&(file.path.clone(), file.reason.clone()))
            {
                source::warn(file);
            }
        }
        self.told = now;
    }

    /// Tells of logs that are gone and may have had more than was read, and keeps it in the ledger.
    async fn gaps(&mut self, found: &Plan) -> Result<()> {
        let listed: HashSet<&Path> = found
            .sources
            .iter()
            .map(|source| source.path.as_path())
            .chain(
                found
                    .skipped
                    .iter()
                    .filter(|file| !is_gone(&file.path))
                    .map(|file| file.path.as_path()),
            )
            .collect();
        let gone: Vec<PathBuf> = self
            .logs
            .keys()
            .filter(|path| !listed.contains(path.as_path()))
            .cloned()
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let ledger = self.lake.ledger().await?;
        for path in gone {
            // A share that is away comes back, and nobody knows what happens there meanwhile.
            if !path.parent().is_some_and(Path::is_dir) {
                if let Some(log) = self.logs.get_mut(&path) {
                    log.settled = false;
                }
                continue;
            }
            let Some(log) = self.logs.get(&path) else {
                continue;
            };
            let moved = found.sources.iter().any(|other| {
                !self.logs.contains_key(&other.path)
                    && other.begins_like(&log.source).unwrap_or(false)
            });
            let gap = Gap::of(log.source.clone(), &ledger);
            if !moved && (!log.settled || log.newest || gap.bytes > 0) {
                relaydrift_lake::import(&self.lake, |batch| {
                    Ok(vec![(Table::Sources, gap.row(batch)?)])
                })
                .await?;
                let (path, offset) = (path.display().to_string(), gap.source.from_offset);
                let lost = match gap.bytes {
                    0 => format!("whatever was written from byte {offset} on is missing"),
                    bytes => format!("{bytes} bytes from byte {offset} on are missing"),
                };
                let path = visible(&path);
                tell!("relaydrift: {path} was deleted before it was read to its end: {lost}");
            }
            self.logs.remove(&path);
        }
        Ok(())
    }

    /// Keeps what was seen, to know what is new at the next look.
    fn remember(&mut self, found: &Plan, problems: &[&Skipped]) {
        let unread: HashSet<&Path> = problems.iter().map(|file| file.path.as_path()).collect();
        // In the order in which they were written: the last of a place counts.
        let newest: HashMap<&Place, &Path> = found
            .sources
            .iter()
            .map(|source| (&source.place, source.path.as_path()))
            .collect();
        for source in &found.sources {
            let before = self.logs.get(&source.path);
            let read = !unread.contains(source.path.as_path());
            let log = Log {
                source: source.clone(),
                settled: read && before.is_some_and(|log| log.read && is_same(&log.source, source)),
                read,
                newest: newest.get(&source.place) == Some(&source.path.as_path()),
            };
            self.logs.insert(source.path.clone(), log);
        }
    }

    /// Prints the breaking changes that are new; those of the first look only count. Who is to be told by
    /// alarm is another matter: these reach back to earlier runs.
    async fn drift(&mut self) -> Result<()> {
        let place = PlaceArgs {
            lake: Some(self.args.lake.clone()),
            logs: Vec::new(),
        };
        let opened = source::open(&place, self.naming.clone(), Need::Drift, self.global).await?;
        let found = opened.ctx.table("drift").await?.filter(col("breaking"))?;
        let by_time = ["found_at", "connector_id", "server", "key"];
        let found = found.sort_by(by_time.map(col).into())?;
        let found = found.collect().await?;
        let first = self.breaking.is_none();
        let known = self.breaking.get_or_insert_default();
        let mut all = Vec::new();
        for batch in &found {
            for object in output::objects(batch)? {
                let change: Change = serde_json::from_slice(&object)?;
                if self.alarms.is_some() {
                    all.push((
                        serde_json::from_slice(&object)?,
                        String::from_utf8(object.clone())?,
                    ));
                }
                if known.insert(change.key.clone()) && !first {
                    let line = match self.global.output.format {
                        Format::Json | Format::Ndjson => object,
                        _ => change.line().into_bytes(),
                    };
                    let mut out = std::io::stdout().lock();
                    out.write_all(&line)?;
                    out.write_all(b"\n")?;
                    out.flush()?;
                }
            }
        }
        if let Some(alarms) = &self.alarms {
            alarms.note(&all).await?;
        }
        if first && !self.global.quiet {
            let known = count(known.len() as i64, "breaking change");
            tell!("{known} so far: relaydrift drift --breaking; new ones are told here");
        }
        Ok(())
    }
}

/// A row of `drift`, as far as a line tells it.
#[derive(Deserialize)]
struct Change {
    key: String,
    found_at: Time,
    severity: String,
    kind: String,
    class: String,
    connector_id: Option<String>,
    server: Option<String>,
    before: Option<String>,
    after: Option<String>,
    last_refused: Option<Time>,
}

impl Change {
    /// When it last did harm.
    fn last(&self) -> Time {
        self.last_refused
            .map_or(self.found_at, |last| last.max(self.found_at))
    }

    fn line(&self) -> String {
        let text = |text: &Option<String>| visible(text.as_deref().unwrap_or("-")).into_owned();
        format!(
            "{} {} {} {} on '{}' of {}: {} -> {}",
            self.found_at.second(),
            self.severity,
            self.kind,
            self.class,
            text(&self.connector_id),
            text(&self.server),
            text(&self.before),
            text(&self.after),
        )
    }
}

/// Logs of these folders that may have more than the lake has: they may have gone while nobody looked.
async fn unread(lake: &Lake, paths: &[PathBuf], naming: &Naming) -> Result<HashMap<PathBuf, Log>> {
    let ledger = lake.ledger().await?;
    let logs = unfinished(&ledger).into_iter().filter(|log| {
        let path = &log.source.path;
        // The same path on another machine is another log.
        paths.iter().any(|folder| path.starts_with(folder))
            && naming.place(path) == log.source.place
    });
    let logs = logs.map(|log| {
        let path = log.source.path.clone();
        let log = Log {
            source: log.source,
            settled: true,
            read: false,
            newest: log.newest,
        };
        (path, log)
    });
    Ok(logs.collect())
}

/// True if nothing was written into a log between two looks, as far as one can tell from outside.
fn is_same(before: &Source, now: &Source) -> bool {
    (before.size, before.head_bytes, &before.head_hash)
        == (now.size, now.head_bytes, &now.head_hash)
}

/// True if it is not there at all.
fn is_gone(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
