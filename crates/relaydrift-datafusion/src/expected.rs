//! What should be presented, given for the questions of one context.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
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
    expected: &HashMap<Table, Vec<RecordBatch>>,
) -> Result<Arc<dyn TableProvider>> {
    let of = |table| expected.get(&table).map_or(&[][..], Vec::as_slice);
    let (given, imports) = (of(table), of(Table::Imports));
    let Some(replaced) = replaced(table, given)
        .into_iter()
        .chain(emptied(table, imports))
        .reduce(Expr::or)
    else {
        return match given.is_empty() {
            true => Ok(stored),
            false => united(stored, table, given, lit(true)),
        };
    };
    united(stored, table, given, replaced.is_not_true())
}

/// The stored rows that are kept, and those given.
fn united(
    stored: Arc<dyn TableProvider>,
    table: Table,
    given: &[RecordBatch],
    kept: Expr,
) -> Result<Arc<dyn TableProvider>> {
    let given_rows = provider_as_source(alone(table, given)?);
    let given_rows = LogicalPlanBuilder::scan("given", given_rows, None)?.build()?;
    let plan = LogicalPlanBuilder::scan(table.name(), provider_as_source(stored), None)?
        .filter(kept)?
        .union(given_rows)?
        .build()?;
    Ok(Arc::new(ViewTable::new(plan, None)))
}

/// The stored rows of organizations of which an import told that there are none of the table's kind.
fn emptied(table: Table, imports: &[RecordBatch]) -> Option<Expr> {
    let mut organizations = BTreeSet::new();
    for batch in imports {
        let text = |name| batch[name].as_string::<i32>();
        let objects = batch["objects"].as_primitive::<Int64Type>();
        for at in 0..batch.num_rows() {
            if text("kind").value(at) == table.name() && objects.value(at) == 0 {
                organizations.insert(text("organization").value(at));
            }
        }
    }
    let same = organizations
        .into_iter()
        .map(|organization| col("organization").eq(lit(organization)));
    same.reduce(Expr::or)
}

/// Which stored rows go: those of the same organization, of the same server where the table has them, of planned
/// changes those of the same id, of imports those of the same kind.
fn replaced(table: Table, given: &[RecordBatch]) -> Option<Expr> {
    if !Table::EXPECTED.contains(&table) {
        return None;
    }
    let part = ["server", "id", "kind"]
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
    replaced.reduce(Expr::or)
}
