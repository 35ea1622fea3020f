//! `relaydrift sql`: questions that only read, one from the command line or stdin, or a shell of them.

mod answer;
mod caret;
mod command;
mod complete;
mod depth;
mod example;
mod names;
mod pager;
mod shell;
mod statement;

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result, anyhow, bail, ensure};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement as Parsed;
use datafusion::sql::sqlparser::ast;
use relaydrift_datafusion::Need;

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
    let Some(query) = query else {
        ensure!(
            io::stdout().is_terminal(),
            "no query\n  relaydrift sql --lake /lake \"select * from drift\"\n  a shell needs a terminal for its answers too"
        );
        let opened =
            source::open_expecting(&args.place, naming, &args.expected, Need::Full, global).await?;
        return shell::run(opened, global).await;
    };
    if query.trim().is_empty() {
        bail!(
            "no query\n  relaydrift sql --lake /lake \"select * from drift\"\n  relaydrift sql --help"
        );
    }
    let opened =
        source::open_expecting(&args.place, naming, &args.expected, Need::Full, global).await?;
    read_for(&opened, &query, global.quiet).await?;
    let answer = plan(&opened.ctx, &query).await?;
    let rows = answer.execute_stream().await?;
    let count = global.output.stream(rows).await?;
    if !global.quiet && global.output.terminal() {
        eprintln!("{count} {}", if count == 1 { "row" } else { "rows" });
    }
    Ok(if opened.warn() {
        Exit::Unreadable
    } else {
        Exit::Clean
    })
}

/// Reads the logs, with a bar, where the query needs more of them than their lines.
async fn read_for(opened: &Opened, query: &str, quiet: bool) -> Result<()> {
    match known(&opened.ctx, query)? {
        true => opened.read(quiet).await,
        false => Ok(()),
    }
}

/// Plans a query that can only read: no table is created, written or dropped, no option is set.
async fn plan(ctx: &SessionContext, query: &str) -> Result<DataFrame> {
    let read_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    let planned = ctx.sql_with_options(query, read_only).await;
    planned.map_err(|error| {
        let text = error.to_string();
        let writes = ["DDL not supported", "DML not supported", "Statement not supported"];
        match writes.iter().any(|what| text.contains(what)) {
            true => anyhow!(
                "the query was not run: lakes and logs are only read here, nothing is created, changed or dropped"
            ),
            false => refused("the query was not run", query, error),
        }
    })
}

/// What `set relaydrift.NAME = VALUE` chooses; `None` for everything else.
fn choice(ctx: &SessionContext, query: &str) -> Result<Option<Choice>> {
    let Parsed::Statement(statement) = read(ctx, query)? else {
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

/// Reads a query without asking what it names.
fn read(ctx: &SessionContext, query: &str) -> Result<Parsed> {
    let depth = depth::depth(query);
    ensure!(
        depth <= depth::LIMIT,
        "the query was not run: its brackets and types are {depth} deep, at most {} are read",
        depth::LIMIT
    );
    let state = ctx.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(query, &dialect);
    statement.map_err(|error| refused("the query cannot be read", query, error))
}

/// An error in a query, with the place where it lies.
fn refused(what: &str, query: &str, error: DataFusionError) -> anyhow::Error {
    match caret::point(query, &error) {
        Some(place) => anyhow!("{what}: {error}\n{place}"),
        None => anyhow::Error::from(error).context(what.to_owned()),
    }
}

/// Refuses tables that are not there, and says which are. True where the sessions have to be folded: where
/// any table is named but `events`.
fn known(ctx: &SessionContext, query: &str) -> Result<bool> {
    let state = ctx.state();
    let statement = read(ctx, query)?;
    let mut reads = false;
    for table in state
        .resolve_table_references(&statement)
        .context("the query cannot be read")?
    {
        let schema = table.schema().unwrap_or("public");
        if schema == "information_schema" || state.table_functions().contains_key(table.table()) {
            continue;
        }
        reads |= table.table() != "events";
        if ctx.table_exist(table.clone())? {
            continue;
        }
        let mut names: Vec<String> = ctx
            .catalog("datafusion")
            .and_then(|catalog| catalog.schema("public"))
            .map(|schema| schema.table_names())
            .unwrap_or_default();
        names.sort();
        bail!(
            "there is no table or view called {}\n  there are: {}\n  columns: relaydrift sql ... \"describe drift\"",
            table.table(),
            names.join(", ")
        );
    }
    Ok(reads)
}

#[cfg(test)]
mod tests {
    use super::*;
    use relaydrift_datafusion::{Source, register_all, session_context};
    use std::sync::Arc;

    /// What a run does with a query.
    async fn ask(ctx: &SessionContext, query: &str) -> Result<DataFrame> {
        known(ctx, query)?;
        plan(ctx, query).await
    }

    async fn context() -> SessionContext {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default()))
            .await
            .unwrap();
        ctx
    }

    #[tokio::test]
    async fn b98_types_nested_20000_deep_are_refused() {
        let ctx = context().await;
        let nested = |open: &str, close: &str| {
            let (open, close) = (open.repeat(20_000), close.repeat(20_000));
            format!("select cast(null as {open}int{close})")
        };
        for query in [
            nested("array<", ">"),
            nested("ARRAY <", ">"),
            nested("nullable(", ")"),
            nested("", "[]"),
            nested("struct<a ", ">"),
            format!("select arrow_cast(null, '{}')", "List(".repeat(20_000)),
        ] {
            let error = ask(&ctx, &query).await.unwrap_err().to_string();
            assert!(error.contains("2000"), "{error}");
        }
        let few = format!("select cast(null as int{}) as a", "[]".repeat(20));
        ask(&ctx, &few).await.unwrap();
    }

    #[tokio::test]
    async fn an_unknown_table_is_answered_with_those_that_exist() {
        let error = ask(&context().await, "select * from certificate")
            .await
            .unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("called certificate"), "{text}");
        assert!(
            text.contains("certificate_spans") && text.contains("sessions"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn questions_are_answered() {
        let ctx = context().await;
        for query in [
            "select 1",
            "select * from drift",
            "with a as (select server from sessions) select * from a",
            "show tables",
            "describe drift",
            "explain select * from events",
            "select * from information_schema.columns",
        ] {
            ask(&ctx, query)
                .await
                .unwrap_or_else(|error| panic!("{query}: {error:#}"));
        }
    }

    #[tokio::test]
    async fn nothing_can_be_written_created_or_set() {
        let ctx = context().await;
        for query in [
            "create table x as select 1",
            "create external table x stored as csv location '/etc/passwd'",
            "create view x as select 1",
            "drop table events",
            "insert into events select * from events",
            "copy events to '/tmp/x.csv'",
            "set datafusion.execution.batch_size = 1",
            "select 1; select 2",
            "select * from '/etc/passwd'",
            "select * from '/etc/passwd.csv'",
            "delete from events",
            "",
        ] {
            assert!(ask(&ctx, query).await.is_err(), "{query}");
        }
    }
}
