use std::path::Path;
use std::sync::Arc;

use chronoxide_format::part::ChunkPosition;
use chronoxide_model::{Labels, Matcher, STALE_MARKER, SampleColumns, TimeRange};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::sample_data::{DAY_START_MS, Series, inside, random_series, same, write};
use super::*;
use crate::{Fs, Map, RealFs, SimFault, SimFs};

const HEADER: PartHeader = PartHeader {
    level: 2,
    wal_seq_min: 10,
    wal_seq_max: 20,
};

fn labels(name: &str, instance: usize) -> Labels {
    Labels::from_pairs([("__name__", name), ("instance", &format!("{instance:03}"))]).unwrap()
}

fn floats(timestamps_ms: Vec<i64>, value: f64) -> SampleColumns {
    SampleColumns {
        values: vec![value; timestamps_ms.len()],
        timestamps_ms,
        ..SampleColumns::default()
    }
}

fn scrapes(count: i64) -> Vec<i64> {
    (0..count).map(|i| DAY_START_MS + i * 15_000).collect()
}

#[test]
fn what_was_written_is_read() {
    for seed in 0..12 {
        let rng = &mut StdRng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let scrapes = rng.random_range(1..400);
        let series = random_series(rng, 150, scrapes);
        let part = write(dir.path(), "p", HEADER, &series);
        let summary = part.summary();
        assert_eq!(summary.header, HEADER);
        assert_eq!(part.series_count() as usize, series.len(), "seed {seed}");
        let samples: usize = series.values().map(SampleColumns::len).sum();
        assert_eq!(summary.samples, samples as u64, "seed {seed}");
        let mut reader = part.label_reader();
        for (rank, (labels, columns)) in (0..).zip(&series) {
            assert_eq!(&part.labels(rank).unwrap(), labels, "seed {seed}");
            assert_eq!(&reader.read(rank).unwrap(), labels, "seed {seed}");
            let all = read(&part, rank, TimeRange::ALL);
            assert!(same(&all, columns), "seed {seed} {labels}");
            let from = DAY_START_MS + rng.random_range(-100_000..6_000_000);
            let range = TimeRange::new(from, from + rng.random_range(0..3_000_000)).unwrap();
            let some = read(&part, rank, range);
            assert!(
                same(&some, &inside(columns, range)),
                "seed {seed} {labels} {range:?}"
            );
        }
        assert_eq!(part.verify(), [], "seed {seed}");
    }
}

fn read(part: &Part, rank: u32, range: TimeRange) -> SampleColumns {
    let mut columns = SampleColumns::default();
    part.read(rank, range, &mut columns).unwrap();
    columns
}

#[test]
fn reading_appends_and_pads_start_times() {
    let dir = tempfile::tempdir().unwrap();
    let with_starts = SampleColumns {
        start_timestamps_ms: vec![5, 5],
        ..floats(vec![10, 20], 1.0)
    };
    let a = write(
        dir.path(),
        "a",
        HEADER,
        &[(labels("m", 0), floats(vec![1, 2], 0.5))].into(),
    );
    let b = write(
        dir.path(),
        "b",
        HEADER,
        &[(labels("m", 0), with_starts)].into(),
    );
    let c = write(
        dir.path(),
        "c",
        HEADER,
        &[(labels("m", 0), floats(vec![30], 2.0))].into(),
    );
    let mut columns = SampleColumns::default();
    for part in [a, b, c] {
        part.read(0, TimeRange::ALL, &mut columns).unwrap();
    }
    assert_eq!(columns.timestamps_ms, [1, 2, 10, 20, 30]);
    assert_eq!(columns.start_timestamps_ms, [0, 0, 5, 5, 0]);
}

#[test]
fn series_of_one_target_share_columns_wherever_they_start() {
    let dir = tempfile::tempdir().unwrap();
    let times = scrapes(5000);
    let series: Series = (0..100)
        .map(|i| (labels("m", i), floats(times[i * 7..].to_vec(), i as f64)))
        .collect();
    let part = write(dir.path(), "p", HEADER, &series);
    // 5000 scrapes at 15 s reach into three cells of eight hours.
    assert_eq!(part.summary().columns, 3);
    assert_eq!(part.summary().chunks, 300);
    for (rank, columns) in (0..).zip(series.values()) {
        assert!(same(&read(&part, rank, TimeRange::ALL), columns));
    }
    assert_eq!(part.verify(), []);
}

#[test]
fn the_extremes_of_time_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let columns = floats(vec![i64::MIN, -1, 0, i64::MAX], 1.5);
    let part = write(
        dir.path(),
        "p",
        HEADER,
        &[(Labels::empty(), columns.clone())].into(),
    );
    assert!(same(&read(&part, 0, TimeRange::ALL), &columns));
    assert_eq!(read(&part, 0, TimeRange::at(i64::MAX)).values, [1.5]);
    assert_eq!(part.verify(), []);
}

#[test]
fn input_out_of_order_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let samples = floats(vec![1], 1.0);
    let writer = || {
        let mut writer = PartWriter::create(&RealFs, dir.path(), "p", HEADER).unwrap();
        writer.push(&labels("m", 1), (&samples).into()).unwrap();
        writer
    };
    let shorter = Labels::from_pairs([("__name__", "m")]).unwrap();
    for again in [labels("m", 1), labels("m", 0), shorter, Labels::empty()] {
        let mut writer = writer();
        let error = writer.push(&again, (&samples).into()).unwrap_err();
        assert!(
            matches!(error, crate::Error::InvalidArgument { .. }),
            "{error}"
        );
        assert!(writer.push(&labels("n", 0), (&samples).into()).is_err());
        assert!(writer.finish().is_err(), "a series is missing");
    }
    let short = Samples {
        timestamps_ms: &[1, 2],
        values: &[1.0],
        ..Samples::default()
    };
    assert!(writer().push(&labels("n", 0), short).is_err());
    for times in [vec![2, 1], vec![1, 1]] {
        let error = writer().push(&labels("n", 0), (&floats(times, 1.0)).into());
        assert!(error.is_err());
    }
    assert_eq!(RealFs.list(dir.path()).unwrap(), []);
}

#[test]
fn a_part_without_samples_is_no_part() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = PartWriter::create(&RealFs, dir.path(), "p", HEADER).unwrap();
    writer.push(&labels("m", 1), Samples::default()).unwrap();
    assert_eq!(writer.finish().unwrap(), None);
    assert_eq!(RealFs.list(dir.path()).unwrap(), []);
}

#[test]
fn an_unfinished_part_leaves_nothing_and_is_written_again() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("p.tmp"), b"left by a crash").unwrap();
    let series: Series = [(labels("m", 0), floats(vec![1, 2], 0.5))].into();
    drop(PartWriter::create(&RealFs, dir.path(), "p", HEADER).unwrap());
    assert_eq!(RealFs.list(dir.path()).unwrap(), []);
    write(dir.path(), "p", HEADER, &series);
    assert!(
        PartWriter::create(&RealFs, dir.path(), "p", HEADER).is_err(),
        "a part is never replaced"
    );
}

/// Series of every kind of chunk, the same in every version.
fn golden_series() -> Series {
    use chronoxide_model::{
        BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts,
    };
    let times = scrapes(40);
    let histogram = |id: i64| Histogram {
        counter_reset_hint: CounterResetHint::NotReset,
        schema: 2,
        zero_threshold: 0.001,
        sum: id as f64 * 1.5,
        positive_spans: vec![BucketSpan {
            offset: -1,
            length: 3,
        }],
        negative_spans: vec![],
        counts: HistogramCounts::Integer(BucketCounts {
            count: id as u64 * 6,
            zero_count: 0,
            positive: [1, 2, 3].map(|count| count * id as u64).to_vec(),
            negative: vec![],
        }),
        custom_bounds: Arc::from([]),
    };
    let late = SampleColumns {
        values: (10..40).map(|i| f64::from(i) * 0.25).collect(),
        start_timestamps_ms: vec![DAY_START_MS - 1; 30],
        ..floats(times[10..].to_vec(), 0.0)
    };
    let odd = SampleColumns {
        values: vec![1.0, f64::NAN, f64::INFINITY, -0.0, 1e-300, STALE_MARKER],
        ..floats(vec![i64::MIN, -1, 0, 1, 500, i64::MAX], 0.0)
    };
    let histograms = SampleColumns {
        histogram_timestamps_ms: times.clone(),
        histograms: (1..=40).map(histogram).collect(),
        ..SampleColumns::default()
    };
    [
        (labels("counter", 1), floats(times.clone(), 3.0)),
        (labels("counter", 2), late),
        (labels("latency", 1), histograms),
        (Labels::from_pairs([("é.x", "a\nb")]).unwrap(), odd),
    ]
    .into()
}

/// The golden series and those that came with version 2: chunks in the coders that look for the smallest.
fn golden_series_2() -> Series {
    let mut state = 1_u64;
    let mut random = |bound: u64| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % bound
    };
    let times = scrapes(1500);
    let mut skewed = |unit: f64| {
        let mut value = 0.0;
        let mut step = || {
            value += unit * [3.0, 3.0, 3.0, 3.0, 3.0, 4.0, 4.0, 40.0][random(8) as usize];
            value
        };
        (0..1500).map(|_| step()).collect::<Vec<f64>>()
    };
    let (narrow, mut wide) = (skewed(1.0), skewed(1_000_000_007.0));
    wide[700] += 1.0;
    let periodic = (0..1500_i32).map(|at| f64::from(at * at % 61 * (at % 7)));
    let mut series = golden_series();
    let mut add = |id: usize, values: Vec<f64>| {
        let columns = SampleColumns {
            values,
            ..floats(times.clone(), 0.0)
        };
        series.insert(labels("long", id), columns);
    };
    add(1, narrow);
    add(2, wide);
    add(3, periodic.collect());
    series
}

/// The golden series and those that came with version 3: enough text that symbols are packed. The long ones are packed
/// with a summary too, now.
fn golden_series_3() -> Series {
    let words = ["memory", "bytes", "é", "requests", "seconds"];
    let mut series = golden_series_2();
    for id in 0..125 {
        let [a, b, c] = [id / 25, id / 5, id].map(|at| words[at % 5]);
        let name = format!("node_{a}_{b}_{c}_total");
        series.insert(labels(&name, id), floats(vec![DAY_START_MS], id as f64));
    }
    series
}

/// To make the fixture of a new version, write its golden series to it, and keep those of the versions before.
fn is_read(fixture: &str, series: &Series) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let part = open(&std::fs::read(fixtures.join(fixture)).unwrap()).unwrap();
    assert_eq!(part.verify(), []);
    assert_eq!(part.summary().header, HEADER);
    assert_eq!(part.series_count() as usize, series.len());
    for (rank, (labels, columns)) in (0..).zip(series) {
        assert_eq!(&part.labels(rank).unwrap(), labels);
        assert!(
            same(&read(&part, rank, TimeRange::ALL), columns),
            "{labels}"
        );
    }
    let matchers = [Matcher::equal("__name__", "counter")];
    assert_eq!(part.series_matching(&matchers).unwrap(), [0, 1]);
}

#[test]
fn a_part_of_version_1_is_read() {
    is_read("part-v1.part", &golden_series());
}

#[test]
fn a_part_of_version_2_is_read() {
    is_read("part-v2.part", &golden_series_2());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/part-v2.part");
    let mut codings = std::collections::BTreeMap::new();
    let part = open(&std::fs::read(fixture).unwrap()).unwrap();
    part.add_codings(&mut codings);
    for coding in ["decimals in pco", "decimals in zstd", "decimals on a line"] {
        assert!(codings.contains_key(coding), "{codings:?}");
    }
}

/// The golden series as this version writes them when it packs them.
fn write_packed(dir: &Path, name: &str) -> Part {
    let mut writer = PartWriter::create(&RealFs, dir, name, HEADER).unwrap();
    writer.set_packing(Packing::All);
    for (labels, columns) in &golden_series_3() {
        writer.push(labels, columns.into()).unwrap();
    }
    let summary = writer.finish().unwrap().unwrap();
    Part::open(&RealFs, &summary.path).unwrap()
}

#[test]
#[ignore = "writes into the source tree"]
fn write_the_fixture_of_version_3() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    write_packed(&fixtures, "part-v3.part");
}

/// How many samples of each series a part leaves out when only their number matters.
fn left_out(part: &Part) -> Vec<u64> {
    let reduced = Reduced {
        reduction: chronoxide_model::Reduction::Count,
        core: TimeRange::ALL,
        places: &[],
        own: 0,
        hidden: &[],
    };
    let of_series = |rank| {
        let mut columns = SampleColumns::default();
        part.read_on(
            &mut ChunkPosition::default(),
            rank,
            TimeRange::ALL,
            Some(reduced),
            &mut columns,
        )
        .unwrap();
        columns.left_out
    };
    (0..part.series_count()).map(of_series).collect()
}

#[test]
fn a_part_of_version_3_is_read_and_has_summaries() {
    is_read("part-v3.part", &golden_series_3());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/part-v3.part");
    let bytes = std::fs::read(fixture).unwrap();
    let found = left_out(&open(&bytes).unwrap());
    // Of the long ones with skewed steps all samples but one; odd ones and histograms have no summary.
    assert_eq!(
        found.iter().filter(|count| **count == 1499).count(),
        3,
        "{found:?}"
    );
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(left_out(&write_packed(dir.path(), "p")), found);
}

/// Writes a part on `disk`; whether it was acknowledged.
fn write_on(disk: &SimFs) -> bool {
    let dir = Path::new("/parts");
    let attempt = || -> crate::Result<()> {
        disk.create_dir_all(dir)?;
        let mut writer = PartWriter::create(disk, dir, "p", HEADER)?;
        for id in 0..3 {
            let mut columns = floats(scrapes(200), 0.0);
            let noise = &mut StdRng::seed_from_u64(id as u64);
            columns.values.fill_with(|| noise.random());
            writer.push(&labels("m", id), (&columns).into())?;
        }
        writer.finish().map(|_| ())
    };
    attempt().is_ok()
}

fn operations_of_a_write() -> u64 {
    let disk = SimFs::new(0);
    assert!(write_on(&disk));
    disk.operation_count()
}

#[test]
fn a_power_cut_leaves_a_whole_part_or_none() {
    let operations = operations_of_a_write();
    let mut outcomes = [0, 0];
    for cut in 0..=operations {
        for seed in 0..4 {
            let disk = SimFs::new(seed);
            disk.cut_power_at(cut);
            let acknowledged = write_on(&disk.process());
            disk.power_cut();
            let path = Path::new("/parts/p");
            let there = disk.exists(path).unwrap();
            assert!(
                there || !acknowledged,
                "cut {cut} seed {seed}: the part is gone"
            );
            if there {
                let part = Part::open(&disk, path).unwrap();
                assert_eq!(part.verify(), [], "cut {cut} seed {seed}");
            } else if disk.exists(Path::new("/parts")).unwrap() {
                // What is left does not stand in the way of another attempt.
                assert!(write_on(&disk), "cut {cut} seed {seed}");
            }
            outcomes[usize::from(there)] += 1;
        }
    }
    assert!(outcomes.iter().all(|count| *count > 0), "{outcomes:?}");
}

#[test]
fn an_operation_that_fails_leaves_no_part() {
    for fault in [SimFault::Io, SimFault::NoSpace, SimFault::ShortWrite] {
        for operation in 0..operations_of_a_write() {
            let disk = SimFs::new(1);
            disk.fail_at(operation, fault, false);
            let acknowledged = write_on(&disk);
            assert!(
                disk.fault_hits() == 0 || !acknowledged,
                "{fault:?} {operation}"
            );
            if acknowledged {
                continue;
            }
            disk.clear_faults();
            let path = Path::new("/parts/p");
            assert!(!disk.exists(path).unwrap(), "{fault:?} {operation}");
            assert!(write_on(&disk), "{fault:?} {operation}");
            disk.power_cut();
            assert_eq!(Part::open(&disk, path).unwrap().verify(), []);
        }
    }
}

/// A part with one chunk of everything, small enough to be damaged bit by bit.
fn small_part() -> (Series, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let rng = &mut StdRng::seed_from_u64(7);
    let mut series = random_series(rng, 3, 4);
    let last = random_series(rng, 40, 4)
        .into_iter()
        .find(|(_, columns)| !columns.histograms.is_empty());
    series.extend(last);
    let part = write(dir.path(), "p", HEADER, &series);
    (series, std::fs::read(&part.summary().path).unwrap())
}

fn open(bytes: &[u8]) -> chronoxide_format::Result<Part> {
    Part::new(Map::copied(bytes), Path::new("p"), Arc::default())
}

/// Reads all of a damaged part: right data or errors, nothing else. Returns whether there was an error.
fn reports(bytes: &[u8], series: &Series) -> bool {
    let Ok(part) = open(bytes) else {
        return true;
    };
    let mut errors = !part.verify().is_empty();
    assert_eq!(part.series_count() as usize, series.len());
    for (rank, (labels, columns)) in (0..).zip(series) {
        match part.labels(rank) {
            Ok(found) => assert_eq!(&found, labels),
            Err(_) => errors = true,
        }
        let mut found = SampleColumns::default();
        match part.read(rank, TimeRange::ALL, &mut found) {
            Ok(()) => assert!(same(&found, columns), "{labels}"),
            Err(_) => errors = true,
        }
    }
    errors
}

#[test]
fn every_cut_is_reported() {
    let (series, bytes) = small_part();
    assert!(!reports(&bytes, &series));
    for end in 0..bytes.len() {
        assert!(open(&bytes[..end]).is_err(), "cut at {end}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(open(&longer).is_err());
}

#[test]
fn every_flipped_bit_is_reported() {
    let (series, mut bytes) = small_part();
    assert!(bytes.len() < 4096, "{} bytes take too long", bytes.len());
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(reports(&bytes, &series), "bit {bit} of {}", bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn swapped_pages_are_reported_and_the_rest_is_read() {
    use chronoxide_format::part::{HEADER_BYTES, PAGE_BYTES};
    let dir = tempfile::tempdir().unwrap();
    let rng = &mut StdRng::seed_from_u64(3);
    let series: Series = (0..40)
        .map(|i| {
            let mut columns = floats(scrapes(1500), 0.0);
            columns.values.iter_mut().for_each(|v| *v = rng.random());
            (labels("m", i), columns)
        })
        .collect();
    let part = write(dir.path(), "p", HEADER, &series);
    let mut bytes = std::fs::read(&part.summary().path).unwrap();
    let (first, second) = bytes[HEADER_BYTES..].split_at_mut(PAGE_BYTES);
    first.swap_with_slice(&mut second[..PAGE_BYTES]);
    assert!(reports(&bytes, &series));
    let damaged = open(&bytes).unwrap();
    let last = damaged.series_count() - 1;
    // The shared column is in the first page; a part that keeps it decoded still reads what is whole.
    assert!(
        damaged
            .read(last, TimeRange::ALL, &mut SampleColumns::default())
            .is_err()
    );
    assert_eq!(damaged.labels(last).unwrap(), labels("m", 39));
    assert_eq!(
        damaged.verify().len(),
        2 + 40,
        "two pages, and all series share the column"
    );
}

/// Bytes that carry right checksums but were made to harm: every byte of every section, one at a time.
#[test]
fn sections_with_hostile_bytes_never_panic() {
    use chronoxide_format::part::{Footer, SectionKind};
    let (_, bytes) = small_part();
    let (footer, _) = Footer::decode(&bytes).unwrap();
    for (at, kind) in SectionKind::LISTED.into_iter().enumerate() {
        let extent = footer.sections[at];
        let start = extent.offset as usize + chronoxide_format::section::HEAD_BYTES;
        let end = (extent.offset + extent.len) as usize - 4;
        for position in start..end {
            for byte in [0, 0x80, 0xff, bytes[position] ^ 1] {
                let mut hostile = bytes.clone();
                hostile[position] = byte;
                let frame =
                    chronoxide_format::section::Frame::of("x", kind.byte(), &hostile[start..end])
                        .unwrap();
                hostile[end..end + 4].copy_from_slice(&frame.crc32.to_le_bytes());
                let mut footer = footer.clone();
                footer.sections[at].crc32 = frame.crc32;
                let last = footer.sections[5];
                hostile.truncate((last.offset + last.len) as usize);
                footer.encode(&mut hostile).unwrap();
                read_everything(&hostile);
            }
        }
    }
}

fn read_everything(bytes: &[u8]) {
    let Ok(part) = open(bytes) else {
        return;
    };
    let _ = part.verify();
    let matchers = [
        Matcher::regex("__name__", "metric.*1|metric_0.*").unwrap(),
        Matcher::not_equal("job", "api"),
    ];
    let _ = part.series_matching(&matchers);
    let _ = part.label_values("instance", &matchers);
    for rank in 0..part.series_count() {
        let _ = part.labels(rank);
        let _ = part.read(rank, TimeRange::ALL, &mut SampleColumns::default());
    }
}
