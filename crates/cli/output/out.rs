//! The place that the bytes of a document go to.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// A document on its way: to stdout, to a file, or to whatever takes bytes.
///
/// A file is written under another name beside its own and takes its own when [`Out::finish`] is
/// called; until then an earlier file of that name stays as it is.
pub struct Out {
    bytes: BufWriter<Box<dyn Write + Send>>,
    file: Option<Unfinished>,
}

impl Out {
    /// Buffered bytes; every writer of rows flushes after each batch.
    pub fn new(bytes: impl Write + Send + 'static) -> Self {
        Out {
            bytes: BufWriter::with_capacity(1 << 16, Box::new(bytes)),
            file: None,
        }
    }

    /// stdout
    pub fn stdout() -> Self {
        Out::new(io::stdout())
    }

    /// A file, there once it is whole; devices and pipes are written as they are.
    pub fn file(path: &Path) -> Result<Self> {
        let cannot = || format!("cannot write {}", path.display());
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            let device = OpenOptions::new().write(true).open(path);
            return Ok(Out::new(device.with_context(cannot)?));
        }
        let unfinished = Unfinished::of(path);
        let file = File::create(&unfinished.written).with_context(cannot)?;
        Ok(Out {
            file: Some(unfinished),
            ..Out::new(file)
        })
    }

    /// The document is whole: a file gets its name.
    pub fn finish(mut self) -> Result<()> {
        self.bytes.flush()?;
        if let Some(file) = self.file.take() {
            drop(self.bytes);
            let cannot = || format!("cannot write {}", file.path.display());
            OpenOptions::new()
                .write(true)
                .open(&file.written)
                .and_then(|written| written.sync_all())
                .and_then(|()| fs::rename(&file.written, &file.path))
                .with_context(cannot)?;
        }
        Ok(())
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes.flush()
    }
}

/// A file under its other name, which goes with this value.
struct Unfinished {
    path: PathBuf,
    written: PathBuf,
}

impl Unfinished {
    fn of(path: &Path) -> Self {
        // A link stays a link: what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.unfinished", std::process::id()));
        Unfinished {
            written: path.with_file_name(name),
            path,
        }
    }
}

/// Removes what this process has written of a file so far.
pub fn abandon(path: &Path) {
    drop(Unfinished::of(path));
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.written);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<OsString> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    #[test]
    fn a_file_appears_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift.csv");
        let mut out = Out::file(&path).unwrap();
        out.write_all(b"half").unwrap();
        out.flush().unwrap();
        assert!(!path.exists());
        drop(out);
        assert!(names(folder.path()).is_empty());

        let mut out = Out::file(&path).unwrap();
        out.write_all(b"whole").unwrap();
        out.finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()), ["drift.csv"]);
    }

    #[test]
    fn an_earlier_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift.csv");
        fs::write(&path, "earlier").unwrap();
        let mut out = Out::file(&path).unwrap();
        out.write_all(b"half").unwrap();
        drop(out);
        assert_eq!(fs::read(&path).unwrap(), b"earlier");
        Out::file(&path).unwrap().finish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_a_link_and_a_device_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (
            folder.path().join("real.csv"),
            folder.path().join("link.csv"),
        );
        fs::write(&path, "earlier").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let mut out = Out::file(&link).unwrap();
        out.write_all(b"new").unwrap();
        out.finish().unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"new");
        Out::file(Path::new("/dev/null")).unwrap().finish().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = Out::file(Path::new("no-such-folder/x.csv")).err().unwrap();
        assert!(format!("{error:#}").contains("no-such-folder"), "{error:#}");
    }
}
