//! A query in SQL that somebody wrote: judged before it is planned, and it can only read.
//!
//! The command line, servers and other hosts that take queries from people all go this way.

mod caret;
mod depth;

use std::fmt;

use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

/// A query whose tables are there and which is not nested too deep.
#[derive(Debug, Clone)]
pub struct Query {
    text: String,
    statement: Statement,
    reads_sessions: bool,
}

/// Why a query is not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueryError {
    /// Its brackets and types are this deep in each other.
    Deep(usize),
    /// It has so many operators.
    Long(usize),
    /// It names a table or view that is not there; those that are, by name.
    Unknown(String, Vec<String>),
    /// It would create, change or drop something.
    Writes,
    /// It is no SQL.
    Unreadable(Place),
    /// It cannot be planned.
    Unplanned(Place),
}

/// An error of the engine, and the line of the query with a mark below its place, where that is told.
#[derive(Debug)]
pub struct Place {
    error: DataFusionError,
    line: Option<String>,
}

impl Query {
    /// Reads and judges a query; nothing is planned and no table is opened.
    ///
    /// # Errors
    /// It is no SQL, nested too deep, or names a table that is not in `ctx`.
    pub fn new(ctx: &SessionContext, text: &str) -> Result<Query, QueryError> {
        let statement = statement(ctx, text)?;
        let reads_sessions = known(ctx, &statement).map_err(|error| match error {
            Known::Missing(_) if writes(&statement) => QueryError::Writes,
            Known::Missing(name) => QueryError::Unknown(name, names(ctx)),
            Known::Failed(error) => QueryError::Unreadable(Place::new(text, error)),
        })?;
        Ok(Query {
            text: text.to_owned(),
            statement,
            reads_sessions,
        })
    }

    /// True where sessions have to be folded for it: where it names any table but `events`.
    pub fn reads_sessions(&self) -> bool {
        self.reads_sessions
    }

    /// Plans the query; its rows come when the plan is executed.
    ///
    /// # Errors
    /// It creates, writes, drops or sets something, or cannot be planned.
    pub async fn plan(&self, ctx: &SessionContext) -> Result<DataFrame, QueryError> {
        let refused = |error| QueryError::Unplanned(Place::new(&self.text, error));
        let state = ctx.state();
        let plan = state.statement_to_plan(self.statement.clone()).await;
        let plan = plan.map_err(refused)?;
        // The message would be one of options that nobody here can set.
        only_reads()
            .verify_plan(&plan)
            .map_err(|_| QueryError::Writes)?;
        ctx.execute_logical_plan(plan).await.map_err(refused)
    }
}

/// Reads a query without asking what it names.
///
/// # Errors
/// It is no SQL, nested too deep, or has too many operators.
pub fn statement(ctx: &SessionContext, text: &str) -> Result<Statement, QueryError> {
    let tokens = depth::tokens(text);
    let (depth, operators) = (depth::depth(&tokens), depth::operators(&tokens));
    if depth > depth::LIMIT {
        return Err(QueryError::Deep(depth));
    }
    if operators > depth::OPERATORS {
        return Err(QueryError::Long(operators));
    }
    let state = ctx.state();
    let dialect = state.config().options().sql_parser.dialect;
    let statement = state.sql_to_statement(text, &dialect);
    statement.map_err(|error| QueryError::Unreadable(Place::new(text, error)))
}

fn only_reads() -> SQLOptions {
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
}

/// What would be a name that is not there may be one to create.
fn writes(statement: &Statement) -> bool {
    match statement {
        Statement::Statement(statement) => matches!(
            **statement,
            ast::Statement::CreateTable(_)
                | ast::Statement::CreateView(_)
                | ast::Statement::Drop { .. }
        ),
        Statement::CreateExternalTable(_) | Statement::CopyTo(_) => true,
        _ => false,
    }
}

enum Known {
    Missing(String),
    Failed(DataFusionError),
}

/// Refuses tables that are not there; true where any is named but `events`.
fn known(ctx: &SessionContext, statement: &Statement) -> Result<bool, Known> {
    let state = ctx.state();
    let tables = state.resolve_table_references(statement);
    let mut reads = false;
    for table in tables.map_err(Known::Failed)? {
        let schema = table.schema().unwrap_or("public");
        if schema == "information_schema" || state.table_functions().contains_key(table.table()) {
            continue;
        }
        reads |= table.table() != "events";
        if !ctx.table_exist(table.clone()).map_err(Known::Failed)? {
            return Err(Known::Missing(table.table().to_owned()));
        }
    }
    Ok(reads)
}

/// All tables and views, by name.
fn names(ctx: &SessionContext) -> Vec<String> {
    let schema = ctx
        .catalog("datafusion")
        .and_then(|catalog| catalog.schema("public"));
    let mut names = schema.map_or_else(Vec::new, |schema| schema.table_names());
    names.sort();
    names
}

impl Place {
    fn new(query: &str, error: DataFusionError) -> Place {
        let line = caret::point(query, &error);
        Place { error, line }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        match &self.line {
            Some(line) => write!(f, "\n{line}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Deep(depth) => write!(
                f,
                "the query was not run: its brackets and types are {depth} deep, at most {} are read",
                depth::LIMIT
            ),
            QueryError::Long(operators) => write!(
                f,
                "the query was not run: it has {operators} operators, at most {} are read; a list of values takes none: \
                 in (…)",
                depth::OPERATORS
            ),
            QueryError::Unknown(name, there) => write!(
                f,
                "there is no table or view called {name}\n  there are: {}\n  columns: describe drift",
                there.join(", ")
            ),
            QueryError::Writes => write!(
                f,
                "the query was not run: lakes and logs are only read here, nothing is created, changed or dropped"
            ),
            QueryError::Unreadable(place) => write!(f, "the query cannot be read: {place}"),
            QueryError::Unplanned(place) => write!(f, "the query was not run: {place}"),
        }
    }
}

// The text has the causes in it already.
impl std::error::Error for QueryError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, register_all, session_context};
    use std::sync::Arc;

    async fn ask(ctx: &SessionContext, query: &str) -> Result<DataFrame, QueryError> {
        Query::new(ctx, query)?.plan(ctx).await
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
    async fn chains_of_100000_operators_are_refused() {
        let ctx = context().await;
        for operator in [
            "+1",
            "||'a'",
            " and 1<>2",
            "::int",
            " is null",
            " union select 1",
        ] {
            let query = format!("select 1{}", operator.repeat(100_000));
            let error = ask(&ctx, &query).await.unwrap_err();
            assert!(matches!(error, QueryError::Long(_)), "{operator}: {error}");
        }
        let values = format!("select 1 in ({}1)", "1,".repeat(10_000));
        ask(&ctx, &values).await.unwrap();
    }

    #[tokio::test]
    async fn an_unknown_table_is_answered_with_those_that_exist() {
        let error = ask(&context().await, "select * from certificate")
            .await
            .unwrap_err();
        let text = error.to_string();
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
        let created = ask(&ctx, "create table x as select 1").await;
        assert!(matches!(created, Err(QueryError::Writes)));
    }
}
