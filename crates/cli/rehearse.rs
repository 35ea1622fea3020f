//! `relaydrift rehearse`: other settings of the inbound connector, tried on the sessions there were.

mod kind;
mod text;

use anyhow::{Result, bail};
use datafusion::prelude::{DataFrame, SessionContext, col};
use relaydrift_datafusion::{Need, Rehearsal};

use crate::args::{ExpectedArgs, Global, RehearseArgs};
use crate::ask::{Time, records};
use crate::drift::latest_row;
use crate::page::Page;
use crate::{Exit, diagnose, escape, source, when};
use kind::{Kinds, Sessions};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

/// Says which sessions would have been attributed; 1 where some would not, or it cannot be told.
pub async fn run(args: RehearseArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let expected = ExpectedArgs {
        expect: args.expect.clone(),
        ..ExpectedArgs::default()
    };
    let opened = source::open_expecting(&args.place, naming, &expected, Need::Full, global).await?;
    diagnose::wanted(&opened.ctx).await?;
    opened.read(global.quiet).await?;
    let since = since(&opened.ctx, &args).await?;
    let found = ask(&opened.ctx, &args, since).await?;
    let kinds = Kinds::new(records::<Sessions>(found.clone()).await?);
    if kinds.all.is_empty() {
        let from = since.map_or(String::new(), |since| {
            format!(" since {} UTC", Time(since).minute())
        });
        bail!(
            "no session toward Exchange Online{from} that shows a certificate or an address, or carries mail: \
             there is nothing to judge\n  relaydrift check says what the connectors in these logs are"
        );
    }
    match global.output.format.is_page() {
        true => {
            let mut page = Page::of(&global.output);
            text::write(&mut page, &kinds);
            page.write(&global.output)?;
        }
        false => {
            global.output.stream(found.execute_stream().await?).await?;
            if !global.quiet {
                let (_, _, verdict) = text::verdict(&kinds);
                tell!("{}", escape::visible(&verdict));
            }
        }
    }
    Ok(match (opened.warn(), kinds.passes()) {
        (true, _) => Exit::Unreadable,
        (false, true) => Exit::Clean,
        (false, false) => Exit::Breaking,
    })
}

/// From when on sessions count.
async fn since(ctx: &SessionContext, args: &RehearseArgs) -> Result<Option<i64>> {
    if args.since.is_none() && args.days.is_none() {
        return Ok(None);
    }
    let now = match args.as_of {
        Some(as_of) => as_of.micros(when::clock()),
        None => latest_row(ctx).await?,
    };
    let days = args.days.map(|days| now - i64::from(days) * DAY);
    Ok(args.since.map(|since| since.micros(now)).or(days))
}

/// The rows of `rehearse`, in a fixed order.
async fn ask(ctx: &SessionContext, args: &RehearseArgs, since: Option<i64>) -> Result<DataFrame> {
    let name = args.tls_sender_certificate_name.clone();
    let asked = Rehearsal::new(name, args.sender_ip.clone(), since)?;
    let order = [
        "organization",
        "connector_id",
        "server",
        "first_seen",
        "thumbprint",
        "egress_ip",
    ];
    let rows = ctx
        .read_table(asked.table())?
        .sort_by(order.map(col).into())?;
    Ok(rows.cache().await?)
}
