//! Where a question is answered from: a lake, or raw logs read once.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};
use arrow::array::RecordBatch;
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::{Source, register_all, session_context};
use relaydrift_ingest::{
    Before, Cut, Keep, Naming, Plan, Sink, SinkError, Skipped, Summary, Table, TaskSink,
};

use crate::args::{NamingArgs, PlaceArgs};
use crate::escape::visible;
use crate::progress;

/// A context with the tables and views, and what was read for it.
pub struct Opened {
    /// Ready for questions.
    pub ctx: SessionContext,
    /// Of raw logs: the sums over what was read. `None` for a lake.
    pub summary: Option<Summary>,
    /// Files left out, those that could not be read among them.
    pub skipped: Vec<Skipped>,
}

impl Opened {
    /// Files that could not be read, or not to their end.
    pub fn unreadable(&self) -> impl Iterator<Item = &Skipped> {
        let failed = self.summary.iter().flat_map(|summary| &summary.failed);
        self.skipped
            .iter()
            .filter(|skipped| skipped.error)
            .chain(failed)
    }

    /// Says on stderr which files could not be read; true where there was one.
    pub fn warn(&self) -> bool {
        self.unreadable().inspect(|file| warn(file)).count() > 0
    }
}

/// Says on stderr that a file could not be read.
pub fn warn(file: &Skipped) {
    let path = file.path.display().to_string();
    eprintln!(
        "relaydrift: cannot read {}: {}",
        visible(&path),
        visible(&file.reason)
    );
}

/// How files are named, from the options.
pub fn naming(args: &NamingArgs, server: Option<&String>) -> Result<Naming> {
    let server_from = match &args.server_from {
        None => None,
        Some(pattern) => {
            let regex = regex::Regex::new(pattern)
                .with_context(|| format!("--server-from {pattern}: not a regular expression"))?;
            if !regex.capture_names().flatten().any(|name| name == "server") {
                bail!("--server-from {pattern}: needs a group called server: '/(?<server>[^/]+)/'");
            }
            Some(regex)
        }
    };
    Ok(Naming {
        organization: args.organization.clone(),
        server: server.cloned(),
        server_from,
    })
}

/// Finds the send logs, or says where Exchange keeps them.
pub fn find(paths: &[PathBuf], naming: &Naming) -> Result<Plan> {
    let plan = relaydrift_ingest::find(paths, naming)?;
    if plan.sources.is_empty() {
        bail!(no_logs(paths, &plan.skipped));
    }
    Ok(plan)
}

/// Opens the lake or reads the logs that the options name.
pub async fn open(
    place: &PlaceArgs,
    naming: &Naming,
    keep: Keep,
    quiet: bool,
    threads: usize,
) -> Result<Opened> {
    match &place.lake {
        Some(_lake) => bail!("--lake: not yet"),
        None => open_logs(&place.logs, naming, keep, quiet, threads).await,
    }
}

/// Reads raw logs once and keeps what the questions need.
pub async fn open_logs(
    paths: &[PathBuf],
    naming: &Naming,
    keep: Keep,
    quiet: bool,
    threads: usize,
) -> Result<Opened> {
    let plan = find(paths, naming)?;
    let bytes = plan.sources.iter().map(|source| source.size).sum();
    let bar = progress::bar(bytes, quiet);
    let shown = bar.clone();
    let Plan { sources, skipped } = plan;
    let read = tokio::task::spawn_blocking(move || {
        let memory = Memory::default();
        let progress = |bytes| shown.inc(bytes);
        let before = Before::default();
        let cut = Cut::default();
        let summary = relaydrift_ingest::read(&sources, before, keep, cut, 0, &memory, &progress)?;
        let tables = memory
            .tables
            .into_inner()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        anyhow::Ok((summary, tables))
    });
    let (summary, tables) = read.await.context("a thread that read logs ended")??;
    bar.finish_and_clear();
    let ctx = session_context(threads);
    register_all(&ctx, Source::Batches(Arc::new(tables))).await?;
    Ok(Opened {
        ctx,
        summary: Some(summary),
        skipped,
    })
}

/// Keeps the columns in memory.
#[derive(Default)]
struct Memory {
    tables: Mutex<HashMap<Table, Vec<RecordBatch>>>,
}

impl Sink for Memory {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(Task { memory: self }))
    }
}

struct Task<'a> {
    memory: &'a Memory,
}

impl TaskSink for Task<'_> {
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError> {
        let mut tables = self
            .memory
            .tables
            .lock()
            .map_err(|_| "another thread failed")?;
        tables.entry(table).or_default().push(batch);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(())
    }
}

fn no_logs(paths: &[PathBuf], skipped: &[Skipped]) -> String {
    let paths: Vec<String> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let mut text = format!("no SMTP send-protocol log in {}", paths.join(", "));
    for file in skipped.iter().take(5) {
        let path = file.path.display().to_string();
        text += &format!("\n  left out {}: {}", visible(&path), visible(&file.reason));
    }
    if skipped.len() > 5 {
        text += &format!("\n  ... and {} more files left out", skipped.len() - 5);
    }
    text + "\n\n" + WHERE_LOGS_ARE
}

/// Where Exchange keeps send logs, and how it is told to write them.
pub const WHERE_LOGS_ARE: &str = r"Where Exchange keeps send logs (below its installation folder, V14 or V15):
  2007, 2010      TransportRoles\Logs\ProtocolLog\SmtpSend
  2013 and later  TransportRoles\Logs\Hub\ProtocolLog\SmtpSend       (Transport service)
                  TransportRoles\Logs\FrontEnd\ProtocolLog\SmtpSend  (Front End Transport service)
  Edge            TransportRoles\Logs\Edge\ProtocolLog\SmtpSend
The folders that are really in use:
  Get-TransportService | fl Name,SendProtocolLogPath
  Get-FrontendTransportService | fl Name,SendProtocolLogPath
Nothing there? Logging is off unless it was switched on; in the Exchange Management Shell:
  Get-SendConnector | fl Name,ProtocolLoggingLevel
  Set-SendConnector 'Outbound to Office 365' -ProtocolLoggingLevel Verbose
  Set-TransportService EX01 -IntraOrgConnectorProtocolLoggingLevel Verbose
Rows appear within a minute of the next message; the first answer needs one message per server.";
