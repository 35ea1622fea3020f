//! Which files are send logs, in which order they were written, and which part of them is new.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use globset::{GlobBuilder, GlobMatcher};
use rayon::prelude::*;
use relaydrift_parse::{Columns, Header, LogKind, Piece, Record, Reject, Row, Visit};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::{
    Error, Naming, Place, archive, file,
    input::{Form, Input, is_zip},
    ledger::{Ledger, State},
    object::{Object, Store, is_url},
};

/// Bytes at the start of a log by which it is known again.
pub(crate) const HEAD: usize = 4096;

/// Bytes of the start that are part of a source's id: the header and the beginning of the first row.
const ID_HEAD: usize = 256;

/// What was found under the paths given: the logs to read and the files left out.
#[derive(Debug, Default)]
pub struct Plan {
    /// Send logs, in the order of the hour in their names.
    pub sources: Vec<Source>,
    /// Files that are no send logs or cannot be read, with the reason.
    pub skipped: Vec<Skipped>,
}

/// One send log, or the part of it that is not ingested yet.
#[derive(Debug, Clone)]
pub struct Source {
    /// Where it lies; a member of a zip archive as `logs.zip!/EX01/SEND1.LOG`.
    pub path: PathBuf,
    /// Who wrote it.
    pub place: Place,
    /// Stable for the same log of the same server, wherever it lies.
    pub source_id: String,
    /// Bytes on disk when it was found.
    pub size: u64,
    /// About how many bytes its text has: known of a plain log, stated of a member of a zip archive,
    /// guessed of gzip and zstd.
    pub text_bytes: u64,
    /// Offset (of the unpacked text in UTF-8) from which it is read.
    pub from_offset: u64,
    /// Number of the line at `from_offset`, from 1.
    pub from_line: u64,
    /// BLAKE3 of the first `head_bytes` bytes.
    pub head_hash: String,
    /// 4096, less in a shorter log.
    pub head_bytes: u64,
    /// What the lines at its start say.
    pub header: Header,
    /// The header lines of the start, for a log that is read on from a later offset.
    pub(crate) first_header: Header,
    pub(crate) order: (u64, u64),
    pub(crate) input: Input,
    pub(crate) form: Form,
}

/// A file that was left out.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Skipped {
    /// Where it lies.
    pub path: PathBuf,
    /// Why, in words for a person.
    pub reason: String,
    /// True where the file could not be read at all (exit code 2), false for a foreign log.
    pub error: bool,
}

/// Finds the send logs under files, folders and globs, packed ones and members of zip archives
/// included, and names their servers.
///
/// A file is judged by its content, not by its name. Symbolic links inside folders are not followed.
///
/// # Errors
/// If the only path given does not exist, or a glob is none; of several, a missing one is left out with an error.
pub fn find(paths: &[PathBuf], naming: &Naming) -> Result<Plan, Error> {
    find_in(paths, naming, None)
}

/// As [`find`], with URLs among the paths, whose objects are asked of `store`.
///
/// # Errors
/// As [`find`], and if the store cannot be asked.
pub fn find_in(
    paths: &[PathBuf],
    naming: &Naming,
    store: Option<Arc<dyn Store>>,
) -> Result<Plan, Error> {
    let mut files = BTreeMap::new();
    let mut plan = Plan::default();
    for path in paths {
        let listed = match store.as_ref().filter(|_| is_url(path)) {
            Some(store) => list_objects(path, store, &mut files),
            None => list(path, &mut files, &mut plan.skipped),
        };
        match listed {
            // One server that cannot be reached does not hide the others.
            Err(Error::NotFound(_)) if paths.len() > 1 => {
                let reason = "no such file or folder".to_owned();
                plan.skipped.push(Skipped {
                    path: path.clone(),
                    reason,
                    error: true,
                });
            }
            result => result?,
        }
    }
    // Opening is waiting, most of all for a share.
    let opened = files
        .into_par_iter()
        .map(|(path, input)| Plan::of(path, input, naming));
    for mut opened in opened.collect::<Vec<_>>() {
        plan.sources.append(&mut opened.sources);
        plan.skipped.append(&mut opened.skipped);
    }
    plan.sources
        .sort_by(|a, b| (a.order, &a.place, &a.path).cmp(&(b.order, &b.place, &b.path)));
    plan.leave_out_copies();
    Ok(plan)
}

impl Plan {
    /// What a file is: a log, something else, or an archive of such.
    fn of(path: PathBuf, input: Input, naming: &Naming) -> Plan {
        let mut plan = Plan::default();
        match Source::open(&path, input.clone(), naming) {
            Ok(Found::Archive) => match archive::list(&path, &input, &mut plan.skipped) {
                Ok(members) => {
                    for (path, input) in members {
                        let found = Source::open(&path, input, naming);
                        plan.take_in(path, found);
                    }
                }
                Err(error) => plan.take_in(path, Err(error)),
            },
            found => plan.take_in(path, found),
        }
        plan
    }

    fn take_in(&mut self, path: PathBuf, found: io::Result<Found>) {
        let (reason, error) = match found {
            Ok(Found::Send(source)) => return self.sources.push(*source),
            Ok(Found::Foreign(reason)) => (reason, false),
            Ok(Found::Archive) => {
                let reason = "an archive inside an archive: unpack it first";
                (reason.to_owned(), true)
            }
            Err(error) => (error.to_string(), true),
        };
        self.skipped.push(Skipped {
            path,
            reason,
            error,
        });
    }

    /// Leaves only what the ledger (rows of `sources`) does not hold yet.
    pub fn resume(mut self, ledger: &[arrow::array::RecordBatch]) -> Plan {
        let (mut new, _) = self.next_batch(0, u64::MAX, ledger);
        self.skipped.append(&mut new.skipped);
        Plan {
            sources: new.sources,
            skipped: self.skipped,
        }
    }

    /// From number `from` on the sources of which the ledger does not hold all: as many as have `limit` bytes
    /// to read, at least one; what was skipped on the way; and the number of the source to go on with.
    pub fn next_batch(
        &self,
        from: usize,
        limit: u64,
        ledger: &[arrow::array::RecordBatch],
    ) -> (Plan, usize) {
        Ledger::with(ledger, |ledger| self.after(from, limit, ledger))
    }

    fn after(&self, from: usize, limit: u64, ledger: &Ledger<'_>) -> (Plan, usize) {
        let mut batch = Plan::default();
        let mut bytes = 0_u64;
        for (at, source) in self.sources.iter().enumerate().skip(from) {
            let mut source = source.clone();
            let (reason, error) = match ledger.advance(&mut source) {
                Ok(State::New) => {
                    bytes += source.text_bytes.saturating_sub(source.from_offset);
                    if bytes > limit && !batch.sources.is_empty() {
                        return (batch, at);
                    }
                    batch.sources.push(source);
                    continue;
                }
                Ok(State::Known) => continue,
                Ok(State::Shorter) => {
                    let reason = "shorter than what was taken in of it before: nothing new";
                    (reason.to_owned(), false)
                }
                // Read from its start it would be taken in twice.
                Err(error) => (error.to_string(), true),
            };
            batch.skipped.push(Skipped {
                path: source.path,
                reason,
                error,
            });
        }
        (batch, self.sources.len())
    }

    /// The same log under two names, or a part of it from its start, is read once.
    fn leave_out_copies(&mut self) {
        let mut dated: HashMap<(Place, String), Vec<usize>> = HashMap::new();
        let mut copies = BTreeSet::new();
        for (at, source) in self.sources.iter().enumerate() {
            let date = source.first_header.date.as_ref();
            let alike = date.unwrap_or(&source.head_hash).clone();
            let before = dated.entry((source.place.clone(), alike)).or_default();
            let longer = before.iter_mut().find_map(|before| {
                let is_longer = longer_copy(source, &self.sources[*before])?;
                Some((is_longer, before))
            });
            match longer {
                Some((true, before)) => {
                    copies.insert((*before, at));
                    *before = at;
                }
                Some((false, before)) => {
                    copies.insert((at, *before));
                }
                None => before.push(at),
            }
        }
        for (copy, of) in &copies {
            let reason = format!("copy of {}", self.sources[*of].path.display());
            let path = self.sources[*copy].path.clone();
            self.skipped.push(Skipped {
                path,
                reason,
                error: false,
            });
        }
        let mut at = 0;
        self.sources.retain(|_| {
            at += 1;
            copies.range((at - 1, 0)..(at, 0)).next().is_none()
        });
    }
}

/// Bytes of a log, unpacked; asked only of logs that start alike.
fn length(source: &Source) -> u64 {
    file::length(&source.input).unwrap_or(source.size)
}

/// Whether a log is longer than another one that it begins like; [`None`] where neither begins with all of the other,
/// as far as the first and the last bytes of the shorter one tell.
fn longer_copy(log: &Source, other: &Source) -> Option<bool> {
    let begins_like = |log: &Source, other| log.begins_like(other).unwrap_or(false);
    if !begins_like(log, other) && !begins_like(other, log) {
        return None;
    }
    let lengths = [length(log), length(other)];
    let to = lengths[0].min(lengths[1]);
    let from = to.saturating_sub(HEAD as u64);
    let end = |source: &Source| file::range(&source.input, from, (to - from) as usize).ok();
    (end(log) == end(other)).then_some(lengths[0] > lengths[1])
}

/// What a file or a member of an archive is.
enum Found {
    Send(Box<Source>),
    /// Something else, as the reason says.
    Foreign(String),
    /// A zip archive.
    Archive,
}

/// The last part of a path of this or another system: ledgers go from Windows to elsewhere.
pub(crate) fn last_part(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The name of a log, packed or not.
pub(crate) fn unpacked_name(name: &str) -> &str {
    let packed = [".gz", ".zst"].into_iter();
    let mut bare = packed.filter_map(|end| name.strip_suffix(end));
    bare.next().unwrap_or(name)
}

impl Source {
    /// Path or URL of the file that it is read from: its own, or that of the archive that it is a member of.
    pub fn file(&self) -> PathBuf {
        self.input.path()
    }

    fn open(path: &Path, input: Input, naming: &Naming) -> io::Result<Found> {
        if !input.is_member() && !input.is_regular()? {
            return Err(io::Error::other("not a regular file"));
        }
        let (head, form) = file::head(&input, HEAD)?;
        if is_zip(&head) {
            return Ok(Found::Archive);
        }
        let whole = path.to_string_lossy();
        let name = last_part(&whole);
        let header = match judge(&head, name) {
            Judgement::Send(header) => header,
            Judgement::Foreign(reason) => return Ok(Found::Foreign(reason)),
            Judgement::Unreadable(reason) => return Err(io::Error::other(reason)),
        };
        let place = naming.place(path);
        let order = order(name, &header);
        let source_id = source_id(&place, name, &head);
        Ok(Found::Send(Box::new(Source {
            path: path.to_owned(),
            place,
            source_id,
            size: input.stored_bytes()?,
            text_bytes: input.text_bytes(form)?,
            from_offset: 0,
            from_line: 1,
            head_hash: blake3::hash(&head).to_hex().to_string(),
            head_bytes: head.len() as u64,
            first_header: header.clone(),
            header: Header {
                columns: Columns::default(),
                ..header
            },
            order,
            input,
            form,
        })))
    }
}

impl Source {
    /// True if this log begins with all that was seen of the beginning of the other one: it is the same under
    /// another name, or packed.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn begins_like(&self, other: &Source) -> io::Result<bool> {
        if self.place != other.place || self.head_bytes < other.head_bytes {
            return Ok(false);
        }
        if self.head_bytes == other.head_bytes {
            return Ok(self.head_hash == other.head_hash);
        }
        let (head, _) = file::head(&self.input, other.head_bytes as usize)?;
        Ok(blake3::hash(&head).to_hex().as_str() == other.head_hash)
    }
}

fn source_id(place: &Place, name: &str, head: &[u8]) -> String {
    let mut hash = blake3::Hasher::new();
    let name = unpacked_name(name);
    for part in [&place.organization, &place.server, &place.service, name] {
        hash.update(part.as_bytes()).update(&[0]);
    }
    hash.update(&head[..head.len().min(ID_HEAD)]);
    hash.finalize().to_hex().as_str()[..16].to_owned()
}

/// The order in which logs were written: the hour in the name (a day's log counts as its first
/// hour), else in `#Date`; then the instance number, which is not padded.
pub(crate) fn order(name: &str, header: &Header) -> (u64, u64) {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let stamp = name
        .get(..4)
        .filter(|prefix| prefix.eq_ignore_ascii_case("SEND"))
        .and_then(|_| {
            let rest = &name[4..];
            let count = digits(rest);
            let hour: u64 = match count {
                8 => rest[..8].parse::<u64>().ok()? * 100,
                9 => rest[..8].parse::<u64>().ok()? * 100 + rest[8..9].parse::<u64>().ok()?,
                10 => rest[..10].parse().ok()?,
                _ => return None,
            };
            let rest = rest[count..].strip_prefix('-').unwrap_or("");
            Some((hour, rest[..digits(rest)].parse().unwrap_or(0)))
        });
    stamp.unwrap_or_else(|| {
        let date = header.date.as_deref().unwrap_or("");
        let hour: String = date.chars().filter(char::is_ascii_digit).take(10).collect();
        (hour.parse().unwrap_or(u64::MAX), 0)
    })
}

enum Judgement {
    Send(Header),
    Foreign(String),
    Unreadable(String),
}

/// Judges a file by its first bytes.
fn judge(head: &[u8], name: &str) -> Judgement {
    let named_send = is_named_send(name);
    if is_wide(head) {
        let reason = "UTF-16 text without its byte order mark: save it as UTF-8";
        return Judgement::Unreadable(reason.to_owned());
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if text.is_empty() {
        return match named_send {
            true => Judgement::Send(Header::default()),
            false => Judgement::Foreign("empty".to_owned()),
        };
    }
    if ends_lines_with_cr(text) {
        let reason = "lines end with a carriage return alone: save it with CRLF or LF line ends";
        return Judgement::Unreadable(reason.to_owned());
    }
    let mut first = First::default();
    let mut header = Header::default();
    let whole = memchr::memrchr(b'\n', head).map_or(0, |last| last + 1);
    let piece = Piece {
        bytes: &head[..whole],
        offset: 0,
        line: 1,
    };
    let (_, bad) = relaydrift_parse::read(piece, &mut header, &mut first);
    match &header.kind {
        LogKind::Send => Judgement::Send(header),
        LogKind::Other(kind) => Judgement::Foreign(format!("{kind}, not a send log")),
        LogKind::Unknown
            if text.starts_with(b"#Software: Microsoft Internet Information Services") =>
        {
            Judgement::Foreign("IIS log, not a send log".to_owned())
        }
        LogKind::Unknown if first.row || ends_as_row(&head[whole..]) => {
            if name
                .get(..4)
                .is_some_and(|prefix| prefix.eq_ignore_ascii_case("RECV"))
            {
                return Judgement::Foreign("receive log by its name, not a send log".to_owned());
            }
            Judgement::Send(header)
        }
        LogKind::Unknown if bad.is_some() => {
            Judgement::Foreign("#Fields of another log".to_owned())
        }
        LogKind::Unknown if text.contains(&0) && !named_send => {
            Judgement::Foreign("binary file".to_owned())
        }
        LogKind::Unknown if named_send => Judgement::Send(header),
        LogKind::Unknown => Judgement::Foreign("no row of a send log at its start".to_owned()),
    }
}

/// `SEND2026100105-1.LOG` and what people make of it, but no `send-connector.json`.
fn is_named_send(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("send").is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_digit()) || name.contains(".log")
    })
}

/// UTF-16 of a log, header or row, that has lost its mark: every second byte is NUL.
fn is_wide(head: &[u8]) -> bool {
    let start = &head[..head.len().min(2 * WIDE_START)];
    let nuls = |first: usize| start.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let text = |first: usize| {
        let mut bytes = start.iter().skip(first).step_by(2);
        bytes.all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
    };
    start.len() == 2 * WIDE_START && (nuls(0) && text(1) || nuls(1) && text(0))
}

/// Characters by which UTF-16 is known: as many as the date of a row has.
const WIDE_START: usize = 10;

/// A log without any LF whose first line ends with a CR: no line of it would ever be whole.
fn ends_lines_with_cr(text: &[u8]) -> bool {
    let Some(end) = memchr::memchr(b'\r', text) else {
        return false;
    };
    // A CR at the very end may have its LF still to come.
    let bare = end + 1 < text.len() && !text.contains(&b'\n');
    let first = &text[..end];
    bare && (first.starts_with(b"#Software: Microsoft Exchange") || ends_as_row(first))
}

/// A log of a single line that may be cut off.
fn ends_as_row(line: &[u8]) -> bool {
    Record::parse(line.trim_ascii_end(), &Columns::default()).is_ok()
}

#[derive(Default)]
struct First {
    row: bool,
}

impl<'a> Visit<'a> for First {
    fn row(&mut self, _: &Row<'a>, _: &Columns) {
        self.row = true;
    }

    fn reject(&mut self, _: Reject<'a>) {}
}

fn list(
    path: &Path,
    files: &mut BTreeMap<PathBuf, Input>,
    skipped: &mut Vec<Skipped>,
) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => walk(path, files, skipped),
        Ok(_) => {
            files.insert(path.to_owned(), Input::file(path));
        }
        // Windows refuses a * in a name before it looks for it.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::InvalidFilename
            ) && is_glob(path) =>
        {
            return list_glob(path, files, skipped);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(Error::NotFound(path.to_owned()));
        }
        Err(error) => {
            skipped.push(Skipped {
                path: path.to_owned(),
                reason: error.to_string(),
                error: true,
            });
        }
    }
    Ok(())
}

fn walk(folder: &Path, files: &mut BTreeMap<PathBuf, Input>, skipped: &mut Vec<Skipped>) {
    // A lake is no folder of logs, wherever it lies.
    let entries = WalkDir::new(folder).into_iter().filter_entry(|entry| {
        !(entry.file_type().is_dir() && entry.path().join("_relaydrift").is_dir())
    });
    for entry in entries {
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                files.insert(entry.path().to_owned(), Input::file(entry.path()));
            }
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) => skipped.push(Skipped {
                reason: match entry.file_type().is_symlink() {
                    true => "a symbolic link, not followed: give it as a path of its own",
                    false => "neither a file nor a folder",
                }
                .to_owned(),
                path: entry.into_path(),
                error: false,
            }),
            Err(error) => skipped.push(unwalkable(folder, &error)),
        }
    }
}

fn unwalkable(folder: &Path, error: &walkdir::Error) -> Skipped {
    let path = error.path().unwrap_or(folder).to_owned();
    let reason = error
        .io_error()
        .map_or_else(|| error.to_string(), ToString::to_string);
    Skipped {
        path,
        reason,
        error: true,
    }
}

fn is_glob(path: &Path) -> bool {
    path.components().any(is_pattern)
}

/// The `?` of `\\?\C:\` is none.
fn is_pattern(part: Component) -> bool {
    let text = part.as_os_str().to_string_lossy();
    !matches!(part, Component::Prefix(_)) && text.contains(['*', '?', '[', '{'])
}

fn matcher(pattern: &Path) -> Result<GlobMatcher, Error> {
    let glob = GlobBuilder::new(&pattern.to_string_lossy())
        .literal_separator(true)
        .case_insensitive(true)
        .build();
    let glob = glob.map_err(|source| Error::Glob {
        pattern: pattern.to_owned(),
        source,
    })?;
    Ok(glob.compile_matcher())
}

/// Objects under a URL, or under the part of it before a glob and matched by that, as a whole or by a folder
/// above them. In a URL `?` is no pattern.
fn list_objects(
    url: &Path,
    store: &Arc<dyn Store>,
    files: &mut BTreeMap<PathBuf, Input>,
) -> Result<(), Error> {
    let text = url.to_string_lossy();
    let glob = text.find(['*', '[', '{']);
    let base = glob.and_then(|at| text[..at].rfind('/'));
    let mut objects = store
        .list(base.map_or(&*text, |end| &text[..end]))
        .map_err(Error::Store)?;
    if glob.is_some() {
        let glob = matcher(url)?;
        let above = |object: &Object| {
            Path::new(&object.url)
                .ancestors()
                .any(|path| glob.is_match(path))
        };
        objects.retain(above);
    }
    // A lake is no folder of logs, wherever it lies.
    let lakes = objects
        .iter()
        .filter_map(|object| object.url.strip_suffix("_relaydrift/lake.json"));
    let lakes: Vec<String> = lakes.map(str::to_owned).collect();
    objects.retain(|object| !lakes.iter().any(|lake| object.url.starts_with(lake)));
    if objects.is_empty() {
        return Err(Error::NotFound(url.to_owned()));
    }
    let inputs = objects.into_iter().map(|object| {
        let path = PathBuf::from(&object.url);
        (path, Input::object(store.clone(), object))
    });
    files.extend(inputs);
    Ok(())
}

fn list_glob(
    pattern: &Path,
    files: &mut BTreeMap<PathBuf, Input>,
    skipped: &mut Vec<Skipped>,
) -> Result<(), Error> {
    let base: PathBuf = pattern
        .components()
        .take_while(|part| !is_pattern(*part))
        .collect();
    let base = if base.as_os_str().is_empty() {
        Path::new(".")
    } else {
        &base
    };
    let glob = matcher(pattern)?;
    let mut found = false;
    for entry in WalkDir::new(base) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                skipped.push(unwalkable(base, &error));
                continue;
            }
        };
        let path = entry.path();
        if glob.is_match(path.strip_prefix("./").unwrap_or(path)) || glob.is_match(path) {
            found = true;
            list(path, files, skipped)?;
        }
    }
    if found {
        Ok(())
    } else {
        Err(Error::NotFound(pattern.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str =
        "2026-10-05T10:00:00.000Z,c,08DF1F4EEFBDC000,0,,192.0.2.1:25,*,,attempting to connect\r\n";

    fn plan(files: &[(&str, &str)]) -> (tempfile::TempDir, Plan) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let plan = find(&[folder.path().to_owned()], &Naming::default()).unwrap();
        (folder, plan)
    }

    #[test]
    fn files_are_judged_by_content() {
        let receive = "#Log-type: SMTP Receive Protocol Log\r\n";
        let (_folder, plan) = plan(&[
            ("EX1/SmtpSend/SEND2026100510-1.LOG", ROW),
            ("EX1/SmtpSend/SEND2026100511-1.LOG", ""),
            ("EX1/SmtpSend/notes.txt", "hello\n"),
            ("EX1/SmtpReceive/RECV2026100510-1.LOG", receive),
            (
                "EX1/SmtpSend/pasted.txt",
                &ROW.replace(":00.000Z", ":01.000Z"),
            ),
            ("EX1/SmtpSend/wide.log", "#\0S\0o\0f\0t\0w\0a\0r\0e\0:\0"),
        ]);
        assert_eq!(plan.sources.len(), 3, "{:?}", plan.skipped);
        assert!(
            plan.sources
                .iter()
                .all(|source| source.place.server == "EX1")
        );
        let reasons: Vec<_> = plan
            .skipped
            .iter()
            .map(|skipped| skipped.reason.as_str())
            .collect();
        assert!(
            reasons.contains(&"SMTP Receive Protocol Log, not a send log"),
            "{reasons:?}"
        );
        assert!(
            reasons.contains(&"no row of a send log at its start"),
            "{reasons:?}"
        );
        let wide = "UTF-16 text without its byte order mark: save it as UTF-8";
        assert!(reasons.contains(&wide), "{reasons:?}");
    }

    #[test]
    fn logs_come_in_the_order_of_their_hour_and_number() {
        let names = [
            "SEND20261005-1.LOG",
            "SEND2026100502-2.LOG",
            "SEND2026100502-10.LOG",
            "SEND2026100513-1.log",
        ];
        let row = |n: usize| ROW.replace("00.000Z", &format!("0{n}.000Z"));
        let files: Vec<_> = (0..4)
            .map(|n| (format!("EX1/{}", names[3 - n]), row(n)))
            .collect();
        let files: Vec<_> = files
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let (_folder, plan) = plan(&files);
        let found: Vec<_> = plan
            .sources
            .iter()
            .filter_map(|source| source.path.file_name()?.to_str())
            .collect();
        assert_eq!(found, names);
    }

    #[test]
    fn a_copy_is_read_once() {
        let long = ROW.repeat(100);
        let (_folder, plan) = plan(&[
            ("EX1/a/SEND2026100510-1.LOG", &long[..6000]),
            ("EX1/b/x.log", &long),
            ("EX2/x.log", &long),
        ]);
        // Folder names say which server wrote a log: a and b are two, EX2 a third.
        assert_eq!(plan.sources.len(), 3);
        let (_folder, plan) = plan2(&long);
        assert_eq!(plan.sources.len(), 1);
        assert_eq!(plan.sources[0].size, long.len() as u64);
        assert!(plan.skipped[0].reason.starts_with("copy of "));
    }

    #[test]
    fn logs_that_were_opened_at_one_time_and_end_alike_are_two() {
        let header = "#Software: Microsoft Exchange Server\r\n#Log-type: SMTP Send Protocol Log\r\n#Date: 2026-10-05T10:00:00.000Z\r\n";
        let first = format!("{header}{ROW}");
        let second = format!("{header}{}", ROW.replace("00.000Z", "09.000Z"));
        let same = ROW.repeat(100);
        let (first, second) = (first + &same, second + &same);
        let (_folder, plan) = plan(&[
            ("EX1/SEND2026100510-1.LOG", &first),
            ("EX1/SEND2026100510-2.LOG", &second),
            ("EX1/SEND2026100510-3.LOG", &second[..6000]),
        ]);
        assert_eq!(plan.sources.len(), 2);
        let reason = &plan.skipped[0].reason;
        assert!(reason.ends_with("SEND2026100510-2.LOG"), "{reason}");
    }

    fn plan2(long: &str) -> (tempfile::TempDir, Plan) {
        plan(&[
            ("EX1/SEND2026100510-1.LOG", &long[..6000]),
            ("EX1/copy of SEND2026100510-1.LOG", long),
        ])
    }

    #[test]
    fn names_of_windows_are_the_same_elsewhere() {
        for path in [
            r"C:\logs\EX1\SEND2026100510-1.LOG",
            r"\\EX1\logs\SEND2026100510-1.LOG",
            r"C:\logs.zip!/EX1/SEND2026100510-1.LOG",
            "/logs/EX1/SEND2026100510-1.LOG",
        ] {
            assert_eq!(last_part(path), "SEND2026100510-1.LOG", "{path}");
        }
    }

    #[test]
    fn globs_and_missing_paths() {
        let (folder, _) = plan(&[
            ("EX1/SmtpSend/SEND1.LOG", ROW),
            ("EX2/SmtpSend/SEND1.LOG", ROW),
        ]);
        let found = find(
            &[folder.path().join("*/SmtpSend/*.log")],
            &Naming::default(),
        )
        .unwrap();
        assert_eq!(found.sources.len(), 2);
        for missing in ["nothing/*.log", "nothing"] {
            let result = find(&[folder.path().join(missing)], &Naming::default());
            assert!(matches!(result, Err(Error::NotFound(_))), "{missing}");
        }
    }
}
