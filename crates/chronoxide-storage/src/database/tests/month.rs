//! How many files a database has under a steady load.

use super::*;
use crate::partition::{Partition, PartitionWidth};

/// Flushes in a day: one each time the head is full, about every 13 minutes with 5,000 series scraped every 15 s.
const FLUSHES_PER_DAY: i64 = 110;
const DAYS: i64 = 30;
const SCRAPES_PER_FLUSH: i64 = 6;

/// The first day begins here.
const MONTH_START_MS: i64 = START_MS - START_MS % DAY_MS;

/// What `ARCHITECTURE.md` states.
const FILES_OF_A_MONTH_MAX: usize = 55;

/// The most parts of the day that is being written: seven of each of three levels, and one of the fourth.
const FILES_OF_A_DAY_MAX: usize = 22;

fn parts(place: &Place) -> Vec<PathBuf> {
    place.files(|path| path.ends_with(".part"))
}

fn of_day(parts: &[PathBuf], day: i64) -> usize {
    let day = Partition::of(MONTH_START_MS + day * DAY_MS, PartitionWidth::Day).to_string();
    let is_of_day = |path: &&PathBuf| path.to_string_lossy().contains(&day);
    parts.iter().filter(is_of_day).count()
}

#[test]
fn a_month_of_steady_load_is_few_files_and_maps() {
    let place = Place::new();
    place.clock.set(MONTH_START_MS);
    let db = place.open(Options {
        retention: std::time::Duration::from_secs(40 * 24 * 3600),
        ..Options::default()
    });
    let step_ms = DAY_MS / FLUSHES_PER_DAY / SCRAPES_PER_FLUSH;
    let (mut now_ms, mut written) = (MONTH_START_MS, 0_u64);
    let mut most = 0;
    for flush in 0..DAYS * FLUSHES_PER_DAY {
        for _ in 0..SCRAPES_PER_FLUSH {
            now_ms += step_ms;
            place.clock.set(now_ms);
            let mut batch = WriteBatch::new();
            for name in ["a", "b", "c"] {
                batch.push(series(name), now_ms, written as f64);
                written += 1;
            }
            db.write(&batch).expect("the disk works");
        }
        db.flush().expect("the disk works");
        db.engine
            .compact_in_background(false, || false)
            .expect("the disk works");
        let parts = parts(&place);
        most = most.max(parts.len());
        let today = (now_ms - MONTH_START_MS) / DAY_MS;
        assert!(of_day(&parts, today) <= FILES_OF_A_DAY_MAX, "flush {flush}");
        // A day is closed some time after it ended: then it is one file.
        let closed_days = (now_ms - MONTH_START_MS - 2 * 3600 * 1000).div_euclid(DAY_MS);
        for day in (closed_days - 1).max(0)..closed_days {
            assert_eq!(of_day(&parts, day), 1, "flush {flush}, day {day}");
        }
    }
    assert!(most <= FILES_OF_A_MONTH_MAX, "{most} files");
    assert_eq!(db.stats().parts, parts(&place).len() as u64, "one map each");
    let read: usize = read_floats(&db)
        .iter()
        .map(|(_, samples)| samples.len())
        .sum();
    assert_eq!(read as u64, written);
}

#[test]
fn a_day_that_is_filled_in_later_is_merged_in_tiers_until_it_is_quiet() {
    let place = Place::new();
    let db = place.open(Options::default());
    let day_ms = START_MS - START_MS % DAY_MS - 3 * DAY_MS;
    let mut rewritten = 0;
    let mut known = parts(&place);
    let flushes = 100;
    for flush in 0..flushes {
        for name in ["a", "b"] {
            let time_ms = day_ms + flush * 600_000;
            write_one(&db, &series(name), time_ms, flush as f64);
        }
        db.flush().expect("the disk works");
        db.engine
            .compact_in_background(false, || false)
            .expect("the disk works");
        let now = parts(&place);
        rewritten += now.iter().filter(|path| !known.contains(path)).count();
        known = now;
        assert!(known.len() <= FILES_OF_A_DAY_MAX, "flush {flush}");
    }
    // One file for each flush, and one for each eight, and each sixty-four of them.
    assert!(rewritten <= 100 + 13 + 2, "{rewritten} files written");
    place.clock.set(START_MS + 3600 * 1000);
    db.engine
        .compact_in_background(false, || false)
        .expect("the disk works");
    assert_eq!(parts(&place).len(), 1, "it has been quiet for an hour");
    let read: usize = read_floats(&db)
        .iter()
        .map(|(_, samples)| samples.len())
        .sum();
    assert_eq!(read as i64, 2 * flushes);
}
