//! Logs read by a cluster: each share of a batch is a file group of one plan, whose rows tell what was written of it.

use std::any::Any;
use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::arrow::array::{AsArray, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{
    FileGroup, FileOpenFuture, FileOpener, FileScanConfig, FileScanConfigBuilder, FileSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr, common};
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use futures::{FutureExt, StreamExt};
use object_store::ObjectStore;
use relaydrift_lake::{Share, SharesError, Written};

use crate::{Address, plan, session};

/// What shares begin with on the wire.
const MARK: &[u8] = b"relaydrift shares\0";

/// Has the executors of a scheduler read the shares of a batch; each of them finds lake and logs under the paths that
/// the share names.
///
/// # Errors
/// If the scheduler does not answer, or a share fails wherever it is tried.
pub async fn read(scheduler: &Address, shares: Vec<Share>) -> Result<Vec<Written>, SharesError> {
    let state = session::session_state(scheduler, shares.len(), 0).await?;
    let config = state.config().clone();
    let rows = plan::rows(
        scheduler.clone(),
        read_all(shares),
        state.session_id().to_owned(),
        config,
    );
    let rows = common::collect(rows.await?).await?;
    let mut written = Vec::new();
    for batch in rows {
        for json in batch.column(0).as_string::<i32>().iter().flatten() {
            written.push(serde_json::from_str(json)?);
        }
    }
    Ok(written)
}

/// A partition per share.
fn read_all(shares: Vec<Share>) -> Arc<dyn ExecutionPlan> {
    let groups = shares.iter().enumerate().map(|(at, share)| {
        FileGroup::new(vec![PartitionedFile::new(at.to_string(), share.bytes())])
    });
    let groups = groups.collect();
    let store = ObjectStoreUrl::local_filesystem();
    let config = FileScanConfigBuilder::new(store, Arc::new(Shares::new(shares)));
    DataSourceExec::from_data_source(config.with_file_groups(groups).build())
}

/// Shares as files; the path of each is its place in the list.
#[derive(Clone)]
struct Shares {
    shares: Arc<[Share]>,
    schema: TableSchema,
    metrics: ExecutionPlanMetricsSet,
}

impl Shares {
    fn new(shares: Vec<Share>) -> Self {
        let written = Field::new("written", DataType::Utf8, false);
        Shares {
            shares: shares.into(),
            schema: TableSchema::from(Arc::new(Schema::new(vec![written]))),
            metrics: ExecutionPlanMetricsSet::new(),
        }
    }

    fn at(&self, file: &PartitionedFile) -> Option<&Share> {
        let at: usize = file.path().as_ref().parse().ok()?;
        self.shares.get(at)
    }
}

impl FileSource for Shares {
    fn create_file_opener(
        &self,
        _: Arc<dyn ObjectStore>,
        _: &FileScanConfig,
        _: usize,
    ) -> Result<Arc<dyn FileOpener>> {
        Ok(Arc::new(Reader(self.clone())))
    }

    fn table_schema(&self) -> &TableSchema {
        &self.schema
    }

    fn with_batch_size(&self, _: usize) -> Arc<dyn FileSource> {
        Arc::new(self.clone())
    }

    fn metrics(&self) -> &ExecutionPlanMetricsSet {
        &self.metrics
    }

    fn file_type(&self) -> &str {
        "shares"
    }

    fn supports_repartitioning(&self) -> bool {
        false
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }
}

/// Reads a share where another source would open a file.
struct Reader(Shares);

impl FileOpener for Reader {
    fn open(&self, file: PartitionedFile) -> Result<FileOpenFuture> {
        let share = self.0.at(&file).cloned();
        let schema = self.0.schema.table_schema().clone();
        let read = async move {
            let share = share.ok_or_else(|| external("a share that is not there"))?;
            let written = share.read().await.map_err(external)?;
            let json = serde_json::to_string(&written).map_err(external)?;
            let rows = RecordBatch::try_new(schema, vec![Arc::new(StringArray::from(vec![json]))])?;
            Ok(futures::stream::iter([Ok(rows)]).boxed())
        };
        Ok(read.boxed())
    }
}

fn external(error: impl Into<SharesError>) -> DataFusionError {
    DataFusionError::External(error.into())
}

/// Ballista's codec, which also knows shares.
#[derive(Debug, Default)]
pub(crate) struct Codec(BallistaPhysicalExtensionCodec);

impl PhysicalExtensionCodec for Codec {
    fn try_decode(
        &self,
        bytes: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        context: &TaskContext,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        match bytes.strip_prefix(MARK) {
            Some(shares) => Ok(read_all(serde_json::from_slice(shares).map_err(external)?)),
            None => self.0.try_decode(bytes, inputs, context, converter),
        }
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        bytes: &mut Vec<u8>,
        converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        match shares(&node) {
            Some(shares) => {
                bytes.extend_from_slice(MARK);
                serde_json::to_writer(bytes, &shares).map_err(external)
            }
            None => self.0.try_encode(node, bytes, converter),
        }
    }
}

/// The shares that a scan still has: a task is given some of the groups.
fn shares(node: &Arc<dyn ExecutionPlan>) -> Option<Vec<&Share>> {
    let source: &dyn Any = node
        .downcast_ref::<DataSourceExec>()?
        .data_source()
        .as_ref();
    let config: &FileScanConfig = source.downcast_ref()?;
    let source: &dyn Any = config.file_source().as_ref();
    let shares: &Shares = source.downcast_ref()?;
    let files = config.file_groups.iter().flat_map(FileGroup::iter);
    files.map(|file| shares.at(file)).collect()
}
