//! Lakes with damaged files: `verify` finds each damage that matters, and nothing that reads them panics.
//!
//! `RELAYDRIFT_MUTATIONS` says how many damages are tried, a few unless it is set.

use std::fs;
use std::path::{Path, PathBuf};

use crate::util::{CONTENT, empty, files, run, run_for, text};

/// What becomes of the bytes of a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// One bit is another.
    Bit,
    /// A block is zero.
    Zeros,
    /// The end is missing.
    Cut,
    /// Bytes follow that do not belong there.
    Grown,
    /// Two blocks are in each other's place.
    Swapped,
    /// It has the bytes of another file of its kind.
    Other,
    /// It is not there.
    Gone,
}

const DAMAGES: [Damage; 7] = [
    Damage::Bit,
    Damage::Zeros,
    Damage::Cut,
    Damage::Grown,
    Damage::Swapped,
    Damage::Other,
    Damage::Gone,
];

/// Numbers that are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

#[test]
fn a_damaged_lake_is_found_out() {
    let wanted = std::env::var("RELAYDRIFT_MUTATIONS");
    let wanted = wanted.map_or(21, |wanted| {
        wanted.parse().expect("RELAYDRIFT_MUTATIONS: a number")
    });
    let folder = empty("mutations");
    let (whole, lake) = (folder.join("whole"), folder.join("lake"));
    for server in ["EX01", "EX02", "EX03"] {
        let logs = format!("tests/fleet/{server}");
        run_for(0, &["ingest", &logs, "--lake", path(&whole), "--quiet"]);
        // Its last batch lies beside merged files.
        if server == "EX02" {
            run_for(0, &["compact", "--lake", path(&whole), "--quiet"]);
        }
    }
    let content = rows(&whole).expect("rows");
    let all = files(&whole);
    let mut numbers = Numbers(28);
    let (mut found, mut harmless, mut wrong) = (0, 0, Vec::new());
    for case in 0..wanted {
        let damage = DAMAGES[case % DAMAGES.len()];
        let file = &all[numbers.below(all.len())];
        copy(&whole, &lake);
        let relative = file.strip_prefix(&whole).expect("below the lake");
        if !damaged(damage, &lake.join(relative), &all, &mut numbers) {
            continue;
        }
        match judge(&lake, relative, &content) {
            Ok(true) => found += 1,
            Ok(false) => harmless += 1,
            Err(error) => wrong.push(format!("{damage:?} of {}: {error}", relative.display())),
        }
    }
    println!(
        "{found} damages found, {harmless} change nothing, {} undetected",
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(found > 0);
}

/// What passes files over by what their Delta logs say is in them.
const PRUNED: &str = "
    select count(*) as row from events where event_time >= '2026-10-02'
    union all select count(*) from events where server = 'EX02' and batch = 2
    union all select count(*) from events where sequence = 0 and session_id > '08DF'
    union all select count(*) from sessions where start_time < '2026-10-02' and refused > 0
    union all select count(*) from observations where kind = 'certificate' and server >= 'EX02'
    union all select count(*) from transactions where refused > 0";

/// True where the damage was found, false where it changes nothing.
fn judge(lake: &Path, file: &Path, content: &[String]) -> Result<bool, String> {
    let verify = run(&["verify", "--lake", path(lake)]);
    let said = format!("{}{}", text(&verify.stdout), text(&verify.stderr));
    let asked = rows(lake);
    if said.contains("panicked") || asked.as_ref().is_err_and(|said| said.contains("panicked")) {
        return Err(format!("a panic: {said}{asked:?}"));
    }
    match verify.status.code() {
        Some(0) if asked.as_deref() == Ok(content) => Ok(false),
        // Without its last Delta log a table is as a run leaves it that was stopped there: the next one goes on.
        Some(0) if is_delta_log(file) && !lake.join(file).exists() => {
            made_good(lake, content).map(|()| false)
        }
        // One that says less leaves it so too: that batches wait is said.
        Some(0) if said.contains("no reader sees yet") => made_good(lake, content).map(|()| true),
        Some(0) => Err(format!("verify finds nothing, readers find {asked:?}")
            .chars()
            .take(500)
            .collect()),
        Some(2)
            if said.contains(
                file.file_name()
                    .and_then(|name| name.to_str())
                    .unwrap_or_default(),
            ) =>
        {
            Ok(true)
        }
        // A log that cannot be read leads to another place than its own.
        Some(2)
            if file
                .components()
                .any(|part| part.as_os_str() == "_delta_log") =>
        {
            Ok(true)
        }
        code => Err(format!(
            "verify exits with {code:?} and does not name the file: {said}"
        )),
    }
}

/// The next ingest has to.
fn made_good(lake: &Path, content: &[String]) -> Result<(), String> {
    run_for(
        0,
        &["ingest", "tests/fleet", "--lake", path(lake), "--quiet"],
    );
    match rows(lake).as_deref() == Ok(content) {
        true => Ok(()),
        false => Err("the next ingest does not make it good".to_owned()),
    }
}

fn is_delta_log(file: &Path) -> bool {
    file.components()
        .any(|part| part.as_os_str() == "_delta_log")
}

/// The rows of a lake, or what was said instead.
fn rows(lake: &Path) -> Result<Vec<String>, String> {
    let mut rows = Vec::new();
    for query in [CONTENT, PRUNED] {
        let output = run(&["sql", "--lake", path(lake), "--format", "ndjson", query]);
        match output.status.code() {
            Some(0) => rows.extend(text(&output.stdout).lines().map(str::to_owned)),
            _ => return Err(text(&output.stderr).to_owned()),
        }
    }
    rows.sort();
    Ok(rows)
}

/// Damages a file; false where it has no room for this damage.
fn damaged(damage: Damage, file: &Path, all: &[PathBuf], numbers: &mut Numbers) -> bool {
    let mut bytes = fs::read(file).expect("a file");
    let before = bytes.clone();
    let at = numbers.below(bytes.len());
    let block = 16.min(bytes.len() / 2);
    match damage {
        Damage::Gone => {
            fs::remove_file(file).expect("removed");
            return true;
        }
        Damage::Bit if !bytes.is_empty() => bytes[at] ^= 1 << numbers.below(8),
        Damage::Zeros => {
            let start = at.min(bytes.len() - block);
            bytes[start..start + block].fill(0);
        }
        Damage::Cut => bytes.truncate(at),
        Damage::Grown => bytes.extend_from_slice(b"\nmore"),
        Damage::Swapped if block > 0 => {
            let (one, other) = bytes.split_at_mut(block);
            let start = numbers.below(other.len() - block + 1);
            one.swap_with_slice(&mut other[start..start + block]);
        }
        Damage::Other => {
            let kind = file.extension();
            let others: Vec<_> = all
                .iter()
                .filter(|other| other.extension() == kind)
                .collect();
            bytes = fs::read(others[numbers.below(others.len())]).expect("a file");
        }
        Damage::Bit | Damage::Swapped => {}
    }
    fs::write(file, &bytes).expect("written");
    bytes != before
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("the last lake goes");
    }
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).expect("below the lake"));
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        fs::copy(&file, copy).expect("copied");
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
