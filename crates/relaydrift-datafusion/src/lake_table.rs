//! A table of a lake as a plain Parquet scan.
//!
//! The lake says which files count; the scan is DataFusion's own, so that filters, projections, limits
//! and the dealing out of files to threads or machines are its business.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, Result, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{Expr, col, lit};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::union::UnionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, collect, expressions};
use relaydrift_ingest::{Table, fold_open};
use relaydrift_lake::{Bound, ColumnStats, DataFile, Lake, TableFiles};
use tokio::sync::OnceCell;
use url::Position;

use crate::external;
use crate::log_tables::in_memory;

/// Rows of each table.
type Folded = HashMap<Table, Vec<RecordBatch>>;

/// The tables of a lake as of one batch: the newest when the first of them is opened, so that all
/// tables of a question, and all questions of a context, agree.
pub(crate) struct LakeTables {
    lake: Arc<Lake>,
    batch: OnceCell<i64>,
    files: [OnceCell<Arc<TableFiles>>; Table::ALL.len()],
    folded: OnceCell<Folded>,
}

impl LakeTables {
    pub(crate) fn new(lake: Arc<Lake>) -> Self {
        LakeTables {
            lake,
            batch: OnceCell::new(),
            files: Default::default(),
            folded: OnceCell::new(),
        }
    }

    /// The provider of one table; its file list is read from the lake once.
    pub(crate) async fn open(self: &Arc<Self>, table: Table) -> Result<Arc<dyn TableProvider>> {
        let files = self.files(table).await?;
        Ok(Arc::new(LakeTable {
            tables: self.clone(),
            files,
        }))
    }

    async fn files(&self, table: Table) -> Result<Arc<TableFiles>> {
        let batch = *self
            .batch
            .get_or_try_init(|| self.lake.newest_batch())
            .await
            .map_err(external)?;
        // Every table is in ALL.
        let at = Table::ALL
            .iter()
            .position(|one| *one == table)
            .unwrap_or_default();
        let files = self.files[at]
            .get_or_try_init(|| async { self.lake.files_at(table, batch).await.map(Arc::new) });
        files.await.cloned().map_err(external)
    }

    /// What the rows of sessions that are not final say so far.
    async fn folded(&self, state: &dyn Session) -> Result<&Folded> {
        let fold = || async {
            let files = self.files(Table::OpenSessions).await?;
            let scan = scan(&self.lake, &files, state, None, None)?;
            let rows = collect(scan, state.task_ctx()).await?;
            let folded = tokio::task::spawn_blocking(move || fold_open(&rows)).await;
            let mut tables = Folded::new();
            for (table, batch) in folded.map_err(external)?.map_err(external)? {
                tables.entry(table).or_default().push(batch);
            }
            Ok(tables)
        };
        self.folded.get_or_try_init(fold).await
    }
}

impl fmt::Debug for LakeTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.lake.root_url().as_str();
        f.debug_struct("LakeTables")
            .field("root", &root)
            .finish_non_exhaustive()
    }
}

/// One table: its files, and for tables made of sessions the open ones beside them.
#[derive(Debug)]
struct LakeTable {
    tables: Arc<LakeTables>,
    files: Arc<TableFiles>,
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        self.files.schema.clone()
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
        let stored = scan(&self.tables.lake, &self.files, state, projection, limit)?;
        let of_sessions = matches!(
            self.files.table,
            Table::Sessions
                | Table::Transactions
                | Table::Observations
                | Table::ProxiedHalves
                | Table::CertificatesSeen
        );
        if !of_sessions {
            return Ok(stored);
        }
        let folded = self.tables.folded(state).await?;
        let Some(open) = folded.get(&self.files.table) else {
            return Ok(stored);
        };
        let open = in_memory(self.schema(), open, state)?;
        UnionExec::try_new(vec![
            stored,
            open.scan(state, projection, filters, limit).await?,
        ])
    }
}

/// A scan of the files that count.
fn scan(
    lake: &Lake,
    files: &TableFiles,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let whole = files.files.iter().all(|file| files.is_whole(file));
    let (read, stop) = if whole {
        (projection, limit)
    } else {
        (None, None)
    };
    let plan = parquet(lake, files, state, read, stop)?;
    if whole {
        return Ok(plan);
    }
    // Another program merged files across batches: its rows are picked one by one.
    let schema = datafusion::common::DFSchema::try_from(files.schema.clone())?;
    let rows = state.create_physical_expr(counting(files), &schema)?;
    let filtered = Arc::new(FilterExec::try_new(rows, plan)?);
    let Some(projection) = projection else {
        return Ok(filtered);
    };
    let columns = projection.iter().map(|at| {
        let name = files.schema.field(*at).name();
        let column: Arc<dyn PhysicalExpr> = Arc::new(expressions::Column::new(name, *at));
        (column, name.clone())
    });
    Ok(Arc::new(ProjectionExec::try_new(
        columns.collect::<Vec<_>>(),
        filtered,
    )?))
}

/// Which rows count, as [`TableFiles::is_whole`] says of files.
fn counting(files: &TableFiles) -> Expr {
    let batch = || lit(files.batch);
    match files.table {
        Table::OpenSessions => {
            let parked = col("parked").is_true();
            col("batch")
                .eq(batch())
                .or(parked.and(col("batch").lt(batch())))
        }
        _ => col("batch").lt_eq(batch()),
    }
}

fn parquet(
    lake: &Lake,
    files: &TableFiles,
    state: &dyn Session,
    projection: Option<&Vec<usize>>,
    limit: Option<usize>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = files.schema.clone();
    if files.files.is_empty() {
        let schema = match projection {
            Some(projection) => Arc::new(schema.project(projection)?),
            None => schema,
        };
        return Ok(Arc::new(EmptyExec::new(schema)));
    }
    let parts = files.files.iter().map(|file| {
        PartitionedFile::new(files.location(file), file.size)
            .with_statistics(Arc::new(statistics(file, &schema)))
    });
    let groups = FileGroup::new(parts.collect()).split_files(state.config().target_partitions());
    let rows: Option<u64> = files.files.iter().map(|file| file.rows).sum();
    let whole = Statistics::new_unknown(&schema).with_num_rows(count(rows));
    let options = state.config().options().execution.parquet.clone();
    let source = ParquetSource::new(schema)
        .with_pushdown_filters(options.pushdown_filters)
        .with_reorder_filters(options.reorder_filters)
        .with_enable_page_index(options.enable_page_index)
        .with_bloom_filter_on_read(options.bloom_filter_on_read);
    let config = FileScanConfigBuilder::new(store_url(lake)?, Arc::new(source))
        .with_file_groups(groups)
        .with_statistics(whole)
        .with_projection_indices(projection.cloned())?
        .with_limit(limit)
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// The part of the lake's URL under which DataFusion knows its store: `file:///`, `abfss://CONTAINER@ACCOUNT…/`.
pub(crate) fn store_url(lake: &Lake) -> Result<ObjectStoreUrl> {
    ObjectStoreUrl::parse(format!("{}/", &lake.root_url()[..Position::BeforePath]))
}

/// What is known of a file. The bounds are not always values that occur, but no value lies outside
/// them, which is all that pruning asks for; the table's own statistics carry none of them.
fn statistics(file: &DataFile, schema: &SchemaRef) -> Statistics {
    let mut statistics = Statistics::new_unknown(schema).with_num_rows(count(file.rows));
    for (field, column) in schema
        .fields()
        .iter()
        .zip(&mut statistics.column_statistics)
    {
        if let Some(known) = file.columns.get(field.name()) {
            *column = of_column(known, field.data_type());
        }
    }
    statistics
}

fn of_column(known: &ColumnStats, data_type: &DataType) -> ColumnStatistics {
    let bound = |bound: &Option<Bound>| {
        let value = bound.as_ref().and_then(|bound| scalar(bound, data_type));
        value.map_or(Precision::Absent, Precision::Exact)
    };
    ColumnStatistics::new_unknown()
        .with_min_value(bound(&known.min))
        .with_max_value(bound(&known.max))
        .with_null_count(count(known.nulls))
}

fn scalar(bound: &Bound, data_type: &DataType) -> Option<ScalarValue> {
    Some(match (bound, data_type) {
        (Bound::Boolean(value), DataType::Boolean) => ScalarValue::Boolean(Some(*value)),
        (Bound::Int(value), DataType::Int64) => ScalarValue::Int64(Some(*value)),
        (Bound::Int(value), DataType::Int32) => ScalarValue::Int32(i32::try_from(*value).ok()),
        (Bound::Float(value), DataType::Float64) => ScalarValue::Float64(Some(*value)),
        (Bound::Text(value), DataType::Utf8) => ScalarValue::Utf8(Some(value.clone())),
        (Bound::Time(value), DataType::Timestamp(_, zone)) => {
            ScalarValue::TimestampMicrosecond(Some(*value), zone.clone())
        }
        _ => return None,
    })
}

fn count(known: Option<u64>) -> Precision<usize> {
    let known = known.and_then(|count| usize::try_from(count).ok());
    known.map_or(Precision::Absent, Precision::Exact)
}
