//! Tables, views and functions for a DataFusion that was compiled by others: through its FFI, by capsules.
//!
//! Whatever the host asks is planned and read in our own context, where the settings and the other views are.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{
    Session, TableFunction, TableFunctionArgs, TableFunctionImpl, TableProvider,
};
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::TableType;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{
    AggregateUDF, Expr, ScalarUDF, TableProviderFilterPushDown, WindowUDF,
};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::ReplaceChildrenOptions;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
};
use datafusion::prelude::SessionContext;
use datafusion_ffi::proto::logical_extension_codec::FFI_LogicalExtensionCodec;
use datafusion_ffi::table_provider::FFI_TableProvider;
use datafusion_ffi::udaf::FFI_AggregateUDF;
use datafusion_ffi::udf::FFI_ScalarUDF;
use datafusion_ffi::udtf::FFI_TableFunction;
use datafusion_ffi::udwf::FFI_WindowUDF;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use relaydrift_datafusion::{Described, functions};
use tokio::runtime::Handle;

/// A table or view for the host.
#[pyclass(frozen, module = "relaydrift._native")]
pub(crate) struct Table(Arc<Ours>);

impl Table {
    /// The one that is so described.
    pub(crate) fn named(ctx: &SessionContext, of: &Described, runtime: Handle) -> Table {
        Table(Arc::new(Ours {
            ctx: ctx.clone(),
            runtime,
            columns: of.columns.clone(),
            kind: match of.is_view {
                true => TableType::View,
                false => TableType::Base,
            },
            rows: Origin::Name(of.name.clone()),
        }))
    }
}

#[pymethods]
impl Table {
    fn __datafusion_table_provider__<'py>(
        &self,
        py: Python<'py>,
        session: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let runtime = Some(self.0.runtime.clone());
        let ours = self.0.clone();
        let table = FFI_TableProvider::new_with_ffi_codec(ours, true, runtime, codec(&session)?);
        PyCapsule::new_with_value(py, table, c"datafusion_table_provider")
    }
}

/// A function for the host: it has the method of its kind.
#[pyclass(frozen, module = "relaydrift._native")]
pub(crate) struct Function(Kind);

enum Kind {
    Scalar(Arc<ScalarUDF>),
    Aggregate(Arc<AggregateUDF>),
    Window(Arc<WindowUDF>),
    Table(Arc<Called>),
}

/// Every function that needs no lake: its kind (`scalar`, `aggregate`, `window`), its name, and itself.
#[pyfunction]
pub(crate) fn all_functions() -> Vec<(&'static str, String, Function)> {
    let scalar = functions::scalar_functions().into_iter().map(|function| {
        let name = function.name().to_owned();
        ("scalar", name, Function(Kind::Scalar(function.into())))
    });
    let aggregate = functions::aggregate_functions()
        .into_iter()
        .map(|function| {
            let name = function.name().to_owned();
            (
                "aggregate",
                name,
                Function(Kind::Aggregate(function.into())),
            )
        });
    let window = functions::window_functions().into_iter().map(|function| {
        let name = function.name().to_owned();
        ("window", name, Function(Kind::Window(function.into())))
    });
    scalar.chain(aggregate).chain(window).collect()
}

impl Function {
    /// `rehearse`, over the tables of a context.
    pub(crate) fn rehearse(ctx: &SessionContext, runtime: Handle) -> PyResult<Function> {
        let function = ctx.table_function("rehearse").map_err(raised)?;
        Ok(Function(Kind::Table(Arc::new(Called {
            ctx: ctx.clone(),
            runtime,
            function,
        }))))
    }
}

#[pymethods]
impl Function {
    fn __datafusion_scalar_udf__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let Kind::Scalar(function) = &self.0 else {
            return Err(raised("no scalar function"));
        };
        let function = FFI_ScalarUDF::from(function.clone());
        PyCapsule::new_with_value(py, function, c"datafusion_scalar_udf")
    }

    fn __datafusion_aggregate_udf__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let Kind::Aggregate(function) = &self.0 else {
            return Err(raised("no aggregate function"));
        };
        let function = FFI_AggregateUDF::from(function.clone());
        PyCapsule::new_with_value(py, function, c"datafusion_aggregate_udf")
    }

    fn __datafusion_window_udf__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        let Kind::Window(function) = &self.0 else {
            return Err(raised("no window function"));
        };
        let function = FFI_WindowUDF::from(function.clone());
        PyCapsule::new_with_value(py, function, c"datafusion_window_udf")
    }

    fn __datafusion_table_function__<'py>(
        &self,
        py: Python<'py>,
        session: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        let Kind::Table(function) = &self.0 else {
            return Err(raised("no table function"));
        };
        let runtime = Some(function.runtime.clone());
        let function = function.clone();
        let function = FFI_TableFunction::new_with_ffi_codec(function, runtime, codec(&session)?);
        PyCapsule::new_with_value(py, function, c"datafusion_table_function")
    }
}

fn raised(error: impl fmt::Display) -> PyErr {
    crate::Error::new_err(error.to_string())
}

/// How the host writes and reads plans.
#[allow(unsafe_code)]
fn codec(session: &Bound<'_, PyAny>) -> PyResult<FFI_LogicalExtensionCodec> {
    let codec = session.call_method0("__datafusion_logical_extension_codec__")?;
    let codec = codec.cast::<PyCapsule>()?;
    let name = c"datafusion_logical_extension_codec";
    let found = codec.pointer_checked(Some(name))?;
    // SAFETY: a capsule of this name holds this type in every DataFusion of the same major version, which
    // `register` has compared; the capsule lives until the copy is made.
    Ok(unsafe { found.cast::<FFI_LogicalExtensionCodec>().as_ref() }.clone())
}

/// A table whose rows are planned in our context.
struct Ours {
    ctx: SessionContext,
    runtime: Handle,
    columns: SchemaRef,
    kind: TableType,
    rows: Origin,
}

/// Where rows come from.
enum Origin {
    /// A table or view, opened when it is asked.
    Name(String),
    /// What a table function gave.
    Call(Arc<dyn TableProvider>),
}

impl fmt::Debug for Ours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rows {
            Origin::Name(name) => f.debug_tuple("Ours").field(name).finish(),
            Origin::Call(table) => f.debug_tuple("Ours").field(table).finish(),
        }
    }
}

#[async_trait]
impl TableProvider for Ours {
    fn schema(&self) -> SchemaRef {
        self.columns.clone()
    }

    fn table_type(&self) -> TableType {
        self.kind
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // The host filters again what a table in memory did not.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let table = match &self.rows {
            Origin::Call(table) => Ok(table.clone()),
            Origin::Name(name) => Err(name.clone()),
        };
        let (ctx, projection, filters) = (self.ctx.clone(), projection.cloned(), filters.to_vec());
        let planned = self.runtime.spawn(async move {
            let table = match table {
                Ok(table) => table,
                Err(name) => ctx.table_provider(name).await?,
            };
            let state = ctx.state();
            let plan = table
                .scan(&state, projection.as_ref(), &filters, limit)
                .await?;
            Ok(Arc::new(Leaf::new(plan, state.task_ctx())) as _)
        });
        planned
            .await
            .map_err(|ended| DataFusionError::External(Box::new(ended)))?
    }
}

/// A plan of ours as one node: the host would copy every node below it, and rewrite them all again at each step of
/// its optimizer, which for a view over views takes minutes.
#[derive(Debug)]
struct Leaf {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
    properties: Arc<PlanProperties>,
}

impl Leaf {
    fn new(plan: Arc<dyn ExecutionPlan>, context: Arc<TaskContext>) -> Leaf {
        let of = plan.properties();
        let properties = PlanProperties::new(
            EquivalenceProperties::new(plan.schema()),
            Partitioning::UnknownPartitioning(of.partitioning.partition_count()),
            of.emission_type,
            of.boundedness,
        );
        Leaf {
            properties: Arc::new(properties),
            plan,
            context,
        }
    }
}

impl DisplayAs for Leaf {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Leaf {
    fn name(&self) -> &str {
        "RelaydriftExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        self.plan.execute(partition, self.context.clone())
    }
}

/// A table function whose rows are planned in our context.
struct Called {
    ctx: SessionContext,
    runtime: Handle,
    function: Arc<TableFunction>,
}

impl fmt::Debug for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Called")
            .field(&self.function.name())
            .finish()
    }
}

impl TableFunctionImpl for Called {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let state = self.ctx.state();
        let args = TableFunctionArgs::new(args.exprs(), &state);
        let table = self.function.create_table_provider_with_args(args)?;
        Ok(Arc::new(Ours {
            ctx: self.ctx.clone(),
            runtime: self.runtime.clone(),
            columns: table.schema(),
            kind: table.table_type(),
            rows: Origin::Call(table),
        }))
    }
}
