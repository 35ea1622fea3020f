//! A store whose lists lag behind, and that refuses to create what is not there.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error as StoreError, GetOptions, GetResult, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use relaydrift_ingest::Table;

use super::{count, new_lake, small_batches};
use crate::remote::Remote;
use crate::{Error, Lake};

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
    let folder = tempfile::tempdir().unwrap();
    let place = Lake::open_or_create(super::location(folder.path()))
        .await
        .unwrap();
    std::fs::remove_file(folder.path().join("_relaydrift/lake.json")).unwrap();
    let refused = failing(&place, "", "lake.json", 0).create().await;
    assert!(matches!(refused, Err(Error::Store { .. })), "{refused:?}");
    place.create().await.unwrap();
    failing(&place, "", "lake.json", 0).create().await.unwrap();
}

fn failing(lake: &Lake, hidden: &'static str, refused: &'static str, lists: usize) -> Lake {
    let store = Failing {
        store: lake.store(),
        hidden,
        lists: AtomicUsize::new(lists),
        refused,
    };
    Lake::from(Remote {
        store: Arc::new(store),
        url: lake.root_url().clone(),
        path: lake.path(&[]),
    })
}

#[derive(Debug)]
struct Failing {
    store: Arc<dyn ObjectStore>,
    /// Names with this in them are left out of so many lists.
    hidden: &'static str,
    lists: AtomicUsize,
    /// Names with this in them are said to be taken.
    refused: &'static str,
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
        self.store.get_opts(from, options).await
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
