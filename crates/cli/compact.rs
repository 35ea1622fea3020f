//! `relaydrift compact`: the small files of a lake become few, with the same rows in the same order.

use std::io::Write;

use anyhow::Result;
use relaydrift_lake::{Lake, Merge, Merged};
use serde::Serialize;

use crate::Exit;
use crate::args::{CompactArgs, Global};
use crate::escape::{self, visible};
use crate::output::{Format, count, thousands};

/// What became of a table, as JSON says it.
#[derive(Serialize)]
struct Line<'a> {
    table: &'a str,
    files_before: u64,
    files_after: u64,
    bytes_before: u64,
    bytes_after: u64,
    rows: u64,
    damaged: &'a [String],
}

/// Merges, and prints a line per table that had something to merge; 2 where a file was damaged.
pub async fn run(args: CompactArgs, global: &Global) -> Result<Exit> {
    let lake = Lake::open(&args.lake).await?;
    let merge = Merge {
        target_bytes: args.target_mb * 1_000_000,
        ..Merge::ALL
    };
    let all = relaydrift_lake::compact(&lake, merge).await?;
    let mut out = global.output.open()?;
    for merged in &all {
        let mut line = match global.output.format {
            Format::Json | Format::Ndjson => json(merged)?,
            _ => text(merged).into_bytes(),
        };
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.finish()?;
    if all.is_empty() && !global.quiet {
        tell!("nothing to merge in {}", visible(&args.lake));
    }
    Ok(match warn(&all) {
        0 => Exit::Clean,
        _ => Exit::Unreadable,
    })
}

/// Names the files that were left alone as damaged, and counts them.
pub fn warn(all: &[Merged]) -> usize {
    let damaged = all.iter().flat_map(|merged| &merged.damaged);
    let damaged = damaged.inspect(|file| {
        let file = visible(file);
        tell!("relaydrift: {file} is not what was written: relaydrift verify says what to do");
    });
    damaged.count()
}

fn json(merged: &Merged) -> Result<Vec<u8>> {
    let mut json = Vec::new();
    let line = Line {
        table: merged.table.name(),
        files_before: merged.files_before,
        files_after: merged.files_after,
        bytes_before: merged.bytes_before,
        bytes_after: merged.bytes_after,
        rows: merged.rows,
        damaged: &merged.damaged,
    };
    escape::json(&mut json, &line)?;
    Ok(json)
}

fn text(merged: &Merged) -> String {
    let int = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    format!(
        "{:<18} {} into {}, {}, {} bytes before and {} after",
        merged.table.name(),
        count(int(merged.files_before), "file"),
        thousands(int(merged.files_after)),
        count(int(merged.rows), "row"),
        thousands(int(merged.bytes_before)),
        thousands(int(merged.bytes_after)),
    )
}
