//! Instant selectors: the newest sample not older than the lookback, at each step.

use std::sync::Arc;

use chronoxide_model::{Reduction, SampleColumns, TimeRange, is_stale_marker};

use crate::eval::selector::Selection;
use crate::eval::window::Passed;
use crate::eval::{Bits, Column, Evaluation, Sink, StepSeries, Steps};
use crate::plan::Selector;
use crate::{Error, FloatHistogram};

/// What of a sample becomes the value of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Its value.
    Value,
    /// Its time in seconds, whatever its kind.
    Time,
    /// Its start time in seconds, 0 when unknown.
    StartTime,
    /// Its time in seconds; NaN for a histogram.
    FloatTime,
}

/// Hands on each series of `selector` with the newest sample at each step.
///
/// # Errors
/// Whatever the source or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    selector: &Selector,
    shown: Shown,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let reach = Reach::of(selector, evaluation.query.lookback_ms);
    let Some(times) = reach.times(evaluation.steps) else {
        return Ok(());
    };
    let needs_values = shown == Shown::Value && evaluation.values;
    let reduction = (!needs_values).then_some((Reduction::Times, times));
    let selection = Selection::new(evaluation, &selector.matchers, times)?.reduced_by(reduction);
    let work = |index: usize, columns: &mut SampleColumns, (): &mut ()| {
        let column = reach.column(evaluation, columns, shown)?;
        evaluation.see(column.size().samples);
        Ok((!column.is_empty())
            .then(|| StepSeries::new(selection.labels(index), column, shown != Shown::Value)))
    };
    selection.map(evaluation, &work, sink)
}

/// The times of all samples that `selector` may show at `steps`.
pub(crate) fn times(selector: &Selector, lookback_ms: i64, steps: Steps) -> Option<TimeRange> {
    Reach::of(selector, lookback_ms).times(steps)
}

/// How far back from a step samples are looked for.
#[derive(Clone, Copy, Debug)]
struct Reach {
    offset_ms: i64,
    at_ms: Option<i64>,
    lookback_ms: i64,
}

impl Reach {
    const fn of(selector: &Selector, lookback_ms: i64) -> Self {
        Self {
            offset_ms: selector.offset_ms,
            at_ms: selector.at_ms,
            lookback_ms,
        }
    }

    /// The time that `step_ms` asks about.
    fn asked_ms(&self, step_ms: i64) -> i64 {
        self.at_ms.unwrap_or(step_ms).saturating_sub(self.offset_ms)
    }

    /// The times of all samples that the steps may show.
    fn times(&self, steps: Steps) -> Option<TimeRange> {
        let first = self.asked_ms(steps.start_ms);
        let last = self.asked_ms(steps.end_ms());
        let after = first.saturating_sub(self.lookback_ms);
        TimeRange::new(after.saturating_add(1), last).ok()
    }

    fn column(
        &self,
        evaluation: &Evaluation<'_>,
        samples: &SampleColumns,
        shown: Shown,
    ) -> Result<Column, Error> {
        if samples.histograms.is_empty() && shown == Shown::Value {
            return self.column_of_floats(evaluation, samples);
        }
        let mut column = Column::absent(evaluation.steps.count);
        let mut newest = Newest::new(samples);
        for (index, step_ms) in evaluation.steps.iter().enumerate() {
            evaluation.check_step(index)?;
            let asked_ms = self.asked_ms(step_ms);
            newest.advance(asked_ms);
            newest.show(
                asked_ms.saturating_sub(self.lookback_ms),
                shown,
                index,
                &mut column,
            );
        }
        Ok(column)
    }
}

impl Reach {
    /// The common case: a series of floats alone.
    fn column_of_floats(
        &self,
        evaluation: &Evaluation<'_>,
        samples: &SampleColumns,
    ) -> Result<Column, Error> {
        let (times, values) = (&samples.timestamps_ms, &samples.values);
        let mut floats = Vec::with_capacity(evaluation.steps.count);
        let mut present = Bits::default();
        let mut passed = Passed::default();
        for (index, step_ms) in evaluation.steps.iter().enumerate() {
            evaluation.check_step(index)?;
            let asked_ms = self.asked_ms(step_ms);
            passed.pass(times, asked_ms);
            let newest = passed.count().wrapping_sub(1);
            let newest = times.get(newest).zip(values.get(newest));
            let (at_ms, value) = newest.map_or((i64::MIN, 0.0), |(at, value)| (*at, *value));
            let is_shown =
                at_ms > asked_ms.saturating_sub(self.lookback_ms) && !is_stale_marker(value);
            floats.push(value);
            present.push(index, is_shown);
        }
        Ok(Column::of_present(floats, present))
    }
}

/// The newest sample of either kind, moving forward through the columns.
struct Newest<'s> {
    samples: &'s SampleColumns,
    /// How many floats, and how many histograms, have been passed.
    floats: usize,
    histograms: usize,
    /// The histogram shown last, to share it between steps.
    converted: Option<(usize, Arc<FloatHistogram>)>,
}

impl<'s> Newest<'s> {
    const fn new(samples: &'s SampleColumns) -> Self {
        Self {
            samples,
            floats: 0,
            histograms: 0,
            converted: None,
        }
    }

    /// Passes all samples up to `until_ms`.
    fn advance(&mut self, until_ms: i64) {
        let times = &self.samples.timestamps_ms;
        while self.floats < times.len() && times[self.floats] <= until_ms {
            self.floats += 1;
        }
        let times = &self.samples.histogram_timestamps_ms;
        while self.histograms < times.len() && times[self.histograms] <= until_ms {
            self.histograms += 1;
        }
    }

    /// Puts the newest sample into step `index` of `column`, unless it is stale or not younger than `after_ms`.
    fn show(&mut self, after_ms: i64, shown: Shown, index: usize, column: &mut Column) {
        let samples = self.samples;
        let float = self.floats.checked_sub(1);
        let histogram = self.histograms.checked_sub(1);
        let float_ms = float.map(|at| samples.timestamps_ms[at]);
        let histogram_ms = histogram.map(|at| samples.histogram_timestamps_ms[at]);
        if float_ms.max(histogram_ms).is_none_or(|at| at <= after_ms) {
            return;
        }
        match (float, histogram) {
            (Some(at), _) if float_ms > histogram_ms => {
                if is_stale_marker(samples.values[at]) {
                    return;
                }
                let value = match shown {
                    Shown::Value => samples.values[at],
                    Shown::Time | Shown::FloatTime => seconds(samples.timestamps_ms[at]),
                    Shown::StartTime => start_seconds(&samples.start_timestamps_ms, at),
                };
                column.set_float(index, value);
            }
            (_, Some(at)) => {
                if samples.histograms[at].is_stale() {
                    return;
                }
                match shown {
                    Shown::Value => column.set_histogram(index, self.converted(at)),
                    Shown::Time => {
                        column.set_float(index, seconds(samples.histogram_timestamps_ms[at]));
                    }
                    Shown::FloatTime => column.set_float(index, f64::NAN),
                    Shown::StartTime => column.set_float(
                        index,
                        start_seconds(&samples.histogram_start_timestamps_ms, at),
                    ),
                }
            }
            _ => {}
        }
    }

    /// Histogram `at`, converted once however many steps show it.
    fn converted(&mut self, at: usize) -> Arc<FloatHistogram> {
        match &self.converted {
            Some((index, histogram)) if *index == at => Arc::clone(histogram),
            _ => {
                let histogram = Arc::new(FloatHistogram::from(&self.samples.histograms[at]));
                self.converted = Some((at, Arc::clone(&histogram)));
                histogram
            }
        }
    }
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn start_seconds(starts: &[i64], at: usize) -> f64 {
    starts.get(at).map_or(0.0, |start| seconds(*start))
}
