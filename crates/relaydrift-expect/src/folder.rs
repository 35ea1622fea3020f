//! Files and folders of exports and certificates.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::{Error, Imported, Problem, read_bytes};

/// More than any export of connectors or certificates.
const LIMIT: u64 = 64 << 20;

/// What files and folders gave.
#[derive(Debug, Default)]
pub struct Reading {
    /// Files that were read whole, in the order of their paths.
    pub files: Vec<Imported>,
    /// Files of a folder that are neither export nor certificate, with the reason.
    pub left_out: Vec<(PathBuf, &'static str)>,
    /// Files that could not be read whole; nothing should be imported then.
    pub errors: Vec<Error>,
}

/// Reads files, and the files in folders and in the folders below.
///
/// A file that is named must be an export or hold certificates. In a folder, what is neither is left out;
/// what is one and cannot be read, and any private key, is an error there too. Links inside a folder are
/// not followed.
pub fn read(paths: &[PathBuf]) -> Reading {
    let mut reading = Reading::default();
    for path in paths {
        if path.is_dir() {
            reading.folder(path);
        } else {
            reading.file(path, true);
        }
    }
    reading
}

impl Reading {
    fn folder(&mut self, folder: &Path) {
        let entries = std::fs::read_dir(folder).and_then(|entries| {
            let entries = entries.map(|entry| {
                let entry = entry?;
                Ok((entry.path(), entry.file_type()?))
            });
            entries.collect::<io::Result<Vec<_>>>()
        });
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.errors.push(Error {
                    path: folder.to_owned(),
                    problem: Problem::Read(error),
                });
                return;
            }
        };
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        for (path, kind) in entries {
            let hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if hidden {
                continue;
            }
            if kind.is_dir() {
                self.folder(&path);
            } else if kind.is_file() {
                self.file(&path, false);
            } else {
                self.left_out.push((path, "not a file"));
            }
        }
    }

    fn file(&mut self, path: &Path, named: bool) {
        match load(path).and_then(|bytes| match foreign(&bytes) {
            Some(reason) if !named => Ok(Err(reason)),
            _ => read_bytes(path, &bytes).map(Ok),
        }) {
            Ok(Ok(file)) => self.files.push(file),
            Ok(Err(reason)) => self.left_out.push((path.to_owned(), reason)),
            Err(error) => match error.problem {
                Problem::Unrecognised if !named => {
                    let reason = "neither an export nor a certificate";
                    self.left_out.push((error.path, reason));
                }
                Problem::TooLarge { .. } if !named => {
                    self.left_out.push((error.path, "too large for an export"));
                }
                _ => self.errors.push(error),
            },
        }
    }
}

/// The bytes of a file, or of a pipe to its end.
///
/// # Errors
/// If it cannot be read, is a device or a folder, or has more bytes than any export.
pub fn load(path: &Path) -> Result<Vec<u8>, Error> {
    let wrong = |problem| Error {
        path: path.to_owned(),
        problem,
    };
    let read = |error| wrong(Problem::Read(error));
    let about = std::fs::metadata(path).map_err(read)?;
    if !about.is_file() && !is_pipe(&about) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a file");
        return Err(read(error));
    }
    if about.len() > LIMIT {
        return Err(wrong(Problem::TooLarge { bytes: about.len() }));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(read)?;
    // A pipe tells no size, and a file may grow.
    let length = file.take(LIMIT + 1).read_to_end(&mut bytes).map_err(read)? as u64;
    match length > LIMIT {
        true => Err(wrong(Problem::TooLarge { bytes: length })),
        false => Ok(bytes),
    }
}

#[cfg(unix)]
fn is_pipe(about: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&about.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}

/// Files that lie beside exports and are something else for sure.
fn foreign(bytes: &[u8]) -> Option<&'static str> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.starts_with(b"#Software:") || text.starts_with(b"#Log-type:") {
        return Some("a log");
    }
    text.starts_with(b"\x1f\x8b").then_some("compressed")
}
