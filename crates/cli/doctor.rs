//! `relaydrift doctor`: are these logs complete, current, verbose and readable; what would be missed.

mod data;
mod examined;
mod problems;
mod text;

use anyhow::{Result, ensure};
use relaydrift_datafusion::Need;
use relaydrift_ingest::Skipped;

use crate::Exit;
use crate::args::{DoctorArgs, Global, PlaceArgs};
use crate::ask::Time;
use crate::page::Page;
use crate::source::{self, Opened};
use crate::transcript::again;
use crate::when;
use examined::Examined;
use problems::Problem;

/// What a look at the logs came to.
pub struct Report {
    examined: Examined,
    problems: Vec<Problem>,
    now: Time,
}

/// Looks at logs, at a lake, or at how far a lake holds the logs.
pub async fn run(args: DoctorArgs, global: &Global) -> Result<Exit> {
    let naming = source::naming(&args.naming, args.server.as_ref())?;
    let now = Time(
        args.as_of
            .map_or_else(when::clock, |as_of| as_of.micros(when::clock())),
    );
    let place = PlaceArgs {
        lake: args.lake.clone(),
        logs: Vec::new(),
    };
    ensure!(
        args.lake.is_some() || !args.paths.is_empty(),
        "nothing to look at\n  relaydrift doctor /logs\n  relaydrift doctor /logs --lake /lake\n  relaydrift doctor --lake /lake"
    );
    let lake = match &args.lake {
        None => None,
        Some(_) => Some(source::open(&place, naming.clone(), Need::Full, global).await?),
    };
    let mut skipped = Vec::new();
    let mut problems = Vec::new();
    let examined = match (&lake, args.paths.is_empty()) {
        (Some(lake), true) => Examined::of(&lake.ctx).await?,
        _ => {
            let paths = PlaceArgs {
                lake: None,
                logs: args.paths.clone(),
            };
            let logs = source::open(&paths, naming.clone(), Need::Full, global).await?;
            logs.read(global.quiet).await?;
            skipped = logs.skipped();
            let pending = logs.summary().map_or(0, |summary| summary.pending_bytes);
            problems.extend(problems::files(&skipped, pending));
            if let Some(lake) = &lake {
                problems.extend(not_ingested(&args, lake, &naming).await?);
            }
            Examined::of(&logs.ctx).await?
        }
    };
    problems.extend(problems::all(&examined, now));
    problems.sort_by_key(|problem| problem.weight);
    let report = Report {
        examined,
        problems,
        now,
    };
    if global.output.format.is_page() {
        let mut page = Page::of(&global.output);
        text::write(&mut page, &report);
        page.write(&global.output)?;
    } else {
        data::write(&report, &global.output)?;
    }
    Ok(match unreadable(&skipped) {
        true => Exit::Unreadable,
        false => Exit::Clean,
    })
}

fn unreadable(skipped: &[Skipped]) -> bool {
    let errors = skipped.iter().filter(|file| file.error);
    errors.inspect(|file| source::warn(file)).count() > 0
}

/// Logs with rows that the lake does not have.
async fn not_ingested(
    args: &DoctorArgs,
    lake: &Opened,
    naming: &relaydrift_ingest::Naming,
) -> Result<Option<Problem>> {
    let ledger = lake.ctx.table("sources").await?.collect().await?;
    let found = source::find(&args.paths, naming)?;
    let all = found.sources.len();
    let fresh = found.resume(&ledger).sources.len();
    if fresh == 0 {
        return Ok(None);
    }
    let place = PlaceArgs {
        lake: args.lake.clone(),
        logs: Vec::new(),
    };
    let paths: Option<Vec<String>> = args
        .paths
        .iter()
        .map(|path| crate::transcript::word(path.to_str()?))
        .collect();
    let command = paths.zip(again(&place, &args.naming));
    let command =
        command.map(|(paths, options)| format!("relaydrift ingest {}{options}", paths.join(" ")));
    Ok(Some(problems::not_ingested(fresh, all, command)))
}
