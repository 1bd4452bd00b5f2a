//! A range query equals instant queries at its steps, and equals its parts joined.

use std::collections::BTreeSet;

use chronoxide::Database;
use chronoxide::promql::{Engine, QueryOptions, RangeTimes};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::comparison::{Given, Values, difference, given};
use crate::data::{self, START_MS};
use crate::layouts::open;
use crate::query_text::queries;

const SEED: u64 = 4;

fn number(variable: &str, default: u64) -> u64 {
    let set = std::env::var(variable).ok();
    set.map_or(default, |text| text.parse().expect("a whole number"))
}

/// The seed and how many queries there are, which a long run may change.
pub(crate) fn seed_and_count() -> (u64, usize) {
    let seed = number("CHRONOXIDE_QUERY_SEED", SEED);
    let count = number("CHRONOXIDE_QUERY_COUNT", 600) as usize;
    println!("CHRONOXIDE_QUERY_SEED={seed} CHRONOXIDE_QUERY_COUNT={count}");
    (seed, count)
}

/// Steps somewhere in the second hour of the data.
pub(crate) fn times(random: &mut StdRng) -> RangeTimes {
    let start_ms = START_MS + 3_600_000 + random.random_range(0..1_800_000);
    let step_ms = random.random_range(5_000..200_000);
    RangeTimes {
        start_ms,
        end_ms: start_ms + step_ms * random.random_range(2..9) + random.random_range(0..step_ms),
        step_ms,
    }
}

fn range(database: &Database, text: &str, times: RangeTimes) -> Given {
    given(Engine::default().range(database, text, times, &QueryOptions::default()))
}

/// The instant queries at all steps as one; the first error if there is any.
fn instants(database: &Database, text: &str, times: RangeTimes) -> Given {
    let mut all = (Values::new(), BTreeSet::new());
    for at_ms in (times.start_ms..=times.end_ms).step_by(times.step_ms as usize) {
        let one = Engine::default().instant(database, text, at_ms, &QueryOptions::default());
        join(&mut all, given(one)?);
    }
    Ok(all)
}

fn join(all: &mut (Values, BTreeSet<String>), one: (Values, BTreeSet<String>)) {
    for (labels, values) in one.0 {
        all.0.entry(labels).or_default().extend(values);
    }
    all.1.extend(one.1);
}

/// The range cut in two at one of its steps, joined again.
fn in_two(database: &Database, text: &str, times: RangeTimes, cut: i64) -> Given {
    let next_ms = times.start_ms + cut * times.step_ms;
    let mut all = range(
        database,
        text,
        RangeTimes {
            end_ms: next_ms - 1,
            ..times
        },
    )?;
    let rest = range(
        database,
        text,
        RangeTimes {
            start_ms: next_ms,
            ..times
        },
    )?;
    join(&mut all, rest);
    Ok(all)
}

/// Where the two differ, for people.
fn gap(left: &Given, right: &Given) -> Option<String> {
    match (left, right) {
        (Ok(left), Ok(right)) => difference(&left.0, &right.0),
        (Err(_), Err(_)) => None,
        (Ok(_), Err(error)) => Some(format!("only the second fails: {error}")),
        (Err(error), Ok(_)) => Some(format!("only the first fails: {error}")),
    }
}

#[test]
fn a_range_query_equals_instant_queries_at_its_steps_and_its_parts_joined() {
    let (seed, count) = seed_and_count();
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("data"));
    for batch in data::batches(&data::series(seed), START_MS, data::END_MS) {
        database.write(&batch).unwrap();
    }
    let mut random = StdRng::seed_from_u64(seed);
    let mut wrong = Vec::new();
    let (mut failed, mut empty) = (0, 0);
    for text in queries(seed, count) {
        let times = times(&mut random);
        let whole = range(&database, &text, times);
        match &whole {
            Ok((values, _)) => empty += usize::from(values.is_empty()),
            Err(_) => failed += 1,
        }
        let steps = (times.end_ms - times.start_ms) / times.step_ms;
        let cut = random.random_range(1..=steps);
        for (how, other) in [
            ("instants", instants(&database, &text, times)),
            ("two ranges", in_two(&database, &text, times, cut)),
        ] {
            if let Some(gap) = gap(&whole, &other) {
                wrong.push(format!("{text}\n    {times:?}, range and {how}: {gap}"));
            }
        }
    }
    println!("{count} queries, {failed} failed, {empty} empty");
    assert!(
        wrong.is_empty(),
        "{} differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(
        failed + empty < count / 2,
        "most queries should have values"
    );
}
