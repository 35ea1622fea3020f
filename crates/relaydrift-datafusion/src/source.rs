//! Where the tables come from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use relaydrift_ingest::{Naming, Table};

use crate::log_tables::LogTables;
use crate::send_log::SendLogFunction;

/// Where the tables come from.
#[derive(Clone)]
pub enum Source {
    /// Batches in memory, each with the schema of its table; a table left out has no rows.
    Batches(Arc<HashMap<Table, Vec<RecordBatch>>>),
    /// Raw logs, read when a question needs them.
    Logs(Arc<LogTables>),
    /// No tables: functions and views only; the host may register tables of these names itself.
    None,
}

impl Source {
    /// Whether the source provides `table`.
    pub(crate) fn has(&self, _table: Table) -> bool {
        !matches!(self, Source::None)
    }

    /// Opens one table; [`Source::has`] was true for it.
    pub(crate) async fn open(&self, table: Table) -> Result<Option<Arc<dyn TableProvider>>> {
        match self {
            Source::Batches(tables) => {
                let batches = tables.get(&table).cloned().unwrap_or_default();
                Ok(Some(Arc::new(MemTable::try_new(
                    table.schema(),
                    vec![batches],
                )?)))
            }
            Source::Logs(logs) => Ok(Some(logs.open(table))),
            Source::None => Ok(None),
        }
    }

    /// Functions that belong to the source.
    pub(crate) fn register_functions(&self, ctx: &SessionContext) {
        let naming = match self {
            Source::Logs(logs) => logs.naming().clone(),
            _ => Naming::default(),
        };
        ctx.register_udtf("send_log", Arc::new(SendLogFunction::new(naming)));
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Batches(_) => "Batches",
            Source::Logs(_) => "Logs",
            Source::None => "None",
        })
    }
}
