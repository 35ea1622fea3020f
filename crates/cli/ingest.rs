//! `relaydrift ingest`: what is new in the logs goes into a lake, each line exactly once.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use relaydrift_cluster as cluster;
use relaydrift_ingest::{LogPath, Skipped, Summary, Table, is_url};
use relaydrift_lake::{Lake, Options, Share};
use serde::Serialize;

use crate::args::{Global, IngestArgs};
use crate::escape::visible;
use crate::output::Format;
use crate::{Exit, escape, expect, output, progress, source};

/// What a run did, as JSON says it.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the rows went.
    lake: String,
    /// Batches committed; none where nothing was new.
    batches: Vec<i64>,
    /// Files found, and of them those with something new.
    files_found: u64,
    files: u64,
    /// Bytes read, by class; `pending_bytes` are last lines without a line end, read next time.
    bytes: u64,
    header_bytes: u64,
    event_bytes: u64,
    reject_bytes: u64,
    blank_bytes: u64,
    pending_bytes: u64,
    rows: u64,
    rejects: u64,
    sessions: u64,
    /// Sessions that go on in a later log.
    open_sessions: u64,
    seconds: f64,
    mb_per_second: f64,
    /// Files left out, by reason.
    skipped: BTreeMap<String, u64>,
    /// Files that could not be read.
    pub failed: Vec<Failed>,
    notices: Vec<String>,
}

/// A file that could not be read.
#[derive(Debug, Serialize)]
pub struct Failed {
    pub path: String,
    pub reason: String,
}

/// Reads what is new and says what it was: as text on stderr, as one object on stdout where JSON is
/// asked for.
pub async fn run(args: IngestArgs, global: &Global) -> Result<Exit> {
    let report = ingest(args, global).await?;
    if matches!(global.output.format, Format::Json | Format::Ndjson) {
        let mut json = Vec::new();
        escape::json(&mut json, &report)?;
        json.push(b'\n');
        let mut out = global.output.open()?;
        out.write_all(&json)?;
        out.finish()?;
    }
    if !global.quiet {
        tell!("{}", text(&report).trim_end());
    }
    for file in &report.failed {
        tell!(
            "relaydrift: cannot read {}: {}",
            visible(&file.path),
            visible(&file.reason)
        );
    }
    Ok(if report.failed.is_empty() {
        Exit::Clean
    } else {
        Exit::Unreadable
    })
}

/// Reads what is new, with a bar.
pub async fn ingest(args: IngestArgs, global: &Global) -> Result<Report> {
    let mut naming = source::naming(&args.naming, args.server.as_ref())?;
    source::keep_out(Some(args.lake.as_ref()), &args.paths)?;
    naming.log_paths = known_paths(&args.lake, &naming.organization).await?;
    let paths = match &args.cluster {
        None => args.paths,
        // Executors run in folders of their own.
        Some(_) => args
            .paths
            .iter()
            .map(|path| absolute(path))
            .collect::<Result<_>>()?,
    };
    let plan = source::find(&paths, &naming)?;
    let lake = Lake::open_or_create(&args.lake).await?;
    let begun = Instant::now();
    let bar = progress::bar(
        plan.sources.iter().map(|source| source.text_bytes).sum(),
        global.quiet,
    );
    let files_found = plan.sources.len() as u64;
    let mut skipped = plan.skipped.clone();
    let shown = bar.clone();
    let outcome = match &args.cluster {
        None => {
            let told = move |bytes| shown.inc(bytes);
            relaydrift_lake::ingest(&lake, plan, Options::default(), told).await
        }
        Some(scheduler) => {
            let read = |shares: Vec<Share>| {
                let (bytes, shown) = (shares.iter().map(Share::bytes).sum(), shown.clone());
                async move {
                    let written = cluster::ingest::read(scheduler, shares).await;
                    shown.inc(bytes);
                    written
                }
            };
            relaydrift_lake::ingest_by(&lake, plan, &naming, global.parts(), read).await
        }
    };
    let outcome = match outcome {
        // Again, it would end so again.
        Err(error @ relaydrift_lake::Error::Ahead { .. }) => return Err(error.into()),
        outcome => outcome.with_context(|| {
            format!(
                "nothing was lost: run it again to go on with the lake {}",
                args.lake
            )
        })?,
    };
    bar.finish_and_clear();
    let seconds = begun.elapsed().as_secs_f64();
    let batches = outcome.batches.iter().map(|batch| batch.batch).collect();
    skipped.extend(outcome.skipped);
    Ok(report(
        args.lake,
        batches,
        files_found,
        outcome.summary,
        &skipped,
        seconds,
    ))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    match is_url(path) {
        true => Ok(path.to_owned()),
        false => Ok(std::path::absolute(path)?),
    }
}

/// Where the servers write their logs, as the lake knows it from `relaydrift expect`.
pub async fn known_paths(location: &str, organization: &str) -> Result<Vec<LogPath>> {
    match Lake::open(location).await {
        Ok(lake) => {
            let services = lake.read(Table::TransportServices).await?;
            Ok(expect::log_paths(&services, organization))
        }
        Err(relaydrift_lake::Error::NoLake { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn report(
    lake: String,
    batches: Vec<i64>,
    files_found: u64,
    summary: Summary,
    skipped: &[Skipped],
    seconds: f64,
) -> Report {
    let mut reasons = BTreeMap::new();
    for file in skipped.iter().filter(|file| !file.error) {
        *reasons.entry(file.reason.clone()).or_insert(0) += 1;
    }
    let failed = skipped
        .iter()
        .filter(|file| file.error)
        .chain(&summary.failed);
    let failed = failed.map(|file| Failed {
        path: file.path.display().to_string(),
        reason: file.reason.clone(),
    });
    // What is pending was not taken in.
    let bytes =
        summary.header_bytes + summary.event_bytes + summary.reject_bytes + summary.blank_bytes;
    Report {
        lake,
        batches,
        files_found,
        files: summary.files,
        bytes,
        header_bytes: summary.header_bytes,
        event_bytes: summary.event_bytes,
        reject_bytes: summary.reject_bytes,
        blank_bytes: summary.blank_bytes,
        pending_bytes: summary.pending_bytes,
        rows: summary.rows,
        rejects: summary.rejects,
        sessions: summary.sessions,
        open_sessions: summary.open_sessions,
        seconds,
        mb_per_second: bytes as f64 / 1e6 / seconds.max(1e-6),
        skipped: reasons,
        failed: failed.collect(),
        notices: summary.notices,
    }
}

fn text(report: &Report) -> String {
    let number = |number: u64| output::thousands(i64::try_from(number).unwrap_or(i64::MAX));
    let mut text = match report.batches.as_slice() {
        [] => format!("nothing new in {} files\n", number(report.files_found)),
        [one] => format!("batch {one} is in {}\n", visible(&report.lake)),
        [first, .., last] => format!(
            "batches {first} to {last} are in {}\n",
            visible(&report.lake)
        ),
    };
    if !report.batches.is_empty() {
        text += &format!(
            "  files    {} of {} found\n  bytes    {} in rows, {} in headers, {} unreadable, {} blank\n  \
             rows     {}, {} lines unreadable\n  sessions {} whole, {} open\n  time     {:.1} s, {:.0} MB/s\n",
            number(report.files),
            number(report.files_found),
            number(report.event_bytes),
            number(report.header_bytes),
            number(report.reject_bytes),
            number(report.blank_bytes),
            number(report.rows),
            number(report.rejects),
            number(report.sessions),
            number(report.open_sessions),
            report.seconds,
            report.mb_per_second,
        );
    }
    if report.pending_bytes > 0 {
        let bytes = number(report.pending_bytes);
        text += &format!(
            "  pending  {bytes} bytes of last lines without a line end: read when it is there\n"
        );
    }
    for (reason, count) in &report.skipped {
        text += &format!(
            "  left out {} of other kinds: {}\n",
            number(*count),
            visible(reason)
        );
    }
    for notice in &report.notices {
        text += &format!("  notice   {}\n", visible(notice));
    }
    text
}
