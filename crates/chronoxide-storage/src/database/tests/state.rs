//! The application's own state: there together with the samples it belongs to, or not at all.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::{Durability, SimFault};

/// An application that adds up deltas: its state is the total, and each batch writes the total as a sample.
#[derive(Debug, Default)]
struct Adder {
    total: u64,
    /// Time of the last sample.
    last_ms: i64,
}

impl Adder {
    /// Begins with what the database has: the total of the last change, or else of the checkpoint.
    fn restore(db: &Database) -> Self {
        let saved = db.take_state();
        let last = saved.changes.last().or(saved.checkpoint.as_ref());
        last.map_or_else(Self::default, |bytes| Self::decode(bytes))
    }

    fn encode(&self) -> Vec<u8> {
        let last_ms = self.last_ms.to_le_bytes();
        [self.total.to_le_bytes(), last_ms].concat()
    }

    fn decode(bytes: &[u8]) -> Self {
        let field = |at: usize| bytes[at..at + 8].try_into().expect("it has 16 bytes");
        Self {
            total: u64::from_le_bytes(field(0)),
            last_ms: i64::from_le_bytes(field(8)),
        }
    }

    /// Adds a delta, which counts only when it was stored.
    fn add(&mut self, db: &Database, delta: u64, now_ms: i64) -> Result<()> {
        let next = Self {
            total: self.total + delta,
            last_ms: now_ms.max(self.last_ms + 1),
        };
        let mut batch = WriteBatch::new();
        batch.push(series("total"), next.last_ms, next.total as f64);
        batch.push_state(next.encode());
        db.write(&batch)?;
        *self = next;
        Ok(())
    }
}

#[test]
fn state_comes_back_with_the_samples_from_log_and_file() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut adder = Adder::restore(&db);
    for delta in 1..=3 {
        adder.add(&db, delta, place.clock.now_ms()).unwrap();
    }
    db.abandon();
    let db = place.open(Options::default());
    let mut adder = Adder::restore(&db);
    assert_eq!(adder.total, 6, "from the log");
    adder.add(&db, 10, place.clock.now_ms()).unwrap();
    db.flush().unwrap();
    db.abandon();
    let db = place.open(Options::default());
    let mut adder = Adder::restore(&db);
    assert_eq!((adder.total, db.stats().replayed_samples), (16, 0));
    db.put_state(&adder.encode()).unwrap();
    assert_eq!(db.state_bytes(), (0, 16));
    adder.add(&db, 1, place.clock.now_ms()).unwrap();
    assert_eq!(db.state_bytes(), (16, 16));
    db.close().unwrap();
    assert_eq!(Adder::restore(&place.open(Options::default())).total, 17);
}

#[test]
fn a_batch_of_state_alone_is_stored() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push_state(*b"alone");
    assert!(!batch.is_empty());
    db.write(&batch).unwrap();
    db.abandon();
    let saved = place.open(Options::default()).take_state();
    assert_eq!(saved.changes, [b"alone".to_vec()]);
}

#[test]
fn a_snapshot_has_the_state_of_its_samples() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut adder = Adder::restore(&db);
    adder.add(&db, 5, place.clock.now_ms()).unwrap();
    let dir = db.snapshot(false).unwrap();
    adder.add(&db, 5, place.clock.now_ms()).unwrap();
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let fs = Arc::new(place.disk.process());
    let copy = Database::open_quiet(&dir, Options::default(), fs, clock).unwrap();
    assert_eq!(Adder::restore(&copy).total, 5);
}

const STEPS: usize = 40;

/// What was sent and acknowledged of a run.
#[derive(Debug, Default)]
struct Run {
    acknowledged: u64,
    /// The delta in flight when the disk went off.
    in_doubt: u64,
}

fn run(seed: u64, options: &Options, prepare: impl FnOnce(&SimFs)) -> (Place, Run) {
    let place = Place::with_seed(seed);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut run = Run::default();
    prepare(&place.disk);
    let Ok(mut db) = place.try_open(options.clone()) else {
        return (place, run);
    };
    let mut adder = Adder::restore(&db);
    for _ in 0..STEPS {
        let failed = match rng.random_range(0..10) {
            0 | 1 => db.flush().is_err(),
            2 => db.put_state(&adder.encode()).is_err(),
            3 => {
                place.disk.kill_process_unless_off();
                drop(db);
                match place.try_open(options.clone()) {
                    Ok(opened) => db = opened,
                    Err(_) if place.disk.is_off() => return (place, run),
                    Err(_) => db = place.open(options.clone()),
                }
                let restored = Adder::restore(&db);
                check_total(restored.total, &mut run, "after the end of a process");
                adder = restored;
                false
            }
            _ => {
                let delta = rng.random_range(1..1000);
                match adder.add(&db, delta, place.clock.now_ms()) {
                    Ok(()) => {
                        run.acknowledged += delta;
                        run.in_doubt = 0;
                        false
                    }
                    Err(_) => {
                        run.in_doubt = delta;
                        true
                    }
                }
            }
        };
        if failed && place.disk.is_off() {
            break;
        }
    }
    if !place.disk.is_off() {
        place.disk.kill_process();
    }
    drop(db);
    (place, run)
}

/// The total is the sum of what was acknowledged, and perhaps of the delta in doubt, which counts from then on.
fn check_total(total: u64, run: &mut Run, what: &str) {
    let allowed = [run.acknowledged, run.acknowledged + run.in_doubt];
    assert!(
        allowed.contains(&total),
        "{what}: {total} is not one of {allowed:?}"
    );
    run.acknowledged = total;
    run.in_doubt = 0;
}

/// Opens what is left twice: the total is right, and the last sample says the same.
fn check(place: &Place, mut run: Run, options: &Options, what: &str) {
    for round in 0..3 {
        let opened = place.try_open(options.clone());
        let db = opened.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let adder = Adder::restore(&db);
        check_total(adder.total, &mut run, what);
        let floats = read_floats(&db);
        let samples = floats
            .first()
            .map_or(&[][..], |(_, samples)| samples.as_slice());
        let last = samples.last().map_or(0.0, |(_, value)| *value);
        assert_eq!(
            last, adder.total as f64,
            "{what}: sample and state disagree"
        );
        assert!(
            samples.is_sorted_by(|a, b| a.1 < b.1),
            "{what}: {samples:?}"
        );
        assert!(
            place
                .files(|path| path.contains("STATE.corrupt-"))
                .is_empty(),
            "{what}"
        );
        if round > 0 {
            db.flush()
                .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        }
        place.disk.kill_process();
    }
}

#[test]
fn no_power_cut_parts_state_from_samples() {
    let options = Options::default();
    for seed in 1..=3 {
        let operations = run(seed, &options, |_| {}).0.disk.operation_count();
        for cut in 0..operations {
            let (place, run) = run(seed, &options, |disk| disk.cut_power_at(cut));
            place.disk.power_cut();
            let what = format!("seed {seed}, power cut at {cut} of {operations}");
            check(&place, run, &options, &what);
        }
    }
}

#[test]
fn no_failed_operation_parts_state_from_samples() {
    let options = Options::default();
    for (seed, fault) in [
        (4, SimFault::Io),
        (5, SimFault::NoSpace),
        (6, SimFault::ShortWrite),
    ] {
        let operations = run(seed, &options, |_| {}).0.disk.operation_count();
        for at in 0..operations {
            let (place, run) = run(seed, &options, |disk| disk.fail_at(at, fault, false));
            place.disk.clear_faults();
            place.disk.power_cut();
            let what = format!("seed {seed}, {fault:?} at {at} of {operations}");
            check(&place, run, &options, &what);
        }
    }
}

#[test]
fn with_an_interval_the_end_of_the_process_parts_nothing() {
    let options = Options {
        durability: Durability::Interval(std::time::Duration::from_secs(3600)),
        ..Options::default()
    };
    for seed in 7..=12 {
        let (place, run) = run(seed, &options, |_| {});
        assert!(run.acknowledged > 0);
        check(&place, run, &options, &format!("seed {seed}"));
    }
}
