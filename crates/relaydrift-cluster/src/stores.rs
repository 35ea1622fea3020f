//! The object stores of the parts of a cluster: executors open those that a plan names, schedulers read none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::Result;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreRegistry;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use url::{Position, Url};

/// The file system, and the stores of lakes with the credentials of this machine.
///
/// DataFusion's own registry takes two containers of one Azure account for the same store.
#[derive(Debug, Default)]
pub(crate) struct Stores(Mutex<HashMap<String, Arc<dyn ObjectStore>>>);

impl Stores {
    /// What a URL names without its path.
    fn with<T>(
        &self,
        url: &Url,
        f: impl FnOnce(Entry<'_, String, Arc<dyn ObjectStore>>) -> T,
    ) -> T {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f(stores.entry(url[..Position::BeforePath].to_owned()))
    }
}

impl ObjectStoreRegistry for Stores {
    fn register_store(
        &self,
        url: &Url,
        store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        self.with(url, |entry| match entry {
            Entry::Occupied(mut entry) => Some(entry.insert(store)),
            Entry::Vacant(entry) => {
                entry.insert(store);
                None
            }
        })
    }

    fn get_store(&self, url: &Url) -> Result<Arc<dyn ObjectStore>> {
        self.with(url, |entry| match entry {
            Entry::Occupied(entry) => Ok(entry.get().clone()),
            Entry::Vacant(entry) => {
                let store = match url.scheme() {
                    "file" => Arc::new(LocalFileSystem::new()),
                    _ => relaydrift_lake::object_store(url)
                        .map_err(|error| DataFusionError::External(Box::new(error)))?,
                };
                Ok(entry.insert(store).clone())
            }
        })
    }
}

/// Stores that nobody reads: whatever a plan names is there, and empty.
#[derive(Debug)]
pub(crate) struct Unread;

impl ObjectStoreRegistry for Unread {
    fn register_store(&self, _: &Url, store: Arc<dyn ObjectStore>) -> Option<Arc<dyn ObjectStore>> {
        Some(store)
    }

    fn get_store(&self, _: &Url) -> Result<Arc<dyn ObjectStore>> {
        Ok(Arc::new(InMemory::new()))
    }
}
