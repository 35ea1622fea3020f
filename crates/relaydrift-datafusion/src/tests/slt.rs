//! Runs `sql/tests/*.slt`, each file in a context of its own.
//!
//! A file makes its own rows: it creates tables named like ours. Questions to views are put to a
//! context that has them as batches, as after a pass over logs; all else is asked where the tables
//! were made. `SLT=name` runs the files with that in their path, and with `SLT_COMPLETE=1` the files
//! are written anew with the results found.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::logical_expr::cast;
use datafusion::prelude::{SessionContext, ident, lit};
use relaydrift_ingest::Table;
use sqllogictest::{AsyncDB, DBOutput, DefaultColumnType, MakeConnection, Runner};

use crate::{Settings, Source, register_all, session_context};

/// Where tables are made, and, since the last statement, where views are asked.
struct Database {
    made: SessionContext,
    asked: Option<SessionContext>,
}

impl Database {
    async fn context(&mut self, sql: &str) -> Result<SessionContext, DataFusionError> {
        let words = |name: &str| {
            let word = |c: char| c.is_alphanumeric() || c == '_';
            sql.split(|c| !word(c)).any(|other| other == name)
        };
        let statement = ["create", "insert", "set"];
        if statement.iter().any(|verb| sql.starts_with(verb)) {
            self.asked = None;
        } else if words("rehearse") || crate::views().iter().any(|view| words(view.name)) {
            if self.asked.is_none() {
                self.asked = Some(with_batches(&self.made).await?);
            }
            return Ok(self.asked.clone().unwrap());
        }
        Ok(self.made.clone())
    }
}

/// A context with the same settings, and the tables named like ours as batches of our schemas: a
/// column that a file left out is NULL.
async fn with_batches(made: &SessionContext) -> Result<SessionContext, DataFusionError> {
    let mut tables = HashMap::new();
    for table in Table::ALL {
        if !made.table_exist(table.name())? {
            continue;
        }
        let rows = made.table(table.name()).await?;
        let schema = table.schema();
        let columns = schema.fields().iter().map(|field| {
            let known = rows.schema().has_column_with_unqualified_name(field.name());
            let value = if known {
                ident(field.name())
            } else {
                lit(ScalarValue::Null)
            };
            cast(value, field.data_type().clone()).alias(field.name())
        });
        let columns: Vec<_> = columns.collect();
        let batches = rows.select(columns)?.collect().await?;
        let batches = batches
            .into_iter()
            .map(|batch| RecordBatch::try_new(schema.clone(), batch.columns().to_vec()).unwrap());
        tables.insert(table, batches.collect());
    }
    let asked = session_context(2);
    let settings = Settings::of(made.state().config_options());
    let state = asked.state_ref();
    state
        .write()
        .config_mut()
        .options_mut()
        .extensions
        .insert(settings);
    register_all(&asked, Source::Batches(Arc::new(tables))).await?;
    Ok(asked)
}

#[async_trait::async_trait]
impl AsyncDB for Database {
    type Error = DataFusionError;
    type ColumnType = DefaultColumnType;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, DataFusionError> {
        let frame = self.context(sql).await?.sql(sql).await?;
        let schema = frame.schema().clone();
        let batches = frame.collect().await?;
        if schema.fields().is_empty() {
            return Ok(DBOutput::StatementComplete(0));
        }
        let types = schema
            .fields()
            .iter()
            .map(|field| kind(field.data_type()))
            .collect();
        let mut rows = Vec::new();
        for batch in &batches {
            rows.extend(cells(batch)?);
        }
        Ok(DBOutput::Rows { types, rows })
    }

    async fn shutdown(&mut self) {}
}

fn kind(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => DefaultColumnType::Text,
        t if t.is_integer() => DefaultColumnType::Integer,
        t if t.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}

fn cells(batch: &RecordBatch) -> Result<Vec<Vec<String>>, DataFusionError> {
    let options = FormatOptions::new().with_null("NULL");
    let columns = batch.columns().iter();
    let columns: Vec<_> = columns
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<_, _>>()?;
    let cell = |text: String| {
        if text.is_empty() {
            "(empty)".to_string()
        } else {
            text
        }
    };
    let row = |at| {
        columns
            .iter()
            .map(|column| cell(column.value(at).to_string()))
            .collect()
    };
    Ok((0..batch.num_rows()).map(row).collect())
}

async fn connect() -> Result<Database, DataFusionError> {
    let made = session_context(2);
    register_all(&made, Source::None).await?;
    Ok(Database { made, asked: None })
}

fn runner() -> Runner<Database, impl MakeConnection<Conn = Database>> {
    Runner::new(connect)
}

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sql/tests")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "slt"));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_file_gives_its_answers() {
    let only = std::env::var("SLT").unwrap_or_default();
    let mut failed = Vec::new();
    for file in files()
        .into_iter()
        .filter(|file| file.to_string_lossy().contains(&only))
    {
        let mut runner = runner();
        if std::env::var_os("SLT_COMPLETE").is_some() {
            let normalizer = sqllogictest::default_normalizer;
            let validator = sqllogictest::default_validator;
            let columns = sqllogictest::default_column_validator;
            let update = runner
                .update_test_file(&file, "  ", validator, normalizer, columns)
                .await;
            update.unwrap();
        } else if let Err(error) = runner.run_file_async(&file).await {
            failed.push(error.display(false).to_string());
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn every_view_and_function_has_a_file() {
    let files = files();
    let stems: Vec<_> = files
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap())
        .collect();
    let texts: Vec<_> = files
        .iter()
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    for view in crate::views() {
        let named = texts
            .iter()
            .any(|text| text.contains(&format!("from {}", view.name)));
        assert!(named, "no test asks view {}", view.name);
    }
    let (scalar, aggregate, window) = (
        crate::functions::scalar_functions(),
        crate::functions::aggregate_functions(),
        crate::functions::window_functions(),
    );
    let names = scalar.iter().map(|f| f.name());
    let names = names.chain(aggregate.iter().map(|f| f.name()));
    for name in names.chain(window.iter().map(|f| f.name())) {
        assert!(stems.contains(&name), "function {name} has no .slt file");
    }
}
