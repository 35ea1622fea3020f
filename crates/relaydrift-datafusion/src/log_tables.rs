//! Raw logs seen as a lake: one pass over them, kept in memory, answers every question.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::{MemTable, TableType};
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use relaydrift_ingest::{
    Before, Cut, Error, Keep, Naming, Plan, Progress, Sink, SinkError, Summary, Table, TaskSink,
};

use crate::send_log::SendLogs;

/// How much of the logs the questions will need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Every table whole, as far as it is asked for.
    Full,
    /// Only what the drift views and `refusals` read: `transactions` holds those with refused
    /// recipients and those that Exchange Online turned away for another reason, `sessions` nothing. Much less memory
    /// for `check`.
    Drift,
}

/// The tables of raw logs, without a lake.
///
/// All but `events` come from one pass that folds the sessions; it runs when a question first needs
/// it (on a blocking thread) or when [`LogTables::read`] is called. It holds only what was asked for:
/// where a later question needs more, the logs are read once more. `events` are read anew by each
/// question, and need no memory.
pub struct LogTables {
    plan: Plan,
    naming: Naming,
    need: Need,
    sessions: AtomicBool,
    transactions: AtomicBool,
    pass: Mutex<Option<Pass>>,
}

#[derive(Clone)]
struct Pass {
    keep: Keep,
    tables: Arc<HashMap<Table, Vec<RecordBatch>>>,
    summary: Summary,
}

impl LogTables {
    /// The tables of the logs in `plan`; `naming` is for `send_log`.
    pub fn new(plan: Plan, naming: Naming, need: Need) -> Self {
        let (sessions, transactions) = (AtomicBool::new(false), AtomicBool::new(false));
        LogTables {
            plan,
            naming,
            need,
            sessions,
            transactions,
            pass: Mutex::new(None),
        }
    }

    /// The logs that are read and the files that were left out.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn naming(&self) -> &Naming {
        &self.naming
    }

    /// Reads the logs now, unless that is done, and tells what they held. Blocks: seconds per GB.
    ///
    /// # Errors
    /// As [`relaydrift_ingest::read`].
    pub fn read(&self, progress: Progress<'_>) -> Result<Summary, Error> {
        self.pass(progress).map(|pass| pass.summary)
    }

    /// What the logs held, once they are read.
    pub fn summary(&self) -> Option<Summary> {
        let pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        pass.as_ref().map(|pass| pass.summary.clone())
    }

    /// The provider of one table. From now on its rows are kept.
    pub(crate) fn open(self: &Arc<Self>, table: Table) -> Arc<dyn TableProvider> {
        match table {
            Table::Events => return Arc::new(SendLogs::new(self.plan.sources.clone())),
            Table::Sessions => self.sessions.store(true, Ordering::Relaxed),
            Table::Transactions => self.transactions.store(true, Ordering::Relaxed),
            _ => (),
        }
        Arc::new(LogTable {
            logs: self.clone(),
            table,
        })
    }

    fn pass(&self, progress: Progress<'_>) -> Result<Pass, Error> {
        let full = self.need == Need::Full;
        let keep = Keep {
            events: false,
            sessions: full && self.sessions.load(Ordering::Relaxed),
            all_transactions: full && self.transactions.load(Ordering::Relaxed),
            open_rows: false,
        };
        // Whoever comes meanwhile waits here instead of reading a second time.
        let mut pass = self.pass.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pass) = pass.as_ref().filter(|pass| pass.holds(keep)) {
            return Ok(pass.clone());
        }
        let sink = Collect::default();
        let before = Before::default();
        let sources = &self.plan.sources;
        let summary =
            relaydrift_ingest::read(sources, before, keep, Cut::default(), 0, &sink, progress)?;
        let tables = sink
            .tables
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(pass
            .insert(Pass {
                keep,
                tables: Arc::new(tables),
                summary,
            })
            .clone())
    }
}

impl Pass {
    fn holds(&self, keep: Keep) -> bool {
        self.keep.sessions >= keep.sessions && self.keep.all_transactions >= keep.all_transactions
    }
}

impl fmt::Debug for LogTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let logs = self.plan.sources.len();
        f.debug_struct("LogTables")
            .field("logs", &logs)
            .finish_non_exhaustive()
    }
}

/// One table of the pass.
#[derive(Debug)]
struct LogTable {
    logs: Arc<LogTables>,
    table: Table,
}

#[async_trait]
impl TableProvider for LogTable {
    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let logs = self.logs.clone();
        let pass = tokio::task::spawn_blocking(move || logs.pass(&|_| ()));
        let pass = pass
            .await
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let pass = pass.map_err(|error| DataFusionError::External(Box::new(error)))?;
        let batches = pass.tables.get(&self.table).map_or(&[][..], Vec::as_slice);
        in_memory(self.schema(), batches, state)?
            .scan(state, projection, filters, limit)
            .await
    }
}

/// Batches as a table, dealt out to the partitions of the session.
pub(crate) fn in_memory(
    schema: SchemaRef,
    batches: &[RecordBatch],
    state: &dyn Session,
) -> Result<MemTable> {
    let count = state
        .config()
        .target_partitions()
        .clamp(1, batches.len().max(1));
    let mut partitions = vec![Vec::new(); count];
    for (at, batch) in batches.iter().enumerate() {
        partitions[at % count].push(batch.clone());
    }
    MemTable::try_new(schema, partitions)
}

/// Takes in all batches of a pass.
#[derive(Default)]
struct Collect {
    tables: Mutex<HashMap<Table, Vec<RecordBatch>>>,
}

impl Sink for Collect {
    fn task(&self) -> Result<Box<dyn TaskSink + '_>, SinkError> {
        Ok(Box::new(CollectTask {
            whole: self,
            batches: Vec::new(),
        }))
    }
}

struct CollectTask<'a> {
    whole: &'a Collect,
    batches: Vec<(Table, RecordBatch)>,
}

impl TaskSink for CollectTask<'_> {
    fn take(&mut self, table: Table, batch: RecordBatch) -> Result<(), SinkError> {
        self.batches.push((table, batch));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        let mut tables = self
            .whole
            .tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (table, batch) in self.batches {
            tables.entry(table).or_default().push(batch);
        }
        Ok(())
    }
}
