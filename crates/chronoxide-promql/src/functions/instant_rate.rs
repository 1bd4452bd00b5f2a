//! `irate` and `idelta`: the change between the last two samples of a window.

use std::sync::Arc;

use chronoxide_model::CounterResetHint;

use crate::eval::CellValue;
use crate::eval::window::Window;
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::functions::rate::{is_start_reset, subtract_noted};
use crate::{Error, FloatHistogram};

pub(super) fn irate(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    Ok(last_change(window, workspace, true))
}

pub(super) fn idelta(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    Ok(last_change(window, workspace, false))
}

/// One sample of either kind.
#[derive(Clone, Copy)]
struct Last<'w> {
    at_ms: i64,
    start_ms: i64,
    point: LastPoint<'w>,
}

#[derive(Clone, Copy)]
enum LastPoint<'w> {
    Float(f64),
    Histogram(&'w FloatHistogram),
}

impl<'w> Last<'w> {
    /// The newest sample among the first `floats` floats and `histograms` histograms, which are counted down.
    fn pop(window: &Window<'w>, floats: &mut usize, histograms: &mut usize) -> Option<Self> {
        let float_ms = floats.checked_sub(1).map(|at| window.times[at]);
        let histogram_ms = histograms
            .checked_sub(1)
            .map(|at| window.histogram_times[at]);
        if float_ms > histogram_ms {
            *floats -= 1;
            let at = *floats;
            return Some(Self {
                at_ms: window.times[at],
                start_ms: window.starts.get(at).copied().unwrap_or(0),
                point: LastPoint::Float(window.values[at]),
            });
        }
        *histograms = histograms.checked_sub(1)?;
        let at = *histograms;
        Some(Self {
            at_ms: window.histogram_times[at],
            start_ms: window.histogram_starts.get(at).copied().unwrap_or(0),
            point: LastPoint::Histogram(&window.histograms[at]),
        })
    }

    const fn start_and_time(&self) -> (i64, i64) {
        (self.start_ms, self.at_ms)
    }
}

fn last_change(window: &Window<'_>, workspace: &mut Workspace, is_rate: bool) -> Option<CellValue> {
    let (mut floats, mut histograms) = (window.times.len(), window.histogram_times.len());
    let last = Last::pop(window, &mut floats, &mut histograms)?;
    let previous = Last::pop(window, &mut floats, &mut histograms)?;
    let seconds = (last.at_ms - previous.at_ms) as f64 / 1000.0;
    if seconds == 0.0 {
        return None;
    }
    let start_reset = is_rate && is_start_reset(previous.start_and_time(), last.start_and_time());
    match (previous.point, last.point) {
        (LastPoint::Float(before), LastPoint::Float(after)) => {
            let reset = start_reset || (is_rate && after < before);
            let change = if reset { after } else { after - before };
            Some(CellValue::Float(if is_rate {
                change / seconds
            } else {
                change
            }))
        }
        (LastPoint::Histogram(before), LastPoint::Histogram(after)) => {
            let mut change = histogram_change(before, after, is_rate, start_reset, workspace)?;
            if is_rate {
                change.div(seconds);
            }
            Some(CellValue::Histogram(Arc::new(change)))
        }
        _ => {
            workspace.notes.add(Note::MixedFloatsHistograms);
            None
        }
    }
}

fn histogram_change(
    before: &FloatHistogram,
    after: &FloatHistogram,
    is_rate: bool,
    start_reset: bool,
    workspace: &mut Workspace,
) -> Option<FloatHistogram> {
    let gauges = [before, after]
        .iter()
        .filter(|histogram| histogram.counter_reset_hint == CounterResetHint::Gauge)
        .count();
    if is_rate && gauges > 0 {
        workspace.notes.add(Note::NotCounter);
    }
    if !is_rate && gauges < 2 {
        workspace.notes.add(Note::NotGauge);
    }
    let mut change = after.clone();
    if !is_rate || !(start_reset || after.is_reset_after(before)) {
        subtract_noted(&mut change, before, &mut workspace.notes)?;
    }
    change.counter_reset_hint = CounterResetHint::Gauge;
    change.compact();
    Some(change)
}
