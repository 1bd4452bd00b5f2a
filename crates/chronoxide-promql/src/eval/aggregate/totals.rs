//! `sum` and `avg`

use std::sync::Arc;

use super::groups::Accumulator;
use super::kinds::Kinds;
use super::notes::Notes;
use crate::FloatHistogram;
use crate::eval::{Bits, Column, StepSeries};
use crate::histogram::{HistogramMean, HistogramSum, IncompatibleBuckets, MergeNotes};
use crate::kahan::{FloatTotals, KahanMeans, KahanSums};

/// The compensated sums of a group.
pub(super) type Sum = Totals<KahanSums, HistogramSum>;

/// The means of a group: sums that are divided at the end, or running means where a sum would overflow.
pub(super) type Average = Totals<KahanMeans, HistogramMean>;

/// What histograms add up to.
pub(super) trait HistogramTotal {
    /// The total of `first` alone.
    fn new(first: &FloatHistogram) -> Self;
    /// Takes in `other`.
    fn add(&mut self, other: &FloatHistogram) -> Result<MergeNotes, IncompatibleBuckets>;
    /// What it is.
    fn finish(self) -> FloatHistogram;
}

macro_rules! totals {
    ($($histogram:ident)*) => {$(
        impl HistogramTotal for $histogram {
            fn new(first: &FloatHistogram) -> Self {
                Self::new(first)
            }

            fn add(&mut self, other: &FloatHistogram) -> Result<MergeNotes, IncompatibleBuckets> {
                Self::add(self, other)
            }

            fn finish(self) -> FloatHistogram {
                Self::finish(self)
            }
        }
    )*};
}

totals! {
    HistogramSum HistogramMean
}

/// What the floats or the histograms of a group add up to at each step.
#[derive(Debug)]
pub(super) struct Totals<F, H> {
    /// Empty as long as no histogram came; the floats that came before are not in it.
    kinds: Vec<Kinds>,
    /// Where floats came.
    present: Bits,
    floats: F,
    steps: usize,
    /// Empty as long as no histogram came.
    histograms: Vec<Option<Box<H>>>,
}

impl<F: FloatTotals, H: HistogramTotal> Totals<F, H> {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            kinds: Vec::new(),
            present: Bits::none(steps),
            floats: F::new(steps),
            steps,
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
        kinds.histogram = true;
        if kinds.float || self.present.get(step) {
            // Together with floats there is no result anyway.
            return;
        }
        kinds.see_hint(histogram);
        if self.histograms.is_empty() {
            self.histograms.resize_with(self.steps, || None);
        }
        match &mut self.histograms[step] {
            None => self.histograms[step] = Some(Box::new(H::new(histogram))),
            Some(total) => match total.add(histogram) {
                Ok(merge) => notes.merged(merge),
                Err(_) => {
                    kinds.incompatible = true;
                    notes.incompatible_buckets(metric);
                }
            },
        }
    }
}

impl<F: FloatTotals, H: HistogramTotal> Accumulator for Totals<F, H> {
    fn add(&mut self, series: &StepSeries, notes: &mut Notes<'_>) {
        if let Some((values, present)) = series.column.only_floats()
            && self.kinds.is_empty()
        {
            self.present.join(present);
            self.floats.add_all(values, present);
            return;
        }
        if self.kinds.is_empty() {
            self.kinds = vec![Kinds::default(); self.steps];
        }
        for (step, value) in series.column.floats() {
            let kinds = &mut self.kinds[step];
            if !kinds.incompatible {
                kinds.float = true;
                self.floats.add(step, value);
            }
        }
        let metric = series.labels.metric_name().unwrap_or_default();
        for (step, histogram) in series.column.histograms() {
            self.add_histogram(step, histogram, metric, notes);
        }
    }

    fn finish(self, notes: &mut Notes<'_>) -> Column {
        let mut column = Column::absent(self.steps);
        let mut histograms = self.histograms.into_iter();
        let mut all_kinds = self.kinds.into_iter();
        for step in 0..self.steps {
            let histogram = histograms.next().flatten();
            let mut kinds = all_kinds.next().unwrap_or_default();
            kinds.float |= self.present.get(step);
            if !kinds.has_result(notes) {
                continue;
            }
            match histogram {
                Some(histogram) => column.set_histogram(step, Arc::new(histogram.finish())),
                None => column.set_float(step, self.floats.value(step)),
            }
        }
        column
    }
}
