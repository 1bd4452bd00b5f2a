//! How small chunks are.

use chronoxide_format::chunk::{encode_timestamps, encode_values};

fn values_len(values: impl Iterator<Item = f64>) -> usize {
    let mut bytes = Vec::new();
    encode_values(&values.collect::<Vec<_>>(), &mut bytes);
    bytes.len()
}

fn timestamps_len(timestamps: impl Iterator<Item = i64>) -> usize {
    let mut bytes = Vec::new();
    encode_timestamps(&timestamps.collect::<Vec<_>>(), &mut bytes);
    bytes.len()
}

/// A fixed sequence that looks random, each below `bound`.
fn noise(bound: u64) -> impl Iterator<Item = u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) % bound
    })
}

#[test]
fn a_constant_chunk_takes_two_to_four_bytes() {
    assert_eq!(values_len(std::iter::repeat_n(0.0, 2048)), 2);
    assert_eq!(values_len(std::iter::repeat_n(21.5, 2048)), 3);
    assert_eq!(values_len(std::iter::repeat_n(-1234.0, 2048)), 3);
    assert_eq!(values_len(std::iter::repeat_n(0.123_456, 2048)), 4);
}

#[test]
fn a_steady_counter_takes_a_few_bytes() {
    assert!(values_len((0..2048).map(|i| f64::from(1_000_000 + 15 * i))) <= 8);
}

#[test]
fn regular_timestamps_take_a_few_bytes() {
    let start = 1_763_700_000_000;
    assert!(timestamps_len((0..2048).map(|i| start + 15_000 * i)) <= 12);
}

#[test]
fn jitter_costs_its_own_bits_only() {
    let start = 1_763_700_000_000;
    let jitter = noise(8);
    let len = timestamps_len(
        jitter
            .zip(0..1025)
            .map(|(j, i)| start + 15_000 * i + j as i64),
    );
    // Differences of two values of three bits take four.
    assert!(len <= 1024 * 4 / 8 + 8 * 5 + 16, "{len}");
}

#[test]
fn a_counter_costs_the_bits_of_its_increments() {
    let mut value = 0;
    let len = values_len(noise(64).take(1025).map(|increment| {
        value += 1000 + increment;
        value as f64
    }));
    assert!(len <= 1024 * 6 / 8 + 8 * 4 + 16, "{len}");
}

#[test]
fn a_gauge_in_pages_costs_the_bits_of_its_pages() {
    let len = values_len(noise(256).take(1025).map(|pages| (pages * 4096) as f64));
    assert!(len <= 1024 + 8 * 4 + 16, "{len}");
}

#[test]
fn one_stale_marker_costs_a_few_bytes() {
    let values: Vec<f64> = noise(256)
        .take(480)
        .map(|value| value as f64 / 100.0)
        .collect();
    let clean = values_len(values.iter().copied());
    let mut marked = values;
    marked[300] = f64::from_bits(0x7ff0_0000_0000_0002);
    let marked = values_len(marked.into_iter());
    assert!(marked <= clean + 6, "{clean} -> {marked}");
}

#[test]
fn one_counter_reset_costs_a_few_bytes() {
    let counter = |reset: bool| {
        let steps = noise(64).take(480).zip(0..);
        let mut value = 5_000_000;
        values_len(steps.map(move |(step, at)| {
            value = if reset && at == 200 { 0 } else { value + step };
            value as f64
        }))
    };
    let (clean, reset) = (counter(false), counter(true));
    // The block with the reset falls back to zigzag: one bit for each of its 128 values, and the patch.
    assert!(reset <= clean + 16 + 10, "{clean} -> {reset}");
}

#[test]
fn random_bits_grow_by_little() {
    let values = noise(u64::MAX).zip(noise(u64::MAX)).take(1024);
    let len = values_len(values.map(|(a, b)| f64::from_bits(a << 33 ^ b)));
    assert!(len <= 1024 * 8 + 8 * 2 + 24, "{len}");
}
