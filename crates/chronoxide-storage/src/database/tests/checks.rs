//! What `check` says of good and of damaged directories.

use super::*;
use crate::check::CheckReport;

fn check(place: &Place) -> CheckReport {
    crate::check::check(place.path(), Arc::new(place.disk.clone())).expect("it can be checked")
}

/// A directory with parts of two days, a log and a registry.
fn filled() -> Place {
    let place = Place::new();
    let db = place.open(Options::default());
    for n in 0..50 {
        let name = format!("m{}", n % 5);
        write_one(
            &db,
            &series(&name),
            START_MS - (n % 2) * DAY_MS - n * 1000,
            n as f64,
        );
    }
    db.flush().expect("the disk works");
    let mut batch = WriteBatch::new();
    batch.push(series("m0"), START_MS, 1.0);
    batch.push(series("new"), START_MS, 1.0);
    batch.push_metadata("m0", Metadata::default());
    db.write(&batch).expect("the disk works");
    db.abandon();
    place
}

#[test]
fn a_good_directory_has_no_findings_and_is_not_changed() {
    let place = filled();
    let content = |place: &Place| {
        let files = place.files(|_| true);
        let read = |path: &PathBuf| place.disk.read(path).expect("it can be read");
        files
            .iter()
            .map(|path| (path.clone(), read(path)))
            .collect::<Vec<_>>()
    };
    let before = content(&place);
    let report = check(&place);
    assert_eq!(report.findings, []);
    assert_eq!(
        (report.partitions, report.parts, report.parts_samples),
        (2, 2, 50)
    );
    assert_eq!((report.series, report.registered_series), (5, 6));
    assert!(
        report.wal_samples >= 2 && report.wal_records >= 1,
        "{report:?}"
    );
    assert!(report.bytes_per_sample() > 0.0);
    assert_eq!(content(&place), before);
}

#[test]
fn a_check_tells_of_each_part_of_codings_and_how_far_it_is() {
    let place = filled();
    let mut steps = Vec::new();
    let report = crate::check::check_with(place.path(), Arc::new(place.disk.clone()), |progress| {
        steps.push((progress.parts, progress.parts_total));
        assert!(progress.bytes <= progress.bytes_total);
    })
    .expect("it can be checked");
    assert_eq!(steps, [(1, 2), (2, 2)]);
    let sum = |field: fn(&crate::check::CheckedPart) -> u64| -> u64 {
        report.checked_parts.iter().map(field).sum()
    };
    assert_eq!(sum(|part| part.samples), report.parts_samples);
    assert_eq!(sum(|part| part.bytes), report.parts_bytes);
    assert!(report.checked_parts.iter().all(|part| part.findings == 0));
    let chunks: u64 = report.codings.values().map(|share| share.chunks).sum();
    assert_eq!(chunks, sum(|part| part.series), "one chunk for each series");
    assert!(
        !report.codings.contains_key("unknown"),
        "{:?}",
        report.codings
    );
}

#[test]
fn a_directory_in_use_or_of_something_else_is_not_checked() {
    let place = Place::new();
    place.disk.create_dir_all(place.path()).unwrap();
    let disk = || Arc::new(place.disk.clone());
    let foreign = crate::check::check(place.path(), disk());
    assert!(matches!(
        foreign,
        Err(crate::Error::ForeignDirectory { .. })
    ));
    let db = place.open(Options::default());
    let used = crate::check::check(place.path(), disk());
    assert!(matches!(used, Err(crate::Error::InUse { .. })));
    db.close().unwrap();
    assert!(check(&place).is_clean());
}

#[test]
fn any_changed_byte_of_a_part_is_found() {
    let place = filled();
    let part = place.files(|path| path.ends_with(EXTENSION)).remove(0);
    let good = place.disk.read(&part).unwrap();
    for at in 0..good.len() {
        place.disk.damage(&part, |bytes| bytes[at] ^= 0x10).unwrap();
        let report = check(&place);
        assert!(!report.is_clean(), "byte {at} of {}", good.len());
        assert!(
            report.findings.iter().all(|finding| finding.path == part),
            "{:?}",
            report.findings
        );
        place.disk.damage(&part, |bytes| bytes[at] ^= 0x10).unwrap();
    }
    assert!(check(&place).is_clean());
}

#[test]
fn missing_cut_and_unlisted_parts_are_found() {
    let place = filled();
    let part = place.files(|path| path.ends_with(EXTENSION)).remove(0);
    let good = place.disk.read(&part).unwrap();
    let stray = part.with_file_name("0-000077.part");
    place
        .disk
        .create_new(&stray)
        .unwrap()
        .append(&good)
        .unwrap();
    assert_eq!(check(&place).findings[0].path, stray);
    place.disk.remove(&stray).unwrap();
    place
        .disk
        .damage(&part, |bytes| bytes.truncate(good.len() - 1))
        .unwrap();
    assert!(!check(&place).is_clean());
    place.disk.remove(&part).unwrap();
    let report = check(&place);
    assert!(
        report.findings[0].to_string().contains("part"),
        "{:?}",
        report.findings
    );
    assert_eq!(report.parts, 1);
}

const EXTENSION: &str = ".part";

#[test]
fn damage_to_what_is_kept_beside_the_logs_is_found() {
    let filled = || {
        let place = Place::new();
        let db = place.open(Options::default());
        let mut batch = WriteBatch::new();
        batch.push(series("a"), START_MS, 1.0);
        for n in 0..3 {
            batch.push_exemplar(crate::Exemplar {
                labels: labels(&[("trace_id", &n.to_string())]),
                timestamp_ms: START_MS,
                value: 1.0,
            });
        }
        batch.push_metadata("a", Metadata::default());
        db.write(&batch).expect("the disk works");
        let deleted = db.delete_series(&[vec![Matcher::equal("__name__", "b")]], TimeRange::ALL);
        deleted.expect("the disk works");
        db.flush().expect("the disk works");
        db.put_state(b"state").expect("the disk works");
        db.abandon();
        place
    };
    let report = check(&filled());
    assert_eq!(report.findings, []);
    assert_eq!((report.exemplars, report.tombstones), (3, 1));
    for name in ["METADATA", "EXEMPLARS", "TOMBSTONES", "STATE"] {
        let path = filled().path().join(name);
        let len = filled().disk.read(&path).expect("it is there").len();
        for at in 0..len {
            let place = filled();
            let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (at % 8);
            place.disk.damage(&path, flip).expect("it is there");
            let findings = check(&place).findings;
            assert_eq!(findings.len(), 1, "byte {at} of {name}: {findings:?}");
        }
    }
}
