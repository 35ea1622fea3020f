//! What should be presented, stored in a lake and given for one question.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::common::Result;
use datafusion::prelude::SessionContext;
use relaydrift_expect::{Imported, read_bytes};
use relaydrift_ingest::{Snapshot, Table, expected};
use relaydrift_lake::{Lake, import};

use crate::{Expected, Source, register_expecting, session_context};

fn domain(name: &str) -> Imported {
    let json = format!(r#"{{"DomainName": "{name}", "DomainType": 0}}"#);
    read_bytes(Path::new("domains.json"), json.as_bytes()).unwrap()
}

fn certificate(server: Option<&str>, digit: char) -> Imported {
    let thumbprint = digit.to_string().repeat(40);
    let server = server.map_or("null".into(), |server| format!("\"{server}\""));
    let json = format!(
        r#"{{"Thumbprint": "{thumbprint}", "Subject": "CN={digit}", "Issuer": "CN=CA", "Server": {server}}}"#
    );
    read_bytes(Path::new("certificates.json"), json.as_bytes()).unwrap()
}

fn of(organization: &str) -> Snapshot {
    Snapshot {
        organization: organization.into(),
        ..Snapshot::default()
    }
}

fn given(files: &[Imported]) -> Expected {
    let mut tables = HashMap::<Table, Vec<RecordBatch>>::new();
    for (table, batch) in expected(files, &of("default"), 0).unwrap() {
        tables.entry(table).or_default().push(batch);
    }
    Arc::new(tables)
}

async fn ask(ctx: &SessionContext, query: &str) -> Result<Vec<String>> {
    let rows = ctx.sql(query).await?.collect().await?;
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&rows)?.to_string();
    let cells = text.lines().filter_map(|line| line.strip_prefix("| "));
    Ok(cells
        .skip(1)
        .map(|line| {
            line.trim_end_matches('|')
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn given_rows_take_the_place_of_what_is_stored_for_the_same() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(folder.path().to_str().unwrap())
        .await
        .unwrap();
    import(&lake, |batch| {
        let mut rows = expected(&[domain("stored.com")], &of("default"), batch)?;
        rows.extend(expected(&[domain("other.com")], &of("forest2"), batch)?);
        let stored = [
            certificate(Some("EX01"), 'A'),
            certificate(Some("EX02"), 'B'),
            certificate(None, 'C'),
        ];
        rows.extend(expected(&stored, &of("default"), batch)?);
        Ok(rows)
    })
    .await
    .unwrap();
    let lake = Arc::new(lake);
    let domains = "select organization, domain_name from accepted_domains order by 1, 2";
    let stores = "select server, left(thumbprint, 1) as t from certificates order by t";
    let facts = "select left(thumbprint, 1) as t, subject from certificate_facts order by t";
    let ctx = session_context(2);
    register_expecting(&ctx, Source::Lake(lake.clone()), Expected::default()).await?;
    assert_eq!(
        ask(&ctx, domains).await?,
        ["default | stored.com", "forest2 | other.com"]
    );
    assert_eq!(ask(&ctx, stores).await?, ["EX01 | A", "EX02 | B", "| C"]);
    let files = [
        domain("given.com"),
        certificate(Some("EX01"), 'D'),
        certificate(None, 'E'),
    ];
    let ctx = session_context(2);
    register_expecting(&ctx, Source::Lake(lake), given(&files)).await?;
    assert_eq!(
        ask(&ctx, domains).await?,
        ["default | given.com", "forest2 | other.com"]
    );
    assert_eq!(
        ask(&ctx, stores).await?,
        ["EX02 | B", "| C", "EX01 | D", "| E"]
    );
    assert_eq!(
        ask(&ctx, facts).await?,
        ["A | CN=A", "B | CN=B", "C | CN=C", "D | CN=D", "E | CN=E"]
    );
    let ctx = session_context(2);
    register_expecting(&ctx, Source::Batches(Arc::default()), given(&files)).await?;
    assert_eq!(ask(&ctx, domains).await?, ["default | given.com"]);
    let beginning =
        "select count(*) from accepted_domains where valid_from = timestamp '1970-01-01'";
    assert_eq!(ask(&ctx, beginning).await?, ["1"]);
    assert_eq!(ask(&ctx, facts).await?, ["D | CN=D", "E | CN=E"]);
    Ok(())
}
