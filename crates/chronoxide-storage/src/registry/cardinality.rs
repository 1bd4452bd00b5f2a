//! How series spread over labels, counted from the index as it stands.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use chronoxide_model::METRIC_NAME;
use roaring::RoaringBitmap;

use super::Registry;
use crate::Cardinality;

/// A metric, and what makes it large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spread {
    pub(crate) metric: String,
    /// Its active series.
    pub(crate) series: u64,
    /// The label with the most values, and how many it has among the series looked at.
    pub(crate) label: Option<(String, u64)>,
}

/// So many series of a metric are looked at to find its label with the most values.
const SPREAD_SERIES: usize = 8192;

impl Registry {
    /// Counts of the active series, the `limit` largest of each kind.
    pub(crate) fn cardinality(&self, limit: usize) -> Cardinality {
        let pairs = &self.pairs;
        let by_label = |count: &dyn Fn(u32) -> u64| {
            let names = pairs.names().map(|name| {
                let live = pairs.with_name(name).iter().copied();
                let live = live.filter(|id| pairs.series_count(*id) > 0);
                (name, live.map(count).sum::<u64>())
            });
            owned(largest(names.filter(|(_, count)| *count > 0), limit))
        };
        let all = pairs
            .ids()
            .map(|id| (pairs.text(id), pairs.series_count(id)));
        let live = || all.clone().filter(|(_, series)| *series > 0);
        let metrics = pairs.with_name(METRIC_NAME).iter();
        let metrics = metrics.map(|id| (pairs.text(*id).1, pairs.series_count(*id)));
        Cardinality {
            series: self.len() as u64,
            label_names: pairs.names().count() as u64,
            label_pairs: live().count() as u64,
            series_by_metric: owned(largest(metrics.filter(|(_, series)| *series > 0), limit)),
            values_by_label: by_label(&|_| 1),
            value_bytes_by_label: by_label(&|id| pairs.text(id).1.len() as u64),
            series_by_pair: largest(live(), limit)
                .into_iter()
                .map(|((name, value), series)| (name.to_owned(), value.to_owned(), series))
                .collect(),
            ..Cardinality::default()
        }
    }

    /// The metric with the most series.
    pub(crate) fn largest_metric(&self) -> Option<Spread> {
        let metrics = self.pairs.with_name(METRIC_NAME).iter();
        let largest = metrics.max_by_key(|id| self.pairs.series_count(**id))?;
        self.spread_of(self.pairs.text(*largest).1)
    }

    /// What makes metric `name` large, if it has series.
    pub(crate) fn spread_of(&self, name: &str) -> Option<Spread> {
        let series = self.pairs.series_with(METRIC_NAME, name);
        if series.is_empty() {
            return None;
        }
        let step = (series.len() as usize).div_ceil(SPREAD_SERIES);
        // The pairs that the series have, each once.
        let mut found = RoaringBitmap::new();
        for sid in series.iter().step_by(step) {
            found.extend(self.pair_ids(sid));
        }
        let mut values: HashMap<&str, u64> = HashMap::new();
        for pair in &found {
            *values.entry(self.pairs.text(pair).0).or_default() += 1;
        }
        values.remove(METRIC_NAME);
        let label = largest(values.into_iter(), 1).pop();
        Some(Spread {
            metric: name.to_owned(),
            series: series.len(),
            label: label.map(|(name, values)| (name.to_owned(), values)),
        })
    }
}

/// The `limit` largest counts, equal ones by key; no more than that many are held at a time.
fn largest<K: Ord>(counts: impl Iterator<Item = (K, u64)>, limit: usize) -> Vec<(K, u64)> {
    let mut least_first = BinaryHeap::new();
    for (key, count) in counts {
        least_first.push(Reverse((count, Reverse(key))));
        if least_first.len() > limit {
            least_first.pop();
        }
    }
    let sorted = least_first.into_sorted_vec().into_iter();
    sorted
        .map(|Reverse((count, Reverse(key)))| (key, count))
        .collect()
}

fn owned(counts: Vec<(&str, u64)>) -> Vec<(String, u64)> {
    let counts = counts.into_iter();
    counts
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

#[cfg(test)]
mod tests {
    use chronoxide_model::Labels;

    use super::*;

    fn registry(series: &[&[(&str, &str)]]) -> Registry {
        let mut registry = Registry::new(1);
        for pairs in series {
            let labels = Labels::from_pairs(pairs.iter().copied()).unwrap();
            let hash = registry.canonical_hash(&labels, &mut Vec::new());
            let sid = registry.free_ids().next().unwrap();
            registry.insert(sid, &labels, hash);
        }
        registry
    }

    fn sample() -> Registry {
        registry(&[
            &[("__name__", "up"), ("job", "a"), ("path", "/long/1")],
            &[("__name__", "up"), ("job", "a"), ("path", "/long/2")],
            &[("__name__", "up"), ("job", "b"), ("path", "/long/3")],
            &[("__name__", "down"), ("job", "b")],
            &[("job", "c")],
        ])
    }

    fn named(counts: &[(String, u64)]) -> Vec<(&str, u64)> {
        counts
            .iter()
            .map(|(name, count)| (name.as_str(), *count))
            .collect()
    }

    #[test]
    fn counts_are_those_of_the_series() {
        let counts = sample().cardinality(10);
        assert_eq!(
            (counts.series, counts.label_names, counts.label_pairs),
            (5, 3, 8)
        );
        assert_eq!(named(&counts.series_by_metric), [("up", 3), ("down", 1)]);
        assert_eq!(
            named(&counts.values_by_label),
            [("job", 3), ("path", 3), ("__name__", 2)]
        );
        assert_eq!(
            named(&counts.value_bytes_by_label),
            [("path", 21), ("__name__", 6), ("job", 3)]
        );
        let pairs = &counts.series_by_pair;
        assert_eq!(pairs[0], ("__name__".to_owned(), "up".to_owned(), 3));
        assert_eq!(pairs[1], ("job".to_owned(), "a".to_owned(), 2));
        assert_eq!(pairs[2], ("job".to_owned(), "b".to_owned(), 2));
        assert_eq!(pairs.len(), 8);
    }

    #[test]
    fn a_limit_keeps_the_largest() {
        let all = sample().cardinality(10);
        for limit in 0..4 {
            let some = sample().cardinality(limit);
            let kept = limit.min(all.series_by_metric.len());
            assert_eq!(some.series_by_metric, all.series_by_metric[..kept]);
            assert_eq!(some.series_by_pair, all.series_by_pair[..limit]);
            assert_eq!(some.label_pairs, all.label_pairs);
        }
    }

    #[test]
    fn evicted_series_are_not_counted() {
        let registry = sample().retained(|sid| sid >= 3);
        let counts = registry.cardinality(10);
        assert_eq!(named(&counts.series_by_metric), [("down", 1)]);
        assert_eq!(
            named(&counts.values_by_label),
            [("job", 2), ("__name__", 1)]
        );
        assert_eq!(counts.label_pairs, 3);
    }

    #[test]
    fn a_metric_is_large_by_its_label_with_the_most_values() {
        let registry = sample();
        let up = Spread {
            metric: "up".to_owned(),
            series: 3,
            label: Some(("path".to_owned(), 3)),
        };
        assert_eq!(registry.spread_of("up"), Some(up.clone()));
        assert_eq!(registry.largest_metric(), Some(up));
        assert_eq!(registry.spread_of("none"), None);
        assert_eq!(Registry::new(1).largest_metric(), None);
    }
}
