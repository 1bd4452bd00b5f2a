//! Partitions of different widths beside each other.

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn open(place: &Place, days: u32) -> Database {
    place.open(Options {
        retention: days * DAY,
        ..Options::default()
    })
}

fn names(place: &Place) -> Vec<String> {
    let entries = place.disk.list(&place.path().join("parts")).unwrap();
    let mut names: Vec<String> = entries.into_iter().map(|entry| entry.name).collect();
    names.sort();
    names
}

#[test]
fn the_width_of_partitions_follows_retention_and_leaves_old_ones_alone() {
    let place = Place::new();
    let hour_ms = 3600 * 1000;
    let mut expected = Vec::new();
    // A Tuesday evening and the days before it, hour by hour, under one retention after the other.
    for (round, days) in (0..).zip([30, 365, 1, 3650, 30]) {
        let db = open(&place, days);
        for hour in 0..24_i64 {
            let time_ms = START_MS - hour * hour_ms * (1 + round * 7 % 5) - round;
            if time_ms < START_MS - i64::from(days) * DAY_MS {
                continue;
            }
            write_one(&db, &series("a"), time_ms, round as f64);
            expected.push((time_ms, round as f64));
        }
        db.flush().unwrap();
        if days > 1 {
            // A merge would leave out what retention does not keep.
            db.compact().unwrap();
        }
        db.close().unwrap();
    }
    expected.sort_by_key(|(time_ms, _)| *time_ms);
    let all = names(&place);
    assert!(all.contains(&"2023-11-14".to_owned()), "{all:?}");
    assert!(all.iter().any(|name| name.ends_with("+7d")), "{all:?}");
    let db = open(&place, 30);
    assert_eq!(read_floats(&db)[0].1, expected);
    let findings = {
        db.close().unwrap();
        crate::check::check(place.path(), Arc::new(place.disk.process()))
            .unwrap()
            .findings
    };
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn of_one_timestamp_the_newest_write_wins_whatever_the_widths() {
    let place = Place::new();
    for (round, days) in (0..).zip([30, 365, 1, 3650, 30]) {
        let db = open(&place, days);
        write_one(&db, &series("a"), START_MS, f64::from(round));
        db.flush().unwrap();
        assert_eq!(read_floats(&db)[0].1, [(START_MS, f64::from(round))]);
        db.close().unwrap();
    }
}

#[test]
fn short_retention_drops_parts_of_a_day() {
    let place = Place::new();
    let db = open(&place, 1);
    for hours in (0..24).rev() {
        write_one(&db, &series("a"), START_MS - hours * 3600 * 1000, 1.0);
    }
    db.flush().unwrap();
    assert_eq!(names(&place).len(), 5, "{:?}", names(&place));
    place.clock.advance(8 * 3600 * 1000);
    write_one(&db, &series("a"), START_MS + 8 * 3600 * 1000, 1.0);
    db.enforce_retention().unwrap();
    assert_eq!(names(&place).len(), 3, "{:?}", names(&place));
}
