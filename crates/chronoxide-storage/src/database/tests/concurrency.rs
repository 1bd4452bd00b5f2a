//! Many threads at once, with the database's own threads running.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

/// How many batches each writer writes, and the series of each batch.
const BATCHES: u64 = 300;
const SERIES: u64 = 20;
const WRITERS: u64 = 3;

fn options() -> Options {
    Options {
        head_bytes_min: 16 << 10,
        head_bytes_max: 64 << 10,
        free_bytes_min: 0,
        ..Options::default()
    }
}

/// Writer `writer` writes batch after batch; the value of a sample is the number of its batch.
fn write(db: &Database, writer: u64, acknowledged: &AtomicU64) {
    for n in 0..BATCHES {
        let mut batch = WriteBatch::new();
        for series_number in 0..SERIES {
            let name = format!("w{writer}");
            let number = series_number.to_string();
            let labels = labels(&[("__name__", &name), ("n", &number)]);
            batch.push(labels, START_MS + n as i64, n as f64);
        }
        let outcome = db.write(&batch).expect("the disk works");
        assert_eq!(outcome.samples_accepted, SERIES);
        acknowledged.store(n + 1, Ordering::Release);
    }
}

/// Reads a writer's series until all is over: what was acknowledged before is there, batches are seen as a whole.
fn read(db: &Database, writer: u64, acknowledged: &AtomicU64, is_over: &AtomicBool) {
    let matchers = [Matcher::equal("__name__", format!("w{writer}"))];
    while !is_over.load(Ordering::Acquire) {
        let at_least = acknowledged.load(Ordering::Acquire);
        let selection = Database::select(db, &matchers, TimeRange::ALL).expect("it can be read");
        let mut lengths = Vec::new();
        for series in selection {
            let series = series.expect("it can be read");
            for (n, sample) in series.samples().enumerate() {
                assert_eq!(sample, crate::Sample::new(START_MS + n as i64, n as f64));
            }
            lengths.push(series.samples().len() as u64);
        }
        assert!(
            lengths.iter().all(|len| *len >= at_least),
            "{lengths:?}, but {at_least} are acknowledged"
        );
        assert!(
            lengths.windows(2).all(|pair| pair[0] == pair[1]),
            "half a batch is seen: {lengths:?}"
        );
        assert!(lengths.is_empty() || lengths.len() as u64 == SERIES);
    }
}

#[test]
fn writers_and_readers_meet_flushes_and_merges() {
    let dir = tempfile::tempdir().expect("there is room");
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(START_MS));
    let open = || {
        let fs = Arc::new(RealFs);
        Database::open_with(dir.path(), options(), fs, Arc::clone(&clock)).expect("it opens")
    };
    let db = open();
    let acknowledged: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for (writer, acknowledged) in (0..).zip(&acknowledged) {
            let (db, is_over) = (&db, &is_over);
            scope.spawn(move || read(db, writer, acknowledged, is_over));
        }
        let writers: Vec<_> = (0..)
            .zip(&acknowledged)
            .map(|(writer, acknowledged)| {
                let db = &db;
                scope.spawn(move || write(db, writer, acknowledged))
            })
            .collect();
        let all_wrote = writers.into_iter().all(|writer| writer.join().is_ok());
        is_over.store(true, Ordering::Release);
        assert!(all_wrote);
    });
    let stats = db.stats();
    assert!(
        stats.flushes.total > 0 && stats.flushes.failures_total == 0,
        "{stats:?}"
    );
    assert_eq!(stats.samples_accepted_total, BATCHES * SERIES * WRITERS);
    let before = read_floats(&db);
    assert_eq!(before.len() as u64, SERIES * WRITERS);
    assert!(
        before
            .iter()
            .all(|(_, samples)| samples.len() as u64 == BATCHES)
    );
    db.close().expect("the disk works");
    assert_eq!(read_floats(&open()), before);
    assert!(
        crate::check::check(dir.path(), Arc::new(RealFs))
            .expect("it can be checked")
            .is_clean()
    );
}

#[test]
fn batches_share_the_disk_in_the_order_of_their_places() {
    let place = Place::new();
    let db = place.open(Options::default());
    let batch_of = |value: f64| {
        let mut batch = WriteBatch::new();
        batch.push(series("a"), START_MS, value);
        batch
    };
    // The second is written once the first has its place, whether or not the first is on the disk by then.
    std::thread::scope(|scope| {
        let (placed, is_placed) = std::sync::mpsc::channel();
        let first = scope.spawn({
            let db = &db;
            move || db.write_placed(&batch_of(1.0), || placed.send(()).unwrap())
        });
        is_placed.recv().unwrap();
        db.write(&batch_of(2.0)).unwrap();
        first.join().unwrap().unwrap();
    });
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 2.0)]);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 2.0)]);
}
