//! `relaydrift verify`: does a lake still hold what was written into it?

use anyhow::Result;
use relaydrift_datafusion::Need;
use relaydrift_lake::{Damage, Lake, Report};
use serde::Deserialize;

use crate::args::{Global, PlaceArgs, VerifyArgs};
use crate::ask::questions;
use crate::escape::visible;
use crate::facts::Facts;
use crate::output::{count, thousands};
use crate::page::{Page, Tone};
use crate::{Exit, progress, source};

questions!("verify": RANGES "ranges", ROWS "rows");

/// Something that is not as it was written.
struct Difference {
    kind: &'static str,
    file: String,
    text: String,
    remedy: String,
}

/// A range of a log, and what the lake holds of it.
#[derive(Deserialize)]
struct Rows {
    batch: i64,
    source_id: Option<String>,
    path: Option<String>,
    rows_due: i64,
    rows: i64,
    rejects_due: i64,
    rejects: i64,
    bytes_due: i64,
    bytes: i64,
}

/// A range of a log that does not begin where one ended.
#[derive(Deserialize)]
struct Range {
    batch: i64,
    path: String,
    from_offset: i64,
}

/// Reads all data files, then the ledger; 2 where anything is not as it was written.
pub async fn run(args: VerifyArgs, global: &Global) -> Result<Exit> {
    let lake = Lake::open(&args.lake).await?;
    let bar = progress::Cleared(progress::bar(0, global.quiet));
    let report = relaydrift_lake::verify(&lake, |done, all| {
        bar.0.set_length(all);
        bar.0.set_position(done);
    })
    .await?;
    drop(bar);
    if report.unapplied > 0 {
        tell!(
            "relaydrift: {} decided that no reader sees yet: the next `relaydrift ingest` into this lake goes on there",
            match report.unapplied {
                1 => "a batch is".to_owned(),
                batches => format!("{} batches are", thousands(batches)),
            }
        );
    }
    let mut differences: Vec<Difference> = report.damaged.iter().map(Difference::of).collect();
    // Rows are counted in files that can be trusted.
    let counted = differences.is_empty();
    if counted {
        let place = PlaceArgs {
            lake: Some(args.lake.clone()),
            logs: Vec::new(),
        };
        let opened = source::open(&place, Default::default(), Need::Full, global).await?;
        let rows: Vec<Rows> = ROWS.ask(&opened.ctx).await?;
        let ranges: Vec<Range> = RANGES.ask(&opened.ctx).await?;
        differences.extend(rows.into_iter().map(Difference::of_rows));
        differences.extend(ranges.into_iter().map(Difference::of_range));
    }
    if global.output.format.is_page() {
        let mut page = Page::of(&global.output);
        tell(&mut page, &report, &differences, counted);
        page.write(&global.output)?;
    } else {
        Facts::of(&differences)
            .text("kind", |one| Some(one.kind))
            .text("file", |one| Some(&one.file))
            .text("text", |one| Some(&one.text))
            .text("remedy", |one| Some(&one.remedy))
            .write(&global.output)?;
    }
    Ok(match differences.is_empty() {
        true => Exit::Clean,
        false => Exit::Unreadable,
    })
}

/// What was looked at, and each difference with what to do.
fn tell(page: &mut Page, report: &Report, differences: &[Difference], counted: bool) {
    let looked_at = format!(
        "{}, {} in {} of {}",
        count(int(report.rows), "row"),
        count(int(report.bytes), "byte"),
        count(int(report.files), "file"),
        match report.batches {
            1 => "1 batch".to_owned(),
            batches => format!("{} batches", thousands(batches)),
        },
    );
    let (word, tone) = match differences.len() {
        0 => ("WHOLE", Tone::Good),
        _ => ("DAMAGED", Tone::Bad),
    };
    let word = page.tone(tone, &format!("{word}:"));
    let found = match differences.len() {
        0 => "all as it was written".to_owned(),
        some => format!("{} from what was written", count(some as i64, "difference")),
    };
    page.wrapped(0, 0, &format!("{word} {looked_at}; {found}"));
    for one in differences {
        page.line(2, &visible(&one.file));
        page.wrapped(4, 2, &visible(&one.text));
        page.wrapped(6, 2, &one.remedy);
    }
    if !counted {
        let text =
            "The rows were not counted against the ledger (sources): that takes whole files.";
        page.wrapped(0, 0, text);
    }
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What to do about rows that no file explains.
const NEW_LAKE: &str =
    "take the logs into a new lake, and keep this one for what they no longer hold";

impl Difference {
    fn of(damage: &Damage) -> Difference {
        Difference {
            kind: damage.name(),
            // The store's paths begin at its root.
            file: format!("/{}", damage.path()),
            text: damage.to_string(),
            remedy: damage.remedy().to_owned(),
        }
    }

    fn of_rows(found: Rows) -> Difference {
        let mut parts = Vec::new();
        let mut part = |what: &str, held: i64, due: i64| {
            if held != due {
                parts.push(format!(
                    "{} {what}, {} by the ledger",
                    thousands(held),
                    thousands(due)
                ));
            }
        };
        part("rows", found.rows, found.rows_due);
        part("rejects", found.rejects, found.rejects_due);
        part(
            "bytes in rows, headers, rejects and blank lines",
            found.bytes,
            found.bytes_due,
        );
        let source = found.source_id.unwrap_or_default();
        Difference {
            kind: "ledger",
            file: found.path.unwrap_or_else(|| format!("source {source}")),
            text: format!("batch {}: {}", found.batch, parts.join("; ")),
            remedy: NEW_LAKE.to_owned(),
        }
    }

    fn of_range(found: Range) -> Difference {
        let offset = thousands(found.from_offset);
        Difference {
            kind: "range",
            file: found.path,
            text: format!(
                "batch {} goes on at byte {offset}, where no batch before it ended",
                found.batch
            ),
            remedy: NEW_LAKE.to_owned(),
        }
    }
}
