//! `relaydrift report`: one page with pictures, for people who open no shell.

mod ask;
mod fill;

use std::io::Write;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use relaydrift_datafusion::Need;
use relaydrift_export::report::{self, model};

use crate::args::{Global, ReportArgs};
use crate::ask::Time;
use crate::source::Opened;
use crate::{Exit, check, output, source, when};
use fill::Window;

/// Reads, asks, draws, writes.
pub async fn run(args: ReportArgs, global: &Global) -> Result<Exit> {
    if global.output.terminal() {
        bail!("a page is not for reading on a terminal\n  into a file: --output report.html");
    }
    let started = Instant::now();
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open(&args.place, naming, Need::Drift, global).await?;
    opened.read(global.quiet).await?;
    let report = tell(&opened, &args).await?;
    let asked = started.elapsed();
    let drawing = Instant::now();
    let page = report::html(&report).context("the page cannot be written")?;
    let drawn = drawing.elapsed();
    let mut out = global.output.open()?;
    out.write_all(page.as_bytes())?;
    out.finish()?;
    if !global.quiet {
        eprintln!(
            "{} bytes; read and asked in {:.1} s, drawn in {:.2} s",
            output::thousands(page.len() as i64),
            asked.as_secs_f64(),
            drawn.as_secs_f64()
        );
    }
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

/// The records of the report.
async fn tell(opened: &Opened, args: &ReportArgs) -> Result<model::Report> {
    let extent = check::extent(&opened.ctx).await?;
    let last = extent.last_row.map_or_else(when::clock, |time| time.0);
    let now = args.as_of.map_or(last, |as_of| as_of.micros(when::clock()));
    let since = args.since.map(|since| since.micros(now));
    let until = args.until.map(|until| until.micros(now));
    let window = Window {
        from: since.or(extent.first_row.map(|time| time.0)).unwrap_or(now),
        to: until.unwrap_or(now),
    };
    ensure!(
        window.from <= window.to,
        "--since is not before --until: there is nothing between them to show"
    );
    let found = check::report(opened, extent, since.map(Time)).await?;
    fill::fill(&opened.ctx, &found, window, &args.title).await
}
