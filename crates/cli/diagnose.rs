//! `relaydrift diagnose`: why mail is refused, who is hit, and what to do; the newest incident first.

mod board;
pub mod incident;
pub mod text;

use std::io::Write;

use anyhow::{Result, bail};
use datafusion::functions::expr_fn::lower;
use datafusion::prelude::{DataFrame, SessionContext, col, lit};
use relaydrift_datafusion::Need;

use crate::args::{DiagnoseArgs, Global};
use crate::ask::records;
use crate::output::Format;
use crate::{Exit, drift, page, source};
use incident::{Incident, Row, State};

/// Says what `diagnosis` has; 1 where an incident is open, or was inside `--since`.
pub async fn run(args: DiagnoseArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open_on(
        &args.cluster,
        &args.place,
        naming,
        &args.expected,
        Need::Full,
        global,
    )
    .await?;
    wanted(&opened.ctx).await?;
    opened.read(global.quiet).await?;
    let found = found(&opened.ctx, &args).await?.cache().await?;
    let rows: Vec<Row> = records(found.clone()).await?;
    let mut incidents = incident::gathered(rows);
    if let Some(uid) = &args.incident {
        incidents.retain(|incident| incident.uid.starts_with(uid.as_str()));
        if incidents.is_empty() {
            bail!(
                "no incident {uid} in these logs\n  relaydrift diagnose without --incident lists those there are"
            );
        }
    }
    match global.output.format {
        Format::Table | Format::Markdown => {
            let whole = args.all || args.incident.is_some();
            let document = match global.output.format {
                Format::Markdown => board::write(&incidents, whole),
                _ => {
                    let mut page = page::Page::new(
                        global.output.width().unwrap_or(110),
                        global.output.colour(),
                    );
                    let hidden = hidden(&opened.ctx, &incidents).await?;
                    text::write(&mut page, &incidents, hidden, whole);
                    page.finish()
                }
            };
            let mut out = global.output.open()?;
            out.write_all(document.as_bytes())?;
            out.finish()?;
        }
        _ => {
            let uids = incidents
                .iter()
                .map(|incident| lit(incident.uid.clone()))
                .collect();
            let found = found.filter(col("incident_uid").in_list(uids, false))?;
            global.output.stream(found.execute_stream().await?).await?;
        }
    }
    let now_open = incidents.iter().any(Incident::is_open);
    let lately = args.since.is_some() && incidents.iter().any(|incident| incident.refused() > 0);
    Ok(match (opened.warn(), now_open || lately) {
        (true, _) => Exit::Unreadable,
        (false, true) => Exit::Breaking,
        (false, false) => Exit::Clean,
    })
}

/// How many incidents there are beside these.
async fn hidden(ctx: &SessionContext, shown: &[Incident]) -> Result<usize> {
    let all = ctx
        .table("diagnosis")
        .await?
        .select_columns(&["incident_uid"])?;
    let all = all.distinct()?.count().await?;
    Ok(all.saturating_sub(shown.len()))
}

/// Opens what a diagnosis reads: raw logs keep what is opened before they are read.
pub async fn wanted(ctx: &SessionContext) -> Result<()> {
    for table in ["sessions", "transactions"] {
        ctx.table(table).await?;
    }
    Ok(())
}

/// The rows of `diagnosis` that the options leave, the newest first.
async fn found(ctx: &SessionContext, args: &DiagnoseArgs) -> Result<DataFrame> {
    let mut found = ctx.table("diagnosis").await?;
    let now = drift::latest_row(ctx).await?;
    if let Some(since) = args.since {
        // What is refused now counts however long ago it was refused last.
        let open = [State::Open, State::Recovering].map(|state| lit(state.as_str()));
        let lasts = col("last_refused").gt_eq(drift::time(since.micros(now)));
        found = found.filter(lasts.or(col("state").in_list(open.into(), false)))?;
    }
    if let Some(until) = args.until {
        found = found.filter(col("first_refused").lt(drift::time(until.micros(now))))?;
    }
    for (table, column, wanted) in [
        ("connectors", "connector_id", &args.connector),
        ("sources", "server", &args.server),
    ] {
        if let Some(wanted) = wanted {
            drift::known(ctx, table, column, wanted).await?;
            found = found.filter(lower(col(column)).eq(lit(wanted.to_lowercase())))?;
        }
    }
    let order = ["first_refused", "connector_id", "server", "cause"];
    let order = order.map(|column| col(column).sort(column != "first_refused", false));
    Ok(found.sort(order.into())?)
}
