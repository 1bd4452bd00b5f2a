//! Queries answer the same wherever the samples lie: in the head, in parts, or in both.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chronoxide::promql::{Engine, QueryOptions};
use chronoxide::{Database, Durability, Options};
use chronoxide_storage::system::{ManualClock, RealFs};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::comparison::{difference, given};
use crate::data::{self, END_MS, START_MS};
use crate::query_text::queries;
use crate::steps::{seed_and_count, times};

/// A database at the end of the data's time, which flushes when it is told to.
pub(crate) fn open(path: &Path) -> Database {
    let options = Options {
        durability: Durability::Interval(Duration::from_secs(3600)),
        flush_idle: Duration::from_secs(3600),
        ..Options::default()
    };
    let clock = Arc::new(ManualClock::new(END_MS + 1000));
    Database::open_with(path, options, Arc::new(RealFs), clock).unwrap()
}

#[test]
fn head_parts_and_both_give_the_same_answers() {
    let (seed, count) = seed_and_count();
    let series = data::series(seed);
    let folder = tempfile::tempdir().unwrap();
    let head = open(&folder.path().join("head"));
    let parts = open(&folder.path().join("parts"));
    let mixed = open(&folder.path().join("mixed"));
    for batch in data::batches(&series, START_MS, END_MS) {
        head.write(&batch).unwrap();
        parts.write(&batch).unwrap();
    }
    parts.flush().unwrap();
    parts.compact().unwrap();
    // Late samples last, several parts, and some stretches written twice.
    let stretch_ms = (END_MS - START_MS) / 6;
    for stretch in [0, 3, 1, 1, 5, 2, 4, 3] {
        let from_ms = START_MS + stretch * stretch_ms;
        for batch in data::batches(&series, from_ms, from_ms + stretch_ms) {
            mixed.write(&batch).unwrap();
        }
        if stretch % 2 == 1 {
            mixed.flush().unwrap();
        }
    }
    let layouts = [("head", &head), ("parts", &parts), ("mixed", &mixed)];
    let mut random = StdRng::seed_from_u64(seed);
    for text in queries(seed, count) {
        let times = times(&mut random);
        let answers = layouts.map(|(_, database)| {
            given(Engine::default().range(database, &text, times, &QueryOptions::default()))
        });
        for ((name, _), answer) in layouts.iter().zip(&answers) {
            match (&answers[0], answer) {
                (Ok(first), Ok(answer)) => {
                    let gap = difference(&first.0, &answer.0);
                    assert!(gap.is_none(), "{text} {times:?}, head and {name}: {gap:?}");
                    assert_eq!(first.1, answer.1, "{text} {times:?}, head and {name}");
                }
                (first, answer) => {
                    assert_eq!(
                        first.as_ref().err(),
                        answer.as_ref().err(),
                        "{text} {times:?}, head and {name}"
                    );
                }
            }
        }
    }
}
