//! `relaydrift drift`: the findings, chosen by time, connector, server and effect.

use std::io::Write;

use anyhow::{Context, Result, bail};
use arrow::array::{AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use datafusion::common::ScalarValue;
use datafusion::functions::expr_fn::lower;
use datafusion::prelude::{DataFrame, Expr, SessionContext, col, lit};
use relaydrift_datafusion::Need;
use relaydrift_export::report::{Style, Text, chart};

use crate::args::{DriftArgs, Global};
use crate::output::{self, Format};
use crate::source::Opened;
use crate::{Exit, report, source, when};

/// Writes the findings, oldest first; 1 where one of them broke mail.
pub async fn run(args: DriftArgs, global: &Global) -> Result<Exit> {
    if args.chart && !global.output.format.is_page() {
        bail!(
            "--chart draws for eyes: leave it out for --format {}",
            global.output.format.name()
        );
    }
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open_on(
        &args.cluster,
        &args.place,
        naming,
        &args.expected,
        Need::Drift,
        global,
    )
    .await?;
    opened.read(global.quiet).await?;
    let found = findings(&opened.ctx, &args).await?.cache().await?;
    let breaking = found.clone().filter(col("breaking"))?.count().await?;
    let count = match args.chart {
        true => {
            draw(&opened, &args, global).await?;
            found.count().await?
        }
        false => global.output.stream(found.execute_stream().await?).await?,
    };
    if !global.quiet {
        let all = opened.ctx.table("drift").await?.count().await?;
        let of_all = if all == count {
            String::new()
        } else {
            format!(" of {all} in all")
        };
        let noun = if count == 1 { "finding" } else { "findings" };
        tell!("{count} {noun}{of_all}, {breaking} breaking");
    }
    Ok(match (opened.warn(), breaking) {
        (true, _) => Exit::Unreadable,
        (false, 0) => Exit::Clean,
        (false, _) => Exit::Breaking,
    })
}

/// Writes lanes instead of rows, of the same connectors, servers and findings.
async fn draw(opened: &Opened, args: &DriftArgs, global: &Global) -> Result<()> {
    let asked = report::Asked {
        since: args.since,
        until: args.until,
        as_of: args.as_of,
        title: "",
        causes: false,
    };
    let mut told = report::tell(opened, &asked).await?;
    let same = |name: &Text, wanted: &Option<String>| {
        let wanted = wanted.as_deref().map(Text::from);
        wanted.is_none_or(|wanted| wanted.to_lowercase() == name.to_lowercase())
    };
    told.connectors
        .retain(|one| same(&one.name, &args.connector));
    for connector in &mut told.connectors {
        connector
            .lanes
            .retain(|lane| same(&lane.server, &args.server));
        connector
            .changes
            .retain(|one| same(&one.server, &args.server) && (one.breaking || !args.breaking));
    }
    let style = Style {
        width: global.output.width().unwrap_or(110).clamp(40, 240),
        ascii: args.ascii,
        colour: global.output.colour(),
    };
    let mut out = global.output.open()?;
    let chart = chart(&told, style);
    let chart = match global.output.format {
        Format::Markdown => output::fenced(&chart),
        _ => chart,
    };
    out.write_all(chart.as_bytes())?;
    out.finish()
}

/// The rows of `drift` that the options leave; values travel as literals, never as text of SQL.
async fn findings(ctx: &SessionContext, args: &DriftArgs) -> Result<DataFrame> {
    let mut found = ctx.table("drift").await?;
    let now = match args.as_of {
        Some(when) => when.micros(when::clock()),
        None => latest_row(ctx).await?,
    };
    if let Some(since) = args.since {
        found = found.filter(col("found_at").gt_eq(time(since.micros(now))))?;
    }
    if let Some(until) = args.until {
        found = found.filter(col("found_at").lt(time(until.micros(now))))?;
    }
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since.micros(now) >= until.micros(now)
    {
        bail!("--since is not before --until: no finding can lie between them");
    }
    for (table, column, wanted) in [
        ("connectors", "connector_id", &args.connector),
        ("sources", "server", &args.server),
    ] {
        if let Some(wanted) = wanted {
            known(ctx, table, column, wanted).await?;
            found = found.filter(lower(col(column)).eq(lit(wanted.to_lowercase())))?;
        }
    }
    if args.breaking {
        found = found.filter(col("breaking"))?;
    }
    let by_time = ["found_at", "connector_id", "server", "kind", "key"];
    Ok(found.sort_by(by_time.map(col).into())?)
}

/// Refuses a name that the logs do not have: an empty answer would look like an all-clear.
pub async fn known(ctx: &SessionContext, table: &str, column: &str, wanted: &str) -> Result<()> {
    let names = ctx
        .table(table)
        .await?
        .select_columns(&[column])?
        .distinct()?;
    let mut all = Vec::new();
    for batch in names.collect().await? {
        let texts = cast(batch.column(0), &DataType::Utf8)?;
        all.extend(texts.as_string::<i32>().iter().flatten().map(str::to_owned));
    }
    if all
        .iter()
        .any(|name| name.to_lowercase() == wanted.to_lowercase())
    {
        return Ok(());
    }
    all.sort();
    bail!(
        "no {column} called {wanted} in these logs\n  there are: {}",
        all.join(", ")
    )
}

/// A time as a literal.
pub fn time(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(
        Some(micros),
        Some("UTC".into()),
    ))
}

/// The time of the latest row in the data: what "now" is unless `--as-of` says otherwise.
pub async fn latest_row(ctx: &SessionContext) -> Result<i64> {
    let query = "select max(now) from present";
    let batches: Vec<RecordBatch> = ctx.sql(query).await?.collect().await?;
    let batch = batches
        .iter()
        .find(|batch| batch.num_rows() > 0)
        .context("no rows")?;
    Ok(batch
        .column(0)
        .as_primitive::<TimestampMicrosecondType>()
        .value(0))
}
