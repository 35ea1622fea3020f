//! Where the tables come from.

use std::collections::HashMap;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::MemTable;
use datafusion::prelude::SessionContext;
use relaydrift_ingest::{Naming, Table};
use relaydrift_lake::Lake;

use crate::expected::{self, Expected};
use crate::lake_table::{LakeTables, store_url};
use crate::log_tables::LogTables;
use crate::rehearse::RehearseFunction;
use crate::send_log::SendLogFunction;

/// Where the tables come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A lake, as of its newest batch when the first question is asked.
    Lake(Arc<Lake>),
    /// Raw logs, read when a question needs them.
    Logs(Arc<LogTables>),
    /// Batches in memory, each with the schema of its table; a table left out has no rows.
    Batches(Arc<HashMap<Table, Vec<RecordBatch>>>),
    /// No tables: functions and views only; the host may register tables of these names itself.
    None,
}

/// A source put to use.
#[derive(Debug)]
pub(crate) struct Tables {
    stored: Stored,
    expected: Expected,
}

#[derive(Debug)]
enum Stored {
    Lake(Arc<LakeTables>),
    Logs(Arc<LogTables>),
    Batches(Arc<HashMap<Table, Vec<RecordBatch>>>),
    None,
}

impl Tables {
    /// Makes `source` known to the context: its object store, `rehearse`, and `send_log` with its naming.
    pub(crate) fn new(source: Source, expected: Expected, ctx: &SessionContext) -> Result<Self> {
        let naming = match &source {
            Source::Logs(logs) => logs.naming().clone(),
            _ => Naming::default(),
        };
        ctx.register_udtf("send_log", Arc::new(SendLogFunction::new(naming)));
        ctx.register_udtf("rehearse", Arc::new(RehearseFunction));
        let stored = match source {
            Source::Lake(lake) => {
                // The local file system is there already, and is the host's.
                if lake.root_url().scheme() != "file" {
                    ctx.register_object_store(store_url(&lake)?.as_ref(), lake.store());
                }
                Stored::Lake(Arc::new(LakeTables::new(lake)))
            }
            Source::Logs(logs) => Stored::Logs(logs),
            Source::Batches(batches) => Stored::Batches(batches),
            Source::None => Stored::None,
        };
        Ok(Tables { stored, expected })
    }

    /// Whether the tables are ours.
    pub(crate) fn exist(&self) -> bool {
        !matches!(self.stored, Stored::None)
    }

    /// Opens one table.
    pub(crate) async fn open(&self, table: Table) -> Result<Option<Arc<dyn TableProvider>>> {
        let given = self.expected.get(&table).map_or(&[][..], Vec::as_slice);
        let stored = match &self.stored {
            Stored::Lake(lake) => lake.open(table).await?,
            // Nothing of it stands in a log.
            Stored::Logs(_) if Table::EXPECTED.contains(&table) => {
                return expected::alone(table, given).map(Some);
            }
            Stored::Logs(logs) => logs.open(table),
            Stored::Batches(tables) => {
                let batches = tables.get(&table).cloned().unwrap_or_default();
                Arc::new(MemTable::try_new(table.schema(), vec![batches])?)
            }
            Stored::None => return Ok(None),
        };
        expected::beside(stored, table, &self.expected).map(Some)
    }
}
