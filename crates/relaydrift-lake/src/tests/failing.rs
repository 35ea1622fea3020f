//! A store whose lists lag behind, that refuses to create what is not there, and whose bodies break off.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload,
    PutResult, Result,
};
use relaydrift_ingest::Table;

use super::{count, new_lake, small_batches};
use crate::remote::Remote;
use crate::{Damage, Error, Lake, verify};

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_lags_behind_hides_no_rows() {
    let (_folder, lake) = new_lake().await;
    small_batches(&lake, 2).await;
    let rows = count(&lake, Table::Events).await;
    for hidden in [
        "events/_delta_log/",
        "events/_delta_log/00000000000000000002.json",
    ] {
        let lagging = failing(&lake, hidden, "", 2);
        assert_eq!(count(&lagging, Table::Events).await, rows, "{hidden}");
        let behind = failing(&lake, hidden, "", usize::MAX)
            .read(Table::Events)
            .await;
        assert!(
            matches!(behind, Err(Error::Behind { table: "events" })),
            "{hidden}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_whose_paper_is_refused_is_not_taken_for_made() {
    let (folder, place) = new_lake().await;
    std::fs::remove_file(folder.path().join("_relaydrift/lake.json")).unwrap();
    // As before the first run.
    std::fs::remove_dir_all(folder.path().join("sources")).unwrap();
    let refused = failing(&place, "", "lake.json", 0).create().await;
    assert!(matches!(refused, Err(Error::Store { .. })), "{refused:?}");
    place.create().await.unwrap();
    failing(&place, "", "lake.json", 0).create().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_read_again_before_a_file_counts_as_damaged() {
    let (_folder, lake) = new_lake().await;
    small_batches(&lake, 2).await;
    for (breaks, damaged) in [(0, 0), (2, 0), (3, 1)] {
        let mut store = Failing::of(&lake);
        store.breaks = AtomicUsize::new(breaks);
        let report = verify(&store.lake(&lake), |_, _| ()).await.unwrap();
        let found = report.damaged.as_slice();
        let unreadable = |damage: &Damage| matches!(damage, Damage::Unreadable { .. });
        assert_eq!(found.len(), damaged, "{breaks}: {found:?}");
        assert!(found.iter().all(unreadable), "{breaks}: {found:?}");
    }
}

fn failing(lake: &Lake, hidden: &'static str, refused: &'static str, lists: usize) -> Lake {
    let mut store = Failing::of(lake);
    (store.hidden, store.refused) = (hidden, refused);
    store.lists = AtomicUsize::new(lists);
    store.lake(lake)
}

#[derive(Debug)]
struct Failing {
    store: Arc<dyn ObjectStore>,
    /// Names with this in them are left out of so many lists.
    hidden: &'static str,
    lists: AtomicUsize,
    /// Names with this in them are said to be taken.
    refused: &'static str,
    /// So many bodies of data files break off at first.
    breaks: AtomicUsize,
}

impl Failing {
    /// The store of a lake, which does not fail yet.
    fn of(lake: &Lake) -> Failing {
        Failing {
            store: lake.store(),
            hidden: "",
            lists: AtomicUsize::new(0),
            refused: "",
            breaks: AtomicUsize::new(0),
        }
    }

    /// The same lake in this store.
    fn lake(self, lake: &Lake) -> Lake {
        Lake::from(Remote {
            store: Arc::new(self),
            url: lake.root_url().clone(),
            path: lake.path(&[]),
        })
    }

    fn breaks_off(&self, from: &Path) -> bool {
        let one_less = |breaks: usize| breaks.checked_sub(1);
        from.as_ref().contains("/part-")
            && self
                .breaks
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
                .is_ok()
    }
}

impl fmt::Display for Failing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Failing")
    }
}

#[async_trait]
impl ObjectStore for Failing {
    async fn put_opts(
        &self,
        to: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let create = opts.mode == PutMode::Create && !self.refused.is_empty();
        if create && to.as_ref().contains(self.refused) {
            return Err(StoreError::AlreadyExists {
                path: to.to_string(),
                source: "refused".into(),
            });
        }
        self.store.put_opts(to, payload, opts).await
    }

    async fn put_multipart_opts(
        &self,
        to: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(to, opts).await
    }

    async fn get_opts(&self, from: &Path, options: GetOptions) -> Result<GetResult> {
        let breaks_off = self.breaks_off(from);
        let mut found = self.store.get_opts(from, options).await?;
        if breaks_off {
            let broken = StoreError::Generic {
                store: "Failing",
                source: "the body broke off".into(),
            };
            found.payload = GetResultPayload::Stream(stream::iter([Err(broken)]).boxed());
        }
        Ok(found)
    }

    fn delete_stream(
        &self,
        paths: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.store.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let left = |lists: usize| lists.checked_sub(1);
        let lags = self
            .lists
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, left)
            .is_ok();
        let hidden = self.hidden;
        let all = self.store.list(prefix);
        let seen = all.filter(move |object| {
            let is_hidden = |object: &ObjectMeta| object.location.as_ref().contains(hidden);
            std::future::ready(!lags || !object.as_ref().is_ok_and(is_hidden))
        });
        seen.boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.store.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.store.copy_opts(from, to, options).await
    }
}
