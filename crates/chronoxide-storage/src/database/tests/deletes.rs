//! Deletions: what is hidden, what is not, what it takes to get the space back, and that no crash undoes one.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::{Exemplar, SimFault};

fn named(name: &str) -> Vec<Matcher> {
    vec![Matcher::equal("__name__", name)]
}

fn range(min_ms: i64, max_ms: i64) -> TimeRange {
    TimeRange::new(min_ms, max_ms).expect("it is not reversed")
}

fn delete(db: &Database, selectors: &[Vec<Matcher>], range: TimeRange) -> u64 {
    let outcome = db.delete_series(selectors, range);
    outcome.expect("the disk works").series
}

/// Where the samples are when they are deleted, and where the deletion is when they are read.
#[test]
fn deleted_samples_are_gone_wherever_they_and_the_deletion_are() {
    for steps in 0..16 {
        let place = Place::new();
        let db = place.open(Options::default());
        for time in [START_MS - 2, START_MS - 1, START_MS] {
            write_one(&db, &series("a"), time, 1.0);
            write_one(&db, &series("b"), time, 1.0);
        }
        if steps & 1 > 0 {
            db.flush().unwrap();
        }
        assert_eq!(delete(&db, &[named("a")], range(START_MS - 1, i64::MAX)), 1);
        let expected = [
            (series("a"), vec![(START_MS - 2, 1.0)]),
            (
                series("b"),
                vec![(START_MS - 2, 1.0), (START_MS - 1, 1.0), (START_MS, 1.0)],
            ),
        ];
        assert_eq!(read_floats(&db), expected, "steps {steps:b}");
        if steps & 2 > 0 {
            db.flush().unwrap();
        }
        let db = if steps & 4 > 0 {
            db.abandon();
            place.open(Options::default())
        } else {
            db
        };
        if steps & 8 > 0 {
            db.clean_tombstones().unwrap();
            assert_eq!(db.stats().tombstones, 0);
        }
        assert_eq!(read_floats(&db), expected, "steps {steps:b}");
        db.close().unwrap();
        let db = place.open(Options::default());
        assert_eq!(read_floats(&db), expected, "steps {steps:b}, opened again");
    }
}

#[test]
fn what_is_written_after_a_deletion_stays_at_the_same_times_too() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    delete(&db, &[named("a")], TimeRange::ALL);
    assert!(read_floats(&db).is_empty());
    write_one(&db, &series("a"), START_MS, 1.0);
    let expected = [(series("a"), vec![(START_MS, 1.0)])];
    assert_eq!(read_floats(&db), expected);
    db.flush().unwrap();
    assert_eq!(read_floats(&db), expected, "from parts");
    db.compact().unwrap();
    db.clean_tombstones().unwrap();
    assert_eq!(read_floats(&db), expected, "cleaned");
    db.abandon();
    assert_eq!(read_floats(&place.open(Options::default())), expected);
}

#[test]
fn a_merge_of_both_sides_of_a_deletion_hides_only_the_older() {
    let place = Place::new();
    let db = place.open(Options::default());
    for time in 0..4 {
        write_one(&db, &series("a"), START_MS - time, 1.0);
        write_one(&db, &series("b"), START_MS - time, 1.0);
        db.flush().unwrap();
    }
    delete(&db, &[named("a")], TimeRange::ALL);
    for time in 2..6 {
        write_one(&db, &series("a"), START_MS - time, 2.0);
        db.flush().unwrap();
    }
    let expected = read_floats(&db);
    assert_eq!(expected[0].1.len(), 4);
    let before = db.stats().parts;
    db.compact().unwrap();
    assert!(db.stats().parts < before);
    assert_eq!(read_floats(&db), expected);
    db.clean_tombstones().unwrap();
    assert_eq!(read_floats(&db), expected);
    assert_eq!(db.stats().parts_samples, 8);
}

#[test]
fn labels_of_series_deleted_as_a_whole_are_not_listed() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    db.flush().unwrap();
    let only = labels(&[("__name__", "b"), ("only", "here")]);
    write_one(&db, &only, START_MS, 1.0);
    assert_eq!(delete(&db, &[named("b")], TimeRange::ALL), 1);
    let all = TimeRange::ALL;
    assert_eq!(db.series(&[], all).unwrap(), [series("a")]);
    assert_eq!(db.label_names(&[], all).unwrap(), ["__name__", "job"]);
    assert_eq!(db.label_values("__name__", &[], all).unwrap(), ["a"]);
    assert!(db.label_values("only", &[], all).unwrap().is_empty());
}

#[test]
fn any_selector_deletes_and_none_deletes_nothing() {
    let place = Place::new();
    let db = place.open(Options::default());
    for name in ["a", "b", "c"] {
        write_one(&db, &series(name), START_MS, 1.0);
    }
    assert_eq!(delete(&db, &[], TimeRange::ALL), 0);
    assert_eq!(read_floats(&db).len(), 3);
    let selectors = [named("a"), named("c"), named("none")];
    assert_eq!(delete(&db, &selectors, TimeRange::ALL), 2);
    assert_eq!(read_floats(&db)[0].0, series("b"));
    assert_eq!(delete(&db, &[Vec::new()], TimeRange::ALL), 1);
    assert!(read_floats(&db).is_empty());
}

#[test]
fn a_selection_made_before_a_deletion_shows_what_was_there() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    let before = Database::select(&db, &[], TimeRange::ALL).unwrap();
    delete(&db, &[Vec::new()], TimeRange::ALL);
    assert_eq!(before.into_iter().count(), 1);
}

#[test]
fn exemplars_go_with_the_samples_and_stay_away() {
    let place = Place::new();
    let db = place.open(Options::default());
    let write = |db: &Database, name: &str, timestamp_ms: i64| {
        let mut batch = WriteBatch::new();
        batch.push(series(name), timestamp_ms, 1.0);
        batch.push_exemplar(Exemplar {
            labels: labels(&[("trace_id", "1")]),
            timestamp_ms,
            value: 1.0,
        });
        db.write(&batch).unwrap();
    };
    write(&db, "a", START_MS - 1);
    write(&db, "b", START_MS - 1);
    db.flush().unwrap();
    write(&db, "a", START_MS);
    delete(&db, &[named("a")], TimeRange::ALL);
    let found = |db: &Database| {
        let found = db.exemplars(&[Vec::new()], TimeRange::ALL).unwrap();
        found
            .into_iter()
            .map(|found| found.labels)
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&db), [series("b")]);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(found(&db), [series("b")], "from the log");
    write(&db, "a", START_MS);
    db.flush().unwrap();
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(found(&db), [series("a"), series("b")], "from the file");
}

#[test]
fn cleaning_sets_space_free_and_touches_only_parts_with_deleted_samples() {
    let place = Place::new();
    let db = place.open(Options::default());
    let fill = |name: &str, day: i64| {
        let mut batch = WriteBatch::new();
        batch.start_series(&series(name));
        for n in 0..2000 {
            let time = START_MS - day * DAY_MS - n * 1000;
            batch.push_sample(crate::Sample::new(time, (n * 7919 % 1013) as f64));
        }
        db.write(&batch).unwrap();
        db.flush().unwrap();
    };
    fill("a", 0);
    fill("b", 2);
    let paths = || place.files(|path| path.ends_with(".part"));
    let before = (db.stats(), paths());
    delete(&db, &[named("a")], TimeRange::ALL);
    db.flush().unwrap();
    assert_eq!(paths(), before.1, "nothing is written anew for a deletion");
    db.clean_tombstones().unwrap();
    let after = (db.stats(), paths());
    assert_eq!(
        (before.0.parts_samples, after.0.parts_samples),
        (4000, 2000)
    );
    assert!(after.0.parts_bytes < before.0.parts_bytes * 6 / 10);
    assert_eq!(after.0.tombstones, 0);
    assert!(after.1.iter().all(|path| before.1.contains(path)));
    assert_eq!(read_floats(&db).len(), 1);
    db.abandon();
    // The log may hand out the deletion again, which hides nothing any more.
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db).len(), 1);
    db.clean_tombstones().unwrap();
    assert_eq!((db.stats().tombstones, paths()), (0, after.1));
}

#[test]
fn a_deletion_that_concerns_nothing_any_more_is_forgotten() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS - 40 * 3600 * 1000, 1.0);
    write_one(&db, &series("a"), START_MS, 1.0);
    delete(&db, &[named("a")], range(i64::MIN, START_MS - DAY_MS));
    db.flush().unwrap();
    db.engine.forget_tombstones().unwrap();
    assert_eq!(db.stats().tombstones, 1);
    place.clock.advance(29 * DAY_MS + DAY_MS / 2);
    write_one(&db, &series("a"), place.clock.now_ms(), 1.0);
    db.enforce_retention().unwrap();
    db.flush().unwrap();
    db.engine.forget_tombstones().unwrap();
    assert_eq!(db.stats().tombstones, 0);
    db.abandon();
    let report = crate::check::check(place.path(), Arc::new(place.disk.clone())).unwrap();
    assert_eq!((report.findings.len(), report.tombstones), (0, 0));
}

#[test]
fn too_many_deletions_are_refused_until_they_are_cleaned() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    db.flush().unwrap();
    for n in 0..crate::tombstones::PENDING_MAX as i64 {
        delete(
            &db,
            &[named("a")],
            range(START_MS - n - 10, START_MS - n - 10),
        );
    }
    let refused = db.delete_series(&[named("a")], TimeRange::ALL);
    let error = refused.expect_err("there is no room");
    assert!(error.to_string().contains("clean_tombstones"), "{error}");
    db.clean_tombstones().unwrap();
    assert_eq!(delete(&db, &[named("a")], TimeRange::ALL), 1);
}

#[test]
fn a_damaged_file_of_deletions_is_reported_and_set_aside() {
    let filled = || {
        let place = Place::new();
        let db = place.open(Options::default());
        write_one(&db, &series("a"), START_MS, 1.0);
        write_one(&db, &series("b"), START_MS, 1.0);
        delete(&db, &[named("a")], TimeRange::ALL);
        db.flush().unwrap();
        // The log lets go of the deletion with the batch after it.
        write_one(&db, &series("b"), START_MS + 1, 1.0);
        db.flush().unwrap();
        db.abandon();
        place
    };
    let path = filled().path().join("TOMBSTONES");
    let len = filled().disk.read(&path).unwrap().len();
    for at in 0..len {
        for cut in [false, true] {
            let place = filled();
            let change = |bytes: &mut Vec<u8>| {
                if cut {
                    bytes.truncate(at);
                } else {
                    bytes[at] ^= 1 << (at % 8);
                }
            };
            place.disk.damage(&path, change).unwrap();
            let what = format!("byte {at}, cut {cut}");
            let report = crate::check::check(place.path(), Arc::new(place.disk.clone()));
            let Ok(report) = report else {
                continue;
            };
            assert_eq!(report.findings.len(), 1, "{what}");
            let db = place.open(Options::default());
            assert_eq!(db.stats().files_quarantined_total, 1, "{what}");
        }
    }
}

/// What one sample of a series went through: a value, or none after a deletion; and which of these was known to have
/// taken effect last.
#[derive(Debug)]
struct History {
    states: Vec<Option<f64>>,
    acknowledged: usize,
}

/// One run of a workload, the same for the same seed until something fails.
struct Run {
    rng: StdRng,
    histories: BTreeMap<(Labels, i64), History>,
    next_value: f64,
}

const STEPS: usize = 30;

impl Run {
    fn options() -> Options {
        Options {
            head_bytes_min: 4096,
            ..Options::default()
        }
    }

    /// Runs on a fresh disk; `prepare` sets up what goes wrong.
    fn of_seed(seed: u64, prepare: impl FnOnce(&SimFs)) -> (Place, Self) {
        let place = Place::with_seed(seed);
        let mut run = Self {
            rng: StdRng::seed_from_u64(seed),
            histories: BTreeMap::new(),
            next_value: 1.0,
        };
        prepare(&place.disk);
        if let Ok(db) = place.try_open(Self::options()) {
            run.steps(&place, &db);
            if !place.disk.is_off() {
                place.disk.kill_process();
            }
            drop(db);
        }
        (place, run)
    }

    fn steps(&mut self, place: &Place, db: &Database) {
        for _ in 0..STEPS {
            let failed = match self.rng.random_range(0..12) {
                0 | 1 => db.flush().is_err(),
                2 => db.compact().is_err(),
                3 => db.clean_tombstones().is_err(),
                4 => db.engine.forget_tombstones().is_err(),
                5 | 6 => self.delete(db).is_err(),
                _ => self.write(db).is_err(),
            };
            if failed && place.disk.is_off() {
                return;
            }
        }
    }

    fn time(&mut self) -> i64 {
        let day = i64::from(self.rng.random_bool(0.3)) * DAY_MS;
        START_MS - day - self.rng.random_range(0..6) * 5000
    }

    fn write(&mut self, db: &Database) -> Result<()> {
        let mut batch = WriteBatch::new();
        let mut keys = Vec::new();
        for _ in 0..self.rng.random_range(1..5) {
            let key = (
                series(&format!("m{}", self.rng.random_range(0..3))),
                self.time(),
            );
            batch.push(&key.0, key.1, self.next_value);
            let history = self.histories.entry(key.clone()).or_insert(History {
                states: vec![None],
                acknowledged: 0,
            });
            history.states.push(Some(self.next_value));
            keys.push((key, history.states.len() - 1));
            self.next_value += 1.0;
        }
        db.write(&batch)?;
        self.acknowledge(keys);
        Ok(())
    }

    fn delete(&mut self, db: &Database) -> Result<()> {
        let labels = series(&format!("m{}", self.rng.random_range(0..3)));
        let (one, other) = (self.time(), self.time());
        let deleted = range(one.min(other), one.max(other));
        let mut keys = Vec::new();
        for (key, history) in &mut self.histories {
            if key.0 == labels && deleted.contains(key.1) {
                history.states.push(None);
                keys.push((key.clone(), history.states.len() - 1));
            }
        }
        let name = labels.metric_name().expect("it has one").to_owned();
        db.delete_series(&[named(&name)], deleted)?;
        self.acknowledge(keys);
        Ok(())
    }

    fn acknowledge(&mut self, keys: Vec<((Labels, i64), usize)>) {
        for (key, state) in keys {
            let history = self.histories.get_mut(&key).expect("it was sent");
            history.acknowledged = history.acknowledged.max(state);
        }
    }

    /// Opens what the disk holds twice, and once more after everything was flushed and cleaned.
    fn check(&self, place: &Place, what: &str) {
        for round in 0..3 {
            let opened = place.try_open(Self::options());
            let db = opened.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let mut found = BTreeMap::new();
            for (labels, samples) in read_floats(&db) {
                for (time, value) in samples {
                    found.insert((labels.clone(), time), value);
                }
            }
            for (key, history) in &self.histories {
                let value = found.remove(key);
                let allowed = &history.states[history.acknowledged..];
                assert!(
                    allowed.contains(&value),
                    "{what}, round {round}: {key:?} is {value:?}, not one of {allowed:?}"
                );
            }
            assert!(found.is_empty(), "{what}: {found:?} was never sent");
            assert_eq!(
                place.files(|path| path.contains("TOMBSTONES.corrupt-")),
                [] as [PathBuf; 0],
                "{what}"
            );
            if round > 0 {
                let cleaned = db.clean_tombstones();
                cleaned.unwrap_or_else(|error| panic!("{what}: {error:?}"));
            }
            place.disk.kill_process();
        }
    }
}

#[test]
fn no_power_cut_undoes_a_deletion_or_deletes_more() {
    for seed in 1..=4 {
        let operations = Run::of_seed(seed, |_| {}).0.disk.operation_count();
        for cut in 0..operations {
            let (place, run) = Run::of_seed(seed, |disk| disk.cut_power_at(cut));
            place.disk.power_cut();
            run.check(
                &place,
                &format!("seed {seed}, power cut at {cut} of {operations}"),
            );
        }
    }
}

#[test]
fn no_failed_operation_undoes_a_deletion_or_deletes_more() {
    for (seed, fault) in [
        (5, SimFault::Io),
        (6, SimFault::NoSpace),
        (7, SimFault::ShortWrite),
    ] {
        let operations = Run::of_seed(seed, |_| {}).0.disk.operation_count();
        for at in 0..operations {
            let (place, run) = Run::of_seed(seed, |disk| disk.fail_at(at, fault, false));
            place.disk.clear_faults();
            place.disk.power_cut();
            run.check(
                &place,
                &format!("seed {seed}, {fault:?} at {at} of {operations}"),
            );
        }
    }
}
