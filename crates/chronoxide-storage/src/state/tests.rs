use std::sync::Arc;

use super::*;
use crate::{ManualClock, SimFault, SimFs};

const DIR: &str = "/data";

fn disk(seed: u64) -> SimFs {
    let disk = SimFs::new(seed);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn open(disk: &SimFs) -> (StateStore, u64) {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let quarantine = Quarantine::new(Arc::clone(&fs), Arc::new(ManualClock::new(0)));
    let store = StateStore::open(&*fs, &quarantine, Path::new(DIR), 5).unwrap();
    (store, quarantine.count())
}

fn change(number: u64) -> Vec<u8> {
    format!("change {number}").into_bytes()
}

fn take(store: &StateStore, sequences: impl IntoIterator<Item = u64>) {
    for sequence in sequences {
        store.take(sequence, vec![change(sequence)]);
    }
}

fn found(checkpoint: Option<&[u8]>, changes: impl IntoIterator<Item = u64>) -> SavedState {
    SavedState {
        checkpoint: checkpoint.map(<[u8]>::to_vec),
        changes: changes.into_iter().map(change).collect(),
    }
}

#[test]
fn changes_are_found_in_order_and_a_checkpoint_takes_their_place() {
    let disk = disk(1);
    let (store, _) = open(&disk);
    assert_eq!(store.take_found(), SavedState::default());
    take(&store, 1..=3);
    store.save(&disk).unwrap();
    take(&store, 4..=5);
    store.save(&disk).unwrap();
    assert_eq!(open(&disk).0.take_found(), found(None, 1..=5));
    store.checkpoint(&disk, b"all so far").unwrap();
    assert_eq!(store.bytes(), (0, 10));
    assert_eq!(open(&disk).0.take_found(), found(Some(b"all so far"), []));
    take(&store, 6..=6);
    store.save(&disk).unwrap();
    let (again, _) = open(&disk);
    assert_eq!(again.bytes(), (8, 10));
    assert_eq!(again.take_found(), found(Some(b"all so far"), 6..=6));
    assert_eq!(
        again.take_found(),
        SavedState::default(),
        "it is handed out once"
    );
    // The next process goes on with the file.
    take(&again, 7..=7);
    again.save(&disk).unwrap();
    assert_eq!(
        open(&disk).0.take_found(),
        found(Some(b"all so far"), 6..=7)
    );
}

#[test]
fn a_checkpoint_may_be_empty_or_larger_than_a_record() {
    let disk = disk(1);
    let (store, _) = open(&disk);
    store.checkpoint(&disk, b"").unwrap();
    assert_eq!(open(&disk).0.take_found(), found(Some(b""), []));
    let large: Vec<u8> = (0..PIECE_BYTES * 2 + 77)
        .map(|n| ((n * n) >> 3).to_le_bytes()[0])
        .collect();
    store.checkpoint(&disk, &large).unwrap();
    take(&store, 9..=9);
    store.save(&disk).unwrap();
    assert_eq!(open(&disk).0.take_found(), found(Some(&large), 9..=9));
}

#[test]
fn what_the_log_hands_out_again_counts_once() {
    let disk = disk(1);
    let (store, _) = open(&disk);
    take(&store, 1..=3);
    store.save(&disk).unwrap();
    let (again, _) = open(&disk);
    for sequence in 2..=4 {
        again.replay(sequence, vec![change(sequence)]);
    }
    assert_eq!(again.take_found(), found(None, 1..=4));
    again.save(&disk).unwrap();
    disk.power_cut();
    assert_eq!(open(&disk).0.take_found(), found(None, 1..=4));
}

/// Saves, then a checkpoint, then saves; what fails is tried again at once, as by the next flush.
fn run(disk: &SimFs) -> StateStore {
    let (store, _) = open(&SimFs::new(0));
    let store = StateStore {
        dir: PathBuf::from(DIR),
        ..store
    };
    for sequence in 1..=6 {
        take(&store, [sequence]);
        if sequence == 4 {
            let _ = store
                .checkpoint(disk, b"up to 4")
                .or_else(|_| store.checkpoint(disk, b"up to 4"));
        }
        let _ = store.save(disk).or_else(|_| store.save(disk));
    }
    store
}

#[test]
fn a_failed_operation_costs_no_change() {
    let operations = {
        let disk = disk(0);
        run(&disk);
        disk.operation_count()
    };
    for fault in [SimFault::Io, SimFault::NoSpace, SimFault::ShortWrite] {
        for at in 0..operations {
            let disk = disk(at);
            disk.fail_at(at + 1, fault, false);
            let store = run(&disk);
            disk.clear_faults();
            store.save(&disk).unwrap();
            disk.power_cut();
            let what = format!("{fault:?} at operation {at} of {operations}");
            let (again, set_aside) = open(&disk);
            assert_eq!(set_aside, 0, "{what}");
            let found = again.take_found();
            let changes: Vec<Vec<u8>> = (5..=6).map(change).collect();
            assert_eq!(found.checkpoint.as_deref(), Some(&b"up to 4"[..]), "{what}");
            assert!(found.changes.ends_with(&changes), "{what}: {found:?}");
        }
    }
}

#[test]
fn of_a_damaged_file_no_checkpoint_is_used_and_no_other_change() {
    let disk = disk(1);
    let (store, _) = open(&disk);
    take(&store, 1..=2);
    store.checkpoint(&disk, b"up to 2").unwrap();
    take(&store, 3..=4);
    store.save(&disk).unwrap();
    let path = Path::new(DIR).join(FILE);
    let good = disk.read(&path).unwrap();
    let whole = found(Some(b"up to 2"), 3..=4);
    let mut damaged = 0;
    for at in 0..good.len() {
        for cut in [false, true] {
            disk.damage(&path, |bytes| {
                bytes.clone_from(&good);
                if cut {
                    bytes.truncate(at);
                } else {
                    bytes[at] ^= 1 << (at % 8);
                }
            })
            .unwrap();
            let fs: Arc<dyn Fs> = Arc::new(disk.clone());
            let quarantine = Quarantine::new(Arc::clone(&fs), Arc::new(ManualClock::new(0)));
            let Ok(store) = StateStore::open(&*fs, &quarantine, Path::new(DIR), 5) else {
                continue;
            };
            let read = store.take_found();
            assert!(
                read.changes
                    .iter()
                    .all(|change| whole.changes.contains(change))
            );
            let is_checkpoint_whole = read.checkpoint == whole.checkpoint;
            assert!(is_checkpoint_whole || (read.checkpoint.is_none() && quarantine.count() == 1));
            damaged += quarantine.count();
            if quarantine.count() == 1 {
                disk.create_new(&path).unwrap();
            }
        }
    }
    assert!(damaged > 100, "{damaged}");
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/STATE-v1")
}

/// A checkpoint, changes appended since, one of them with others of the same log record.
fn write_golden(disk: &SimFs) {
    let (store, _) = open(disk);
    take(&store, 1..=2);
    store.save(disk).unwrap();
    store
        .checkpoint(disk, &b"a checkpoint ".repeat(400))
        .unwrap();
    store.take(300, vec![b"first".to_vec(), Vec::new()]);
    store.save(disk).unwrap();
    take(&store, [70_000]);
    store.save(disk).unwrap();
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_file() {
    let disk = disk(1);
    write_golden(&disk);
    assert!(
        !golden().exists(),
        "only for a new version, under a new name"
    );
    std::fs::write(golden(), disk.read(&Path::new(DIR).join(FILE)).unwrap()).unwrap();
}

#[test]
fn the_golden_file_is_read_and_written_again_byte_for_byte() {
    let bytes = std::fs::read(golden()).unwrap();
    let path = Path::new(DIR).join(FILE);
    let copied = disk(1);
    copied.create_new(&path).unwrap().append(&bytes).unwrap();
    let (store, damaged) = open(&copied);
    assert_eq!(damaged, 0);
    let expected = SavedState {
        checkpoint: Some(b"a checkpoint ".repeat(400)),
        changes: vec![b"first".to_vec(), Vec::new(), change(70_000)],
    };
    assert_eq!(store.take_found(), expected);

    let anew = disk(1);
    write_golden(&anew);
    assert_eq!(anew.read(&path).unwrap(), bytes);
}
