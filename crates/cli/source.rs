//! Where a question is answered from: a lake, or raw logs read once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use relaydrift_cluster::session_state;
use relaydrift_datafusion::{
    Expected, LogTables, Need, Source, register_expecting, session_context, session_state_in,
};
use relaydrift_ingest::{Naming, Plan, Skipped, Summary, is_url};
use relaydrift_lake::Lake;
use relaydrift_serve::Open;

use crate::args::{ClusterArgs, ExpectedArgs, Global, NamingArgs, PlaceArgs};
use crate::escape::visible;
use crate::expect::Given;
use crate::{progress, settings};

/// A context with the tables and views over a lake or raw logs.
#[derive(Clone)]
pub struct Opened {
    /// Ready for questions.
    pub ctx: SessionContext,
    logs: Option<Arc<LogTables>>,
}

impl Opened {
    /// Reads raw logs now, with a bar; does nothing for a lake.
    pub async fn read(&self, quiet: bool) -> Result<()> {
        let Some(logs) = self.logs.clone() else {
            return Ok(());
        };
        let bar = progress::bar(
            logs.plan()
                .sources
                .iter()
                .map(|source| source.text_bytes)
                .sum(),
            quiet,
        );
        let shown = bar.clone();
        // The bar goes also when nobody waits any more and the reading goes on.
        let _bar = progress::Cleared(bar);
        let read = tokio::task::spawn_blocking(move || logs.read(&|bytes| shown.inc(bytes)));
        let read = read.await.context("a thread that read logs ended")?;
        read.map(drop).context("the logs cannot be read")
    }

    /// Raw logs, not a lake.
    pub fn is_raw(&self) -> bool {
        self.logs.is_some()
    }

    /// What the logs held, once they are read.
    pub fn summary(&self) -> Option<Summary> {
        self.logs.as_ref().and_then(|logs| logs.summary())
    }

    /// Files left out, and files that could not be read or not to their end.
    pub fn skipped(&self) -> Vec<Skipped> {
        let plan = self
            .logs
            .iter()
            .flat_map(|logs| logs.plan().skipped.clone());
        plan.chain(self.summary().unwrap_or_default().failed)
            .collect()
    }

    /// Says on stderr which files could not be read; true where there was one.
    pub fn warn(&self) -> bool {
        self.skipped()
            .iter()
            .filter(|file| file.error)
            .inspect(|file| warn(file))
            .count()
            > 0
    }
}

/// Says on stderr that a file could not be read.
pub fn warn(file: &Skipped) {
    let path = file.path.display().to_string();
    tell!(
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
        log_paths: Vec::new(),
    })
}

/// Refuses to write a file or folder among the logs, where it would be read as one of them next time.
pub fn keep_out(written: Option<&Path>, logs: &[PathBuf]) -> Result<()> {
    let Some(written) = written.filter(|path| !is_url(path)) else {
        return Ok(());
    };
    let absolute = std::path::absolute(written)?;
    // What is not there yet lies where its nearest folder does.
    let there = absolute
        .ancestors()
        .find_map(|path| path.canonicalize().ok());
    for log in logs {
        let Ok(log) = log.canonicalize() else {
            continue;
        };
        if there.as_ref().is_some_and(|there| there.starts_with(&log)) {
            bail!(
                "{} lies among the logs of {}: name a place outside of it",
                written.display(),
                log.display()
            );
        }
    }
    Ok(())
}

/// Finds the send logs, or says where Exchange keeps them.
pub fn find(paths: &[PathBuf], naming: &Naming) -> Result<Plan> {
    let plan = relaydrift_lake::find(paths, naming)?;
    if plan.sources.is_empty() {
        bail!(no_logs(paths, &plan.skipped));
    }
    Ok(plan)
}

/// Opens the lake or the logs that the options name. Logs are read when a question needs them, or
/// by [`Opened::read`].
pub async fn open(
    place: &PlaceArgs,
    naming: Naming,
    need: Need,
    global: &Global,
) -> Result<Opened> {
    open_expecting(place, naming, &ExpectedArgs::default(), need, global).await
}

/// As [`open`], with what should be presented.
pub async fn open_expecting(
    place: &PlaceArgs,
    naming: Naming,
    expected: &ExpectedArgs,
    need: Need,
    global: &Global,
) -> Result<Opened> {
    let cluster = ClusterArgs::default();
    open_on(&cluster, place, naming, expected, need, global).await
}

/// As [`open_expecting`], with a lake read by a cluster where one is named.
pub async fn open_on(
    cluster: &ClusterArgs,
    place: &PlaceArgs,
    naming: Naming,
    expected: &ExpectedArgs,
    need: Need,
    global: &Global,
) -> Result<Opened> {
    match &place.lake {
        Some(lake) => {
            let given = Given::read(expected, &naming.organization, global.quiet)?.rows;
            open_lake(lake, cluster, given, global).await
        }
        None => {
            ensure!(
                cluster.cluster.is_none(),
                "--cluster reads a lake, not logs: relaydrift ingest makes one of them"
            );
            open_logs(&place.logs, naming, expected, need, global).await
        }
    }
}

/// Opens a lake, to be read by this machine or by a cluster.
async fn open_lake(
    url: &str,
    cluster: &ClusterArgs,
    given: Expected,
    global: &Global,
) -> Result<Opened> {
    let source = Source::Lake(Arc::new(Lake::open(url).await?));
    let ctx = match &cluster.cluster {
        None => session_context(global.threads),
        Some(scheduler) => {
            let (parts, least) = (global.parts().get(), cluster.cluster_from_mb);
            let state = session_state(scheduler, parts, u64::from(least) * 1_000_000).await?;
            SessionContext::new_with_state(state)
        }
    };
    let ctx = registered(ctx, source, given, global).await?;
    Ok(Opened { ctx, logs: None })
}

/// Opens raw logs.
pub async fn open_logs(
    paths: &[PathBuf],
    mut naming: Naming,
    expected: &ExpectedArgs,
    need: Need,
    global: &Global,
) -> Result<Opened> {
    keep_out(global.output.file(), paths)?;
    let given = Given::read(expected, &naming.organization, global.quiet)?;
    naming.log_paths = given.log_paths;
    let plan = find(paths, &naming)?;
    let logs = Arc::new(LogTables::new(plan, naming, need));
    let ctx = session_context(global.threads);
    let ctx = registered(ctx, Source::Logs(logs.clone()), given.rows, global).await?;
    Ok(Opened {
        ctx,
        logs: Some(logs),
    })
}

/// What makes contexts over a lake as it is then, with the settings of this run, for people who may read the
/// lake and nothing else.
pub async fn served(
    url: &str,
    expected: &ExpectedArgs,
    naming: &Naming,
    global: &Global,
) -> Result<Open> {
    let lake = Arc::new(Lake::open(url).await?);
    let given = Given::read(expected, &naming.organization, global.quiet)?.rows;
    let (threads, settings) = (global.threads, global.settings.clone());
    let open = move |runtime| {
        let (lake, given, settings) = (lake.clone(), given.clone(), settings.clone());
        let open = async move {
            let ctx = SessionContext::new_with_state(session_state_in(threads, runtime));
            settings::apply(&settings, &ctx)
                .map_err(|error| DataFusionError::External(error.into()))?;
            register_expecting(&ctx, Source::Lake(lake), given).await?;
            // It reads files of this machine.
            ctx.deregister_udtf("send_log");
            Ok(ctx)
        };
        open.boxed()
    };
    Ok(Box::new(open))
}

/// A context with the settings of this run and the tables of a source.
async fn registered(
    ctx: SessionContext,
    source: Source,
    given: Expected,
    global: &Global,
) -> Result<SessionContext> {
    settings::apply(&global.settings, &ctx)?;
    register_expecting(&ctx, source, given).await?;
    Ok(ctx)
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
