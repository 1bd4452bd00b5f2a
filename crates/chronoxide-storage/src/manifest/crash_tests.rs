//! A manifest on a simulated disk whose power is cut, or whose operations fail, at every point.

use super::tests::{adding, open_with, part};
use super::*;
use crate::{SimFault, SimFs};

/// Steps of one workload.
const STEPS: u64 = 25;

const DIR: &str = "/data/parts/2026-11-21";

struct World {
    disk: SimFs,
    seed: u64,
    manifest: Option<Manifest>,
    /// What the partition has.
    parts: Vec<PartEntry>,
    /// What it may have instead after a crash: an edit that failed, or a state that was read but not settled.
    or: Vec<Vec<PartEntry>>,
    next_part: u64,
    what: String,
}

impl World {
    fn new(seed: u64, what: String) -> Self {
        Self {
            disk: SimFs::new(seed),
            seed: seed.wrapping_mul(77_777) + 1,
            manifest: None,
            parts: Vec::new(),
            or: Vec::new(),
            next_part: 1,
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
        let fs: Arc<dyn Fs> = Arc::new(self.disk.process());
        let opened = fs
            .create_dir_all(Path::new(DIR))
            .and_then(|()| open_with(fs, Path::new(DIR)));
        let Ok((manifest, report)) = opened else {
            return false;
        };
        assert!(!report.damaged, "{}: {report:?}", self.what);
        let found = manifest.parts().to_vec();
        assert!(
            found == self.parts || self.or.contains(&found),
            "{}: {found:?} is neither {:?} nor one of {:?}",
            self.what,
            self.parts,
            self.or
        );
        let before = std::mem::replace(&mut self.parts, found);
        self.or.push(before);
        self.manifest = Some(manifest);
        if self.below(2) == 0 {
            self.ensure_durable();
        }
        true
    }

    fn ensure_durable(&mut self) {
        if let Some(manifest) = &mut self.manifest
            && manifest.ensure_durable().is_ok()
        {
            self.or.clear();
        }
    }

    /// Adds a part, or replaces some by one.
    fn apply(&mut self) -> bool {
        let mut edit = adding(self.next_part);
        self.next_part += 1;
        if self.below(3) == 0 {
            let removed = self.below(self.parts.len() as u64 + 1) as usize;
            edit.removed = self.parts[..removed]
                .iter()
                .map(|part| part.name.clone())
                .collect();
        }
        let Some(manifest) = &mut self.manifest else {
            return false;
        };
        let mut parts = self.parts.clone();
        edit_parts(&mut parts, &edit).unwrap();
        if manifest.apply(&edit).is_ok() {
            self.or.clear();
            self.parts = parts;
            assert_eq!(manifest.parts(), self.parts);
            true
        } else {
            self.or.push(parts);
            assert_eq!(manifest.parts(), self.parts, "{}", self.what);
            false
        }
    }

    fn step(&mut self) {
        match self.below(6) {
            0 => {
                self.disk.kill_process();
                self.manifest = None;
            }
            1 => {
                // Grown long: the next edit writes it anew.
                if let Some(manifest) = &mut self.manifest {
                    manifest.bytes += REWRITE_BYTES_MIN * 2;
                }
                self.apply();
            }
            _ => {
                self.apply();
            }
        }
        if self.manifest.is_none() {
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
        self.manifest = None;
        for _ in 0..self.below(3) {
            let cut = self.disk.operation_count() + self.below(10);
            self.disk.cut_power_at(cut);
            self.open();
            self.disk.power_cut();
            self.manifest = None;
        }
        for _ in 0..2 {
            assert!(self.open(), "{}: recovery failed", self.what);
            assert!(self.apply(), "{}: edits go on", self.what);
            self.disk.power_cut();
            self.manifest = None;
        }
        assert!(self.open());
    }
}

#[test]
fn a_power_cut_at_any_operation_leaves_the_old_state_or_the_new_one() {
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
fn an_operation_that_fails_changes_nothing_and_edits_resume() {
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
                if world.manifest.is_none() {
                    assert!(world.open(), "{}", world.what);
                }
                if at % 2 == 0 {
                    world.ensure_durable();
                } else {
                    assert!(world.apply(), "{}: edits resume", world.what);
                }
                world.recover();
                if !was_reached {
                    break;
                }
            }
        }
    }
    assert!(failures > 2000, "{failures} failures");
}

#[test]
fn a_refused_edit_can_be_tried_again() {
    let mut world = World::new(9, "retry".to_owned());
    assert!(world.open() && world.apply());
    let manifest = world.manifest.as_mut().unwrap();
    let edit = adding(77);
    world
        .disk
        .fail_at(world.disk.operation_count(), SimFault::Io, true);
    assert!(manifest.apply(&edit).is_err());
    world.disk.clear_faults();
    manifest.apply(&edit).unwrap();
    assert_eq!(manifest.parts(), [part(1), part(77)]);
}
