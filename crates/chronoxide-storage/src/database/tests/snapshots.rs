//! Snapshots: several selections of one moment.

use std::cell::Cell;

use chronoxide_model::{SampleColumns, SeriesSource};

use super::*;

fn floats(source: &dyn SeriesSource) -> Vec<(Labels, Vec<(i64, f64)>)> {
    let range = TimeRange::ALL;
    let set = source.select(&[], range).expect("it can be read");
    let mut columns = SampleColumns::default();
    let mut all = Vec::new();
    for index in 0..set.len() {
        set.read(index, &mut columns).expect("it can be read");
        let samples = columns.timestamps_ms.iter().copied();
        let samples: Vec<(i64, f64)> = samples.zip(columns.values.iter().copied()).collect();
        if !samples.is_empty() {
            all.push((set.labels(index), samples));
        }
    }
    all
}

fn write_one(db: &Database, name: &str, at_ms: i64, value: f64) {
    let mut batch = WriteBatch::new();
    batch.push(series(name), at_ms, value);
    db.write(&batch).expect("the batch is good");
}

#[test]
fn a_snapshot_shows_nothing_that_was_written_later() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, "a", START_MS, 1.0);
    db.flush().unwrap();
    write_one(&db, "a", START_MS + 1, 2.0);
    write_one(&db, "b", START_MS + 1, 3.0);
    let snapshot = SeriesSource::snapshot(&db).expect("a database changes");
    let expected = [
        (series("a"), vec![(START_MS, 1.0), (START_MS + 1, 2.0)]),
        (series("b"), vec![(START_MS + 1, 3.0)]),
    ];
    assert_eq!(floats(&*snapshot), expected);
    write_one(&db, "a", START_MS + 1, 20.0);
    write_one(&db, "a", START_MS + 2, 4.0);
    write_one(&db, "c", START_MS + 2, 5.0);
    assert_eq!(floats(&*snapshot), expected);
    db.flush().unwrap();
    assert_eq!(floats(&*snapshot), expected);
    db.compact().unwrap();
    write_one(&db, "b", START_MS + 3, 6.0);
    assert_eq!(floats(&*snapshot), expected);
    assert_eq!(floats(&db).len(), 3);
}

#[test]
fn series_of_a_snapshot_stay_until_it_is_dropped() {
    let place = Place::new();
    let options = Options {
        series_max: 2,
        ..Options::default()
    };
    let db = place.open(options);
    write_one(&db, "a", START_MS, 1.0);
    let snapshot = SeriesSource::snapshot(&db).expect("a database changes");
    db.flush().unwrap();
    place.clock.advance(2 * 3600 * 1000);
    assert_eq!(db.engine.evict_idle_series().unwrap(), 0);
    assert_eq!(floats(&*snapshot), [(series("a"), vec![(START_MS, 1.0)])]);
    drop(snapshot);
    assert_eq!(db.engine.evict_idle_series().unwrap(), 1);
}

#[test]
fn a_selection_ends_when_it_is_told_to() {
    const SERIES: usize = 5000;
    let place = Place::new();
    let db = place.open(Options::default());
    for at_ms in [START_MS, START_MS + 1] {
        db.flush().unwrap();
        let mut batch = WriteBatch::new();
        for number in 0..SERIES {
            batch.push(series(&number.to_string()), at_ms, 1.0);
        }
        db.write(&batch).expect("the batch is good");
    }
    let snapshot = SeriesSource::snapshot(&db).expect("a database changes");
    let seven = Matcher::regex("__name__", ".*7.*").unwrap();
    let sevens = (0..SERIES).filter(|number| number.to_string().contains('7'));
    for (matchers, whole) in [(vec![], SERIES), (vec![seven], sevens.count())] {
        for patience in 0.. {
            let asked = Cell::new(0);
            let go_on = || {
                asked.set(asked.get() + 1);
                asked.get() <= patience
            };
            let set = snapshot.select_while(&matchers, TimeRange::ALL, &go_on);
            if let Some(set) = set.unwrap() {
                assert_eq!(set.len(), whole);
                assert!(patience > 10, "{matchers:?}: it hardly asks, {patience}");
                break;
            }
            assert_eq!(asked.get(), patience + 1, "it went on against the answer");
        }
    }
}
