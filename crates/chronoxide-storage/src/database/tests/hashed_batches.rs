//! Batches whose keys are hashed on the way in.

use std::time::Duration;

use super::*;

fn push(mut batch: WriteBatch<'static>, timestamp_ms: i64) -> WriteBatch<'static> {
    for n in 0..10 {
        batch.push(series(&format!("m{n}")), timestamp_ms, n as f64);
    }
    batch
}

/// How many samples each series has.
fn counts(db: &Database) -> Vec<usize> {
    let floats = read_floats(db);
    floats.iter().map(|(_, samples)| samples.len()).collect()
}

#[test]
fn series_are_the_same_whoever_hashes_their_keys() {
    let (place, other) = (Place::new(), Place::new());
    let (db, other) = (
        place.open(Options::default()),
        other.open(Options::default()),
    );
    let batches = [db.batch(), WriteBatch::new(), other.batch(), db.batch()];
    for (batch, at) in batches.into_iter().zip(0..) {
        let outcome = db.write(&push(batch, START_MS + at)).unwrap();
        assert!(outcome.is_complete());
        assert_eq!(outcome.samples_accepted, 10);
    }
    assert_eq!(db.stats().series, 10);
    assert_eq!(counts(&db), [4; 10]);
}

#[test]
fn hashes_stay_good_when_idle_series_leave() {
    let place = Place::new();
    let db = place.open(Options {
        series_idle: Duration::from_secs(60),
        ..Options::default()
    });
    let early = push(db.batch(), START_MS + 1);
    db.write(&push(db.batch(), START_MS)).unwrap();
    let hasher = |batch: &WriteBatch<'_>| Arc::as_ptr(batch.hasher().unwrap()).cast::<()>();
    let before = hasher(&db.batch());
    db.flush().unwrap();
    place.clock.advance(3_600_000);
    assert_eq!(db.engine.evict_idle_series().unwrap(), 10);
    assert_eq!(
        hasher(&db.batch()),
        before,
        "it stays as long as the database"
    );
    let outcome = db.write(&early).unwrap();
    assert_eq!(outcome.samples_accepted, 10);
    assert_eq!(counts(&db), [2; 10]);
}
