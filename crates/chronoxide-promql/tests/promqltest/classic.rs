//! Classic histogram series to native histograms with custom buckets, for `load_with_nhcb`.

use std::collections::BTreeMap;

use chronoxide_model::{CUSTOM_BUCKETS_SCHEMA, Labels, METRIC_NAME};
use chronoxide_promql::FloatHistogram;

use crate::literal;

/// What is known of one histogram at one time.
#[derive(Debug, Default)]
struct Gathered {
    /// Upper bounds and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

/// Gathers the series of classic histograms.
#[derive(Debug, Default)]
pub(crate) struct Classics {
    histograms: BTreeMap<Labels, BTreeMap<i64, Gathered>>,
}

impl Classics {
    /// Takes a float of some series; those that are no part of a classic histogram are left aside.
    pub(crate) fn add(&mut self, labels: &Labels, time_ms: i64, value: f64) -> Result<(), String> {
        let name = labels.metric_name().unwrap_or("");
        let Some((base, part)) = ["_bucket", "_sum", "_count"]
            .into_iter()
            .find_map(|suffix| Some((name.strip_suffix(suffix)?, suffix)))
        else {
            return Ok(());
        };
        let bound = match labels.get("le").map(str::parse::<f64>) {
            _ if part != "_bucket" => 0.0,
            Some(Ok(bound)) if !bound.is_nan() => bound,
            Some(_) => return Ok(()),
            None => return Err(format!("expected a label le in {labels}")),
        };
        let mut builder = labels.to_builder();
        builder.set(METRIC_NAME, base).remove("le");
        let base = builder.build().map_err(|error| error.to_string())?;
        let gathered = self
            .histograms
            .entry(base)
            .or_default()
            .entry(time_ms)
            .or_default();
        match part {
            "_bucket" if gathered.buckets.iter().all(|bucket| bucket.0 != bound) => {
                gathered.buckets.push((bound, value));
            }
            "_bucket" => {}
            "_sum" => gathered.sum = value,
            _ => gathered.count = Some(value),
        }
        Ok(())
    }

    /// The native histograms, each with its labels and time.
    pub(crate) fn convert(self) -> Result<Vec<(Labels, i64, FloatHistogram)>, String> {
        let mut converted = Vec::new();
        for (labels, by_time) in self.histograms {
            for (time_ms, gathered) in by_time {
                let histogram = gathered
                    .convert()
                    .map_err(|error| format!("{labels}: {error}"))?;
                converted.push((labels.clone(), time_ms, histogram));
            }
        }
        Ok(converted)
    }
}

impl Gathered {
    fn convert(mut self) -> Result<FloatHistogram, String> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let highest = self.buckets.last().map_or(0.0, |bucket| bucket.1);
        let count = self.count.unwrap_or(highest);
        if self
            .buckets
            .last()
            .is_none_or(|bucket| bucket.0 != f64::INFINITY)
        {
            self.buckets.push((f64::INFINITY, count));
        }
        let mut before = 0.0;
        let mut positive = Vec::new();
        for (index, (_, cumulative)) in (0_i32..).zip(&self.buckets) {
            if *cumulative < before {
                return Err(format!("count is not cumulative: {cumulative} < {before}"));
            }
            if *cumulative != before {
                positive.push((index, cumulative - before));
            }
            before = *cumulative;
        }
        if count != before {
            return Err(format!("count mismatch: {count} != {before}"));
        }
        let bounds = self.buckets.iter().map(|bucket| bucket.0);
        Ok(FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive,
            custom_bounds: bounds
                .filter(|bound| bound.is_finite() || *bound < 0.0)
                .collect(),
            ..literal::empty()
        })
    }
}
