//! Where sources lie.

use std::collections::HashMap;

use anyhow::Result;
use datafusion::functions_aggregate::expr_fn::max;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use serde::Deserialize;

use crate::ask::records;

#[derive(Deserialize)]
struct Path {
    source_id: String,
    path: Option<String>,
}

/// The path of each of these sources, as far as it is known.
pub async fn paths(ctx: &SessionContext, ids: &[String]) -> Result<HashMap<String, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Expr> = ids.iter().map(|id| lit(id.as_str())).collect();
    let sources = ctx.table("sources").await?;
    let sources = sources
        .filter(col("source_id").in_list(ids, false))?
        .aggregate(vec![col("source_id")], vec![max(col("path")).alias("path")])?;
    let found: Vec<Path> = records(sources).await?;
    let pair = |found: Path| Some((found.source_id, found.path?));
    Ok(found.into_iter().filter_map(pair).collect())
}
