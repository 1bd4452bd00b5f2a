use std::collections::BTreeMap;

use chronoxide_model::{Histogram, Labels, SampleColumns};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::RealFs;
use crate::part::sample_data::{DAY_START_MS, Series, inside, random_series, same, write};

const HOUR_MS: i64 = 3_600_000;

fn header(sequence: u64) -> PartHeader {
    PartHeader {
        level: 0,
        wal_seq_min: sequence * 10,
        wal_seq_max: sequence * 10 + 9,
    }
}

/// What a part should have, sample by sample: value and start time.
type Model = BTreeMap<Labels, BTreeMap<i64, (Value, i64)>>;

#[derive(Clone, Debug)]
enum Value {
    Float(f64),
    Histogram(Box<Histogram>),
}

fn lay_over(model: &mut Model, series: &Series) {
    for (labels, columns) in series {
        let samples = model.entry(labels.clone()).or_default();
        for (at, time) in columns.timestamps_ms.iter().enumerate() {
            let start = columns.start_timestamps_ms.get(at).copied().unwrap_or(0);
            samples.insert(*time, (Value::Float(columns.values[at]), start));
        }
        for (at, time) in columns.histogram_timestamps_ms.iter().enumerate() {
            let start = columns.histogram_start_timestamps_ms.get(at).copied();
            let value = Value::Histogram(Box::new(columns.histograms[at].clone()));
            samples.insert(*time, (value, start.unwrap_or(0)));
        }
    }
}

fn columns(samples: &BTreeMap<i64, (Value, i64)>) -> SampleColumns {
    let mut columns = SampleColumns::default();
    for (time, (value, start)) in samples {
        match value {
            Value::Float(value) => {
                columns.timestamps_ms.push(*time);
                columns.values.push(*value);
                columns.start_timestamps_ms.push(*start);
            }
            Value::Histogram(histogram) => {
                columns.histogram_timestamps_ms.push(*time);
                columns.histograms.push(Histogram::clone(histogram));
                columns.histogram_start_timestamps_ms.push(*start);
            }
        }
    }
    columns
}

fn check(part: &Part, model: &Model, min_ms: i64, seed: u64) {
    assert_eq!(part.verify(), [], "seed {seed}");
    let range = TimeRange::new(min_ms, i64::MAX).unwrap();
    let expected: Vec<(&Labels, SampleColumns)> = model
        .iter()
        .map(|(labels, samples)| (labels, inside(&columns(samples), range)))
        .filter(|(_, columns)| !columns.is_empty())
        .collect();
    assert_eq!(part.series_count() as usize, expected.len(), "seed {seed}");
    for (rank, (labels, columns)) in (0..).zip(&expected) {
        assert_eq!(&part.labels(rank).unwrap(), *labels, "seed {seed}");
        let mut found = SampleColumns::default();
        part.read(rank, TimeRange::ALL, &mut found).unwrap();
        assert!(same(&found, columns), "seed {seed} {labels}");
    }
}

#[test]
fn a_merge_has_the_newest_sample_of_every_time() {
    for seed in 0..12 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let mut model = Model::new();
        let mut parts = Vec::new();
        for sequence in 0..rng.random_range(1..6) {
            // The same seed for the scrape times of some parts makes them overlap sample by sample.
            let times = &mut StdRng::seed_from_u64(seed * 100 + sequence % 2);
            let (count, scrapes) = (rng.random_range(1..80), rng.random_range(1..200));
            let series = random_series(times, count, scrapes);
            lay_over(&mut model, &series);
            let name = format!("{sequence}");
            parts.push(Arc::new(write(
                dir.path(),
                &name,
                header(sequence),
                &series,
            )));
        }
        let shift = rng.random_range(0..parts.len());
        parts.rotate_left(shift);
        let min_ms = match rng.random_range(0..3) {
            0 => DAY_START_MS + rng.random_range(0..HOUR_MS),
            _ => i64::MIN,
        };
        let packing = [Packing::None, Packing::Long, Packing::All];
        let options = MergeOptions {
            level: 1,
            min_ms,
            packing: packing[rng.random_range(0..3)],
        };
        let merged = merge(&RealFs, dir.path(), "merged", &parts, options).unwrap();
        let Some(summary) = merged else {
            check_nothing(&model, min_ms, seed);
            continue;
        };
        let part = Part::open(&RealFs, &summary.path).unwrap();
        assert_eq!(part.summary(), &summary);
        assert_eq!(summary.header.wal_seq_min, 0);
        assert_eq!(summary.header.wal_seq_max, parts.len() as u64 * 10 - 1);
        check(&part, &model, min_ms, seed);
    }
}

fn check_nothing(model: &Model, min_ms: i64, seed: u64) {
    let mut times = model.values().flat_map(BTreeMap::keys);
    assert!(times.all(|time| *time < min_ms), "seed {seed}");
}

#[test]
fn small_parts_become_long_chunks_of_shared_columns() {
    let dir = tempfile::tempdir().unwrap();
    let mut model = Model::new();
    let mut parts = Vec::new();
    for sequence in 0..20_u64 {
        let times: Vec<i64> = (0..50)
            .map(|i| DAY_START_MS + (sequence as i64 * 50 + i) * 15_000)
            .collect();
        let series: Series = (0..40)
            .map(|id| {
                let labels = Labels::from_pairs([("id", format!("{id:02}"))]).unwrap();
                let columns = SampleColumns {
                    values: times.iter().map(|time| (*time + id) as f64).collect(),
                    timestamps_ms: times.clone(),
                    ..SampleColumns::default()
                };
                (labels, columns)
            })
            .collect();
        lay_over(&mut model, &series);
        let name = format!("{sequence}");
        parts.push(Arc::new(write(
            dir.path(),
            &name,
            header(sequence),
            &series,
        )));
    }
    let options = MergeOptions {
        level: 1,
        min_ms: i64::MIN,
        packing: Packing::All,
    };
    let summary = merge(&RealFs, dir.path(), "merged", &parts, options)
        .unwrap()
        .unwrap();
    assert_eq!((summary.chunks, summary.columns), (40, 1));
    let part = Arc::new(Part::open(&RealFs, &summary.path).unwrap());
    check(&part, &model, i64::MIN, 0);

    // A part alone is copied chunk by chunk; with a cut it is written anew.
    let again = merge(&RealFs, dir.path(), "again", &[Arc::clone(&part)], options);
    let again = again.unwrap().unwrap();
    assert_eq!(
        (again.bytes, again.checksum),
        (summary.bytes, summary.checksum)
    );
    let cut = MergeOptions {
        level: 2,
        min_ms: DAY_START_MS + HOUR_MS,
        packing: Packing::All,
    };
    let cut_summary = merge(&RealFs, dir.path(), "cut", &[part], cut)
        .unwrap()
        .unwrap();
    let part = Part::open(&RealFs, &cut_summary.path).unwrap();
    check(&part, &model, cut.min_ms, 0);
}

#[test]
fn series_that_start_late_share_the_columns_of_their_target_after_a_merge() {
    const TARGETS: usize = 2;
    const SERIES: usize = 40;
    let rng = &mut StdRng::seed_from_u64(5);
    let dir = tempfile::tempdir().unwrap();
    let times: Vec<Vec<i64>> = (0..TARGETS)
        .map(|_| {
            let scrape = |at: i64| DAY_START_MS + at * 15_000 + rng.random_range(-5..=5);
            (1..=1200).map(scrape).collect()
        })
        .collect();
    let starts: Vec<usize> = (0..TARGETS * SERIES)
        .map(|_| rng.random_range(0..1100))
        .collect();
    let mut model = Model::new();
    let mut parts = Vec::new();
    for sequence in 0..12_usize {
        let mut series = Series::new();
        for (id, start) in starts.iter().enumerate() {
            let from = (*start).max(sequence * 100);
            let columns = SampleColumns {
                timestamps_ms: times[id % TARGETS]
                    [from.min((sequence + 1) * 100)..(sequence + 1) * 100]
                    .to_vec(),
                ..SampleColumns::default()
            };
            let columns = SampleColumns {
                values: columns
                    .timestamps_ms
                    .iter()
                    .map(|t| (t % 977) as f64)
                    .collect(),
                ..columns
            };
            if !columns.is_empty() {
                let labels = Labels::from_pairs([("id", format!("{id:02}"))]).unwrap();
                series.insert(labels, columns);
            }
        }
        lay_over(&mut model, &series);
        let name = format!("{sequence}");
        parts.push(Arc::new(write(
            dir.path(),
            &name,
            header(sequence as u64),
            &series,
        )));
    }
    let options = MergeOptions {
        level: 1,
        min_ms: i64::MIN,
        packing: Packing::All,
    };
    let summary = merge(&RealFs, dir.path(), "merged", &parts, options)
        .unwrap()
        .unwrap();
    // A series that starts earlier than all before it has a new column; the others have slices of that.
    let earliest = |target: usize| {
        let mut least = usize::MAX;
        let of_target = starts.iter().skip(target).step_by(TARGETS);
        of_target
            .filter(|start| {
                let is_new = **start < least;
                least = least.min(**start);
                is_new
            })
            .count()
    };
    let columns: usize = (0..TARGETS).map(earliest).sum();
    assert_eq!(summary.columns as usize, columns);
    assert!(
        columns <= 12,
        "{columns} columns for {} series",
        summary.series
    );
    assert_eq!(summary.chunks, summary.series.into());
    check(
        &Part::open(&RealFs, &summary.path).unwrap(),
        &model,
        i64::MIN,
        5,
    );
}

#[test]
fn pairs_that_no_series_has_any_more_are_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let columns = |time: i64| SampleColumns {
        timestamps_ms: vec![time],
        values: vec![1.0],
        ..SampleColumns::default()
    };
    let labels = |pod: &str| Labels::from_pairs([("pod", pod)]).unwrap();
    let series: Series = [(labels("old"), columns(10)), (labels("young"), columns(20))].into();
    let part = Arc::new(write(dir.path(), "p", header(0), &series));
    let options = MergeOptions {
        level: 1,
        min_ms: 15,
        packing: Packing::All,
    };
    let summary = merge(&RealFs, dir.path(), "merged", &[part], options)
        .unwrap()
        .unwrap();
    let part = Part::open(&RealFs, &summary.path).unwrap();
    assert_eq!(part.label_values("pod", &[]).unwrap(), ["young"]);
    assert_eq!(part.verify(), []);
}

#[test]
fn a_damaged_input_stops_the_merge_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let series = random_series(&mut StdRng::seed_from_u64(1), 30, 50);
    let part = write(dir.path(), "p", header(0), &series);
    let mut bytes = std::fs::read(&part.summary().path).unwrap();
    bytes[100] ^= 1;
    std::fs::remove_file(&part.summary().path).unwrap();
    std::fs::write(dir.path().join("q"), bytes).unwrap();
    let damaged = Arc::new(Part::open(&RealFs, &dir.path().join("q")).unwrap());
    let options = MergeOptions {
        level: 1,
        min_ms: i64::MIN,
        packing: Packing::All,
    };
    let error = merge(&RealFs, dir.path(), "merged", &[damaged], options).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error}");
    let left: Vec<String> = RealFs
        .list(dir.path())
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    assert_eq!(left, ["q"]);
}
