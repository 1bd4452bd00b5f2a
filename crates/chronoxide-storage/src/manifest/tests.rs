use super::*;
use crate::{ManualClock, RealFs};

pub(super) fn open_with(fs: Arc<dyn Fs>, dir: &Path) -> Result<(Manifest, ManifestReport)> {
    let clock = Arc::new(ManualClock::new(1_000_000));
    let quarantine = Quarantine::new(Arc::clone(&fs), clock);
    Manifest::open(fs, &quarantine, dir, 5)
}

fn open(dir: &Path) -> (Manifest, ManifestReport) {
    open_with(Arc::new(RealFs), dir).unwrap()
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
    let root = tempfile::tempdir().unwrap();
    let (mut manifest, report) = open(root.path());
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
        let (mut manifest, report) = open(root.path());
        assert_eq!(report, ManifestReport::default());
        assert_eq!(names(&manifest).len(), 2 + round);
        manifest.apply(&adding(20 + round as u64)).unwrap();
    }
}

#[test]
fn edits_that_do_not_fit_change_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (mut manifest, _) = open(root.path());
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
    assert_eq!(names(&open(root.path()).0), [1]);
}

#[test]
fn a_long_history_is_written_anew() {
    let root = tempfile::tempdir().unwrap();
    let (mut manifest, _) = open(root.path());
    for number in 1..=3000 {
        let mut edit = adding(number);
        if number > 1 {
            edit.removed.push(part(number - 1).name);
        }
        manifest.apply(&edit).unwrap();
    }
    drop(manifest);
    let len = RealFs.len(&root.path().join(FILE)).unwrap();
    assert!(len < 2 * REWRITE_BYTES_MIN, "{len}");
    let (manifest, report) = open(root.path());
    assert_eq!(names(&manifest), [3000]);
    assert_eq!(report, ManifestReport::default());
}

#[test]
fn every_prefix_gives_whole_edits() {
    let root = tempfile::tempdir().unwrap();
    let (mut manifest, _) = open(root.path());
    for number in 1..=3 {
        manifest.apply(&adding(number)).unwrap();
    }
    drop(manifest);
    let path = root.path().join(FILE);
    let content = std::fs::read(&path).unwrap();
    for end in 0..content.len() {
        for tail in [&[][..], &[0; 700], b"torn"] {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path();
            std::fs::write(dir.join(FILE), [&content[..end], tail].concat()).unwrap();
            let (mut manifest, report) = open(dir);
            let whole = names(&manifest).len() as u64;
            assert!(names(&manifest).into_iter().eq(1..=whole), "{end}");
            assert_eq!(report.damaged, whole == 0, "{end}");
            manifest.apply(&adding(50)).unwrap();
            drop(manifest);
            let (manifest, report) = open(dir);
            assert_eq!(report, ManifestReport::default(), "{end}");
            assert_eq!(names(&manifest).len() as u64, whole + 1);
        }
    }
}

#[test]
fn a_flipped_bit_is_noticed_and_the_damaged_file_kept() {
    let root = tempfile::tempdir().unwrap();
    let (mut manifest, _) = open(root.path());
    for number in 1..=3 {
        manifest.apply(&adding(number)).unwrap();
    }
    drop(manifest);
    let path = root.path().join(FILE);
    let content = std::fs::read(&path).unwrap();
    for at in 0..content.len() {
        let root = tempfile::tempdir().unwrap();
        let mut flipped = content.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(root.path().join(FILE), &flipped).unwrap();
        let (manifest, report) = open(root.path());
        assert!(report.damaged || report.torn_bytes > 0, "byte {at}");
        assert!(names(&manifest).is_sorted());
        let kept = RealFs.list(root.path()).unwrap();
        let aside = kept.iter().any(|entry| entry.name.contains(".corrupt-"));
        assert_eq!(aside, report.damaged, "byte {at}");
    }
}

#[test]
fn the_manifest_of_another_partition_is_not_taken() {
    let root = tempfile::tempdir().unwrap();
    let (day, other) = (
        root.path().join("2026-11-21"),
        root.path().join("2026-11-12"),
    );
    for dir in [&day, &other] {
        std::fs::create_dir(dir).unwrap();
    }
    let (mut manifest, _) = open(&day);
    manifest.apply(&adding(1)).unwrap();
    std::fs::copy(day.join(FILE), other.join(FILE)).unwrap();
    let (manifest, report) = open(&other);
    assert!(report.damaged && manifest.parts().is_empty());
}
