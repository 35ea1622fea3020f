//! What there is to ask, before a lake is opened: every table and view with its columns.

use datafusion::arrow::datatypes::SchemaRef;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use tokio::sync::OnceCell;

use crate::views::view;
use crate::{Source, register_all, session_context};

/// A table or view and its columns.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its name in SQL.
    pub name: String,
    /// A view, not a table.
    pub is_view: bool,
    /// Its columns.
    pub columns: SchemaRef,
}

/// All tables and views, learned once, over no rows: no lake is read for it.
pub async fn described() -> Result<&'static [Described]> {
    static KNOWN: OnceCell<Vec<Described>> = OnceCell::const_new();
    KNOWN.get_or_try_init(learn).await.map(Vec::as_slice)
}

async fn learn() -> Result<Vec<Described>> {
    let ctx: SessionContext = session_context(1);
    register_all(&ctx, Source::Batches(Default::default())).await?;
    let options = ctx.copied_config().options().catalog.clone();
    let catalog = ctx.catalog(&options.default_catalog);
    let schema = catalog.and_then(|catalog| catalog.schema(&options.default_schema));
    let mut known = Vec::new();
    for name in schema.iter().flat_map(|schema| schema.table_names()) {
        known.push(Described {
            columns: ctx.table_provider(name.as_str()).await?.schema(),
            // A view that is answered once and kept calls itself a table.
            is_view: view(&name).is_some(),
            name,
        });
    }
    Ok(known)
}
