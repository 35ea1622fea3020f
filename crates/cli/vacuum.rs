//! `relaydrift vacuum`: files of a lake that nobody needs any more go.

use anyhow::Result;
use relaydrift_lake::{Lake, Removed};

use crate::Exit;
use crate::args::{Global, VacuumArgs};
use crate::facts::Facts;
use crate::output::count;

/// Removes, and writes a row per file.
pub async fn run(args: VacuumArgs, global: &Global) -> Result<Exit> {
    let older_than = args.older_than.duration();
    let lake = Lake::open(&args.lake).await?;
    let mut gone: Vec<Removed> = Vec::new();
    let done =
        relaydrift_lake::vacuum(&lake, older_than, args.dry_run, |file| gone.push(file)).await;
    // Also of one that ended early it is known what it did.
    if done.is_ok() || !gone.is_empty() {
        Facts::of(&gone)
            .text("kind", |file| Some(file.kind.name()))
            .text("file", |file| Some(&file.path))
            .int("bytes", |file| Some(int(file.bytes)))
            .int("age_hours", |file| Some(int(file.age.as_secs() / 3600)))
            .write(&global.output)?;
    }
    done?;
    if !global.quiet {
        let bytes = gone.iter().map(|file| file.bytes).sum();
        tell!(
            "{}, {} {}",
            count(gone.len() as i64, "file"),
            count(int(bytes), "byte"),
            match args.dry_run {
                true => "to remove",
                false => "removed",
            }
        );
    }
    Ok(Exit::Clean)
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
