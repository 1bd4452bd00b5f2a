//! A frozen batch sorted by partition and series, ready to be written to parts.

use chronoxide_model::SampleColumns;

use super::BatchRows;

/// Samples of one batch that belong to one partition, by series.
#[derive(Debug)]
pub(crate) struct SortedBatch<K> {
    /// Which partition.
    pub(crate) partition: K,
    series: Vec<SortedSeries>,
    floats: Vec<u32>,
    histograms: Vec<u32>,
}

#[derive(Debug)]
struct SortedSeries {
    sid: u32,
    floats_end: u32,
    histograms_end: u32,
}

impl<K: Copy + Ord> SortedBatch<K> {
    /// Sorts `rows` by `partition_of` their time, then by the place of their series in `order`, which holds every series
    /// of the batch once.
    pub(crate) fn of_rows(
        rows: &BatchRows,
        order: &[u32],
        partition_of: impl Fn(i64) -> K,
    ) -> Vec<Self> {
        let floats = split(rows.timestamps_ms().iter().copied(), &partition_of);
        let times = rows.histogram_rows().iter().map(|row| row.timestamp_ms);
        let mut histograms = split(times, &partition_of);
        let mut batches: Vec<Self> = Vec::new();
        for (partition, floats) in floats {
            let rows_there = histograms.iter().position(|(other, _)| *other == partition);
            let histogram_rows =
                rows_there.map_or_else(Vec::new, |at| histograms.swap_remove(at).1);
            batches.push(Self::sort(rows, order, partition, &floats, &histogram_rows));
        }
        for (partition, histogram_rows) in histograms {
            batches.push(Self::sort(rows, order, partition, &[], &histogram_rows));
        }
        batches.sort_by_key(|batch| batch.partition);
        batches
    }

    fn sort(
        rows: &BatchRows,
        order: &[u32],
        partition: K,
        floats: &[u32],
        histograms: &[u32],
    ) -> Self {
        let (floats, float_ends) =
            counting_sort(floats, order, |index| rows.sids()[index as usize]);
        let sid_of_row = |index: u32| rows.histogram_rows()[index as usize].sid;
        let (histograms, histogram_ends) = counting_sort(histograms, order, sid_of_row);
        let mut series = Vec::new();
        let mut before = (0, 0);
        for ((sid, floats_end), histograms_end) in order.iter().zip(float_ends).zip(histogram_ends)
        {
            if (floats_end, histograms_end) != before {
                series.push(SortedSeries {
                    sid: *sid,
                    floats_end,
                    histograms_end,
                });
                before = (floats_end, histograms_end);
            }
        }
        Self {
            partition,
            series,
            floats,
            histograms,
        }
    }

    /// The series that have samples, in order.
    pub(crate) fn sids(&self) -> impl Iterator<Item = u32> + '_ {
        self.series.iter().map(|series| series.sid)
    }

    /// Calls `each` for every series in order, with its samples ascending in time.
    pub(crate) fn for_each_series<E>(
        mut self,
        rows: &BatchRows,
        mut each: impl FnMut(u32, &SampleColumns) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut columns = SampleColumns::default();
        let (mut floats_start, mut histograms_start) = (0, 0);
        for series in &self.series {
            let floats = &mut self.floats[floats_start..series.floats_end as usize];
            let histograms = &mut self.histograms[histograms_start..series.histograms_end as usize];
            columns.clear();
            rows.gather(floats, histograms, &mut columns);
            each(series.sid, &columns)?;
            floats_start = series.floats_end as usize;
            histograms_start = series.histograms_end as usize;
        }
        Ok(())
    }
}

/// The indexes of `times` by partition, in their order.
fn split<K: Copy + Ord>(
    times: impl ExactSizeIterator<Item = i64> + Clone,
    partition_of: impl Fn(i64) -> K,
) -> Vec<(K, Vec<u32>)> {
    let (Some(first), Some(last)) = (times.clone().min(), times.clone().max()) else {
        return Vec::new();
    };
    // Partitions are stretches of time, so that what lies between two times of one is in it.
    let partition = partition_of(first);
    if partition == partition_of(last) {
        return vec![(partition, (0..times.len() as u32).collect())];
    }
    let mut parts: Vec<(K, Vec<u32>)> = Vec::new();
    let mut last = 0;
    for (index, time) in times.enumerate() {
        let partition = partition_of(time);
        if parts.get(last).is_none_or(|(other, _)| *other != partition) {
            last = parts
                .iter()
                .position(|(other, _)| *other == partition)
                .unwrap_or_else(|| {
                    parts.push((partition, Vec::new()));
                    parts.len() - 1
                });
        }
        parts[last].1.push(index as u32);
    }
    parts
}

/// Sorts `indexes` by the place of their series in `order`, keeping their order within a series; also where each
/// series of `order` ends.
fn counting_sort(
    indexes: &[u32],
    order: &[u32],
    sid_of: impl Fn(u32) -> u32,
) -> (Vec<u32>, Vec<u32>) {
    let bound = order.iter().max().map_or(0, |max| *max as usize + 1);
    let mut counts = vec![0_u32; bound];
    for index in indexes {
        counts[sid_of(*index) as usize] += 1;
    }
    // From here on `counts` says where the next sample of a series goes.
    let mut start = 0;
    for sid in order {
        let count = counts[*sid as usize];
        counts[*sid as usize] = start;
        start += count;
    }
    let mut sorted = vec![0_u32; indexes.len()];
    for index in indexes {
        let place = &mut counts[sid_of(*index) as usize];
        sorted[*place as usize] = *index;
        *place += 1;
    }
    let ends = order.iter().map(|sid| counts[*sid as usize]).collect();
    (sorted, ends)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;
    use crate::partition::{Layout, Partition, PartitionWidth};

    #[test]
    fn samples_are_sorted_by_partition_and_series_order() {
        let mut rows = BatchRows::default();
        rows.push_floats(
            &[2, 0, 1, 2, 0, 2],
            &[5, 105, 7, 3, 8, 111],
            &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            &[],
        );
        let batches = SortedBatch::of_rows(&rows, &[1, 2, 0], |time| time / 100);
        let mut seen = Vec::new();
        for batch in batches {
            let partition = batch.partition;
            let collected: Result<(), Infallible> = batch.for_each_series(&rows, |sid, columns| {
                seen.push((
                    partition,
                    sid,
                    columns.timestamps_ms.clone(),
                    columns.values.clone(),
                ));
                Ok(())
            });
            assert!(collected.is_ok());
        }
        let expected = [
            (0, 1, vec![7], vec![3.0]),
            (0, 2, vec![3, 5], vec![4.0, 1.0]),
            (0, 0, vec![8], vec![5.0]),
            (1, 2, vec![111], vec![6.0]),
            (1, 0, vec![105], vec![2.0]),
        ];
        assert_eq!(seen, expected);
    }

    /// Among days and parts of days that were there before, weeks fill the room that is left.
    #[test]
    fn samples_go_to_the_partitions_of_their_times_whatever_their_widths() {
        const HOUR_MS: i64 = 3_600_000;
        const DAY_MS: i64 = 24 * HOUR_MS;
        let of = |day: i64, hour: i64, width| Partition::of(day * DAY_MS + hour * HOUR_MS, width);
        let existing = [
            of(40, 6, PartitionWidth::QuarterDay),
            of(40, 18, PartitionWidth::QuarterDay),
            of(42, 0, PartitionWidth::Day),
            of(60, 0, PartitionWidth::Week),
        ];
        let layout = Layout::new(PartitionWidth::Week, existing.into_iter());
        let mut widths = std::collections::BTreeSet::new();
        for seed in 0..200_u64 {
            let mut rng = StdRng::seed_from_u64(seed);
            // Stretches of all lengths, so that first and last meet in partitions of all widths.
            let length_ms = [HOUR_MS, 8 * HOUR_MS, 3 * DAY_MS, 40 * DAY_MS][seed as usize % 4];
            let start_ms = rng.random_range(38 * DAY_MS..50 * DAY_MS);
            let times: Vec<i64> = (0..rng.random_range(1..60))
                .map(|_| start_ms + rng.random_range(0..length_ms))
                .collect();
            let mut expected = std::collections::BTreeMap::<Partition, Vec<u32>>::new();
            for (index, time) in (0..).zip(&times) {
                let partition = layout.partition_of(*time);
                expected.entry(partition).or_default().push(index);
                let range = partition.range();
                widths.insert(range.max_ms() - range.min_ms() + 1);
            }
            let mut parts = split(times.iter().copied(), |time| layout.partition_of(time));
            parts.sort_unstable();
            assert_eq!(
                parts,
                expected.into_iter().collect::<Vec<_>>(),
                "seed {seed}"
            );
        }
        assert!(widths.into_iter().eq([6 * HOUR_MS, DAY_MS, 7 * DAY_MS]));
    }

    #[test]
    fn an_empty_batch_has_no_partition() {
        assert!(SortedBatch::of_rows(&BatchRows::default(), &[], |time| time).is_empty());
    }
}
