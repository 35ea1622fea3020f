//! Raw logs as a table: each row an event, read while the question runs.
//!
//! The logs are a [`FileSource`] inside the stock `DataSourceExec`, one file group entry per log, so
//! that engines which deal plans out to several machines know how to cut them.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::projection::{ProjectionOpener, SplitProjection};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::Expr;
use datafusion::physical_expr::projection::ProjectionExprs;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, apply_expression_roots};
use futures::StreamExt;
use object_store::ObjectStore;
use relaydrift_ingest::{EventReader, Naming, Source, Table};

use crate::external;

/// The table function `send_log('path or glob', ...)`: the events of the logs found there.
#[derive(Debug)]
pub(crate) struct SendLogFunction {
    naming: Naming,
}

impl SendLogFunction {
    pub(crate) fn new(naming: Naming) -> Self {
        SendLogFunction { naming }
    }
}

impl TableFunctionImpl for SendLogFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut paths = Vec::new();
        for argument in args.exprs() {
            match argument {
                Expr::Literal(
                    ScalarValue::Utf8(Some(path))
                    | ScalarValue::Utf8View(Some(path))
                    | ScalarValue::LargeUtf8(Some(path)),
                    _,
                ) => paths.push(PathBuf::from(path)),
                other => return plan_err!("send_log takes paths or globs in quotes, not {other}"),
            }
        }
        if paths.is_empty() {
            return plan_err!("send_log takes at least one path or glob: send_log('logs/*.LOG')");
        }
        let plan = relaydrift_lake::find(&paths, &self.naming).map_err(external)?;
        if let Some(unreadable) = plan.skipped.iter().find(|file| file.error) {
            let (path, reason) = (unreadable.path.display(), &unreadable.reason);
            return plan_err!("send_log: {path} cannot be read: {reason}");
        }
        Ok(Arc::new(SendLogs::new(plan.sources)))
    }
}

/// The events of some logs.
#[derive(Debug)]
pub(crate) struct SendLogs {
    sources: Vec<Source>,
}

impl SendLogs {
    pub(crate) fn new(sources: Vec<Source>) -> Self {
        SendLogs { sources }
    }
}

#[async_trait]
impl TableProvider for SendLogs {
    fn schema(&self) -> SchemaRef {
        Table::Events.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.sources.iter().map(|source| {
            PartitionedFile::new(source.path.to_string_lossy(), source.size)
                .with_extension(source.clone())
        });
        let groups =
            FileGroup::new(files.collect()).split_files(state.config().target_partitions());
        let source = Arc::new(SendLogSource::new(Table::Events.schema()));
        let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// How a log becomes batches.
#[derive(Clone)]
struct SendLogSource {
    schema: TableSchema,
    projection: SplitProjection,
    rows: usize,
    metrics: ExecutionPlanMetricsSet,
}

impl SendLogSource {
    fn new(schema: SchemaRef) -> Self {
        let schema = TableSchema::from(schema);
        let projection = SplitProjection::unprojected(&schema);
        SendLogSource {
            schema,
            projection,
            rows: 8192,
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }
}

impl FileSource for SendLogSource {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        config: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        let opener = SendLogOpener {
            columns: self.projection.file_indices.clone(),
            rows: config.batch_size.unwrap_or(self.rows),
        };
        ProjectionOpener::try_new(
            self.projection.clone(),
            Arc::new(opener),
            self.schema.file_schema(),
        )
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, rows: usize) -> Arc<dyn FileSource> {
        Arc::new(SendLogSource {
            rows,
            ..self.clone()
        })
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "send_log"
    }

    /// A log is read from its start: sessions and headers have no marks inside it.
    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn projection(&self) -> Option<&ProjectionExprs> {
        Some(&self.projection.source)
    }

    fn try_pushdown_projection(
        &self,
        projection: &ProjectionExprs,
    ) -> Result<Option<Arc<dyn FileSource>>> {
        let merged = self.projection.source.try_merge(projection)?;
        let projection = SplitProjection::new(self.schema.file_schema(), &merged);
        Ok(Some(Arc::new(SendLogSource {
            projection,
            ..self.clone()
        })))
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.projection.source.iter(), f)
    }
}

impl fmt::Debug for SendLogSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendLogSource")
            .field("rows", &self.rows)
            .finish_non_exhaustive()
    }
}

/// Opens one log: a blocking thread reads, the stream hands over.
struct SendLogOpener {
    columns: Vec<usize>,
    rows: usize,
}

impl FileOpener for SendLogOpener {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let Some(source) = file.extension::<Source>().cloned() else {
            return plan_err!("{} is no send log of this plan", file.path());
        };
        let (columns, rows) = (self.columns.clone(), self.rows);
        Ok(Box::pin(async move {
            let (sender, receiver) = tokio::sync::mpsc::channel::<Result<RecordBatch>>(2);
            let reading = tokio::task::spawn_blocking(move || {
                let reader = match EventReader::open(&source, rows) {
                    Ok(reader) => reader,
                    Err(error) => return drop(sender.blocking_send(Err(external(error)))),
                };
                for batch in reader {
                    let batch = batch.map_err(external);
                    let batch = batch.and_then(|batch| Ok(batch.project(&columns)?));
                    // Nobody listens any more: the question has its answer.
                    if sender.blocking_send(batch).is_err() {
                        return;
                    }
                }
            });
            let stream = futures::stream::unfold(
                (receiver, Some(reading)),
                |(mut receiver, reading)| async move {
                    if let Some(batch) = receiver.recv().await {
                        return Some((batch, (receiver, reading)));
                    }
                    // A reader that panicked must not look like the end of the log.
                    let failed = reading?.await.err()?;
                    Some((Err(external(failed)), (receiver, None)))
                },
            );
            Ok(stream.boxed())
        }))
    }
}
