//! `relaydrift generate`: a realistic fleet of send logs, and the truth about it.
//!
//! Everything follows from the seed: the same arguments give the same bytes on every machine and
//! at any number of threads. `truth.json` is computed from the sessions as they were written, not
//! by reading the logs.

mod calendar;
mod certificate;
mod drift;
mod effect;
mod fleet;
mod greeting;
mod log;
mod mail;
mod plan;
mod record;
mod reply;
mod rng;
mod rows;
mod scenario;
mod server;
mod session;
mod tls;
mod truth;

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rayon::prelude::*;

use fleet::Fleet;
pub use fleet::Match;
use log::Store;
use plan::Outline;
use record::Truth;
pub use scenario::Story;
use truth::ServerTruth;

/// Arguments of `relaydrift generate`.
#[derive(Debug, Clone, clap::Args)]
pub struct GenerateArgs {
    /// Folder to write to: one folder per server, and truth.json
    #[arg(required_unless_present = "list_scenarios")]
    pub dir: Option<PathBuf>,
    /// Tell one story instead: a small fleet, what has to be found in it, and the exports for it
    #[arg(
        long,
        value_name = "NAME",
        value_parser = scenario::parse,
        conflicts_with_all = [
            "servers", "days", "matched_by", "no_drift", "incidents", "start", "sessions_per_hour", "bytes",
        ]
    )]
    pub scenario: Option<&'static Story>,
    /// List the stories, with a line about each
    #[arg(long)]
    pub list_scenarios: bool,
    /// Number of servers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub servers: u16,
    /// Number of days
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub days: u16,
    /// Everything random follows from it
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// By what the tenant's inbound connector knows the fleet
    #[arg(long = "match", value_name = "WHAT", value_enum, default_value_t = Match::Certificate)]
    pub matched_by: Match,
    /// Plant no drift: only what looks like it
    #[arg(long)]
    pub no_drift: bool,
    /// Plant refused certificates on so many servers, as far as there are servers
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with_all = ["no_drift", "matched_by"])]
    pub incidents: u16,
    /// First day
    #[arg(long, value_name = "DATE", default_value = "2026-10-01", value_parser = calendar::parse_date)]
    pub start: i64,
    /// Sessions per server and hour, on the mean of a working day
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub sessions_per_hour: u32,
    /// About how large the logs are to be, such as 500MB or 2GiB
    #[arg(long, value_name = "SIZE", conflicts_with = "sessions_per_hour", value_parser = parse_size)]
    pub bytes: Option<u64>,
    /// Write to a folder that is not empty; an earlier fleet in it is replaced
    #[arg(long)]
    pub force: bool,
}

/// Writes the fleet and its truth, and a summary to stderr.
///
/// # Errors
/// The folder is not empty (without `--force`) or cannot be written.
pub fn run(args: GenerateArgs, quiet: bool) -> Result<()> {
    let Some(dir) = args.dir.as_ref().filter(|_| !args.list_scenarios) else {
        return list();
    };
    prepare(dir, args.force)?;
    let store = |path: &Path, bytes: &[u8]| {
        let path = dir.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, bytes)
    };
    let truth = match args.scenario {
        Some(story) => tell(story, args.seed, args.start, &store),
        None => fleet(&args, &store),
    };
    let truth = truth.with_context(|| format!("cannot write to {}", dir.display()))?;
    let path = dir.join("truth.json");
    save(&path, &truth).with_context(|| format!("cannot write {}", path.display()))?;
    if !quiet {
        summarize(dir, &truth);
    }
    Ok(())
}

/// A fleet of the size asked for.
fn fleet(args: &GenerateArgs, store: Store<'_>) -> io::Result<Truth> {
    let outline = Outline {
        seed: args.seed,
        servers: args.servers.into(),
        days: args.days.into(),
        start: args.start,
        matched_by: args.matched_by,
        drift: !args.no_drift,
        incidents: args.incidents.into(),
    };
    let fleet = plan::plan(&outline);
    let rate = match args.bytes {
        Some(bytes) => rate_for(&fleet, args.seed, bytes)?,
        None => u64::from(args.sessions_per_hour) * 1000,
    };
    Ok(write(&fleet, args.seed, rate, store)?.0)
}

/// A story, and the exports for it.
fn tell(story: &Story, seed: u64, start: i64, store: Store<'_>) -> io::Result<Truth> {
    let staged = scenario::stage::stage(story, seed, start);
    let (mut truth, servers) = write(&staged.fleet, seed, story.rate, store)?;
    let mut scenario = truth::of_story(story, &staged, &servers);
    for (name, content) in scenario::expected::files(story, &staged, seed) {
        let mut text = serde_json::to_vec_pretty(&content)?;
        text.push(b'\n');
        store(&Path::new("expected").join(&name), &text)?;
        scenario.expected.push(name);
    }
    truth.scenario = Some(scenario);
    Ok(truth)
}

/// Names and stories, a line each.
fn list() -> Result<()> {
    let mut out = io::stdout().lock();
    for (group, stories) in scenario::GROUPS {
        writeln!(out, "{group}")?;
        for story in stories {
            writeln!(out, "  {:36} {}", story.name, story.tells)?;
        }
    }
    Ok(())
}

/// Writes all servers, each on one thread, and computes the truth.
fn write(
    fleet: &Fleet,
    seed: u64,
    rate: u64,
    store: Store<'_>,
) -> io::Result<(Truth, Vec<ServerTruth>)> {
    let mut servers = (0..fleet.servers.len())
        .into_par_iter()
        .map(|index| server::run(fleet, index, seed, rate, store))
        .collect::<io::Result<Vec<ServerTruth>>>()?;
    Ok((truth::tell(fleet, seed, &mut servers), servers))
}

/// The rate at which the fleet comes out at about `bytes`, found by writing a thin one to nowhere.
fn rate_for(fleet: &Fleet, seed: u64, bytes: u64) -> io::Result<u64> {
    let thin = (3_000_000 / fleet.servers.len() as u64).clamp(1_000, 20_000);
    let hours = ((fleet.end - fleet.start) / calendar::HOUR) as u64;
    let thin = thin * 24 / hours.max(24) + 500;
    let empty = write(fleet, seed, 0, &|_, _| Ok(()))?.0.totals.bytes;
    let sample = write(fleet, seed, thin, &|_, _| Ok(()))?.0.totals.bytes;
    let per_rate = sample.saturating_sub(empty).max(1);
    let wanted = u128::from(bytes.saturating_sub(empty)) * u128::from(thin) / u128::from(per_rate);
    Ok(u64::try_from(wanted).unwrap_or(u64::MAX / 1_000_000).max(1))
}

/// Makes the folder; refuses one with content, or removes the fleet that lies in it.
fn prepare(dir: &Path, force: bool) -> Result<()> {
    let cannot = || format!("cannot use {}", dir.display());
    fs::create_dir_all(dir).with_context(cannot)?;
    let empty = fs::read_dir(dir).with_context(cannot)?.next().is_none();
    if !empty && !force {
        bail!(
            "{} is not empty: choose another folder, or add --force",
            dir.display()
        );
    }
    let Ok(text) = fs::read(dir.join("truth.json")) else {
        return Ok(());
    };
    let earlier: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let story = &earlier["scenario"];
    let expected = story.is_object().then_some("expected");
    for server in [&earlier["servers"], &story["organizations"]]
        .into_iter()
        .filter_map(|list| list.as_array())
        .flatten()
        .filter_map(|one| one.as_str())
        .chain(expected)
    {
        let named_by_us = ["EX", "forest"].iter().any(|start| {
            server.strip_prefix(start).is_some_and(|number| {
                !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
            })
        });
        if (named_by_us || server == "expected") && dir.join(server).is_dir() {
            fs::remove_dir_all(dir.join(server)).with_context(cannot)?;
        }
    }
    Ok(())
}

fn save(path: &Path, truth: &Truth) -> Result<()> {
    let mut file = BufWriter::new(fs::File::create(path)?);
    serde_json::to_writer_pretty(&mut file, truth)?;
    file.write_all(b"\n")?;
    Ok(file.flush()?)
}

fn summarize(dir: &Path, truth: &Truth) {
    let totals = &truth.totals;
    tell!(
        "{}: {} servers, {} files, {} bytes, {} lines, {} sessions, {} transactions",
        dir.display(),
        truth.servers.len(),
        totals.files,
        totals.bytes,
        totals.lines,
        totals.sessions,
        totals.transactions
    );
    for drift in &truth.drift {
        tell!("{drift}");
    }
    if let Some(story) = &truth.scenario {
        tell!("{}: {}", story.name, story.tells);
    }
}

/// `500MB`, `2GiB`, `1g`, `4096`: a number with a decimal or binary unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size: write it as 500MB or 2GiB");
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests;
