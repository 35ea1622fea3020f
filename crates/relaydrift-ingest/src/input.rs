//! Where the bytes of a log come from: a file or a member of a zip archive, packed or not, in UTF-8 or
//! UTF-16. All of it is told by content, each time anew, and read as a stream: nothing is unpacked to
//! disk, and what is held is a few buffers whatever the size.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use encoding_rs::{CoderResult, Decoder, UTF_16BE, UTF_16LE};
use flate2::bufread::{DeflateDecoder, MultiGzDecoder};

use crate::object::{Object, Reader, Store};

/// Bytes read at a time where a layer needs a buffer of its own.
const BUFFER: usize = 64 * 1024;

/// Bytes of log that one packed byte can stand for, at the most.
const TIGHTEST: u64 = 4096;

/// gzip and zstd make about a tenth of a log.
const RATIO: u64 = 10;

/// A file, or a member of one.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    file: Place,
    member: Option<Member>,
}

/// Where a file lies.
#[derive(Debug, Clone)]
enum Place {
    Path(PathBuf),
    Object(Arc<dyn Store>, Object),
}

/// The bytes of a file as they lie there.
pub(crate) trait Stored: Read + Seek + Send {}

impl<T: Read + Seek + Send> Stored for T {}

/// A member of a zip archive: where its bytes lie and what they must come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) start: u64,
    pub(crate) packed_bytes: u64,
    pub(crate) bytes: u64,
    pub(crate) crc: u32,
    pub(crate) method: Method,
    /// Of the whole archive, when the member was found.
    pub(crate) archive_bytes: u64,
}

/// How a member of a zip archive is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Stored,
    Deflated,
    Zstd,
}

/// What a log turned out to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Form {
    /// gzip or zstd.
    pub(crate) packed: bool,
    /// The name of a text encoding that is not UTF-8.
    pub(crate) encoding: Option<&'static str>,
}

/// A log opened for reading.
pub(crate) struct Opened {
    /// Its text as UTF-8.
    pub(crate) text: Box<dyn Read + Send>,
    pub(crate) form: Form,
}

impl Input {
    pub(crate) fn file(path: &Path) -> Input {
        Input {
            file: Place::Path(path.to_owned()),
            member: None,
        }
    }

    pub(crate) fn object(store: Arc<dyn Store>, object: Object) -> Input {
        Input {
            file: Place::Object(store, object),
            member: None,
        }
    }

    pub(crate) fn member(archive: &Input, member: Member) -> Input {
        Input {
            file: archive.file.clone(),
            member: Some(member),
        }
    }

    /// Path or URL of the file, of a member that of its archive.
    pub(crate) fn path(&self) -> PathBuf {
        match &self.file {
            Place::Path(path) => path.clone(),
            Place::Object(_, object) => object.url.clone().into(),
        }
    }

    /// The file, of a member its archive, and its bytes.
    pub(crate) fn stored(&self) -> io::Result<(Box<dyn Stored + Send>, u64)> {
        Ok(match &self.file {
            Place::Path(path) => {
                let file = File::open(path).map_err(locked)?;
                let bytes = file.metadata()?.len();
                (Box::new(file), bytes)
            }
            Place::Object(store, object) => {
                let reader = Reader::new(store.clone(), object.clone());
                (Box::new(reader), object.size)
            }
        })
    }

    /// Not a device or a pipe, which have no end.
    pub(crate) fn is_regular(&self) -> io::Result<bool> {
        match &self.file {
            Place::Path(path) => std::fs::metadata(path).map(|metadata| metadata.is_file()),
            Place::Object(..) => Ok(true),
        }
    }

    pub(crate) fn is_member(&self) -> bool {
        self.member.is_some()
    }

    /// Opens the text at an offset of its UTF-8 bytes.
    pub(crate) fn open(&self, from: u64) -> io::Result<Opened> {
        let (mut file, bytes) = self.stored()?;
        let stored: Box<dyn Read + Send> = match &self.member {
            Some(member) => member.open(file, bytes)?,
            None => {
                let magic = peek(&mut file)?;
                if !is_packed(&magic) && encoding(&magic).is_none() {
                    file.seek(SeekFrom::Start(from))?;
                    return Ok(Opened {
                        text: file,
                        form: Form::default(),
                    });
                }
                file.rewind()?;
                file
            }
        };
        let (unpacked, packed) = unpack(stored)?;
        let (mut text, encoding) = transcode(unpacked)?;
        io::copy(&mut text.by_ref().take(from), &mut io::sink())?;
        let form = Form { packed, encoding };
        Ok(Opened { text, form })
    }

    /// Bytes on disk.
    pub(crate) fn stored_bytes(&self) -> io::Result<u64> {
        match &self.member {
            Some(member) => Ok(member.packed_bytes),
            None => match &self.file {
                Place::Path(path) => std::fs::metadata(path).map(|metadata| metadata.len()),
                Place::Object(_, object) => Ok(object.size),
            },
        }
    }

    /// About how many bytes the text has: known of a plain file, stated of a member, guessed of gzip
    /// and zstd.
    pub(crate) fn text_bytes(&self, form: Form) -> io::Result<u64> {
        let bytes = match &self.member {
            // What an archive says may be false; no log packs tighter than this.
            Some(member) => {
                let packed = member.packed_bytes.min(member.archive_bytes);
                member.bytes.min(packed.saturating_mul(TIGHTEST))
            }
            None => self.stored_bytes()?,
        };
        let bytes = if form.packed {
            bytes.saturating_mul(RATIO)
        } else {
            bytes
        };
        Ok(if form.encoding.is_some() {
            bytes / 2
        } else {
            bytes
        })
    }
}

impl Member {
    fn open(
        &self,
        mut archive: Box<dyn Stored + Send>,
        bytes: u64,
    ) -> io::Result<Box<dyn Read + Send>> {
        if bytes != self.archive_bytes {
            return Err(damaged("the archive has changed since it was listed"));
        }
        archive.seek(SeekFrom::Start(self.start))?;
        let stored = BufReader::with_capacity(BUFFER, archive.take(self.packed_bytes));
        let unpacked: Box<dyn Read + Send> = match self.method {
            Method::Stored => Box::new(stored),
            Method::Deflated => Box::new(DeflateDecoder::new(stored)),
            Method::Zstd => Box::new(zstd::Decoder::with_buffer(stored)?),
        };
        Ok(Box::new(Checked {
            input: unpacked,
            crc: flate2::Crc::new(),
            left: self.bytes,
            wanted: self.crc,
        }))
    }
}

/// Holds what a member unpacks to against what its archive says of it.
struct Checked {
    input: Box<dyn Read + Send>,
    crc: flate2::Crc,
    left: u64,
    wanted: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let read = self.input.read(buffer)?;
        self.left = (self.left.checked_sub(read as u64))
            .ok_or_else(|| damaged("longer than its archive says"))?;
        self.crc.update(&buffer[..read]);
        if read == 0 && self.left > 0 {
            return Err(damaged("shorter than its archive says"));
        }
        if read == 0 && self.crc.sum() != self.wanted {
            return Err(damaged("damaged: its checksum is another"));
        }
        Ok(read)
    }
}

/// What Windows says of a file that another program keeps for itself, with what to do.
fn locked(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(32 | 33) if cfg!(windows) => io::Error::other(
            "another program has locked it: run it again once that has ended, or give a copy",
        ),
        _ => error,
    }
}

fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

const GZIP: &[u8] = &[0x1F, 0x8B];
const ZSTD: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];

fn is_packed(magic: &[u8]) -> bool {
    magic.starts_with(GZIP) || magic.starts_with(ZSTD)
}

/// True if bytes begin like a zip archive, an empty one included.
pub(crate) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// An encoding by its byte order mark.
fn encoding(magic: &[u8]) -> Option<&'static encoding_rs::Encoding> {
    match magic {
        [0xFF, 0xFE, ..] => Some(UTF_16LE),
        [0xFE, 0xFF, ..] => Some(UTF_16BE),
        _ => None,
    }
}

/// Looks at the first bytes and puts them back before the others.
fn sniff(mut input: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let magic = peek(&mut input)?;
    let whole = Cursor::new(magic.clone()).chain(input);
    Ok((magic, Box::new(whole)))
}

fn peek(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut magic = vec![0; ZSTD.len()];
    let read = read_up_to(input, &mut magic)?;
    magic.truncate(read);
    Ok(magic)
}

fn unpack(stored: Box<dyn Read + Send>) -> io::Result<(Box<dyn Read + Send>, bool)> {
    let (magic, whole) = sniff(stored)?;
    Ok(if magic.starts_with(GZIP) {
        let whole = BufReader::with_capacity(BUFFER, whole);
        (Box::new(MultiGzDecoder::new(whole)), true)
    } else if magic.starts_with(ZSTD) {
        (Box::new(zstd::Decoder::new(whole)?), true)
    } else {
        (whole, false)
    })
}

fn transcode(
    unpacked: Box<dyn Read + Send>,
) -> io::Result<(Box<dyn Read + Send>, Option<&'static str>)> {
    let (magic, whole) = sniff(unpacked)?;
    let Some(encoding) = encoding(&magic) else {
        return Ok((whole, None));
    };
    let text = Transcoded {
        input: whole,
        // The mark becomes UTF-8's, so that a log saved in UTF-16 is known again as the same log.
        decoder: encoding.new_decoder_without_bom_handling(),
        raw: vec![0; BUFFER],
        rest: 0..0,
        text: vec![0; BUFFER],
        ready: 0..0,
        ended: false,
    };
    Ok((Box::new(text), Some(encoding.name())))
}

/// UTF-16 on its way to UTF-8; what is no character becomes U+FFFD.
struct Transcoded {
    input: Box<dyn Read + Send>,
    decoder: Decoder,
    raw: Vec<u8>,
    /// Of `raw`, what is not decoded yet.
    rest: std::ops::Range<usize>,
    text: Vec<u8>,
    /// Of `text`, what is not handed over yet.
    ready: std::ops::Range<usize>,
    ended: bool,
}

impl Read for Transcoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            if self.ended {
                return Ok(0);
            }
            if self.rest.is_empty() {
                self.rest = 0..self.input.read(&mut self.raw)?;
            }
            let last = self.rest.is_empty();
            let (result, read, written, _) =
                self.decoder
                    .decode_to_utf8(&self.raw[self.rest.clone()], &mut self.text, last);
            self.rest.start += read;
            self.ready = 0..written;
            self.ended = last && result == CoderResult::InputEmpty;
        }
        let count = self.ready.len().min(buffer.len());
        let from = self.ready.start;
        buffer[..count].copy_from_slice(&self.text[from..from + count]);
        self.ready.start += count;
        Ok(count)
    }
}

/// Fills the buffer as far as the input goes; an error counts only if nothing came before it.
pub(crate) fn read_up_to(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
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
    use proptest::prelude::*;
    use std::io::Write;

    /// Hands over a few bytes at a time.
    struct Dribble(Cursor<Vec<u8>>, usize);

    impl Read for Dribble {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = buffer.len().min(self.1);
            self.0.read(&mut buffer[..count])
        }
    }

    fn all(input: Vec<u8>, step: usize) -> (Vec<u8>, Form) {
        let input = Box::new(Dribble(Cursor::new(input), step));
        let (unpacked, packed) = unpack(input).unwrap();
        let (mut text, encoding) = transcode(unpacked).unwrap();
        let mut found = Vec::new();
        text.read_to_end(&mut found).unwrap();
        (found, Form { packed, encoding })
    }

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        let units = ['\u{feff}'.to_string(), text.to_owned()].concat();
        let bytes = |unit: u16| match little {
            true => unit.to_le_bytes(),
            false => unit.to_be_bytes(),
        };
        units.encode_utf16().flat_map(bytes).collect()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

        /// However it is packed and written, and however little comes at a time, it is the same text.
        #[test]
        fn every_form_gives_the_same_text(text in "[a-zЖ€𝄞\r\n,]{0,200}", step in 1usize..9) {
            let marked = format!("\u{feff}{text}").into_bytes();
            let zstd = zstd::encode_all(marked.as_slice(), 1).unwrap();
            for (bytes, packed, encoding) in [
                (marked.clone(), false, None),
                (gzip(&marked), true, None),
                (zstd, true, None),
                (utf16(&text, true), false, Some("UTF-16LE")),
                (utf16(&text, false), false, Some("UTF-16BE")),
                (gzip(&utf16(&text, true)), true, Some("UTF-16LE")),
            ] {
                prop_assert_eq!(all(bytes, step), (marked.clone(), Form { packed, encoding }));
            }
        }
    }

    #[test]
    fn frames_and_members_that_follow_each_other_are_one_text() {
        let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
        assert_eq!(
            all([zstd("one\n"), zstd("two\n")].concat(), 3).0,
            b"one\ntwo\n"
        );
        let gzip = [gzip(b"one\n"), gzip(b""), gzip(b"two\n")].concat();
        assert_eq!(all(gzip, 3).0, b"one\ntwo\n");
    }

    #[test]
    fn half_a_character_at_the_end_is_marked() {
        let mut cut = utf16("a𝄞", true);
        cut.truncate(cut.len() - 1);
        assert_eq!(all(cut, 1).0, "\u{feff}a\u{fffd}".as_bytes());
    }
}
