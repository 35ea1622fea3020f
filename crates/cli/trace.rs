//! `relaydrift trace`: one message across servers, services and sessions.
//!
//! A message is known by its Message-ID, which Exchange logs in the row before its MAIL. Its sessions
//! are read whole and folded as everywhere else; a hub's session that a front end carried out brings
//! the front end's half with it.

mod data;
mod found;
mod text;
mod way;

use anyhow::{Result, bail};
use relaydrift_datafusion::Need;

use crate::Exit;
use crate::args::{Global, TraceArgs};
use crate::page::Page;
use crate::source::{self, Opened};
use crate::transcript::{
    Entry, Half, Names, Told, again, certificates, of_sessions, paths, proxied_for, talks, there_is,
};
use found::Mention;
use way::Way;

/// Finds the message and writes its way.
pub async fn run(args: TraceArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, None)?;
    let opened = source::open(&args.place, naming, Need::Drift, global).await?;
    opened.read(global.quiet).await?;
    let id = found::bare(&args.message_id);
    let (mentions, alike) = found::mentions(&opened, id).await?;
    if mentions.is_empty() {
        bail!(nowhere(&opened, id, &alike).await?);
    }
    let (entries, names) = rows_of(&opened, &mentions).await?;
    let files = paths(&opened.ctx, &names.sources).await?;
    let files: Vec<_> = names
        .sources
        .iter()
        .map(|id| files.get(id).cloned())
        .collect();
    let sessions = sort_out(&entries, names.places.len());
    let mut told = Vec::new();
    for entries in &sessions {
        for talk in talks(entries)? {
            told.push(Told {
                place: &names.places[entries[0].place as usize],
                certificates: certificates(&opened.ctx, &talk).await?,
                talk,
                paths: &files,
            });
        }
    }
    let (places, _) = there_is(&opened.ctx).await?;
    let again = again(&args.place, &args.naming);
    let holes = way::holes(&opened.ctx).await?;
    let way = Way::new(id, &told, &places, &holes, args.pause.micros(), again);
    let output = &global.output;
    if output.format.is_page() {
        let mut page = Page::of(output);
        text::write(&mut page, &way, &alike, output.width());
        page.write(output)?;
    } else {
        data::write(&way, output)?;
    }
    Ok(match opened.warn() {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

/// The rows of every session that carried the message, and of the front ends' halves of them.
async fn rows_of(opened: &Opened, mentions: &[Mention]) -> Result<(Vec<Entry>, Names)> {
    let mut ids: Vec<String> = mentions
        .iter()
        .map(|found| found.session_id.clone())
        .collect();
    ids.sort();
    ids.dedup();
    let halves: Vec<Half> = proxied_for(opened, &ids).await?;
    ids.extend(halves.iter().map(|half| half.session_id.clone()));
    let (mut entries, names) = of_sessions(&opened.ctx, &ids).await?;
    // The same id at another server or service is another session.
    let belongs = |entry: &Entry| {
        let place = &names.places[entry.place as usize];
        let session = session_id(entry);
        let of = |organization: &str, server: &str, service: &str, id: &str| {
            place.organization == organization
                && place.server == server
                && place.service == service
                && session == id.as_bytes()
        };
        mentions
            .iter()
            .any(|m| of(&m.organization, &m.server, &m.service, &m.session_id))
            || halves
                .iter()
                .any(|h| of(&h.organization, &h.server, &h.service, &h.session_id))
    };
    entries.retain(belongs);
    Ok((entries, names))
}

/// The session id in a line: its third field.
fn session_id(entry: &Entry) -> &[u8] {
    use relaydrift_parse::{Columns, Record};
    Record::parse(&entry.line, &Columns::default()).map_or(b"", |record| record.session_id())
}

/// Entries by place and session.
fn sort_out(entries: &[Entry], places: usize) -> Vec<Vec<Entry>> {
    let mut sessions: Vec<Vec<Entry>> = Vec::new();
    for place in 0..places as u32 {
        let mut own: Vec<&Entry> = entries
            .iter()
            .filter(|entry| entry.place == place)
            .collect();
        own.sort_by(|a, b| session_id(a).cmp(session_id(b)));
        let chunks = own.chunk_by(|a, b| session_id(a) == session_id(b));
        sessions.extend(chunks.map(|chunk| chunk.iter().map(|entry| (*entry).clone()).collect()));
    }
    sessions
}

/// What was searched, and why the message may not be there.
async fn nowhere(opened: &Opened, id: &str, alike: &[String]) -> Result<String> {
    let (places, searched) = there_is(&opened.ctx).await?;
    let mut text = format!("no message <{id}> in these logs\n{searched}");
    for other in alike.iter().take(5) {
        text += &format!("\n  another message, whose id differs in case before the @: <{other}>");
    }
    text += "\n  why it may be missing:";
    text += "\n    it was delivered inside its own server, received only, or is still in a queue: send logs show none of that";
    text += "\n    its connector does not log: Get-SendConnector | fl Name,ProtocolLoggingLevel";
    let front_end = places.iter().any(|place| place.service == "FrontEnd");
    let hub = places.iter().any(|place| place.service != "FrontEnd");
    if front_end && !hub {
        text += "\n    only front end logs were read: messages stand in the Hub logs";
    }
    text += "\n    the log of its hour is gone (circular logging, 250 MB a folder) or of a server that was not read: relaydrift doctor";
    if let Some(quoted) = crate::powershell::quoted(&format!("<{id}>")) {
        text += &format!(
            "\n    ask the servers: Get-TransportService | Get-MessageTrackingLog -MessageId {quoted} -ResultSize Unlimited | ft Timestamp,ServerHostname,EventId,Source,Recipients"
        );
    }
    Ok(text)
}
