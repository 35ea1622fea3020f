//! For hosts that are no command line, such as Python: what commands find, as values.
//!
//! Every function takes the words of a command line after the name of its command, so that a host has the
//! options, the configuration and the messages of the program. Nothing is written to stdout.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Error, Result, anyhow, bail};
use datafusion::prelude::{DataFrame, SessionContext};
use relaydrift_datafusion::Need;
use serde::Serialize;

use crate::args::{Cli, Command, Global};
use crate::source::Opened;
use crate::{check, escape, ingest, source, sql};

/// What a command found, as one JSON document, and the files that it could not read.
#[derive(Debug)]
pub struct Found {
    /// As the command prints it for `--format json`.
    pub json: Vec<u8>,
    /// Files that could not be read or not to their end, and why.
    pub unread: Vec<(PathBuf, String)>,
}

/// A lake or raw logs, open for questions.
#[derive(Clone)]
pub struct Source {
    opened: Opened,
}

/// `relaydrift check`
///
/// # Errors
/// What the command would say before it exits with 2; unreadable files among others are none.
pub async fn check(words: Vec<OsString>) -> Result<Found> {
    let (command, global) = parse("check", words)?;
    let Command::Check(args) = command else {
        bail!("no check");
    };
    let report = check::check(args, &global).await?;
    let unread = report.skipped.iter().filter(|file| file.error);
    let unread = unread.map(|file| (PathBuf::from(&file.path), file.reason.clone()));
    let unread = unread.collect();
    found(&report, unread)
}

/// `relaydrift ingest`
///
/// # Errors
/// As [`check`]; what was committed stays, and the next call goes on after it.
pub async fn ingest(words: Vec<OsString>) -> Result<Found> {
    let (command, global) = parse("ingest", words)?;
    let Command::Ingest(args) = command else {
        bail!("no ingest");
    };
    let report = ingest::ingest(args, &global).await?;
    let unread = report.failed.iter();
    let unread = unread.map(|file| (PathBuf::from(&file.path), file.reason.clone()));
    let unread = unread.collect();
    found(&report, unread)
}

/// Opens what `relaydrift sql` would ask.
///
/// # Errors
/// There is no such lake, or no log.
pub async fn open(words: Vec<OsString>) -> Result<Source> {
    let (command, global) = parse("sql", words)?;
    let Command::Sql(args) = command else {
        bail!("no sql");
    };
    let naming = source::naming(&args.naming, args.server.as_ref())?;
    let opened =
        source::open_expecting(&args.place, naming, &args.expected, Need::Full, &global).await?;
    Ok(Source { opened })
}

impl Source {
    /// Judges and plans a query that only reads, as `relaydrift sql` does; raw logs are read for the first one
    /// that needs their sessions.
    ///
    /// # Errors
    /// It is no SQL, names what is not there, or would write.
    pub async fn ask(&self, query: &str) -> Result<DataFrame> {
        sql::plan(&self.opened, query, true).await
    }

    /// Reads raw logs now; does nothing for a lake.
    ///
    /// # Errors
    /// They cannot be read at all.
    pub async fn read(&self) -> Result<()> {
        self.opened.read(true).await
    }

    /// The context, for hosts that have DataFusion themselves.
    pub fn context(&self) -> &SessionContext {
        &self.opened.ctx
    }

    /// Files that could not be read or not to their end so far, and why.
    pub fn unread(&self) -> Vec<(PathBuf, String)> {
        let skipped = self.opened.skipped().into_iter();
        let unread = skipped.filter(|file| file.error);
        unread.map(|file| (file.path, file.reason)).collect()
    }
}

/// The threads on which these functions run: one per processor, with stacks for deep SQL.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    crate::runtime(std::thread::available_parallelism().map_or(1, |threads| threads.get()))
}

/// What went wrong, as the program says it.
pub fn told(error: &Error) -> String {
    escape::visible_lines(&crate::chain(error))
}

/// Reads words as the command line of a command.
fn parse(command: &str, words: Vec<OsString>) -> Result<(Command, Global)> {
    let name = ["relaydrift", command].map(OsString::from);
    // Settings of a terminal do not matter here.
    let format = ["--format", "json"].map(OsString::from);
    let words = name.into_iter().chain(format).chain(words);
    let (cli, config) = Cli::parsed(words).map_err(plain)?;
    let global = Global::new(cli.global, &config)?;
    Ok((cli.command, global))
}

/// What is wrong with an option, without the usage of a command line.
fn plain(error: Error) -> Error {
    let Some(found) = error.downcast_ref::<clap::Error>() else {
        return error;
    };
    let text = found.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let end = text.find("\n\nUsage:").or(text.find("\n\nFor more"));
    anyhow!("{}", text[..end.unwrap_or(text.len())].trim_end())
}

fn found<T: Serialize>(report: &T, unread: Vec<(PathBuf, String)>) -> Result<Found> {
    let mut json = Vec::new();
    escape::json(&mut json, report)?;
    Ok(Found { json, unread })
}
