//! `relaydrift sql`: one read-only query, streamed to stdout.

use std::io::{self, IsTerminal};

use anyhow::{Context, Result, bail};
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext};
use relaydrift_datafusion::Need;

use crate::args::{Global, SqlArgs};
use crate::{Exit, source};

/// Runs the query of the arguments, else the one on stdin.
pub async fn run(args: SqlArgs, global: &Global) -> Result<Exit> {
    let query = match &args.query {
        Some(query) => query.clone(),
        None if !io::stdin().is_terminal() => io::read_to_string(io::stdin())?,
        None => String::new(),
    };
    if query.trim().is_empty() {
        bail!(
            "no query\n  relaydrift sql --lake /lake \"select * from drift\"\n  relaydrift sql --help"
        );
    }
    let naming = source::naming(&args.naming, args.server.as_ref())?;
    let opened =
        source::open_expecting(&args.place, naming, &args.expected, Need::Full, global).await?;
    if known(&opened.ctx, &query)? {
        opened.read(global.quiet).await?;
    }
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

/// Plans a query that can only read: no table is created, written or dropped, no option is set.
async fn plan(ctx: &SessionContext, query: &str) -> Result<DataFrame> {
    let read_only = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    ctx.sql_with_options(query, read_only)
        .await
        .context("the query was not run")
}

/// Refuses tables that are not there, and says which are. True where the sessions have to be folded: where
/// any table is named but `events`.
fn known(ctx: &SessionContext, query: &str) -> Result<bool> {
    let state = ctx.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state
        .sql_to_statement(query, &dialect)
        .context("the query cannot be read")?;
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
