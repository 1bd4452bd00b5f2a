//! A timestamp column in memory.

use std::ops::Range;

/// Ascending timestamps, as short as they can be kept for quick reading.
#[derive(Debug)]
pub(crate) enum Times {
    /// As distances from the first one.
    Near {
        first_ms: i64,
        distances: Box<[u32]>,
    },
    /// Those of a column that is longer than 32 bits of milliseconds.
    Far(Box<[i64]>),
}

impl Times {
    /// The column of `times_ms`, which ascend.
    pub(super) fn new(times_ms: Vec<i64>) -> Self {
        let first_ms = times_ms.first().copied().unwrap_or(0);
        let distance = |time: &i64| u32::try_from(time.checked_sub(first_ms)?).ok();
        let is_near = times_ms.last().is_none_or(|last| distance(last).is_some());
        let distances = is_near.then(|| times_ms.iter().map(distance).collect::<Option<_>>());
        match distances.flatten() {
            Some(distances) => Self::Near {
                first_ms,
                distances,
            },
            None => Self::Far(times_ms.into()),
        }
    }

    pub(super) const fn len(&self) -> usize {
        match self {
            Self::Near { distances, .. } => distances.len(),
            Self::Far(times) => times.len(),
        }
    }

    /// The timestamp at `index`.
    pub(super) fn get(&self, index: usize) -> Option<i64> {
        match self {
            Self::Near {
                first_ms,
                distances,
            } => distances
                .get(index)
                .map(|distance| first_ms + i64::from(*distance)),
            Self::Far(times) => times.get(index).copied(),
        }
    }

    /// How many of the timestamps at `range`, which must lie inside, come before `time_ms`.
    pub(super) fn count_before(&self, range: Range<usize>, time_ms: i64) -> usize {
        match self {
            Self::Near {
                first_ms,
                distances,
            } => match u32::try_from(i128::from(time_ms) - i128::from(*first_ms)) {
                Ok(wanted) => distances[range].partition_point(|distance| *distance < wanted),
                Err(_) if time_ms < *first_ms => 0,
                Err(_) => range.len(),
            },
            Self::Far(times) => times[range].partition_point(|time| *time < time_ms),
        }
    }

    /// Appends the timestamps at `range`, which must lie inside.
    pub(super) fn append_to(&self, range: Range<usize>, out: &mut Vec<i64>) {
        match self {
            Self::Near {
                first_ms,
                distances,
            } => {
                let times = distances[range].iter();
                out.extend(times.map(|distance| first_ms.wrapping_add(i64::from(*distance))));
            }
            Self::Far(times) => out.extend_from_slice(&times[range]),
        }
    }

    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Near { distances, .. } => size_of_val(&**distances),
                Self::Far(times) => size_of_val(&**times),
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far_columns_give_the_same_times() {
        let columns: [&[i64]; 6] = [
            &[],
            &[5],
            &[-7, 0, 7, 1 << 31],
            &[0, i64::from(u32::MAX)],
            &[0, i64::from(u32::MAX) + 1],
            &[i64::MIN, 0, i64::MAX],
        ];
        for (number, column) in columns.into_iter().enumerate() {
            let times = Times::new(column.to_vec());
            assert_eq!(matches!(times, Times::Near { .. }), number < 4);
            assert_eq!(times.len(), column.len());
            for low in 0..=column.len() {
                assert_eq!(times.get(low), column.get(low).copied());
                for high in low..=column.len() {
                    let part = &column[low..high];
                    let mut out = vec![1];
                    times.append_to(low..high, &mut out);
                    assert_eq!(out[1..], *part);
                    let asked = column.iter().copied().chain([i64::MIN, -8, 6, i64::MAX]);
                    for time_ms in asked {
                        let expected = part.partition_point(|time| *time < time_ms);
                        assert_eq!(times.count_before(low..high, time_ms), expected);
                    }
                }
            }
        }
    }
}
