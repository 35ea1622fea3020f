//! Which files of a Delta log nobody needs any more: those before a checkpoint that has stood for a lease.
//!
//! A log gets a file for each commit and, now and then, a checkpoint of all before it; only the newest state of a
//! table is ever read here. Whoever began to read or write before that checkpoint was there has ended by then.

use relaydrift_ingest::Table;
use serde::Deserialize;

use crate::vacuum::{Found, listed};
use crate::{Error, Lake, store};

/// `_last_checkpoint`, where readers begin.
#[derive(Deserialize)]
struct LastCheckpoint {
    version: u64,
}

/// What a file of a log holds.
#[derive(PartialEq, Eq)]
enum Kind {
    Commit,
    Checkpoint,
    Checksum,
}

/// The files of a table's Delta log before the checkpoint that stands for all that may be removed then
/// (milliseconds since 1970), and when that was written. Files that this program does not write stay.
///
/// # Errors
/// If the log cannot be listed.
pub(crate) async fn superseded(
    lake: &Lake,
    table: Table,
    before: i64,
) -> Result<Option<(Vec<Found>, i64)>, Error> {
    let folder = lake.path(&[table.name(), "_delta_log"]);
    // Without it, or where it cannot be read, readers begin at the first file that there is.
    let last = store::read(&*lake.store(), &folder.clone().join("_last_checkpoint")).await?;
    let last = last.and_then(|json| serde_json::from_slice::<LastCheckpoint>(&json).ok());
    let Some(last) = last else {
        return Ok(None);
    };
    let files = listed(lake, &folder).await?.into_iter();
    let mut files: Vec<(u64, Kind, Found)> = files
        .filter_map(|file| parse(&file.name).map(|(version, kind)| (version, kind, file)))
        .collect();
    files.sort_by(|(_, _, a), (_, _, b)| a.name.cmp(&b.name));
    let young = files.iter().filter(|(_, _, file)| file.written > before);
    let needed = young.map(|(version, ..)| *version).min();
    let newest = needed.map_or(last.version, |version| version.min(last.version));
    // Whoever began before a young one was there reads what it stands for.
    let checkpoints = files.iter().filter(|(version, kind, file)| {
        *kind == Kind::Checkpoint && *version <= newest && file.written <= before
    });
    let Some((version, since)) = checkpoints
        .map(|(version, _, file)| (*version, file.written))
        .max()
    else {
        return Ok(None);
    };
    files.retain(|(of, ..)| *of < version);
    let files = files.into_iter().map(|(_, _, file)| file).collect();
    Ok(Some((files, since)))
}

/// Twenty digits, and what this program and Delta's library write.
fn parse(name: &str) -> Option<(u64, Kind)> {
    let (version, rest) = name.split_at_checked(20)?;
    let kind = match rest {
        ".json" => Kind::Commit,
        ".checkpoint.parquet" => Kind::Checkpoint,
        ".crc" => Kind::Checksum,
        _ => return None,
    };
    Some((version.parse().ok()?, kind))
}
