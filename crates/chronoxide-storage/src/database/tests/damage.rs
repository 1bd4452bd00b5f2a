//! Damage to any file: an error or less data, never other data and never a panic.

use std::collections::BTreeMap;

use super::*;

const SERIES: u32 = 4;
const SAMPLES: i64 = 12;

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
            db.flush().expect("the disk works");
        }
    }
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

#[test]
fn no_damaged_byte_shows_as_other_data() {
    let files: Vec<PathBuf> = fill().files(|path| !path.ends_with("LOCK"));
    assert!(files.len() >= 6, "{files:?}");
    let all = SERIES as usize * SAMPLES as usize;
    assert_eq!(check(&fill(), "nothing"), all);
    for file in &files {
        let len = fill().disk.read(file).expect("it is there").len();
        for at in (0..len).step_by(5) {
            let place = fill();
            place
                .disk
                .damage(file, |bytes| bytes[at] ^= 1 << (at % 8))
                .expect("it is there");
            check(&place, &format!("byte {at} of {}", file.display()));
            let place = fill();
            place
                .disk
                .damage(file, |bytes| bytes.truncate(at))
                .expect("it is there");
            check(&place, &format!("{} cut to {at}", file.display()));
        }
        let place = fill();
        place.disk.remove(file).expect("it is there");
        check(&place, &format!("{} removed", file.display()));
    }
}
