//! Where the samples of a series are cut into chunks.
//!
//! Cuts lie on a grid of clock time that depends on the interval between samples alone. So all series of one scrape
//! are cut at the same places wherever they start, and share their timestamp columns.

use std::ops::Range;

use super::CHUNK_SAMPLES;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// Widths of grid cells, each a divisor of the day, widest first.
const CELLS_MS: [i64; 22] = [
    24 * HOUR_MS,
    12 * HOUR_MS,
    8 * HOUR_MS,
    6 * HOUR_MS,
    4 * HOUR_MS,
    3 * HOUR_MS,
    2 * HOUR_MS,
    HOUR_MS,
    30 * MINUTE_MS,
    20 * MINUTE_MS,
    15 * MINUTE_MS,
    10 * MINUTE_MS,
    5 * MINUTE_MS,
    2 * MINUTE_MS,
    MINUTE_MS,
    30_000,
    20_000,
    10_000,
    5_000,
    2_000,
    1_000,
    500,
];

/// The grid that a series is cut on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    cell_ms: i64,
}

impl Grid {
    /// The grid of a series with `count` samples between these times: its cells are the widest that about
    /// [`CHUNK_SAMPLES`] samples at this average interval fill.
    pub(crate) fn of(first_ms: i64, last_ms: i64, count: usize) -> Self {
        let span = i128::from(last_ms) - i128::from(first_ms);
        let intervals = count as i128 - 1;
        // cell / (span / intervals) <= CHUNK_SAMPLES
        let fits = |cell: &&i64| i128::from(**cell) * intervals <= CHUNK_SAMPLES as i128 * span;
        let cell_ms = *CELLS_MS
            .iter()
            .find(fits)
            .unwrap_or(&CELLS_MS[CELLS_MS.len() - 1]);
        Self { cell_ms }
    }

    fn of_times(timestamps_ms: &[i64]) -> Self {
        match (timestamps_ms.first(), timestamps_ms.last()) {
            (Some(first), Some(last)) => Self::of(*first, *last, timestamps_ms.len()),
            _ => Self {
                cell_ms: CELLS_MS[0],
            },
        }
    }

    /// The number of the cell that `time_ms` lies in.
    pub(crate) const fn cell(self, time_ms: i64) -> i64 {
        time_ms.div_euclid(self.cell_ms)
    }
}

/// The chunks of samples with these ascending timestamps, as ranges of their indexes; cut on `grid`, or on that of the
/// samples themselves when they are all that the series has.
pub(super) fn chunks(
    timestamps_ms: &[i64],
    grid: Option<Grid>,
) -> impl Iterator<Item = Range<usize>> {
    let grid = grid.unwrap_or_else(|| Grid::of_times(timestamps_ms));
    let mut start = 0;
    std::iter::from_fn(move || {
        let first = *timestamps_ms.get(start)?;
        let rest = &timestamps_ms[start..];
        let rest = &rest[..rest.len().min(CHUNK_SAMPLES)];
        let cell = grid.cell(first);
        let len = rest.partition_point(|time| grid.cell(*time) == cell);
        let chunk = start..start + len;
        start = chunk.end;
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * HOUR_MS;

    fn lengths(timestamps_ms: &[i64]) -> Vec<usize> {
        chunks(timestamps_ms, None)
            .map(|chunk| chunk.len())
            .collect()
    }

    #[test]
    fn a_day_at_15_s_is_three_chunks_of_eight_hours() {
        let times: Vec<i64> = (0..5760).map(|i| 100 * DAY_MS + i * 15_000).collect();
        assert_eq!(lengths(&times), [1920, 1920, 1920]);
        // A series that starts later is cut at the same times.
        assert_eq!(lengths(&times[1000..]), [920, 1920, 1920]);
    }

    #[test]
    fn no_chunk_is_longer_than_the_limit() {
        let times: Vec<i64> = (0..100_000).collect();
        assert!(lengths(&times).iter().all(|len| *len <= CHUNK_SAMPLES));
        assert_eq!(lengths(&times).iter().sum::<usize>(), times.len());
        // One sample far away makes the average interval long, so that cells are too wide for the rest.
        let mut times: Vec<i64> = (0..5000).map(|i| i * 1000).collect();
        times.push(30 * DAY_MS);
        assert_eq!(lengths(&times), [2048, 2048, 904, 1]);
    }

    #[test]
    fn few_samples_are_one_chunk() {
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[i64::MIN]), [1]);
        assert_eq!(lengths(&[5, 15_005]), [2]);
        assert_eq!(lengths(&[i64::MIN, i64::MAX]), [1, 1]);
    }
}
