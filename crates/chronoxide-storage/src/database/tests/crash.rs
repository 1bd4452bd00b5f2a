//! Power cuts and failing operations, at every point of a recorded workload.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::{Durability, SimFault};

/// Every value that was sent for one sample, in order, and how many of them were known to be stored at some point.
#[derive(Clone, Debug, Default)]
struct Sent {
    values: Vec<f64>,
    acknowledged: usize,
}

#[derive(Debug, Default)]
struct Ledger(BTreeMap<(Labels, i64), Sent>);

impl Ledger {
    /// How many samples are known to be stored.
    fn acknowledged(&self) -> usize {
        let sent = self.0.values();
        sent.filter(|sent| sent.acknowledged > 0).count()
    }

    /// Whether what is read can be: every acknowledged sample is there or one sent after it, and nothing else is.
    fn check(&self, read: &Floats, cut_ms: i64) -> Result<(), String> {
        let mut found = BTreeMap::new();
        for (labels, samples) in read {
            for (time, value) in samples {
                if found.insert((labels.clone(), *time), *value).is_some() {
                    return Err(format!("{labels} at {time} stands twice"));
                }
            }
        }
        for (key, value) in &found {
            let known = self
                .0
                .get(key)
                .is_some_and(|sent| sent.values.contains(value));
            if !known {
                return Err(format!("{value} of {key:?} was never sent"));
            }
        }
        for (key, sent) in self
            .0
            .iter()
            .filter(|(key, sent)| sent.acknowledged > 0 && key.1 >= cut_ms)
        {
            let allowed = &sent.values[sent.acknowledged - 1..];
            match found.get(key) {
                Some(value) if allowed.contains(value) => {}
                found => return Err(format!("{key:?} is {found:?}, not one of {allowed:?}")),
            }
        }
        Ok(())
    }
}

/// One run of a workload, the same for the same seed until something fails.
struct Workload {
    rng: StdRng,
    ledger: Ledger,
    next_value: f64,
}

impl Workload {
    fn new(seed: u64) -> Self {
        Self {
            rng: StdRng::seed_from_u64(seed),
            ledger: Ledger::default(),
            next_value: 1.0,
        }
    }

    fn options() -> Options {
        Options {
            retention: std::time::Duration::from_secs(50 * 3600),
            head_bytes_min: 4096,
            head_bytes_max: 1 << 20,
            ..Options::default()
        }
    }

    /// Does `steps` steps; ends early when the disk is off.
    fn run(&mut self, place: &Place, db: &Database, steps: usize) {
        for _ in 0..steps {
            let failed = match self.rng.random_range(0..12) {
                0 | 1 => db.flush().is_err(),
                2 if (self.next_value as u64).is_multiple_of(2) => {
                    db.engine.compact_in_background(true, || false).is_err()
                }
                2 => db.compact().is_err(),
                3 => {
                    place.clock.advance(self.rng.random_range(0..DAY_MS));
                    db.enforce_retention().is_err()
                }
                4 => {
                    place.clock.advance(2 * 3600 * 1000);
                    db.engine.evict_idle_series().is_err()
                }
                _ => self.write(place, db).is_err(),
            };
            if failed && place.disk.is_off() {
                return;
            }
        }
    }

    fn write(&mut self, place: &Place, db: &Database) -> Result<()> {
        let mut batch = WriteBatch::new();
        let mut keys = Vec::new();
        for _ in 0..self.rng.random_range(1..4) {
            let labels = series(&format!("m{}", self.rng.random_range(0..5)));
            let reach = if self.rng.random_bool(0.2) {
                2 * DAY_MS
            } else {
                60_000
            };
            let back = self.rng.random_range(0..reach);
            let time = (place.clock.now_ms() - back).div_euclid(5000) * 5000;
            batch.push(&labels, time, self.next_value);
            let sent = self.ledger.0.entry((labels.clone(), time)).or_default();
            sent.values.push(self.next_value);
            keys.push(((labels, time), sent.values.len()));
            self.next_value += 1.0;
        }
        let outcome = db.write(&batch)?;
        assert!(outcome.is_complete(), "{outcome:?}");
        for (key, acknowledged) in keys {
            let sent = self.ledger.0.get_mut(&key).expect("it was sent");
            sent.acknowledged = sent.acknowledged.max(acknowledged);
        }
        Ok(())
    }

    /// Opens what the disk holds twice; both must be right, and the same.
    fn check(&self, place: &Place) -> Result<(), String> {
        let first = self.read(place)?;
        let second = self.read(place)?;
        if first != second {
            return Err(format!(
                "the second opening reads\n{second:?}, the first\n{first:?}"
            ));
        }
        Ok(())
    }

    fn read(&self, place: &Place) -> Result<Floats, String> {
        let db = place
            .try_open(Self::options())
            .map_err(|error| format!("{error:?}"))?;
        let read = read_floats(&db);
        let quarantined = place.files(|path| path.contains(".wal.corrupt-"));
        if !quarantined.is_empty() {
            return Err(format!("{quarantined:?} was taken for damaged"));
        }
        self.ledger.check(&read, db.engine.retention_cut_ms())?;
        place.disk.kill_process();
        Ok(read)
    }
}

/// Steps of each workload.
const STEPS: usize = 40;

/// Runs the workload of `seed` on a fresh disk; `prepare` sets up what goes wrong. Returns the place and the run.
fn run(seed: u64, prepare: impl FnOnce(&SimFs)) -> (Place, Workload) {
    let place = Place::with_seed(seed);
    let mut workload = Workload::new(seed);
    prepare(&place.disk);
    if let Ok(db) = place.try_open(Workload::options()) {
        workload.run(&place, &db, STEPS);
        place.disk.kill_process_unless_off();
        drop(db);
    }
    (place, workload)
}

fn operations(seed: u64) -> u64 {
    run(seed, |_| {}).0.disk.operation_count()
}

#[test]
fn the_workloads_do_all_that_can_be_interrupted() {
    let mut stats = Vec::new();
    for seed in 1..=7 {
        let place = Place::with_seed(seed);
        let db = place.open(Workload::options());
        Workload::new(seed).run(&place, &db, STEPS);
        stats.push(db.stats());
    }
    let often = |did: fn(&Stats) -> bool| stats.iter().filter(|stats| did(stats)).count() >= 3;
    assert!(often(|stats| stats.flushes.total > 3));
    assert!(often(|stats| stats.compactions.total > 0));
    assert!(often(|stats| stats.partitions_dropped_total > 0));
    assert!(often(|stats| stats.series_evicted_total > 0));
    assert!(stats.iter().all(|stats| stats.flushes.failures_total == 0 && stats.compactions.failures_total == 0));
}

impl SimFs {
    /// Ends the process, so that dropping its database does nothing, unless the power is to go.
    pub(super) fn kill_process_unless_off(&self) {
        if !self.is_off() {
            self.kill_process();
        }
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let workloads = effort("CRASH_WORKLOADS", 3);
    let (mut cuts, mut acknowledged) = (0, 0);
    for seed in 1..=workloads {
        let operations = operations(seed);
        assert!(operations > 100, "seed {seed} does {operations} only");
        for cut in 0..operations {
            let (place, workload) = run(seed, |disk| disk.cut_power_at(cut));
            place.disk.power_cut();
            if let Err(problem) = workload.check(&place) {
                panic!("seed {seed}, power cut at operation {cut} of {operations}: {problem}");
            }
            cuts += 1;
            acknowledged += workload.ledger.acknowledged();
        }
    }
    assert!(acknowledged as u64 > cuts, "hardly anything could be lost");
    eprintln!(
        "power cuts: {cuts}, at every operation of {workloads} workloads; {acknowledged} samples were acknowledged before \
         them, 0 lost"
    );
}

#[test]
fn a_power_cut_during_recovery_costs_nothing() {
    let seed = 4;
    let operations = operations(seed);
    let step = 30 / effort("CRASH_WORKLOADS", 3).clamp(1, 30) as usize;
    let mut cuts = 0;
    for cut in (0..operations).step_by(3 * step) {
        for second_cut in (0..60).step_by(step.div_ceil(3)) {
            cuts += 1;
            let (place, workload) = run(seed, |disk| disk.cut_power_at(cut));
            place.disk.power_cut();
            place
                .disk
                .cut_power_at(place.disk.operation_count() + second_cut);
            drop(place.try_open(Workload::options()));
            place.disk.power_cut();
            if let Err(problem) = workload.check(&place) {
                panic!(
                    "seed {seed}, power cuts at operation {cut} and {second_cut} after it: {problem}"
                );
            }
        }
    }
    eprintln!("power cuts while the first cut was recovered from: {cuts}, 0 samples lost");
}

#[test]
fn no_failed_operation_costs_what_was_acknowledged() {
    let faults = [
        SimFault::Io,
        SimFault::NoSpace,
        SimFault::ShortWrite,
        SimFault::BadPage,
    ];
    let (mut failures, mut acknowledged) = (0, 0);
    for seed in 5..5 + effort("CRASH_WORKLOADS", 3).max(3) {
        let fault = faults[seed as usize % faults.len()];
        let operations = operations(seed);
        for at in 0..operations {
            let (place, workload) = run(seed, |disk| disk.fail_at(at, fault, false));
            place.disk.clear_faults();
            place.disk.power_cut();
            if let Err(problem) = workload.check(&place) {
                panic!("seed {seed}, {fault:?} at operation {at} of {operations}: {problem}");
            }
            failures += 1;
            acknowledged += workload.ledger.acknowledged();
        }
    }
    assert!(acknowledged > failures, "hardly anything could be lost");
    eprintln!(
        "operations that failed: {failures}, of each kind at every operation of a workload; 0 samples lost"
    );
}

#[test]
fn a_disk_that_stays_full_is_written_to_again_when_there_is_room() {
    let seed = 8;
    let operations = operations(seed);
    for at in (0..operations).step_by(3) {
        let place = Place::with_seed(seed);
        let mut workload = Workload::new(seed);
        place.disk.fail_at(at, SimFault::NoSpace, true);
        let Ok(db) = place.try_open(Workload::options()) else {
            continue;
        };
        workload.run(&place, &db, STEPS);
        place.disk.clear_faults();
        // The same process goes on.
        workload
            .write(&place, &db)
            .unwrap_or_else(|error| panic!("seed {seed}, full at operation {at}: {error:?}"));
        db.flush()
            .unwrap_or_else(|error| panic!("seed {seed}, full at operation {at}: {error:?}"));
        place.disk.power_cut();
        drop(db);
        if let Err(problem) = workload.check(&place) {
            panic!("seed {seed}, full from operation {at} of {operations} on: {problem}");
        }
    }
}

#[test]
fn with_an_interval_the_end_of_the_process_loses_nothing() {
    let options = Options {
        durability: Durability::Interval(std::time::Duration::from_secs(3600)),
        ..Workload::options()
    };
    for seed in 9..12 {
        let place = Place::with_seed(seed);
        let mut workload = Workload::new(seed);
        let db = place.open(options.clone());
        workload.run(&place, &db, STEPS);
        place.disk.kill_process();
        drop(db);
        if let Err(problem) = workload.check(&place) {
            panic!("seed {seed}: {problem}");
        }
    }
}
