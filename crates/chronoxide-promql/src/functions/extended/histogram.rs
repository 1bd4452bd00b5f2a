//! The change of native histograms over an extended window.

use std::sync::Arc;

use chronoxide_model::CounterResetHint;

use super::edges::Edges;
use crate::FloatHistogram;
use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::notes::{Note, Notes};
use crate::functions::rate::{Change, add_noted, subtract_noted};

/// The change between the edges of a window that has histograms; none, with a note, when their buckets do not fit
/// together.
pub(super) fn change(
    window: &Window<'_>,
    notes: &mut Notes,
    change: Change,
    smoothed: bool,
) -> Option<CellValue> {
    let edges = Edges::of(window, window.histogram_times, smoothed)?;
    check(window, &edges, notes, change)?;
    let left = left(window, &edges, notes, change.is_counter)?;
    let right = right(window, &edges, notes, change.is_counter)?;
    let is_gauge =
        |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    let are_gauges = is_gauge(&left) && is_gauge(&right);
    if !change.is_counter && !are_gauges {
        notes.add(Note::NotGauge);
    }
    let mut total = right.clone();
    subtract_noted(&mut total, &left, notes)?;
    if change.is_counter {
        let lost = lost_in_resets(window, &edges, (&left, &right), notes)?;
        if let Some(lost) = lost {
            add_noted(&mut total, &lost, notes)?;
        }
    }
    if change.is_rate {
        total.div(window.seconds());
    }
    total.counter_reset_hint = CounterResetHint::Gauge;
    total.compact();
    Some(CellValue::Histogram(Arc::new(total)))
}

/// Whether all histograms have buckets of one kind; notes gauges among counters.
fn check(window: &Window<'_>, edges: &Edges, notes: &mut Notes, change: Change) -> Option<()> {
    let histograms = window.histograms.get(edges.first..=edges.last)?;
    let custom = histograms.first()?.uses_custom_buckets();
    for histogram in histograms {
        if histogram.uses_custom_buckets() != custom {
            notes.add(Note::MixedExponentialCustom);
            return None;
        }
        if change.is_counter && histogram.counter_reset_hint == CounterResetHint::Gauge {
            notes.add(Note::NotCounter);
        }
    }
    Some(())
}

fn left(
    window: &Window<'_>,
    edges: &Edges,
    notes: &mut Notes,
    is_counter: bool,
) -> Option<FloatHistogram> {
    if edges.interpolates_left(window, window.histogram_times) {
        return interpolate(window, edges.first, window.start_ms, is_counter, notes);
    }
    Some(window.histograms[edges.first].as_ref().clone())
}

fn right(
    window: &Window<'_>,
    edges: &Edges,
    notes: &mut Notes,
    is_counter: bool,
) -> Option<FloatHistogram> {
    if edges.interpolates_right(window, window.histogram_times) {
        return interpolate(window, edges.last - 1, window.end_ms, is_counter, notes);
    }
    Some(window.histograms[edges.last].as_ref().clone())
}

/// The histogram at `at_ms`, between sample `index` of the window and the next.
pub(crate) fn interpolate(
    window: &Window<'_>,
    index: usize,
    at_ms: i64,
    is_counter: bool,
    notes: &mut Notes,
) -> Option<FloatHistogram> {
    let (before, after) = (&window.histograms[index], &window.histograms[index + 1]);
    let times = (
        window.histogram_times[index],
        window.histogram_times[index + 1],
    );
    if at_ms == times.0 {
        return Some(before.as_ref().clone());
    }
    let mut result = after.as_ref().clone();
    if at_ms == times.1 {
        return Some(result);
    }
    let fraction = (at_ms - times.0) as f64 / (times.1 - times.0) as f64;
    if is_counter && after.is_reset_after(before) {
        result.mul(fraction);
        return Some(result);
    }
    subtract_noted(&mut result, before, notes)?;
    result.mul(fraction);
    add_noted(&mut result, before, notes)?;
    Some(result)
}

/// What resets took away between the edges, if there was any; none at all when buckets do not fit together.
fn lost_in_resets(
    window: &Window<'_>,
    edges: &Edges,
    (left, right): (&FloatHistogram, &FloatHistogram),
    notes: &mut Notes,
) -> Option<Option<FloatHistogram>> {
    let histograms = window.histograms;
    let mut first = edges.first + 1;
    let mut previous = left;
    if edges.interpolates_left(window, window.histogram_times)
        && histograms[first].is_reset_after(&histograms[edges.first])
    {
        // The interpolation at the start already took this reset into account.
        previous = &histograms[first];
        first += 1;
    }
    if first > edges.last {
        return Some(None);
    }
    // The last sample is left out: `right` stands for it and has its hint.
    let mut lost: Option<FloatHistogram> = None;
    let inside = histograms[first..edges.last].iter().map(Arc::as_ref);
    for current in inside.chain([right]) {
        if current.is_reset_after(previous) {
            match &mut lost {
                Some(lost) => add_noted(lost, previous, notes)?,
                None => lost = Some(previous.clone()),
            }
        }
        previous = current;
    }
    Some(lost)
}
