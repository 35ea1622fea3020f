//! Logs that come packed, in archives, or in UTF-16: the same rows, each line once.

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;

/// Paths below a folder, and what lies there.
type Files = Vec<(String, Vec<u8>)>;

/// A small fleet.
fn fleet() -> Files {
    let folder = tempfile::tempdir().unwrap();
    let seed = [(3, 0, 1), (1, 60, 0), (5, 90, 7), (6, 95, 11), (8, 99, 12)];
    let files = write_fleet(folder.path(), &seed, 25);
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(folder.path()).unwrap();
        let name = name.to_str().unwrap().replace('\\', "/");
        (name, std::fs::read(path).unwrap())
    };
    files.iter().map(read).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn wide(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(text.starts_with('\u{feff}'));
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn archive(files: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn folder_of(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

/// The fleet in every form: as what it is called here, and the files that hold it.
fn forms() -> Vec<(&'static str, Files)> {
    let plain = fleet();
    let each = |end: &str, pack: &dyn Fn(&[u8]) -> Vec<u8>| {
        let packed = plain.iter();
        let packed = packed.map(|(name, bytes)| (format!("{name}{end}"), pack(bytes)));
        packed.collect::<Vec<_>>()
    };
    let zip =
        |files: &[(String, Vec<u8>)], method| vec![("logs.zip".to_owned(), archive(files, method))];
    let gz = each(".gz", &gzip);
    let stored = zip(&gz, CompressionMethod::Stored);
    let by_server = ["EX1", "EX2"].map(|server| {
        let of = |(name, bytes): &(String, Vec<u8>)| {
            let name = name.strip_prefix(server)?.trim_start_matches('/');
            Some((name.to_owned(), bytes.clone()))
        };
        let files: Vec<_> = plain.iter().filter_map(of).collect();
        (
            format!("{server}.zip"),
            archive(&files, CompressionMethod::Deflated),
        )
    });
    vec![
        ("gzip, without a name that says so", each("", &gzip)),
        ("gzip", gz),
        (
            "zstd",
            each(".zst", &|bytes| zstd::encode_all(bytes, 3).unwrap()),
        ),
        ("zip, deflated", zip(&plain, CompressionMethod::Deflated)),
        ("zip, zstd", zip(&plain, CompressionMethod::Zstd)),
        ("zip of gzip", stored),
        ("zip by server", by_server.into()),
        ("UTF-16", each("", &wide)),
        ("UTF-16 in gzip", each(".gz", &|bytes| gzip(&wide(bytes)))),
        ("plain", plain),
    ]
}

#[test]
fn every_form_gives_the_same_rows_however_it_is_cut() {
    let plain = folder_of(&fleet());
    let (batches, summary) = read_once(plain.path(), Cut::default(), 1);
    let want = content(&batches);
    for (form, files) in forms() {
        let folder = folder_of(&files);
        for window in [7, 1 << 20] {
            let cut = Cut {
                window,
                chunk: 500,
                task: 3000,
                carry: 1000,
            };
            let (batches, again) = read_once(folder.path(), cut, 2);
            assert!(again.failed.is_empty(), "{form}: {:?}", again.failed);
            assert_eq!(again.bytes(), summary.bytes(), "{form}: every byte");
            assert_eq!(content(&batches), want, "{form}");
            let told = again
                .notices
                .iter()
                .any(|notice| notice.contains("UTF-16LE text"));
            assert_eq!(told, form.contains("UTF-16"), "{form}: {:?}", again.notices);
        }
    }
}

/// A batch per form, one after the other: what is known already comes in no second time.
#[test]
fn every_line_is_taken_in_once_whatever_it_comes_in() {
    let folders: Vec<_> = forms().iter().map(|(_, files)| folder_of(files)).collect();
    let want = content(&read_once(folders[0].path(), Cut::default(), 1).0);
    for first in 0..folders.len() {
        let order = (0..folders.len()).map(|at| (first + at) % folders.len());
        // The first once more at the end: nothing of it is new.
        let runs: Vec<Vec<PathBuf>> = order
            .chain([first])
            .map(|at| vec![folders[at].path().to_owned()])
            .collect();
        assert_eq!(content(&read_in_runs(&runs)), want, "{first} first");
    }
}

#[test]
fn an_archive_that_grew_gives_what_is_new() {
    let files = fleet();
    let want = content(&read_once(folder_of(&files).path(), Cut::default(), 1).0);
    let half: Vec<_> = files
        .iter()
        .enumerate()
        .filter(|(at, _)| at % 3 > 0)
        .map(|(at, (name, bytes))| {
            let end = if at % 3 == 1 {
                bytes.len()
            } else {
                bytes.len() / 2
            };
            (name.clone(), bytes[..end].to_vec())
        })
        .collect();
    let zip = |files: &[_]| {
        let bytes = archive(files, CompressionMethod::Deflated);
        folder_of(&[("logs.zip".to_owned(), bytes)])
    };
    let (before, after) = (zip(&half), zip(&files));
    let runs = [&before, &after].map(|folder| vec![folder.path().to_owned()]);
    assert_eq!(content(&read_in_runs(&runs)), want);
}

fn plan_of(name: &str, bytes: &[u8]) -> (tempfile::TempDir, Plan) {
    let folder = folder_of(&[(name.to_owned(), bytes.to_vec())]);
    let plan = find(&[folder.path().to_owned()], &Naming::default()).unwrap();
    (folder, plan)
}

fn shown(path: &Path) -> String {
    let text = path.to_str().unwrap().replace('\\', "/");
    text.split_once("logs.zip").unwrap().1.to_owned()
}

#[test]
fn members_are_named_with_their_archive() {
    let files = fleet();
    let (_folder, plan) = plan_of("logs.zip", &archive(&files, CompressionMethod::Deflated));
    let mut paths: Vec<_> = plan
        .sources
        .iter()
        .map(|source| shown(&source.path))
        .collect();
    let mut want: Vec<_> = files.iter().map(|(name, _)| format!("!/{name}")).collect();
    paths.sort();
    want.sort();
    assert_eq!(paths, want);
    for (source, bytes) in plan.sources.iter().map(|source| {
        let shown = shown(&source.path);
        let file = files.iter().find(|(name, _)| shown.ends_with(name));
        (source, file.unwrap().1.len() as u64)
    }) {
        assert_eq!(source.text_bytes, bytes);
        assert!(source.size < bytes);
        assert!(source.path.to_str().unwrap().contains(&source.place.server));
    }
}

/// Sets the flag of encryption on the first member.
fn encrypt(zip: &mut [u8]) {
    let central = memchr::memmem::find(zip, b"PK\x01\x02").unwrap();
    zip[6] |= 1;
    zip[central + 8] |= 1;
}

#[test]
fn b82_b84_members_that_cannot_be_read_are_named_and_the_others_are_read() {
    let mut files = fleet();
    files.truncate(3);
    let good = files[2].0.clone();
    files.extend([
        ("EX1/notes.txt".to_owned(), b"hello\n".to_vec()),
        (
            "EX1/inner.zip".to_owned(),
            archive(&[], CompressionMethod::Stored),
        ),
        (
            "EX1/trace.7z".to_owned(),
            b"7z\xBC\xAF\x27\x1C\0\x04\0\0".to_vec(),
        ),
    ]);
    let mut zip = archive(&files, CompressionMethod::Stored);
    encrypt(&mut zip);
    // The second member loses a byte of its text.
    let text = &files[1].1;
    let at = memchr::memmem::find(&zip, text).unwrap();
    zip[at + text.len() - 3] ^= 1;
    let (folder, plan) = plan_of("logs.zip", &zip);
    let reasons: BTreeMap<String, (&str, bool)> = plan
        .skipped
        .iter()
        .map(|file| (shown(&file.path), (file.reason.as_str(), file.error)))
        .collect();
    let member = |name: &str| format!("!/{name}");
    let encrypted = "encrypted: unpack it with its password and give the folder";
    let inner = "an archive inside an archive: unpack it first";
    for (name, reason, error) in [
        (files[0].0.as_str(), encrypted, true),
        ("EX1/notes.txt", "no row of a send log at its start", false),
        ("EX1/inner.zip", inner, true),
        ("EX1/trace.7z", "binary file", false),
    ] {
        assert_eq!(
            reasons.get(&member(name)),
            Some(&(reason, error)),
            "{reasons:?}"
        );
    }
    let (batches, summary) = read_once(folder.path(), Cut::default(), 1);
    assert_eq!(summary.failed.len(), 1);
    assert_eq!(shown(&summary.failed[0].path), member(&files[1].0));
    let reason = &summary.failed[0].reason;
    assert_eq!(
        reason,
        "damaged: its checksum is another; its whole lines so far were read"
    );
    let read = rows(&batches, Table::Sources).len();
    assert_eq!(read, 2, "{good} and the whole lines of the damaged one");
}

#[test]
fn archives_that_are_none() {
    let zip = archive(&fleet(), CompressionMethod::Deflated);
    for bytes in [&zip[..zip.len() / 2], b"PK\x03\x04 and no more"] {
        let (_folder, plan) = plan_of("logs.zip", bytes);
        assert!(plan.sources.is_empty());
        assert!(plan.skipped[0].error, "{:?}", plan.skipped);
    }
    let (_folder, plan) = plan_of("logs.zip", &archive(&[], CompressionMethod::Stored));
    assert!(plan.sources.is_empty() && plan.skipped.is_empty());
}

#[test]
fn an_archive_that_changes_before_it_is_read_fails_by_name() {
    let (folder, plan) = plan_of("logs.zip", &archive(&fleet(), CompressionMethod::Deflated));
    let more = archive(&fleet(), CompressionMethod::Zstd);
    std::fs::write(folder.path().join("logs.zip"), more).unwrap();
    let memory = Memory::default();
    let summary = read(
        &plan.sources,
        Before::default(),
        WHOLE,
        Cut::default(),
        0,
        &memory,
        &|_| {},
    );
    let failed = summary.unwrap().failed;
    assert_eq!(failed.len(), plan.sources.len());
    assert_eq!(
        failed[0].reason,
        "the archive has changed since it was listed"
    );
}

#[test]
fn b04_b05_utf16() {
    let files = fleet();
    let be: Vec<u8> = std::str::from_utf8(&files[0].1)
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_be_bytes)
        .collect();
    let (_folder, plan) = plan_of("EX1/SEND2026100510-1.LOG", &be);
    assert_eq!(plan.sources.len(), 1);
    let unmarked = &wide(&files[0].1)[2..];
    let (_folder, plan) = plan_of("EX1/SEND2026100510-1.LOG", unmarked);
    assert!(plan.sources.is_empty() && plan.skipped[0].error);
    let reason = "UTF-16 text without its byte order mark: save it as UTF-8";
    assert_eq!(plan.skipped[0].reason, reason);
}
