//! Retention when the clock is wrong, and when snapshots hold on to what it drops.

use super::*;

const HOUR_MS: i64 = 3600 * 1000;

/// Samples of four days of the last four weeks.
fn filled(options: Options) -> (Place, Database) {
    let place = Place::new();
    let db = place.open(options);
    for day in [28, 20, 10, 0] {
        for n in 0..20 {
            write_one(
                &db,
                &series("a"),
                START_MS - day * DAY_MS - n * 1000,
                n as f64,
            );
        }
        db.flush().expect("the disk works");
    }
    (place, db)
}

/// All that runs in the background.
fn upkeep(db: &Database) {
    db.flush().expect("the disk works");
    db.enforce_retention().expect("the disk works");
    db.compact().expect("the disk works");
    db.engine.forget_tombstones().expect("the disk works");
    db.engine.evict_idle_series().expect("the disk works");
}

#[test]
fn no_jump_of_the_clock_costs_a_sample() {
    let years = 3650 * DAY_MS;
    let times = [
        START_MS + HOUR_MS,
        START_MS + DAY_MS,
        START_MS + years,
        START_MS - HOUR_MS,
        START_MS - DAY_MS,
        START_MS - years,
        0,
        i64::MAX,
        i64::MIN,
    ];
    for time in times {
        let (place, db) = filled(Options::default());
        let expected = read_floats(&db);
        place.clock.set(time);
        for _ in 0..10 {
            upkeep(&db);
        }
        let reached = db.engine.retention_cut_ms();
        for (_, samples) in read_floats(&db) {
            let old = samples.iter().filter(|(time, _)| *time < reached);
            assert_eq!(old.count(), 0, "clock at {time}");
        }
        // A sender with the right time is refused at worst.
        let mut batch = WriteBatch::new();
        batch.push(series("b"), START_MS, 1.0);
        db.write(&batch).expect("the disk works");
        db.abandon();
        // Starting with that clock costs nothing either.
        let db = place.open(Options::default());
        upkeep(&db);
        place.clock.set(START_MS);
        let found = read_floats(&db);
        assert_eq!(found[0], expected[0], "clock at {time}");
        db.abandon();
        let db = place.open(Options::default());
        assert_eq!(
            read_floats(&db)[0],
            expected[0],
            "clock at {time}, opened again"
        );
    }
}

#[test]
fn a_clock_that_was_right_again_drops_what_is_really_old() {
    let (place, db) = filled(Options::default());
    place.clock.set(START_MS + 3650 * DAY_MS);
    upkeep(&db);
    assert_eq!(db.stats().partitions, 4);
    place.clock.set(START_MS + 5 * DAY_MS);
    write_one(&db, &series("a"), START_MS + 5 * DAY_MS, 1.0);
    upkeep(&db);
    assert_eq!(db.stats().partitions, 4, "28 days went, and one came");
}

#[test]
fn what_only_a_snapshot_has_is_not_counted_and_not_lost() {
    let (place, db) = filled(Options::default());
    let dir = db.snapshot(false).expect("the disk works");
    let (all, bytes) = (read_floats(&db), db.stats().parts_bytes);
    db.abandon();
    let options = Options {
        // Room for the logs and half of the parts.
        retention_bytes: Some(bytes / 2 + 40_000),
        ..Options::default()
    };
    let db = place.open(options);
    db.flush().expect("the disk works");
    let others = db.engine.wal.stats().bytes + db.engine.sink.registry_log.log_bytes();
    db.abandon();
    let options = Options {
        retention_bytes: Some(bytes / 2 + others),
        ..Options::default()
    };
    let db = place.open(options);
    db.enforce_retention().expect("the disk works");
    let left = db.stats();
    assert!(
        left.partitions < 4 && left.parts_bytes <= bytes / 2,
        "{left:?}"
    );
    db.enforce_retention().expect("the disk works");
    assert_eq!(
        db.stats().partitions,
        left.partitions,
        "the snapshot drives nothing out"
    );
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let fs = Arc::new(place.disk.process());
    let copy = Database::open_quiet(&dir, Options::default(), fs, clock).expect("it opens");
    assert_eq!(read_floats(&copy), all);
}
