//! Rows of unfinished sessions that memory has no room for: in a temporary file without a name, until all logs are read.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::sync::{Mutex, MutexGuard};

use crate::carry::{Carry, Part};

/// What went to the file, part by part. The system removes the file once the run has ended, however it ended.
#[derive(Debug, Default)]
pub(crate) struct Spill {
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    file: Option<File>,
    end: u64,
    blocks: Vec<Block>,
}

/// Bytes that [`Part::write`] wrote.
#[derive(Debug, Clone, Copy)]
struct Block {
    part: usize,
    offset: u64,
    length: usize,
    hash: blake3::Hash,
}

impl Spill {
    /// Takes over all rows of `carry`, which is empty then.
    ///
    /// # Errors
    /// If there is no temporary folder, or no room in it.
    pub(crate) fn take(&self, carry: &mut Carry) -> Result<()> {
        let mut written = self.written();
        let mut bytes = Vec::new();
        for (number, part) in std::mem::take(carry).into_parts().into_iter().enumerate() {
            bytes.clear();
            part.write(&mut bytes);
            if !bytes.is_empty() {
                written.append(number, &bytes)?;
            }
        }
        Ok(())
    }

    /// True if rows went to the file.
    pub(crate) fn is_any(&self) -> bool {
        !self.written().blocks.is_empty()
    }

    /// Adds the rows that `part`, of this number, has in the file.
    ///
    /// # Errors
    /// If the file cannot be read, or does not hold what was written.
    pub(crate) fn give_back(&self, number: usize, part: &mut Part) -> Result<()> {
        let mut written = self.written();
        let of_part = |block: &&Block| block.part == number;
        let blocks: Vec<Block> = written.blocks.iter().filter(of_part).copied().collect();
        for block in blocks {
            let bytes = written.read(block)?;
            if blake3::hash(&bytes) != block.hash || !part.read(&bytes) {
                return Err(Error::from(ErrorKind::InvalidData));
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
    fn append(&mut self, part: usize, bytes: &[u8]) -> Result<()> {
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
            hash: blake3::hash(bytes),
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
