//! What should be presented, given for the questions of one context.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::catalog::TableProvider;
use datafusion::common::Result;
use datafusion::datasource::{MemTable, ViewTable, provider_as_source};
use datafusion::logical_expr::{Expr, LogicalPlanBuilder, col, lit};
use relaydrift_ingest::Table;

/// Rows of [`Table::EXPECTED`] and of `certificates_seen`, as `relaydrift_ingest::expected` builds them.
pub type Expected = Arc<HashMap<Table, Vec<RecordBatch>>>;

/// The rows given, alone.
pub(crate) fn alone(table: Table, given: &[RecordBatch]) -> Result<Arc<dyn TableProvider>> {
    let table = MemTable::try_new(table.schema(), vec![given.to_vec()])?;
    Ok(Arc::new(table))
}

/// The rows given, and those stored that they do not take the place of.
pub(crate) fn beside(
    stored: Arc<dyn TableProvider>,
    table: Table,
    given: &[RecordBatch],
) -> Result<Arc<dyn TableProvider>> {
    let rows = given.iter().map(RecordBatch::num_rows).sum::<usize>();
    if rows == 0 {
        return Ok(stored);
    }
    let given_rows = provider_as_source(alone(table, given)?);
    let given_rows = LogicalPlanBuilder::scan("given", given_rows, None)?.build()?;
    let plan = LogicalPlanBuilder::scan(table.name(), provider_as_source(stored), None)?
        .filter(kept(table, given))?
        .union(given_rows)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// Which stored rows stay: those of other organizations, of other servers where the table has them, and of planned
/// changes those of other ids.
fn kept(table: Table, given: &[RecordBatch]) -> Expr {
    if !Table::EXPECTED.contains(&table) {
        return lit(true);
    }
    let part = ["server", "id"]
        .into_iter()
        .find(|part| table.schema().index_of(part).is_ok());
    let mut places = BTreeSet::new();
    for batch in given {
        let texts = |name| {
            batch
                .column_by_name(name)
                .map(|column| column.as_string::<i32>())
        };
        let (Some(organizations), parts) = (texts("organization"), part.and_then(texts)) else {
            continue;
        };
        for at in 0..batch.num_rows() {
            let part = parts.filter(|parts| parts.is_valid(at));
            places.insert((organizations.value(at), part.map(|parts| parts.value(at))));
        }
    }
    let replaced = places.into_iter().filter_map(|(organization, value)| {
        let same = col("organization").eq(lit(organization));
        match (part, value) {
            (None, _) => Some(same),
            (Some(part), Some(value)) => Some(same.and(col(part).eq(lit(value)))),
            // A certificate out of a file is in no server's store.
            (Some(_), None) => None,
        }
    });
    let replaced = replaced.reduce(Expr::or).unwrap_or(lit(false));
    replaced.is_not_true()
}
