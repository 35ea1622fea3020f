//! What can be named in a question: tables, views, their columns, functions.
//!
//! Learned from the plugin over empty tables, so that no log is read for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::logical_expr::Documentation;
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::{Source, View, register_all, session_context, views};

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type, as Arrow calls it.
    pub kind: String,
}

/// Everything that has a name.
pub struct Names {
    /// Tables and views with their columns.
    pub tables: BTreeMap<String, Vec<Column>>,
    /// Functions of every kind, with what they tell of themselves.
    pub functions: BTreeMap<String, Option<Documentation>>,
}

impl Names {
    /// Learns the names; takes as long as planning every view.
    pub async fn learn() -> Result<Self> {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default())).await?;
        Ok(Names {
            tables: tables(&ctx).await?,
            functions: functions(&ctx),
        })
    }

    /// The table or view of this name, whatever its case.
    pub fn table(&self, name: &str) -> Option<(&str, &[Column])> {
        let name = name.to_lowercase();
        let found = self.tables.get_key_value(&name);
        found.map(|(name, columns)| (name.as_str(), columns.as_slice()))
    }
}

/// The view of this name.
pub fn view(name: &str) -> Option<&'static View> {
    views().iter().find(|view| view.name == name)
}

async fn tables(ctx: &SessionContext) -> Result<BTreeMap<String, Vec<Column>>> {
    let query = "select table_name, column_name, data_type from information_schema.columns \
                 where table_schema = 'public' order by table_name, ordinal_position";
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for batch in ctx.sql(query).await?.collect().await? {
        let texts = |at: usize| cast(batch.column(at), &DataType::Utf8);
        let (table, column, kind) = (texts(0)?, texts(1)?, texts(2)?);
        for row in (0..batch.num_rows()).filter(|row| table.is_valid(*row)) {
            let table = table.as_string::<i32>().value(row);
            tables.entry(table.to_owned()).or_default().push(Column {
                name: column.as_string::<i32>().value(row).to_owned(),
                kind: kind.as_string::<i32>().value(row).to_owned(),
            });
        }
    }
    Ok(tables)
}

fn functions(ctx: &SessionContext) -> BTreeMap<String, Option<Documentation>> {
    let state = ctx.state();
    let mut functions: BTreeMap<String, Option<Documentation>> = BTreeMap::new();
    for (name, function) in state.scalar_functions() {
        functions.insert(name.clone(), function.documentation().cloned());
    }
    for (name, function) in state.aggregate_functions() {
        functions.insert(name.clone(), function.documentation().cloned());
    }
    for (name, function) in state.window_functions() {
        functions.insert(name.clone(), function.documentation().cloned());
    }
    for name in state.table_functions().keys() {
        functions.entry(name.clone()).or_default();
    }
    functions
}
