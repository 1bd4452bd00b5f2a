//! Exemplars: what is accepted, what comes back, and that no crash loses one.

use std::collections::BTreeSet;

use chronoxide_model::Exemplar;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::SimFault;

fn exemplar(timestamp_ms: i64, trace: &str) -> Exemplar {
    Exemplar {
        labels: labels(&[("trace_id", trace)]),
        timestamp_ms,
        value: 0.5,
    }
}

fn write_exemplar(db: &Database, name: &str, exemplar: Exemplar) -> WriteOutcome {
    let mut batch = WriteBatch::new();
    batch.start_series(&series(name));
    batch.push_exemplar(exemplar);
    db.write(&batch).expect("the disk works")
}

fn all(db: &Database) -> Vec<(Labels, Vec<Exemplar>)> {
    let found = db.exemplars(&[Vec::new()], TimeRange::ALL);
    let found = found.expect("they can be read").into_iter();
    found.map(|found| (found.labels, found.exemplars)).collect()
}

#[test]
fn exemplars_survive_log_file_and_restart() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS, 1.0);
    batch.push_exemplar(exemplar(START_MS, "2"));
    batch.push_exemplar(exemplar(START_MS - 1, "1"));
    let outcome = db.write(&batch).unwrap();
    assert_eq!(
        (outcome.samples_accepted, outcome.exemplars_accepted),
        (1, 2)
    );
    let in_order = vec![exemplar(START_MS - 1, "1"), exemplar(START_MS, "2")];
    let expected = vec![(series("a"), in_order)];
    assert_eq!(all(&db), expected);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(all(&db), expected, "from the log");
    db.flush().unwrap();
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(db.stats().replayed_samples, 0);
    assert_eq!(all(&db), expected, "from the file");
    assert_eq!(db.stats().exemplars, 2);
}

#[test]
fn one_sent_again_is_accepted_and_costs_no_record() {
    let place = Place::new();
    let db = place.open(Options::default());
    for _ in 0..3 {
        let outcome = write_exemplar(&db, "a", exemplar(START_MS, "1"));
        assert_eq!(outcome.exemplars_accepted, 1);
    }
    assert_eq!(db.engine.wal.stats().next_seq, 2);
    assert_eq!(db.stats().exemplars, 1);
    assert_eq!(db.stats().exemplars_accepted_total, 3);
}

#[test]
fn bad_exemplars_are_counted_and_take_nothing_with_them() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS, 1.0);
    batch.push_exemplar(exemplar(START_MS, &"x".repeat(121)));
    batch.push_exemplar(exemplar(START_MS - 31 * DAY_MS, "old"));
    batch.push_exemplar(exemplar(START_MS + 601_000, "early"));
    batch.push_exemplar(exemplar(START_MS, "good"));
    let outcome = db.write(&batch).unwrap();
    assert!(
        outcome.is_complete(),
        "all samples were stored: {outcome:?}"
    );
    assert_eq!(
        (outcome.samples_accepted, outcome.exemplars_accepted),
        (1, 1)
    );
    assert_eq!(db.stats().exemplars_rejected_total, 3);
    let expected = vec![(series("a"), vec![exemplar(START_MS, "good")])];
    assert_eq!(all(&db), expected);
    // A series with nothing else is not made for them.
    write_exemplar(&db, "b", exemplar(START_MS - 31 * DAY_MS, "old"));
    assert_eq!(
        (db.stats().series, db.stats().exemplars_rejected_total),
        (1, 4)
    );
}

#[test]
fn they_are_cut_to_retention_exactly() {
    let place = Place::new();
    let db = place.open(Options::default());
    let oldest_ms = START_MS - 30 * DAY_MS;
    write_exemplar(&db, "a", exemplar(oldest_ms, "1"));
    write_exemplar(&db, "a", exemplar(oldest_ms + 1, "2"));
    assert_eq!(all(&db)[0].1.len(), 2);
    place.clock.advance(1);
    assert_eq!(all(&db)[0].1, [exemplar(oldest_ms + 1, "2")]);
    place.clock.advance(1);
    assert!(all(&db).is_empty());
}

#[test]
fn a_clock_that_jumps_ahead_costs_no_exemplar() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    write_exemplar(&db, "a", exemplar(START_MS, "1"));
    place.clock.set(START_MS + 3650 * DAY_MS);
    db.flush().unwrap();
    assert!(all(&db).is_empty());
    place.clock.set(START_MS + 1);
    db.abandon();
    assert_eq!(all(&place.open(Options::default())).len(), 1);
}

#[test]
fn they_outlive_the_series_they_belong_to() {
    let place = Place::new();
    let db = place.open(Options::default());
    // The last one has the highest id, and is flushed; the first has no sample at all.
    write_exemplar(&db, "a", exemplar(START_MS, "1"));
    write_one(&db, &series("b"), START_MS, 1.0);
    db.flush().unwrap();
    write_exemplar(&db, "a", exemplar(START_MS, "2"));
    place.clock.advance(2 * 3600 * 1000);
    assert_eq!(db.engine.evict_idle_series().unwrap(), 2);
    let expected = all(&db);
    assert_eq!(expected[0].1.len(), 2);
    db.abandon();
    assert_eq!(all(&place.open(Options::default())), expected);
}

#[test]
fn without_room_for_exemplars_none_is_accepted() {
    let place = Place::new();
    let options = Options {
        exemplar_bytes_max: 0,
        ..Options::default()
    };
    let db = place.open(options);
    let outcome = write_exemplar(&db, "a", exemplar(START_MS, "1"));
    assert_eq!(outcome.exemplars_accepted, 0);
    assert_eq!(
        (db.stats().series, db.stats().exemplars_rejected_total),
        (0, 1)
    );
}

/// What was sent, and how much of it was acknowledged, of a run that may have ended early.
#[derive(Default)]
struct Run {
    sent: BTreeSet<(Labels, i64, String)>,
    acknowledged: BTreeSet<(Labels, i64, String)>,
}

const STEPS: u32 = 24;

/// The same steps for the same seed, until something fails.
fn run(seed: u64, prepare: impl FnOnce(&SimFs)) -> (Place, Run) {
    let place = Place::with_seed(seed);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut run = Run::default();
    prepare(&place.disk);
    let Ok(db) = place.try_open(Options::default()) else {
        return (place, run);
    };
    for step in 0..STEPS {
        let failed = match rng.random_range(0..8) {
            0 | 1 => db.flush().is_err(),
            2 => {
                place.clock.advance(2 * 3600 * 1000);
                db.engine.evict_idle_series().is_err()
            }
            _ => {
                let labels = series(&format!("m{}", rng.random_range(0..3)));
                let time = place.clock.now_ms() - rng.random_range(0..60_000);
                let key = (labels.clone(), time, step.to_string());
                let mut batch = WriteBatch::new();
                batch.start_series(&labels);
                if rng.random_bool(0.7) {
                    batch.push_sample(crate::Sample::new(time, 1.0));
                }
                batch.push_exemplar(exemplar(time, &key.2));
                run.sent.insert(key.clone());
                let written = db.write(&batch);
                if let Ok(outcome) = &written {
                    assert_eq!(outcome.exemplars_accepted, 1);
                    run.acknowledged.insert(key);
                }
                written.is_err()
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

/// Opens what is left twice: acknowledged exemplars are there, once, and none that was never sent.
fn check(place: &Place, run: &Run, what: &str) {
    for _ in 0..2 {
        let db = place
            .try_open(Options::default())
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let mut found = BTreeSet::new();
        for (labels, exemplars) in all(&db) {
            for exemplar in exemplars {
                let trace = exemplar.labels.get("trace_id").unwrap_or_default();
                let key = (labels.clone(), exemplar.timestamp_ms, trace.to_owned());
                assert!(run.sent.contains(&key), "{what}: {key:?} was never sent");
                assert!(found.insert(key), "{what}: {exemplar:?} stands twice");
            }
        }
        let missing: Vec<_> = run.acknowledged.difference(&found).collect();
        assert!(missing.is_empty(), "{what}: {missing:?} is missing");
        assert!(
            place
                .files(|path| path.contains("EXEMPLARS.corrupt-"))
                .is_empty(),
            "{what}"
        );
        db.flush()
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        place.disk.kill_process();
    }
}

#[test]
fn no_power_cut_loses_an_acknowledged_exemplar() {
    for seed in 1..=3 {
        let operations = run(seed, |_| {}).0.disk.operation_count();
        for cut in 0..operations {
            let (place, run) = run(seed, |disk| disk.cut_power_at(cut));
            place.disk.power_cut();
            check(
                &place,
                &run,
                &format!("seed {seed}, power cut at {cut} of {operations}"),
            );
        }
    }
}

#[test]
fn no_failed_operation_loses_an_acknowledged_exemplar() {
    for (seed, fault) in [
        (4, SimFault::Io),
        (5, SimFault::NoSpace),
        (6, SimFault::ShortWrite),
    ] {
        let operations = run(seed, |_| {}).0.disk.operation_count();
        for at in 0..operations {
            let (place, run) = run(seed, |disk| disk.fail_at(at, fault, false));
            place.disk.clear_faults();
            place.disk.power_cut();
            check(
                &place,
                &run,
                &format!("seed {seed}, {fault:?} at {at} of {operations}"),
            );
        }
    }
}
