//! The queries of Prometheus' own scripts, when they are at hand.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::reread::check_printed;
use super::second_reading::{Verdict, second_reading};
use super::*;

/// As the runner of the scripts looks for them.
fn scripts() -> Option<PathBuf> {
    if let Some(directory) = std::env::var_os("PROMQLTEST_DIR") {
        return Some(PathBuf::from(directory));
    }
    let repository = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?;
    Some(repository.join("shared/conformance/promqltest")).filter(|directory| directory.is_dir())
}

/// All distinct queries of `eval` lines.
fn queries(directory: &PathBuf) -> BTreeSet<String> {
    let mut queries = BTreeSet::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "test") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for line in text
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("eval"))
        {
            // `eval instant at T` or `eval range from T to T step T`, then the query.
            let words = if line.contains(" range ") && !line.contains(" instant ") {
                8
            } else {
                4
            };
            let mut query = line;
            for _ in 0..words {
                query = query
                    .split_once([' ', '\t'])
                    .map_or("", |(_, rest)| rest.trim_start());
            }
            queries.insert(query.to_owned());
        }
    }
    queries
}

#[test]
fn both_readers_see_one_shape_in_prometheus_scripts() {
    let Some(directory) = scripts() else {
        eprintln!(
            "not run: PROMQLTEST_DIR is not set and the scripts are not beside the repository"
        );
        return;
    };
    let queries = queries(&directory);
    assert!(!queries.is_empty(), "no queries in {}", directory.display());
    for text in &queries {
        let mut parser = parser(text, Features::ALL).unwrap();
        let expr = parser
            .whole()
            .unwrap_or_else(|error| panic!("{text}: {error}"));
        let mirror = parser.into_mirror();
        assert_eq!(
            second_reading(&expr, &mirror),
            Verdict::Agrees,
            "{text} -> {}",
            mirror.text()
        );
        check_printed(text);
    }
    eprintln!(
        "{} distinct queries read, printed and read again",
        queries.len()
    );
}
