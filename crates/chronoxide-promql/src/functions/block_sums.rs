//! Sums of sliding windows, from sums of blocks that many windows share.

use crate::kahan::KahanSum;

/// So many floats make a block.
const BLOCK: usize = 16;

/// The compensated sum of each full block of a series, from its first float on.
///
/// A long window adds up its blocks and the floats at its ends: as accurate as adding all of its floats, in a fraction
/// of the time.
#[derive(Debug, Default)]
pub(crate) struct BlockSums(Vec<KahanSum>);

impl BlockSums {
    /// Forgets the series.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Sums the blocks of a series.
    pub(crate) fn fill(&mut self, values: &[f64]) {
        self.0.clear();
        self.0.extend(values.chunks_exact(BLOCK).map(sum));
    }

    /// The sum of a window that holds `values` after `before` others of the series.
    pub(crate) fn window(&self, before: usize, values: &[f64]) -> KahanSum {
        let first = before.div_ceil(BLOCK);
        let end = ((before + values.len()) / BLOCK).min(self.0.len());
        if first >= end {
            return sum(values);
        }
        let mut total = sum(&values[..first * BLOCK - before]);
        for block in &self.0[first..end] {
            total.add(block.sum);
            total.compensation += block.compensation;
        }
        for value in &values[end * BLOCK - before..] {
            total.add(*value);
        }
        total
    }
}

fn sum(values: &[f64]) -> KahanSum {
    let mut sum = KahanSum::default();
    for value in values {
        sum.add(*value);
    }
    sum
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    #[test]
    fn blocks_give_the_sum_of_every_window() {
        let mut random = StdRng::seed_from_u64(11);
        let values: Vec<f64> = (0..200)
            .map(|_| random.random_range(-1.0..1.0) * 10_f64.powi(random.random_range(-12..12)))
            .collect();
        let mut blocks = BlockSums::default();
        blocks.fill(&values);
        for start in 0..values.len() {
            for end in start..=values.len() {
                let window = &values[start..end];
                let (got, expected) = (blocks.window(start, window), sum(window));
                let scale: f64 = window.iter().map(|value| value.abs()).sum();
                assert!(
                    (got.value() - expected.value()).abs() <= scale * 1e-18,
                    "{start}..{end}: {got:?} {expected:?}"
                );
            }
        }
    }

    #[test]
    fn infinities_and_nan_stay_in_their_windows() {
        let mut values = vec![1.0; 64];
        values[20] = f64::INFINITY;
        values[40] = f64::NAN;
        let mut blocks = BlockSums::default();
        blocks.fill(&values);
        assert_eq!(blocks.window(0, &values[..16]).value(), 16.0);
        assert_eq!(blocks.window(0, &values[..39]).value(), f64::INFINITY);
        assert!(blocks.window(0, &values).value().is_nan());
        assert_eq!(blocks.window(41, &values[41..]).value(), 23.0);
    }
}
