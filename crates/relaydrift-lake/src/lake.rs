//! A lake: where it lies, its format, its tables.

use std::io::ErrorKind;
use std::sync::Arc;

use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::CommitProperties;
use deltalake_core::kernel::{StructField, StructType};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::SaveMode;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::StreamExt;
use futures::future::join_all;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode};
use relaydrift_ingest::Table;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use url::Url;

use crate::apply::ATTEMPTS;
use crate::ledger::Ledger;
use crate::remote::Remote;
use crate::{Error, store};

/// The newest format of a lake that this program reads and writes.
pub const FORMAT: u32 = 1;

/// A Delta log gets a checkpoint once in so many commits.
const CHECKPOINT_INTERVAL: &str = "10";

/// An open lake. Cheap to clone; everything but the ledger is read anew from the store when asked for.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Arc<dyn ObjectStore>,
    root: Url,
    prefix: Path,
    /// As it was read last, by any clone of this.
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

/// `_relaydrift/lake.json`.
#[derive(Debug, Serialize, Deserialize)]
struct Paper {
    format: u32,
    created_by: String,
}

impl From<Remote> for Lake {
    fn from(remote: Remote) -> Lake {
        Lake {
            store: remote.store,
            root: remote.url,
            prefix: remote.path,
            ledger: Arc::default(),
        }
    }
}

impl Lake {
    /// Opens the lake in a folder (a path or a `file://` URL) or in an object store (`s3://BUCKET/FOLDER`,
    /// `az://CONTAINER/FOLDER`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`, `gs://BUCKET/FOLDER`)
    /// with the credentials of the environment.
    ///
    /// # Errors
    /// [`Error::NoLake`] where there is none, [`Error::NewerFormat`] where a newer program wrote it,
    /// [`Error::Remote`] where its store cannot be asked.
    pub async fn open(location: &str) -> Result<Lake, Error> {
        let no_lake = || Error::NoLake {
            location: location.to_owned(),
        };
        let lake = match Remote::open(location).await? {
            Some(remote) => remote.into(),
            None => match resolve(&folder(location)?) {
                Ok(folder) => Lake::local(&folder, location)?,
                Err(error) if error.kind() == ErrorKind::NotFound => return Err(no_lake()),
                Err(source) => {
                    return Err(Error::Folder {
                        location: location.to_owned(),
                        source,
                    });
                }
            },
        };
        if lake.paper().await? {
            Ok(lake)
        } else {
            Err(no_lake())
        }
    }

    /// Opens the lake, or makes one with all its tables, empty; in an object store, its bucket must be there.
    ///
    /// # Errors
    /// As [`Lake::open`], and if nothing can be written there.
    pub async fn open_or_create(location: &str) -> Result<Lake, Error> {
        let lake = match Remote::open(location).await? {
            Some(remote) => remote.into(),
            None => {
                let unusable = |source| Error::Folder {
                    location: location.to_owned(),
                    source,
                };
                let folder = std::path::absolute(folder(location)?).map_err(unusable)?;
                // Nothing is created where no lake can be; a path with `..` in it is judged below.
                let judged = root(&folder, location);
                if let Err(error @ (Error::Share { .. } | Error::Percent { .. })) = judged {
                    return Err(error);
                }
                store::create_folder(Some(&folder)).map_err(unusable)?;
                let folder = resolve(&folder).map_err(unusable)?;
                Lake::local(&folder, location)?
            }
        };
        lake.create().await?;
        Ok(lake)
    }

    /// Makes what is not there yet, also after a run that stopped in between.
    pub(crate) async fn create(&self) -> Result<(), Error> {
        if !self.paper().await? {
            let created_by = concat!("relaydrift ", env!("CARGO_PKG_VERSION")).to_owned();
            let paper = Paper {
                format: FORMAT,
                created_by,
            };
            let path = self.path(&["_relaydrift", "lake.json"]);
            let json = serde_json::to_vec(&paper).map_err(|source| Error::Json {
                path: path.to_string(),
                source,
            })?;
            match self
                .store
                .put_opts(&path, json.into(), PutMode::Create.into())
                .await
            {
                Ok(_) => {}
                // Another run was first, if there is one: a refused write does not say why it was.
                Err(StoreError::AlreadyExists { .. }) if self.paper().await? => {}
                Err(source) => return Err(Error::store(&path)(source)),
            }
        }
        let tables = join_all(Table::ALL.map(|table| self.create_table(table))).await;
        // Each to its end: one that is dropped half way panics in a thread of Delta's kernel.
        tables.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }

    fn local(folder: &std::path::Path, location: &str) -> Result<Lake, Error> {
        if !folder.is_dir() {
            return Err(Error::Folder {
                location: location.to_owned(),
                source: ErrorKind::NotADirectory.into(),
            });
        }
        let (root, prefix) = root(folder, location)?;
        Ok(Lake {
            store: Arc::new(store::Synced::new()),
            root,
            prefix,
            ledger: Arc::default(),
        })
    }

    /// True if it lies in a folder, not in an object store.
    pub(crate) fn is_local(&self) -> bool {
        self.root.scheme() == "file"
    }

    /// True if there is a lake of a format that we know.
    async fn paper(&self) -> Result<bool, Error> {
        let path = self.path(&["_relaydrift", "lake.json"]);
        let mut json = store::read(&*self.store, &path).await?;
        // It is written before any table: without it, nobody knows what these tables are.
        if json.is_none() && self.has_log(Table::Sources).await? {
            // A run that makes the lake may have been between the two questions.
            json = store::read(&*self.store, &path).await?;
            if json.is_none() {
                let path = path.to_string();
                return Err(Error::NoPaper { path });
            }
        }
        let Some(json) = json else {
            return Ok(false);
        };
        let paper: Paper = serde_json::from_slice(&json).map_err(|source| Error::Json {
            path: path.to_string(),
            source,
        })?;
        if paper.format > FORMAT {
            let location = self.root.to_string();
            return Err(Error::NewerFormat {
                location,
                found: paper.format,
                known: FORMAT,
            });
        }
        Ok(true)
    }

    /// The store behind the lake; its paths start at the root of the file system (or bucket), as
    /// DataFusion registers stores.
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.store.clone()
    }

    /// The lake's folder, with a `/` at its end.
    pub fn root_url(&self) -> &Url {
        &self.root
    }

    /// A path in [`Lake::store`], from names below the lake's root.
    pub fn path(&self, names: &[&str]) -> Path {
        names
            .iter()
            .fold(self.prefix.clone(), |path, name| path.join(*name))
    }

    /// The folder of a table, with a `/` at its end.
    pub(crate) fn table_url(&self, table: Table) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{}/", self.root.path(), table.name()));
        url
    }

    /// Delta's log by way of our store. A commit creates the next file of the log if it is not there, on every
    /// store alike.
    fn log_store(&self, table: Table) -> LogStoreRef {
        let of_table = PrefixStore::new(self.store.clone(), self.path(&[table.name()]));
        default_logstore(
            Arc::new(of_table),
            self.store.clone(),
            &self.table_url(table),
            &StorageConfig::default(),
        )
    }

    /// The newest version of a table; [`None`] if it was never created.
    ///
    /// # Errors
    /// [`Error::NoLake`] if the lake has gone since it was opened, [`Error::Behind`] if its store lists only what it
    /// held some time ago.
    pub(crate) async fn table(&self, table: Table) -> Result<Option<DeltaTable>, Error> {
        for _ in 0..ATTEMPTS {
            let mut delta = DeltaTable::new(self.log_store(table));
            let loaded = delta.load().await;
            if let Err(error) = loaded {
                let is_none = matches!(error, DeltaTableError::NotATable(_));
                // Made by a run that stopped, or before there was such a table.
                if !is_none && self.has_log(table).await? {
                    return Err(Error::delta(table)(error));
                }
            }
            let version = delta.version();
            let next = version.map_or(0, |version| version + 1);
            // What a list lacks is found by its name.
            if self.has_version(table, next).await? {
                continue;
            }
            // A lake on a drive that is away has no tables either, and is not an empty one.
            return match version.is_some() || self.paper().await? {
                true => Ok(version.map(|_| delta)),
                false => Err(Error::NoLake {
                    location: self.root.to_string(),
                }),
            };
        }
        Err(Error::Behind {
            table: table.name(),
        })
    }

    /// True if a table has that version.
    async fn has_version(&self, table: Table, version: u64) -> Result<bool, Error> {
        let name = format!("{version:020}.json");
        let path = self.path(&[table.name(), "_delta_log", &name]);
        match self.store.head(&path).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(source) => Err(Error::store(&path)(source)),
        }
    }

    /// True if a table has any file of a Delta log.
    async fn has_log(&self, table: Table) -> Result<bool, Error> {
        let path = self.path(&[table.name(), "_delta_log"]);
        let first = self.store.list(Some(&path)).next().await;
        Ok(first.transpose().map_err(Error::store(&path))?.is_some())
    }

    /// Creates a table unless it is there.
    pub(crate) async fn create_table(&self, table: Table) -> Result<DeltaTable, Error> {
        let schema: StructType = table
            .schema()
            .as_ref()
            .try_into_kernel()
            .map_err(Error::columns(table))?;
        let fields: Vec<StructField> = schema.fields().cloned().collect();
        let created = CreateBuilder::new()
            .with_log_store(self.log_store(table))
            .with_table_name(table.name())
            .with_columns(fields)
            .with_save_mode(SaveMode::Ignore)
            // Every column may have statistics, `batch` (the last) must not fall off the end.
            .with_configuration([
                ("delta.checkpointInterval", Some(CHECKPOINT_INTERVAL)),
                ("delta.dataSkippingNumIndexedCols", Some("-1")),
            ])
            .with_commit_properties(CommitProperties::default().with_max_retries(0))
            .await;
        match created {
            Ok(delta) => Ok(delta),
            // Another run created it in the meantime.
            Err(error) => self
                .table(table)
                .await?
                .ok_or_else(|| Error::delta(table)(error)),
        }
    }
}

/// The URL of a folder, and its path in the store.
fn root(folder: &std::path::Path, location: &str) -> Result<(Url, Path), Error> {
    let location = || location.to_owned();
    let unusable = || Error::Folder {
        location: location(),
        source: ErrorKind::InvalidInput.into(),
    };
    let root = Url::from_directory_path(folder).map_err(|()| unusable())?;
    if root.has_host() {
        return Err(Error::Share {
            location: location(),
        });
    }
    let path = Path::from_url_path(root.path()).map_err(|_| unusable())?;
    // Delta's library decodes a path once more than it was encoded.
    if Path::from_url_path(path.as_ref()).ok().as_ref() != Some(&path) {
        return Err(Error::Percent {
            location: location(),
        });
    }
    Ok((root, path))
}

/// The folder itself, without links on the way.
fn resolve(folder: &std::path::Path) -> std::io::Result<std::path::PathBuf> {
    let on_share = |path| Url::from_directory_path(path).is_ok_and(|url| url.has_host());
    match std::fs::canonicalize(folder) {
        // Windows resolves the letter of a mapped drive to its share, and not every drive tells what it is.
        Ok(resolved) if on_share(&resolved) => std::path::absolute(folder),
        Err(error) if cfg!(windows) && error.kind() != ErrorKind::NotFound => {
            std::path::absolute(folder)
        }
        resolved => resolved,
    }
}

/// The folder that a path or URL names.
fn folder(location: &str) -> Result<std::path::PathBuf, Error> {
    match Url::parse(location) {
        Ok(url) if url.scheme() == "file" => {
            let invalid = std::io::Error::from(std::io::ErrorKind::InvalidInput);
            url.to_file_path().map_err(|()| Error::Folder {
                location: location.to_owned(),
                source: invalid,
            })
        }
        _ => Ok(location.into()),
    }
}
