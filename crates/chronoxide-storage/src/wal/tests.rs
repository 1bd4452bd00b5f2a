use std::path::PathBuf;
use std::time::Duration;

use chronoxide_format::wal_record::{Batch, BatchColumns};

use super::*;
use crate::{Error, ManualClock, RealFs, SimFs};

/// Collects what is applied, in order.
#[derive(Debug, Default)]
pub(super) struct Applied {
    pub(super) items: Mutex<Vec<(u64, u64)>>,
    pub(super) fail_before_sync: std::sync::atomic::AtomicBool,
}

impl GroupSink<u64> for Applied {
    fn before_sync(&self) -> Result<()> {
        if self.fail_before_sync.load(Ordering::SeqCst) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    fn apply(&self, group: &mut Vec<(u64, u64)>) {
        self.items.lock().append(group);
    }
}

/// A record that says `item` and takes `samples` samples.
pub(super) fn payload(item: u64, samples: usize) -> Payload {
    let values: Vec<f64> = (0..samples as u64)
        .map(|at| f64::from_bits(item.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ at << 40))
        .collect();
    BatchColumns {
        sids: &vec![u32::try_from(item).unwrap(); samples],
        timestamps_ms: &vec![item as i64; samples],
        values: &values,
        ..BatchColumns::default()
    }
    .to_payload(&mut Vec::new())
    .unwrap()
}

/// The item that a replayed record says.
pub(super) fn item_of(record: WalRecord) -> u64 {
    match record {
        WalRecord::Batch(Batch { timestamps_ms, .. }) => timestamps_ms[0] as u64,
        other => panic!("{other:?}"),
    }
}

pub(super) type Opened = (Wal<u64>, Arc<Applied>, Vec<(u64, u64)>, ReplayReport);

pub(super) fn open_with(fs: Arc<dyn Fs>, dir: &Path, options: WalOptions) -> Result<Opened> {
    let quarantine = Arc::new(Quarantine::new(
        Arc::clone(&fs),
        Arc::new(ManualClock::new(1_000_000)),
    ));
    let sink = Arc::new(Applied::default());
    let mut replayed = Vec::new();
    let dir: PathBuf = dir.join("wal");
    let found = Wal::find(
        fs,
        quarantine,
        &dir,
        options,
        Arc::clone(&sink) as Arc<dyn GroupSink<u64>>,
    )?;
    let (wal, report) = found.open(|seq, record| {
        replayed.push((seq, item_of(record)));
        Ok(())
    })?;
    Ok((wal, sink, replayed, report))
}

fn open(dir: &Path) -> Opened {
    open_with(Arc::new(RealFs), dir, WalOptions::default()).unwrap()
}

fn segments(dir: &Path) -> Vec<String> {
    let entries = RealFs.list(&dir.join("wal")).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn committed_records_are_replayed_in_order() {
    let root = tempfile::tempdir().unwrap();
    let (wal, sink, replayed, _) = open(root.path());
    assert!(replayed.is_empty());
    assert!(segments(root.path()).is_empty(), "nothing to write yet");
    for item in 1..=3 {
        assert_eq!(wal.commit(payload(item, 3), item).unwrap(), item);
    }
    assert_eq!(*sink.items.lock(), [(1, 1), (2, 2), (3, 3)]);
    wal.close().unwrap();
    assert!(matches!(wal.commit(payload(4, 3), 4), Err(Error::Closed)));
    drop(wal);
    for _ in 0..3 {
        let (wal, _, replayed, report) = open(root.path());
        assert_eq!(replayed, [(1, 1), (2, 2), (3, 3)]);
        assert!(report.is_clean() && report.torn_bytes == 0, "{report:?}");
        assert_eq!(wal.stats().next_seq, 4);
        assert_eq!(wal.stats().durable_seq, 3);
    }
}

#[test]
fn what_was_released_long_ago_is_not_read_again_though_its_segment_is_still_needed() {
    let root = tempfile::tempdir().unwrap();
    let (wal, ..) = open(root.path());
    // Fifty take more than a megabyte, and all of them fit into one segment of the usual size.
    for item in 1..=200 {
        wal.commit(payload(item, 10_000), item).unwrap();
        if item % 50 == 0 {
            wal.drop_through(item - 10).unwrap();
        }
    }
    assert!(wal.stats().segments >= 2, "{:?}", wal.stats());
    assert_eq!(wal.stats().recorded_released_seq, 190);
    wal.close().unwrap();
    drop(wal);
    let (.., replayed, report) = open(root.path());
    let expected: Vec<(u64, u64)> = (191..=200).map(|item| (item, item)).collect();
    assert_eq!(replayed, expected);
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn figures_do_not_wait_for_who_writes() {
    let root = tempfile::tempdir().unwrap();
    let (wal, ..) = open(root.path());
    wal.commit(payload(1, 3), 1).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let stats = std::thread::scope(|scope| {
        let writer = wal.shared.writer.lock();
        scope.spawn(|| sender.send(wal.stats()));
        let stats = receiver.recv_timeout(Duration::from_secs(60));
        drop(writer);
        stats.expect("the figures come while the writer is held")
    });
    assert_eq!((stats.next_seq, stats.durable_seq), (2, 1));
    assert!(stats.segments == 1 && stats.bytes > 0, "{stats:?}");
}

#[test]
fn many_threads_share_groups_and_see_one_order() {
    let root = tempfile::tempdir().unwrap();
    let (wal, sink, ..) = open(root.path());
    let seqs = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (wal, seqs) = (&wal, &seqs);
            scope.spawn(move || {
                for round in 0..50 {
                    let item = thread * 1000 + round + 1;
                    let seq = wal.commit(payload(item, 10), item).unwrap();
                    seqs.lock().push((seq, item));
                }
            });
        }
    });
    let mut committed = seqs.into_inner();
    committed.sort_unstable();
    assert_eq!(*sink.items.lock(), committed);
    assert!(committed.iter().map(|entry| entry.0).eq(1..=400));
    let stats = wal.stats();
    assert!(stats.groups <= 400 && stats.refused_groups == 0);
    drop(wal);
    let (_, _, replayed, report) = open(root.path());
    assert_eq!(replayed, committed);
    assert!(report.is_clean());
}

#[test]
fn full_segments_are_followed_by_new_ones_and_released_ones_go() {
    let root = tempfile::tempdir().unwrap();
    let options = WalOptions {
        segment_bytes_max: 20_000,
        ..WalOptions::default()
    };
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let (wal, ..) = open_with(Arc::clone(&fs), root.path(), options).unwrap();
    for item in 1..=100 {
        wal.commit(payload(item, 200), item).unwrap();
    }
    let before = wal.stats();
    assert!(before.segments > 5, "{before:?}");
    assert!(wal.drop_through(50).unwrap() > 2);
    assert_eq!(wal.drop_through(50).unwrap(), 0);
    let after = wal.stats();
    assert!(after.bytes < before.bytes * 6 / 10, "{after:?}");
    drop(wal);
    let (wal, _, replayed, report) = open_with(Arc::clone(&fs), root.path(), options).unwrap();
    assert!(report.is_clean());
    assert!(replayed.iter().map(|entry| entry.0).eq(51..=100));
    wal.drop_through(u64::MAX).unwrap();
    assert_eq!(wal.stats().segments, 1);
    drop(wal);
    let (wal, _, replayed, report) = open_with(fs, root.path(), options).unwrap();
    assert!(report.is_clean() && replayed.is_empty());
    assert_eq!(wal.commit(payload(7, 1), 7).unwrap(), 101);
}

#[test]
fn numbers_start_above_what_is_known_from_elsewhere() {
    let root = tempfile::tempdir().unwrap();
    let options = WalOptions {
        seq_floor: 500,
        ..WalOptions::default()
    };
    let (wal, ..) = open_with(Arc::new(RealFs), root.path(), options).unwrap();
    assert_eq!(wal.commit(payload(1, 1), 1).unwrap(), 501);
    drop(wal);
    let (_, _, replayed, report) = open(root.path());
    assert_eq!(replayed, [(501, 1)]);
    assert!(report.is_clean(), "{report:?}");
}

/// The newest segment that holds records, as (path, content).
fn segment_with_records(dir: &Path) -> (PathBuf, Vec<u8>) {
    let path = dir.join("wal").join("00000001.wal");
    let content = std::fs::read(&path).unwrap();
    (path, content)
}

#[test]
fn replay_stops_at_a_torn_last_record() {
    let root = tempfile::tempdir().unwrap();
    let (wal, ..) = open(root.path());
    for item in 1..=3 {
        wal.commit(payload(item, 30), item).unwrap();
    }
    drop(wal);
    let (path, content) = segment_with_records(root.path());
    let zeroes_ahead = content.iter().rev().take_while(|byte| **byte == 0).count();
    assert!(zeroes_ahead > 0);
    let records = &content[..content.len() - zeroes_ahead];
    for (cut, zeroes) in [(1, 0), (100, 0), (100, 5000)] {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("wal")).unwrap();
        let mut torn = records[..records.len() - cut].to_vec();
        torn.resize(torn.len() + zeroes, 0);
        let target = root.path().join("wal").join(path.file_name().unwrap());
        std::fs::write(&target, torn).unwrap();
        let (wal, _, replayed, report) = open(root.path());
        assert_eq!(replayed, [(1, 1), (2, 2)]);
        assert!(report.is_clean() && report.torn_bytes > 0);
        assert!(report.torn_bytes < 1000, "zeroes are not torn: {report:?}");
        assert_eq!(wal.commit(payload(9, 1), 9).unwrap(), 3);
        drop(wal);
        let (_, _, replayed, report) = open(root.path());
        assert_eq!(replayed, [(1, 1), (2, 2), (3, 9)]);
        assert!(report.is_clean(), "{report:?}");
    }
}

#[test]
fn a_segment_seldom_grows_and_zeroes_follow_its_records() {
    let root = tempfile::tempdir().unwrap();
    let (wal, ..) = open(root.path());
    let mut lengths = std::collections::BTreeSet::new();
    for item in 1..=400 {
        wal.commit(payload(item, 400), item).unwrap();
        let (_, content) = segment_with_records(root.path());
        lengths.insert(content.len() as u64);
        let records = wal.stats().bytes;
        let ahead = content.len() as u64 - records;
        assert!(
            ahead <= ZEROES_AHEAD_MAX.min(records / 2),
            "{ahead} zeroes after {records}"
        );
        assert!(content[records as usize..].iter().all(|byte| *byte == 0));
    }
    assert!(lengths.len() < 25, "{} lengths", lengths.len());
    drop(wal);
    let (_, _, replayed, report) = open(root.path());
    assert_eq!(replayed.len(), 400);
    assert!(report.is_clean() && report.torn_bytes == 0, "{report:?}");
}

#[test]
fn a_disk_with_room_for_records_only_takes_them() {
    let disk = SimFs::new(1);
    disk.create_dir_all(Path::new("/data")).unwrap();
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let (wal, ..) = open_with(Arc::clone(&fs), Path::new("/data"), WalOptions::default()).unwrap();
    wal.commit(payload(1, 400), 1).unwrap();
    wal.commit(payload(2, 400), 2).unwrap();
    let record = payload(3, 400).framed_len() as u64;
    for item in 3..30 {
        wal.commit(payload(item, 400), item).unwrap();
    }
    while disk.len(Path::new("/data/wal/00000001.wal")).unwrap() >= wal.stats().bytes + record {
        wal.commit(payload(3, 400), 3).unwrap();
    }
    let used = u64::MAX - disk.free_space(Path::new("/data")).unwrap();
    // The next growth asks for half of what is there on top of its record, for which there is no room. A new segment
    // begins with what shared the last page.
    disk.set_capacity(used + 4 * record);
    let before = wal.stats().next_seq;
    wal.commit(payload(4, 400), 4).unwrap();
    assert_eq!(wal.stats().refused_groups, 0);
    assert_eq!(
        wal.stats().segments,
        2,
        "a failed segment is not written to again"
    );
    let full = (0..4).any(|_| wal.commit(payload(5, 400), 5).is_err());
    assert!(full, "zeroes do not come back while the disk is full");
    drop(wal);
    disk.set_capacity(u64::MAX);
    let (_, _, replayed, report) =
        open_with(fs, Path::new("/data"), WalOptions::default()).unwrap();
    assert!(replayed.contains(&(before, 4)));
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn a_damaged_record_costs_itself_is_reported_and_its_segment_set_aside() {
    let root = tempfile::tempdir().unwrap();
    let (wal, ..) = open(root.path());
    for item in 1..=4 {
        wal.commit(payload(item, 30), item).unwrap();
    }
    drop(wal);
    let (path, mut content) = segment_with_records(root.path());
    let second = chronoxide_format::log::FILE_HEADER_BYTES + payload(1, 30).framed_len();
    content[second + 60] ^= 4;
    std::fs::write(&path, content).unwrap();
    for _ in 0..2 {
        let (_, _, replayed, report) = open(root.path());
        assert_eq!(replayed, [(1, 1), (3, 3), (4, 4)]);
        assert_eq!(report.lost, [2..=2]);
        assert_eq!(report.damaged, std::slice::from_ref(&path));
    }
    let (wal, ..) = open(root.path());
    wal.commit(payload(5, 30), 5).unwrap();
    wal.drop_through(5).unwrap();
    drop(wal);
    assert!(
        segments(root.path())
            .iter()
            .any(|name| name == "00000001.wal.corrupt-1000"),
        "{:?}",
        segments(root.path())
    );
    let (_, _, replayed, report) = open(root.path());
    assert!(replayed.is_empty() && report.is_clean());
}

#[test]
fn a_missing_segment_is_a_loss() {
    let root = tempfile::tempdir().unwrap();
    let options = WalOptions {
        segment_bytes_max: 5_000,
        ..WalOptions::default()
    };
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let (wal, ..) = open_with(Arc::clone(&fs), root.path(), options).unwrap();
    for item in 1..=20 {
        wal.commit(payload(item, 200), item).unwrap();
    }
    drop(wal);
    std::fs::remove_file(root.path().join("wal/00000004.wal")).unwrap();
    let (_, _, replayed, report) = open_with(fs, root.path(), options).unwrap();
    assert_eq!(report.lost.len(), 1);
    let lost = report.lost[0].clone();
    assert!(!replayed.iter().any(|entry| lost.contains(&entry.0)));
    assert_eq!(replayed.len() as u64, 20 - (lost.end() - lost.start() + 1));
}

#[test]
fn what_must_be_durable_first_is_or_the_group_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let (wal, sink, ..) = open(root.path());
    wal.commit(payload(1, 1), 1).unwrap();
    sink.fail_before_sync.store(true, Ordering::SeqCst);
    let error = wal.commit(payload(2, 1), 2).unwrap_err();
    assert!(matches!(error, Error::GroupFailed { .. }), "{error}");
    sink.fail_before_sync.store(false, Ordering::SeqCst);
    assert_eq!(wal.commit(payload(3, 1), 3).unwrap(), 3);
    assert_eq!(*sink.items.lock(), [(1, 1), (3, 3)]);
    drop(wal);
    let (_, _, replayed, report) = open(root.path());
    assert_eq!(replayed, [(1, 1), (3, 3)]);
    assert!(report.is_clean(), "{report:?}");
}

#[test]
fn in_interval_mode_records_are_in_the_file_before_they_are_acknowledged() {
    let root = tempfile::tempdir().unwrap();
    let options = WalOptions {
        durability: Durability::Interval(Duration::from_secs(3600)),
        ..WalOptions::default()
    };
    let (wal, ..) = open_with(Arc::new(RealFs), root.path(), options).unwrap();
    for item in 1..=5 {
        wal.commit(payload(item, 1), item).unwrap();
    }
    assert!(wal.stats().durable_seq < 5);
    // What another process finds when this one is killed now.
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("wal")).unwrap();
    for name in segments(root.path()) {
        let from = root.path().join("wal").join(&name);
        std::fs::copy(from, copy.path().join("wal").join(&name)).unwrap();
    }
    let (_, _, replayed, _) = open(copy.path());
    assert_eq!(replayed.len(), 5);
    wal.sync().unwrap();
    assert_eq!(wal.stats().durable_seq, 5);
    wal.close().unwrap();
}
