//! The views, each computed once.
//!
//! DataFusion puts the plan of a view in the place of each reference to it. The findings stand on a
//! dozen views that stand on each other, so that the lowest would be computed dozens of times. For a
//! command whose questions are known, each view is computed when the first question names it, in the
//! order of what it reads, and kept in memory: small tables, all of them.

use std::sync::Arc;

use anyhow::{Context, Result};
use datafusion::arrow::array::RecordBatch;
use datafusion::datasource::MemTable;
use datafusion::prelude::{DataFrame, SessionContext};
use relaydrift_datafusion::{functions, session_context, views};

/// A context in which a view is a table, once it was asked for.
pub struct Once {
    source: SessionContext,
    ctx: SessionContext,
}

impl Once {
    /// Answers from the tables of `source`.
    pub fn new(source: SessionContext, threads: usize) -> Self {
        let ctx = session_context(threads);
        for function in functions::scalar_functions() {
            ctx.register_udf(function);
        }
        Once { source, ctx }
    }

    /// Plans a query of our own; the views and tables that it names are there when this returns.
    pub async fn sql(&self, query: &str) -> Result<DataFrame> {
        let mut waiting = self.missing(query)?;
        while let Some(name) = waiting.pop() {
            if self.ctx.table_exist(name.as_str())? {
                continue;
            }
            let Some(view) = views().iter().find(|view| view.name == name) else {
                let table = self.source.table_provider(name.as_str()).await?;
                self.ctx.register_table(name.as_str(), table)?;
                continue;
            };
            let reads = self.missing(view.sql)?;
            if reads.is_empty() {
                let answer = self.ctx.sql(view.sql).await?;
                let schema = answer.schema().as_arrow().clone();
                let rows = answer.collect().await;
                let rows: Vec<RecordBatch> = rows.with_context(|| format!("the view {name}"))?;
                let table = MemTable::try_new(Arc::new(schema), vec![rows])?;
                self.ctx.register_table(name.as_str(), Arc::new(table))?;
            } else {
                // It comes again after what it reads.
                waiting.push(name);
                waiting.extend(reads);
            }
        }
        Ok(self.ctx.sql(query).await?)
    }

    /// The tables that a query names and this context does not hold yet.
    fn missing(&self, query: &str) -> Result<Vec<String>> {
        let state = self.ctx.state();
        let dialect = state.config().options().sql_parser.dialect;
        let statement = state.sql_to_statement(query, &dialect)?;
        let named = state.resolve_table_references(&statement)?;
        let mut missing = Vec::new();
        for table in named {
            if !self.ctx.table_exist(table.clone())? {
                missing.push(table.table().to_string());
            }
        }
        Ok(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use relaydrift_datafusion::{Source, register_all};

    #[tokio::test]
    async fn every_view_has_the_columns_that_it_has_elsewhere() {
        let source = session_context(2);
        register_all(&source, Source::Batches(Arc::default()))
            .await
            .unwrap();
        let once = Once::new(source.clone(), 2);
        for view in views() {
            let query = format!("select * from {}", view.name);
            let here = once.sql(&query).await.unwrap();
            let there = source.sql(&query).await.unwrap();
            let names = |frame: &DataFrame| -> Vec<String> {
                frame
                    .schema()
                    .fields()
                    .iter()
                    .map(|field| field.to_string())
                    .collect()
            };
            assert_eq!(names(&here), names(&there), "{}", view.name);
            assert_eq!(here.count().await.unwrap(), there.count().await.unwrap());
        }
    }
}
