//! Logs in object stores, for the reader of logs, which knows threads that wait and no async code.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use relaydrift_ingest::{Naming, Object, Plan, Store, find_in, is_url};
use tokio::runtime::Handle;
use url::Position;

use crate::Error;
use crate::remote::Remote;

/// Finds the send logs under files, folders, globs and URLs of object stores, as
/// [`find`](relaydrift_ingest::find) does.
///
/// To be called inside a tokio runtime of several threads, where there is a URL among the paths; the logs it
/// finds there are read while that runtime lives.
///
/// # Errors
/// As [`find`](relaydrift_ingest::find), and if a store cannot be asked.
pub fn find(paths: &[PathBuf], naming: &Naming) -> Result<Plan, Error> {
    let any_url = paths.iter().any(|path| is_url(path));
    let store = any_url.then(|| Arc::new(Buckets::default()) as Arc<dyn Store>);
    Ok(find_in(paths, naming, store)?)
}

/// The stores in which logs were found.
#[derive(Debug, Default)]
struct Buckets {
    buckets: Mutex<Vec<Bucket>>,
}

#[derive(Debug, Clone)]
struct Bucket {
    /// The beginning of its URLs: `s3://bucket/`.
    url: String,
    /// What waits for its answers.
    runtime: Handle,
    store: Arc<dyn ObjectStore>,
}

impl Store for Buckets {
    fn list(&self, url: &str) -> io::Result<Vec<Object>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let (remote, listed) = wait(&runtime, list(url)).map_err(io::Error::other)?;
        let bucket = Bucket {
            url: format!("{}/", &remote.url[..Position::BeforePath]),
            runtime,
            store: remote.store,
        };
        let objects = listed.into_iter().map(|object| Object {
            url: format!("{}{}", bucket.url, object.location),
            size: object.size,
            version: object.e_tag,
        });
        let objects = objects.collect();
        let mut buckets = self.buckets.lock().unwrap_or_else(|e| e.into_inner());
        buckets.push(bucket);
        Ok(objects)
    }

    fn read(&self, object: &Object, bytes: Range<u64>) -> io::Result<Vec<u8>> {
        let buckets = self.buckets.lock().unwrap_or_else(|e| e.into_inner());
        let of = buckets.iter().find_map(|bucket| {
            let key = object.url.strip_prefix(&bucket.url)?;
            Some((key, bucket.clone()))
        });
        let (key, Bucket { runtime, store, .. }) = of.ok_or(io::ErrorKind::NotFound)?;
        drop(buckets);
        let path = Path::parse(key).map_err(io::Error::other)?;
        let options = GetOptions {
            range: Some(bytes.into()),
            if_match: object.version.clone(),
            ..GetOptions::default()
        };
        let read = async { store.get_opts(&path, options).await?.bytes().await };
        match wait(&runtime, read) {
            Ok(bytes) => Ok(bytes.into()),
            Err(StoreError::Precondition { .. }) => {
                let changed = "it has changed since it was listed: run it again";
                Err(io::Error::other(changed))
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// Waits on a thread of the runtime or on any other.
fn wait<T>(runtime: &Handle, work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| runtime.block_on(work))
}

/// The object of that name, or all below it.
async fn list(url: &str) -> Result<(Remote, Vec<ObjectMeta>), Error> {
    let Some(remote) = Remote::open(url).await? else {
        let location = url.to_owned();
        return Err(Error::Scheme { location });
    };
    let path = &remote.path;
    let mut objects: Vec<_> =
        (remote.store.list(Some(path)).try_collect().await).map_err(Error::store(path))?;
    if objects.is_empty() && !path.as_ref().is_empty() {
        match remote.store.head(path).await {
            Ok(object) => objects.push(object),
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(Error::store(path)(error)),
        }
    }
    Ok((remote, objects))
}
