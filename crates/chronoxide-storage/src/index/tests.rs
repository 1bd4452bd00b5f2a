use std::collections::BTreeSet;

use chronoxide_model::{Labels, Matcher};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::part::sample_data::{Series, random_series, write};
use crate::part::{Part, PartHeader};

const HEADER: PartHeader = PartHeader {
    level: 0,
    wal_seq_min: 1,
    wal_seq_max: 1,
};

fn part(seed: u64) -> (Vec<Labels>, Part, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let series: Series = random_series(&mut StdRng::seed_from_u64(seed), 600, 2);
    let part = write(dir.path(), "p", HEADER, &series);
    (series.into_keys().collect(), part, dir)
}

fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or("")))
}

/// Matchers of every kind: present and absent names and values, empty values, prefixes, literals, alternations.
fn matchers() -> Vec<Matcher> {
    let names = ["__name__", "instance", "job", "pod", "a.first", "absent"];
    let values = [
        "",
        "node",
        "metric_07",
        "host-1:9100",
        "pod-é17",
        "x\ny",
        "no",
    ];
    let patterns = [
        "",
        ".*",
        ".+",
        "metric_0.*",
        "metric_(07|1.)",
        "node|api",
        "node|",
        "pod-é1[0-9]*",
        "(?i)NODE",
        "host-[02]:.*",
        ".*é.*",
        "x.y",
        "absent.*",
        "(a|b)?pi",
        "^metric_0.*$",
        "(metric_0|metric_1|no).*",
        "(host|pod)-.*[0-9]",
        "[^m].*",
        "(.*)",
    ];
    let mut all = Vec::new();
    for name in names {
        for value in values {
            all.push(Matcher::equal(name, value));
            all.push(Matcher::not_equal(name, value));
        }
        for pattern in patterns {
            all.push(Matcher::regex(name, pattern).unwrap());
            all.push(Matcher::not_regex(name, pattern).unwrap());
        }
    }
    all
}

fn check(series: &[Labels], part: &Part, matchers: &[Matcher]) {
    let expected: Vec<u32> = (0..)
        .zip(series)
        .filter(|(_, labels)| satisfies(labels, matchers))
        .map(|(rank, _)| rank)
        .collect();
    assert_eq!(
        part.series_matching(matchers).unwrap(),
        expected,
        "{matchers:?}"
    );
    let matching = || expected.iter().map(|rank| &series[*rank as usize]);
    let names: BTreeSet<&str> = matching()
        .flat_map(|labels| labels.iter().map(|(name, _)| name))
        .collect();
    let found = part.label_names(matchers).unwrap();
    assert!(found.iter().eq(&names), "{matchers:?}");
    for name in ["instance", "pod", "absent"] {
        let values: BTreeSet<&str> = matching().filter_map(|labels| labels.get(name)).collect();
        let found = part.label_values(name, matchers).unwrap();
        assert!(found.iter().eq(&values), "{name} of {matchers:?}");
    }
}

#[test]
fn each_matcher_finds_what_testing_all_labels_finds() {
    let (series, part, _dir) = part(1);
    check(&series, &part, &[]);
    for matcher in matchers() {
        check(&series, &part, &[matcher]);
    }
}

#[test]
fn remembered_matchers_find_the_same_again() {
    let dir = tempfile::tempdir().unwrap();
    let columns = chronoxide_model::SampleColumns {
        timestamps_ms: vec![1],
        values: vec![1.0],
        ..Default::default()
    };
    let series: Series = (0..500)
        .map(|i| {
            let mut pairs = vec![("__name__", "m".to_owned()), ("id", format!("{i:03}"))];
            if i % 2 == 0 {
                pairs.push(("even", format!("e{i}")));
            }
            (Labels::from_pairs(pairs).unwrap(), columns.clone())
        })
        .collect();
    let part = write(dir.path(), "p", HEADER, &series);
    let series: Vec<Labels> = series.into_keys().collect();
    assert_eq!(part.matches().memory_bytes(), 0);
    let matchers = [
        Matcher::regex("id", ".*[37]").unwrap(),
        Matcher::not_regex("id", ".*[37]").unwrap(),
        Matcher::regex("even", "e.*4").unwrap(),
        Matcher::regex("even", "(e.*4)?").unwrap(),
        Matcher::not_regex("even", "(e.*4)?").unwrap(),
        Matcher::not_regex("even", "e.*4").unwrap(),
    ];
    for _ in 0..3 {
        for one in &matchers {
            check(&series, &part, std::slice::from_ref(one));
            for other in &matchers {
                check(&series, &part, &[one.clone(), other.clone()]);
            }
        }
    }
    assert!(part.matches().memory_bytes() > 0);
}

#[test]
fn several_matchers_find_what_testing_all_labels_finds() {
    let (series, part, _dir) = part(2);
    let all = matchers();
    for seed in 0..300 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let some: Vec<Matcher> = (0..rng.random_range(2..5))
            .map(|_| all[rng.random_range(0..all.len())].clone())
            .collect();
        check(&series, &part, &some);
    }
}

#[test]
fn long_lists_are_united() {
    // Enough series that lists are bitmaps, and values that alternate, so that runs are short.
    let dir = tempfile::tempdir().unwrap();
    let series: Series = (0..5000)
        .map(|i| {
            let labels = Labels::from_pairs([
                ("__name__", "m".to_owned()),
                ("id", format!("{i:05}")),
                ("parity", ["even", "odd", "third"][i % 3].to_owned()),
            ]);
            let columns = chronoxide_model::SampleColumns {
                timestamps_ms: vec![1],
                values: vec![1.0],
                ..Default::default()
            };
            (labels.unwrap(), columns)
        })
        .collect();
    let part = write(dir.path(), "p", HEADER, &series);
    let series: Vec<Labels> = series.into_keys().collect();
    check(
        &series,
        &part,
        &[Matcher::regex("parity", "even|odd").unwrap()],
    );
    check(&series, &part, &[Matcher::regex("parity", ".+").unwrap()]);
    check(
        &series,
        &part,
        &[
            Matcher::regex("id", "0[0-3].*").unwrap(),
            Matcher::not_equal("parity", "third"),
            Matcher::equal("__name__", "m"),
        ],
    );
}
