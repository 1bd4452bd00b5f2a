//! Long series read stretch by stretch.

use chronoxide_model::SampleColumns;

use super::*;

/// Samples of three flushes and of the head, some written again later, and the series' floats as one.
fn database(place: &Place) -> (Database, SampleColumns) {
    let db = place.open(Options::default());
    let step_ms = 1_000;
    for run in 0..4_i64 {
        let mut batch = WriteBatch::new();
        batch.start_series(&series("x"));
        for index in run * 2_000 - run * 100..(run + 1) * 2_000 {
            let time_ms = START_MS - 8_000 * step_ms + index * step_ms;
            batch.push_sample(chronoxide_model::Sample::new(
                time_ms,
                (run * 10_000 + index) as f64,
            ));
        }
        db.write(&batch).expect("the disk works");
        if run < 3 {
            db.flush().expect("the disk works");
        }
    }
    let mut whole = SampleColumns::default();
    let selection = Database::select(&db, &[], TimeRange::ALL).unwrap();
    SeriesSet::read(&selection, 0, &mut whole).unwrap();
    (db, whole)
}

#[test]
fn stretches_together_are_the_whole_series_and_each_is_short() {
    let place = Place::new();
    let (db, whole) = database(&place);
    assert_eq!(whole.len(), 8_000);
    let middle = whole.timestamps_ms[4_321];
    for (range, expected) in [
        (TimeRange::ALL, 8_000),
        (TimeRange::new(middle, i64::MAX).unwrap(), 8_000 - 4_321),
        (TimeRange::new(middle, middle).unwrap(), 1),
    ] {
        let selection = Database::select(&db, &[], range).unwrap();
        for samples_max in [1, 100, 500, 3_000, 1_000_000] {
            let mut found = SampleColumns::default();
            let (mut stretches, mut longest) = (0, 0);
            let read = selection.read_stretches(0, samples_max, |columns| {
                stretches += 1;
                longest = longest.max(columns.len());
                found.timestamps_ms.extend(&columns.timestamps_ms);
                found.values.extend(&columns.values);
                Ok::<(), crate::Error>(())
            });
            read.expect("the disk works");
            assert_eq!(found.len(), expected);
            let (times, values) = (&whole.timestamps_ms, &whole.values);
            let from = times.partition_point(|time| *time < range.min_ms());
            assert_eq!(found.timestamps_ms, times[from..from + expected]);
            assert_eq!(found.values, values[from..from + expected]);
            assert!(stretches >= 1 && (samples_max < 1_000_000 || stretches == 1));
            assert!(samples_max != 3_000 || longest <= 6_000, "{longest}");
        }
    }
}
