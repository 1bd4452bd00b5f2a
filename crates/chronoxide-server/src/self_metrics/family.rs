//! Metrics as collected: families of points.

use chronoxide_model::MetricType;

/// One metric: its name, what it means, and its points of this moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) metric_type: MetricType,
    pub(crate) help: &'static str,
    pub(crate) points: Vec<Point>,
}

/// One number of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// What follows the family's name: `_bucket`, `_sum`, `_count` or nothing.
    pub(crate) suffix: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

impl Family {
    pub(crate) const fn new(
        name: &'static str,
        metric_type: MetricType,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            metric_type,
            help,
            points: Vec::new(),
        }
    }

    pub(crate) fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::new(name, MetricType::Counter, help).with_value(value as f64)
    }

    pub(crate) fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, MetricType::Gauge, help).with_value(value)
    }

    fn with_value(mut self, value: f64) -> Self {
        self.push(Vec::new(), value);
        self
    }

    pub(crate) fn push(&mut self, labels: Vec<(&'static str, String)>, value: f64) {
        self.push_suffixed("", labels, value);
    }

    pub(crate) fn push_suffixed(
        &mut self,
        suffix: &'static str,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        self.points.push(Point {
            suffix,
            labels,
            value,
        });
    }
}
