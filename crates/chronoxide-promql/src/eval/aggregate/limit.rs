//! `limitk` and `limit_ratio`: some series of each group, as they come.

use std::sync::atomic::{AtomicBool, Ordering};

use xxhash_rust::xxh64::xxh64;

use chronoxide_model::Labels;

use super::groups::{GroupNumbers, charge_group};
use super::parameter::Parameter;
use crate::Error;
use crate::annotations::Annotation;
use crate::eval::{Charge, Evaluation, Sink, StepSeries};
use crate::plan::Aggregate;

/// Hands on the first k series of each group at each step.
pub(super) fn first(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let Some(limits) = Parameter::new(evaluation, aggregate)?.counts()? else {
        return evaluation.for_each(&aggregate.inner, &mut |_| Ok(()));
    };
    let mut numbers = GroupNumbers::default();
    let mut left: Vec<Vec<usize>> = Vec::new();
    let mut charges: Vec<Charge> = Vec::new();
    let enough = AtomicBool::new(false);
    // Once the only group there can be is full, no more have to be read.
    let inner = if aggregate.grouping.is_of_all() {
        evaluation.until(&enough, &aggregate.inner)
    } else {
        *evaluation
    };
    inner.for_each(&aggregate.inner, &mut |mut series| {
        let (number, new) = numbers.number(&aggregate.grouping, &series.labels);
        if let Some(labels) = new {
            charges.push(charge_group(evaluation, &labels)?);
            left.push(limits.clone());
        }
        for (step, left) in left[number].iter_mut().enumerate() {
            if series.column.is_absent(step) {
                continue;
            }
            if *left == 0 {
                series.column.clear(step);
            } else {
                *left -= 1;
            }
        }
        if left[number].iter().all(|left| *left == 0) {
            enough.store(true, Ordering::Relaxed);
        }
        hand_on(series, sink)
    })
}

/// Hands on a share of the series, chosen by the hash of their labels: the same ones at each step, and a negative
/// ratio gives the ones that its complement leaves.
pub(super) fn ratio(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let parameter = Parameter::new(evaluation, aggregate)?;
    if parameter.has_nan() {
        return Err(Error::execution("Ratio value is NaN"));
    }
    evaluation.for_each(&aggregate.inner, &mut |mut series| {
        let offset = sampling_offset(&series.labels);
        for (step, &ratio) in parameter.values.iter().enumerate() {
            if !is_sampled(offset, ratio.clamp(-1.0, 1.0)) {
                series.column.clear(step);
            }
        }
        hand_on(series, sink)
    })?;
    for (faulty, got, capped) in [
        (parameter.max() > 1.0, parameter.max(), 1.0),
        (parameter.min() < -1.0, parameter.min(), -1.0),
    ] {
        if faulty {
            let annotation = Annotation::InvalidRatio { got, capped };
            evaluation.annotate(annotation, parameter.position);
        }
    }
    Ok(())
}

fn hand_on(series: StepSeries, sink: Sink<'_>) -> Result<(), Error> {
    if series.column.is_empty() {
        return Ok(());
    }
    sink(series)
}

/// Whether a series with this offset is among the share `ratio` from below, or from above if it is negative.
fn is_sampled(offset: f64, ratio: f64) -> bool {
    if ratio >= 0.0 {
        offset < ratio
    } else {
        offset >= 1.0 + ratio
    }
}

/// A number from 0 to 1 that only the labels decide: the one that Prometheus computes, so that both pick the same series.
fn sampling_offset(labels: &Labels) -> f64 {
    let mut bytes = Vec::new();
    for (name, value) in labels.iter() {
        for text in [name, value] {
            push_length(text.len(), &mut bytes);
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    xxh64(&bytes, 0) as f64 / u64::MAX as f64
}

/// The length of a text as Prometheus keeps it in memory: one byte, or 255 and three.
fn push_length(length: usize, bytes: &mut Vec<u8>) {
    match u8::try_from(length) {
        Ok(short) if short < 255 => bytes.push(short),
        _ => {
            bytes.push(255);
            bytes.extend_from_slice(&length.to_le_bytes()[..3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_and_its_complement_share_no_series_and_leave_none() {
        for index in 0..200 {
            let labels = Labels::from_pairs([("instance", index.to_string())]).unwrap();
            let offset = sampling_offset(&labels);
            assert!((0.0..=1.0).contains(&offset));
            for ratio in [0.1, 0.25, 0.5, 0.9] {
                assert_ne!(is_sampled(offset, ratio), is_sampled(offset, ratio - 1.0));
            }
            assert!(is_sampled(offset, 1.0) && is_sampled(offset, -1.0));
            assert!(!is_sampled(offset, 0.0));
        }
    }

    #[test]
    fn offsets_are_spread_evenly() {
        let below_half = (0..1000)
            .filter(|index| {
                let labels = Labels::from_pairs([("instance", index.to_string())]).unwrap();
                sampling_offset(&labels) < 0.5
            })
            .count();
        assert!((400..600).contains(&below_half), "{below_half}");
    }
}
