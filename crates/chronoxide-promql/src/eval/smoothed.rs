//! Smoothed instant selectors: values interpolated between the samples around each step.

use std::sync::Arc;

use chronoxide_model::{CounterResetHint, SampleColumns, TimeRange};

use crate::Error;
use crate::eval::samples::Samples;
use crate::eval::selector::Selection;
use crate::eval::window::{Bounds, Slide, Window};
use crate::eval::{CellValue, Column, Evaluation, Sink, StepSeries};
use crate::functions::notes::{Note, Notes};
use crate::functions::{interpolate_float, interpolate_histogram};
use crate::plan::{Position, Selector};

/// Hands on each series of smoothed `selector`, written at `position`.
///
/// # Errors
/// Whatever the source or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    selector: &Selector,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let lookback_ms = evaluation.query.lookback_ms;
    let bounds = |step_ms: i64| {
        let asked_ms = selector
            .at_ms
            .unwrap_or(step_ms)
            .saturating_sub(selector.offset_ms);
        Bounds {
            step_ms,
            start_ms: asked_ms,
            end_ms: asked_ms,
            after_ms: asked_ms.saturating_sub(lookback_ms),
            until_ms: asked_ms.saturating_add(lookback_ms),
        }
    };
    let steps = evaluation.steps;
    let (first, last) = (bounds(steps.start_ms), bounds(steps.end_ms()));
    let Ok(times) = TimeRange::new(first.after_ms.saturating_add(1), last.until_ms) else {
        return Ok(());
    };
    let selection = Selection::new(evaluation, &selector.matchers, times)?;
    let work =
        |index: usize, columns: &mut SampleColumns, (samples, notes): &mut (Samples, Notes)| {
            samples.take(columns, &evaluation.query.stop)?;
            let mut column = Column::absent(steps.count);
            let mut slide = Slide::default();
            for (step, step_ms) in steps.iter().enumerate() {
                evaluation.check_step(step)?;
                let window = slide.to(&bounds(step_ms), samples);
                if let Some(value) = value_at(&window, window.end_ms, notes) {
                    column.set(step, value);
                }
            }
            let labels = selection.labels(index);
            notes.tell(
                evaluation,
                labels.metric_name().unwrap_or_default(),
                position,
            );
            Ok((!column.is_empty()).then(|| StepSeries::new(labels, column, false)))
        };
    selection.map(evaluation, &work, sink)
}

/// The value at `at_ms`: the sample's own, or between the samples around; the last one when none follows.
fn value_at(window: &Window<'_>, at_ms: i64, notes: &mut Notes) -> Option<CellValue> {
    if window.is_mixed() {
        notes.add(Note::MixedFloatsHistograms);
        return None;
    }
    if window.times.is_empty() {
        return histogram_at(window, at_ms, notes);
    }
    let next = window.times.partition_point(|time| *time < at_ms);
    if window.times.get(next) == Some(&at_ms) {
        return Some(CellValue::Float(window.values[next]));
    }
    let previous = next.checked_sub(1)?;
    let sample = |at: usize| (window.times[at], window.values[at]);
    let value = if next < window.times.len() {
        interpolate_float(sample(previous), sample(next), at_ms, false)
    } else {
        window.values[previous]
    };
    Some(CellValue::Float(value))
}

fn histogram_at(window: &Window<'_>, at_ms: i64, notes: &mut Notes) -> Option<CellValue> {
    let times = window.histogram_times;
    let next = times.partition_point(|time| *time < at_ms);
    if times.get(next) == Some(&at_ms) {
        return Some(CellValue::Histogram(Arc::clone(&window.histograms[next])));
    }
    let previous = next.checked_sub(1)?;
    let before = &window.histograms[previous];
    let Some(after) = window.histograms.get(next) else {
        let mut carried = before.as_ref().clone();
        carried.counter_reset_hint = CounterResetHint::Unknown;
        return Some(CellValue::Histogram(Arc::new(carried)));
    };
    if before.uses_custom_buckets() != after.uses_custom_buckets() {
        notes.add(Note::MixedExponentialCustom);
        return None;
    }
    // Only what is marked as a gauge on both sides is one.
    let is_counter = [before, after]
        .iter()
        .any(|histogram| histogram.counter_reset_hint != CounterResetHint::Gauge);
    interpolate_histogram(window, previous, at_ms, is_counter, notes)
        .map(|histogram| CellValue::Histogram(Arc::new(histogram)))
}
