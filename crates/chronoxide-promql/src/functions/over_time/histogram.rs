//! Sum and mean of native histograms.

use std::sync::Arc;

use chronoxide_model::CounterResetHint;

use crate::FloatHistogram;
use crate::eval::CellValue;
use crate::functions::notes::{Note, Notes};
use crate::functions::range::Workspace;
use crate::histogram::HistogramSum;

/// The sum of at least one histogram; none, with a note, when their buckets do not fit together.
pub(super) fn sum(
    histograms: &[Arc<FloatHistogram>],
    Workspace { notes, stop, .. }: &mut Workspace,
) -> Option<CellValue> {
    aggregate(histograms, notes, |total, noted| {
        for (index, histogram) in histograms.iter().enumerate().skip(1) {
            Note::check(stop, index)?;
            add(total, histogram, noted)?;
        }
        Ok(())
    })
}

/// The mean of at least one histogram; none, with a note, when their buckets do not fit together.
pub(super) fn avg(
    histograms: &[Arc<FloatHistogram>],
    Workspace { notes, stop, .. }: &mut Workspace,
) -> Option<CellValue> {
    aggregate(histograms, notes, |total, noted| {
        for (index, histogram) in histograms.iter().enumerate().skip(1) {
            Note::check(stop, index)?;
            let before = total.clone();
            add(total, histogram, noted)?;
            if total.has_overflow() {
                *total = before;
                total.div(index as f64);
                return running_mean(total, &histograms[index..], index, noted);
            }
        }
        total.div(histograms.len() as f64);
        Ok(())
    })
}

/// Joins `histograms` to the mean of `count` others.
fn running_mean(
    mean: &mut HistogramSum,
    histograms: &[Arc<FloatHistogram>],
    count: usize,
    notes: &mut Notes,
) -> Result<(), Note> {
    let mut count = count as f64;
    for histogram in histograms {
        count += 1.0;
        mean.mul((count - 1.0) / count);
        let mut share = histogram.as_ref().clone();
        share.div(count);
        add(mean, &share, notes)?;
    }
    Ok(())
}

fn aggregate(
    histograms: &[Arc<FloatHistogram>],
    notes: &mut Notes,
    join: impl FnOnce(&mut HistogramSum, &mut Notes) -> Result<(), Note>,
) -> Option<CellValue> {
    if let [only] = histograms {
        return Some(CellValue::Histogram(Arc::clone(only)));
    }
    let mut total = HistogramSum::new(histograms.first()?);
    let mut noted = Notes::default();
    if let Err(note) = join(&mut total, &mut noted) {
        notes.add(note);
        return None;
    }
    notes.merge(&noted);
    let has = |hint| {
        histograms
            .iter()
            .any(|histogram| histogram.counter_reset_hint == hint)
    };
    if has(CounterResetHint::Reset) && has(CounterResetHint::NotReset) {
        notes.add(Note::CollisionAggregation);
    }
    Some(CellValue::Histogram(Arc::new(total.finish())))
}

fn add(total: &mut HistogramSum, other: &FloatHistogram, notes: &mut Notes) -> Result<(), Note> {
    let done = total.add(other).map_err(|_| Note::MixedExponentialCustom)?;
    if done.bounds_reconciled {
        notes.add(Note::ReconciledAggregation);
    }
    Ok(())
}
