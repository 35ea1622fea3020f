//! The members of zip archives, listed; [`Input`](crate::input::Input) reads them.

use std::ffi::OsString;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use crate::Skipped;
use crate::input::{Input, Member, Method};

/// Lists the files of a zip archive: the path by which each is shown, `logs.zip!/EX01/SEND1.LOG`, and
/// where its bytes lie. Members that cannot be read are left out and named.
///
/// # Errors
/// If the archive itself cannot be read.
pub(crate) fn list(
    archive: &Path,
    input: &Input,
    skipped: &mut Vec<Skipped>,
) -> io::Result<Vec<(PathBuf, Input)>> {
    let (file, archive_bytes) = input.stored()?;
    let mut zip = ZipArchive::new(BufReader::new(file))?;
    let mut members = Vec::new();
    let mut leave_out = |path, reason: String, error| {
        skipped.push(Skipped {
            path,
            reason,
            error,
        });
    };
    if zip.has_duplicate_names() {
        let reason = "members of the same name: only the last of each is read; unpack it first";
        leave_out(archive.to_owned(), reason.to_owned(), true);
    }
    for number in 0..zip.len() {
        let entry = match zip.by_index_raw(number) {
            Ok(entry) => entry,
            Err(error) => {
                let path = shown(archive, &format!("member {}", number + 1));
                leave_out(path, error.to_string(), true);
                continue;
            }
        };
        if entry.is_dir() {
            continue;
        }
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        let path = shown(archive, &name);
        let method = match entry.compression() {
            CompressionMethod::Stored => Some(Method::Stored),
            CompressionMethod::Deflated => Some(Method::Deflated),
            CompressionMethod::Zstd => Some(Method::Zstd),
            _ => None,
        };
        match (method, entry.data_start()) {
            _ if entry.is_symlink() => leave_out(path, "a symbolic link".to_owned(), false),
            _ if entry.encrypted() => {
                let reason = "encrypted: unpack it with its password and give the folder";
                leave_out(path, reason.to_owned(), true);
            }
            (Some(method), Some(start)) => {
                let member = Member {
                    start,
                    packed_bytes: entry.compressed_size(),
                    bytes: entry.size(),
                    crc: entry.crc32(),
                    method,
                    archive_bytes,
                };
                members.push((path, Input::member(input, member)));
            }
            _ => {
                let method = entry.compression();
                let reason = format!("packed by {method}, which is not read here: unpack it first");
                leave_out(path, reason, true);
            }
        }
    }
    Ok(members)
}

/// How a member is shown: nothing in its name leads out of the archive.
fn shown(archive: &Path, name: &str) -> PathBuf {
    let drive = |part: &&str| part.len() == 2 && part.ends_with(':');
    let parts = name
        .split(['/', '\\'])
        .filter(|part| !matches!(*part, "" | "." | "..") && !drive(part));
    let mut path = OsString::from(archive);
    path.push("!");
    for part in parts {
        path.push("/");
        path.push(part);
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for (name, wanted) in [
            ("EX01/SmtpSend/SEND1.LOG", "a.zip!/EX01/SmtpSend/SEND1.LOG"),
            ("../../x", "a.zip!/x"),
            ("/etc/shadow", "a.zip!/etc/shadow"),
            (r"C:\logs\EX01\x.log", "a.zip!/logs/EX01/x.log"),
            ("a/./b//c", "a.zip!/a/b/c"),
        ] {
            assert_eq!(shown(Path::new("a.zip"), name), Path::new(wanted), "{name}");
        }
    }
}
