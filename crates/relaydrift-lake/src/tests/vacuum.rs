//! What a vacuum takes and leaves: files aged by their times, or looked at from a later day.

use std::time::{Duration, SystemTime};

use object_store::memory::InMemory;
use url::Url;

use super::*;
use crate::remote::Remote;
use crate::vacuum::vacuum_at;
use crate::{LEASE, Needless, Removed, vacuum};

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

/// Makes a file as if it had been written long ago.
fn age(file: &Path, by: Duration) {
    let times = std::fs::FileTimes::new().set_modified(SystemTime::now() - by);
    let file = std::fs::File::options().append(true).open(file).unwrap();
    file.set_times(times).unwrap();
}

/// Every file below a folder.
fn all(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| match path.is_dir() {
            true => all(&path),
            false => vec![path],
        })
        .collect()
}

async fn removed(lake: &Lake, older_than: Duration) -> Vec<Removed> {
    let mut dry = Vec::new();
    vacuum(lake, older_than, true, |file| dry.push(file))
        .await
        .unwrap();
    let mut gone = Vec::new();
    vacuum(lake, older_than, false, |file| gone.push(file))
        .await
        .unwrap();
    let names = |files: &[Removed]| -> Vec<_> {
        files
            .iter()
            .map(|file| (file.kind, file.path.clone(), file.bytes))
            .collect()
    };
    assert_eq!(names(&dry), names(&gone));
    gone
}

fn kinds(files: &[Removed]) -> Vec<&'static str> {
    files.iter().map(|file| file.kind.name()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_files_go_once_they_have_been_replaced_for_a_lease() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 12).await;
    let parts = all(&folder.path().join("events"));
    compact(&lake, Merge::ALL).await.unwrap();
    let rows = (event_rows(&lake).await, open_ids(&lake).await);
    // Data files alone: logs are looked at below.
    let removed = async |lake: &Lake, older_than| {
        let mut gone = removed(lake, older_than).await;
        gone.retain(|file| file.kind != Needless::Superseded);
        gone
    };
    // They were written long ago, and replaced just now.
    parts.iter().for_each(|part| age(part, 2 * WEEK));
    assert_eq!(removed(&lake, LEASE).await, []);
    all(folder.path())
        .iter()
        .for_each(|file| age(file, WEEK - LEASE));
    assert_eq!(removed(&lake, WEEK).await, []);
    let gone = removed(&lake, LEASE).await;
    let events = gone.iter().filter(|file| file.path.contains("/events/"));
    assert_eq!(events.count(), 12);
    assert!(
        kinds(&gone).iter().all(|kind| *kind == "replaced"),
        "{gone:?}"
    );
    assert_eq!(removed(&lake, LEASE).await, []);

    // Merged again: what is no longer there is explained by the papers that are.
    small_batches(&lake, 3).await;
    compact(&lake, Merge::ALL).await.unwrap();
    all(folder.path())
        .iter()
        .for_each(|file| age(file, 2 * WEEK));
    let gone = removed(&lake, WEEK).await;
    let events = gone.iter().filter(|file| file.path.contains("/events/"));
    assert_eq!(events.count(), 4);
    assert_eq!(event_rows(&lake).await.len(), rows.0.len() + 18);
    assert_eq!(event_rows(&lake).await[..72], rows.0);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
    assert_eq!(removed(&lake, LEASE).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_stay_where_the_merged_file_is_gone_or_was_never_put_in_place() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 3).await;
    compact(&lake, Merge::ALL).await.unwrap();
    let files = lake.files(Table::Events).await.unwrap().files;
    let merged = folder.path().join("events").join(&files[0].path);
    std::fs::remove_file(merged).unwrap();
    all(folder.path())
        .iter()
        .for_each(|file| age(file, 2 * WEEK));
    let gone = removed(&lake, WEEK).await;
    assert!(
        gone.iter().all(|file| !file.path.contains("/events/")),
        "{gone:?}"
    );

    // A merge died right before its Delta commit.
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 3).await;
    let log = folder.path().join("events/_delta_log");
    let before = all(&log);
    compact(&lake, Merge::ALL).await.unwrap();
    let new = all(&log).into_iter().filter(|file| !before.contains(file));
    new.for_each(|file| std::fs::remove_file(file).unwrap());
    all(folder.path())
        .iter()
        .for_each(|file| age(file, 2 * WEEK));
    let gone = removed(&lake, WEEK).await;
    let events: Vec<_> = gone
        .into_iter()
        .filter(|file| file.path.contains("/events/"))
        .collect();
    assert_eq!(kinds(&events), ["unmerged"]);
    assert_eq!(event_rows(&lake).await.len(), 18);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merged_file_stays_where_its_parts_are_gone_and_papers_in_a_circle_are_no_proof() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 3).await;
    let log = folder.path().join("events/_delta_log");
    let before = all(&log);
    compact(&lake, Merge::ALL).await.unwrap();
    let merged = lake.files(Table::Events).await.unwrap().files;
    let age_all = || {
        all(folder.path())
            .iter()
            .for_each(|file| age(file, 2 * WEEK))
    };
    age_all();
    assert!(!removed(&lake, WEEK).await.is_empty());
    // An older Delta log is put back, which names the parts.
    let newer = all(&log).into_iter().filter(|file| !before.contains(file));
    let newer: Vec<_> = newer
        .map(|file| (std::fs::read(&file).unwrap(), file))
        .collect();
    newer
        .iter()
        .for_each(|(_, file)| std::fs::remove_file(file).unwrap());
    // Somebody wrote that the merged file was made of itself.
    let papers = all(&folder.path().join("_relaydrift/compacted"));
    let name = merged[0].path.as_str();
    let paper = papers
        .iter()
        .find(|paper| paper.to_string_lossy().contains(name));
    let circle = paper.unwrap();
    let mut paper: serde_json::Value =
        serde_json::from_slice(&std::fs::read(circle).unwrap()).unwrap();
    paper["parts"].as_array_mut().unwrap().push(name.into());
    std::fs::write(circle, paper.to_string()).unwrap();
    age_all();
    removed(&lake, WEEK).await;
    assert!(folder.path().join("events").join(name).exists());
    newer
        .iter()
        .for_each(|(bytes, file)| std::fs::write(file, bytes).unwrap());
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dead_runs_left_goes_and_what_is_decided_or_foreign_stays() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 1).await;
    // One run died before its decision, one lost its number, one died after its decision.
    let (dead, lost) = (
        full_batch(&lake, &[false]).await,
        full_batch(&lake, &[false]).await,
    );
    drop(dead);
    let decided = full_batch(&lake, &[false]).await;
    decided.prepare(&Summary::default()).await.unwrap();
    let error = lost.commit(&Summary::default()).await.unwrap_err();
    assert!(matches!(error, Error::LostBatch { batch: 2 }), "{error}");
    let events = folder.path().join("events");
    let name = lake.all_files(Table::Events).await.unwrap()[0].path.clone();
    for file in [
        format!("{name}#1"),
        format!("{name}#x"),
        "part-1.parquet".into(),
        "other.parquet".into(),
    ] {
        std::fs::write(events.join(file), "x").unwrap();
    }
    assert_eq!(removed(&lake, LEASE).await, []);
    all(folder.path())
        .iter()
        .for_each(|file| age(file, 2 * WEEK));
    let papers = all(&folder.path().join("_relaydrift"));
    let gone = removed(&lake, WEEK).await;
    let of = |kind: &str| kinds(&gone).iter().filter(|one| **one == kind).count();
    // Three files of each of the two: events, open sessions, sources.
    assert_eq!((of("uncommitted"), of("staged"), gone.len()), (6, 1, 7));
    assert_eq!(all(&folder.path().join("_relaydrift")), papers);
    for file in ["other.parquet", "part-1.parquet"] {
        assert!(events.join(file).exists(), "{file}");
    }
    assert_eq!(apply::recover(&lake).await.unwrap(), 2);
    assert_eq!(count(&lake, Table::Events).await, 12);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_slept_names_no_file_that_is_gone() {
    let (folder, lake) = new_lake().await;
    let slept = full_batch(&lake, &[false]).await;
    let slept = slept.begun_at(SystemTime::now() - WEEK);
    all(folder.path()).iter().for_each(|file| age(file, WEEK));
    assert_eq!(removed(&lake, LEASE).await.len(), 3);
    let error = slept.commit(&Summary::default()).await.unwrap_err();
    assert!(matches!(error, Error::Vacuumed { batch: 1 }), "{error}");
    // One whose files are there commits, however long it slept.
    let slept = full_batch(&lake, &[false]).await;
    let slept = slept.begun_at(SystemTime::now() - WEEK);
    slept.commit(&Summary::default()).await.unwrap();
    assert_eq!(count(&lake, Table::Events).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_goes_where_delta_logs_or_papers_are_lost() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 4).await;
    compact(&lake, Merge::ALL).await.unwrap();
    all(folder.path())
        .iter()
        .for_each(|file| age(file, 2 * WEEK));
    for lost in [
        "events/_delta_log",
        "_relaydrift/compacted",
        "_relaydrift/batches",
    ] {
        let (from, aside) = (folder.path().join(lost), folder.path().join("aside"));
        std::fs::rename(&from, &aside).unwrap();
        let mut gone = Vec::new();
        vacuum(&lake, WEEK, true, |file| gone.push(file))
            .await
            .unwrap();
        gone.retain(|file| file.path.contains("/events/"));
        match lost {
            // What took their place is plain from the papers of merges and the Delta logs.
            "_relaydrift/batches" => assert_eq!(kinds(&gone), ["replaced"; 4]),
            _ => assert_eq!(gone, [], "without {lost}"),
        }
        std::fs::rename(&aside, &from).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_log_goes_up_to_a_checkpoint_that_has_stood_for_a_lease() {
    let (folder, lake) = new_lake().await;
    small_batches(&lake, 25).await;
    let rows = event_rows(&lake).await;
    let log = folder.path().join("events/_delta_log");
    let versions = || {
        let names = all(&log).into_iter().map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (
                name.get(..20).and_then(|version| version.parse().ok()),
                file,
            )
        });
        let mut versions: Vec<(u64, std::path::PathBuf)> = names
            .filter_map(|(version, file)| Some((version?, file)))
            .collect();
        versions.sort();
        versions
    };
    let first = || versions()[0].0;
    let checkpoints: Vec<u64> = versions()
        .iter()
        .filter(|(_, file)| file.to_str().unwrap().ends_with(".checkpoint.parquet"))
        .map(|(version, _)| *version)
        .collect();
    let [early, late] = checkpoints[..] else {
        panic!("{checkpoints:?}")
    };
    assert_eq!(removed(&lake, LEASE).await, []);
    let old = |but: u64| {
        for (version, file) in versions() {
            if version <= late && version != but {
                age(&file, 2 * WEEK);
            }
        }
    };
    // Whoever began before a young checkpoint reads what it stands for.
    let aged = versions();
    let before = aged.iter().filter(|(version, _)| *version < early);
    before.for_each(|(_, file)| age(file, 2 * WEEK));
    assert_eq!(removed(&lake, WEEK).await, []);
    // Whoever began at a young version needs what leads to it.
    old(late - 2);
    let gone = removed(&lake, WEEK).await;
    assert!(gone.iter().all(|file| file.kind == Needless::Superseded));
    assert_eq!((gone.len() as u64, first()), (early, early));
    // Where readers begin nobody knows without the name of the last checkpoint.
    old(0);
    let (hint, aside) = (log.join("_last_checkpoint"), folder.path().join("aside"));
    std::fs::rename(&hint, &aside).unwrap();
    assert_eq!(removed(&lake, WEEK).await, []);
    std::fs::write(&hint, format!(r#"{{"version":{early},"size":1}}"#)).unwrap();
    assert_eq!(removed(&lake, WEEK).await, []);
    std::fs::rename(&aside, &hint).unwrap();
    // Commits and a checkpoint; the one that stands for them stays.
    assert_eq!(removed(&lake, WEEK).await.len() as u64, late - early + 1);
    assert_eq!(first(), late);
    let opened = Lake::open_or_create(location(folder.path())).await.unwrap();
    assert_eq!(event_rows(&opened).await, rows);
    assert_eq!(verify(&opened, |_, _| ()).await.unwrap().damaged, []);
    small_batches(&opened, 3).await;
    compact(&opened, Merge::ALL).await.unwrap();
    assert_eq!(event_rows(&opened).await.len(), rows.len() / 25 * 28);
    assert_eq!(verify(&opened, |_, _| ()).await.unwrap().damaged, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn less_than_a_lease_is_refused() {
    let (_folder, lake) = new_lake().await;
    let short = LEASE - Duration::from_secs(1);
    let error = vacuum(&lake, short, false, |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("6h"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn in_an_object_store_the_store_knows_how_old_a_file_is() {
    let lake = Lake::from(Remote {
        store: Arc::new(InMemory::new()),
        url: Url::parse("s3://bucket/lake/").unwrap(),
        path: object_store::path::Path::from("lake"),
    });
    for table in Table::ALL {
        lake.create_table(table).await.unwrap();
    }
    small_batches(&lake, 5).await;
    drop(full_batch(&lake, &[false]).await);
    compact(&lake, Merge::ALL).await.unwrap();
    let rows = event_rows(&lake).await;
    assert_eq!(removed(&lake, LEASE).await, []);
    let mut gone = Vec::new();
    let later = SystemTime::now() + WEEK + LEASE;
    vacuum_at(later, &lake, WEEK, false, |file| gone.push(file))
        .await
        .unwrap();
    gone.retain(|file| file.path.contains("lake/events/"));
    gone.sort_by_key(|file| file.kind);
    assert_eq!(
        kinds(&gone),
        [
            "replaced",
            "replaced",
            "replaced",
            "replaced",
            "replaced",
            "uncommitted"
        ]
    );
    assert_eq!(event_rows(&lake).await, rows);
    assert_eq!(verify(&lake, |_, _| ()).await.unwrap().damaged, []);
}
