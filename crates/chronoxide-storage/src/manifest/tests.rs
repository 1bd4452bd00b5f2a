use super::*;
use crate::{ManualClock, SimFs};

pub(super) fn open_with(fs: Arc<dyn Fs>, dir: &Path) -> Result<(Manifest, ManifestReport)> {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let quarantine = Quarantine::new(Arc::clone(&fs), clock);
    Manifest::open(fs, &quarantine, dir, 5)
}

const DIR: &str = "/2026-11-21";

/// A disk with the directory of one partition.
fn disk() -> SimFs {
    let disk = SimFs::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn open(disk: &SimFs) -> (Manifest, ManifestReport) {
    open_with(Arc::new(disk.clone()), Path::new(DIR)).unwrap()
}

fn path() -> PathBuf {
    Path::new(DIR).join(FILE)
}

/// A disk whose manifest has this content.
fn disk_with(content: &[u8]) -> SimFs {
    let disk = disk();
    disk.create_new(&path()).unwrap().append(content).unwrap();
    disk
}

pub(super) fn part(number: u64) -> PartEntry {
    PartEntry {
        name: format!("0-{number:08}.part"),
        bytes: number * 10,
        wal_seq_min: number,
        wal_seq_max: number,
    }
}

pub(super) fn adding(number: u64) -> ManifestEdit {
    ManifestEdit {
        added: vec![part(number)],
        removed: Vec::new(),
    }
}

fn names(manifest: &Manifest) -> Vec<u64> {
    manifest
        .parts()
        .iter()
        .map(|part| part.wal_seq_min)
        .collect()
}

#[test]
fn edits_come_back() {
    let disk = disk();
    let (mut manifest, report) = open(&disk);
    assert_eq!(report, ManifestReport::default());
    for number in 1..=3 {
        manifest.apply(&adding(number)).unwrap();
    }
    let merge = ManifestEdit {
        added: vec![part(9)],
        removed: vec![part(1).name, part(2).name],
    };
    manifest.apply(&merge).unwrap();
    assert_eq!(names(&manifest), [3, 9]);
    drop(manifest);
    for round in 0..3 {
        let (mut manifest, report) = open(&disk);
        assert_eq!(report, ManifestReport::default());
        assert_eq!(names(&manifest).len(), 2 + round);
        manifest.apply(&adding(20 + round as u64)).unwrap();
    }
}

#[test]
fn edits_that_do_not_fit_change_nothing() {
    let disk = disk();
    let (mut manifest, _) = open(&disk);
    manifest.apply(&adding(1)).unwrap();
    let removed = vec![part(7).name];
    let bad_name = PartEntry {
        name: "../x".to_owned(),
        ..part(2)
    };
    for edit in [
        adding(1),
        ManifestEdit {
            removed,
            ..ManifestEdit::default()
        },
        ManifestEdit {
            added: vec![bad_name],
            ..ManifestEdit::default()
        },
    ] {
        let error = manifest.apply(&edit).unwrap_err();
        assert!(matches!(error, Error::InvalidArgument { .. }), "{error}");
    }
    drop(manifest);
    assert_eq!(names(&open(&disk).0), [1]);
}

#[test]
fn a_long_history_is_written_anew() {
    let disk = disk();
    let (mut manifest, _) = open(&disk);
    for number in 1..=3000 {
        let mut edit = adding(number);
        if number > 1 {
            edit.removed.push(part(number - 1).name);
        }
        manifest.apply(&edit).unwrap();
    }
    drop(manifest);
    let len = disk.len(&path()).unwrap();
    assert!(len < 2 * REWRITE_BYTES_MIN, "{len}");
    let (manifest, report) = open(&disk);
    assert_eq!(names(&manifest), [3000]);
    assert_eq!(report, ManifestReport::default());
}

#[test]
fn every_prefix_gives_whole_edits() {
    let disk = disk();
    let (mut manifest, _) = open(&disk);
    for number in 1..=3 {
        manifest.apply(&adding(number)).unwrap();
    }
    drop(manifest);
    let content = disk.read(&path()).unwrap();
    for end in 0..content.len() {
        for tail in [&[][..], &[0; 700], b"torn"] {
            let disk = disk_with(&[&content[..end], tail].concat());
            let (mut manifest, report) = open(&disk);
            let whole = names(&manifest).len() as u64;
            assert!(names(&manifest).into_iter().eq(1..=whole), "{end}");
            assert_eq!(report.damaged, whole == 0, "{end}");
            manifest.apply(&adding(50)).unwrap();
            drop(manifest);
            let (manifest, report) = open(&disk);
            assert_eq!(report, ManifestReport::default(), "{end}");
            assert_eq!(names(&manifest).len() as u64, whole + 1);
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed_and_the_damaged_file_kept() {
    let disk = disk();
    let (mut manifest, _) = open(&disk);
    for number in 1..=3 {
        manifest.apply(&adding(number)).unwrap();
    }
    drop(manifest);
    let content = disk.read(&path()).unwrap();
    for at in 0..content.len() {
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        let disk = disk_with(&flipped);
        let (manifest, report) = open(&disk);
        assert!(report.damaged || report.torn_bytes > 0, "byte {at}");
        assert!(names(&manifest).is_sorted());
        let kept = disk.list(Path::new(DIR)).unwrap();
        let aside = kept.iter().any(|entry| entry.name.contains(".corrupt-"));
        assert_eq!(aside, report.damaged, "byte {at}");
    }
}

#[test]
fn the_manifest_of_another_partition_is_not_taken() {
    let disk = disk();
    let (mut manifest, _) = open(&disk);
    manifest.apply(&adding(1)).unwrap();
    let content = disk.read(&path()).unwrap();
    let other = Path::new("/2026-11-12");
    disk.create_dir_all(other).unwrap();
    let copy = disk.create_new(&other.join(FILE)).unwrap();
    copy.append(&content).unwrap();
    let (manifest, report) = open_with(Arc::new(disk), other).unwrap();
    assert!(report.damaged && manifest.parts().is_empty());
}
