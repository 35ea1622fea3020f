//! Logs that lie in an object store: the store is someone else's, here it is read like a file.

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Bytes asked for first: enough to judge a log by.
const FIRST: u64 = 64 * 1024;

/// Bytes asked for at a time of a log that is read on; no more of it is held.
const MOST: u64 = 8 * 1024 * 1024;

/// A store of objects, asked by threads that may wait.
pub trait Store: fmt::Debug + Send + Sync {
    /// The objects under a URL: that one, or all that lie below it.
    ///
    /// # Errors
    /// If the store cannot be asked.
    fn list(&self, url: &str) -> io::Result<Vec<Object>>;

    /// Some bytes of an object, all of them within its size.
    ///
    /// # Errors
    /// If they cannot be had, or the object is not any more what was listed.
    fn read(&self, object: &Object, bytes: Range<u64>) -> io::Result<Vec<u8>>;
}

/// An object as it was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole name: `s3://bucket/logs/EX01/SEND2026100510-1.LOG`.
    pub url: String,
    /// Its bytes.
    pub size: u64,
    /// What the store calls this content of it.
    pub version: Option<String>,
}

/// A URL of an object store, not a path: `C:\\logs` and `\\\\server\\logs` are paths.
pub fn is_url(path: &Path) -> bool {
    let scheme = path.to_str().and_then(|path| path.split_once("://"));
    scheme.is_some_and(|(scheme, _)| {
        scheme.len() > 1
            && scheme != "file"
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// An object opened for reading.
pub(crate) struct Reader {
    store: Arc<dyn Store>,
    object: Object,
    position: u64,
    /// The bytes that were asked for last, and where they begin.
    part: Vec<u8>,
    start: u64,
    /// Bytes to ask for next.
    next: u64,
}

impl Reader {
    pub(crate) fn new(store: Arc<dyn Store>, object: Object) -> Reader {
        Reader {
            store,
            object,
            position: 0,
            part: Vec::new(),
            start: 0,
            next: FIRST,
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.object.size || buffer.is_empty() {
            return Ok(0);
        }
        let held = self.start..self.start + self.part.len() as u64;
        if !held.contains(&self.position) {
            let to = self.object.size.min(self.position + self.next);
            self.part = self.store.read(&self.object, self.position..to)?;
            self.start = self.position;
            self.next = MOST.min(self.next * 4);
            if self.part.len() as u64 != to - self.start {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        // Less than a part's length, which is in memory.
        let rest = &self.part[(self.position - self.start) as usize..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Reader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(by) => self.object.size.checked_add_signed(by),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One object, and the bytes that were asked of it.
    #[derive(Debug)]
    struct Counted(Vec<u8>, std::sync::Mutex<Vec<u64>>);

    impl Store for Counted {
        fn list(&self, _: &str) -> io::Result<Vec<Object>> {
            Ok(Vec::new())
        }

        fn read(&self, _: &Object, bytes: Range<u64>) -> io::Result<Vec<u8>> {
            self.1.lock().unwrap().push(bytes.end - bytes.start);
            Ok(self.0[bytes.start as usize..bytes.end as usize].to_vec())
        }
    }

    #[test]
    fn an_object_reads_like_a_file_in_parts_that_grow_to_a_limit() {
        let bytes: Vec<u8> = (0..30_000_000_u32).map(|at| (at >> 3) as u8).collect();
        let store = Arc::new(Counted(bytes.clone(), Default::default()));
        let object = Object {
            url: "s3://bucket/x".into(),
            size: bytes.len() as u64,
            version: None,
        };
        let mut reader = Reader::new(store.clone(), object);
        let mut found = Vec::new();
        reader.read_to_end(&mut found).unwrap();
        assert!(found == bytes);
        let asked = std::mem::take(&mut *store.1.lock().unwrap());
        assert_eq!(asked[..4], [FIRST, FIRST * 4, FIRST * 16, FIRST * 64]);
        assert_eq!(asked.iter().sum::<u64>(), bytes.len() as u64);
        assert_eq!(asked.iter().max(), Some(&MOST));
        reader.seek(SeekFrom::End(-10)).unwrap();
        let mut end = Vec::new();
        reader.read_to_end(&mut end).unwrap();
        assert_eq!(end, bytes[bytes.len() - 10..]);
        // It is still held; the beginning is not.
        assert!(store.1.lock().unwrap().is_empty());
        reader.rewind().unwrap();
        reader.read_exact(&mut end).unwrap();
        assert_eq!(end, bytes[..10]);
        assert_eq!(*store.1.lock().unwrap(), [MOST]);
    }
}
