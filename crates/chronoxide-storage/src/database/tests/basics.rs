//! One fact at a time.

use chronoxide_model::{MetricType, RejectReason};

use super::*;

#[test]
fn samples_are_read_back_from_head_parts_and_log() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS - 1000, 1.0);
    db.flush().unwrap();
    write_one(&db, &series("a"), START_MS, 2.0);
    write_one(&db, &series("b"), START_MS, 3.0);
    let expected = [
        (series("a"), vec![(START_MS - 1000, 1.0), (START_MS, 2.0)]),
        (series("b"), vec![(START_MS, 3.0)]),
    ];
    assert_eq!(read_floats(&db), expected);
    assert_eq!(db.stats().parts, 1);
    assert_eq!(db.stats().head_samples, 2);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db), expected);
    assert!(db.stats().replayed_samples >= 2);
    db.close().unwrap();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db), expected);
}

#[test]
fn parts_count_their_chunks() {
    let db = Place::new().open(Options::default());
    for name in ["a", "b", "c"] {
        write_one(&db, &series(name), START_MS, 1.0);
        write_one(&db, &series(name), START_MS + 1, 1.0);
    }
    assert_eq!(db.stats().parts_chunks, 0);
    db.flush().unwrap();
    let stats = db.stats();
    let found = (stats.parts, stats.parts_chunks, stats.parts_samples);
    assert_eq!(found, (1, 3, 6));
}

#[test]
fn a_start_tells_which_files_of_the_log_it_reads() {
    let place = Place::new();
    let progress = ReplayProgress::new();
    let open = || {
        let fs = Arc::new(place.disk.process());
        let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
        Engine::open(place.path(), Options::default(), fs, clock, &progress).unwrap()
    };
    // Each start begins a file.
    for value in [1.0, 2.0] {
        assert_eq!(progress.files(), None);
        let db = place.open(Options::default());
        write_one(&db, &series("a"), START_MS, value);
        db.abandon();
    }
    let numbers = |engine: Engine| {
        engine.close().unwrap();
        let files = progress.files().unwrap();
        (files.first, files.last, files.current)
    };
    assert_eq!(numbers(open()), (1, 2, 2));
}

#[test]
fn the_newest_write_wins_a_timestamp_wherever_it_is() {
    let place = Place::new();
    let db = place.open(Options::default());
    for value in [1.0, 2.0, 3.0] {
        write_one(&db, &series("a"), START_MS, value);
        db.flush().unwrap();
        assert_eq!(read_floats(&db)[0].1, [(START_MS, value)]);
    }
    write_one(&db, &series("a"), START_MS, 4.0);
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 4.0)]);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 4.0)]);
}

#[test]
fn of_one_timestamp_within_a_batch_the_last_counts() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS, 1.0);
    batch.push(series("b"), START_MS, 1.0);
    batch.push(series("a"), START_MS, 2.0);
    assert_eq!(db.write(&batch).unwrap().samples_accepted, 3);
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 2.0)]);
    db.flush().unwrap();
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 2.0)]);
}

#[test]
fn samples_outside_the_window_are_refused_by_name() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS - 31 * DAY_MS, 1.0);
    batch.push_sample(crate::Sample::new(START_MS, 2.0));
    batch.push_sample(crate::Sample::new(START_MS + 601_000, 3.0));
    let outcome = db.write(&batch).unwrap();
    assert_eq!((outcome.samples_accepted, outcome.samples_rejected), (1, 2));
    let [old, new] = &outcome.rejections[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(old.reason, RejectReason::TooOld);
    assert_eq!(new.reason, RejectReason::TooFarInFuture);
    assert_eq!(old.series, r#"a{job="test"}"#);
    assert!(
        old.detail.contains(&(START_MS - 31 * DAY_MS).to_string()),
        "{}",
        old.detail
    );
    assert!(
        new.detail.contains(&(START_MS + 601_000).to_string()),
        "{}",
        new.detail
    );
    let rejected = db.stats().samples_rejected_total;
    assert_eq!(
        rejected,
        [(RejectReason::TooOld, 1), (RejectReason::TooFarInFuture, 1)]
    );
    assert_eq!(read_floats(&db)[0].1, [(START_MS, 2.0)]);
}

#[test]
fn a_series_without_a_sample_in_the_window_is_not_made() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    batch.push(series("old"), START_MS - 31 * DAY_MS, 1.0);
    batch.push(series("new"), START_MS + DAY_MS, 1.0);
    batch.push(series("good"), START_MS, 1.0);
    let outcome = db.write(&batch).unwrap();
    assert_eq!((outcome.samples_accepted, outcome.samples_rejected), (1, 2));
    let refused = outcome.rejections.iter();
    let refused: Vec<_> = refused.map(|r| (r.series.as_str(), r.reason)).collect();
    let expected = [
        (r#"old{job="test"}"#, RejectReason::TooOld),
        (r#"new{job="test"}"#, RejectReason::TooFarInFuture),
    ];
    assert_eq!(refused, expected);
    assert_eq!((db.stats().series, db.stats().series_created_total), (1, 1));
}

#[test]
fn a_series_with_bad_labels_is_refused_and_the_others_stored() {
    let place = Place::new();
    let options = Options {
        labels_max: 2,
        ..Options::default()
    };
    let db = place.open(options);
    let mut batch = WriteBatch::new();
    batch.push(labels(&[("a", "1"), ("b", "2"), ("c", "3")]), START_MS, 1.0);
    batch.push(Labels::empty(), START_MS, 1.0);
    batch.push(series("good"), START_MS, 1.0);
    let outcome = db.write(&batch).unwrap();
    let reasons: Vec<_> = outcome
        .rejections
        .iter()
        .map(|rejection| rejection.reason)
        .collect();
    assert_eq!(
        reasons,
        [RejectReason::TooManyLabels, RejectReason::NoLabels]
    );
    assert_eq!(outcome.samples_accepted, 1);
    assert_eq!(read_floats(&db).len(), 1);
}

#[test]
fn beyond_the_series_limit_known_series_go_on() {
    let place = Place::new();
    let options = Options {
        series_max: 2,
        ..Options::default()
    };
    let db = place.open(options);
    let mut batch = WriteBatch::new();
    for name in ["a", "b", "c"] {
        batch.push(series(name), START_MS, 1.0);
    }
    let outcome = db.write(&batch).unwrap();
    assert_eq!(outcome.samples_accepted, 2);
    assert_eq!(outcome.rejections[0].reason, RejectReason::SeriesLimit);
    assert_eq!(outcome.rejections[0].series, r#"c{job="test"}"#);
    assert!(write_one(&db, &series("a"), START_MS + 1, 2.0).is_complete());
    assert!(!write_one(&db, &series("c"), START_MS + 1, 2.0).is_complete());
}

#[test]
fn metadata_survives_the_log_and_its_end() {
    let place = Place::new();
    let db = place.open(Options::default());
    let metadata = |help: &str| Metadata {
        metric_type: MetricType::Counter,
        help: help.to_owned(),
        unit: "s".to_owned(),
    };
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS, 1.0);
    batch.push_metadata("a", metadata("first"));
    db.write(&batch).unwrap();
    let mut batch = WriteBatch::new();
    batch.push_metadata("b", metadata("alone"));
    db.write(&batch).unwrap();
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(db.metadata_of("a"), Some(metadata("first")));
    db.flush().unwrap();
    db.close().unwrap();
    let db = place.open(Options::default());
    assert_eq!(db.metadata().len(), 2);
    assert_eq!(db.metadata_of("b"), Some(metadata("alone")));
}

#[test]
fn names_and_values_come_from_series_with_samples_in_range() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(
        &db,
        &labels(&[("__name__", "old"), ("x", "1")]),
        START_MS - 3 * DAY_MS,
        1.0,
    );
    db.flush().unwrap();
    write_one(
        &db,
        &labels(&[("__name__", "new"), ("y", "2")]),
        START_MS,
        1.0,
    );
    let recent = TimeRange::new(START_MS - DAY_MS, START_MS).unwrap();
    assert_eq!(
        db.label_names(&[], TimeRange::ALL).unwrap(),
        ["__name__", "x", "y"]
    );
    assert_eq!(db.label_names(&[], recent).unwrap(), ["__name__", "y"]);
    assert_eq!(
        db.label_values("__name__", &[], TimeRange::ALL).unwrap(),
        ["new", "old"]
    );
    assert_eq!(db.label_values("__name__", &[], recent).unwrap(), ["new"]);
    let only_x = [Matcher::equal("x", "1")];
    assert_eq!(
        db.label_values("__name__", &only_x, TimeRange::ALL)
            .unwrap(),
        ["old"]
    );
    assert!(
        db.label_values("__name__", &only_x, recent)
            .unwrap()
            .is_empty()
    );
    assert_eq!(db.series(&[], TimeRange::ALL).unwrap().len(), 2);
}

#[test]
fn a_selection_does_not_show_what_comes_later() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    let selection = Database::select(&db, &[], TimeRange::ALL).unwrap();
    write_one(&db, &series("a"), START_MS, 2.0);
    write_one(&db, &series("a"), START_MS + 1, 2.0);
    db.flush().unwrap();
    db.compact().unwrap();
    let read: Vec<_> = selection.into_iter().map(Result::unwrap).collect();
    assert_eq!(read.len(), 1);
    assert_eq!(
        read[0].samples().collect::<Vec<_>>(),
        [crate::Sample::new(START_MS, 1.0)]
    );
}

#[test]
fn a_damaged_part_is_set_aside_and_the_rest_served() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS - DAY_MS, 1.0);
    write_one(&db, &series("b"), START_MS, 2.0);
    db.close().unwrap();
    let parts = place.files(|path| path.ends_with(".part"));
    assert_eq!(parts.len(), 2);
    // Only the parts are to bring the samples back.
    for segment in place.files(|path| path.ends_with(".wal")) {
        place.disk.remove(&segment).unwrap();
    }
    place
        .disk
        .damage(&parts[0], |bytes| {
            let end = bytes.len() - 20;
            bytes[end] ^= 1;
        })
        .unwrap();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db), [(series("b"), vec![(START_MS, 2.0)])]);
    assert_eq!(db.stats().files_quarantined_total, 1);
    assert_eq!(place.files(|path| path.contains(".part.corrupt-")).len(), 1);
    db.close().unwrap();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db).len(), 1);
    assert_eq!(db.stats().files_quarantined_total, 0);
}

#[test]
fn an_unlisted_part_is_set_aside() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    db.close().unwrap();
    let part = place.files(|path| path.ends_with(".part")).remove(0);
    let stray = part.with_file_name("0-000099.part");
    let file = place.disk.create_new(&stray).unwrap();
    file.append(&place.disk.read(&part).unwrap()).unwrap();
    let unfinished = part.with_file_name("0-000100.part.tmp");
    place.disk.create_new(&unfinished).unwrap();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db).len(), 1);
    assert_eq!(db.stats().files_quarantined_total, 1);
    assert!(!place.disk.exists(&stray).unwrap());
    assert!(!place.disk.exists(&unfinished).unwrap());
    // New names stay clear of it.
    write_one(&db, &series("a"), START_MS + 1, 1.0);
    db.flush().unwrap();
    assert_eq!(place.files(|path| path.ends_with("0-000101.part")).len(), 1);
}

#[test]
fn a_directory_that_cannot_be_used_is_named() {
    let place = Place::new();
    let db = place.open(Options::default());
    assert!(matches!(
        place.try_open(Options::default()),
        Err(crate::Error::InUse { .. })
    ));
    db.close().unwrap();
    let format = place.path().join("FORMAT");
    place.disk.damage(&format, |bytes| bytes[8] = 99).unwrap();
    let error = place.try_open(Options::default()).unwrap_err();
    assert!(matches!(error, crate::Error::Format { .. }), "{error}");
    let bad = Options {
        series_max: 0,
        ..Options::default()
    };
    let error = place.try_open(bad).unwrap_err();
    assert!(error.to_string().contains("series_max"), "{error}");
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    let place = Place::new();
    let db = place.open(Options::default());
    write_one(&db, &series("a"), START_MS, 1.0);
    place.disk.set_capacity(1 << 20);
    let mut batch = WriteBatch::new();
    batch.push(series("a"), START_MS + 1, 2.0);
    let error = db.write(&batch).unwrap_err();
    assert!(
        matches!(error, crate::Error::DiskFull { .. }) && error.is_out_of_space(),
        "{error}"
    );
    assert!(db.stats().out_of_space);
    assert_eq!(read_floats(&db)[0].1.len(), 1);
    place.disk.set_capacity(u64::MAX);
    db.write(&batch).unwrap();
    assert_eq!(read_floats(&db)[0].1.len(), 2);
    assert_eq!(db.stats().writes_failed_total, 1);
}

#[test]
fn small_parts_are_merged() {
    let place = Place::new();
    let db = place.open(Options::default());
    for n in 0..20 {
        write_one(&db, &series("a"), START_MS + n, n as f64);
        db.flush().unwrap();
    }
    let before = read_floats(&db);
    assert_eq!(db.stats().parts, 20);
    db.compact().unwrap();
    assert!(db.stats().parts < 8, "{} parts", db.stats().parts);
    assert_eq!(read_floats(&db), before);
    assert_eq!(
        place.files(|path| path.ends_with(".part")).len() as u64,
        db.stats().parts
    );
    place.clock.advance(2 * DAY_MS);
    db.compact().unwrap();
    assert_eq!(db.stats().parts, 1);
    assert_eq!(read_floats(&db), before);
    db.close().unwrap();
    let db = place.open(Options::default());
    assert_eq!(read_floats(&db), before);
}

#[test]
fn retention_hides_samples_at_once_and_drops_partitions_later() {
    let place = Place::new();
    let options = Options {
        retention: std::time::Duration::from_secs(3 * 24 * 3600),
        ..Options::default()
    };
    let db = place.open(options.clone());
    for day in (0..3).rev() {
        write_one(&db, &series("a"), START_MS - day * DAY_MS, day as f64);
    }
    db.flush().unwrap();
    assert_eq!(db.stats().partitions, 3);
    place.clock.advance(DAY_MS + 1);
    assert_eq!(
        read_floats(&db)[0].1.len(),
        2,
        "the oldest sample is past retention by a millisecond"
    );
    assert_eq!(db.stats().partitions, 3, "its partition is not");
    for _ in 0..3 {
        write_one(&db, &series("a"), place.clock.now_ms(), 9.0);
        place.clock.advance(DAY_MS);
        db.flush().unwrap();
        db.enforce_retention().unwrap();
    }
    let days = |db: &Database| db.stats().partitions;
    assert_eq!(days(&db), 3);
    let listed = place.disk.list(&place.path().join("parts")).unwrap();
    assert_eq!(listed.len(), 3, "{listed:?}");
    db.close().unwrap();
    assert_eq!(days(&place.open(options)), 3);
}

#[test]
fn a_partition_that_could_not_be_dropped_is_dropped_later() {
    let place = Place::new();
    let options = Options {
        retention: std::time::Duration::from_secs(3 * 24 * 3600),
        ..Options::default()
    };
    let db = place.open(options);
    for day in [3, 2, 1, 0] {
        write_one(&db, &series("a"), START_MS - day * DAY_MS, day as f64);
    }
    place.clock.advance(DAY_MS);
    write_one(&db, &series("a"), place.clock.now_ms(), 9.0);
    db.flush().unwrap();
    let before = db.stats().partitions;
    let now = place.disk.operation_count();
    place.disk.fail_at(now, crate::SimFault::Io, true);
    db.enforce_retention().unwrap_err();
    assert_eq!(db.stats().partitions, before);
    assert_eq!(db.stats().partitions_dropped_total, 0);
    place.disk.clear_faults();
    db.enforce_retention().unwrap();
    assert_eq!(db.stats().partitions, before - 1);
    assert_eq!(db.stats().partitions_dropped_total, 1);
    let listed = place.disk.list(&place.path().join("parts")).unwrap();
    assert_eq!(listed.len() as u64, before - 1, "{listed:?}");
}

#[test]
fn a_clock_that_jumps_ahead_costs_no_data() {
    let place = Place::new();
    let db = place.open(Options::default());
    for day in (0..10).rev() {
        write_one(&db, &series("a"), START_MS - day * DAY_MS, day as f64);
    }
    db.flush().unwrap();
    let before = read_floats(&db);
    place.clock.advance(3650 * DAY_MS);
    db.enforce_retention().unwrap();
    db.compact().unwrap();
    assert!(read_floats(&db).is_empty());
    place.clock.set(START_MS);
    assert_eq!(read_floats(&db), before);
    place.clock.set(0);
    db.enforce_retention().unwrap();
    db.compact().unwrap();
    place.clock.set(START_MS);
    assert_eq!(read_floats(&db), before);
}

#[test]
fn idle_series_leave_the_registry_and_come_back() {
    let place = Place::new();
    let options = Options {
        series_max: 2,
        ..Options::default()
    };
    let db = place.open(options.clone());
    write_one(&db, &series("a"), START_MS, 1.0);
    write_one(&db, &series("b"), START_MS, 1.0);
    db.flush().unwrap();
    assert_eq!(
        db.engine.evict_idle_series().unwrap(),
        0,
        "they are not idle yet"
    );
    place.clock.advance(2 * 3600 * 1000);
    write_one(&db, &series("b"), START_MS + 1, 2.0);
    assert_eq!(db.engine.evict_idle_series().unwrap(), 1);
    assert_eq!(db.stats().series, 1);
    write_one(&db, &series("c"), START_MS + 2, 3.0);
    let expected = [
        (series("a"), vec![(START_MS, 1.0)]),
        (series("b"), vec![(START_MS, 1.0), (START_MS + 1, 2.0)]),
        (series("c"), vec![(START_MS + 2, 3.0)]),
    ];
    assert_eq!(read_floats(&db), expected);
    db.abandon();
    let db = place.open(options);
    assert_eq!(read_floats(&db), expected);
    assert_eq!(db.stats().series, 2);
}

/// Names and values in any order, `name=value` apart by semicolons, as no protocol sends them.
#[derive(Debug)]
struct Loose;

/// How often a [`Loose`] key was decoded.
static DECODED: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);

impl chronoxide_model::KeyEncoding for Loose {
    fn id(&self) -> u8 {
        200
    }

    fn decode(&self, key: &[u8]) -> Result<Labels, crate::LabelsError> {
        DECODED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let text = String::from_utf8_lossy(key);
        let pairs = text
            .split(';')
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Labels::from_pairs(pairs)
    }
}

#[test]
fn all_keys_of_one_label_set_lead_to_one_series() {
    let place = Place::new();
    let db = place.open(Options::default());
    let keys: [&[u8]; 2] = [b"__name__=a;job=test", b"job=test;__name__=a"];
    for round in 0..3 {
        let mut batch = WriteBatch::new();
        for (n, key) in (0..).zip(keys) {
            batch.start_series_borrowed(key, &Loose);
            batch.push_sample(crate::Sample::new(START_MS + 10 * round + n, 1.0));
        }
        batch.push(series("a"), START_MS + 10 * round + 5, 1.0);
        assert!(db.write(&batch).unwrap().is_complete());
    }
    assert_eq!(
        DECODED.load(std::sync::atomic::Ordering::Relaxed),
        2,
        "each key is decoded once"
    );
    assert_eq!(db.stats().series, 1);
    assert_eq!(db.stats().series_created_total, 1);
    let read = read_floats(&db);
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].1.len(), 9);
    let mut batch = WriteBatch::new();
    batch.start_series_borrowed(b"a=1;a=2", &Loose);
    batch.push_sample(crate::Sample::new(START_MS, 1.0));
    let outcome = db.write(&batch).unwrap();
    assert_eq!(
        outcome.rejections[0].reason,
        RejectReason::DuplicateLabelName
    );
    assert_eq!(outcome.rejections[0].series, "a=1;a=2");
}

#[test]
fn invalid_histograms_are_refused_and_stale_ones_kept() {
    let place = Place::new();
    let db = place.open(Options::default());
    let histogram = |sum: f64| crate::Histogram {
        counter_reset_hint: chronoxide_model::CounterResetHint::Unknown,
        schema: 3,
        zero_threshold: 0.0,
        sum,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: chronoxide_model::HistogramCounts::Integer(chronoxide_model::BucketCounts {
            positive: vec![7],
            ..Default::default()
        }),
        custom_bounds: Arc::default(),
    };
    let mut batch = WriteBatch::new();
    batch.start_series(&series("h"));
    batch.push_histogram(START_MS, 0, histogram(1.0));
    batch.push_histogram(START_MS + 1, 0, histogram(chronoxide_model::STALE_MARKER));
    let outcome = db.write(&batch).unwrap();
    assert_eq!(
        (outcome.histograms_accepted, outcome.samples_rejected),
        (1, 1)
    );
    assert_eq!(outcome.rejections[0].reason, RejectReason::InvalidHistogram);
    for _ in 0..2 {
        let selection = Database::select(&db, &[], TimeRange::ALL).unwrap();
        let read = selection.into_iter().next().unwrap().unwrap();
        assert_eq!(read.columns().histogram_timestamps_ms, [START_MS + 1]);
        assert!(read.columns().histograms[0].is_stale());
        db.flush().unwrap();
    }
}

#[test]
fn ids_of_evicted_series_are_used_again_and_not_mixed_up() {
    let place = Place::new();
    let db = place.open(Options::default());
    let mut expected = Vec::new();
    for generation in 0..6 {
        let mut batch = WriteBatch::new();
        let now_ms = place.clock.now_ms();
        for n in 0..400 {
            let labels = series(&format!("g{generation}_{n:03}"));
            let value = f64::from(generation * 1000 + n) / 7.0;
            batch.push(&labels, now_ms, value);
            expected.push((labels, vec![(now_ms, value)]));
        }
        db.write(&batch).unwrap();
        db.flush().unwrap();
        place.clock.advance(2 * 3600 * 1000);
        assert_eq!(db.engine.evict_idle_series().unwrap(), 400);
    }
    let ids = db.engine.registry.read().id_bound();
    assert!(ids <= 3 * 400, "{ids} ids for 400 series at a time");
    assert_eq!(read_floats(&db), expected);
    // What is in the log only has new series under old ids.
    let mut batch = WriteBatch::new();
    let now_ms = place.clock.now_ms();
    for n in 0..400 {
        let labels = series(&format!("h_{n:03}"));
        batch.push(&labels, now_ms, 1.0);
        expected.push((labels, vec![(now_ms, 1.0)]));
    }
    db.write(&batch).unwrap();
    assert_eq!(read_floats(&db), expected);
    for _ in 0..2 {
        place.disk.power_cut();
        let db = place.open(Options::default());
        assert_eq!(read_floats(&db), expected);
        assert!(db.engine.registry.read().id_bound() <= 3 * 400);
    }
}

#[test]
fn too_many_bytes_drop_the_oldest_days() {
    let place = Place::new();
    let options = Options {
        retention_bytes: Some(64 << 10),
        ..Options::default()
    };
    let db = place.open(options);
    let mut noise = 1_u64;
    for day in (0..10).rev() {
        let mut batch = WriteBatch::new();
        batch.start_series(&series("a"));
        for n in 0..1500 {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            batch.push_sample(crate::Sample::new(
                START_MS - day * DAY_MS + n,
                f64::from_bits(noise >> 2),
            ));
        }
        db.write(&batch).unwrap();
        db.flush().unwrap();
    }
    assert_eq!(db.stats().partitions, 10);
    db.enforce_retention().unwrap();
    let stats = db.stats();
    assert!((1..8).contains(&stats.partitions), "{stats:?}");
    assert!(stats.parts_bytes <= 64 << 10, "{stats:?}");
    assert_eq!(stats.newest_sample_ms, Some(START_MS + 1499));
}
