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
