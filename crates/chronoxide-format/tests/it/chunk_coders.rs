//! The coders that look for the smallest chunk: bit for bit, and safe to read whatever the bytes are.

use std::collections::BTreeSet;
use std::path::Path;

use chronoxide_format::Result;
use chronoxide_format::chunk::{ValueEncoder, decode_histograms, decode_timestamps, decode_values};
use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, Histogram, HistogramCounts};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hostile::survives_damage;

/// Numbers of the coders, as heads of integer streams have them.
const ZSTD: u8 = 1;
const PCO_16: u8 = 2;
const PCO_32: u8 = 3;
const PCO_64: u8 = 4;

fn smallest(values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ValueEncoder::smallest().encode(values, &mut bytes);
    bytes
}

/// The number of the coder that a chunk of decimals or bits has, without its summary.
fn coder_of(bytes: &[u8]) -> Option<u8> {
    let mut bytes = bytes;
    if let [7, kind, rest @ ..] = bytes {
        bytes = rest;
        for _ in 0..if *kind == 0 { 1 } else { 3 } {
            let ends = bytes.iter().position(|byte| *byte < 0x80)?;
            bytes = &bytes[ends + 1..];
        }
    }
    matches!(bytes[0] & 0x0f, 2 | 3 | 5).then(|| bytes[1] >> 4)
}

#[track_caller]
fn comes_back(values: &[f64]) -> Vec<u8> {
    let bytes = smallest(values);
    let mut back = Vec::new();
    decode_values(&bytes, values.len(), &mut back).expect("a chunk just encoded decodes");
    let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&back), bits(values));
    bytes
}

/// A fixed sequence that looks random.
fn noise() -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state >> 20
    })
}

/// A counter that rises by one of a few numbers of this size, at random.
fn skewed_counter(unit: f64, count: usize) -> Vec<f64> {
    let mut value = 0.0;
    let step = |random: u64| {
        value += unit
            * match random % 16 {
                0..=9 => 3.0,
                10..=13 => 4.0,
                14 => 11.0,
                _ => 30.0 + (random % 7) as f64,
            };
        value
    };
    noise().take(count).map(step).collect()
}

/// A counter whose steps repeat after a while.
fn periodic_counter(count: usize) -> Vec<f64> {
    let steps: Vec<u64> = noise().take(60).map(|random| random % 1000).collect();
    let mut value = 0.0;
    let step = |at: usize| {
        value += steps[at % steps.len()] as f64;
        value
    };
    (0..count).map(step).collect()
}

/// One chunk for each coder, with the coder.
fn chunk_of_each_coder() -> [(u8, Vec<f64>); 4] {
    let wide = |unit: f64| {
        let mut values = skewed_counter(unit, 1500);
        // Of all differences none but one is the divisor.
        let odd = values[700] + 1.0;
        values[700] = odd;
        values
    };
    [
        (ZSTD, periodic_counter(1500)),
        (PCO_16, skewed_counter(1.0, 1500)),
        (PCO_32, wide(100_003.0)),
        (PCO_64, wide(1_000_000_007.0)),
    ]
}

#[test]
fn each_coder_is_chosen_where_it_is_smallest() {
    for (coder, values) in chunk_of_each_coder() {
        let bytes = comes_back(&values);
        assert_eq!(coder_of(&bytes), Some(coder), "{:?}", &bytes[..8]);
        let mut fast = Vec::new();
        ValueEncoder::new().encode(&values, &mut fast);
        assert_eq!(fast[1] >> 4, 0);
        assert!(bytes.len() < fast.len(), "{} {}", bytes.len(), fast.len());
    }
}

#[test]
fn damage_to_any_coder_never_panics() {
    for (_, values) in chunk_of_each_coder() {
        survives_damage(&smallest(&values), |bytes| {
            let mut out = vec![42.0];
            let decoded = decode_values(bytes, values.len(), &mut out);
            let appended = if decoded.is_ok() { values.len() } else { 0 };
            assert_eq!(out.len(), 1 + appended, "{decoded:?}");
        });
    }
}

#[test]
fn another_count_is_refused_or_gives_that_many() {
    for (coder, values) in chunk_of_each_coder() {
        let bytes = smallest(&values);
        for count in [1, 2, 100, values.len() - 1, values.len() + 1, 1 << 16] {
            let mut out = Vec::new();
            let decoded = decode_values(&bytes, count, &mut out);
            assert_eq!(
                out.len(),
                if decoded.is_ok() { count } else { 0 },
                "coder {coder}, {count}"
            );
        }
    }
}

#[test]
fn a_frame_that_expands_without_end_is_refused() {
    // A megabyte of zeroes: more than any count of residuals takes.
    let frame = zstd::bulk::compress(&vec![0; 1 << 20], 1).unwrap();
    let mut bytes = vec![0x02, ZSTD << 4 | 3, 0];
    let len = u8::try_from(frame.len() - 4).expect("zeroes compress well");
    assert!(len < 128);
    bytes.push(len);
    bytes.extend_from_slice(&frame[4..]);
    let refused = decode_values(&bytes, 65_536, &mut Vec::new());
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn coders_without_residuals_are_refused() {
    for coder in [ZSTD, PCO_16, PCO_32, PCO_64] {
        for shape in [0, 1, 5] {
            let bytes = [0x02, coder << 4 | shape, 2, 2];
            assert!(decode_values(&bytes, 3, &mut Vec::new()).is_err());
        }
    }
    for unknown in 5..16 {
        let bytes = [0x02, unknown << 4 | 3, 2, 0];
        assert!(decode_values(&bytes, 1, &mut Vec::new()).is_err());
    }
}

#[test]
fn histograms_in_the_smallest_coding_come_back() {
    let counts = |at: u64, random: u64| BucketCounts {
        count: at * 9 + random % 5,
        zero_count: at,
        positive: vec![at * 2, at * 5 + random % 4, at],
        negative: vec![],
    };
    let histograms: Vec<Histogram> = (0..1200)
        .zip(noise())
        .map(|(at, random)| Histogram {
            counter_reset_hint: CounterResetHint::NotReset,
            schema: 3,
            zero_threshold: 0.001,
            sum: at as f64 * 0.25 + (random % 3) as f64,
            positive_spans: vec![BucketSpan {
                offset: 2,
                length: 3,
            }],
            negative_spans: vec![],
            counts: HistogramCounts::Integer(counts(at, random)),
            custom_bounds: [].into(),
        })
        .collect();
    let encoded = |mut encoder: ValueEncoder| {
        let mut bytes = Vec::new();
        encoder.encode_histograms(&histograms, &mut bytes);
        bytes
    };
    let (fast, small) = (
        encoded(ValueEncoder::new()),
        encoded(ValueEncoder::smallest()),
    );
    assert!(small.len() < fast.len(), "{} {}", small.len(), fast.len());
    let mut back = Vec::new();
    decode_histograms(&small, histograms.len(), &mut back).expect("it decodes");
    assert_eq!(back, histograms);
}

fn feed(bytes: &[u8], count: usize) -> [Result<()>; 3] {
    [
        decode_values(bytes, count, &mut Vec::new()),
        decode_timestamps(bytes, count, &mut Vec::new()),
        decode_histograms(bytes, count, &mut Vec::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn long_chunks_of_any_bits_come_back(
        values in vec(any::<u64>().prop_map(f64::from_bits), 100..700),
    ) {
        comes_back(&values);
    }

    #[test]
    fn long_walks_come_back(
        (digits, steps) in (0_i32..9, vec(prop_oneof![-9_i64..9, -9_i64..9, any::<i32>().prop_map(i64::from)], 100..900)),
    ) {
        let mut value = 0_i64;
        let power = 10_f64.powi(digits);
        let values: Vec<f64> = steps.iter().map(|step| { value += step; value as f64 / power }).collect();
        comes_back(&values);
        let third: Vec<f64> = values.iter().map(|value| value / 3.0).collect();
        comes_back(&third);
    }

    #[test]
    fn arbitrary_bytes_in_a_coder_never_panic(
        coder in 1_u8..5,
        shape in 2_u8..5,
        bytes in vec(any::<u8>(), 0..300),
        count in 0_usize..3000,
    ) {
        let len = bytes.len();
        let mut stream = vec![coder << 4 | shape, 2];
        if shape == 4 {
            stream.push(2);
        }
        if len >= 128 {
            stream.push((len & 0x7f | 0x80) as u8);
        }
        stream.push((len >> if len >= 128 { 7 } else { 0 }) as u8);
        stream.extend_from_slice(&bytes);
        let value_chunk: Vec<u8> = [0x02].into_iter().chain(stream.iter().copied()).collect();
        let time_chunk: Vec<u8> = [0x00].into_iter().chain(stream.iter().copied()).collect();
        for decoded in [feed(&value_chunk, count), feed(&time_chunk, count)] {
            prop_assert!(decoded[2].is_err() || count == 0);
        }
    }
}

/// Real scrapes, where the recording lies beside the repository.
#[test]
fn recorded_scrapes_come_back_in_every_coder() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/capture.bin.zst");
    let Ok(file) = std::fs::File::open(&path) else {
        eprintln!("{} is not there", path.display());
        return;
    };
    let mut coders = BTreeSet::new();
    let columns = read_capture(file);
    for (at, column) in columns.iter().enumerate() {
        if column.len() <= 120 || at % 6 == 0 {
            let bytes = comes_back(column);
            coders.extend(coder_of(&bytes));
        }
        let thinned: Vec<f64> = column.iter().copied().step_by(15).collect();
        comes_back(&thinned);
    }
    assert!(coders.len() >= 4, "{coders:?}");
}

/// The columns of values of a recording: see the README beside it.
fn read_capture(file: std::fs::File) -> Vec<Vec<f64>> {
    let mut decoder = zstd::Decoder::new(file).expect("it is a zstd file");
    decoder.window_log_max(27).expect("27 is allowed");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut bytes).expect("it is whole");
    let mut rest = &bytes[8..];
    let mut take = |len: usize| {
        let (taken, after) = rest.split_at(len);
        rest = after;
        taken
    };
    let number = |bytes: &[u8]| {
        let fold = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
        bytes.iter().rev().fold(0, fold)
    };
    let mut columns = Vec::new();
    for _ in 0..number(take(4)) {
        let job = number(take(2));
        take(job);
        let (scrapes, series) = (number(take(4)), number(take(4)));
        take(8 * scrapes);
        for _ in 0..series {
            take(1);
            let name = number(take(2));
            take(name);
            for _ in 0..2 * number(take(1)) {
                let text = number(take(2));
                take(text);
            }
        }
        for _ in 0..series {
            let values = take(8 * scrapes).chunks_exact(8);
            let value = |bytes: &[u8]| f64::from_bits(number(bytes) as u64);
            columns.push(values.map(value).collect());
        }
    }
    columns
}
