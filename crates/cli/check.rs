//! `relaydrift check`: the answer from raw logs, in one pass, with nothing stored.
//!
//! The logs are read once into observations, refused transactions and certificates; a handful of
//! questions in SQL (the `.sql` files of this folder) over the views give the facts, and the rest
//! is saying them: for eyes ([`text`]), or for machines as JSON or one row per fact ([`facts`]).

mod advice;
pub mod ask;
pub mod changed;
mod facts;
mod present;
mod read;
pub mod report;
#[cfg(test)]
mod tests;
pub mod text;
mod verdict;

use std::io::Write;

use anyhow::Result;
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::Need;
use relaydrift_ingest::Skipped;

use crate::args::{CheckArgs, Global};
use crate::diagnose::{self, incident};
use crate::output::{Format, Output};
use crate::source::Opened;
use crate::{Exit, escape, output, page, powershell, source, when};
use ask::Time;
use report::{Change, Cloud, Connector, Extent, Left, Presented, Refused, Report};

/// Reads, asks, says.
pub async fn run(args: CheckArgs, global: &Global) -> Result<Exit> {
    let report = check(args, global).await?;
    write(&report, &global.output)?;
    let unreadable = report.skipped.iter().any(|file| file.error);
    // What is refused now counts however long ago it began.
    let state = report.verdict.state;
    let rows = report.diagnosis.iter().flatten();
    let open = matches!(state, report::State::Breaking | report::State::Refused)
        || rows.map(|row| row.state).any(incident::State::is_open);
    Ok(match (unreadable, open || report.verdict.breaking > 0) {
        (true, _) => Exit::Unreadable,
        (false, false) => Exit::Clean,
        (false, true) => Exit::Breaking,
    })
}

/// Reads and asks.
pub async fn check(args: CheckArgs, global: &Global) -> Result<Report> {
    let naming = source::naming(&args.naming, args.server.as_ref())?;
    let expects = !args.expected.expect.is_empty();
    let need = if expects { Need::Full } else { Need::Drift };
    let opened = source::open_logs(&args.paths, naming, &args.expected, need, global).await?;
    if expects {
        diagnose::wanted(&opened.ctx).await?;
    }
    opened.read(global.quiet).await?;
    let extent = extent(&opened.ctx).await?;
    let now = match (args.as_of, extent.last_row) {
        (Some(as_of), _) => as_of.micros(when::clock()),
        (None, Some(last)) => last.0,
        (None, None) => when::clock(),
    };
    let since = args.since.map(|since| Time(since.micros(now)));
    let mut report = report(&opened, extent, since).await?;
    if expects {
        report.diagnosis = Some(diagnosis(&opened.ctx, since).await?);
    }
    Ok(report)
}

/// The incidents that lasted into `since`.
async fn diagnosis(ctx: &SessionContext, since: Option<Time>) -> Result<Vec<incident::Row>> {
    let mut rows: Vec<incident::Row> = ask::records(ctx.table("diagnosis").await?).await?;
    rows.retain(|row| row.state.is_open() || since.is_none_or(|since| row.last_refused >= since));
    Ok(rows)
}

/// What the logs reach over.
pub async fn extent(ctx: &SessionContext) -> Result<Extent> {
    let extent: Vec<Extent> = ask::EXTENT.ask(ctx).await?;
    Ok(extent.into_iter().next().unwrap_or_default())
}

/// The whole answer; findings before `since` are history.
pub async fn report(opened: &Opened, mut extent: Extent, since: Option<Time>) -> Result<Report> {
    let ctx = &opened.ctx;
    let gaps = ask::GAPS.begin(ctx);
    let rejects = ask::REJECTS.begin(ctx);
    let asked = (
        ask::PRESENTED.begin(ctx),
        ask::CHANGES.begin(ctx),
        ask::REFUSED.begin(ctx),
    );
    let connectors: Vec<Connector> = ask::CONNECTORS.ask(ctx).await?;
    let (cloud, other_connectors): (Vec<_>, Vec<_>) =
        connectors.into_iter().partition(Connector::is_cloud);
    let (presented, mut changes, refused) = (asked.0.await?, asked.1.await?, asked.2.await?);
    mark_replaced(&mut changes);
    let connectors = clouds(cloud, &presented, &changes, &refused);
    let skipped: Vec<Left> = opened.skipped().iter().map(left).collect();
    let mut pending_bytes = 0;
    let mut notices = Vec::new();
    if let Some(summary) = opened.summary() {
        extent.files = summary.files;
        extent.bytes = summary.header_bytes
            + summary.event_bytes
            + summary.reject_bytes
            + summary.blank_bytes
            + summary.pending_bytes;
        pending_bytes = summary.pending_bytes;
        notices = summary.notices;
    }
    Ok(Report {
        verdict: verdict::verdict(&connectors, &extent, since),
        extent,
        connectors,
        other_connectors,
        gaps: gaps.await?,
        rejects: rejects.await?,
        pending_bytes,
        skipped,
        notices,
        diagnosis: None,
    })
}

/// The cloud connectors, each with what belongs to it.
fn clouds(
    connectors: Vec<Connector>,
    presented: &[Presented],
    changes: &[Change],
    refused: &[Refused],
) -> Vec<Cloud> {
    let clouds = connectors.into_iter().map(|connector| {
        let own = |organization: &str, connector_id: &str| {
            organization == connector.organization && connector_id == connector.connector_id
        };
        let mut cloud = Cloud {
            presented: presented
                .iter()
                .filter(|p| own(&p.organization, &p.connector_id))
                .cloned()
                .collect(),
            changes: changes
                .iter()
                .filter(|c| own(&c.organization, &c.connector_id))
                .cloned()
                .collect(),
            refused: refused
                .iter()
                .filter(|r| own(&r.organization, &r.connector_id))
                .cloned()
                .collect(),
            next_steps: Vec::new(),
            connector: connector.clone(),
        };
        cloud.next_steps = advice::next_steps(&cloud);
        cloud
    });
    clouds.collect()
}

/// A finding is history when a later change of its kind followed on its connector and server.
fn mark_replaced(changes: &mut [Change]) {
    for at in 0..changes.len() {
        let change = &changes[at];
        let replaced = changes.iter().any(|other| {
            other.kind == change.kind
                && other.organization == change.organization
                && other.connector_id == change.connector_id
                && other.server == change.server
                && other.first_seen > change.first_seen
                && other.is_change()
        });
        changes[at].replaced = replaced;
    }
}

fn left(file: &Skipped) -> Left {
    Left {
        path: file.path.display().to_string(),
        reason: file.reason.clone(),
        error: file.error,
    }
}

fn write(report: &Report, output: &Output) -> Result<()> {
    if matches!(
        output.format,
        Format::Ndjson | Format::Csv | Format::Parquet
    ) {
        let rows = facts::rows(report)?;
        let mut writer = output.rows(&rows.schema())?;
        writer.write(&rows)?;
        return writer.finish();
    }
    let mut document = Vec::new();
    if output.format == Format::Json {
        escape::json(&mut document, report)?;
        document.push(b'\n');
    } else {
        let mut page = page::Page::new(output.width().unwrap_or(110), output.colour());
        text::write(&mut page, report);
        let page = page.finish();
        document = match output.format {
            Format::Markdown => output::fenced(&page),
            _ => page,
        }
        .into_bytes();
    }
    let mut out = output.open()?;
    out.write_all(&document)?;
    out.finish()
}
