//! `relaydrift report`: one page with pictures, for people who open no shell.

mod ask;
mod fill;

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use relaydrift_datafusion::Need;
use relaydrift_export::report::{self, model};

use crate::args::{Global, ReportArgs};
use crate::ask::Time;
use crate::escape::visible;
use crate::output::Out;
use crate::source::Opened;
use crate::when::When;
use crate::{Exit, check, diagnose, output, source, when};
use fill::Window;

/// Reads, asks, draws, writes.
pub async fn run(args: ReportArgs, global: &Global) -> Result<Exit> {
    // A picture or message alone is enough; a page goes to stdout only where it was asked for alone.
    let pictures = args.png.is_some() || args.email.is_some();
    let page = global.output.unused().is_some() || !pictures;
    if page && global.output.terminal() {
        bail!("a page is not for reading on a terminal\n  into a file: --output report.html");
    }
    for file in [&args.png, &args.email] {
        source::keep_out(file.as_deref(), &args.place.logs)?;
    }
    for (file, what, ends) in [
        (global.output.unused(), "a page", &["html", "htm"][..]),
        (args.png.as_deref(), "a picture", &["png"]),
    ] {
        named_like(file, what, ends)?;
    }
    let started = Instant::now();
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
    diagnose::wanted(&opened.ctx).await?;
    opened.read(global.quiet).await?;
    let asked = Asked {
        since: args.since,
        until: args.until,
        as_of: args.as_of,
        title: &args.title,
        causes: true,
    };
    let report = tell(&opened, &asked).await?;
    if !global.quiet {
        tell!("read and asked in {:.1} s", started.elapsed().as_secs_f64());
    }
    if page {
        let drawn = draw("page", global, || {
            report::html(&report).map(String::into_bytes)
        })?;
        write(global.output.open_text()?, &drawn)?;
    }
    if let Some(file) = &args.png {
        let drawn = draw("picture", global, || report::png(&report))?;
        write(Out::file(file)?, &drawn)?;
    }
    if let (Some(file), Some(from)) = (&args.email, args.from) {
        let envelope = report::Envelope {
            from,
            to: args.mail_to,
        };
        let drawn = draw("message", global, || report::mail(&report, &envelope))?;
        write(Out::file(file)?, &drawn)?;
    }
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

/// Refuses a file whose name promises another kind than it would hold.
fn named_like(file: Option<&Path>, what: &str, ends: &[&str]) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let Some(end) = file.extension().and_then(|end| end.to_str()) else {
        return Ok(());
    };
    let known = [
        "html", "htm", "png", "pdf", "json", "csv", "txt", "md", "eml", "jpg", "svg",
    ];
    let end = end.to_ascii_lowercase();
    if known.contains(&end.as_str()) && !ends.contains(&end.as_str()) {
        bail!(
            "{} would hold {what}: name it .{}\n  a picture: --png FILE.png; a message: --email FILE.eml; \
             findings as data: relaydrift drift --output FILE.csv; a PDF: print the page in a browser",
            visible(&file.display().to_string()),
            ends[0]
        );
    }
    Ok(())
}

/// Draws, and says how long that took.
fn draw(
    what: &str,
    global: &Global,
    drawing: impl FnOnce() -> Result<Vec<u8>, relaydrift_export::Error>,
) -> Result<Vec<u8>> {
    let started = Instant::now();
    let drawn = drawing().with_context(|| format!("no {what}"))?;
    if !global.quiet {
        let bytes = output::thousands(drawn.len() as i64);
        let seconds = started.elapsed().as_secs_f64();
        tell!("{what} of {bytes} bytes drawn in {seconds:.2} s");
    }
    Ok(drawn)
}

fn write(mut out: Out, bytes: &[u8]) -> Result<()> {
    out.write_all(bytes)?;
    out.finish()
}

/// Which report is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Where the pictures begin; findings before it are history.
    pub since: Option<When>,
    /// Where they end.
    pub until: Option<When>,
    /// What "now" is.
    pub as_of: Option<When>,
    /// What stands above it.
    pub title: &'a str,
    /// With the causes of incidents, for which whole sessions and transactions are needed.
    pub causes: bool,
}

/// The records of the report.
pub async fn tell(opened: &Opened, args: &Asked<'_>) -> Result<model::Report> {
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
        window.from <= window.to || until.is_some(),
        "--since is after the last row of the logs, {}: there is nothing to show",
        Time(now).minute()
    );
    ensure!(
        window.from <= window.to,
        "--since is not before --until: there is nothing between them to show"
    );
    let found = check::report(opened, extent, since.map(Time)).await?;
    fill::fill(&opened.ctx, &found, window, args).await
}
