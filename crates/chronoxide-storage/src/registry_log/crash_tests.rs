//! The registry log on a simulated disk whose power is cut, or whose operations fail, at every point.

use std::collections::BTreeMap;

use super::tests::open_with;
use super::*;
use crate::{SimFault, SimFs};

/// Steps of one workload.
const STEPS: u64 = 25;

/// What one sid has stood for.
#[derive(Debug, Default)]
struct Meanings {
    keys: Vec<Vec<u8>>,
    /// Index of the newest that is known to be durable.
    durable: Option<usize>,
}

struct World {
    disk: SimFs,
    seed: u64,
    log: Option<RegistryLog>,
    meanings: BTreeMap<u32, Meanings>,
    next_key: u64,
    what: String,
}

impl World {
    fn new(seed: u64, what: String) -> Self {
        Self {
            disk: SimFs::new(seed),
            seed: seed.wrapping_mul(77_777) + 1,
            log: None,
            meanings: BTreeMap::new(),
            next_key: 1,
            what,
        }
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) % bound
    }

    fn open(&mut self) -> bool {
        let fs = Arc::new(self.disk.process());
        let Ok((log, entries, report)) = open_with(fs, Path::new("/data")) else {
            return false;
        };
        let what = &self.what;
        assert!(report.is_clean(), "{what}: {report:?}");
        let found: BTreeMap<u32, Vec<u8>> = entries.into_iter().collect();
        let position = {
            let inner = log.inner.lock();
            (inner.writer.durable_seq(), inner.writer.next_seq())
        };
        let all_durable = position.0 + 1 == position.1;
        for (sid, meanings) in &mut self.meanings {
            let index = found.get(sid).map(|key| {
                let sent = meanings.keys.iter().rposition(|sent| sent == key);
                sent.unwrap_or_else(|| panic!("{what}: sid {sid} never stood for {key:?}"))
            });
            assert!(
                index >= meanings.durable,
                "{what}: sid {sid} is {index:?} of {meanings:?}"
            );
            meanings.keys.truncate(index.map_or(0, |index| index + 1));
            if all_durable {
                meanings.durable = index;
            }
        }
        for sid in found.keys() {
            assert!(self.meanings.contains_key(sid), "{what}: sid {sid}");
        }
        self.log = Some(log);
        true
    }

    /// Gives a few sids, old ones now and then, a new meaning.
    fn append(&mut self) {
        for _ in 0..=self.below(40) {
            let sid = self.below(60) as u32;
            let key = format!("key {} of sid {sid}", self.next_key).into_bytes();
            self.next_key += 1;
            let Some(log) = &self.log else {
                return;
            };
            log.append(sid, &key).unwrap();
            self.meanings.entry(sid).or_default().keys.push(key);
        }
    }

    fn sync(&mut self) -> bool {
        let synced = self.log.as_ref().is_some_and(|log| log.sync().is_ok());
        if synced {
            self.note_durable();
        }
        synced
    }

    fn note_durable(&mut self) {
        for meanings in self.meanings.values_mut() {
            meanings.durable = meanings.keys.len().checked_sub(1);
        }
    }

    fn checkpoint(&mut self) {
        let active: Vec<(u32, Vec<u8>)> = self
            .meanings
            .iter()
            .filter_map(|(sid, meanings)| Some((*sid, meanings.keys.last()?.clone())))
            .collect();
        if let Some(log) = &self.log
            && log.checkpoint(|| active).is_ok()
        {
            self.note_durable();
        }
    }

    fn step(&mut self) {
        match self.below(8) {
            0 => self.checkpoint(),
            1 => {
                self.disk.kill_process();
                self.log = None;
            }
            2 => {
                if let Some(log) = &self.log {
                    let _ = log.flush();
                }
            }
            3 | 4 => self.append(),
            _ => {
                self.append();
                self.sync();
            }
        }
        if self.log.is_none() {
            self.open();
        }
    }

    fn run(&mut self) {
        self.open();
        for _ in 0..STEPS {
            if self.disk.is_off() {
                return;
            }
            self.step();
        }
    }

    fn recover(&mut self) {
        self.disk.power_cut();
        self.log = None;
        for _ in 0..self.below(3) {
            let cut = self.disk.operation_count() + self.below(12);
            self.disk.cut_power_at(cut);
            self.open();
            self.disk.power_cut();
            self.log = None;
        }
        for _ in 0..2 {
            assert!(self.open(), "{}: recovery failed", self.what);
            self.append();
            assert!(self.sync(), "{}: writes go on", self.what);
            self.disk.power_cut();
            self.log = None;
        }
        assert!(self.open());
    }
}

#[test]
fn a_power_cut_at_any_operation_loses_no_synced_entry() {
    let mut cuts = 0;
    for seed in 0..12 {
        for cut in 0.. {
            let mut world = World::new(seed, format!("seed {seed}, power cut at {cut}"));
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
    assert!(cuts > 1000, "{cuts} cuts");
}

#[test]
fn an_operation_that_fails_loses_no_synced_entry_and_writes_resume() {
    let mut failures = 0;
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
                let what = format!("{fault:?}, seed {seed}, persists {persists}, from {at}");
                let mut world = World::new(seed, what);
                world.disk.fail_at(at, fault, persists);
                world.run();
                let was_reached = world.disk.operation_count() > at;
                failures += world.disk.fault_hits();
                world.disk.clear_faults();
                if world.log.is_none() {
                    assert!(world.open(), "{}", world.what);
                }
                world.append();
                assert!(world.sync(), "{}: writes resume", world.what);
                world.recover();
                if !was_reached {
                    break;
                }
            }
        }
    }
    assert!(failures > 2000, "{failures} failures");
}
