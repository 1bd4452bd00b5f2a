//! `avg`

use std::sync::Arc;

use super::groups::Accumulator;
use super::kinds::Kinds;
use super::notes::Notes;
use crate::FloatHistogram;
use crate::eval::{Column, StepSeries};
use crate::histogram::HistogramMean;
use crate::kahan::KahanMean;

/// The means of a group: sums that are divided at the end, or running means where a sum would overflow.
#[derive(Debug)]
pub(super) struct Average {
    kinds: Vec<Kinds>,
    floats: Vec<KahanMean>,
    /// Empty as long as no histogram came.
    histograms: Vec<Option<Box<HistogramMean>>>,
}

impl Average {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            kinds: vec![Kinds::default(); steps],
            floats: vec![KahanMean::default(); steps],
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
            Some(mean) => {
                kinds.see_hint(histogram);
                match mean.add(histogram) {
                    Ok(merge) => notes.merged(merge),
                    Err(_) => {
                        kinds.incompatible = true;
                        notes.incompatible_buckets(metric);
                    }
                }
            }
            None if first => {
                kinds.see_hint(histogram);
                *cell = Some(Box::new(HistogramMean::new(histogram)));
            }
            // With floats in it the mean has no result anyway.
            None => {}
        }
    }
}

impl Accumulator for Average {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        for (step, value) in series.column.floats() {
            let kinds = &mut self.kinds[step];
            if !kinds.incompatible {
                kinds.float = true;
                self.floats[step].add(value);
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
        for (step, (kinds, mean)) in self.kinds.into_iter().zip(self.floats).enumerate() {
            let histogram = histograms.next().flatten();
            if !kinds.has_result(notes) {
                continue;
            }
            match histogram {
                Some(histogram) => column.set_histogram(step, Arc::new(histogram.finish())),
                None => column.set_float(step, mean.value()),
            }
        }
        column
    }
}
