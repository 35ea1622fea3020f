//! Rows of unfinished sessions that memory has no room for: in a temporary file without a name, until all logs are read.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard};

use crate::carry::{Carry, Part};

/// The variable that names the folder for temporary files.
pub(crate) const FOLDER: &str = if cfg!(windows) { "TMP" } else { "TMPDIR" };

/// What went to the file, part by part. The system removes the file once the run has ended, however it ended.
#[derive(Debug)]
pub(crate) struct Spill {
    limit: usize,
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    file: Option<File>,
    end: u64,
    blocks: Vec<Block>,
    failed: Option<Error>,
}

/// Bytes that [`Part::write`] wrote, and their hash: a temporary folder is shared, and a row that comes back as another
/// must not go unnoticed.
#[derive(Debug, Clone, Copy)]
struct Block {
    part: usize,
    offset: u64,
    length: usize,
    hash: blake3::Hash,
}

impl Spill {
    /// Nothing is taken over of a [`Carry`] of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Spill {
        Spill {
            limit,
            written: Mutex::default(),
        }
    }

    /// Takes over the rows of a carry that is larger than the limit. They stay where the temporary folder cannot take
    /// them, which [`Spill::notice`] tells.
    pub(crate) fn relieve(&self, carry: &mut Carry) {
        if carry.bytes() <= self.limit || self.written().failed.is_some() {
            return;
        }
        let mut bytes = Vec::new();
        for (number, part) in std::mem::take(carry).into_parts() {
            bytes.clear();
            part.write(&mut bytes);
            if !bytes.is_empty() && !self.append(number, &bytes) {
                carry.keep(number, part);
            }
        }
    }

    fn append(&self, part: usize, bytes: &[u8]) -> bool {
        let hash = blake3::hash(bytes);
        let mut written = self.written();
        if written.failed.is_none() {
            written.failed = written.append(part, bytes, hash).err();
        }
        written.failed.is_none()
    }

    /// True if rows went to the file.
    pub(crate) fn is_any(&self) -> bool {
        !self.written().blocks.is_empty()
    }

    /// What there is to say of a temporary folder that could not take rows.
    pub(crate) fn notice(&self) -> Option<String> {
        let written = self.written();
        let error = written.failed.as_ref()?;
        let folder = std::env::temp_dir();
        let folder = folder.display();
        Some(format!(
            "{folder}: {error}: rows of unfinished sessions stayed in memory ({FOLDER} names another folder)"
        ))
    }

    /// Adds the rows that `part`, of this number, has in the file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold what was written.
    pub(crate) fn give_back(&self, number: usize, part: &mut Part) -> Result<()> {
        let of_part = |block: &&Block| block.part == number;
        let blocks: Vec<Block> = self
            .written()
            .blocks
            .iter()
            .filter(of_part)
            .copied()
            .collect();
        for block in blocks {
            let bytes = self.written().read(block)?;
            if blake3::hash(&bytes) != block.hash || !part.read(&bytes) {
                return Err(ErrorKind::InvalidData.into());
            }
        }
        Ok(())
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Written {
    fn append(&mut self, part: usize, bytes: &[u8], hash: blake3::Hash) -> Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(bytes)?;
        self.blocks.push(Block {
            part,
            offset: self.end,
            length: bytes.len(),
            hash,
        });
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn read(&mut self, block: Block) -> Result<Vec<u8>> {
        let file = self.file.as_mut().ok_or(ErrorKind::NotFound)?;
        let mut bytes = vec![0; block.length];
        file.seek(SeekFrom::Start(block.offset))?;
        file.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}
