//! The bytes of one log, in windows of whole lines.

use std::io::{self, Read};

use memchr::{memchr, memrchr};
use relaydrift_parse::{BOM, LINE_LIMIT};

use crate::events::KEPT;
use crate::input::{Form, Input, read_up_to};

/// Bytes read at a time; a window is at least one line and otherwise about this long.
pub(crate) const WINDOW: usize = 16 * 1024 * 1024;

/// A line of more bytes is longer than the limit, whatever its mark and its end are.
const LONGEST: usize = LINE_LIMIT + BOM.len() + "\r\n".len();

/// Bytes read at a time of a line that is too long.
const STEP: u64 = 64 * 1024;

/// Reads a log window by window.
pub(crate) struct Windows {
    input: Box<dyn Read + Send>,
    /// Read and not given out yet: the beginning of a line whose end has not been read, or what follows
    /// a long line.
    tail: Vec<u8>,
    offset: u64,
    window: usize,
    /// Bytes of a long line that has no end.
    endless: u64,
    /// The file ends here, or cannot be read any further.
    ended: Option<io::Result<()>>,
}

/// What is left of a log after its last window.
pub(crate) struct End {
    /// Bytes of an unterminated last line.
    pub(crate) pending: u64,
    /// What ended it.
    pub(crate) read: io::Result<()>,
    /// To be read into again.
    pub(crate) buffer: Vec<u8>,
}

/// Whole lines, or one that is too long to be held.
#[derive(Debug)]
pub(crate) struct Window {
    /// Offset of the first byte.
    pub(crate) offset: u64,
    /// The lines; of a long line its first bytes.
    pub(crate) bytes: Vec<u8>,
    pub(crate) long: Option<LongLine>,
}

/// A line longer than any that is read.
#[derive(Debug)]
pub(crate) struct LongLine {
    /// Bytes of a byte order mark before it.
    pub(crate) mark: usize,
    /// Its bytes, without mark and line end.
    pub(crate) bytes: usize,
    /// With its line end.
    pub(crate) whole: u64,
    /// Of its bytes.
    pub(crate) hash: blake3::Hash,
}

impl Window {
    /// Bytes of the log that it stands for.
    pub(crate) fn length(&self) -> u64 {
        let long = self.long.as_ref();
        long.map_or(self.bytes.len() as u64, |line| {
            line.mark as u64 + line.whole
        })
    }
}

impl Windows {
    /// Opens a log at an offset of its text.
    pub(crate) fn open(input: &Input, from: u64, window: usize) -> io::Result<Windows> {
        Ok(Windows {
            input: input.open(from)?.text,
            tail: Vec::new(),
            offset: from,
            window,
            endless: 0,
            ended: None,
        })
    }

    /// The next whole lines; `None` at the end.
    pub(crate) fn next(&mut self, mut lines: Vec<u8>) -> Option<Window> {
        lines.clear();
        lines.append(&mut self.tail);
        let mut had = 0;
        loop {
            if let Some(last) = memrchr(b'\n', &lines[had..]) {
                self.tail.extend_from_slice(&lines[had + last + 1..]);
                lines.truncate(had + last + 1);
                return Some(self.give(lines, None));
            }
            if lines.len() > LONGEST {
                return self.long(lines);
            }
            if self.ended.is_some() {
                break;
            }
            had = lines.len();
            // A line longer than a window is read on to its end, window by window.
            let want = self
                .window
                .saturating_sub(if had < self.window { had } else { 0 })
                .max(1);
            self.read(want as u64, &mut lines);
        }
        self.tail = lines;
        None
    }

    fn read(&mut self, want: u64, bytes: &mut Vec<u8>) {
        match self.input.by_ref().take(want).read_to_end(bytes) {
            Ok(0) => self.ended = Some(Ok(())),
            Ok(_) => {}
            Err(error) => self.ended = Some(Err(error)),
        }
    }

    fn give(&mut self, bytes: Vec<u8>, long: Option<LongLine>) -> Window {
        let offset = self.offset;
        let window = Window {
            offset,
            bytes,
            long,
        };
        self.offset += window.length();
        window
    }

    /// Reads a line to its end, and holds no more of it than is kept.
    fn long(&mut self, mut part: Vec<u8>) -> Option<Window> {
        let mark = if part.starts_with(BOM) { BOM.len() } else { 0 };
        part.drain(..mark);
        let kept = part[..KEPT].to_vec();
        let mut hash = blake3::Hasher::new();
        // A CR at the end of a part belongs to the line or to its end.
        let mut carriage_return = false;
        loop {
            let end = memchr(b'\n', &part);
            let text = &part[..end.unwrap_or(part.len())];
            if carriage_return && !text.is_empty() {
                hash.update(b"\r");
                carriage_return = false;
            }
            let body = text.strip_suffix(b"\r").unwrap_or(text);
            hash.update(body);
            carriage_return |= body.len() < text.len();
            if let Some(end) = end {
                self.tail.extend_from_slice(&part[end + 1..]);
                let line = LongLine {
                    mark,
                    bytes: hash.count() as usize,
                    whole: hash.count() + u64::from(carriage_return) + 1,
                    hash: hash.finalize(),
                };
                return Some(self.give(kept, Some(line)));
            }
            if self.ended.is_some() {
                self.endless = mark as u64 + hash.count() + u64::from(carriage_return);
                return None;
            }
            part.clear();
            self.read(STEP, &mut part);
        }
    }

    /// After the last window.
    pub(crate) fn end(self) -> End {
        End {
            pending: self.tail.len() as u64 + self.endless,
            read: self.ended.unwrap_or(Ok(())),
            buffer: self.tail,
        }
    }
}

/// The first bytes of a log's text, and what the log turned out to be.
pub(crate) fn head(input: &Input, bytes: usize) -> io::Result<(Vec<u8>, Form)> {
    let mut opened = input.open(0)?;
    let mut found = vec![0; bytes];
    let read = read_up_to(&mut opened.text, &mut found)?;
    found.truncate(read);
    Ok((found, opened.form))
}

/// Some bytes of a log's text; fewer where it ends.
pub(crate) fn range(input: &Input, from: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut text = input.open(from)?.text;
    let mut found = vec![0; bytes];
    let read = read_up_to(&mut text, &mut found)?;
    found.truncate(read);
    Ok(found)
}

/// Bytes of a log's text; of a damaged archive, those that can be had.
pub(crate) fn length(input: &Input) -> io::Result<u64> {
    let mut opened = input.open(0)?;
    if !input.is_member() && opened.form == Form::default() {
        return input.stored_bytes();
    }
    let (mut buffer, mut length) = (vec![0; 1 << 16], 0);
    loop {
        match read_up_to(&mut opened.text, &mut buffer) {
            Ok(0) | Err(_) => return Ok(length),
            Ok(read) => length += read as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;
    use std::path::Path;

    fn windows(path: &Path, size: usize) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut reader = Windows::open(&Input::file(path), 0, size).unwrap();
        let mut found = Vec::new();
        while let Some(window) = reader.next(Vec::new()) {
            assert!(window.long.is_none());
            found.push((window.offset, window.bytes));
        }
        let end = reader.end();
        end.read.unwrap();
        (found, end.pending)
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
        assert_eq!(range(&Input::file(&packed), 4, 3).unwrap(), b"two");
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
        let mut reader = Windows::open(&Input::file(&path), 0, 1000).unwrap();
        let mut lines = 0;
        while let Some(window) = reader.next(Vec::new()) {
            lines += window.bytes.iter().filter(|byte| **byte == b'\n').count();
        }
        assert!(lines > 10_000, "{lines}");
        assert!(reader.end().read.is_err());
    }
}
