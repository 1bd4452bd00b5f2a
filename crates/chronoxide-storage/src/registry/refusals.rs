//! New series that were refused for want of room: counted by metric, and told of in the log.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::limits::shortened;
use super::{Registry, Spread};
use crate::RejectedSeries;

/// So many metrics are counted on their own: the first that are refused, for counters must not go away.
const METRICS_MAX: usize = 32;

/// At most one line in the log in this time.
const LINE_PERIOD: Duration = Duration::from_secs(60);

/// Metric names are cut to this.
const NAME_BYTES: usize = 200;

/// Counts of refused series.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    by_metric: HashMap<Box<str>, Refused>,
    other: u64,
    /// Since the last line, of all metrics.
    since_line: u64,
    last_line: Option<Instant>,
    /// Which limit was reached last.
    limit: String,
}

#[derive(Debug)]
struct Refused {
    label: String,
    total: u64,
    since_line: u64,
}

/// What a line in the log says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct RefusalLine {
    /// Which limit is reached.
    pub(crate) limit: String,
    /// Series refused since the last line.
    pub(crate) refused: u64,
    /// The metric most of them are of.
    pub(crate) metric: String,
    /// What that metric is like, if it has active series.
    pub(crate) spread: Option<Spread>,
    /// The metric with the most active series.
    pub(crate) largest: Option<Spread>,
}

impl Refusals {
    /// Counts a series of `metric` that was refused because of `limit`.
    pub(crate) fn note(&self, metric: &str, registry: &Registry, limit: &str) {
        let mut counts = self.counts.lock();
        counts.since_line += 1;
        counts.limit.clear();
        counts.limit.push_str(limit);
        let name = shortened(metric, NAME_BYTES);
        if let Some(refused) = counts.by_metric.get_mut(name.as_str()) {
            refused.total += 1;
            refused.since_line += 1;
            // The first ones may have come before any series of the metric was made.
            if refused.label.is_empty() && refused.total.is_power_of_two() {
                refused.label = label_of(metric, registry);
            }
        } else if counts.by_metric.len() < METRICS_MAX {
            let refused = Refused {
                label: label_of(metric, registry),
                total: 1,
                since_line: 1,
            };
            counts.by_metric.insert(name.into(), refused);
        } else {
            counts.other += 1;
        }
    }

    /// What to log now, if anything was refused and the last line is long enough ago.
    pub(crate) fn line(&self, now: Instant, registry: &Registry) -> Option<RefusalLine> {
        let mut counts = self.counts.lock();
        let is_due = |last: Instant| now.saturating_duration_since(last) >= LINE_PERIOD;
        if counts.since_line == 0 || !counts.last_line.is_none_or(is_due) {
            return None;
        }
        counts.last_line = Some(now);
        let by_metric = counts.by_metric.iter();
        let most = by_metric.max_by_key(|(_, refused)| refused.since_line);
        let metric = most.map_or_else(String::new, |(name, _)| name.to_string());
        let refused = std::mem::take(&mut counts.since_line);
        for other in counts.by_metric.values_mut() {
            other.since_line = 0;
        }
        Some(RefusalLine {
            limit: std::mem::take(&mut counts.limit),
            refused,
            spread: registry.spread_of(&metric),
            metric,
            largest: registry.largest_metric(),
        })
    }

    /// All counts, the largest first; what is not counted by metric comes last.
    pub(crate) fn totals(&self) -> Vec<RejectedSeries> {
        let counts = self.counts.lock();
        let by_metric = counts.by_metric.iter();
        let mut totals: Vec<RejectedSeries> = by_metric
            .map(|(metric, refused)| RejectedSeries {
                metric: metric.to_string(),
                label: refused.label.clone(),
                total: refused.total,
            })
            .collect();
        totals.sort_by(|a, b| b.total.cmp(&a.total).then_with(|| a.metric.cmp(&b.metric)));
        if counts.other > 0 {
            totals.push(RejectedSeries {
                metric: RejectedSeries::OTHER.to_owned(),
                label: String::new(),
                total: counts.other,
            });
        }
        totals
    }
}

/// The label of `metric` with the most values, if the metric has series.
fn label_of(metric: &str, registry: &Registry) -> String {
    let label = registry.spread_of(metric).and_then(|spread| spread.label);
    label.map_or_else(String::new, |(name, _)| shortened(&name, NAME_BYTES))
}

impl RefusalLine {
    /// Writes the line.
    pub(crate) fn log(&self) {
        let label = |spread: &Option<Spread>| {
            let label = spread.as_ref().and_then(|spread| spread.label.clone());
            label.unwrap_or_default()
        };
        let series = |spread: &Option<Spread>| spread.as_ref().map_or(0, |spread| spread.series);
        let (own, largest) = (label(&self.spread), label(&self.largest));
        tracing::warn!(
            reason = self.limit,
            refused = self.refused,
            metric = self.metric,
            metric_series = series(&self.spread),
            label = shortened(&own.0, NAME_BYTES),
            label_values = own.1,
            largest_metric = self
                .largest
                .as_ref()
                .map(|spread| shortened(&spread.metric, NAME_BYTES)),
            largest_metric_series = series(&self.largest),
            largest_metric_label = shortened(&largest.0, NAME_BYTES),
            largest_metric_label_values = largest.1,
            "new series are refused, known ones go on; drop the label with the most values at the sender, or raise the \
             limit"
        );
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_model::Labels;

    use super::*;

    fn registry() -> Registry {
        let mut registry = Registry::new(1);
        for n in 0..5 {
            let labels = Labels::from_pairs([
                ("__name__", "requests"),
                ("job", "a"),
                ("user", &format!("{n}")),
            ]);
            let labels = labels.unwrap();
            let hash = registry.canonical_hash(&labels, &mut Vec::new());
            registry.insert(n, &labels, hash);
        }
        registry
    }

    #[test]
    fn metrics_beyond_the_first_few_are_counted_together() {
        let (refusals, registry) = (Refusals::default(), registry());
        for n in 0..METRICS_MAX + 3 {
            for _ in 0..=n {
                refusals.note(&format!("m{n}"), &registry, "full");
            }
        }
        let totals = refusals.totals();
        assert_eq!(totals.len(), METRICS_MAX + 1);
        assert_eq!(totals[0].total as usize, METRICS_MAX);
        assert_eq!(totals[METRICS_MAX].metric, RejectedSeries::OTHER);
        assert_eq!(totals[METRICS_MAX].total as usize, 3 * METRICS_MAX + 6);
    }

    #[test]
    fn a_line_names_metric_and_label_and_comes_once_in_a_while() {
        let (refusals, registry) = (Refusals::default(), registry());
        let start = Instant::now();
        assert_eq!(refusals.line(start, &registry), None);
        refusals.note("other", &registry, "full");
        refusals.note("requests", &registry, "full");
        refusals.note("requests", &registry, "full");
        let line = refusals.line(start, &registry).unwrap();
        assert_eq!((line.refused, line.metric.as_str()), (3, "requests"));
        assert_eq!(line.limit, "full");
        let label = Some(("user".to_owned(), 5));
        assert_eq!(line.spread.as_ref().unwrap().label, label);
        assert_eq!(line.largest, line.spread);
        refusals.note("other", &registry, "full");
        assert_eq!(refusals.line(start + LINE_PERIOD / 2, &registry), None);
        let line = refusals.line(start + LINE_PERIOD, &registry).unwrap();
        assert_eq!((line.refused, line.metric.as_str()), (1, "other"));
        assert_eq!(line.spread, None);
        let totals = refusals.totals();
        assert_eq!(
            (totals[0].metric.as_str(), totals[0].label.as_str()),
            ("other", "")
        );
        assert_eq!(
            (totals[1].metric.as_str(), totals[1].label.as_str()),
            ("requests", "user")
        );
    }
}
