//! Power cuts: a lake on a disk of its own (ext4 in a file), which is shut down in the middle of an ingest.
//!
//! strace kills the ingest before a call; then the file system is told to stop as if the power had gone, and is mounted
//! again. What was never synced is gone, or there in part, or there, as the cut is one of [`WAYS`]. `RELAYDRIFT_POWER`
//! says how many cuts are tried at each start.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::faults::{Place, Rig, Tally, said, traces};
use crate::util::{empty, files, mix, skip, text};

/// What outlives a cut beside what was synced, and the kernel's number for it (`FS_IOC_SHUTDOWN`).
const WAYS: [(&str, &str); 3] = [
    ("nothing else", "2"),
    ("names, not bytes", "1"),
    ("everything", "0"),
];

const SHUT_DOWN: &str = "import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', int(sys.argv[2])))";

#[test]
fn what_was_taken_in_outlives_a_power_cut() {
    let (mut tally, mut acknowledged) = (Tally::default(), 0);
    let wanted = std::env::var("RELAYDRIFT_POWER").ok();
    let wanted = wanted.map(|number| number.parse().expect("RELAYDRIFT_POWER: a number"));
    let starts: &[usize] = if wanted.is_some() { &[0, 1, 9] } else { &[1] };
    for start in starts {
        let Some((disk, rig)) = rig(&format!("power-{start}"), *start) else {
            return;
        };
        let decided = |place: &&Place| place.call == "unlink" && place.is_on("/batches/");
        let decided = rig.places.iter().find(decided).expect("a decision");
        for number in 0..wanted.unwrap_or(4) {
            disk.reset(&rig);
            // The first cut comes after the end; before every fourth, a killed run has left work to the next.
            let place = (number > 0).then(|| &rig.places[mix(number) % rig.places.len()]);
            if number % 4 == 3 {
                rig.disturbed(decided, "signal=KILL");
            }
            let output = match place {
                Some(place) => rig.disturbed(place, "signal=KILL"),
                None => rig.ingest(&[]),
            };
            let way = WAYS[number % WAYS.len()];
            disk.cut(way);
            let place = place.map_or("the end".to_owned(), Place::to_string);
            tally.case(&format!("{place}, start {start}, {} left", way.0), || {
                let cut = ended(&output)?;
                acknowledged += usize::from(!cut);
                let found = rig.whole()?;
                if !cut && found != rig.new {
                    return Err("rows that were acknowledged are lost".into());
                }
                rig.made_good().map(|()| cut || number == 0)
            });
        }
        tally.cases += rig.places.len() * WAYS.len();
    }
    println!("{acknowledged} cuts after the end of an ingest");
    tally.end("power cuts");
}

/// Whether the run was killed; an error if it failed.
fn ended(output: &Output) -> Result<bool, String> {
    match (output.status.signal(), output.status.code()) {
        (Some(9), _) => Ok(true),
        (_, Some(0)) => Ok(false),
        _ => Err(format!("{}: {}", output.status, said(output))),
    }
}

#[test]
fn an_ingest_that_does_not_sync_is_found_out() {
    let Some((disk, rig)) = rig("power-unsynced", 1) else {
        return;
    };
    disk.reset(&rig);
    let folders = folders(&rig.lake);
    let folders: Vec<_> = folders.iter().flat_map(|path| ["-P", path]).collect();
    for (what, which) in [("nothing", &[][..]), ("files alone", &folders)] {
        disk.reset(&rig);
        // The calls are not made, and are told to have been.
        let lie = ["-e", "trace=fsync", "-e", "inject=fsync:retval=0"];
        let output = rig.ingest(&[&lie, which].concat());
        assert!(output.status.success(), "{}", said(&output));
        disk.cut(WAYS[0]);
        let lost = rig.content().map_or(true, |found| found != rig.new);
        assert!(lost, "synced {what}, and nothing was lost");
    }
}

/// All folders of a lake.
fn folders(lake: &Path) -> Vec<String> {
    let files = files(lake);
    let of = files.iter().flat_map(|path| path.ancestors().skip(1));
    let of = of.filter(|folder| folder.starts_with(lake));
    let mut all: Vec<_> = of.map(|folder| folder.display().to_string()).collect();
    all.sort();
    all.dedup();
    all
}

/// A rig whose lake is on a disk; none, told, where there can be no disk.
fn rig(name: &str, batches: usize) -> Option<(Disk, Rig)> {
    if !traces(name) {
        return None;
    }
    let mount = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(name)
        .join("disk");
    // What a run that was killed left behind.
    let _ = Command::new("umount").arg(&mount).output();
    let folder = empty(name);
    match Disk::new(&folder) {
        Ok(disk) => {
            let rig = Rig::new(&folder, disk.mount.join("lake"), batches);
            Some((disk, rig))
        }
        Err(reason) => {
            skip(name, &reason);
            None
        }
    }
}

/// A file with a file system, mounted until it is dropped.
struct Disk {
    image: PathBuf,
    mount: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = done(Command::new("umount").arg(&self.mount));
    }
}

impl Disk {
    fn new(folder: &Path) -> Result<Disk, String> {
        let disk = Disk {
            image: folder.join("image"),
            mount: folder.join("disk"),
        };
        fs::create_dir(&disk.mount).expect("a folder");
        let image = fs::File::create(&disk.image).expect("a file");
        image.set_len(64 << 20).expect("its size");
        disk.format()
            .map_err(|why| format!("no disk can be mounted: {why}"))?;
        Ok(disk)
    }

    fn format(&self) -> Result<(), String> {
        done(
            Command::new("mkfs.ext4")
                .args(["-q", "-F"])
                .arg(&self.image),
        )?;
        self.mount()
    }

    fn mount(&self) -> Result<(), String> {
        let mut mount = Command::new("mount");
        done(mount.args(["-o", "loop"]).args([&self.image, &self.mount]))
    }

    fn unmount(&self) {
        done(Command::new("umount").arg(&self.mount)).expect("nobody uses it");
    }

    /// A new file system with the lake of before, all of it on the disk.
    fn reset(&self, rig: &Rig) {
        self.unmount();
        self.format().expect("as at first");
        rig.reset();
        done(Command::new("sync").arg("-f").arg(&self.mount)).expect("synced");
    }

    /// The power goes, and comes back.
    fn cut(&self, way: (&str, &str)) {
        let mut shut_down = Command::new("python3");
        shut_down
            .args(["-c", SHUT_DOWN])
            .arg(&self.mount)
            .arg(way.1);
        done(&mut shut_down).expect("it stops");
        self.unmount();
        self.mount().expect("it comes back");
    }
}

/// Runs a command to its end, or what it said.
fn done(command: &mut Command) -> Result<(), String> {
    let output = command.output();
    let output = output.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(text(&output.stderr).trim().to_owned()),
    }
}
