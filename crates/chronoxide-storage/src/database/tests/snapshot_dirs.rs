//! Snapshots: the same data, sound on their own, and whole or not there.

use super::*;
use crate::SimFault;

/// A database with parts of two days, a deletion, an exemplar, metadata, and samples in memory.
fn filled() -> (Place, Database) {
    let place = Place::new();
    let db = place.open(Options::default());
    for n in 0..20 {
        let time = START_MS - (n % 2) * DAY_MS - n * 1000;
        write_one(&db, &series(&format!("m{}", n % 4)), time, n as f64);
    }
    db.flush().expect("the disk works");
    let deleted = db.delete_series(&[vec![Matcher::equal("__name__", "m3")]], TimeRange::ALL);
    deleted.expect("the disk works");
    let mut batch = WriteBatch::new();
    batch.push(series("m0"), START_MS, 100.0);
    batch.push_exemplar(crate::Exemplar {
        labels: labels(&[("trace_id", "1")]),
        timestamp_ms: START_MS,
        value: 1.0,
    });
    batch.push_metadata("m0", Metadata::default());
    db.write(&batch).expect("the disk works");
    (place, db)
}

/// All that can be read of a database.
fn content(db: &Database) -> (Floats, Vec<SeriesExemplars>, Vec<(String, Metadata)>) {
    let exemplars = db.exemplars(&[Vec::new()], TimeRange::ALL);
    (
        read_floats(db),
        exemplars.expect("they can be read"),
        db.metadata(),
    )
}

fn open_at(place: &Place, dir: &Path) -> Result<Database> {
    let clock = Arc::clone(&place.clock) as Arc<dyn Clock>;
    Database::open_quiet(
        dir,
        Options::default(),
        Arc::new(place.disk.process()),
        clock,
    )
}

#[test]
fn a_snapshot_is_a_database_with_the_same_content() {
    let (place, db) = filled();
    let expected = content(&db);
    assert_eq!(
        (expected.0.len(), expected.1.len(), expected.2.len()),
        (3, 1, 1)
    );
    let dir = db.snapshot(false).unwrap();
    let report = crate::check::check(&dir, Arc::new(place.disk.clone())).unwrap();
    assert_eq!(report.findings, []);
    assert!(report.parts >= 3, "{report:?}");
    let copy = open_at(&place, &dir).unwrap();
    assert_eq!(content(&copy), expected);
    // They go on independently of one another.
    write_one(&copy, &series("only in the copy"), START_MS, 1.0);
    write_one(&db, &series("only here"), START_MS, 1.0);
    copy.clean_tombstones().unwrap();
    copy.compact().unwrap();
    copy.close().unwrap();
    assert_eq!(read_floats(&db).len(), 4);
    assert_eq!(read_floats(&open_at(&place, &dir).unwrap()).len(), 4);
    db.abandon();
    let db = place.open(Options::default());
    assert_eq!(
        read_floats(&db).len(),
        4,
        "nothing of a snapshot is taken for data"
    );
}

#[test]
fn without_the_head_a_snapshot_has_what_is_in_parts() {
    let (place, db) = filled();
    let dir = db.snapshot(true).unwrap();
    // The sample in memory takes the place of one in a part.
    let newest = |db: &Database| read_floats(db)[0].1.last().copied();
    assert_eq!(newest(&db), Some((START_MS, 100.0)));
    let copy = open_at(&place, &dir).unwrap();
    assert_eq!(newest(&copy), Some((START_MS, 0.0)));
}

#[test]
fn a_snapshot_outlives_what_the_database_drops() {
    let (place, db) = filled();
    let dir = db.snapshot(false).unwrap();
    let before = content(&db);
    db.clean_tombstones().unwrap();
    db.compact().unwrap();
    db.delete_series(&[Vec::new()], TimeRange::ALL).unwrap();
    db.clean_tombstones().unwrap();
    assert_eq!(db.stats().parts, 0);
    assert_eq!(content(&open_at(&place, &dir).unwrap()), before);
}

#[test]
fn snapshots_are_listed_by_time_and_deleted_by_name() {
    let (place, db) = filled();
    assert!(db.list_snapshots().unwrap().is_empty());
    let mut names = Vec::new();
    for _ in 0..3 {
        let dir = db.snapshot(true).unwrap();
        names.push(dir.file_name().unwrap().to_string_lossy().into_owned());
        place.clock.advance(60_000);
    }
    assert!(names[0].starts_with("20231114T221320Z-"), "{names:?}");
    assert!(names[2].starts_with("20231114T221520Z-"), "{names:?}");
    assert_eq!(db.list_snapshots().unwrap(), names);
    db.delete_snapshot(&names[1]).unwrap();
    assert_eq!(
        db.list_snapshots().unwrap(),
        [names[0].clone(), names[2].clone()]
    );
    let left = place.files(|path| path.contains(&names[1]));
    assert!(left.is_empty(), "{left:?}");
    let parts_before = read_floats(&db);
    for bad in [&*names[1], "..", "", "../parts", "."] {
        let error = db.delete_snapshot(bad).unwrap_err();
        assert!(
            matches!(error, crate::Error::InvalidArgument { .. }),
            "{bad}: {error}"
        );
    }
    assert_eq!(read_floats(&db), parts_before);
}

#[test]
fn a_snapshot_that_is_open_is_not_deleted() {
    let (place, db) = filled();
    let dir = db.snapshot(true).unwrap();
    let name = db.list_snapshots().unwrap().remove(0);
    let open = open_at(&place, &dir).unwrap();
    let error = db.delete_snapshot(&name).unwrap_err();
    assert!(matches!(error, crate::Error::InUse { .. }), "{error}");
    open.close().unwrap();
    db.delete_snapshot(&name).unwrap();
}

#[test]
fn parts_in_a_snapshot_take_no_room_of_their_own() {
    let (place, db) = filled();
    db.flush().unwrap();
    let free = || place.disk.free_space(place.path()).unwrap();
    let before = free();
    db.snapshot(true).unwrap();
    let parts = db.stats().parts_bytes;
    assert!(before - free() < parts, "{} of {parts}", before - free());
}

/// What a snapshot has when it was made while operation `at` went wrong, and everything else.
fn interrupted(at: u64, go_wrong: impl FnOnce(&SimFs, u64)) -> (Place, Option<u64>) {
    let (place, db) = filled();
    let begin = place.disk.operation_count();
    go_wrong(&place.disk, begin + at);
    let made = db.snapshot(false);
    let is_over = made.is_ok();
    let operations = place.disk.operation_count() - begin;
    place.disk.clear_faults();
    if !place.disk.is_off() {
        if !is_over {
            assert!(
                db.list_snapshots().unwrap().is_empty(),
                "a failed one is left at {at}"
            );
        }
        place.disk.kill_process();
    }
    drop(db);
    place.disk.power_cut();
    (place, is_over.then_some(operations))
}

/// Every snapshot there is must be whole, and the database as it was.
fn check(place: &Place, what: &str) -> usize {
    let expected = content(&filled().1);
    let db = place.open(Options::default());
    assert_eq!(content(&db), expected, "{what}");
    let names = db.list_snapshots().expect("it can be listed");
    for name in &names {
        let dir = place.path().join("snapshots").join(name);
        let report = crate::check::check(&dir, Arc::new(place.disk.clone()));
        let report = report.unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(report.findings, [], "{what}");
        let copy = open_at(place, &dir).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        assert_eq!(content(&copy), expected, "{what}");
    }
    let unfinished = place.files(|path| path.contains("/snapshots/") && path.contains(".tmp"));
    assert!(unfinished.is_empty(), "{what}: {unfinished:?}");
    names.len()
}

#[test]
fn a_power_cut_leaves_whole_snapshots_only() {
    let (_, operations) = interrupted(u64::MAX / 2, |_, _| {});
    let operations = operations.expect("nothing went wrong");
    for at in 0..operations {
        let (place, _) = interrupted(at, SimFs::cut_power_at);
        check(
            &place,
            &format!("power cut at operation {at} of {operations}"),
        );
    }
    let (place, _) = interrupted(u64::MAX / 2, |_, _| {});
    assert_eq!(check(&place, "a power cut after the snapshot"), 1);
}

#[test]
fn a_failed_snapshot_leaves_nothing_behind() {
    let operations = interrupted(u64::MAX / 2, |_, _| {})
        .1
        .expect("nothing went wrong");
    for fault in [SimFault::Io, SimFault::NoSpace, SimFault::ShortWrite] {
        for at in 0..operations {
            let (place, made) = interrupted(at, |disk, at| disk.fail_at(at, fault, false));
            let found = check(
                &place,
                &format!("{fault:?} at operation {at} of {operations}"),
            );
            assert_eq!(found, usize::from(made.is_some()), "{fault:?} at {at}");
        }
    }
}
