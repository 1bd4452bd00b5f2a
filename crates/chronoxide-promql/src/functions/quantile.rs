//! Quantiles of plain numbers: `quantile_over_time`, `mad_over_time`.

use std::cmp::Ordering;

use crate::Error;
use crate::eval::window::Window;
use crate::eval::{CellValue, Stop};
use crate::functions::notes::Note;
use crate::functions::range::Workspace;
use crate::functions::sorted_window::{self, Rank};

pub(super) fn quantile_over_time(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    let q = workspace.parameters[0];
    let value = if workspace.keeps_order && window.values.len() <= sorted_window::FLOATS_MAX {
        workspace.sorted.slide(window.before, window.values);
        let sorted = &workspace.sorted;
        Between::of(q, sorted.len()).map(|between| {
            let upper = (between.lower + 1).min(sorted.len() - 1);
            between.value(sorted.at(between.lower), sorted.at(upper))
        })
    } else {
        quantile_of(q, window.values, |value| value, workspace)?
    };
    Ok(Some(CellValue::Float(value)))
}

/// The median of the distances to the median.
pub(super) fn mad_over_time(
    window: &Window<'_>,
    workspace: &mut Workspace,
) -> Result<Option<CellValue>, Error> {
    if window.times.is_empty() {
        return Ok(None);
    }
    if window.is_mixed() {
        workspace.notes.add(Note::HistogramsIgnored);
    }
    Ok(Some(CellValue::Float(mad(window, workspace)?)))
}

fn mad(window: &Window<'_>, workspace: &mut Workspace) -> Result<f64, Error> {
    let values = window.values;
    if workspace.keeps_order && values.len() <= sorted_window::FLOATS_MAX {
        workspace.sorted.slide(window.before, values);
        let sorted = &workspace.sorted;
        let (least, greatest) = (sorted.at(0), sorted.at(sorted.len() - 1));
        if least.is_nan() {
            return Ok(f64::NAN);
        }
        if (greatest - least).is_finite() {
            return Ok(Between::of(0.5, sorted.len()).map(|between| {
                let upper = (between.lower + 1).min(sorted.len() - 1);
                let median = between.value(sorted.at(between.lower), sorted.at(upper));
                let (lower, upper) = sorted.distances(median, between.lower);
                between.value(lower, upper)
            }));
        }
    } else if values.iter().any(|value| value.is_nan()) {
        return Ok(f64::NAN);
    }
    let median = quantile_of(0.5, values, |value| value, workspace)?;
    quantile_of(0.5, values, |value| (value - median).abs(), workspace)
}

/// The `q`-quantile of what `map` makes of `values`.
fn quantile_of(
    q: f64,
    values: &[f64],
    map: impl Fn(f64) -> f64,
    workspace: &mut Workspace,
) -> Result<f64, Error> {
    if values.len() > MANY {
        return match Between::of(q, values.len()) {
            Quantile::Known(value) => Ok(value),
            Quantile::Between(between) => {
                let (lower, upper) = neighbours(between.lower, values, map, &workspace.stop)?;
                Ok(between.value(lower, upper))
            }
        };
    }
    workspace.scratch.clear();
    workspace.scratch.extend(values.iter().copied().map(map));
    Ok(quantile(q, &mut workspace.scratch))
}

/// The `q`-quantile of `values`, interpolated between neighbours; puts them in another order. NaN is the smallest.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    Between::of(q, values.len()).map(|between| {
        // Only the two neighbours of the rank have to be known, not the order of all others.
        let (_, &mut lower, above) = values.select_nth_unstable_by(between.lower, nan_first);
        let upper = above.iter().copied().min_by(nan_first).unwrap_or(lower);
        between.value(lower, upper)
    })
}

/// Where a quantile lies in the order of values.
#[derive(Clone, Copy, Debug)]
struct Between {
    /// How many values come before its lower neighbour.
    lower: usize,
    /// What share the upper neighbour has.
    weight: f64,
}

enum Quantile {
    /// Whatever the values are.
    Known(f64),
    Between(Between),
}

impl Quantile {
    fn map(self, value: impl FnOnce(Between) -> f64) -> f64 {
        match self {
            Self::Known(known) => known,
            Self::Between(between) => value(between),
        }
    }
}

impl Between {
    fn of(q: f64, count: usize) -> Quantile {
        if count == 0 || q.is_nan() {
            return Quantile::Known(f64::NAN);
        }
        if q < 0.0 {
            return Quantile::Known(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return Quantile::Known(f64::INFINITY);
        }
        let rank = q * (count - 1) as f64;
        Quantile::Between(Self {
            lower: rank.floor() as usize,
            weight: rank - rank.floor(),
        })
    }

    fn value(self, lower: f64, upper: f64) -> f64 {
        lower * (1.0 - self.weight) + upper * self.weight
    }
}

/// By value, NaN before all numbers and -0 before 0, so that the order does not depend on who sorts.
fn nan_first(left: &f64, right: &f64) -> Ordering {
    Rank::of(*left).cmp(&Rank::of(*right))
}

/// Of so many values the neighbours are found in passes that look whether the query is to stop.
const MANY: usize = 1 << 17;

/// The value with `rank` others before it and the one after it, which is itself if it is the last: digit by digit, from
/// counts of how many values have which, without a copy of them.
fn neighbours(
    mut rank: usize,
    values: &[f64],
    map: impl Fn(f64) -> f64,
    stop: &Stop,
) -> Result<(f64, f64), Error> {
    const DIGIT_BITS: u32 = 16;
    let mut counts = vec![0_usize; 1 << DIGIT_BITS];
    // The digits found so far, and the least of the values that are larger by one of them.
    let mut prefix = 0_u64;
    let mut above = None::<u64>;
    for shift in [48, 32, 16, 0] {
        counts.fill(0);
        let has_prefix = |key: u64| (key ^ prefix) >> shift >> DIGIT_BITS == 0;
        let digit_of = |key: u64| (key >> shift) as usize & 0xffff;
        for block in stop.blocks(values) {
            for key in block?.iter().map(|value| Rank::of(map(*value)).0) {
                if has_prefix(key) {
                    counts[digit_of(key)] += 1;
                }
            }
        }
        let mut digit = 0;
        while rank >= counts[digit] {
            rank -= counts[digit];
            digit += 1;
        }
        if rank + 1 == counts[digit] {
            // The next value, should it share all digits so far, differs in this one.
            for block in stop.blocks(values) {
                let keys = block?.iter().map(|value| Rank::of(map(*value)).0);
                let larger = keys.filter(|key| has_prefix(*key) && digit_of(*key) > digit);
                above = larger.chain(above).min();
            }
        }
        prefix |= (digit as u64) << shift;
    }
    let lower = Rank(prefix);
    Ok((lower.value(), above.map_or(lower, Rank).value()))
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        assert_eq!(quantile(0.5, &mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(0.75, &mut [0.0, 1.0, 2.0]), 1.5);
        assert_eq!(quantile(1.0, &mut [0.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(1.1, &mut [0.0]), f64::INFINITY);
        assert_eq!(quantile(-0.1, &mut [0.0]), f64::NEG_INFINITY);
        assert!(quantile(0.0, &mut [1.0, f64::NAN]).is_nan());
        assert!(quantile(0.5, &mut []).is_nan());
    }

    #[test]
    fn neighbours_found_digit_by_digit_are_those_of_the_order() {
        let mut random = StdRng::seed_from_u64(8);
        for length in [1, 2, 5, 300] {
            let values: Vec<f64> = (0..length)
                .map(|_| match random.random_range(0..6) {
                    0 => f64::NAN,
                    1 => f64::NEG_INFINITY,
                    2 => f64::from(random.random_range(-3..3)),
                    _ => random.random_range(-1.0..1.0),
                })
                .collect();
            let mut ordered: Vec<Rank> = values.iter().copied().map(Rank::of).collect();
            ordered.sort_unstable();
            for rank in 0..length {
                let (lower, upper) =
                    neighbours(rank, &values, |value| value, &Stop::default()).unwrap();
                let expected = (ordered[rank], ordered[(rank + 1).min(length - 1)]);
                assert_eq!(
                    (Rank::of(lower), Rank::of(upper)),
                    expected,
                    "{rank} of {length}"
                );
            }
        }
    }

    #[test]
    fn a_quantile_of_very_many_values_is_interrupted() {
        let cancellation = crate::Cancellation::new();
        cancellation.cancel();
        let mut workspace = Workspace::default();
        workspace.stop = Stop::new(cancellation, None);
        let values = vec![1.0; MANY + 1];
        let stopped = quantile_of(0.5, &values, |value| value, &mut workspace);
        assert!(matches!(stopped, Err(Error::Cancelled)));
    }
}
