//! The local file system as an object store whose writes survive a power cut.
//!
//! `object_store`'s own [`LocalFileSystem`] does not sync: what it acknowledged can be gone, or be
//! there with no bytes in it. Here a file is written under a staging name and synced before it gets
//! its name, and the folder is synced after. That holds for the Delta logs too, because Delta
//! writes through this store.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result, UploadPart,
};

const STORE: &str = "SyncedFileSystem";

/// The whole local file system; paths are absolute without the leading `/`.
#[derive(Debug, Clone)]
pub(crate) struct Synced {
    files: LocalFileSystem,
}

impl Synced {
    pub(crate) fn new() -> Synced {
        Synced {
            files: LocalFileSystem::new(),
        }
    }
}

impl std::fmt::Display for Synced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(STORE)
    }
}

#[async_trait]
impl ObjectStore for Synced {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let create = match opts.mode {
            PutMode::Create => true,
            PutMode::Overwrite => false,
            PutMode::Update(_) => {
                return Err(Error::NotImplemented {
                    operation: "update".into(),
                    implementer: STORE.into(),
                });
            }
        };
        let path = self.files.path_to_filesystem(location)?;
        let written = tokio::task::spawn_blocking(move || {
            write(&path, &payload, create).map_err(|e| (e, path))
        });
        match written.await? {
            Ok(()) => Ok(PutResult {
                e_tag: None,
                version: None,
            }),
            Err((source, path)) if source.kind() == ErrorKind::AlreadyExists => {
                Err(Error::AlreadyExists {
                    path: path.display().to_string(),
                    source: source.into(),
                })
            }
            Err((source, _)) => Err(Error::Generic {
                store: STORE,
                source: source.into(),
            }),
        }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Parts {
            store: self.clone(),
            location: location.clone(),
            parts: Vec::new(),
        }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.files.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.files.get_ranges(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        self.files.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list(prefix)
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.files.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        let bytes = self.files.get(from).await?.bytes().await?;
        self.put_opts(to, bytes.into(), mode.into())
            .await
            .map(|_| ())
    }
}

/// Writes and syncs a file under a staging name, names it, and syncs its folder.
fn write(path: &FilePath, payload: &PutPayload, create: bool) -> std::io::Result<()> {
    let (mut file, staged) = stage(path)?;
    let named = payload
        .iter()
        .try_for_each(|part| file.write_all(part))
        .and_then(|()| {
            file.sync_all()?;
            drop(file);
            // Only a link fails where the name is taken.
            if create {
                std::fs::hard_link(&staged, path)
            } else {
                std::fs::rename(&staged, path)
            }
        });
    if create || named.is_err() {
        let _ = std::fs::remove_file(&staged);
    }
    named?;
    sync_folder(path.parent())
}

/// `LocalFileSystem` leaves names that end in `#` and digits out of its listings.
fn stage(path: &FilePath) -> std::io::Result<(File, PathBuf)> {
    let mut number = 1_u64;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!("#{number}"));
        let staged = PathBuf::from(name);
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&staged)
        {
            Ok(file) => return Ok((file, staged)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) if error.kind() == ErrorKind::NotFound && number == 1 => {
                create_folder(path.parent())?;
                number += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Creates a folder and those above it; each is synced into the one above.
pub(crate) fn create_folder(folder: Option<&FilePath>) -> std::io::Result<()> {
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir())
    else {
        return Ok(());
    };
    create_folder(folder.parent())?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(folder.parent()),
    }
}

/// A no-op where folders cannot be opened (Windows).
fn sync_folder(folder: Option<&FilePath>) -> std::io::Result<()> {
    match folder {
        Some(folder) if cfg!(unix) => {
            let folder = if folder.as_os_str().is_empty() {
                FilePath::new(".")
            } else {
                folder
            };
            File::open(folder)?.sync_all()
        }
        _ => Ok(()),
    }
}

/// An upload in parts, kept until it is complete: only Delta's checkpoints come this way.
#[derive(Debug)]
struct Parts {
    store: Synced,
    location: Path,
    parts: Vec<Bytes>,
}

#[async_trait]
impl MultipartUpload for Parts {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.extend(data);
        std::future::ready(Ok(())).boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload = std::mem::take(&mut self.parts)
            .into_iter()
            .collect::<PutPayload>();
        self.store.put(&self.location, payload).await
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}

/// All of one object.
///
/// # Errors
/// If it cannot be read; [`None`] if it is not there.
pub(crate) async fn read(
    store: &dyn ObjectStore,
    path: &Path,
) -> Result<Option<Bytes>, crate::Error> {
    let read = async { store.get(path).await?.bytes().await };
    match read.await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(source) => Err(crate::Error::store(path)(source)),
    }
}

/// True if a store says that there is no such object.
pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. })
}

/// How often a body that breaks off is read.
const READS: usize = 3;

/// BLAKE3 (hex) and length of one object, without holding all of it; `progress` is told how much was read. What cannot
/// be read is read again: the clients of stores repeat requests, not bodies that break off.
pub(crate) async fn hash(
    store: &dyn ObjectStore,
    path: &Path,
    progress: impl Fn(u64),
) -> Result<(String, u64)> {
    for _ in 1..READS {
        match hash_once(store, path, &progress).await {
            Err(error) if !is_gone(&error) => {}
            done => return done,
        }
    }
    hash_once(store, path, &progress).await
}

async fn hash_once(
    store: &dyn ObjectStore,
    path: &Path,
    progress: impl Fn(u64),
) -> Result<(String, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut bytes = 0;
    let mut stream = store.get(path).await?.into_stream().boxed();
    while let Some(chunk) = stream.try_next().await? {
        hasher.update(&chunk);
        bytes += chunk.len() as u64;
        progress(bytes);
    }
    Ok((hasher.finalize().to_hex().to_string(), bytes))
}
