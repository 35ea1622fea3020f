//! The default schema: our tables and views by name, each opened when it is asked for.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use datafusion::arrow::datatypes::{Field, FieldRef, Fields, Schema as Columns};
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::{Result, TableReference, exec_err, plan_err};
use datafusion::config::Dialect;
use datafusion::datasource::{MemTable, TableType, ViewTable};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::collect;
use datafusion::prelude::SessionContext;
use futures::FutureExt;
use futures::future::BoxFuture;
use relaydrift_ingest::Table;
use tokio::sync::OnceCell;

use crate::source::Tables;
use crate::views::{View, view};
use crate::{Settings, external};

/// A way to the session's state that does not keep the session alive: the state holds the catalog
/// that holds this schema.
type State = Box<dyn Fn() -> Option<SessionState> + Send + Sync>;

/// Views that others build on, several times over: DataFusion plans and runs a view anew at each
/// reference, which multiplies from view to view. They are small (a row per span or less) and what
/// they read does not change, so each is answered once and kept, as long as the settings stay.
const KEPT: [&str; 33] = [
    "attribution",
    "attribution_hours",
    "causes",
    "certificate_changes",
    "certificate_expiry",
    "certificate_facts",
    "changes",
    "clocks",
    "cloud_hours",
    "connectors",
    "diagnosis",
    "divergences",
    "drift",
    "egress_changes",
    "episodes",
    "expected_connectors",
    "expected_matches",
    "failed_mail",
    "incident_evidence",
    "incidents",
    "lapses",
    "linked",
    "logged_hours",
    "observed",
    "present",
    "proved_relays",
    "relay_domains",
    "relay_hours",
    "sequence_holes",
    "silences",
    "spans",
    "uses",
    "verdicts",
];

/// An answer that is worked out by whoever asks first.
type Answer = Arc<OnceCell<Arc<dyn TableProvider>>>;

/// The tables of a source and the views, in front of the schema of the host.
pub(crate) struct Schema {
    ours: Arc<Ours>,
    host: Arc<dyn SchemaProvider>,
}

/// The tables of a source and the views.
struct Ours {
    tables: Tables,
    state: State,
    kept: Mutex<Kept>,
}

/// The answers to [`KEPT`] under one set of settings.
#[derive(Default)]
struct Kept {
    settings: Settings,
    answers: HashMap<&'static str, Answer>,
}

impl Schema {
    /// Puts the tables and the views in front of `host`.
    pub(crate) fn new(tables: Tables, host: Arc<dyn SchemaProvider>, ctx: &SessionContext) -> Self {
        let weak = ctx.state_weak_ref();
        let state = move || {
            let mut state = weak.upgrade()?.read().clone();
            // `now()` is the time at which an answer is begun.
            state.mark_start_execution();
            Some(state)
        };
        let ours = Ours {
            tables,
            state: Box::new(state),
            kept: Mutex::default(),
        };
        Schema {
            ours: Arc::new(ours),
            host,
        }
    }

    fn owned(&self, name: &str) -> Option<Table> {
        Table::ALL
            .into_iter()
            .find(|table| table.name() == name)
            .filter(|_| self.ours.tables.exist())
    }
}

impl Ours {
    /// The place of an answer; those under other settings are forgotten.
    fn kept(&self, view: &'static View, settings: Settings) -> Answer {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.settings != settings {
            *kept = Kept {
                settings,
                ..Kept::default()
            };
        }
        kept.answers.entry(view.name).or_default().clone()
    }

    fn open(
        self: Arc<Self>,
        view: &'static View,
    ) -> BoxFuture<'static, Result<Arc<dyn TableProvider>>> {
        async move {
            let Some(state) = (self.state)() else {
                return plan_err!("the session of view {} is gone", view.name);
            };
            if KEPT.contains(&view.name) && self.tables.exist() {
                let kept = self.kept(view, Settings::of(state.config_options()));
                let answer = kept.get_or_try_init(|| self.answer(state, view)).await;
                return answer.cloned();
            }
            let plan = self.plan(&state, view).await?;
            Ok(Arc::new(ViewTable::new(plan, Some(view.sql.to_string()))) as _)
        }
        .boxed()
    }

    /// The rows of a view, as a table in memory.
    async fn answer(
        self: &Arc<Self>,
        state: SessionState,
        view: &'static View,
    ) -> Result<Arc<dyn TableProvider>> {
        let plan = self.plan(&state, view).await?;
        let plan = state.create_physical_plan(&plan).await?;
        // Only the planned types are those of the rows, and they may be NULL where the plan says never.
        let nullable = |field: &FieldRef| Field::clone(field).with_nullable(true);
        let fields: Fields = plan.schema().fields().iter().map(nullable).collect();
        let rows = collect(plan, state.task_ctx()).await?;
        let table = MemTable::try_new(Arc::new(Columns::new(fields)), vec![rows])?;
        Ok(Arc::new(table))
    }

    /// Plans a view. The views that it reads are opened ahead, each on a task of its own: the planner would open
    /// them one after the other.
    async fn plan(self: &Arc<Self>, state: &SessionState, of: &View) -> Result<LogicalPlan> {
        let statement = state.sql_to_statement(of.sql, &Dialect::Generic)?;
        let names = state.resolve_table_references(&statement)?;
        let views = names.iter().filter_map(|name| match name {
            TableReference::Bare { table } => view(table),
            _ => None,
        });
        let opened = views.map(|view| SpawnedTask::spawn(self.clone().open(view)));
        for opened in opened.collect::<Vec<_>>() {
            opened.join_unwind().await.map_err(external)??;
        }
        state.statement_to_plan(statement).await
    }
}

/// The schema underneath, where `schema` is one of ours.
pub(crate) fn host_of(schema: Arc<dyn SchemaProvider>) -> Arc<dyn SchemaProvider> {
    match schema.downcast_ref::<Schema>() {
        Some(ours) => ours.host.clone(),
        None => schema,
    }
}

#[async_trait]
impl SchemaProvider for Schema {
    fn table_names(&self) -> Vec<String> {
        let tables = Table::ALL.into_iter().filter(|_| self.ours.tables.exist());
        let mut names: Vec<String> = tables.map(|table| table.name().to_string()).collect();
        names.extend(
            crate::views::views()
                .iter()
                .map(|view| view.name.to_string()),
        );
        names.extend(
            self.host
                .table_names()
                .into_iter()
                .filter(|name| view(name).is_none()),
        );
        names
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        if let Some(table) = self.owned(name) {
            return self.ours.tables.open(table).await;
        }
        if let Some(view) = view(name) {
            return self.ours.clone().open(view).await.map(Some);
        }
        self.host.table(name).await
    }

    async fn table_type(&self, name: &str) -> Result<Option<TableType>> {
        if self.owned(name).is_some() {
            return Ok(Some(TableType::Base));
        }
        if view(name).is_some() {
            return Ok(Some(TableType::View));
        }
        self.host.table_type(name).await
    }

    fn register_table(
        &self,
        name: String,
        table: Arc<dyn TableProvider>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        if self.owned(&name).is_some() || view(&name).is_some() {
            return exec_err!("{name} is a table or view of relaydrift: choose another name");
        }
        self.host.register_table(name, table)
    }

    fn deregister_table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        self.host.deregister_table(name)
    }

    fn table_exist(&self, name: &str) -> bool {
        self.owned(name).is_some() || view(name).is_some() || self.host.table_exist(name)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema")
            .field("tables", &self.ours.tables)
            .field("host", &self.host)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_are_views() {
        let strangers = KEPT.iter().filter(|name| view(name).is_none());
        assert_eq!(strangers.collect::<Vec<_>>(), [&""; 0]);
        assert!(KEPT.is_sorted());
    }
}
