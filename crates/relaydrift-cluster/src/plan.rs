//! Plans that travel: which do, what is changed in them first, and how their rows come back.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ballista_core::execution_plans::execute_physical_plan;
use ballista_core::extension::SessionConfigExt;
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use datafusion::arrow::datatypes::{FieldRef, Fields, Schema};
use datafusion::catalog::Session;
use datafusion::catalog::memory::MemorySourceConfig;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::utils::memory::RecordBatchMemoryCounter;
use datafusion::common::{JoinType, Result};
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfig, ParquetSource};
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::error::DataFusionError;
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::analyze::AnalyzeExec;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec, PartitionMode};
use datafusion::physical_plan::limit::GlobalLimitExec;
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::windows::{BoundedWindowAggExec, WindowAggExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, Partitioning,
    PlanProperties, replace_children_if_necessary,
};
use datafusion::physical_planner::{DefaultPhysicalPlanner, PhysicalPlanner};
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::PhysicalPlanNode;
use futures::{StreamExt, TryStreamExt};

use crate::{Address, CANCELLED, probe};

/// Plans as DataFusion does, and sends plans that read files to a cluster.
pub(crate) struct Planner {
    local: DefaultPhysicalPlanner,
    scheduler: Address,
    least: u64,
}

impl Planner {
    pub(crate) fn new(scheduler: &Address, least: u64) -> Self {
        Planner {
            local: DefaultPhysicalPlanner::default(),
            scheduler: scheduler.clone(),
            least,
        }
    }

    fn send(&self, plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
        if plan.is::<AnalyzeExec>() {
            let inner = plan.children().into_iter().cloned();
            let inner = inner.map(|plan| self.send(plan)).collect::<Result<_>>()?;
            return replace_children_if_necessary(plan, inner);
        }
        if !can_travel(&plan, self.least)? {
            return Ok(plan);
        }
        Ok(Arc::new(OnCluster::new(plan, self.scheduler.clone())))
    }
}

impl fmt::Debug for Planner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Planner").field(&self.scheduler).finish()
    }
}

#[async_trait]
impl QueryPlanner for Planner {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.send(self.local.create_physical_plan(plan, session).await?)
    }
}

/// What a cluster answers as one process does; everything else is left to whoever asks. Ballista deals out the partitions of
/// leaves that it knows, and lets every task run the others whole, so that their rows would come several times; others get
/// lost on the way without a word (scalar subqueries that must have one row, the filters of windows).
const SAFE: [&str; 21] = [
    "AggregateExec",
    "BoundedWindowAggExec",
    "CoalesceBatchesExec",
    "CoalescePartitionsExec",
    "CooperativeExec",
    "CrossJoinExec",
    "DataSourceExec",
    "EmptyExec",
    "FilterExec",
    "GlobalLimitExec",
    "HashJoinExec",
    "LocalLimitExec",
    "NestedLoopJoinExec",
    "PlaceholderRowExec",
    "ProjectionExec",
    "RepartitionExec",
    "SortExec",
    "SortPreservingMergeExec",
    "UnionExec",
    "UnnestExec",
    "WindowAggExec",
];

/// Bytes of rows in memory that go along with a plan, to every task of it; with more of them the plan stays.
const ROWS_LIMIT: usize = 32 << 20;

/// Whether a cluster has so many bytes to read in a plan, and can be trusted with all of it.
fn can_travel(plan: &Arc<dyn ExecutionPlan>, least: u64) -> Result<bool> {
    let (mut files, mut bytes, mut rows, mut safe) = (false, 0, 0, true);
    plan.apply(|node| {
        if let Some(scan) = parquet(node) {
            files = true;
            let groups = scan.file_groups.iter().flat_map(FileGroup::iter);
            bytes += groups.map(|file| file.object_meta.size).sum::<u64>();
        }
        rows += rows_in_memory(node);
        safe &= rows <= ROWS_LIMIT && is_safe(node);
        Ok(match safe {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(files && bytes >= least && safe)
}

fn is_safe(node: &Arc<dyn ExecutionPlan>) -> bool {
    if let Some(leaf) = node.downcast_ref::<DataSourceExec>() {
        return parquet(node).is_some() || source::<MemorySourceConfig>(leaf).is_some();
    }
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        let one_side = *join.partition_mode() == PartitionMode::CollectLeft;
        return !(join.null_aware || one_side && keeps_left(*join.join_type()));
    }
    let windows = match node.downcast_ref::<WindowAggExec>() {
        Some(window) => window.window_expr(),
        None => node
            .downcast_ref::<BoundedWindowAggExec>()
            .map_or(&[][..], |window| window.window_expr()),
    };
    // Neither is part of the message that a window becomes; both are part of its name.
    let whole = |name: &str| !name.contains("FILTER (WHERE") && !name.contains("IGNORE NULLS");
    SAFE.contains(&node.name()) && windows.iter().all(|window| whole(window.name()))
}

/// Bytes of the rows that a node has in memory, each buffer once: batches are mostly slices of a few large ones.
fn rows_in_memory(node: &Arc<dyn ExecutionPlan>) -> usize {
    let leaf = node.downcast_ref::<DataSourceExec>();
    let rows = leaf.and_then(source::<MemorySourceConfig>);
    let batches = rows.iter().flat_map(|rows| rows.partitions()).flatten();
    let mut counter = RecordBatchMemoryCounter::new();
    batches.map(|batch| counter.count_batch(batch)).sum()
}

/// A scan of Parquet files, if a node is one.
fn parquet(node: &Arc<dyn ExecutionPlan>) -> Option<&FileScanConfig> {
    let scan: &FileScanConfig = source(node.downcast_ref::<DataSourceExec>()?)?;
    scan.file_source().is::<ParquetSource>().then_some(scan)
}

fn source<T: DataSource>(leaf: &DataSourceExec) -> Option<&T> {
    let source: &dyn Any = leaf.data_source().as_ref();
    source.downcast_ref()
}

/// A plan as tasks on several machines answer it: what one process would know of all partitions is put where one task
/// has them all.
fn for_tasks(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    plan.transform_up(|node| {
        if let Some(leaf) = node.downcast_ref::<DataSourceExec>()
            && let Some(limit) = source::<MemorySourceConfig>(leaf).and_then(|rows| rows.fetch())
        {
            // The limit of rows in memory gets lost where they are dealt out.
            return Ok(Transformed::yes(in_one_task(node, Some(limit))));
        }
        if let Some(rows) = made_up(&node)? {
            return Ok(Transformed::yes(rows));
        }
        if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>()
            && keeps_left(*join.join_type())
        {
            let sides = vec![join.left().clone(), in_one_task(join.right().clone(), None)];
            return replace_children_if_necessary(node, sides).map(Transformed::yes);
        }
        Ok(Transformed::no(node))
    })
    .map(|changed| changed.data)
}

/// The rows of a leaf that reads nothing, as rows in memory: where a union is dealt out, Ballista puts such into the place of
/// one, and waits for ever because the tasks of a stage then count other nodes.
fn made_up(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let mut schema = node.schema();
    let rows = if node.is::<EmptyExec>() {
        Vec::new()
    } else if node.is::<PlaceholderRowExec>() {
        // It promises values and has none; nobody asks for more than that there is a row.
        let nullable = |field: &FieldRef| field.as_ref().clone().with_nullable(true);
        schema = Arc::new(Schema::new(
            schema.fields().iter().map(nullable).collect::<Fields>(),
        ));
        let fields = schema.fields().iter();
        let nulls = fields.map(|field| new_null_array(field.data_type(), 1));
        let one = RecordBatchOptions::new().with_row_count(Some(1));
        vec![RecordBatch::try_new_with_options(
            schema.clone(),
            nulls.collect(),
            &one,
        )?]
    } else {
        return Ok(None);
    };
    let mut parts = vec![rows];
    parts.resize(node.output_partitioning().partition_count(), Vec::new());
    Ok(Some(MemorySourceConfig::try_new_exec(
        &parts, schema, None,
    )?))
}

/// Whether what a join says of a row on the left depends on all rows on the right.
fn keeps_left(join: JoinType) -> bool {
    matches!(
        join,
        JoinType::Left
            | JoinType::Full
            | JoinType::LeftSemi
            | JoinType::LeftAnti
            | JoinType::LeftMark
    )
}

/// All rows of a plan, or so many, as one partition. A limit asks for that; a mere coalescing would be optimised away, since
/// one process can do without.
fn in_one_task(plan: Arc<dyn ExecutionPlan>, limit: Option<usize>) -> Arc<dyn ExecutionPlan> {
    let plan: Arc<dyn ExecutionPlan> = match plan.output_partitioning().partition_count() {
        1 => plan,
        _ => Arc::new(CoalescePartitionsExec::new(plan)),
    };
    Arc::new(GlobalLimitExec::new(plan, 0, limit))
}

/// A plan that a cluster runs; its rows come as one partition, in the plan's order.
#[derive(Debug)]
struct OnCluster {
    plan: Arc<dyn ExecutionPlan>,
    scheduler: Address,
    properties: Arc<PlanProperties>,
}

impl OnCluster {
    fn new(plan: Arc<dyn ExecutionPlan>, scheduler: Address) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(plan.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        OnCluster {
            plan,
            scheduler,
            properties: Arc::new(properties),
        }
    }
}

impl DisplayAs for OnCluster {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OnCluster: scheduler={}", self.scheduler)
    }
}

impl ExecutionPlan for OnCluster {
    fn name(&self) -> &str {
        "OnCluster"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.plan]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let plan = children.swap_remove(0);
        Ok(Arc::new(OnCluster::new(plan, self.scheduler.clone())))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let rows = rows(
            self.scheduler.clone(),
            for_tasks(self.plan.clone())?,
            context.session_id(),
            context.session_config().clone(),
        );
        let rows = futures::stream::once(rows).try_flatten();
        let rows = RecordBatchStreamAdapter::new(self.schema(), rows);
        Ok(Box::pin(rows))
    }
}

/// Times that a plan is run again where an executor is lost meanwhile.
const AGAIN: usize = 3;

/// The rows of a plan, once a cluster has run it.
///
/// A job that loses an executor is given up, for what Ballista 55 makes of the rest has rows twice; here it is begun again,
/// as long as no row was handed on.
pub(crate) async fn rows(
    scheduler: Address,
    plan: Arc<dyn ExecutionPlan>,
    session: String,
    config: SessionConfig,
) -> Result<SendableRecordBatchStream> {
    let (ballista, codec) = (
        config.ballista_config(),
        config.ballista_physical_extension_codec(),
    );
    let mut again = 0;
    loop {
        let run = execute_physical_plan::<PhysicalPlanNode>(
            format!("http://{scheduler}"),
            &ballista,
            plan.clone(),
            &*codec,
            session.clone(),
            config.clone(),
        );
        let first = match run.await {
            Ok(mut rows) => match rows.next().await.transpose() {
                Ok(first) => {
                    let all = futures::stream::iter(first.map(Ok)).chain(rows);
                    return Ok(Box::pin(RecordBatchStreamAdapter::new(plan.schema(), all)));
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        again += 1;
        if again > AGAIN || !lost_executor(&first.to_string()) {
            return Err(first);
        }
        let there = probe::ready(&scheduler).await;
        there.map_err(|error| DataFusionError::External(Box::new(error)))?;
    }
}

/// Whether a job failed because an executor went away, as far as its words tell.
fn lost_executor(error: &str) -> bool {
    let signs = [CANCELLED, "Error connecting", "FetchPartition", "Grpc"];
    signs.iter().any(|sign| error.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{ArrayRef, Int64Array};
    use datafusion::datasource::listing::PartitionedFile;
    use datafusion::datasource::physical_plan::FileScanConfigBuilder;
    use datafusion::execution::object_store::ObjectStoreUrl;
    use datafusion::physical_plan::union::UnionExec;

    /// A file of 1,000 bytes beside so many bytes of rows, in two batches of one buffer.
    fn file_and_rows(bytes: usize) -> Arc<dyn ExecutionPlan> {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![0; bytes / 8]));
        let rows = RecordBatch::try_from_iter([("n", column)]).unwrap();
        let schema = rows.schema();
        let source = Arc::new(ParquetSource::new(schema.clone()));
        let scan = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
            .with_file_group(FileGroup::new(vec![PartitionedFile::new("a", 1000)]))
            .build();
        let half = rows.num_rows() / 2;
        let halves = vec![rows.slice(0, half), rows.slice(half, half)];
        let rows = MemorySourceConfig::try_new_exec(&[halves], schema, None).unwrap();
        UnionExec::try_new(vec![DataSourceExec::from_data_source(scan), rows]).unwrap()
    }

    #[test]
    fn many_rows_in_memory_stay_where_they_are() {
        assert!(can_travel(&file_and_rows(1000), 1000).unwrap());
        assert!(!can_travel(&file_and_rows(1000), 1001).unwrap());
        assert!(can_travel(&file_and_rows(ROWS_LIMIT), 1000).unwrap());
        assert!(!can_travel(&file_and_rows(ROWS_LIMIT + 1000), 1000).unwrap());
    }
}
