//! `sum`

use std::sync::Arc;

use super::groups::Accumulator;
use super::kinds::Kinds;
use super::notes::Notes;
use crate::FloatHistogram;
use crate::eval::{Column, StepSeries};
use crate::histogram::HistogramSum;
use crate::kahan::KahanSum;

/// The compensated sums of a group.
#[derive(Debug)]
pub(super) struct Sum {
    kinds: Vec<Kinds>,
    floats: Vec<KahanSum>,
    /// Empty as long as no histogram came.
    histograms: Vec<Option<Box<HistogramSum>>>,
}

impl Sum {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            kinds: vec![Kinds::default(); steps],
            floats: vec![KahanSum::default(); steps],
            histograms: Vec::new(),
        }
    }

    fn add_histogram(
        &mut self,
        step: usize,
        histogram: &FloatHistogram,
        metric: &str,
        notes: &mut Notes<'_>,
    ) {
        let kinds = &mut self.kinds[step];
        if kinds.incompatible {
            return;
        }
        let first = kinds.is_empty();
        kinds.histogram = true;
        if self.histograms.is_empty() {
            self.histograms.resize_with(self.floats.len(), || None);
        }
        let cell = &mut self.histograms[step];
        match cell {
            Some(sum) => {
                kinds.see_hint(histogram);
                match sum.add(histogram) {
                    Ok(merge) => notes.merged(merge),
                    Err(_) => {
                        kinds.incompatible = true;
                        notes.incompatible_buckets(metric);
                    }
                }
            }
            None if first => {
                kinds.see_hint(histogram);
                *cell = Some(Box::new(HistogramSum::new(histogram)));
            }
            // With floats in it the sum has no result anyway.
            None => {}
        }
    }
}

impl Accumulator for Sum {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        for (step, value) in series.column.floats() {
            let kinds = &mut self.kinds[step];
            if kinds.float {
                self.floats[step].add(value);
            } else if !kinds.incompatible {
                kinds.float = true;
                self.floats[step] = KahanSum::new(value);
            }
        }
        let metric = series.labels.metric_name().unwrap_or_default();
        for (step, histogram) in series.column.histograms() {
            self.add_histogram(step, histogram, metric, notes);
        }
    }

    fn finish(self, notes: &mut Notes<'_>) -> Column {
        let mut column = Column::absent(self.floats.len());
        let mut histograms = self.histograms.into_iter();
        for (step, (kinds, sum)) in self.kinds.into_iter().zip(self.floats).enumerate() {
            let histogram = histograms.next().flatten();
            if !kinds.has_result(notes) {
                continue;
            }
            match histogram {
                Some(histogram) => column.set_histogram(step, Arc::new(histogram.finish())),
                None => column.set_float(step, sum.value()),
            }
        }
        column
    }
}
