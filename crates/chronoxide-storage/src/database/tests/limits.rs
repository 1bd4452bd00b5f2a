//! The limit of active series, and what is told of it.

use chronoxide_model::RejectReason;

use super::*;

fn request(user: usize) -> Labels {
    let user = format!("user-{user:04}");
    labels(&[("__name__", "requests"), ("job", "shop"), ("user", &user)])
}

fn batch_of(series: impl IntoIterator<Item = Labels>, timestamp_ms: i64) -> WriteBatch<'static> {
    let mut batch = WriteBatch::new();
    for labels in series {
        batch.push(labels, timestamp_ms, 1.0);
    }
    batch
}

/// Known series and many new ones in one batch, again and again.
fn overload(db: &Database, clock: &ManualClock) {
    let known = || (0..3).map(|n| series(&format!("known_{n}")));
    db.write(&batch_of(known(), START_MS)).unwrap();
    for round in 1..=5 {
        clock.advance(15_000);
        let timestamp_ms = START_MS + round * 15_000;
        let outcome = db
            .write(&batch_of(
                known().chain((0..200).map(request)),
                timestamp_ms,
            ))
            .unwrap();
        assert!(outcome.samples_accepted >= 3, "{outcome:?}");
        assert_eq!(outcome.samples_accepted + outcome.samples_rejected, 203);
        assert_eq!(outcome.rejections[0].reason, RejectReason::SeriesLimit);
    }
    for series in read_floats(db)
        .iter()
        .filter(|(labels, _)| labels.get("user").is_none())
    {
        assert_eq!(series.1.len(), 6, "{} goes on", series.0);
    }
}

#[test]
fn beyond_the_limit_of_series_known_ones_go_on_and_the_culprit_is_named() {
    let place = Place::new();
    let db = place.open(Options {
        series_max: 100,
        ..Options::default()
    });
    overload(&db, &place.clock);
    assert_eq!(db.stats().series, 100);
    let counts = db.cardinality(2);
    assert_eq!(counts.series, 100);
    assert_eq!(counts.series_by_metric[0], ("requests".to_owned(), 97));
    assert_eq!(counts.values_by_label[0], ("user".to_owned(), 97));
    assert_eq!(counts.series_created_last_hour, 100);
    let [refused] = &db.stats().series_rejected_total[..] else {
        panic!("one metric was refused");
    };
    assert_eq!(refused.metric, "requests");
    assert_eq!(refused.label, "user");
    assert_eq!(refused.total, 5 * 103);
    assert_eq!(counts.series_rejected, std::slice::from_ref(refused));
}

#[test]
fn beyond_the_memory_of_series_known_ones_go_on() {
    let place = Place::new();
    let db = place.open(Options {
        series_bytes_max: Some(20_000),
        ..Options::default()
    });
    overload(&db, &place.clock);
    let stats = db.stats();
    assert!((10..203).contains(&stats.series), "{}", stats.series);
    assert!(stats.registry_bytes < 60_000, "{}", stats.registry_bytes);
    let text = db
        .write(&batch_of([series("one more")], START_MS))
        .unwrap()
        .rejections[0]
        .detail
        .clone();
    assert!(
        text.contains("bytes of memory and the limit is 20000"),
        "{text}"
    );
}

#[test]
fn counts_of_series_follow_eviction_and_survive_a_restart() {
    let place = Place::new();
    let db = place.open(Options::default());
    db.write(&batch_of((0..50).map(request), START_MS)).unwrap();
    db.flush().unwrap();
    place.clock.advance(2 * 3600 * 1000);
    let now_ms = START_MS + 2 * 3600 * 1000;
    db.write(&batch_of((0..10).map(request), now_ms)).unwrap();
    db.flush().unwrap();
    assert_eq!(db.engine.evict_idle_series().unwrap(), 40);
    let check = |db: &Database| {
        let counts = db.cardinality(5);
        assert_eq!(counts.series_by_metric, [("requests".to_owned(), 10)]);
        assert_eq!(counts.values_by_label[0], ("user".to_owned(), 10));
        assert_eq!(counts.label_pairs, 12);
        assert_eq!(counts.series_created_last_hour, 0);
    };
    check(&db);
    db.abandon();
    check(&place.open(Options::default()));
}

#[test]
fn a_long_log_is_flushed_though_the_head_is_small() {
    let place = Place::new();
    let options = Options {
        wal_bytes_max: 96 << 10,
        ..Options::default()
    };
    let bound = options.wal_bytes_max + options.wal_bytes_max / 3;
    let db = place.open(options);
    // One sample a record takes far more of the log than of the head.
    for n in 0..5000 {
        write_one(&db, &series("a"), START_MS + n, n as f64);
        if !db.engine.sink.catalog.snapshot().frozen.is_empty() {
            db.engine.flush_frozen().unwrap();
        }
        assert!(db.stats().wal_bytes <= bound, "after {n}: {:?}", db.stats());
    }
    assert!(db.stats().flushes.total >= 5, "{:?}", db.stats());
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db)[0].1.len(), 5000);
    assert!(db.stats().replayed_samples < 2500);
}

/// Writes `writes` batches without a sample, with as small a log as there can be, and checks that it stays small.
fn write_without_samples(write: impl Fn(&Database, i64)) -> Place {
    let place = Place::new();
    let options = Options {
        wal_bytes_max: 96 << 10,
        ..Options::default()
    };
    let bound = options.wal_bytes_max + options.wal_bytes_max / 3;
    let db = place.open(options);
    let mut most = 0;
    for n in 0..WRITES_WITHOUT_SAMPLES {
        write(&db, n);
        if !db.engine.sink.catalog.snapshot().frozen.is_empty() {
            db.engine.flush_frozen().unwrap();
        }
        most = most.max(db.stats().wal_bytes);
    }
    assert!(most <= bound, "{most} bytes of log");
    assert!(db.stats().flushes.total >= 5, "{:?}", db.stats());
    assert_eq!(db.stats().parts, 0, "there is nothing to put in one");
    db.abandon();
    place
}

const WRITES_WITHOUT_SAMPLES: i64 = 3000;

#[test]
fn exemplars_alone_are_flushed_before_the_log_grows() {
    let place = write_without_samples(|db, n| {
        let mut batch = WriteBatch::new();
        batch.start_series(&request(n as usize % 100));
        batch.push_exemplar(crate::Exemplar {
            labels: labels(&[("trace_id", &format!("{n:032x}"))]),
            timestamp_ms: START_MS - n,
            value: n as f64,
        });
        let outcome = db.write(&batch).unwrap();
        assert_eq!(outcome.exemplars_accepted, 1);
    });
    let db = place.open(Options::default());
    assert_eq!(db.stats().exemplars, WRITES_WITHOUT_SAMPLES as u64);
}

#[test]
fn metadata_alone_is_flushed_before_the_log_grows() {
    let help = |n| format!("As of write {n}: {}", "what it counts, ".repeat(5));
    let place = write_without_samples(|db, n| {
        let mut batch = WriteBatch::new();
        let metadata = Metadata {
            help: help(n),
            ..Metadata::default()
        };
        batch.push_metadata(format!("metric_{}", n % 10), metadata);
        db.write(&batch).unwrap();
    });
    let db = place.open(Options::default());
    for n in 0..10 {
        let found = db.metadata_of(&format!("metric_{n}")).expect("it is known");
        assert_eq!(found.help, help(WRITES_WITHOUT_SAMPLES - 10 + n));
    }
}

#[test]
fn state_alone_is_flushed_before_the_log_grows() {
    let place = write_without_samples(|db, n| {
        let mut batch = WriteBatch::new();
        batch.push_state(n.to_le_bytes().repeat(10));
        db.write(&batch).unwrap();
    });
    let saved = place.open(Options::default()).take_state();
    assert_eq!(saved.changes.len() as i64, WRITES_WITHOUT_SAMPLES);
}
