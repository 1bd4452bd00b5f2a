//! Which parts are merged when, and merges that are told to stop.

use std::cell::Cell;

use super::*;

fn parts(place: &Place) -> Vec<PathBuf> {
    place.files(|path| path.ends_with(".part"))
}

#[test]
fn at_rest_the_parts_that_are_left_become_one() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut written = Vec::new();
    let mut flush = |samples: i64| {
        for _ in 0..samples {
            let time_ms = START_MS + written.len() as i64 * 15_000;
            place.clock.set(time_ms);
            write_one(&db, &series("a"), time_ms, written.len() as f64);
            written.push((time_ms, written.len() as f64));
        }
        db.flush().expect("the disk works");
    };
    let compact = |is_resting| {
        let engine = &db.engine;
        engine.compact_in_background(is_resting, || false)
    };
    for _ in 0..13 {
        flush(15);
        compact(false).expect("the disk works");
    }
    flush(5);
    compact(false).expect("the disk works");
    assert_eq!(
        parts(&place).len(),
        1 + 6,
        "eight are one, too few are left"
    );
    compact(true).expect("the disk works");
    assert_eq!(parts(&place).len(), 2);
    flush(5);
    compact(true).expect("the disk works");
    assert_eq!(
        parts(&place).len(),
        3,
        "a few samples are not worth a merge"
    );
    flush(5);
    compact(true).expect("the disk works");
    assert_eq!(
        parts(&place).len(),
        3,
        "small ones are joined by themselves"
    );
    assert_eq!(read_floats(&db)[0].1, written);
}

/// Bytes of a day of `series_count` noisy counters with `samples` samples each, in two flushes, once it has ended.
fn bytes_of_an_ended_day(series_count: u32, samples: i64, rests: bool) -> u64 {
    let place = Place::new();
    let db = place.open(Options::default());
    for half in 0..2 {
        for number in 0..series_count {
            let labels = series(&format!("m{number}"));
            let (mut batch, mut value) = (WriteBatch::new(), 0_i64);
            for n in 0..samples {
                value += (n * 7919 + i64::from(number) * 104_729) % 1009;
                if n * 2 / samples == half {
                    batch.push(&labels, START_MS - (samples - n) * 15_000, value as f64);
                }
            }
            db.write(&batch).expect("the disk works");
        }
        db.flush().expect("the disk works");
    }
    let read = read_floats(&db);
    let compact = || {
        let merged = db.engine.compact_in_background(rests, || false);
        merged.expect("the disk works");
    };
    compact();
    place.clock.set(START_MS + 3 * DAY_MS);
    compact();
    assert_eq!(parts(&place).len(), 1);
    assert_eq!(read_floats(&db), read);
    let (bytes, merges) = (db.stats().parts_bytes, db.stats().compactions.total);
    compact();
    assert_eq!(db.stats().compactions.total, merges, "once is enough");
    bytes
}

#[test]
fn a_day_that_was_merged_at_rest_gets_as_small_as_any() {
    for (series_count, samples) in [(50, 200), (20, 900), (5, 3000)] {
        let merged_once = bytes_of_an_ended_day(series_count, samples, false);
        let rested = bytes_of_an_ended_day(series_count, samples, true);
        assert_eq!(rested, merged_once, "{series_count} x {samples}");
    }
}

#[test]
fn a_merge_that_is_told_to_stop_leaves_everything_as_it_was() {
    let place = Place::new();
    let db = place.open(Options::default());
    for n in 0..8 {
        let mut batch = WriteBatch::new();
        for name in ["a", "b", "c", "d"] {
            batch.push(series(name), START_MS - n * 1000, n as f64);
        }
        db.write(&batch).expect("the disk works");
        db.flush().expect("the disk works");
    }
    let (files, read) = (place.files(|_| true), read_floats(&db));
    let asked = Cell::new(0);
    let after_three_series = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let stopped = db.engine.compact_in_background(false, after_three_series);
    stopped.expect("to stop is no failure");
    assert!(asked.get() > 3, "asked {} times", asked.get());
    assert_eq!(place.files(|_| true), files);
    assert_eq!(db.stats().compactions.total, 0);
    assert_eq!(read_floats(&db), read);
    db.engine
        .compact_in_background(false, || false)
        .expect("the disk works");
    assert_eq!(parts(&place).len(), 1);
    assert_eq!(read_floats(&db), read);
}
