//! `relaydrift review`: how each connector fares: sessions opened for nothing, long silences, slow
//! replies, retries, failures that repeat.
//!
//! The rows of all sessions pass by once, in the order of the logs; only sessions that have not ended
//! are held, and of the others what they add to sums and the worst examples.

mod counted;
mod data;
mod durations;
mod judged;
mod retries;
mod sessions;
mod text;

use anyhow::{Result, bail, ensure};
use datafusion::common::ScalarValue;
use datafusion::functions::expr_fn::lower;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use futures::StreamExt;
use relaydrift_datafusion::Need;

use crate::Exit;
use crate::args::{Global, ReviewArgs};
use crate::drift::latest_row;
use crate::page::Page;
use crate::source;
use crate::transcript::{Names, again, paths, read, there_is, wanted};
use crate::when;
use counted::Counted;
use sessions::Sessions;

/// Rows of sessions that reach over the bounds of the time asked for are read this far outside, in
/// microseconds.
const MARGIN: i64 = 3_600_000_000;

/// Which sessions count.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Name of the connector, in lower case.
    connector: Option<String>,
    /// Sessions that started from here on, and before there.
    since: Option<i64>,
    until: Option<i64>,
    /// Silence that is worth a line, in microseconds.
    pause: i64,
}

/// Reads every session and says what stands out.
pub async fn run(args: ReviewArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open(&args.place, naming, Need::Drift, global).await?;
    opened.read(global.quiet).await?;
    let ctx = &opened.ctx;
    let now = match args.as_of {
        Some(as_of) => as_of.micros(when::clock()),
        None => latest_row(ctx).await?,
    };
    let chosen = Chosen {
        connector: args.connector.as_ref().map(|name| name.to_lowercase()),
        since: args.since.map(|since| since.micros(now)),
        until: args.until.map(|until| until.micros(now)),
        pause: args.pause.micros(),
    };
    if let (Some(since), Some(until)) = (chosen.since, chosen.until) {
        ensure!(
            since < until,
            "--since is not before --until: no session can lie between them"
        );
    }
    let (places, _) = there_is(ctx).await?;
    if let Some(server) = &args.server {
        let mut servers: Vec<&str> = places.iter().map(|place| place.server.as_str()).collect();
        servers.dedup();
        let known = |name: &&str| name.to_lowercase() == server.to_lowercase();
        if !servers.iter().any(known) {
            bail!(
                "no server called {server} in these logs\n  there are: {}",
                servers.join(", ")
            );
        }
    }
    let (mut counted, names) = count(ctx, &args, chosen.clone()).await?;
    if counted.connectors.is_empty() {
        let mut all: Vec<&str> = counted.others.iter().map(String::as_str).collect();
        all.sort_unstable();
        match &args.connector {
            Some(wanted)
                if !all
                    .iter()
                    .any(|name| name.to_lowercase() == wanted.to_lowercase()) =>
            {
                bail!(
                    "no connector called {wanted} in the sessions of that time\n  there are: {}",
                    all.join(", ")
                )
            }
            _ => {}
        }
    }
    let files = paths(ctx, &counted.examples(&names)).await?;
    counted.name(&names, &files);
    let again = again(&args.place, &args.naming);
    match global.output.format.is_page() {
        true => {
            let mut page = Page::of(&global.output);
            text::write(&mut page, &counted, &chosen, again.as_deref());
            page.write(&global.output)?;
        }
        false => data::write(&counted, &global.output)?,
    }
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

/// Lets every row pass by.
async fn count(
    ctx: &SessionContext,
    args: &ReviewArgs,
    chosen: Chosen,
) -> Result<(Counted, Names)> {
    let time = |micros: i64| {
        lit(ScalarValue::TimestampMicrosecond(
            Some(micros),
            Some("UTC".into()),
        ))
    };
    // One part after the other, so that the rows of a session come in their order.
    let mut state = ctx.state();
    state.config_mut().options_mut().execution.target_partitions = 1;
    let ctx = SessionContext::new_with_state(state);
    let mut rows = wanted(&ctx).await?;
    let filters: [Option<Expr>; 3] = [
        chosen
            .since
            .map(|since| col("event_time").gt_eq(time(since.saturating_sub(MARGIN)))),
        chosen
            .until
            .map(|until| col("event_time").lt(time(until.saturating_add(MARGIN)))),
        args.server
            .as_ref()
            .map(|server| lower(col("server")).eq(lit(server.to_lowercase()))),
    ];
    for filter in filters.into_iter().flatten() {
        rows = rows.filter(filter)?;
    }
    let mut stream = rows.execute_stream().await?;
    let mut names = Names::default();
    let mut sessions = Sessions::default();
    let mut counted = Counted::new(chosen);
    while let Some(batch) = stream.next().await {
        read(&batch?, &mut names, |entry| {
            sessions.push(entry, |rows| counted.session(rows))
        })?;
        sessions.give_up_on_the_old(|rows| counted.session(rows))?;
    }
    sessions.end(|rows| counted.session(rows))?;
    counted.finish(&names);
    Ok((counted, names))
}
