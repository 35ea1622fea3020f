//! The command line, a file per command: `relaydrift check`, `ingest`, `drift`, `sql`, …; and for
//! [hosts](host) that are no command line, the same answers as values.
//!
//! stdout is data, stderr is messages. Exit code 0; 1 where a breaking change was found inside
//! `--since`, or a rehearsal would refuse sessions; 2 for any error. A reader of stdout that goes away
//! is no error.

// It panics where stderr cannot be written: `tell!` does not.
#![deny(clippy::print_stderr)]

/// Says a line on stderr, formatted as by [`format!`]; see [`output::tell`].
macro_rules! tell {
    ($($words:tt)*) => {
        $crate::output::tell(&format!($($words)*))
    };
}

mod args;
mod ask;
mod audit;
mod check;
mod cluster;
mod collect;
mod compact;
mod completions;
mod config;
mod diagnose;
mod doctor;
mod drift;
mod expect;
mod export;
mod facts;
mod folders;
mod follow;
mod generate;
pub mod host;
mod ingest;
mod lnav;
mod man;
mod output;
mod page;
mod progress;
mod rehearse;
mod report;
mod review;
mod serve;
mod settings;
mod show;
mod source;
mod sql;
mod trace;
mod transcript;
mod vacuum;
mod verify;
mod when;

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use args::{Cli, Command, Global};
use config::Config;
use relaydrift_datafusion::powershell;
use relaydrift_export::escape;

/// What a command found, as an exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done, and nothing that breaks mail.
    Clean = 0,
    /// 1: a breaking change inside `--since`, or what a rehearsal would break.
    Breaking = 1,
    /// 2: done, but part of the input could not be read; it was named on stderr.
    Unreadable = 2,
}

/// The exit code of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// Bytes of stack (reserved, not used) for planning: long expressions are planned by recursion.
const STACK: usize = 512 << 20;

/// The program: reads the command line, runs the command, and says what went wrong.
pub fn main() -> ExitCode {
    let planner = std::thread::Builder::new().stack_size(STACK);
    let planner = planner.spawn(run).context("cannot start a thread");
    let result = planner.and_then(|planner| {
        planner
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell!(
                "relaydrift: error: {}",
                escape::visible_lines(&chain(&error))
            );
            ExitCode::from(Exit::Unreadable as u8)
        }
    }
}

fn run() -> Result<Exit> {
    let (cli, config) = Cli::read()?;
    let global = Global::new(cli.global, &config)?;
    args::reading_threads(global.threads)?;
    let exit = run_command(cli.command, &global, &config)?;
    match global.output.unused() {
        Some(file) if global.typed.output.is_some() => bail!(
            "{} was not written: this command has nothing to say as {}",
            file.display(),
            global.output.format.name()
        ),
        _ => Ok(exit),
    }
}

fn run_command(command: Command, global: &Global, config: &Config) -> Result<Exit> {
    let runtime = runtime(global.threads)?;
    if let Some(file) = global.output.file().map(Path::to_owned) {
        // Whoever stops a command finds no half of its file.
        runtime.spawn(async move {
            follow::interrupted().await;
            output::abandon(&file);
            std::process::exit(INTERRUPTED);
        });
    }
    let exit = runtime.block_on(async {
        match command {
            Command::Check(args) => check::run(args, global).await,
            Command::Ingest(args) => ingest::run(args, global).await,
            Command::Follow(args) => follow::run(args, global).await,
            Command::Verify(args) => verify::run(args, global).await,
            Command::Compact(args) => compact::run(args, global).await,
            Command::Vacuum(args) => vacuum::run(args, global).await,
            Command::Audit(args) => audit::run(args, global).await,
            Command::Drift(args) => drift::run(args, global).await,
            Command::Report(args) => report::run(args, global).await,
            Command::Diagnose(args) => diagnose::run(args, global).await,
            Command::Rehearse(args) => rehearse::run(args, global).await,
            Command::Sql(args) => sql::run(args, global).await,
            Command::Serve(args) => serve::run(args, global).await,
            Command::Scheduler(args) => cluster::scheduler(args, global).await,
            Command::Executor(args) => cluster::executor(args, global).await,
            Command::Export(args) => export::run(*args, global).await,
            Command::Config(args) => config::run(args, global, config),
            Command::Completions(args) => completions::run(args, global),
            Command::Man(args) => man::run(args, global),
            Command::Lnav => lnav::run(global),
            Command::Generate(args) => generate::run(args, global.quiet).map(|()| Exit::Clean),
            Command::Show(args) => show::run(args, global).await,
            Command::Doctor(args) => doctor::run(args, global).await,
            Command::Review(args) => review::run(args, global).await,
            Command::Trace(args) => trace::run(args, global).await,
            Command::Expect(args) => expect::run(args, global).await,
            Command::Collect(args) => collect::run(&args, global),
        }
    });
    // An answer is out or an error is known: nobody waits for a thread that still reads. Nor is the work of such a
    // thread taken away from it, which makes it panic: it ends with the program.
    std::mem::forget(runtime);
    exit
}

/// The threads on which questions are planned and answered.
fn runtime(threads: usize) -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        // Deep SQL is planned by recursion.
        .thread_stack_size(STACK / 8)
        .enable_all()
        .build();
    runtime.context("cannot start the worker threads")
}

/// What went wrong and why, outermost first; causes that were named already are left out.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = cause.trim_end();
        if text.is_empty() {
            text = cause.into();
        } else if !text.contains(cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error = anyhow::anyhow!("no field x")
            .context("plan: no field x")
            .context("not run");
        assert_eq!(chain(&error), "not run: plan: no field x");
    }

    #[test]
    fn a_reader_that_went_away_is_found_below_its_context() {
        let error = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(is_broken_pipe(
            &anyhow::Error::from(error).context("cannot write")
        ));
        assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
    }
}
