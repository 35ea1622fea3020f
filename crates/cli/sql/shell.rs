//! `relaydrift sql` on a terminal: questions one after the other over the same lake or logs.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustyline::config::CompletionType;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};
use tokio::sync::OnceCell;

use super::answer::{self, Answer, End};
use super::command::{self, Command};
use super::complete::Assistant;
use super::names::Names;
use super::pager::Pager;
use super::{choice, statement};
use crate::args::Global;
use crate::escape::visible_lines;
use crate::output::{self, Format, Out, Rows, thousands};
use crate::source::Opened;
use crate::{Exit, chain, folders};

/// More questions are not remembered.
const HISTORY: usize = 10_000;

/// Reads and answers until Ctrl-D or `.quit`.
pub async fn run(opened: Opened, global: &Global) -> Result<Exit> {
    if let Some(file) = global.output.file() {
        bail!(
            "a shell answers on the terminal, not in {}\n  one question: relaydrift sql ... -o {0} \"select ...\"\n  \
             from the shell: .last {0}",
            file.display()
        );
    }
    hear_interrupts().await?;
    let names = Arc::new(OnceCell::new());
    let learning = names.clone();
    // Completion gets better when this is done; who needs the names earlier waits for them.
    tokio::spawn(async move { learning.get_or_try_init(Names::learn).await.map(drop) });
    let mut shell = Shell {
        opened,
        global,
        names: names.clone(),
        last: None,
        warned: false,
    };
    let config = Config::builder()
        .completion_type(CompletionType::List)
        .max_history_size(HISTORY)?
        .build();
    let mut editor = Editor::<Assistant, FileHistory>::with_config(config)?;
    editor.set_helper(Some(Assistant::new(names)));
    let history = history();
    if let Some(history) = history.as_ref().filter(|history| history.exists()) {
        editor
            .load_history(history)
            .with_context(|| history.display().to_string())?;
    }
    if !global.quiet {
        tell!("Questions in SQL end with ; and .help tells the rest.");
    }
    loop {
        match editor.readline("relaydrift> ") {
            Ok(text) if text.trim().is_empty() => (),
            Ok(text) => {
                editor.add_history_entry(text.trim())?;
                if let Some(history) = &history {
                    remember(&mut editor, history);
                }
                if !shell.take(&text).await {
                    break;
                }
            }
            Err(ReadlineError::Interrupted) => (),
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("the terminal cannot be read"),
        }
    }
    Ok(Exit::Clean)
}

/// From here on Ctrl-C ends a question, not the program; it is heard by a thread of its own, for the workers look for
/// signals between two tasks only, and a join can keep all of them busy for minutes.
async fn hear_interrupts() -> Result<()> {
    let ears = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new().spawn(move || ears.block_on(std::future::pending::<()>()))?;
    tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => (),
        () = std::future::ready(()) => (),
    }
    Ok(())
}

/// Where questions are remembered.
fn history() -> Option<PathBuf> {
    let folder = folders::state()?;
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

fn remember(editor: &mut Editor<Assistant, FileHistory>, history: &Path) {
    if let Err(error) = editor.append_history(history) {
        tell!(
            "relaydrift: not remembered in {}: {error}",
            history.display()
        );
    }
}

struct Shell<'a> {
    opened: Opened,
    global: &'a Global,
    names: Arc<OnceCell<Names>>,
    last: Option<Answer>,
    warned: bool,
}

impl Shell<'_> {
    /// Answers what was typed; false where it was to leave.
    async fn take(&mut self, text: &str) -> bool {
        if statement::is_command(text.trim()) {
            let done = match command::parse(text) {
                Ok(Command::Quit) => return false,
                Ok(command) => self.command(command).await,
                Err(error) => Err(error),
            };
            tell(done);
            return true;
        }
        // One that went wrong or was stopped ends the line.
        for statement in statement::split(text).0 {
            if !tell(self.statement(statement).await) {
                break;
            }
        }
        true
    }

    async fn command(&mut self, command: Command<'_>) -> Result<()> {
        let names = || self.names.get_or_try_init(Names::learn);
        match command {
            Command::Tables => show(&command::tables(names().await?, width())),
            Command::Schema(name) => show(&command::schema(name, names().await?, width())?),
            Command::Functions(name) => show(&command::functions(name, names().await?, width())?),
            Command::Examples => show(&command::examples(width())),
            Command::Help => show(&command::help(width())),
            Command::Last(format, file) => self.show_last(format, file),
            Command::Run(query) => {
                show(query)?;
                self.statement(statement::split(query).0.first().unwrap_or(&query))
                    .await
            }
            Command::Quit => Ok(()),
        }
    }

    async fn statement(&mut self, query: &str) -> Result<()> {
        if let Some(choice) = choice(&self.opened.ctx, query)? {
            return choice.apply(&self.opened.ctx);
        }
        let format = self.global.output.format;
        let answer = answer::run(&self.opened, query, self.global.quiet, |schema| {
            writer(format, schema)
        });
        let answer = answer.await?;
        if self.opened.summary().is_some() && !self.warned {
            self.warned = true;
            self.opened.warn();
        }
        let end = match answer.end {
            End::Whole => "",
            End::Cancelled => " before it was cancelled",
            End::Left => " before the pager was left",
        };
        if answer.end == End::Cancelled {
            // The terminal shows ^C where the cursor was.
            tell!("");
        }
        tell!("{}{end}, {:.2} s", count(answer.rows), answer.seconds);
        self.last = Some(answer);
        Ok(())
    }

    /// The last result once more.
    fn show_last(&self, format: Option<Format>, file: Option<&Path>) -> Result<()> {
        let Some(last) = &self.last else {
            bail!("there is no result yet");
        };
        if !last.kept {
            bail!(
                "the last result was too large to keep: relaydrift sql ... -o FILE \"select ...\""
            );
        }
        let format = format
            .or(file.and_then(Format::of))
            .unwrap_or(self.global.output.format);
        let mut writer = match file {
            Some(file) => output::rows(format, &last.schema, Out::file(file)?, None)?,
            None => writer(format, &last.schema)?,
        };
        for batch in &last.batches {
            writer.write(batch)?;
        }
        writer.finish()?;
        if let Some(file) = file {
            tell!(
                "{} in {}",
                count(last.rows),
                visible_lines(&file.display().to_string())
            );
        }
        if last.end != End::Whole {
            tell!("the question was not answered to its end: these are the rows that came");
        }
        Ok(())
    }
}

/// A writer to the terminal, by way of the pager.
fn writer(format: Format, schema: &arrow::datatypes::SchemaRef) -> Result<Box<dyn Rows>> {
    if format == Format::Parquet {
        bail!(
            "Parquet is not for reading on a terminal: .last FILE.parquet writes the last result"
        );
    }
    output::rows(format, schema, Out::new(Pager::new()), Some(width()))
}

/// The width of the terminal, as it is now.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |(width, _)| width.0.into())
}

/// Shows a text of our own, in the pager where it does not fit.
fn show(text: &str) -> Result<()> {
    let mut pager = Pager::new();
    match pager.write_all(visible_lines(text).as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Says what went wrong; true where nothing did.
fn tell(done: Result<()>) -> bool {
    match &done {
        Ok(()) => true,
        Err(error) => {
            tell!("{}", visible_lines(&chain(error)));
            false
        }
    }
}

fn count(rows: usize) -> String {
    let number = thousands(i64::try_from(rows).unwrap_or(i64::MAX));
    format!("{number} {}", if rows == 1 { "row" } else { "rows" })
}
