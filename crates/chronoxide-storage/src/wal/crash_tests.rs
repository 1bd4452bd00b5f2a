//! The log on a simulated disk whose power is cut, or whose operations fail, at every point.

use std::collections::BTreeMap;

use super::tests::{Applied, Opened, open_with, payload};
use super::*;
use crate::{SimFault, SimFs};

/// Steps of one workload.
const STEPS: u64 = 30;

/// Numbers that a seed determines.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // An LCG's high bits are good enough to choose steps.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A log, its disk, and what the log has promised.
struct World {
    disk: SimFs,
    options: WalOptions,
    dice: Dice,
    log: Option<(Wal<u64>, Arc<Applied>)>,
    /// By number: the item, and whether it was called durable.
    promised: BTreeMap<u64, (u64, bool)>,
    /// Refused items, and whether something was acknowledged since.
    refused: Vec<(u64, bool)>,
    next_item: u64,
    released_seq: u64,
    what: String,
}

impl World {
    fn new(seed: u64, durability: Durability, what: String) -> Self {
        Self {
            disk: SimFs::new(seed),
            options: WalOptions {
                durability,
                segment_bytes_max: 6_000,
                salt: seed,
                seq_floor: 0,
            },
            dice: Dice(seed),
            log: None,
            promised: BTreeMap::new(),
            refused: Vec::new(),
            next_item: 1,
            released_seq: 0,
            what,
        }
    }

    fn try_open(&self) -> Result<Opened> {
        open_with(
            Arc::new(self.disk.process()),
            Path::new("/data"),
            self.options,
        )
    }

    /// Opens the log if it can be opened, and checks what is replayed.
    fn open(&mut self, power_was_cut: bool) -> bool {
        let Ok((wal, sink, replayed, report)) = self.try_open() else {
            return false;
        };
        let what = &self.what;
        assert!(report.is_clean(), "{what}: {report:?}");
        let found: BTreeMap<u64, u64> = replayed.iter().copied().collect();
        assert!(
            replayed.is_sorted() && found.len() == replayed.len(),
            "{what}: {replayed:?}"
        );
        for (&seq, &(item, durable)) in self.promised.range(self.released_seq + 1..) {
            if durable || !power_was_cut {
                assert_eq!(
                    found.get(&seq),
                    Some(&item),
                    "{what}: number {seq} of {found:?}, {report:?}"
                );
            }
        }
        let durable_seq = wal.stats().durable_seq;
        for (&seq, &item) in &found {
            assert!(item < self.next_item, "{what}: {item} was never sent");
            let promise = self.promised.get(&seq).map(|promise| promise.0);
            assert!(promise.is_none_or(|promise| promise == item), "{what}");
            assert!(
                !self.refused.contains(&(item, true)),
                "{what}: refused item {item} is back"
            );
        }
        let mut items: Vec<u64> = found.values().copied().collect();
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), found.len(), "{what}: an item twice");
        // What has been shown must not vanish any more.
        self.promised = found
            .into_iter()
            .map(|(seq, item)| (seq, (item, seq <= durable_seq)))
            .collect();
        self.refused.retain(|(item, _)| !items.contains(item));
        assert!(wal.stats().next_seq > self.promised.keys().max().copied().unwrap_or(0));
        self.log = Some((wal, sink));
        true
    }

    /// One group of a few records.
    fn commit(&mut self) -> bool {
        let Some((wal, sink)) = &self.log else {
            return false;
        };
        let count = 1 + self.dice.below(3);
        let members: Vec<_> = (0..count)
            .map(|_| {
                let item = self.next_item;
                self.next_item += 1;
                let samples = 1 + self.dice.below(150) as usize;
                let joined = wal.shared.queue.lock().join(payload(item, samples), item);
                let (group, index, _) = joined.unwrap();
                (item, group, index)
            })
            .collect();
        wal.shared.lead();
        let mut all_good = true;
        for (item, group, index) in members {
            match group.outcome(index) {
                Ok(seq) => {
                    let durable = seq <= wal.stats().durable_seq;
                    assert!(durable || wal.shared.durability != Durability::Sync);
                    assert!(self.promised.insert(seq, (item, durable)).is_none());
                    self.refused.iter_mut().for_each(|refused| refused.1 = true);
                    assert!(sink.items.lock().contains(&(seq, item)));
                }
                Err(_) => {
                    self.refused.push((item, false));
                    assert!(!sink.items.lock().iter().any(|applied| applied.1 == item));
                    all_good = false;
                }
            }
        }
        all_good
    }

    fn note_durable(&mut self) {
        if let Some((wal, _)) = &self.log {
            let durable_seq = wal.stats().durable_seq;
            for (_, promise) in self.promised.range_mut(..=durable_seq) {
                promise.1 = true;
            }
        }
    }

    /// One step of the workload: mostly commits; also releases, syncs, and ends of the process.
    fn step(&mut self) {
        match self.dice.below(10) {
            0 => {
                let highest = self.promised.keys().max().copied().unwrap_or(0);
                let seq = highest.saturating_sub(self.dice.below(6));
                if let Some((wal, _)) = &self.log {
                    self.released_seq = self.released_seq.max(seq);
                    let _ = wal.drop_through(seq);
                }
            }
            1 => {
                if let Some((wal, _)) = &self.log {
                    let _ = wal.sync();
                }
            }
            2 => {
                self.disk.kill_process();
                self.log = None;
            }
            _ => {
                self.commit();
            }
        }
        self.note_durable();
        if self.log.is_none() {
            self.open(false);
        }
    }

    fn run(&mut self) {
        self.open(false);
        for _ in 0..STEPS {
            if self.disk.is_off() {
                return;
            }
            self.step();
        }
    }

    /// The power comes back; recovery is cut a few times more, and then looked at twice.
    fn recover(&mut self) {
        self.disk.power_cut();
        self.log = None;
        for _ in 0..self.dice.below(3) {
            let cut = self.disk.operation_count() + self.dice.below(12);
            self.disk.cut_power_at(cut);
            // What a recovery that is cut has shown may not vanish either, if it got as far as showing it.
            self.open(true);
            self.disk.power_cut();
            self.log = None;
        }
        assert!(self.open(true), "{}: recovery failed", self.what);
        let first: Vec<_> = self
            .promised
            .iter()
            .map(|(seq, item)| (*seq, item.0))
            .collect();
        assert!(
            self.promised.values().all(|promise| promise.1),
            "{}: what recovery shows is durable",
            self.what
        );
        self.disk.power_cut();
        self.log = None;
        assert!(self.open(true));
        let second: Vec<_> = self
            .promised
            .iter()
            .map(|(seq, item)| (*seq, item.0))
            .collect();
        assert_eq!(first, second, "{}: the second recovery differs", self.what);
        for _ in 0..3 {
            assert!(self.commit(), "{}: writes go on", self.what);
        }
        self.note_durable();
        self.disk.kill_process();
        self.log = None;
        assert!(self.open(false));
    }
}

/// An interval that never passes in a test: syncs are steps of the workload.
const NEVER: Durability = Durability::Interval(std::time::Duration::from_secs(86_400));

const DURABILITIES: [Durability; 2] = [Durability::Sync, NEVER];

#[test]
fn a_power_cut_at_any_operation_loses_nothing_acknowledged() {
    let mut cuts = 0;
    for durability in DURABILITIES {
        for seed in 0..12 {
            for cut in 0.. {
                let what = format!("{durability:?}, seed {seed}, power cut at {cut}");
                let mut world = World::new(seed, durability, what);
                world.disk.cut_power_at(cut);
                world.run();
                let was_cut = world.disk.is_off();
                world.recover();
                if !was_cut {
                    break;
                }
                cuts += 1;
            }
        }
    }
    assert!(cuts > 2000, "{cuts} cuts");
}

#[test]
fn an_operation_that_fails_loses_nothing_acknowledged_and_writes_resume() {
    let mut failures = 0;
    for durability in DURABILITIES {
        for fault in [
            SimFault::Io,
            SimFault::NoSpace,
            SimFault::ShortWrite,
            SimFault::BadPage,
        ] {
            for (seed, persists) in [(1, false), (2, true), (3, false), (4, true)] {
                // A page that is spoilt while nothing else can be written either is a loss that nobody can prevent.
                let persists = persists && fault != SimFault::BadPage;
                for at in 0.. {
                    let what = format!(
                        "{durability:?}, {fault:?}, seed {seed}, persists {persists}, from {at}"
                    );
                    let mut world = World::new(seed, durability, what);
                    world.disk.fail_at(at, fault, persists);
                    world.run();
                    let was_reached = world.disk.operation_count() > at;
                    failures += world.disk.fault_hits();
                    world.disk.clear_faults();
                    if world.log.is_none() {
                        assert!(world.open(false), "{}", world.what);
                    }
                    assert!(world.commit(), "{}: writes resume", world.what);
                    world.note_durable();
                    world.recover();
                    if !was_reached {
                        break;
                    }
                }
            }
        }
    }
    assert!(failures > 5000, "{failures} failures");
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    for seed in 0..40 {
        let mut world = World::new(
            seed,
            DURABILITIES[seed as usize % 2],
            format!("seed {seed}"),
        );
        world.disk.set_capacity(2_000 + seed * 150);
        world.run();
        assert!(!world.refused.is_empty(), "seed {seed}: the disk was full");
        let before = world.disk.list(Path::new("/data/wal")).unwrap().len();
        for _ in 0..20 {
            assert!(!world.commit() || world.disk.free_space(Path::new("/")).unwrap() > 0);
        }
        let after = world.disk.list(Path::new("/data/wal")).unwrap().len();
        assert!(
            after <= before + 2,
            "seed {seed}: refused writes leave no files"
        );
        world.disk.set_capacity(u64::MAX);
        assert!(world.commit(), "seed {seed}: writes resume");
        world.note_durable();
        world.recover();
    }
}

/// Ways in which a file can go bad behind the log's back.
#[derive(Clone, Copy, Debug)]
enum Rot {
    FlippedBit,
    OverwrittenByte,
    ZeroedPage,
    SwappedBlocks,
    Junk,
    Truncated,
    OtherSegment,
    Deleted,
}

const ROTS: [Rot; 8] = [
    Rot::FlippedBit,
    Rot::OverwrittenByte,
    Rot::ZeroedPage,
    Rot::SwappedBlocks,
    Rot::Junk,
    Rot::Truncated,
    Rot::OtherSegment,
    Rot::Deleted,
];

impl Rot {
    fn befall(self, world: &mut World, path: &Path, other: &Path) {
        if matches!(self, Self::Deleted) {
            world.disk.remove(path).unwrap();
            return;
        }
        let other = world.disk.read(other).unwrap();
        let len = world.disk.len(path).unwrap();
        let at = world.dice.below(len) as usize;
        let bit = world.dice.below(8);
        let change = |bytes: &mut Vec<u8>| match self {
            Self::FlippedBit => bytes[at] ^= 1 << bit,
            Self::OverwrittenByte => bytes[at] = bytes[at].wrapping_add(17),
            Self::ZeroedPage => {
                let end = bytes.len().min(at + 4096);
                bytes[at..end].fill(0);
            }
            Self::SwappedBlocks => {
                let (start, end) = (at / 512 * 512, at / 512 * 512 + 512);
                if end <= bytes.len() && start >= 1024 {
                    let (front, back) = bytes.split_at_mut(start);
                    front[512..1024].swap_with_slice(&mut back[..512]);
                }
            }
            Self::Junk => bytes.extend((0..200).map(|index: u8| index.wrapping_mul(41))),
            Self::Truncated => bytes.truncate(at),
            Self::OtherSegment => *bytes = other,
            Self::Deleted => {}
        };
        world.disk.damage(path, change).unwrap();
    }
}

#[test]
fn rot_costs_the_damaged_records_never_changes_others_and_is_reported() {
    let mut lost = 0;
    for seed in 0..640 {
        let rot = ROTS[seed as usize % ROTS.len()];
        let what = format!("seed {seed}, {rot:?}");
        let mut world = World::new(seed, Durability::Sync, what.clone());
        world.open(false);
        for _ in 0..12 {
            assert!(world.commit());
        }
        world.log = None;
        let files = world.disk.list(Path::new("/data/wal")).unwrap();
        assert!(files.len() > 1, "{what}: {files:?}");
        let path = |at: usize| Path::new("/data/wal").join(&files[at].name);
        let hit = world.dice.below(files.len() as u64) as usize;
        rot.befall(&mut world, &path(hit), &path((hit + 1) % files.len()));
        let (wal, _, replayed, report) = world.try_open().unwrap();
        let found: BTreeMap<u64, u64> = replayed.into_iter().collect();
        for (seq, item) in &found {
            assert_eq!(world.promised.get(seq), Some(&(*item, true)), "{what}");
        }
        let promised = world.promised.keys().copied();
        let missing: Vec<u64> = promised.filter(|seq| !found.contains_key(seq)).collect();
        lost += missing.len();
        // Of the newest segment's end nothing else knows: a loss there cannot be told from a torn write.
        let newest_is_hit = hit + 1 == files.len();
        for seq in &missing {
            let reported = report.lost.iter().any(|range| range.contains(seq));
            assert!(reported || newest_is_hit, "{what}: {seq} {report:?}");
        }
        for range in &report.lost {
            assert!(
                range.clone().all(|seq| missing.contains(&seq)),
                "{what}: {range:?} is called lost, {missing:?} is"
            );
        }
        if matches!(rot, Rot::FlippedBit | Rot::OverwrittenByte) {
            assert!(missing.len() <= 1, "{what}: {missing:?}");
        }
        drop(wal);
        let (wal, _, again, _) = world.try_open().unwrap();
        assert!(again.into_iter().eq(found), "{what}: recovery is stable");
        assert!(wal.commit(payload(9999, 1), 9999).is_ok());
    }
    assert!(lost > 200, "{lost} records were lost in all");
}
