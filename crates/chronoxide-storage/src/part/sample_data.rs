//! Random series for tests of parts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
    Labels, STALE_MARKER, SampleColumns, TimeRange,
};
use rand::Rng;
use rand::rngs::StdRng;

use super::{Part, PartHeader, PartWriter};
use crate::RealFs;

pub(crate) type Series = BTreeMap<Labels, SampleColumns>;

/// 2026-11-21 00:00 UTC.
pub(crate) const DAY_START_MS: i64 = 1_795_219_200_000;

/// Up to `series` series of a few metrics and targets. All samples of a target are at its scrape times; some series
/// start late, end early or have gaps.
pub(crate) fn random_series(rng: &mut StdRng, series: usize, scrapes: usize) -> Series {
    let targets: Vec<Vec<i64>> = (0..3)
        .map(|_| {
            let mut time = DAY_START_MS + rng.random_range(0..15_000);
            (0..scrapes)
                .map(|_| {
                    time += 15_000 + rng.random_range(-5..=5);
                    time
                })
                .collect()
        })
        .collect();
    let mut all = Series::new();
    for _ in 0..series {
        let target = rng.random_range(0..targets.len());
        let labels = random_labels(rng, target);
        let times = random_times(rng, &targets[target]);
        all.insert(labels, random_samples(rng, &times));
    }
    all
}

fn random_labels(rng: &mut StdRng, target: usize) -> Labels {
    let mut pairs = vec![
        ("__name__", format!("metric_{:02}", rng.random_range(0..30))),
        ("instance", format!("host-{target}:9100")),
    ];
    if rng.random_bool(0.7) {
        pairs.push(("job", ["node", "api", "db"][target].to_owned()));
    }
    if rng.random_bool(0.3) {
        pairs.push(("pod", format!("pod-é{}", rng.random_range(0..200))));
    }
    if rng.random_bool(0.1) {
        pairs.push(("a.first", "x\ny".to_owned()));
    }
    Labels::from_pairs(pairs).unwrap()
}

fn random_times(rng: &mut StdRng, times: &[i64]) -> Vec<i64> {
    let cut = rng.random_range(0..times.len());
    match rng.random_range(0..6) {
        0 => times[cut..].to_vec(),
        1 => times[..=cut].to_vec(),
        2 => {
            let kept = times.iter().filter(|_| rng.random_bool(0.8));
            let kept: Vec<i64> = kept.copied().collect();
            if kept.is_empty() {
                times.to_vec()
            } else {
                kept
            }
        }
        _ => times.to_vec(),
    }
}

fn random_samples(rng: &mut StdRng, times: &[i64]) -> SampleColumns {
    let mut columns = SampleColumns::default();
    let histograms = rng.random_bool(0.15);
    let mixed = rng.random_bool(0.1);
    let mut counter = 0.0;
    for time in times {
        if histograms || (mixed && rng.random_bool(0.5)) {
            columns.histogram_timestamps_ms.push(*time);
            columns.histograms.push(random_histogram(rng));
        } else {
            counter += f64::from(rng.random_range(0..100_u32));
            let value = match rng.random_range(0..40) {
                0 => STALE_MARKER,
                1 => f64::from_bits(0x7ff8_0000_dead_beef),
                2 => f64::NEG_INFINITY,
                3 => -0.0,
                4 => rng.random::<f64>(),
                _ => counter,
            };
            columns.timestamps_ms.push(*time);
            columns.values.push(value);
        }
    }
    if rng.random_bool(0.3) {
        columns.start_timestamps_ms = random_starts(rng, columns.values.len());
        columns.histogram_start_timestamps_ms = random_starts(rng, columns.histograms.len());
    }
    columns
}

/// At least one start is known, since a column of unknown ones is the same as none.
fn random_starts(rng: &mut StdRng, len: usize) -> Vec<i64> {
    let mut start = DAY_START_MS - 1000;
    let mut starts: Vec<i64> = (0..len)
        .map(|_| {
            start += i64::from(rng.random_bool(0.1)) * 7777;
            if rng.random_bool(0.1) { 0 } else { start }
        })
        .collect();
    if let Some(first) = starts.first_mut() {
        *first = DAY_START_MS - 5;
    }
    starts
}

fn random_histogram(rng: &mut StdRng) -> Histogram {
    let buckets = rng.random_range(0..6_u32);
    let span = BucketSpan {
        offset: rng.random_range(-3..9),
        length: buckets,
    };
    let custom = rng.random_bool(0.2);
    let counts: Vec<u64> = (0..buckets).map(|_| rng.random_range(0..50)).collect();
    let total: u64 = counts.iter().sum();
    let counts = if rng.random_bool(0.5) {
        HistogramCounts::Integer(BucketCounts {
            count: total,
            zero_count: 0,
            positive: counts,
            negative: Vec::new(),
        })
    } else {
        HistogramCounts::Float(BucketCounts {
            count: total as f64,
            zero_count: 0.0,
            positive: counts.iter().map(|count| *count as f64).collect(),
            negative: Vec::new(),
        })
    };
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: if custom { CUSTOM_BUCKETS_SCHEMA } else { 3 },
        zero_threshold: if custom { 0.0 } else { 0.001 },
        sum: rng.random(),
        positive_spans: if custom {
            vec![BucketSpan {
                offset: 0,
                length: buckets,
            }]
        } else {
            vec![span]
        },
        negative_spans: Vec::new(),
        counts,
        custom_bounds: if custom {
            (0..buckets).map(f64::from).collect()
        } else {
            Arc::from([])
        },
    }
}

/// Writes `series` as a part of `dir`.
pub(crate) fn write(dir: &Path, name: &str, header: PartHeader, series: &Series) -> Part {
    let mut writer = PartWriter::create(&RealFs, dir, name, header).unwrap();
    for (labels, columns) in series {
        writer.push(labels, columns.into()).unwrap();
    }
    let summary = writer.finish().unwrap().expect("there are samples");
    let part = Part::open(&RealFs, &dir.join(name)).unwrap();
    assert_eq!(part.summary(), &summary);
    part
}

/// The samples of `columns` inside `range`.
pub(crate) fn inside(columns: &SampleColumns, range: TimeRange) -> SampleColumns {
    let mut out = SampleColumns::default();
    for (at, time) in columns.timestamps_ms.iter().enumerate() {
        if range.contains(*time) {
            out.timestamps_ms.push(*time);
            out.values.push(columns.values[at]);
            out.start_timestamps_ms
                .extend(columns.start_timestamps_ms.get(at));
        }
    }
    for (at, time) in columns.histogram_timestamps_ms.iter().enumerate() {
        if range.contains(*time) {
            out.histogram_timestamps_ms.push(*time);
            out.histograms.push(columns.histograms[at].clone());
            out.histogram_start_timestamps_ms
                .extend(columns.histogram_start_timestamps_ms.get(at));
        }
    }
    out
}

/// Whether two columns are the same bit for bit, start times of zero and none at all being the same.
pub(crate) fn same(a: &SampleColumns, b: &SampleColumns) -> bool {
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let starts = |starts: &[i64]| {
        let known = starts.iter().any(|start| *start != 0);
        if known { starts.to_vec() } else { Vec::new() }
    };
    a.timestamps_ms == b.timestamps_ms
        && bits(&a.values) == bits(&b.values)
        && a.histogram_timestamps_ms == b.histogram_timestamps_ms
        && a.histograms == b.histograms
        && starts(&a.start_timestamps_ms) == starts(&b.start_timestamps_ms)
        && starts(&a.histogram_start_timestamps_ms) == starts(&b.histogram_start_timestamps_ms)
}
