//! Damage to any file: an error or less data, never other data and never a panic.

use std::collections::BTreeMap;

use super::*;

const SERIES: u32 = 4;
const SAMPLES: i64 = 12;

/// The one value of the series that comes last.
const LATE: f64 = 7.5;

fn value_of(series_number: u32, n: i64) -> f64 {
    f64::from(series_number) * 100.0 + n as f64 / 3.0
}

fn exemplar(n: i64) -> crate::Exemplar {
    crate::Exemplar {
        labels: labels(&[("trace_id", &n.to_string())]),
        timestamp_ms: START_MS - n,
        value: value_of(0, n),
    }
}

fn fill() -> Place {
    let place = Place::with_seed(3);
    let db = place.open(Options::default());
    for n in 0..SAMPLES {
        let mut batch = WriteBatch::new();
        for series_number in 0..SERIES {
            let time = START_MS - (n % 2) * DAY_MS - n * 1000;
            batch.push(
                series(&format!("m{series_number}")),
                time,
                value_of(series_number, n),
            );
        }
        batch.push_exemplar(exemplar(n));
        batch.push_metadata(format!("m{n}"), Metadata::default());
        db.write(&batch).expect("the disk works");
        if n == SAMPLES / 2 {
            let selector = vec![Matcher::equal("__name__", "b")];
            let deleted = db.delete_series(&[selector], TimeRange::ALL);
            deleted.expect("the disk works");
            db.flush().expect("the disk works");
        }
    }
    db.put_state(b"state").expect("the disk works");
    db.engine.checkpoint_registry().expect("the disk works");
    // One that only the log of the registry knows.
    write_one(&db, &series("late"), START_MS, LATE);
    db.abandon();
    place
}

/// Reads what can be read of a damaged directory and checks that it is among what was written.
fn check(place: &Place, what: &str) -> usize {
    let db = match place.try_open(Options::default()) {
        Ok(db) => db,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return 0;
        }
    };
    let mut allowed = BTreeMap::new();
    for (series_number, n) in (0..SERIES).flat_map(|s| (0..SAMPLES).map(move |n| (s, n))) {
        let time = START_MS - (n % 2) * DAY_MS - n * 1000;
        allowed.insert(
            (series(&format!("m{series_number}")), time),
            value_of(series_number, n),
        );
    }
    allowed.insert((series("late"), START_MS), LATE);
    let selection = match Database::select(&db, &[], TimeRange::ALL) {
        Ok(selection) => selection,
        Err(error) => {
            assert!(
                matches!(error, crate::Error::Format { .. }),
                "{what}: {error}"
            );
            return 0;
        }
    };
    let mut read = 0;
    for series in selection {
        let Ok(series) = series else {
            continue;
        };
        for sample in series.samples() {
            let written = allowed.get(&(series.labels().clone(), sample.timestamp_ms));
            assert_eq!(written, Some(&sample.value), "{what}: {}", series.labels());
            read += 1;
        }
    }
    let exemplars = db.exemplars(&[Vec::new()], TimeRange::ALL);
    for found in exemplars.expect("they are in memory") {
        assert_eq!(found.labels, series("m3"), "{what}");
        let written = |found: &crate::Exemplar| (0..SAMPLES).any(|n| exemplar(n) == *found);
        assert!(found.exemplars.iter().all(written), "{what}: {found:?}");
    }
    // It can be written to and opened again.
    write_one(&db, &series("new"), START_MS, 1.0);
    db.close()
        .unwrap_or_else(|error| panic!("{what}: {error:?}"));
    let again = place.open(Options::default());
    let new = Database::select(&again, &[Matcher::equal("__name__", "new")], TimeRange::ALL);
    assert_eq!(
        new.map_or(0, |selection| selection.into_iter().count()),
        1,
        "{what}"
    );
    read
}

/// Two acknowledged samples in the write-ahead log; the entry of the second series proves that of the first durable.
fn two_in_the_log() -> Place {
    let place = Place::with_seed(4);
    let db = place.open(Options::default());
    write_one(&db, &series("first"), START_MS, 1.0);
    write_one(&db, &series("second"), START_MS, 2.0);
    db.abandon();
    place
}

#[test]
fn log_records_of_lost_series_are_set_aside_and_not_removed() {
    let of_registry = |place: &Place| place.files(|path| path.contains("/registry/"));
    let file = of_registry(&two_in_the_log()).remove(0);
    let len = two_in_the_log()
        .disk
        .read(&file)
        .expect("it is there")
        .len();
    let mut lost_first = 0;
    for at in 0..len {
        let place = two_in_the_log();
        place
            .disk
            .damage(&file, |bytes| bytes[at] ^= 1)
            .expect("it is there");
        let db = place.open(Options::default());
        let found: Vec<Labels> = read_floats(&db)
            .into_iter()
            .map(|series| series.0)
            .collect();
        if found != [series("second")] {
            continue;
        }
        lost_first += 1;
        db.flush().expect("the disk works");
        let kept = place.files(|path| path.contains("/wal/") && path.contains(".corrupt-"));
        assert_eq!(kept.len(), 1, "byte {at}");
        assert_eq!(db.stats().files_quarantined_total, 1, "byte {at}");
    }
    assert!(lost_first > 0, "no byte of {len} loses the first series");
}

/// A part with one long series on its first page and a short one on its last; the first page is damaged.
fn with_a_damaged_page() -> (Place, PathBuf) {
    let place = Place::with_seed(5);
    let db = place.open(Options::default());
    let mut batch = WriteBatch::new();
    let mut noise = 1_u64;
    for n in 0..6000 {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let value = f64::from_bits(noise >> 2);
        batch.push(series("long"), START_MS - n * 1000, value);
    }
    for n in 0..10 {
        batch.push(series("short"), START_MS - 500 - n * 1000, n as f64);
    }
    db.write(&batch).expect("the disk works");
    db.flush().expect("the disk works");
    db.abandon();
    let part = place.files(|path| path.ends_with(".part")).remove(0);
    place
        .disk
        .damage(&part, |bytes| bytes[1000] ^= 1)
        .expect("it is there");
    (place, part)
}

#[test]
fn a_damaged_page_fails_the_queries_that_need_it_and_no_others() {
    let (place, part) = with_a_damaged_page();
    let db = place.open(Options::default());
    let read = |name: &str| {
        let matcher = Matcher::equal("__name__", name);
        let selection = Database::select(&db, &[matcher], TimeRange::ALL)?;
        selection
            .into_iter()
            .map(|series| Ok(series?.samples().len()))
            .sum::<Result<usize>>()
    };
    assert_eq!(read("short").expect("its page is whole"), 10);
    assert_eq!(db.stats().parts_damaged, 0);
    let error = read("long").expect_err("its page is damaged");
    assert!(error.to_string().contains(&*part.to_string_lossy()));
    let cause = std::error::Error::source(&error).expect("there is a cause");
    assert!(
        cause.to_string().contains("byte 16: its checksum"),
        "{cause}"
    );
    assert_eq!((db.stats().parts_damaged, db.stats().pages_damaged), (1, 1));
    assert_eq!(read("short").expect("its page is whole"), 10);
}

#[test]
fn merges_go_on_around_a_damaged_part() {
    let (place, part) = with_a_damaged_page();
    let db = place.open(Options::default());
    let rounds = 3 * crate::compaction::FAN_IN as i64;
    let mut failures = 0;
    for n in 0..rounds {
        write_one(&db, &series("new"), START_MS - n, n as f64);
        db.flush().expect("the disk works");
        failures += usize::from(db.compact().is_err());
    }
    assert_eq!(failures, 1, "the merge that finds the damage fails");
    let parts = place.files(|path| path.ends_with(".part"));
    assert!(parts.contains(&part) && parts.len() < 12, "{parts:?}");
    for name in ["new", "short"] {
        let matcher = Matcher::equal("__name__", name);
        let selection = Database::select(&db, &[matcher], TimeRange::ALL).expect("it is found");
        let counts: Vec<usize> = selection
            .into_iter()
            .map(|series| series.expect("it is whole").samples().len())
            .collect();
        let expected = if name == "new" { rounds as usize } else { 10 };
        assert_eq!(counts, [expected], "{name}");
    }
}

#[test]
fn no_damaged_byte_shows_as_other_data() {
    let files: Vec<PathBuf> = fill().files(|path| !path.ends_with("LOCK"));
    assert!(files.len() >= 6, "{files:?}");
    for name in [
        "FORMAT",
        "MANIFEST",
        "METADATA",
        "EXEMPLARS",
        "TOMBSTONES",
        "STATE",
        ".part",
        ".wal",
        ".log",
        ".ckpt",
    ] {
        let is_there = |path: &PathBuf| path.to_string_lossy().ends_with(name);
        assert!(files.iter().any(is_there), "no {name} among {files:?}");
    }
    let all = SERIES as usize * SAMPLES as usize + 1;
    assert_eq!(check(&fill(), "nothing"), all);
    let step = effort("DAMAGE_STEP", 7) as usize;
    let (mut damages, mut read, mut harmless) = (0, 0, 0);
    for file in &files {
        let len = fill().disk.read(file).expect("it is there").len();
        for at in (0..len).step_by(step) {
            damages += 2;
            let place = fill();
            place
                .disk
                .damage(file, |bytes| bytes[at] ^= 1 << (at % 8))
                .expect("it is there");
            let left = check(&place, &format!("byte {at} of {}", file.display()));
            (read, harmless) = (read + left, harmless + usize::from(left == all));
            let place = fill();
            place
                .disk
                .damage(file, |bytes| bytes.truncate(at))
                .expect("it is there");
            read += check(&place, &format!("{} cut to {at}", file.display()));
        }
        let place = fill();
        place.disk.remove(file).expect("it is there");
        check(&place, &format!("{} removed", file.display()));
    }
    // Damage costs what it hits, and not everything else.
    assert!(harmless < damages / 2, "{harmless} of {damages} do nothing");
    assert!(read > damages * all / 2, "{read} read of {damages} x {all}");
    eprintln!(
        "bytes damaged and files cut: {damages}, every {step} bytes of {} files; 0 wrong samples",
        files.len()
    );
}
