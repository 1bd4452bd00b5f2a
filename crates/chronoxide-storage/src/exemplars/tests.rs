use std::sync::Arc;

use super::*;
use crate::{ManualClock, SimFault, SimFs};

const DIR: &str = "/data";

const LIMITS: ExemplarLimits = ExemplarLimits {
    bytes_max: 1 << 20,
    per_series_max: 4,
};

fn disk() -> SimFs {
    let disk = SimFs::new(1);
    disk.create_dir_all(Path::new(DIR)).unwrap();
    disk
}

fn open(disk: &SimFs, limits: ExemplarLimits) -> (ExemplarStore, u64) {
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let quarantine = Quarantine::new(Arc::clone(&fs), Arc::new(ManualClock::new(0)));
    let store = ExemplarStore::open(&*fs, &quarantine, Path::new(DIR), 5, limits).unwrap();
    (store, quarantine.count())
}

fn series(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name)]).unwrap()
}

fn exemplar(timestamp_ms: i64, value: f64) -> Exemplar {
    Exemplar {
        labels: Labels::from_pairs([("trace_id", format!("trace {value}"))]).unwrap(),
        timestamp_ms,
        value,
    }
}

fn insert(store: &ExemplarStore, name: &str, timestamp_ms: i64, value: f64) {
    insert_one(store, series(name), exemplar(timestamp_ms, value));
}

/// As the log does, with ever higher numbers.
fn insert_one(store: &ExemplarStore, labels: Labels, exemplar: Exemplar) {
    let sequence = store.kept.read().sequence + 1;
    store.insert(sequence, [(labels, exemplar)]);
}

fn all(store: &ExemplarStore) -> Vec<(String, Vec<(i64, f64)>)> {
    let read = |found: SeriesExemplars| {
        let pairs = found.exemplars.iter();
        let pairs = pairs.map(|exemplar| (exemplar.timestamp_ms, exemplar.value));
        (
            found.labels.metric_name().unwrap_or_default().to_owned(),
            pairs.collect(),
        )
    };
    let found = store.select(&[Vec::new()], TimeRange::ALL);
    found.into_iter().map(read).collect()
}

#[test]
fn they_are_sorted_by_series_and_time_whatever_order_they_came_in() {
    let (store, _) = open(&disk(), LIMITS);
    insert(&store, "b", 3, 1.0);
    insert(&store, "b", 1, 2.0);
    insert(&store, "a", 2, 3.0);
    insert(&store, "b", 2, 4.0);
    let expected = [
        ("a".to_owned(), vec![(2, 3.0)]),
        ("b".to_owned(), vec![(1, 2.0), (2, 4.0), (3, 1.0)]),
    ];
    assert_eq!(all(&store), expected);
}

#[test]
fn the_same_exemplar_counts_once_and_one_that_differs_in_anything_counts_too() {
    let (store, _) = open(&disk(), LIMITS);
    for _ in 0..3 {
        insert(&store, "a", 1, f64::NAN);
        insert(&store, "a", 1, 2.0);
    }
    let other_labels = Exemplar {
        labels: Labels::empty(),
        ..exemplar(1, 2.0)
    };
    assert!(!store.has(&series("a"), &other_labels));
    insert_one(&store, series("a"), other_labels.clone());
    assert!(store.has(&series("a"), &other_labels));
    assert_eq!(store.figures().exemplars, 3);
}

#[test]
fn a_series_keeps_its_newest() {
    let (store, _) = open(&disk(), LIMITS);
    for time in [5, 1, 6, 3, 2, 4] {
        insert(&store, "a", time, 0.0);
    }
    let expected = vec![(3, 0.0), (4, 0.0), (5, 0.0), (6, 0.0)];
    assert_eq!(all(&store), [("a".to_owned(), expected)]);
    assert_eq!(store.figures().evicted, 2);
}

#[test]
fn one_busy_series_does_not_cost_others_theirs() {
    let limits = ExemplarLimits {
        bytes_max: 16 << 10,
        per_series_max: 8,
    };
    let (store, _) = open(&disk(), limits);
    insert(&store, "quiet", 0, 0.0);
    for time in 1..10_000 {
        insert(&store, "busy", time, 0.0);
    }
    assert_eq!(all(&store).len(), 2);
}

#[test]
fn the_bound_holds_and_the_oldest_go_first() {
    let limits = ExemplarLimits {
        bytes_max: 64 << 10,
        per_series_max: 8,
    };
    let (store, _) = open(&disk(), limits);
    for time in 0..2000 {
        insert(&store, &format!("m{}", time % 500), time, 0.0);
        // What is not saved yet takes memory too, up to the same bound.
        assert!(store.figures().bytes <= 2 * limits.bytes_max as u64);
    }
    let mut times: Vec<i64> = all(&store)
        .into_iter()
        .flat_map(|(_, exemplars)| exemplars.into_iter().map(|(time, _)| time))
        .collect();
    times.sort_unstable();
    let figures = store.figures();
    assert_eq!(figures.exemplars, times.len() as u64);
    assert_eq!(figures.evicted, 2000 - times.len() as u64);
    let kept: Vec<i64> = (2000 - times.len() as i64..2000).collect();
    assert_eq!(times, kept);
    assert!(times.len() > 100, "{}", times.len());
}

#[test]
fn of_equal_times_only_as_many_go_as_need_to() {
    let limits = ExemplarLimits {
        bytes_max: 32 << 10,
        per_series_max: 8,
    };
    let (store, _) = open(&disk(), limits);
    for n in 0..1000 {
        insert(&store, &format!("m{n}"), 7, 0.0);
    }
    let least = limits.bytes_max as u64 * 3 / 4;
    assert!(store.figures().bytes > least, "{:?}", store.figures());
}

#[test]
fn ranges_are_closed_and_any_selector_will_do() {
    let (store, _) = open(&disk(), LIMITS);
    for name in ["a", "b", "c"] {
        for time in 1..=3 {
            insert(&store, name, time, 0.0);
        }
    }
    let equal = |name: &str| vec![Matcher::equal("__name__", name)];
    let range = TimeRange::new(2, 3).unwrap();
    let found = store.select(&[equal("a"), equal("c"), equal("none")], range);
    let names: Vec<_> = found.iter().map(|found| found.labels.clone()).collect();
    assert_eq!(names, [series("a"), series("c")]);
    assert!(found.iter().all(|found| found.exemplars.len() == 2));
    assert!(store.select(&[], range).is_empty());
    let later = TimeRange::new(4, 9).unwrap();
    assert!(store.select(&[equal("a")], later).is_empty());
}

#[test]
fn what_was_saved_is_read_back() {
    let disk = disk();
    let (store, _) = open(&disk, LIMITS);
    store.save(&disk).unwrap();
    assert!(!disk.exists(&Path::new(DIR).join(FILE)).unwrap());
    for round in 0..5 {
        for n in 0..20 {
            insert(&store, &format!("m{n}"), round, f64::from(n));
        }
        store.save(&disk).unwrap();
        let (again, set_aside) = open(&disk, LIMITS);
        assert_eq!(all(&again), all(&store));
        assert_eq!(set_aside, 0);
    }
}

#[test]
fn saving_appends_until_the_file_is_mostly_history() {
    let disk = disk();
    let (store, _) = open(&disk, LIMITS);
    let path = Path::new(DIR).join(FILE);
    let (mut last, mut appended, mut rewritten) = (0, 0, 0);
    for time in 0..4000 {
        for n in 0..10 {
            insert(&store, &format!("m{n}"), time, f64::from(n));
        }
        store.save(&disk).unwrap();
        let bytes = disk.len(&path).unwrap();
        if bytes > last {
            appended += 1;
        } else {
            rewritten += 1;
        }
        last = bytes;
        assert!(bytes < 3 * REWRITE_BYTES_MIN);
    }
    assert!(appended > 3000 && rewritten > 0, "{appended} {rewritten}");
    assert_eq!(all(&open(&disk, LIMITS).0), all(&store));
}

#[test]
fn a_failed_save_costs_nothing_and_the_next_one_works() {
    let operations = {
        let disk = disk();
        save_thrice(&disk);
        disk.operation_count()
    };
    for fault in [SimFault::Io, SimFault::NoSpace, SimFault::ShortWrite] {
        for at in 0..operations {
            let disk = SimFs::new(at);
            disk.create_dir_all(Path::new(DIR)).unwrap();
            disk.fail_at(disk.operation_count() + at, fault, false);
            let store = save_thrice(&disk);
            disk.clear_faults();
            store.save(&disk).unwrap();
            disk.power_cut();
            let (again, _) = open(&disk, LIMITS);
            let what = format!("{fault:?} at operation {at}");
            assert_eq!(all(&again), all(&store), "{what}");
        }
    }
}

/// Each save may fail; what it was to save is handed in again, as by the log.
fn save_thrice(disk: &SimFs) -> ExemplarStore {
    let fresh = SimFs::new(0);
    fresh.create_dir_all(Path::new(DIR)).unwrap();
    let (store, _) = open(&fresh, LIMITS);
    for time in 0..3 {
        insert(&store, "a", time, 1.0);
        insert(&store, "b", time, 2.0);
        let _ = store.save(disk);
    }
    store
}

#[test]
fn a_damaged_file_is_set_aside_and_what_is_good_of_it_used() {
    let limits = ExemplarLimits {
        bytes_max: 8 << 20,
        per_series_max: 4,
    };
    let disk = disk();
    let (store, _) = open(&disk, limits);
    for n in 0..12_000 {
        insert(&store, &format!("m{n:05}"), n, 0.0);
    }
    store.save(&disk).unwrap();
    let path = Path::new(DIR).join(FILE);
    let good = disk.read(&path).unwrap();
    let everything = all(&store);
    assert_eq!(all(&open(&disk, limits).0), everything);
    for cut in [0, 10, good.len() / 2, good.len() - 1] {
        disk.damage(&path, |bytes| *bytes = good[..cut].to_vec())
            .unwrap();
        let (read, set_aside) = open(&disk, limits);
        assert_eq!(set_aside, 1, "cut at {cut}");
        let read = all(&read);
        assert!(read.len() < everything.len());
        assert!(read.iter().all(|series| {
            everything
                .binary_search_by(|other| other.0.cmp(&series.0))
                .is_ok()
        }));
        // The next save writes a good one.
        let (store, _) = open(&disk, limits);
        insert(&store, "new", 1, 1.0);
        store.save(&disk).unwrap();
        assert_eq!(open(&disk, limits).1, 0);
        disk.damage(&path, |bytes| bytes.clone_from(&good)).unwrap();
    }
}

#[test]
fn deleted_ones_stay_deleted_and_later_ones_stay() {
    let disk = disk();
    let (store, _) = open(&disk, LIMITS);
    let matchers = [Matcher::equal("__name__", "a")];
    store.insert(
        1,
        [
            (series("a"), exemplar(1, 1.0)),
            (series("b"), exemplar(1, 1.0)),
        ],
    );
    store.insert(2, [(series("a"), exemplar(9, 1.0))]);
    store.save(&disk).unwrap();
    store.delete(3, &matchers, TimeRange::new(0, 5).unwrap());
    store.insert(4, [(series("a"), exemplar(2, 1.0))]);
    let expected = all(&store);
    assert_eq!(expected[0].1, [(2, 1.0), (9, 1.0)]);
    store.save(&disk).unwrap();
    let (again, _) = open(&disk, LIMITS);
    // The log hands out again what it still has.
    again.insert(2, [(series("a"), exemplar(9, 1.0))]);
    again.delete(3, &matchers, TimeRange::new(0, 5).unwrap());
    assert_eq!(all(&again), expected);
    again.save(&disk).unwrap();
    assert_eq!(all(&open(&disk, LIMITS).0), expected);
}

#[test]
fn labels_may_have_128_characters_not_bytes() {
    let with_value = |value: String| Exemplar {
        labels: Labels::from_pairs([("trace_id", value)]).unwrap(),
        timestamp_ms: 0,
        value: 0.0,
    };
    assert!(has_short_labels(&with_value("é".repeat(120))));
    assert!(!has_short_labels(&with_value("x".repeat(121))));
}

#[test]
fn without_room_nothing_is_stored() {
    let limits = ExemplarLimits {
        bytes_max: 0,
        per_series_max: 0,
    };
    let (store, _) = open(&disk(), limits);
    insert(&store, "a", 1, 1.0);
    assert!(!store.is_on() && all(&store).is_empty());
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/EXEMPLARS-v1")
}

/// What the golden file has: written anew with one series, appended to with two.
fn write_golden(disk: &SimFs) {
    let (store, _) = open(disk, LIMITS);
    for time in 0..4 {
        insert(&store, "first", 1_700_000_000_000 + time, time as f64 / 3.0);
    }
    store.save(disk).unwrap();
    store.insert(
        300,
        [
            (series("second"), exemplar(-1, f64::NEG_INFINITY)),
            (series("first"), exemplar(1_700_000_000_009, -0.0)),
            (
                series("second"),
                Exemplar {
                    labels: Labels::empty(),
                    ..exemplar(7, 0.5)
                },
            ),
        ],
    );
    store.save(disk).unwrap();
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_golden_file() {
    let disk = disk();
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
    let copied = disk();
    copied.create_new(&path).unwrap().append(&bytes).unwrap();
    let (store, damaged) = open(&copied, LIMITS);
    assert_eq!(damaged, 0);
    let time = 1_700_000_000_000;
    let first = vec![
        (time + 1, 1.0 / 3.0),
        (time + 2, 2.0 / 3.0),
        (time + 3, 1.0),
        (time + 9, -0.0),
    ];
    let second = vec![(-1, f64::NEG_INFINITY), (7, 0.5)];
    let expected = [("first".to_owned(), first), ("second".to_owned(), second)];
    assert_eq!(all(&store), expected);

    let anew = disk();
    write_golden(&anew);
    assert_eq!(anew.read(&path).unwrap(), bytes);
}
