//! The plugin in somebody else's context.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::Int64Type;
use datafusion::common::Result;

use crate::{Source, register_all, session_context};

async fn rows(ctx: &datafusion::prelude::SessionContext, sql: &str) -> Result<Vec<RecordBatch>> {
    ctx.sql(sql).await?.collect().await
}

#[tokio::test]
async fn built_in_functions_still_resolve() -> Result<()> {
    let ctx = session_context(1);
    register_all(&ctx, Source::None).await?;
    for sql in [
        "select upper('a'), md5('x'), regexp_like('a', 'b')",
        "select count(*), sum(1)",
    ] {
        assert_eq!(rows(&ctx, sql).await?[0].num_rows(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn tables_of_the_host_keep_working() -> Result<()> {
    let ctx = session_context(1);
    rows(&ctx, "create table before as select 1 as one").await?;
    register_all(&ctx, Source::Batches(Arc::default())).await?;
    rows(&ctx, "create table after as select 2 as two").await?;
    rows(&ctx, "select one, two from before, after").await?;
    rows(
        &ctx,
        "create view mine as select server from certificate_spans",
    )
    .await?;
    rows(&ctx, "select server from mine").await?;
    assert!(
        rows(&ctx, "create table sessions as select 1 as one")
            .await
            .is_err()
    );
    assert!(
        rows(&ctx, "create table drift as select 1 as one")
            .await
            .is_err()
    );
    rows(&ctx, "drop table after").await?;
    assert!(ctx.sql("select two from after").await.is_err());
    // A second source takes the place of the first, the host's tables stay.
    register_all(&ctx, Source::None).await?;
    assert!(ctx.sql("select server from sessions").await.is_err());
    rows(&ctx, "select one from before").await?;
    Ok(())
}

#[tokio::test]
async fn a_context_of_the_host_gets_the_settings_and_keeps_its_own() -> Result<()> {
    let ctx = datafusion::prelude::SessionContext::new();
    register_all(&ctx, Source::None).await?;
    rows(&ctx, "set relaydrift.fleet_servers = 5").await?;
    register_all(&ctx, Source::Batches(Arc::default())).await?;
    let asked = "select setting('relaydrift.fleet_servers')";
    let servers = rows(&ctx, asked).await?[0].column(0).clone();
    assert_eq!(servers.as_primitive::<Int64Type>().value(0), 5);
    Ok(())
}

#[tokio::test]
async fn every_view_plans_over_empty_tables() -> Result<()> {
    let ctx = session_context(2);
    register_all(&ctx, Source::Batches(Arc::default())).await?;
    for view in crate::views() {
        let sql = format!("select * from {}", view.name);
        let found: usize = rows(&ctx, &sql)
            .await?
            .iter()
            .map(RecordBatch::num_rows)
            .sum();
        assert_eq!(found, 0, "{}", view.name);
    }
    Ok(())
}

#[tokio::test]
async fn the_drift_views_share_one_contract() -> Result<()> {
    let ctx = session_context(1);
    register_all(&ctx, Source::Batches(Arc::default())).await?;
    let contract = "found_at kind class severity breaking organization connector_id role server before \
        after first_seen last_good refused_after last_refused relayed_again session_id detail key planned_change_id";
    let drift = ctx.table("drift").await?;
    let names: Vec<_> = drift
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, contract.split_whitespace().collect::<Vec<_>>());
    for name in ["certificate_drift", "egress_drift"] {
        let view = ctx.table(name).await?;
        let types = |frame: &datafusion::dataframe::DataFrame| {
            let fields = frame.schema().fields().iter();
            fields
                .map(|field| (field.name().clone(), field.data_type().clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(types(&view), types(&drift), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn tables_and_views_are_listed_and_described() -> Result<()> {
    let ctx = session_context(1);
    register_all(&ctx, Source::Batches(Arc::default())).await?;
    let listed = "select table_name from information_schema.tables where table_schema = 'public'";
    let listed: usize = rows(&ctx, listed)
        .await?
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(
        listed,
        crate::views().len() + relaydrift_ingest::Table::ALL.len()
    );
    let described: usize = rows(&ctx, "describe drift")
        .await?
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(described, 20);
    Ok(())
}
