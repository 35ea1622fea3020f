//! Batches of hand-made columns through commit, crash, race and damage.

mod failing;
mod vacuum;

use std::ops::Add;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array,
};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use relaydrift_ingest::{Naming, Sink, Summary, Table, find};

use crate::prepared::Prepared;
use crate::stats::Bound;
use crate::{Batch, Damage, Error, FORMAT, Lake, Merge, Options, apply, compact, ingest, verify};
use object_store::ObjectStoreExt;

/// Rows of a table: every column null but `batch` and those given.
fn rows(table: Table, batch: i64, count: usize, columns: &[(&str, ArrayRef)]) -> RecordBatch {
    let schema = table.schema();
    let column = |field: &Arc<arrow::datatypes::Field>| match columns
        .iter()
        .find(|(name, _)| name == field.name())
    {
        Some((_, column)) => column.clone(),
        None if field.name() == "batch" => {
            Arc::new(Int64Array::from(vec![batch; count])) as ArrayRef
        }
        None => new_null_array(field.data_type(), count),
    };
    RecordBatch::try_new(schema.clone(), schema.fields().iter().map(column).collect()).unwrap()
}

fn texts(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

fn times(values: &[i64]) -> ArrayRef {
    let values = arrow::array::TimestampMicrosecondArray::from(values.to_vec());
    Arc::new(values.with_timezone("UTC"))
}

/// Writes batches as one task, as the reading threads do.
async fn write(batch: &Batch, batches: Vec<(Table, RecordBatch)>) {
    let sink = batch.sink();
    let written = tokio::task::spawn_blocking(move || {
        let mut task = sink.task().unwrap();
        for (table, batch) in batches {
            task.take(table, batch).unwrap();
        }
        task.finish().unwrap();
    });
    written.await.unwrap();
}

fn events(batch: i64) -> RecordBatch {
    let columns = [
        ("session_id", texts(&["A", "B", "C"])),
        ("event_time", times(&[1_000_001, 2_000_000, 3_000_000])),
    ];
    rows(Table::Events, batch, 3, &columns)
}

fn sources(batch: i64) -> RecordBatch {
    rows(Table::Sources, batch, 1, &[("source_id", texts(&["s"]))])
}

/// `parked` per row; the session id tells the batch.
fn open(batch: i64, parked: &[bool]) -> RecordBatch {
    let ids: Vec<_> = parked
        .iter()
        .map(|parked| format!("{batch}{}", if *parked { "p" } else { "" }))
        .collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    let columns = [
        ("session_id", texts(&ids)),
        (
            "parked",
            Arc::new(BooleanArray::from(parked.to_vec())) as ArrayRef,
        ),
    ];
    rows(Table::OpenSessions, batch, parked.len(), &columns)
}

async fn full_batch(lake: &Lake, parked: &[bool]) -> Batch {
    let batch = lake.begin().await.unwrap();
    let n = batch.number();
    let columns = vec![
        (Table::Events, events(n)),
        (Table::Events, events(n)),
        (Table::OpenSessions, open(n, parked)),
        (Table::Sources, sources(n)),
    ];
    write(&batch, columns).await;
    batch
}

async fn count(lake: &Lake, table: Table) -> usize {
    lake.read(table)
        .await
        .unwrap()
        .iter()
        .map(RecordBatch::num_rows)
        .sum()
}

async fn open_ids(lake: &Lake) -> Vec<String> {
    let mut ids = Vec::new();
    for batch in lake.read(Table::OpenSessions).await.unwrap() {
        ids.extend(
            batch
                .column_by_name("session_id")
                .unwrap()
                .as_string::<i32>()
                .iter()
                .flatten()
                .map(str::to_owned),
        );
    }
    ids.sort();
    ids
}

async fn new_lake() -> (tempfile::TempDir, Lake) {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(location(folder.path())).await.unwrap();
    (folder, lake)
}

fn location(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_has_gone_is_neither_read_as_an_empty_one_nor_begun_anew() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 1).await;
    let away = folder.path().with_extension("away");
    std::fs::rename(folder.path(), &away).unwrap();
    let gone = |error: Error| assert!(matches!(error, Error::NoLake { .. }), "{error}");
    gone(lake.files(Table::Events).await.unwrap_err());
    gone(lake.files_at(Table::Events, 1).await.unwrap_err());
    gone(lake.begin().await.unwrap_err());
    assert!(!folder.path().exists());
    std::fs::rename(&away, folder.path()).unwrap();
    assert_eq!(lake.begin().await.unwrap().number(), 2);
}

#[tokio::test]
async fn a_folder_that_delta_takes_for_another_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (name, fits) in [
        ("50%", true),
        ("a b#c?d[e]{f}~g^h", true),
        ("Ж€", true),
        ("beside/../%/..", true),
        ("%zz", true),
        ("%41", false),
        ("50%ab", false),
    ] {
        let path = folder.path().join(name).join("lake");
        let opened = Lake::open_or_create(location(&path)).await;
        assert_eq!(path.join("events/_delta_log").is_dir(), fits, "{name}");
        assert_eq!(folder.path().join(name).exists(), fits, "{name}");
        let Err(error) = opened else { continue };
        assert!(error.to_string().contains(location(&path)), "{error}");
        assert!(matches!(error, Error::Percent { .. }), "{error}");
    }
    // By way of a link too.
    #[cfg(unix)]
    {
        std::fs::create_dir(folder.path().join("%41")).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("%41"), &link).unwrap();
        let error = Lake::open_or_create(location(&link)).await.unwrap_err();
        assert!(matches!(error, Error::Percent { .. }), "{error}");
    }
}

#[tokio::test]
async fn no_lake_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    for path in [folder.path(), missing.as_path()] {
        let error = Lake::open(location(path)).await.unwrap_err();
        assert!(matches!(error, Error::NoLake { .. }), "{error}");
        assert!(error.to_string().contains("relaydrift ingest"), "{error}");
    }
    assert!(!missing.exists());
    for location in ["ftp://host/lake", "s3:///lake", "https://host/lake"] {
        let error = Lake::open(location).await.unwrap_err();
        assert!(matches!(error, Error::Scheme { .. }), "{error}");
    }
    for location in ["s3://name:sesame@bucket/lake", "az://box/lake?sig=sesame"] {
        let error = Lake::open(location).await.unwrap_err();
        assert!(matches!(error, Error::Secret), "{error}");
        assert!(!error.to_string().contains("sesame"), "{error}");
    }
}

#[tokio::test]
async fn a_newer_lake_is_refused_by_name_and_version() {
    let (folder, _) = new_lake().await;
    let paper = r#"{"format": 2, "created_by": "relaydrift 9.0", "more": true}"#;
    std::fs::write(folder.path().join("_relaydrift/lake.json"), paper).unwrap();
    for result in [
        Lake::open(location(folder.path())).await,
        Lake::open_or_create(location(folder.path())).await,
    ] {
        let Err(Error::NewerFormat {
            location,
            found: 2,
            known: FORMAT,
        }) = result
        else {
            panic!("{result:?}");
        };
        assert!(location.contains(folder.path().file_name().unwrap().to_str().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_lake_has_every_table() {
    let (folder, _) = new_lake().await;
    let lake = Lake::open(location(folder.path())).await.unwrap();
    assert_eq!(lake.newest_batch().await.unwrap(), 0);
    for table in Table::ALL {
        assert!(folder.path().join(table.name()).join("_delta_log").is_dir());
        let files = lake.files(table).await.unwrap();
        assert_eq!((files.files.len(), files.schema), (0, table.schema()));
        assert_eq!(count(&lake, table).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_were_never_made_are_empty_until_they_are() {
    let (folder, _) = new_lake().await;
    // As a run leaves them that stops while it makes them, or one that knew fewer tables.
    for table in [Table::Sources, Table::ProxiedHalves] {
        std::fs::remove_dir_all(folder.path().join(table.name())).unwrap();
    }
    let bare = folder.path().join(Table::Sessions.name());
    std::fs::remove_dir_all(bare.join("_delta_log")).unwrap();
    let lake = Lake::open(location(folder.path())).await.unwrap();
    assert_eq!(lake.newest_batch().await.unwrap(), 0);
    for table in Table::ALL {
        assert_eq!(count(&lake, table).await, 0, "{}", table.name());
    }
    let lake = Lake::open_or_create(location(folder.path())).await.unwrap();
    let batch = full_batch(&lake, &[false]).await;
    batch.commit(&Summary::default()).await.unwrap();
    assert_eq!(count(&lake, Table::Sources).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_there_after_reopening() {
    // Names that a URL spells in another way.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my lake #1 100% é");
    let lake = Lake::open_or_create(location(&path)).await.unwrap();
    let committed = full_batch(&lake, &[false, true])
        .await
        .commit(&Summary::default())
        .await
        .unwrap();
    assert_eq!(committed.batch, 1);
    assert!(committed.versions.contains_key(&Table::Sources));
    assert!(!committed.versions.contains_key(&Table::Rejects));

    let lake = Lake::open(location(&path)).await.unwrap();
    assert_eq!(lake.newest_batch().await.unwrap(), 1);
    let events = lake.files(Table::Events).await.unwrap();
    let [file] = events.files.as_slice() else {
        panic!("{events:?}")
    };
    assert_eq!(
        (file.rows, file.batch_min, file.batch_max),
        (Some(6), Some(1), Some(1))
    );
    assert!(events.is_whole(file));
    let times = &file.columns["event_time"];
    assert_eq!(
        (times.min.clone(), times.max.clone()),
        (Some(Bound::Time(1_000_000)), Some(Bound::Time(3_000_999)))
    );
    let ids = &file.columns["session_id"];
    assert_eq!(
        (ids.min.clone(), ids.max.clone(), ids.nulls),
        (text("A"), text("C"), Some(0))
    );
    assert!(!file.columns.contains_key("data"));
    assert!(path.join("events").join(&file.path).is_file());
    assert_eq!(
        events.root.to_file_path().unwrap(),
        path.canonicalize().unwrap().join("events")
    );

    let read = lake.read(Table::Events).await.unwrap();
    let row = read[0]
        .column_by_name("event_time")
        .unwrap()
        .as_primitive::<TimestampMicrosecondType>();
    assert_eq!(row.value(0), 1_000_001);
    // One row group for each batch of events.
    let bytes = bytes::Bytes::from(std::fs::read(path.join("events").join(&file.path)).unwrap());
    let reader =
        parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let column = reader
        .parquet_schema()
        .columns()
        .iter()
        .position(|column| column.name() == "session_id")
        .unwrap();
    assert!(
        reader
            .metadata()
            .row_group(0)
            .column(column)
            .bloom_filter_offset()
            .is_some()
    );
    assert!(
        reader
            .metadata()
            .file_metadata()
            .key_value_metadata()
            .is_none_or(Vec::is_empty)
    );

    assert_eq!(lake.begin().await.unwrap().number(), 2);
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert_eq!((report.batches, report.files), (1, 4));
    assert_eq!(report.damaged, []);
}

fn text(value: &str) -> Option<Bound> {
    Some(Bound::Text(value.into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_open_sessions_and_all_parked_ones_count() {
    let (_folder, lake) = new_lake().await;
    for parked in [&[false, true][..], &[false, false], &[true]] {
        full_batch(&lake, parked)
            .await
            .commit(&Summary::default())
            .await
            .unwrap();
    }
    assert_eq!(open_ids(&lake).await, ["1p", "3p"]);
    let files = lake.files(Table::OpenSessions).await.unwrap();
    assert_eq!(
        files
            .files
            .iter()
            .map(|file| file.parked())
            .collect::<Vec<_>>(),
        [Some(true), Some(true)]
    );
    full_batch(&lake, &[false])
        .await
        .commit(&Summary::default())
        .await
        .unwrap();
    assert_eq!(open_ids(&lake).await, ["1p", "3p", "4"]);
    // A batch without open sessions ends the ones before.
    let batch = lake.begin().await.unwrap();
    write(&batch, vec![(Table::Sources, sources(5))]).await;
    batch.commit(&Summary::default()).await.unwrap();
    assert_eq!(open_ids(&lake).await, ["1p", "3p"]);
    assert_eq!(count(&lake, Table::Events).await, 24);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_before_the_decision_leaves_nothing() {
    let (folder, lake) = new_lake().await;
    drop(full_batch(&lake, &[false]).await);
    let lake = Lake::open(location(folder.path())).await.unwrap();
    let batch = lake.begin().await.unwrap();
    assert_eq!((batch.number(), count(&lake, Table::Events).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_decision_is_made_good() {
    // Stopped before each of the tables.
    for tables in 0..=Table::ALL.len() {
        let (folder, lake) = new_lake().await;
        full_batch(&lake, &[false])
            .await
            .commit(&Summary::default())
            .await
            .unwrap();
        let mut prepared = full_batch(&lake, &[false])
            .await
            .prepare(&Summary::default())
            .await
            .unwrap();
        for table in &Table::ALL[..tables] {
            apply::apply_to(&lake, *table, &prepared).await.unwrap();
        }
        if tables < Table::ALL.len() {
            // Half of it is on disk, none of it is seen.
            assert_eq!(lake.newest_batch().await.unwrap(), 1);
            assert_eq!(count(&lake, Table::Events).await, 6);
            assert_eq!(open_ids(&lake).await, ["1"]);
        }
        let lake = Lake::open(location(folder.path())).await.unwrap();
        assert_eq!(lake.begin().await.unwrap().number(), 3);
        assert_eq!(lake.newest_batch().await.unwrap(), 2);
        assert_eq!(count(&lake, Table::Events).await, 12);
        assert_eq!(count(&lake, Table::Sources).await, 2);
        assert_eq!(open_ids(&lake).await, ["2"]);
        // A second time changes nothing.
        apply::apply(&lake, &prepared).await.unwrap();
        assert_eq!(count(&lake, Table::Events).await, 12);
        // The answer of the store got lost: the batch is still ours; with another id it is not.
        prepared.commit(&lake).await.unwrap();
        prepared.attempt = "another".into();
        assert!(matches!(
            prepared.commit(&lake).await,
            Err(Error::LostBatch { batch: 2 })
        ));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_batches_of_one_number_one_is_lost() {
    let (folder, lake) = new_lake().await;
    let other = Lake::open(location(folder.path())).await.unwrap();
    let (one, two) = (
        full_batch(&lake, &[false]).await,
        full_batch(&other, &[false]).await,
    );
    let summary = Summary::default();
    let (one, two) = tokio::join!(one.commit(&summary), two.commit(&summary));
    let lost = [&one, &two]
        .iter()
        .filter(|result| matches!(result, Err(Error::LostBatch { batch: 1 })))
        .count();
    assert_eq!(lost, 1, "{one:?} {two:?}");
    assert_eq!(lake.newest_batch().await.unwrap(), 1);
    assert_eq!(
        (
            count(&lake, Table::Events).await,
            count(&lake, Table::Sources).await
        ),
        (6, 1)
    );
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_that_apply_the_same_batch_apply_it_once() {
    let (folder, lake) = new_lake().await;
    full_batch(&lake, &[false])
        .await
        .prepare(&Summary::default())
        .await
        .unwrap();
    let mut runs = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let path = location(folder.path()).to_owned();
        runs.spawn(async move {
            Lake::open(&path)
                .await
                .unwrap()
                .begin()
                .await
                .unwrap()
                .number()
        });
    }
    assert_eq!(runs.join_all().await, [2; 6]);
    assert_eq!(
        (
            count(&lake, Table::Events).await,
            count(&lake, Table::Sources).await
        ),
        (6, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_and_a_missing_file_are_found() {
    let (folder, lake) = new_lake().await;
    for _ in 0..2 {
        full_batch(&lake, &[false])
            .await
            .commit(&Summary::default())
            .await
            .unwrap();
    }
    let files = lake.files(Table::Events).await.unwrap().files;
    let path = |at: usize| folder.path().join("events").join(&files[at].path);
    let mut bytes = std::fs::read(path(0)).unwrap();
    bytes[100] ^= 1;
    std::fs::write(path(0), bytes).unwrap();
    std::fs::remove_file(path(1)).unwrap();
    let damaged = verify(&lake, |_, _| ()).await.unwrap().damaged;
    assert!(
        matches!(
            damaged.as_slice(),
            [Damage::Changed { .. }, Damage::Unreadable { .. }]
        ),
        "{damaged:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_without_its_paper_and_a_table_without_its_commit_are_found() {
    let (folder, lake) = new_lake().await;
    for _ in 0..3 {
        let batch = full_batch(&lake, &[false]).await;
        batch.commit(&Summary::default()).await.unwrap();
    }
    let read = std::cell::Cell::new((0, 0));
    let report = verify(&lake, |done, all| read.set((done, all)))
        .await
        .unwrap();
    assert_eq!(
        (report.files, report.rows, report.damaged.len()),
        (9, 24, 0)
    );
    assert_eq!(read.get(), (report.bytes, report.bytes));
    let paper = folder.path().join("_relaydrift/batches/2.json");
    let kept = std::fs::read(&paper).unwrap();
    std::fs::remove_file(&paper).unwrap();
    let damaged = verify(&lake, |_, _| ()).await.unwrap().damaged;
    assert!(
        matches!(damaged.as_slice(), [Damage::NoPaper { of, .. }] if of == "batch 2"),
        "{damaged:?}"
    );
    // In its place that of another batch.
    std::fs::copy(paper.with_file_name("3.json"), &paper).unwrap();
    let damaged = verify(&lake, |_, _| ()).await.unwrap().damaged;
    assert!(
        matches!(damaged.as_slice(), [lost @ Damage::NoPaper { .. }]
            if lost.to_string().contains("is that of batch 3")),
        "{damaged:?}"
    );
    let error = Prepared::load(&lake, 2).await.unwrap_err();
    assert!(
        matches!(error, Error::OtherPaper { .. }) && error.to_string().contains("2.json"),
        "{error}"
    );
    std::fs::write(&paper, kept).unwrap();
    // The newest commit of the events is gone, as after a restore of an older copy of the folder.
    let log = folder
        .path()
        .join("events/_delta_log/00000000000000000003.json");
    std::fs::remove_file(log).unwrap();
    let damaged = verify(&lake, |_, _| ()).await.unwrap().damaged;
    assert!(
        matches!(
            damaged.as_slice(),
            [Damage::Unlisted {
                batch: 3,
                rows: 6,
                ..
            }]
        ),
        "{damaged:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_log_that_tells_other_bounds_or_of_fewer_batches_is_found() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 3).await;
    let log = |table: &str, version: u64| {
        let name = format!("{table}/_delta_log/{version:020}.json");
        folder.path().join(name)
    };
    // A question for rows of batch 2 would pass its file over.
    let events = std::fs::read_to_string(log("events", 2)).unwrap();
    let other = events.replace(r#"\"batch\":2"#, r#"\"batch\":7"#);
    assert_ne!(events, other);
    std::fs::write(log("events", 2), other).unwrap();
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert!(
        matches!(report.damaged.as_slice(), [Damage::Bounds { column, .. }] if column == "batch"),
        "{report:?}"
    );
    std::fs::write(log("events", 2), events).unwrap();
    // As after a run that was stopped: batch 3 is decided.
    std::fs::copy(log("sources", 2), log("sources", 3)).unwrap();
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert_eq!((report.batches, report.unapplied), (2, 1));
    assert_eq!(lake.begin().await.unwrap().number(), 4);
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert_eq!((report.batches, report.unapplied), (3, 0));
    assert_eq!(report.damaged, []);
    // Without the lake's own paper nobody knows what the tables are: none is begun over them.
    std::fs::remove_file(folder.path().join("_relaydrift/lake.json")).unwrap();
    for opened in [
        Lake::open(location(folder.path())).await,
        Lake::open_or_create(location(folder.path())).await,
    ] {
        let error = opened.unwrap_err();
        assert!(matches!(error, Error::NoPaper { .. }), "{error}");
        assert!(error.to_string().contains("lake.json"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_another_time_is_found_and_takes_no_batch() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 2).await;
    let kept = tempfile::tempdir().unwrap();
    copy(folder.path(), kept.path());
    small_batches(&lake, 2).await;
    for merged in [false, true] {
        if merged {
            compact(&lake, Merge::ALL).await.unwrap();
        }
        // Copied while the lake went on.
        let mixed = tempfile::tempdir().unwrap();
        copy(kept.path(), mixed.path());
        std::fs::remove_dir_all(mixed.path().join("events")).unwrap();
        copy(&folder.path().join("events"), &mixed.path().join("events"));
        let mixed = Lake::open(location(mixed.path())).await.unwrap();
        let damaged = verify(&mixed, |_, _| ()).await.unwrap().damaged;
        let lost = |one: &Damage| matches!(one, Damage::NoPaper { .. });
        assert!(damaged.iter().any(lost), "{damaged:?}");
        let batch = full_batch(&mixed, &[false]).await;
        let error = batch.commit(&Summary::default()).await.unwrap_err();
        let ahead = matches!(error, Error::Ahead { batch: 3, .. });
        assert!(ahead && error.to_string().contains("events"), "{error}");
        assert_eq!(mixed.newest_batch().await.unwrap(), 2);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_of_an_older_time_is_brought_up_by_the_papers() {
    for merged in [false, true] {
        let (folder, lake) = new_lake().await;
        small_batches(&lake, 1).await;
        let kept = tempfile::tempdir().unwrap();
        let log = folder.path().join("sources/_delta_log");
        copy(&log, kept.path());
        small_batches(&lake, 3).await;
        if merged {
            compact(&lake, Merge::ALL).await.unwrap();
        }
        let rows = event_rows(&lake).await;
        std::fs::remove_dir_all(&log).unwrap();
        copy(kept.path(), &log);
        let opened = Lake::open(location(folder.path())).await.unwrap();
        let report = verify(&opened, |_, _| ()).await.unwrap();
        assert_eq!((report.batches, report.unapplied), (1, 3));
        assert_eq!(report.damaged, []);
        assert_eq!(opened.begin().await.unwrap().number(), 5);
        assert_eq!(event_rows(&opened).await, rows);
        assert_eq!(verify(&opened, |_, _| ()).await.unwrap().damaged, []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_is_filled_and_merged_meanwhile_is_whole() {
    let (_folder, lake) = new_lake().await;
    let busy = tokio::spawn({
        let lake = lake.clone();
        async move {
            for _ in 0..12 {
                small_batches(&lake, 2).await;
                compact(&lake, Merge::ALL).await.unwrap();
            }
        }
    });
    let mut looks = 0;
    while !busy.is_finished() {
        assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
        looks += 1;
    }
    busy.await.unwrap();
    assert!(looks > 3, "{looks}");
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert_eq!((report.batches, report.unapplied), (24, 0));
    assert_eq!(report.damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn papers_of_merged_files_are_held_against_their_parts() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 3).await;
    let parts = lake.files(Table::Events).await.unwrap().files;
    compact(&lake, Merge::ALL).await.unwrap();
    let merged = lake.files(Table::Events).await.unwrap().files;
    let papers = folder.path().join("_relaydrift/compacted");
    let paper = papers.join(format!("events-{}.json", merged[0].path));
    let kept = std::fs::read_to_string(&paper).unwrap();
    let damaged = async || verify(&lake, |_, _| ()).await.unwrap().damaged;
    // A copy beside it is no paper.
    std::fs::write(papers.join("events - Copy.json"), "{").unwrap();
    assert_eq!(damaged().await, []);
    let fewer = kept.replace(&format!("{:?},", parts[0].path), "");
    assert_ne!(fewer, kept);
    std::fs::write(&paper, fewer).unwrap();
    let found = damaged().await;
    assert!(
        matches!(&found[..], [Damage::Parts { rows: 18, parts: 12, path, .. }, Damage::Unlisted { rows: 6, .. }]
            if path.contains("/events/")),
        "{found:?}"
    );
    // One that cannot be read holds up nothing.
    std::fs::write(&paper, "{").unwrap();
    let found = damaged().await;
    assert!(
        matches!(&found[0], Damage::NoPaper { path, .. } if path.ends_with(&merged[0].path.clone().add(".json"))),
        "{found:?}"
    );
    let lost = |one: &&Damage| matches!(one, Damage::NoPaper { .. });
    assert_eq!(found.iter().filter(lost).count(), 1, "{found:?}");
    std::fs::write(&paper, kept).unwrap();
    // A part that is listed again.
    let add = format!(
        r#"{{"add":{{"path":{:?},"partitionValues":{{}},"size":{},"modificationTime":0,"dataChange":true}}}}"#,
        parts[1].path, parts[1].size
    );
    let log = folder.path().join("events/_delta_log");
    std::fs::write(log.join(format!("{:020}.json", 5)), add).unwrap();
    let found = damaged().await;
    assert!(
        matches!(&found[..], [Damage::Twice { path, .. }] if path.ends_with(&parts[1].path)),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read_on_and_anew_where_an_older_lake_is_put_back() {
    let (folder, lake) = new_lake().await;
    let same = async |rows: usize| {
        let (ledger, read) = (
            lake.ledger().await.unwrap(),
            lake.read(Table::Sources).await,
        );
        let whole = |batches: &[RecordBatch]| {
            arrow::compute::concat_batches(&Table::Sources.schema(), batches).unwrap()
        };
        let (ledger, read) = (whole(&ledger), whole(&read.unwrap()));
        assert_eq!(ledger, read);
        assert_eq!(ledger.num_rows(), rows);
    };
    same(0).await;
    small_batches(&lake, 2).await;
    same(2).await;
    let kept = tempfile::tempdir().unwrap();
    copy(folder.path(), kept.path());
    // Another run goes on, and merges what was read with what was not.
    let other = Lake::open(location(folder.path())).await.unwrap();
    small_batches(&other, 2).await;
    compact(&other, Merge::ALL).await.unwrap();
    same(4).await;
    same(4).await;
    // The number of its newest batch alone does not tell a lake.
    std::fs::remove_dir_all(folder.path()).unwrap();
    copy(kept.path(), folder.path());
    small_batches(&other, 3).await;
    same(5).await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap().path();
        let copied = to.join(entry.file_name().unwrap());
        match entry.is_dir() {
            true => copy(&entry, &copied),
            false => std::fs::copy(&entry, &copied).map(|_| ()).unwrap(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_become_checkpoints_and_stay_readable() {
    let (folder, lake) = new_lake().await;
    for _ in 0..22 {
        let batch = lake.begin().await.unwrap();
        write(&batch, vec![(Table::Sources, sources(batch.number()))]).await;
        batch.commit(&Summary::default()).await.unwrap();
    }
    let log = folder.path().join("sources/_delta_log");
    let names = std::fs::read_dir(log)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(
        names
            .collect::<Vec<_>>()
            .iter()
            .any(|name| name.contains("checkpoint") && name.ends_with(".parquet"))
    );
    let files = lake.files(Table::Sources).await.unwrap();
    assert_eq!((files.batch, files.files.len()), (22, 22));
    assert_eq!(files.files[0].batch_max, Some(1));
    assert_eq!(files.files[0].columns["source_id"].max, text("s"));
}

const ROW: &str = "2026-10-05T10:00:0S.000Z,EX1\\To Cloud,08DF1F4EEFBDC00S,0,,192.0.2.1:25,*,,attempting to connect\r\n\
    2026-10-05T10:00:0S.500Z,EX1\\To Cloud,08DF1F4EEFBDC00S,1,,192.0.2.1:25,-,,Remote\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cut_into_batches_and_repeated_without_effect() {
    let logs = tempfile::tempdir().unwrap();
    for n in 0..4 {
        let path = logs
            .path()
            .join(format!("EX1/SmtpSend/SEND202610051{n}-1.LOG"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, ROW.replace('S', &n.to_string())).unwrap();
    }
    let plan = || find(&[logs.path().to_owned()], &Naming::default()).unwrap();
    let (_folder, lake) = new_lake().await;
    let options = Options {
        batch_bytes: 2 * ROW.len() as u64,
        ..Options::default()
    };
    let outcome = ingest(&lake, plan(), options, |_| ()).await.unwrap();
    assert_eq!((outcome.batches.len(), outcome.summary.rows), (2, 8));
    assert_eq!(count(&lake, Table::Events).await, 8);
    let again = ingest(&lake, plan(), options, |_| ()).await.unwrap();
    assert_eq!((again.batches.len(), again.summary.rows), (0, 0));
    let numbers: Vec<i64> = lake
        .read(Table::Events)
        .await
        .unwrap()
        .iter()
        .flat_map(|batch| {
            batch
                .column_by_name("batch")
                .unwrap()
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    assert_eq!(numbers, [1, 1, 1, 1, 2, 2, 2, 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_over_the_same_logs_store_each_row_once() {
    let logs = tempfile::tempdir().unwrap();
    for n in 0..4 {
        std::fs::write(
            logs.path().join(format!("SEND202610051{n}-1.LOG")),
            ROW.replace('S', &n.to_string()),
        )
        .unwrap();
    }
    let plan = || find(&[logs.path().to_owned()], &Naming::default()).unwrap();
    let (folder, lake) = new_lake().await;
    let other = Lake::open(location(folder.path())).await.unwrap();
    let options = Options {
        batch_bytes: ROW.len() as u64,
        ..Options::default()
    };
    // On threads of their own: a run can be sent.
    let one = tokio::spawn({
        let (lake, plan) = (lake.clone(), plan());
        async move { ingest(&lake, plan, options, |_| ()).await.unwrap() }
    });
    let two = ingest(&other, plan(), options, |_| ()).await.unwrap();
    let rows = one.await.unwrap().summary.rows + two.summary.rows;
    assert_eq!((rows, count(&lake, Table::Events).await), (8, 8));
    assert_eq!(lake.newest_batch().await.unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_is_a_batch_and_leaves_open_sessions_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::open_or_create(folder.path().to_str().unwrap())
        .await
        .unwrap();
    let batch = lake.begin().await.unwrap();
    let (first, parked) = (batch.number(), [false, true, false]);
    write(
        &batch,
        vec![
            (Table::Sources, sources(first)),
            (Table::OpenSessions, open(first, &parked)),
        ],
    )
    .await;
    batch.commit(&Summary::default()).await.unwrap();
    let ids = async |lake: &Lake| {
        let mut ids = Vec::new();
        for batch in lake.read(Table::OpenSessions).await.unwrap() {
            let column = batch.column_by_name("session_id").unwrap();
            let texts = column.as_string::<i32>().iter().flatten();
            ids.extend(texts.map(str::to_owned));
        }
        ids.sort();
        ids
    };
    let before = ids(&lake).await;
    assert_eq!(before, ["1", "1", "1p"]);
    for number in [2, 3] {
        let committed = crate::import(&lake, |batch| {
            let name = [("name", texts(&["Inbound"]))];
            Ok(vec![(
                Table::InboundConnectors,
                rows(Table::InboundConnectors, batch, 1, &name),
            )])
        });
        assert_eq!(committed.await.unwrap().batch, number);
        assert_eq!(ids(&lake).await, before);
    }
    let imported = lake.read(Table::InboundConnectors).await.unwrap();
    assert_eq!(imported.iter().map(RecordBatch::num_rows).sum::<usize>(), 2);
    assert!(verify(&lake, |_, _| ()).await.unwrap().damaged.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_which_nobody_can_tell_what_is_new_are_named() {
    let logs = tempfile::tempdir().unwrap();
    let path = |n: u8| logs.path().join(format!("SEND202610051{n}-1.LOG"));
    for n in 0..3 {
        std::fs::write(path(n), ROW.replace('S', &n.to_string())).unwrap();
    }
    let plan = || find(&[logs.path().to_owned()], &Naming::default()).unwrap();
    let (_folder, lake) = new_lake().await;
    // Each log is a batch: those found on the way are told once.
    let options = Options {
        batch_bytes: 1,
        ..Options::default()
    };
    let found = plan();
    std::fs::remove_file(path(1)).unwrap();
    let outcome = ingest(&lake, found, options, |_| ()).await.unwrap();
    assert_eq!((outcome.batches.len(), outcome.summary.rows), (2, 4));
    let [gone] = outcome.skipped.as_slice() else {
        panic!("{:?}", outcome.skipped)
    };
    assert_eq!((&gone.path, gone.error), (&path(1), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn parked_rows_are_not_read_to_carry_the_others_on() {
    let (folder, lake) = new_lake().await;
    for parked in [&[true, true][..], &[false, true]] {
        let batch = full_batch(&lake, parked).await;
        batch.commit(&Summary::default()).await.unwrap();
    }
    let files = lake.files(Table::OpenSessions).await.unwrap().files;
    for file in files.iter().filter(|file| file.parked() == Some(true)) {
        std::fs::remove_file(folder.path().join("open_sessions").join(&file.path)).unwrap();
    }
    assert!(lake.read(Table::OpenSessions).await.is_err());
    let waiting = lake.waiting().await.unwrap();
    assert_eq!(waiting.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    let imported = crate::import(&lake, |_| Ok(Vec::new())).await.unwrap();
    assert_eq!(imported.batch, 3);
}

/// Session ids of `events` in the order of the files.
async fn event_rows(lake: &Lake) -> Vec<(i64, String)> {
    let batches = lake.read(Table::Events).await.unwrap();
    let rows = batches.iter().flat_map(|rows| {
        let batch = rows["batch"].as_primitive::<Int64Type>().values().to_vec();
        let ids = rows["session_id"].as_string::<i32>();
        let ids: Vec<_> = ids.iter().map(|id| id.unwrap().to_owned()).collect();
        batch.into_iter().zip(ids)
    });
    rows.collect()
}

async fn small_batches(lake: &Lake, count: usize) {
    for number in 0..count {
        let batch = full_batch(lake, &[number % 2 == 0, false]).await;
        batch.commit(&Summary::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_files_have_the_same_rows_in_the_same_order() {
    let (_folder, lake) = new_lake().await;
    small_batches(&lake, 12).await;
    let (rows, open) = (event_rows(&lake).await, open_ids(&lake).await);
    let before = lake.files(Table::Events).await.unwrap();

    let merged = compact(&lake, Merge::ALL).await.unwrap();
    let events = merged
        .iter()
        .find(|merged| merged.table == Table::Events)
        .unwrap();
    assert_eq!(
        (events.files_before, events.files_after, events.rows),
        (12, 1, 72)
    );
    assert_eq!(lake.files(Table::Events).await.unwrap().files.len(), 1);
    assert_eq!(event_rows(&lake).await, rows);
    assert_eq!(open_ids(&lake).await, open);
    assert_eq!(compact(&lake, Merge::ALL).await.unwrap(), []);
    // Whoever listed the files before still reads them.
    for file in &before.files {
        assert!(lake.store().head(&before.location(file)).await.is_ok());
    }

    // Ingests go on, and what is merged is merged again.
    small_batches(&lake, 3).await;
    let (rows, open) = (event_rows(&lake).await, open_ids(&lake).await);
    compact(&lake, Merge::ALL).await.unwrap();
    assert_eq!(
        (event_rows(&lake).await, open_ids(&lake).await),
        (rows, open)
    );
    let report = verify(&lake, |_, _| ()).await.unwrap();
    assert_eq!((report.damaged, report.batches), (vec![], 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_beside_merges_and_ingests_double_and_lose_nothing() {
    let (_folder, lake) = new_lake().await;
    small_batches(&lake, 10).await;
    let merges: Vec<_> = (0..4)
        .map(|_| {
            let lake = lake.clone();
            tokio::spawn(async move {
                for _ in 0..5 {
                    compact(&lake, Merge::ALL).await.unwrap();
                }
            })
        })
        .collect();
    for count in 11..=25 {
        small_batches(&lake, 1).await;
        let expected: Vec<_> = (1..=count)
            .flat_map(|batch| ["A", "B", "C", "A", "B", "C"].map(|id| (batch, id.to_owned())))
            .collect();
        assert_eq!(event_rows(&lake).await, expected);
    }
    for merge in merges {
        merge.await.unwrap();
    }
    assert_eq!(event_rows(&lake).await.len(), 150);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_not_merged_and_one_merged_is_verified() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 5).await;
    let flip = |name: &str| {
        let path = folder.path().join("events").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let files = lake.files(Table::Events).await.unwrap().files;
    flip(&files[2].path);
    let merged = compact(&lake, Merge::ALL).await.unwrap();
    let events = merged
        .iter()
        .find(|merged| merged.table == Table::Events)
        .unwrap();
    assert_eq!(events.damaged, [files[2].path.clone()]);
    assert_eq!((events.files_before, events.files_after), (4, 2));
    let damaged = verify(&lake, |_, _| ()).await.unwrap().damaged;
    assert!(
        damaged.len() == 1 && damaged[0].name() == "changed",
        "{damaged:?}"
    );

    flip(&lake.files(Table::Events).await.unwrap().files[0].path);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged.len(), 2);
}
