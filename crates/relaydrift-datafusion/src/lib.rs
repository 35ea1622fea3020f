//! relaydrift as a DataFusion plugin: its tables, views and functions in any DataFusion host.
//!
//! This crate knows the engine. It must not know gRPC, the command line or how a log line reads:
//! rows come from `relaydrift-ingest` and `relaydrift-lake`, views from the `.sql` files of the
//! folder `sql`.
//!
//! [`session_state`] builds the one state that everything with SQL uses, and [`register_all`] puts
//! the plugin into a context. Names are resolved lazily: a question opens only the tables it names,
//! a view is planned only when it is named, and tables of the host keep working beside them.
//!
//! ```
//! # async fn run() -> datafusion::common::Result<()> {
//! use relaydrift_datafusion::{Source, register_all, session_context};
//!
//! let ctx = session_context(2);
//! register_all(&ctx, Source::None).await?;
//! let code = ctx.sql("select smtp_enhanced('550 5.7.64 Relay Access Denied')").await?;
//! code.show().await
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
//! ```

mod catalog;
mod described;
mod expected;
pub mod functions;
mod lake_table;
mod log_tables;
pub mod plain;
pub mod powershell;
pub mod query;
mod rehearse;
pub mod remedy;
mod send_log;
mod session;
mod settings;
mod source;
mod views;

#[cfg(test)]
mod tests;

pub use described::{Described, described};
pub use expected::Expected;
pub use log_tables::{LogTables, Need};
pub use rehearse::{Rehearsal, SenderName, SenderNetwork, Unfit};
pub use session::{session_context, session_state, session_state_in};
pub use settings::{SEVERITIES, Setting, Settings, settings};
pub use source::Source;
pub use views::{View, views};

use std::sync::Arc;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, MemorySchemaProvider};
use datafusion::common::Result;
use datafusion::prelude::SessionContext;

/// Registers the functions, the tables of `source` and the views in the default schema of `ctx`.
///
/// The schema that was there stays underneath: names that are not ours are looked up and created
/// in it. Calling it again with another source replaces the tables.
pub async fn register_all(ctx: &SessionContext, source: Source) -> Result<()> {
    register_expecting(ctx, source, Arc::default()).await
}

/// As [`register_all`], with rows of what should be presented ([`Table::EXPECTED`]) that count for the
/// questions of this context: alone over logs, over a lake in place of what is stored for the same
/// organization (and server, for tables that have one).
///
/// [`Table::EXPECTED`]: relaydrift_ingest::Table::EXPECTED
pub async fn register_expecting(
    ctx: &SessionContext,
    source: Source,
    expected: Expected,
) -> Result<()> {
    functions::register(&mut ctx.clone())?;
    settings::register(ctx);
    let tables = source::Tables::new(source, expected, ctx)?;
    let config = ctx.copied_config();
    let options = &config.options().catalog;
    let catalog: Arc<dyn CatalogProvider> = match ctx.catalog(&options.default_catalog) {
        Some(catalog) => catalog,
        None => {
            let catalog = Arc::new(MemoryCatalogProvider::new());
            ctx.register_catalog(&options.default_catalog, catalog.clone());
            catalog
        }
    };
    let host = match catalog.schema(&options.default_schema) {
        Some(schema) => catalog::host_of(schema),
        None => Arc::new(MemorySchemaProvider::new()),
    };
    let schema = catalog::Schema::new(tables, host, ctx);
    catalog.register_schema(&options.default_schema, Arc::new(schema))?;
    Ok(())
}

/// An error of another crate, whole, as DataFusion carries it.
pub(crate) fn external(
    error: impl std::error::Error + Send + Sync + 'static,
) -> datafusion::error::DataFusionError {
    datafusion::error::DataFusionError::External(Box::new(error))
}
