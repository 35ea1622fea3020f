//! `relaydrift sql`: questions that only read, one from the command line or stdin, or a shell of them.

mod answer;
mod command;
mod complete;
mod example;
mod names;
mod pager;
mod shell;
mod statement;

use std::io::{self, IsTerminal, Write};

use anyhow::{Result, bail, ensure};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast;
use relaydrift_datafusion::Need;
use relaydrift_datafusion::query::{self, Query};

use crate::args::{Global, SqlArgs};
use crate::settings::Choice;
use crate::source::Opened;
use crate::{Exit, source};

/// Answers the query of the arguments, else the one on stdin, else opens a shell.
pub async fn run(args: SqlArgs, global: &Global) -> Result<Exit> {
    if args.examples {
        let mut out = global.output.open()?;
        out.write_all(command::examples(global.output.width().unwrap_or(100)).as_bytes())?;
        out.finish()?;
        return Ok(Exit::Clean);
    }
    let query = match (&args.example, &args.query) {
        (Some(name), _) => Some(example::example(name)?.sql.to_owned()),
        (None, Some(query)) => Some(query.clone()),
        (None, None) if !io::stdin().is_terminal() => Some(io::read_to_string(io::stdin())?),
        (None, None) => None,
    };
    let naming = source::naming(&args.naming, args.server.as_ref())?;
    // Windows writes a mark before it.
    let query = query
        .as_deref()
        .map(|query| query.trim_start_matches('\u{feff}'));
    // Nothing is opened before it is awaited.
    let opening = source::open_on(
        &args.cluster,
        &args.place,
        naming,
        &args.expected,
        Need::Full,
        global,
    );
    let Some(query) = query else {
        ensure!(
            io::stdout().is_terminal(),
            "no query\n  relaydrift sql --lake /lake \"select * from drift\"\n  a shell needs a terminal for its answers too"
        );
        return shell::run(opening.await?, global).await;
    };
    if query.trim().is_empty() {
        bail!(
            "no query\n  relaydrift sql --lake /lake \"select * from drift\"\n  relaydrift sql --help"
        );
    }
    let opened = opening.await?;
    let answer = plan(&opened, query, global.quiet).await?;
    let rows = answer.execute_stream().await?;
    let count = global.output.stream(rows).await?;
    if !global.quiet && global.output.terminal() {
        tell!("{count} {}", if count == 1 { "row" } else { "rows" });
    }
    Ok(if opened.warn() {
        Exit::Unreadable
    } else {
        Exit::Clean
    })
}

/// Judges a query, and reads the logs, with a bar, where it needs more of them than their lines.
pub async fn plan(opened: &Opened, query: &str, quiet: bool) -> Result<DataFrame> {
    let query = Query::new(&opened.ctx, query)?;
    if query.reads_sessions() {
        opened.read(quiet).await?;
    }
    Ok(query.plan(&opened.ctx).await?)
}

/// What `set relaydrift.NAME = VALUE` chooses; `None` for everything else.
fn choice(ctx: &SessionContext, query: &str) -> Result<Option<Choice>> {
    let Parsed::Statement(statement) = query::statement(ctx, query)? else {
        return Ok(None);
    };
    // The only statement that the shell lets through beside those that read.
    let ast::Statement::Set(ast::Set::SingleAssignment {
        variable, values, ..
    }) = *statement
    else {
        return Ok(None);
    };
    let name = variable.to_string();
    if !name.to_lowercase().starts_with("relaydrift.") {
        bail!("{name} is not relaydrift's: only settings that begin with relaydrift. can be set");
    }
    let value = match values.as_slice() {
        [ast::Expr::Value(value)] => value.clone().into_string().unwrap_or(value.to_string()),
        values => values.iter().map(ToString::to_string).collect(),
    };
    Ok(Some(Choice::new(&name.to_lowercase(), &value)))
}
