//! Samples of one series from several sources, newest source winning.

use chronoxide_model::{Histogram, SampleColumns};

/// Lays columns over one another, from the oldest write to the newest.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    merged: SampleColumns,
}

impl Overlay {
    /// Lays `newer` over `columns`: of two samples with one timestamp the newer stays, whatever its kind. Both ascend
    /// in time; `newer` is used up.
    pub(crate) fn lay(&mut self, columns: &mut SampleColumns, newer: &mut SampleColumns) {
        if newer.is_empty() {
            return;
        }
        if columns.is_empty() {
            std::mem::swap(columns, newer);
            return;
        }
        if last_ms(columns) < first_ms(newer) {
            append(columns, newer);
            return;
        }
        self.merged.clear();
        merge_floats(columns, newer, &mut self.merged);
        merge_histograms(columns, newer, &mut self.merged);
        std::mem::swap(columns, &mut self.merged);
    }
}

/// Where columns ended before more was appended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnsEnd {
    floats: usize,
    histograms: usize,
    last_ms: Option<i64>,
}

impl ColumnsEnd {
    pub(crate) fn of(columns: &SampleColumns) -> Self {
        Self {
            floats: columns.timestamps_ms.len(),
            histograms: columns.histogram_timestamps_ms.len(),
            last_ms: last_ms(columns),
        }
    }

    /// Whether everything that was appended to `columns` is later than what they held.
    pub(crate) fn is_before_the_rest(&self, columns: &SampleColumns) -> bool {
        let first = [
            columns.timestamps_ms.get(self.floats),
            columns.histogram_timestamps_ms.get(self.histograms),
        ];
        first.into_iter().flatten().min() > self.last_ms.as_ref() || first == [None, None]
    }

    /// Moves what was appended to `columns` into `rest`, which is empty.
    pub(crate) fn split_off(&self, columns: &mut SampleColumns, rest: &mut SampleColumns) {
        fn split<T>(from: &mut Vec<T>, at: usize, to: &mut Vec<T>) {
            to.extend(from.drain(at.min(from.len())..));
        }
        split(
            &mut columns.start_timestamps_ms,
            self.floats,
            &mut rest.start_timestamps_ms,
        );
        split(
            &mut columns.histogram_start_timestamps_ms,
            self.histograms,
            &mut rest.histogram_start_timestamps_ms,
        );
        split(
            &mut columns.timestamps_ms,
            self.floats,
            &mut rest.timestamps_ms,
        );
        split(&mut columns.values, self.floats, &mut rest.values);
        split(
            &mut columns.histogram_timestamps_ms,
            self.histograms,
            &mut rest.histogram_timestamps_ms,
        );
        split(
            &mut columns.histograms,
            self.histograms,
            &mut rest.histograms,
        );
    }
}

fn last_ms(columns: &SampleColumns) -> Option<i64> {
    columns
        .timestamps_ms
        .last()
        .max(columns.histogram_timestamps_ms.last())
        .copied()
}

fn first_ms(columns: &SampleColumns) -> Option<i64> {
    let first = [
        columns.timestamps_ms.first(),
        columns.histogram_timestamps_ms.first(),
    ];
    first.into_iter().flatten().min().copied()
}

fn append(columns: &mut SampleColumns, newer: &mut SampleColumns) {
    append_starts(
        &mut columns.start_timestamps_ms,
        columns.timestamps_ms.len(),
        &newer.start_timestamps_ms,
        newer.timestamps_ms.len(),
    );
    append_starts(
        &mut columns.histogram_start_timestamps_ms,
        columns.histogram_timestamps_ms.len(),
        &newer.histogram_start_timestamps_ms,
        newer.histogram_timestamps_ms.len(),
    );
    columns.timestamps_ms.append(&mut newer.timestamps_ms);
    columns.values.append(&mut newer.values);
    columns
        .histogram_timestamps_ms
        .append(&mut newer.histogram_timestamps_ms);
    columns.histograms.append(&mut newer.histograms);
}

/// Appends `newer_len` start times to `len` ones, where an empty column stands for zeroes.
fn append_starts(starts: &mut Vec<i64>, len: usize, newer: &[i64], newer_len: usize) {
    if starts.is_empty() && newer.is_empty() {
        return;
    }
    starts.resize(len, 0);
    starts.extend_from_slice(newer);
    starts.resize(len + newer_len, 0);
}

fn merge_floats(older: &SampleColumns, newer: &SampleColumns, out: &mut SampleColumns) {
    let started = !(older.start_timestamps_ms.is_empty() && newer.start_timestamps_ms.is_empty());
    let times = (&older.timestamps_ms, &newer.timestamps_ms);
    merge(times.0, times.1, &newer.histogram_timestamps_ms, |pick| {
        let (from, index) = match pick {
            Pick::Older(index) => (older, index),
            Pick::Newer(index) => (newer, index),
        };
        out.timestamps_ms.push(from.timestamps_ms[index]);
        out.values.push(from.values[index]);
        if started {
            let start = from.start_timestamps_ms.get(index).copied();
            out.start_timestamps_ms.push(start.unwrap_or(0));
        }
    });
}

fn merge_histograms(older: &mut SampleColumns, newer: &mut SampleColumns, out: &mut SampleColumns) {
    let starts = (
        &older.histogram_start_timestamps_ms,
        &newer.histogram_start_timestamps_ms,
    );
    let started = !(starts.0.is_empty() && starts.1.is_empty());
    let (older_times, newer_times) = (
        &older.histogram_timestamps_ms,
        &newer.histogram_timestamps_ms,
    );
    let (older_histograms, newer_histograms) = (&mut older.histograms, &mut newer.histograms);
    merge(older_times, newer_times, &newer.timestamps_ms, |pick| {
        let (times, starts, histograms, index) = match pick {
            Pick::Older(index) => (older_times, starts.0, &mut *older_histograms, index),
            Pick::Newer(index) => (newer_times, starts.1, &mut *newer_histograms, index),
        };
        out.histogram_timestamps_ms.push(times[index]);
        out.histograms.push(take(&mut histograms[index]));
        if started {
            out.histogram_start_timestamps_ms
                .push(starts.get(index).copied().unwrap_or(0));
        }
    });
}

/// Moves a histogram out without copying its buckets; what stays is never read.
fn take(histogram: &mut Histogram) -> Histogram {
    let empty = Histogram {
        counter_reset_hint: histogram.counter_reset_hint,
        schema: histogram.schema,
        zero_threshold: 0.0,
        sum: 0.0,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: chronoxide_model::HistogramCounts::Float(chronoxide_model::BucketCounts::default()),
        custom_bounds: histogram.custom_bounds.clone(),
    };
    std::mem::replace(histogram, empty)
}

enum Pick {
    Older(usize),
    Newer(usize),
}

/// Walks two ascending columns of times as one: the newer wins a tie, and an older time that stands in `hidden`, the
/// newer samples of the other kind, is left out.
fn merge(older: &[i64], newer: &[i64], hidden: &[i64], mut each: impl FnMut(Pick)) {
    let (mut o, mut n, mut h) = (0, 0, 0);
    while let Some(time) = older.get(o) {
        while newer.get(n).is_some_and(|newer| newer < time) {
            each(Pick::Newer(n));
            n += 1;
        }
        while hidden.get(h).is_some_and(|hidden| hidden < time) {
            h += 1;
        }
        if newer.get(n) != Some(time) && hidden.get(h) != Some(time) {
            each(Pick::Older(o));
        }
        o += 1;
    }
    for index in n..newer.len() {
        each(Pick::Newer(index));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use chronoxide_model::{BucketCounts, CounterResetHint, HistogramCounts};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// What stands at a timestamp: start time, value, and whether it is a histogram.
    type Model = BTreeMap<i64, (i64, u64, bool)>;

    fn columns_of(model: &Model) -> SampleColumns {
        let mut columns = SampleColumns::default();
        for (time, (start, value, is_histogram)) in model {
            if *is_histogram {
                columns.histogram_timestamps_ms.push(*time);
                columns.histogram_start_timestamps_ms.push(*start);
                columns.histograms.push(Histogram {
                    counter_reset_hint: CounterResetHint::Unknown,
                    schema: 0,
                    zero_threshold: 0.0,
                    sum: f64::from_bits(*value),
                    positive_spans: Vec::new(),
                    negative_spans: Vec::new(),
                    counts: HistogramCounts::Integer(BucketCounts::default()),
                    custom_bounds: Arc::default(),
                });
            } else {
                columns.timestamps_ms.push(*time);
                columns.start_timestamps_ms.push(*start);
                columns.values.push(f64::from_bits(*value));
            }
        }
        if columns.start_timestamps_ms.iter().all(|start| *start == 0) {
            columns.start_timestamps_ms.clear();
        }
        if columns
            .histogram_start_timestamps_ms
            .iter()
            .all(|start| *start == 0)
        {
            columns.histogram_start_timestamps_ms.clear();
        }
        columns
    }

    fn model_of(columns: &SampleColumns) -> Model {
        let start = |starts: &[i64], index: usize| starts.get(index).copied().unwrap_or(0);
        let floats = columns
            .timestamps_ms
            .iter()
            .enumerate()
            .map(|(index, time)| {
                let start = start(&columns.start_timestamps_ms, index);
                (*time, (start, columns.values[index].to_bits(), false))
            });
        let times = columns.histogram_timestamps_ms.iter().enumerate();
        let histograms = times.map(|(index, time)| {
            let start = start(&columns.histogram_start_timestamps_ms, index);
            (
                *time,
                (start, columns.histograms[index].sum.to_bits(), true),
            )
        });
        floats.chain(histograms).collect()
    }

    #[test]
    fn laying_columns_over_one_another_is_inserting_in_order() {
        for seed in 0..500 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut expected = Model::new();
            let mut columns = SampleColumns::default();
            let mut overlay = Overlay::default();
            for _ in 0..rng.random_range(1..5) {
                let base = rng.random_range(0..40);
                let layer: Model = (0..rng.random_range(0..20))
                    .map(|_| {
                        let start = rng.random_range(0..3_i64).saturating_sub(1).max(0);
                        let value = (start, u64::from(rng.random::<u16>()), rng.random_bool(0.3));
                        (base + rng.random_range(0..15), value)
                    })
                    .collect();
                let mut newer = columns_of(&layer);
                overlay.lay(&mut columns, &mut newer);
                newer.clear();
                expected.extend(layer);
            }
            assert_eq!(model_of(&columns), expected, "seed {seed}");
            assert_eq!(columns.len(), expected.len(), "seed {seed}");
            assert!(
                columns.timestamps_ms.is_sorted() && columns.histogram_timestamps_ms.is_sorted()
            );
        }
    }
}
