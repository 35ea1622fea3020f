//! The same questions to a lake and to the raw logs behind it.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::common::Result;
use datafusion::physical_plan::displayable;
use datafusion::prelude::SessionContext;
use relaydrift_ingest::{Naming, Table, find};
use relaydrift_lake::{Lake, Options, ingest};

use super::logs::{logs, number};
use crate::{LogTables, Need, Source, register_all, session_context};

/// What a question answers, the number of the batch left out.
async fn answer(ctx: &SessionContext, table: &str) -> Result<String> {
    let frame = ctx.table(table).await?;
    let fields = frame
        .schema()
        .fields()
        .iter()
        .map(|field| field.name().clone());
    let columns: Vec<String> = fields
        .filter(|name| !["batch", "ingested_at"].contains(&name.as_str()))
        .collect();
    let columns = columns.join(", ");
    let rows = ctx
        .sql(&format!("select {columns} from {table} order by {columns}"))
        .await?;
    Ok(pretty_format_batches(&rows.collect().await?)?.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lake_answers_as_its_logs_do() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = logs(&folder);
    // A session that is not over: its rows wait in open_sessions.
    let log = path.join("EX2/SmtpSend/SEND2026010111-1.LOG");
    let text = std::fs::read_to_string(&log).unwrap();
    let open = text
        .lines()
        .rev()
        .take(20)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .take(17);
    let open: String = open
        .map(|row| {
            row.replace("T12:", "T13:")
                .replace("08DE000000000004", "08DE000000000009")
                + "\r\n"
        })
        .collect();
    std::fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .unwrap()
        .write_all(open.as_bytes())
        .unwrap();

    let lake = Lake::open_or_create(folder.path().join("lake").to_str().unwrap())
        .await
        .unwrap();
    let paths = [path.join("EX1"), path.join("EX2")];
    // One server after the other: two batches.
    for path in &paths {
        let plan = find(std::slice::from_ref(path), &Naming::default()).unwrap();
        ingest(&lake, plan, Options::default(), |_| ())
            .await
            .unwrap();
    }
    let from_lake = session_context(2);
    register_all(&from_lake, Source::Lake(Arc::new(lake.clone()))).await?;
    let from_logs = session_context(2);
    let plan = find(&paths, &Naming::default()).unwrap();
    let tables = LogTables::new(plan, Naming::default(), Need::Full);
    register_all(&from_logs, Source::Logs(Arc::new(tables))).await?;

    assert_eq!(
        number(&from_lake, "select count(*) from open_sessions").await?,
        17
    );
    assert_eq!(
        number(&from_lake, "select count(*) from sessions where open").await?,
        1
    );
    assert_eq!(
        number(&from_lake, "select max(batch) from sources").await?,
        2
    );
    let tables = [
        Table::Events,
        Table::Sessions,
        Table::Transactions,
        Table::Rejects,
    ]
    .map(Table::name);
    let views = crate::views().iter().map(|view| view.name);
    // Views with columns that cannot be ordered, or that are steps of others.
    let views = views.filter(|name| !["uses", "changes", "episodes"].contains(name));
    for name in tables.into_iter().chain(views) {
        let (lake, logs) = (
            answer(&from_lake, name).await?,
            answer(&from_logs, name).await?,
        );
        assert_eq!(lake, logs, "{name}");
    }

    // A later batch is not seen by this context, but by the next one.
    let more = folder.path().join("more/EX3/SmtpSend");
    std::fs::create_dir_all(&more).unwrap();
    std::fs::copy(
        path.join("EX1/SmtpSend/SEND2026010108-1.LOG"),
        more.join("SEND2026010108-1.LOG"),
    )
    .unwrap();
    let plan = find(&[more], &Naming::default()).unwrap();
    ingest(&lake, plan, Options::default(), |_| ())
        .await
        .unwrap();
    let count = "select count(*) from sessions";
    let before = number(&from_lake, count).await?;
    register_all(&from_lake, Source::Lake(Arc::new(lake))).await?;
    assert_eq!(number(&from_lake, count).await?, before + 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_are_plain_parquet_and_pruned() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = logs(&folder);
    let lake = Lake::open_or_create(folder.path().join("lake").to_str().unwrap())
        .await
        .unwrap();
    for hour in ["08", "11"] {
        let plan = find(
            &[path.join(format!("EX*/SmtpSend/*{hour}-1.LOG"))],
            &Naming::default(),
        )
        .unwrap();
        ingest(&lake, plan, Options::default(), |_| ())
            .await
            .unwrap();
    }
    let ctx = session_context(2);
    register_all(&ctx, Source::Lake(Arc::new(lake))).await?;
    let sql =
        "select session_id from events where event_time > '2026-01-01T11:00:00Z' and sequence = 3";
    let plan = ctx.sql(sql).await?.create_physical_plan().await?;
    let shown = displayable(plan.as_ref()).indent(true).to_string();
    assert!(
        shown.contains("file_type=parquet") && shown.contains("predicate="),
        "{shown}"
    );
    assert!(!shown.contains("FilterExec"), "{shown}");
    let analyzed = ctx
        .sql(&format!("explain analyze {sql}"))
        .await?
        .collect()
        .await?;
    let analyzed = pretty_format_batches(&analyzed)?.to_string();
    assert!(
        analyzed.contains("files_ranges_pruned_statistics=2 total → 1 matched"),
        "{analyzed}"
    );
    assert_eq!(number(&ctx, "select count(*) from events").await?, 160);
    let plan = ctx
        .sql("select count(*) from events")
        .await?
        .create_physical_plan()
        .await?;
    let shown = displayable(plan.as_ref()).indent(true).to_string();
    assert!(
        !shown.contains("parquet"),
        "counted from the lake's own statistics: {shown}"
    );
    Ok(())
}
