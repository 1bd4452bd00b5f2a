//! Starts that do not wait for the active series, because the write-ahead log has nothing for them.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use chronoxide_format::log::{LogIdentity, LogKind, Payload};
use chronoxide_format::registry::KIND_ENTRIES;

use super::*;
use crate::{Error, FsFile};

/// Enough samples that the log's segment is not kept for what comes next.
const SAMPLES: i64 = 1000;

/// A place whose database was closed with three series in parts.
fn closed_place() -> Place {
    let place = Place::new();
    let db = place.open(Options::default());
    for name in ["a", "b", "c"] {
        let labels = series(name);
        let mut batch = WriteBatch::new();
        for n in 0..SAMPLES {
            batch.push(&labels, START_MS - SAMPLES + n, (n as f64).sqrt());
        }
        db.write(&batch).expect("the disk works");
    }
    db.close().expect("the disk works");
    place
}

/// A database whose series nobody has taken in yet.
fn open_waiting(place: &Place) -> Database {
    let fs = Arc::new(place.disk.process());
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    let progress = ReplayProgress::new();
    let engine = Engine::open(place.path(), Options::default(), fs, clock, &progress);
    Database {
        engine: Arc::new(engine.expect("it opens")),
        workers: Workers::default(),
    }
}

fn names(db: &Database) -> Vec<String> {
    let names = db.label_values("__name__", &[], TimeRange::ALL);
    names.expect("it can be read")
}

#[test]
fn reads_do_not_wait_for_the_active_series_and_writes_do() {
    let place = closed_place();
    let db = open_waiting(&place);
    assert_eq!(db.engine.registry.read_at_once().len(), 0, "it waits");
    let before = read_floats(&db);
    assert_eq!(before.len(), 3);
    assert_eq!(names(&db), ["a", "b", "c"]);

    let (done, written) = channel();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            write_one(&db, &series("b"), START_MS + 1, 2.0);
            write_one(&db, &series("d"), START_MS + 1, 3.0);
            done.send(()).expect("the test waits");
        });
        let early = written.recv_timeout(Duration::from_millis(100));
        let read = read_floats(&db);
        db.engine.take_series_in();
        assert_eq!(early, Err(RecvTimeoutError::Timeout));
        assert_eq!(read, before);
    });
    assert_eq!(db.stats().series, 4);
    assert_eq!(names(&db), ["a", "b", "c", "d"]);
    db.abandon();

    let again = place.open(Options::default());
    let found = read_floats(&again);
    assert_eq!(found[0], before[0]);
    assert_eq!(found[1].1[..SAMPLES as usize], before[1].1);
    assert_eq!(found[1].1[SAMPLES as usize..], [(START_MS + 1, 2.0)]);
    assert_eq!(found[3], (series("d"), vec![(START_MS + 1, 3.0)]));
}

#[test]
fn a_start_with_records_to_replay_has_its_series_at_once() {
    let place = closed_place();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS + 1, 2.0);
    db.abandon();
    let db = open_waiting(&place);
    assert_eq!(db.engine.registry.read_at_once().len(), 3);
    assert_eq!(read_floats(&db)[0].1.len() as i64, SAMPLES + 1);
    db.abandon();
}

#[test]
fn series_that_a_start_did_not_wait_for_go_when_they_are_idle() {
    let place = closed_place();
    let db = open_waiting(&place);
    db.engine.take_series_in();
    place.clock.set(START_MS + 2 * DAY_MS);
    write_one(&db, &series("b"), START_MS + 2 * DAY_MS, 2.0);
    assert_eq!(db.engine.evict_idle_series().expect("the disk works"), 2);
    assert_eq!(db.stats().series, 1);
    assert_eq!(names(&db), ["a", "b", "c"]);
}

#[test]
fn upkeep_that_comes_before_the_series_waits_for_them() {
    let place = closed_place();
    let db = open_waiting(&place);
    place.clock.set(START_MS + 2 * DAY_MS);
    let evicted = std::thread::scope(|scope| {
        let upkeep = scope.spawn(|| db.engine.evict_idle_series());
        let begun = Instant::now();
        while db.engine.files.try_lock().is_some() && begun.elapsed() < Duration::from_secs(20) {
            std::thread::yield_now();
        }
        db.engine.take_series_in();
        upkeep.join().expect("it does not panic")
    });
    // When they were seen last is known from then on.
    assert_eq!(evicted.expect("the disk works"), 0);
    assert_eq!(db.engine.evict_idle_series().expect("the disk works"), 3);
}

#[test]
fn a_registry_that_cannot_be_read_refuses_writes_and_not_reads() {
    let place = closed_place();
    let db = place.open(Options::default());
    let identity = LogIdentity {
        salt: db.engine.data_dir.header.log_salt,
        kind: LogKind::Registry,
        number: 1,
    };
    db.close().expect("the disk works");
    // Whole, by its checksum, and no list of series: the sid before the first.
    let mut record = Vec::new();
    let payload = Payload::new(KIND_ENTRIES, &[1, 0, 0]).expect("it is small");
    payload.frame(&identity, 4, 3, &mut record);
    let log = place.path().join(REGISTRY_DIR).join("00000001.log");
    let file: Box<dyn FsFile> = place.disk.open_append(&log).expect("it is there");
    file.append(&record).expect("the disk works");
    file.sync_all().expect("the disk works");

    let db = open_waiting(&place);
    let before = read_floats(&db);
    assert_eq!(before.len(), 3);
    db.engine.take_series_in();
    let mut batch = WriteBatch::new();
    let labels = series("a");
    batch.push(&labels, START_MS + 1, 2.0);
    let refused = db.write(&batch).expect_err("series may be missing");
    assert!(
        matches!(&refused, Error::Format { path, .. } if path.ends_with(REGISTRY_DIR)),
        "{refused}"
    );
    assert_eq!(read_floats(&db), before);
}
