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
        let Some(range) = rows.time_range() else {
            return Vec::new();
        };
        // Partitions are stretches of time, so that what lies between two times of one is in it.
        let first = partition_of(range.min_ms());
        let mut batches = if first == partition_of(range.max_ms()) {
            vec![Self::of_series(rows, order, first)]
        } else {
            Self::split(rows, order, partition_of)
        };
        batches.retain(|batch| !batch.series.is_empty());
        let sorted = batches
            .iter()
            .map(|batch| batch.floats.len() + batch.histograms.len());
        // What is left out here would be lost once the log lets go of it.
        assert_eq!(
            sorted.sum::<usize>(),
            rows.sample_count(),
            "every series of the batch is in the order"
        );
        batches.sort_by_key(|batch| batch.partition);
        batches
    }

    fn new(partition: K) -> Self {
        Self {
            partition,
            series: Vec::new(),
            floats: Vec::new(),
            histograms: Vec::new(),
        }
    }

    /// All samples, which belong to `partition`.
    fn of_series(rows: &BatchRows, order: &[u32], partition: K) -> Self {
        let mut batch = Self::new(partition);
        batch.floats.reserve_exact(rows.sample_count());
        for sid in order {
            rows.floats_of(*sid, &mut batch.floats);
            rows.histograms_of(*sid, &mut batch.histograms);
            batch.end_series(*sid);
        }
        batch
    }

    /// A batch for each partition that has samples.
    fn split(rows: &BatchRows, order: &[u32], partition_of: impl Fn(i64) -> K) -> Vec<Self> {
        let mut batches = Vec::new();
        let (mut floats, mut histograms) = (Vec::new(), Vec::new());
        for sid in order {
            rows.floats_of(*sid, &mut floats);
            rows.histograms_of(*sid, &mut histograms);
            let mut last = 0;
            for index in floats.drain(..) {
                last = Self::find(&mut batches, last, partition_of(rows.time_of(index)));
                batches[last].floats.push(index);
            }
            for index in histograms.drain(..) {
                let partition = partition_of(rows.histogram_time_of(index));
                last = Self::find(&mut batches, last, partition);
                batches[last].histograms.push(index);
            }
            for batch in &mut batches {
                batch.end_series(*sid);
            }
        }
        batches
    }

    /// The place of the batch of `partition`, which is most often `last`.
    fn find(batches: &mut Vec<Self>, last: usize, partition: K) -> usize {
        if batches
            .get(last)
            .is_some_and(|batch| batch.partition == partition)
        {
            return last;
        }
        let found = batches
            .iter()
            .position(|batch| batch.partition == partition);
        found.unwrap_or_else(|| {
            batches.push(Self::new(partition));
            batches.len() - 1
        })
    }

    /// What was added since the last series ended belongs to `sid`.
    fn end_series(&mut self, sid: u32) {
        let ends = (self.floats.len() as u32, self.histograms.len() as u32);
        let last = self.series.last();
        let before = last.map_or((0, 0), |last| (last.floats_end, last.histograms_end));
        if ends != before {
            self.series.push(SortedSeries {
                sid,
                floats_end: ends.0,
                histograms_end: ends.1,
            });
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
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
            let order = [3, 1, 4, 0, 2];
            let sids: Vec<u32> = times.iter().map(|_| rng.random_range(0..5)).collect();
            let values: Vec<f64> = (0..times.len()).map(|index| index as f64).collect();
            let mut rows = BatchRows::default();
            rows.push_floats(&sids, &times, &values, &[]);
            // By partition and place of the series: its samples, the last of each time.
            let mut expected = BTreeMap::<(Partition, usize), BTreeMap<i64, f64>>::new();
            for ((sid, time), value) in sids.iter().zip(&times).zip(&values) {
                let partition = layout.partition_of(*time);
                let place = order.iter().position(|other| other == sid).unwrap();
                let samples = expected.entry((partition, place)).or_default();
                samples.insert(*time, *value);
                let range = partition.range();
                widths.insert(range.max_ms() - range.min_ms() + 1);
            }
            let mut sorted = Vec::new();
            for batch in SortedBatch::of_rows(&rows, &order, |time| layout.partition_of(time)) {
                let partition = batch.partition;
                assert!(batch.sids().count() > 0, "seed {seed}");
                let collected: Result<(), Infallible> =
                    batch.for_each_series(&rows, |sid, columns| {
                        let place = order.iter().position(|other| *other == sid).unwrap();
                        let samples = columns.timestamps_ms.iter().copied();
                        let samples = samples.zip(columns.values.iter().copied());
                        sorted.push(((partition, place), samples.collect()));
                        Ok(())
                    });
                assert!(collected.is_ok());
            }
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(sorted, expected, "seed {seed}");
        }
        assert!(widths.into_iter().eq([6 * HOUR_MS, DAY_MS, 7 * DAY_MS]));
    }

    #[test]
    fn an_empty_batch_has_no_partition() {
        assert!(SortedBatch::of_rows(&BatchRows::default(), &[], |time| time).is_empty());
    }
}
