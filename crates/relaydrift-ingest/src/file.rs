//! The bytes of one log, in windows of whole lines.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use memchr::memrchr;

/// Bytes read at a time; a window is at least one line and otherwise about this long.
pub(crate) const WINDOW: usize = 16 * 1024 * 1024;

const GZIP: [u8; 2] = [0x1F, 0x8B];

/// Reads a plain or gzipped file window by window.
pub(crate) struct Windows {
    input: Box<dyn Read + Send>,
    /// The beginning of a line whose end has not been read yet.
    tail: Vec<u8>,
    offset: u64,
    window: usize,
    /// The file ends here, or cannot be read any further.
    ended: Option<io::Result<()>>,
}

impl Windows {
    /// Opens a log at an offset of its decompressed bytes.
    pub(crate) fn open(path: &Path, from: u64, window: usize) -> io::Result<Windows> {
        let mut file = File::open(path)?;
        let mut input: Box<dyn Read + Send> = if is_gzip(&mut file)? {
            Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(
                1 << 16,
                file,
            )))
        } else {
            file.seek(SeekFrom::Start(from))?;
            let input = Box::new(file);
            return Ok(Windows {
                input,
                tail: Vec::new(),
                offset: from,
                window,
                ended: None,
            });
        };
        io::copy(&mut input.by_ref().take(from), &mut io::sink())?;
        Ok(Windows {
            input,
            tail: Vec::new(),
            offset: from,
            window,
            ended: None,
        })
    }

    /// The next whole lines and the offset of the first; `None` at the end.
    pub(crate) fn next(&mut self, mut lines: Vec<u8>) -> Option<(u64, Vec<u8>)> {
        lines.clear();
        lines.append(&mut self.tail);
        while self.ended.is_none() {
            let had = lines.len();
            // A line longer than a window is read on to its end, window by window.
            let want = self
                .window
                .saturating_sub(if had < self.window { had } else { 0 })
                .max(1);
            let result = self
                .input
                .by_ref()
                .take(want as u64)
                .read_to_end(&mut lines);
            match result {
                Ok(0) => self.ended = Some(Ok(())),
                Ok(_) => {}
                Err(error) => self.ended = Some(Err(error)),
            }
            if let Some(last) = memrchr(b'\n', &lines[had..]) {
                self.tail.extend_from_slice(&lines[had + last + 1..]);
                lines.truncate(had + last + 1);
                let offset = self.offset;
                self.offset += lines.len() as u64;
                return Some((offset, lines));
            }
        }
        self.tail = lines;
        None
    }

    /// After the last window: the bytes of an unterminated last line, and the error that ended it.
    pub(crate) fn end(self) -> (u64, io::Result<()>) {
        (self.tail.len() as u64, self.ended.unwrap_or(Ok(())))
    }
}

/// True if the file starts like gzip; the position is at its start afterwards.
fn is_gzip(file: &mut File) -> io::Result<bool> {
    let mut magic = [0; 2];
    let read = read_up_to(file, &mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(read == 2 && magic == GZIP)
}

/// The first bytes of a log, decompressed.
pub(crate) fn head(path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    range(path, 0, bytes)
}

/// Some bytes of a log, decompressed; fewer where it ends.
pub(crate) fn range(path: &Path, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut found = vec![0; bytes];
    let read = if is_gzip(&mut file)? {
        let mut input = MultiGzDecoder::new(io::BufReader::new(file));
        io::copy(&mut input.by_ref().take(from), &mut io::sink())?;
        read_up_to(&mut input, &mut found)?
    } else {
        file.seek(SeekFrom::Start(from))?;
        read_up_to(&mut file, &mut found)?
    };
    found.truncate(read);
    Ok(found)
}

/// Bytes of a log, decompressed; of a damaged archive, those that can be had.
pub(crate) fn length(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    if !is_gzip(&mut file)? {
        return Ok(file.metadata()?.len());
    }
    let mut input = MultiGzDecoder::new(io::BufReader::new(file));
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    loop {
        match read_up_to(&mut input, &mut buffer) {
            Ok(0) | Err(_) => return Ok(length),
            Ok(read) => length += read as u64,
        }
    }
}

/// Fills the buffer as far as the input goes; an error counts only if nothing came before it.
fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < buffer.len() {
        match input.read(&mut buffer[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if read > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn windows(path: &Path, size: usize) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut reader = Windows::open(path, 0, size).unwrap();
        let mut found = Vec::new();
        while let Some(window) = reader.next(Vec::new()) {
            found.push(window);
        }
        let (pending, result) = reader.end();
        result.unwrap();
        (found, pending)
    }

    #[test]
    fn windows_hold_whole_lines_whatever_their_size() {
        let folder = tempfile::tempdir().unwrap();
        let text = b"one\ntwo two\n\nthree three three\nrest";
        let plain = folder.path().join("plain");
        std::fs::write(&plain, text).unwrap();
        let packed = folder.path().join("packed.gz");
        let mut gzip = flate2::write::GzEncoder::new(
            File::create(&packed).unwrap(),
            flate2::Compression::fast(),
        );
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap();
        for path in [&plain, &packed] {
            for size in [1, 2, 7, 64, 4096] {
                let (found, pending) = windows(path, size);
                assert_eq!(pending, 4, "{size}");
                let mut offset = 0;
                for (at, lines) in &found {
                    assert_eq!(*at, offset);
                    assert!(lines.ends_with(b"\n"));
                    offset += lines.len() as u64;
                }
                assert_eq!(offset + pending, text.len() as u64, "{size}");
            }
        }
        assert_eq!(range(&packed, 4, 3).unwrap(), b"two");
    }

    #[test]
    fn a_cut_archive_gives_its_whole_lines_and_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cut.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        gzip.write_all("line of text\n".repeat(50_000).as_bytes())
            .unwrap();
        let mut bytes = gzip.finish().unwrap();
        bytes.truncate(bytes.len() / 2);
        std::fs::write(&path, bytes).unwrap();
        let mut reader = Windows::open(&path, 0, 1000).unwrap();
        let mut lines = 0;
        while let Some((_, window)) = reader.next(Vec::new()) {
            lines += window.iter().filter(|byte| **byte == b'\n').count();
        }
        assert!(lines > 10_000, "{lines}");
        assert!(reader.end().1.is_err());
    }
}
