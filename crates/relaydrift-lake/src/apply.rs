//! From the decision to the tables, and what is left of it after a crash.

use std::collections::{BTreeMap, HashSet};

use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, TableReference, TransactionError,
};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::future::join_all;
use relaydrift_ingest::Table;

use crate::compact::on_paper;
use crate::prepared::Prepared;
use crate::vacuum::batch_of;
use crate::{Committed, Error, Lake};

/// The application id under which batches are recorded in every Delta log.
pub(crate) const APPLICATION: &str = "relaydrift";

/// How often a table is tried while others commit to it.
pub(crate) const ATTEMPTS: usize = 20;

/// Applies what was committed and not applied; the newest batch of the lake.
pub(crate) async fn recover(lake: &Lake) -> Result<i64, Error> {
    let mut newest = lake.newest_batch().await?;
    while let Some(prepared) = Prepared::load(lake, newest + 1).await? {
        apply(lake, &prepared).await?;
        newest += 1;
    }
    Ok(newest)
}

/// Gives every table its files of the batch, `sources` after all others.
pub(crate) async fn apply(lake: &Lake, prepared: &Prepared) -> Result<Committed, Error> {
    let with_files = |table: &Table| *table != Table::Sources && !prepared.files(*table).is_empty();
    let others = Table::ALL.into_iter().filter(with_files);
    let applied = others.map(async |table| {
        let version = apply_to(lake, table, prepared).await?;
        Ok::<_, Error>((table, version))
    });
    // Each to its end, as where tables are created.
    let applied = join_all(applied).await.into_iter();
    let mut versions = applied.collect::<Result<BTreeMap<_, _>, _>>()?;
    // It says that the batch is there, even if the batch has no row of it.
    let version = apply_to(lake, Table::Sources, prepared).await?;
    versions.insert(Table::Sources, version);
    Ok(Committed {
        batch: prepared.batch,
        versions,
    })
}

/// The version of the table that holds the batch. The library does not refuse a repeated
/// application transaction: we look first, and the library refuses if another run was quicker
/// since then.
pub(crate) async fn apply_to(lake: &Lake, table: Table, prepared: &Prepared) -> Result<u64, Error> {
    let mut failure = None;
    for _ in 0..ATTEMPTS {
        let delta = match lake.table(table).await? {
            Some(delta) => delta,
            None => lake.create_table(table).await?,
        };
        if applied(&delta, table).await? >= prepared.batch {
            let is_other = is_other(lake, table, prepared).await?;
            // Another run may have brought the batch to its end, and gone on.
            if is_other && lake.newest_batch().await? < prepared.batch {
                return Err(Error::Ahead {
                    table: table.name(),
                    batch: prepared.batch,
                });
            }
            return delta
                .version()
                .ok_or(Error::delta(table)(DeltaTableError::NotInitialized));
        }
        // An error says nothing about whether the commit was done: only the table does.
        match (append(&delta, table, prepared).await, failure.take()) {
            (Ok(version), _) => return Ok(version),
            (Err(error), _) if is_conflict(&error) => {}
            (Err(error), None) => failure = Some(error),
            (Err(error), Some(_)) => return Err(Error::delta(table)(error)),
        }
    }
    Err(Error::Busy {
        table: table.name(),
    })
}

/// True if a table that has a batch of that number has other files of it, or of later ones, than the lake's papers name.
/// What another program merged may be of it.
async fn is_other(lake: &Lake, table: Table, prepared: &Prepared) -> Result<bool, Error> {
    let ours: HashSet<&str> = prepared
        .files(table)
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    for file in lake.all_files(table).await? {
        let written = batch_of(&file.path);
        let Some(batch) = written.max(file.batch_max) else {
            continue;
        };
        if batch < prepared.batch || ours.contains(file.path.as_str()) {
            continue;
        }
        // `sources` alone may be of an older time: then the papers go on.
        let is_known = Prepared::load(lake, batch).await?.is_some()
            && (written.is_none() || on_paper(lake, table, &file.path).await?.is_some());
        if !is_known {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The newest batch in a table, 0 if none.
pub(crate) async fn applied(delta: &DeltaTable, table: Table) -> Result<i64, Error> {
    let state = delta.snapshot().map_err(Error::delta(table))?;
    let newest = state
        .transaction_version(&delta.log_store(), APPLICATION)
        .await;
    Ok(newest.map_err(Error::delta(table))?.unwrap_or(0))
}

async fn append(
    delta: &DeltaTable,
    table: Table,
    prepared: &Prepared,
) -> Result<u64, DeltaTableError> {
    let mut actions = Vec::new();
    for file in prepared.files(table) {
        actions.push(Action::Add(Add {
            path: file.path.clone(),
            size: i64::try_from(file.size).unwrap_or(i64::MAX),
            modification_time: prepared.prepared_at,
            data_change: true,
            stats: Some(serde_json::to_string(&file.stats)?),
            ..Add::default()
        }));
    }
    let properties = CommitProperties::default()
        .with_application_transaction(Transaction::new(APPLICATION, prepared.batch))
        .with_cleanup_expired_logs(Some(false));
    let append = DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: None,
        predicate: None,
    };
    let state: &dyn TableReference = delta.snapshot()?;
    let done = CommitBuilder::from(properties)
        .with_actions(actions)
        .build(Some(state), delta.log_store(), append)
        .await?;
    Ok(done.version)
}

pub(crate) fn is_conflict(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::CommitConflict(_)
                    | TransactionError::MaxCommitAttempts(_)
            }
    )
}
