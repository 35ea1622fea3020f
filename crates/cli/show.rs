//! `relaydrift show`: one session as a transcript, each reply beside its command.

mod data;
mod text;

use anyhow::{Result, bail};
use datafusion::functions::expr_fn::strpos;
use datafusion::prelude::{SessionContext, col, lit};
use relaydrift_datafusion::Need;
use relaydrift_ingest::Place;
use relaydrift_parse::text::lossless;
use serde::Deserialize;

use crate::args::{Global, ShowArgs};
use crate::ask::records;
use crate::output::Output;
use crate::page::Page;
use crate::source::{self, Opened};
use crate::transcript::{
    Entry, Half, Names, Talk, Told, again, certificates, located, of_sessions, paths, place_name,
    proxied_for, talks, there_is, word,
};
use crate::{Exit, output};

/// A session with all that is known of it.
pub struct Shown<'a> {
    told: Told<'a>,
    other_half: OtherHalf,
    /// The options by which a command reads from the same place.
    again: Option<String>,
}

/// The other half of a proxied session.
struct OtherHalf {
    /// This is the front end's half: the hub's id.
    hub: Option<String>,
    /// What was found of the other half.
    found: Vec<Half>,
    /// This hub session went through a front end.
    through_front_end: bool,
}

/// Finds the session and writes it.
pub async fn run(args: ShowArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open(&args.place, naming, Need::Drift, global).await?;
    opened.read(global.quiet).await?;
    let id = args.session.trim().to_ascii_uppercase();
    let ids = [args.session.trim().to_owned(), id.clone()];
    let (entries, names) = of_sessions(&opened.ctx, &ids).await?;
    let (entries, place) = choose(&opened.ctx, &args, entries, &names, &id).await?;
    let mut shown = Vec::new();
    let files = paths(&opened.ctx, &names.sources).await?;
    let files: Vec<_> = names
        .sources
        .iter()
        .map(|id| files.get(id).cloned())
        .collect();
    for talk in talks(&entries)? {
        shown.push(Shown {
            other_half: other_half(&opened, &talk).await?,
            told: Told {
                place,
                certificates: certificates(&opened.ctx, &talk).await?,
                talk,
                paths: &files,
            },
            again: again(&args.place, &args.naming),
        });
    }
    write(&shown, args.pause.micros(), &global.output)?;
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

fn write(shown: &[Shown<'_>], pause: i64, output: &Output) -> Result<()> {
    if !output.format.is_page() {
        return data::write(shown, output);
    }
    let mut page = Page::of(output);
    for (at, session) in shown.iter().enumerate() {
        if at > 0 {
            page.gap();
        }
        text::write(&mut page, session, pause, output.width());
    }
    page.write(output)
}

/// The rows of the one place that is meant; an error that says what there is where it is none or
/// several.
async fn choose<'n>(
    ctx: &SessionContext,
    args: &ShowArgs,
    entries: Vec<Entry>,
    names: &'n Names,
    id: &str,
) -> Result<(Vec<Entry>, &'n Place)> {
    let is = |wanted: &Option<String>, name: &str| {
        wanted
            .as_ref()
            .is_none_or(|wanted| wanted.to_lowercase() == name.to_lowercase())
    };
    let fits = |place: &Place| is(&args.server, &place.server) && is(&args.service, &place.service);
    let places: Vec<&Place> = names.places.iter().filter(|place| fits(place)).collect();
    match places.as_slice() {
        [] if names.places.is_empty() => bail!(nowhere(ctx, id).await?),
        [] => bail!(
            "session {id} is in these logs, but not there\n{}",
            elsewhere(args, names, &entries, id)
        ),
        [place] => {
            let rows = entries.into_iter();
            let rows = rows.filter(|entry| names.places[entry.place as usize] == **place);
            Ok((rows.collect(), place))
        }
        several => bail!(
            "session {id} is in the logs of {} servers or services: ids are counted by each for itself, choose one\n{}",
            several.len(),
            elsewhere(args, names, &entries, id)
        ),
    }
}

/// A line per place that has the session, with the options that choose it.
fn elsewhere(args: &ShowArgs, names: &Names, entries: &[Entry], id: &str) -> String {
    let line = |(at, place): (usize, &Place)| {
        let rows = entries.iter().filter(|entry| entry.place as usize == at);
        let name = place_name(&place.server, &place.service);
        let command = show_command(
            id,
            &place.server,
            &place.service,
            again(&args.place, &args.naming).as_deref(),
        );
        format!(
            "  {name}, {}\n    {}",
            output::count(rows.count() as i64, "row"),
            command.unwrap_or_default()
        )
    };
    let lines: Vec<String> = names.places.iter().enumerate().map(line).collect();
    lines.join("\n")
}

/// The command that shows a session; `None` where a name in it cannot be typed.
pub fn show_command(id: &str, server: &str, service: &str, again: Option<&str>) -> Option<String> {
    let (id, server, service) = (word(id)?, word(server)?, word(service)?);
    Some(format!(
        "relaydrift show {id} --server {server} --service {service}{}",
        again?
    ))
}

#[derive(Deserialize)]
struct Alike {
    server: String,
    service: String,
    session_id: String,
}

/// What there is instead of the session.
async fn nowhere(ctx: &SessionContext, id: &str) -> Result<String> {
    let (_, searched) = there_is(ctx).await?;
    let mut text = format!("no session {id} in these logs\n{searched}");
    if id.len() >= 4 {
        let alike = ctx
            .table("events")
            .await?
            .filter(strpos(col("session_id"), lit(id)).gt(lit(0)))?
            .select_columns(&["server", "service", "session_id"])?
            .distinct()?
            .sort_by(["session_id", "server", "service"].map(col).into())?
            .limit(0, Some(10))?;
        let alike: Vec<Alike> = records(alike).await?;
        if !alike.is_empty() {
            text += "\n  ids that contain it:";
        }
        for one in alike {
            text += &format!(
                "\n    {} on {}",
                one.session_id,
                place_name(&one.server, &one.service)
            );
        }
    }
    text += "\n  an id is 16 hexadecimal digits; relaydrift sql ... \"select session_id, start_time, server from sessions order by start_time desc limit 20\"";
    Ok(text)
}

async fn other_half(opened: &Opened, talk: &Talk<'_>) -> Result<OtherHalf> {
    let session = &talk.session;
    let own = lossless(session.id).into_owned();
    if !session.proxied_session.is_empty() {
        let hub = lossless(session.proxied_session).into_owned();
        return Ok(OtherHalf {
            found: located(opened, std::slice::from_ref(&hub)).await?,
            hub: Some(hub),
            through_front_end: false,
        });
    }
    let through_front_end = talk.goes_through_front_end();
    let found = match through_front_end {
        true => proxied_for(opened, &[own]).await?,
        false => Vec::new(),
    };
    Ok(OtherHalf {
        hub: None,
        found,
        through_front_end,
    })
}
