//! Files that are rolled by size, and stdout.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use crate::transport::{Failure, Fate, Limits, Record, Transport, all_taken};
use crate::{Error, Format, csv_header};

const LIMITS: Limits = Limits {
    records: 10_000,
    bytes: 1 << 20,
};

/// Files of records, a line each: `name.ndjson`, then `name-2.ndjson`, … each synced before it counts.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    target: String,
    format: Format,
    roll: u64,
    part: u32,
    file: File,
    length: u64,
}

impl Files {
    /// Begins a file, readable by its owner alone; the next part begins when it has `roll` bytes.
    ///
    /// With `append` the last part there is goes on; a record at its end that a killed run left in
    /// pieces is cut off first. Otherwise a file that is there already is an error, unless `force`
    /// says to write it anew (and to remove its later parts).
    ///
    /// # Errors
    /// [`Error::Target`], [`Error::Io`]
    pub fn open(
        path: &Path,
        format: Format,
        roll: u64,
        append: bool,
        force: bool,
    ) -> Result<Files, Error> {
        let target = path.display().to_string();
        let failed = |source| Error::Io {
            target: target.clone(),
            source,
        };
        let mut part = 1;
        while part_path(path, part + 1).exists() {
            part += 1;
        }
        if !append {
            // Later parts count too: the first may have been moved away.
            for old in 1..=part {
                let path = part_path(path, old);
                if path.exists() && !force {
                    let target = path.display().to_string();
                    let problem =
                        "is there already: --force writes it anew, --resume NAME goes on with it";
                    return Err(Error::Target { target, problem });
                }
                if path.exists() {
                    std::fs::remove_file(path).map_err(failed)?;
                }
            }
            part = 1;
        }
        let (file, length) = open_part(&part_path(path, part), format).map_err(failed)?;
        Ok(Files {
            path: path.to_owned(),
            target: target.clone(),
            format,
            roll,
            part,
            file,
            length,
        })
    }

    fn write(&mut self, batch: &[Record]) -> io::Result<()> {
        if self.length >= self.roll {
            let next = part_path(&self.path, self.part + 1);
            (self.file, self.length) = open_part(&next, self.format)?;
            self.part += 1;
        }
        let mut bytes = Vec::new();
        if self.length == 0 && self.format == Format::Csv {
            bytes.extend_from_slice(&csv_header());
            bytes.extend_from_slice(line_end(self.format));
        }
        lines(batch, self.format, &mut bytes);
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// `name.ndjson`, `name-2.ndjson`, …
fn part_path(path: &Path, part: u32) -> PathBuf {
    if part == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(extension) => format!("{stem}-{part}.{}", extension.to_string_lossy()),
        None => format!("{stem}-{part}"),
    };
    path.with_file_name(name)
}

fn open_part(path: &Path, format: Format) -> io::Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let file = options.open(path)?;
    let length = whole_records(BufReader::new(&file), format)?;
    file.set_len(length)?;
    // On its own: on Windows a file that is open for appending cannot be cut.
    let file = OpenOptions::new().append(true).open(path)?;
    Ok((file, length))
}

/// How many bytes hold whole records: up to the last line end, in CSV the last outside quotes.
fn whole_records(bytes: BufReader<&File>, format: Format) -> io::Result<u64> {
    let (mut whole, mut quoted) = (0, false);
    for (at, byte) in bytes.bytes().enumerate() {
        match byte? {
            b'"' if format == Format::Csv => quoted = !quoted,
            b'\n' if !quoted => whole = at as u64 + 1,
            _ => {}
        }
    }
    Ok(whole)
}

fn line_end(format: Format) -> &'static [u8] {
    match format {
        Format::Csv => b"\r\n",
        _ => b"\n",
    }
}

fn lines(batch: &[Record], format: Format, out: &mut Vec<u8>) {
    for record in batch {
        out.extend_from_slice(&record.bytes);
        out.extend_from_slice(line_end(format));
    }
}

impl Transport for Files {
    fn target(&self) -> &str {
        &self.target
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        match self.write(batch) {
            Ok(()) => Ok(all_taken(batch)),
            // A full disk leaves part of a batch behind: the next run with --resume cuts it off.
            Err(source) => Err(Failure::Stop(Error::Io {
                target: self.target.clone(),
                source,
            })),
        }
    }
}

/// stdout, a line per record.
#[derive(Debug)]
pub struct Stdout {
    format: Format,
    begun: bool,
}

impl Stdout {
    /// stdout for records of this format.
    pub fn new(format: Format) -> Stdout {
        Stdout {
            format,
            begun: false,
        }
    }
}

impl Transport for Stdout {
    fn target(&self) -> &str {
        "stdout"
    }

    fn limits(&self) -> Limits {
        LIMITS
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        let mut bytes = Vec::new();
        if !std::mem::replace(&mut self.begun, true) && self.format == Format::Csv {
            bytes.extend_from_slice(&csv_header());
            bytes.extend_from_slice(line_end(self.format));
        }
        lines(batch, self.format, &mut bytes);
        let mut out = BufWriter::new(io::stdout().lock());
        match out.write_all(&bytes).and_then(|()| out.flush()) {
            Ok(()) => Ok(all_taken(batch)),
            Err(source) => Err(Failure::Stop(Error::Io {
                target: "stdout".to_owned(),
                source,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        Record {
            key: text.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn files_roll_by_size_and_are_the_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.ndjson");
        let mut files = Files::open(&path, Format::Ndjson, 8, false, false).unwrap();
        for text in ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"] {
            assert_eq!(files.send(&[record(text)]).unwrap(), [Fate::Taken]);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\":1}\n");
        assert_eq!(
            std::fs::read_to_string(folder.path().join("out-3.ndjson")).unwrap(),
            "{\"a\":3}\n"
        );
        assert!(!crate::is_open_to_others(&path));
        assert!(matches!(
            Files::open(&path, Format::Ndjson, 8, false, false),
            Err(Error::Target { .. })
        ));
        Files::open(&path, Format::Ndjson, 8, false, true).unwrap();
        assert!(!folder.path().join("out-2.ndjson").exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }

    #[test]
    fn a_later_part_is_not_gone_on_with_where_the_first_was_moved_away() {
        let folder = tempfile::tempdir().unwrap();
        let (path, later) = (
            folder.path().join("out.ndjson"),
            folder.path().join("out-2.ndjson"),
        );
        std::fs::write(&later, "old\n").unwrap();
        let open = |append, force| Files::open(&path, Format::Ndjson, 8, append, force);
        let error = open(false, false).unwrap_err().to_string();
        assert!(error.contains("out-2.ndjson"), "{error}");
        assert_eq!(std::fs::read(&later).unwrap(), b"old\n");
        open(true, false).unwrap().send(&[record("new")]).unwrap();
        assert_eq!(std::fs::read(&later).unwrap(), b"old\nnew\n");
        open(false, true).unwrap().send(&[record("anew")]).unwrap();
        assert!(!later.exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"anew\n");
    }

    #[test]
    fn a_torn_record_is_cut_off_before_the_file_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        for (format, torn, whole) in [
            (
                Format::Ndjson,
                "{\"a\":1}\n{\"a\"",
                "{\"a\":1}\n{\"b\":2}\n",
            ),
            (Format::Csv, "a\r\n\"b\r\n", "a\r\n{\"b\":2}\r\n"),
        ] {
            let path = folder.path().join(format.name());
            std::fs::write(&path, torn).unwrap();
            let mut files = Files::open(&path, format, 1000, true, false).unwrap();
            files.send(&[record("{\"b\":2}")]).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
        }
    }
}
