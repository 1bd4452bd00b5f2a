//! The change of native histograms over a window.

use chronoxide_model::CounterResetHint;

use crate::FloatHistogram;
use crate::eval::Stop;
use crate::eval::window::Window;
use crate::functions::notes::{Note, Notes};
use crate::functions::range::Workspace;
use crate::functions::rate::{Change, any_overlap, is_start_reset};

/// The last minus the first histogram of a window with at least two, plus what resets took away.
///
/// None when the buckets do not fit together; the notes say so.
pub(super) fn change(
    window: &Window<'_>,
    change: Change,
    Workspace { notes, stop, .. }: &mut Workspace,
) -> Option<FloatHistogram> {
    let mut own = Notes::default();
    match checked_change(window, change, &mut own, stop) {
        Ok(total) => {
            notes.merge(&own);
            Some(total)
        }
        Err(note) => {
            notes.add(note);
            None
        }
    }
}

fn checked_change(
    window: &Window<'_>,
    change: Change,
    notes: &mut Notes,
    stop: &Stop,
) -> Result<FloatHistogram, Note> {
    let histograms = window.histograms;
    let last = &histograms[histograms.len() - 1];
    let is_gauge =
        |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    if change.is_counter && (is_gauge(&histograms[0]) || is_gauge(last)) {
        notes.add(Note::NotCounter);
    }
    let nothing = (change.is_counter && resets(window, 1, &histograms[0]))
        .then(|| empty_like(&histograms[1]));
    let first = nothing.as_ref().unwrap_or(&histograms[0]);
    let custom = first.uses_custom_buckets();
    if last.uses_custom_buckets() != custom {
        return Err(Note::MixedExponentialCustom);
    }
    let mut schema = last.schema.min(first.schema);
    if change.is_counter {
        for histogram in &histograms[1..histograms.len() - 1] {
            if is_gauge(histogram) {
                notes.add(Note::NotCounter);
            }
            if histogram.uses_custom_buckets() != custom {
                return Err(Note::MixedExponentialCustom);
            }
            schema = schema.min(histogram.schema);
        }
    }
    let mut total = last.as_ref().clone();
    total.reduce_resolution(schema);
    subtract(&mut total, first, notes)?;
    if change.is_counter {
        add_resets(&mut total, window, first, notes, stop)?;
    } else if !is_gauge(&histograms[0]) || !is_gauge(last) {
        notes.add(Note::NotGauge);
    }
    total.counter_reset_hint = CounterResetHint::Gauge;
    total.compact();
    Ok(total)
}

/// Whether the counter was reset between `previous`, which stands for histogram `index - 1`, and histogram `index`.
fn resets(window: &Window<'_>, index: usize, previous: &FloatHistogram) -> bool {
    let (starts, times) = (window.histogram_starts, window.histogram_times);
    let by_start = !starts.is_empty()
        && is_start_reset(
            (starts[index - 1], times[index - 1]),
            (starts[index], times[index]),
        );
    by_start || window.histograms[index].is_reset_after(previous)
}

/// A histogram without observations and with the buckets of `other`.
fn empty_like(other: &FloatHistogram) -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: other.schema,
        zero_threshold: 0.0,
        zero_count: 0.0,
        count: 0.0,
        sum: 0.0,
        positive: Vec::new(),
        negative: Vec::new(),
        custom_bounds: other.custom_bounds.clone(),
    }
}

fn add_resets(
    total: &mut FloatHistogram,
    window: &Window<'_>,
    first: &FloatHistogram,
    notes: &mut Notes,
    stop: &Stop,
) -> Result<(), Note> {
    if any_overlap(window.histogram_starts, window.histogram_times) {
        notes.start_overlaps += 1;
    }
    let mut previous = first;
    for index in 1..window.histograms.len() {
        Note::check(stop, index)?;
        if resets(window, index, previous) {
            add(total, previous, notes)?;
        }
        previous = &window.histograms[index];
    }
    Ok(())
}

fn add(total: &mut FloatHistogram, other: &FloatHistogram, notes: &mut Notes) -> Result<(), Note> {
    let done = total.add(other).map_err(|_| Note::MixedExponentialCustom)?;
    if done.bounds_reconciled {
        notes.add(Note::ReconciledAddition);
    }
    Ok(())
}

fn subtract(
    total: &mut FloatHistogram,
    other: &FloatHistogram,
    notes: &mut Notes,
) -> Result<(), Note> {
    let done = total.sub(other).map_err(|_| Note::MixedExponentialCustom)?;
    if done.bounds_reconciled {
        notes.add(Note::ReconciledSubtraction);
    }
    Ok(())
}

/// Adds `other`; none, with a note, when the buckets do not fit together.
pub(in crate::functions) fn add_noted(
    total: &mut FloatHistogram,
    other: &FloatHistogram,
    notes: &mut Notes,
) -> Option<()> {
    add(total, other, notes)
        .map_err(|note| notes.add(note))
        .ok()
}

/// Subtracts `other`; none, with a note, when the buckets do not fit together.
pub(in crate::functions) fn subtract_noted(
    total: &mut FloatHistogram,
    other: &FloatHistogram,
    notes: &mut Notes,
) -> Option<()> {
    subtract(total, other, notes)
        .map_err(|note| notes.add(note))
        .ok()
}
