//! Native histograms come back bit for bit, whatever they are.

use std::sync::Arc;

use chronoxide_format::Error;
use chronoxide_format::chunk::{SAMPLES_MAX, decode_histograms, encode_histograms};
use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
    STALE_MARKER,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hostile::survives_damage;

fn encoded(histograms: &[Histogram]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_histograms(histograms, &mut bytes);
    bytes
}

/// Everything in a histogram, floats as their bits, so that equal means bit for bit.
fn exactly(histogram: &Histogram) -> String {
    let bits = |values: &[f64]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    let counts = match &histogram.counts {
        HistogramCounts::Integer(counts) => format!("{counts:?}"),
        HistogramCounts::Float(counts) => format!(
            "{:?} {:?} {:?}",
            bits(&[counts.count, counts.zero_count]),
            bits(&counts.positive),
            bits(&counts.negative)
        ),
    };
    format!(
        "{:?} {} {:?} {:?} {:?} {counts} {:?}",
        histogram.counter_reset_hint,
        histogram.schema,
        bits(&[histogram.zero_threshold, histogram.sum]),
        histogram.positive_spans,
        histogram.negative_spans,
        bits(&histogram.custom_bounds),
    )
}

fn all_exactly(histograms: &[Histogram]) -> Vec<String> {
    histograms.iter().map(exactly).collect()
}

#[track_caller]
fn comes_back(histograms: &[Histogram]) -> Vec<u8> {
    let bytes = encoded(histograms);
    let mut back = vec![empty()];
    decode_histograms(&bytes, histograms.len(), &mut back).expect("a chunk just encoded decodes");
    assert_eq!(exactly(&back[0]), exactly(&empty()), "decoding appends");
    assert_eq!(all_exactly(&back[1..]), all_exactly(histograms));
    bytes
}

fn empty() -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Unknown,
        schema: 3,
        zero_threshold: 0.0,
        sum: 0.0,
        positive_spans: Vec::new(),
        negative_spans: Vec::new(),
        counts: HistogramCounts::Integer(BucketCounts::default()),
        custom_bounds: Arc::from([]),
    }
}

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

/// A latency histogram as a client library exposes it: buckets appear as they are first hit, and only grow.
fn growing(scrapes: u64) -> Vec<Histogram> {
    let mut counts = [0_u64; 24];
    let mut state = 7_u64;
    let mut sum = 0.0;
    let mut observe = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        // The sum of three dice: the outer buckets are rare.
        let bucket = [40, 46, 52]
            .map(|shift| (state >> shift) % 8)
            .iter()
            .sum::<u64>();
        counts[bucket as usize] += 1;
        sum += bucket as f64 * 0.005;
        (counts, sum)
    };
    let mut scrape = || {
        let (counts, sum) = (0..20).map(|_| observe()).last().expect("there are 20");
        histogram_of(&counts, sum)
    };
    (0..scrapes).map(|_| scrape()).collect()
}

fn histogram_of(counts: &[u64], sum: f64) -> Histogram {
    let mut spans: Vec<BucketSpan> = Vec::new();
    let mut gap = 0;
    for count in counts {
        match spans.last_mut() {
            _ if *count == 0 => gap += 1,
            Some(last) if gap == 0 => last.length += 1,
            _ => spans.push(span(std::mem::take(&mut gap), 1)),
        }
    }
    let positive: Vec<u64> = counts.iter().copied().filter(|&count| count > 0).collect();
    Histogram {
        sum,
        zero_threshold: 2.938_735_877_055_719e-39,
        positive_spans: spans,
        counts: HistogramCounts::Integer(BucketCounts {
            count: positive.iter().sum(),
            zero_count: 0,
            positive,
            negative: Vec::new(),
        }),
        ..empty()
    }
}

fn as_float(histogram: &Histogram) -> Histogram {
    let HistogramCounts::Integer(counts) = &histogram.counts else {
        return histogram.clone();
    };
    let floats = |counts: &[u64]| counts.iter().map(|&count| count as f64 / 4.0).collect();
    let counts = BucketCounts {
        count: counts.count as f64 / 4.0,
        zero_count: counts.zero_count as f64 / 4.0,
        positive: floats(&counts.positive),
        negative: floats(&counts.negative),
    };
    Histogram {
        counts: HistogramCounts::Float(counts),
        ..histogram.clone()
    }
}

fn stale() -> Histogram {
    Histogram {
        sum: STALE_MARKER,
        ..empty()
    }
}

fn any_f64() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        (0_u32..1000).prop_map(f64::from)
    ]
}

fn any_spans() -> impl Strategy<Value = Vec<BucketSpan>> {
    let spans = vec(
        (0_i32..4, 0_u32..4).prop_map(|(offset, length)| span(offset, length)),
        0..4,
    );
    (spans, -1000_i32..1000).prop_map(|(mut spans, first)| {
        if let Some(span) = spans.first_mut() {
            span.offset += first;
        }
        spans
    })
}

fn counts_for<S: Strategy>(
    spans: &[BucketSpan],
    value: S,
) -> impl Strategy<Value = Vec<S::Value>> + use<S> {
    let buckets: u32 = spans.iter().map(|span| span.length).sum();
    vec(value, buckets as usize)
}

fn any_counts(
    positive: &[BucketSpan],
    negative: &[BucketSpan],
) -> impl Strategy<Value = HistogramCounts> + use<> {
    let integers = (
        any::<u64>(),
        any::<u64>(),
        counts_for(positive, any::<u64>()),
        counts_for(negative, 0_u64..50),
    )
        .prop_map(|(count, zero_count, positive, negative)| {
            HistogramCounts::Integer(BucketCounts {
                count,
                zero_count,
                positive,
                negative,
            })
        });
    let floats = (
        any_f64(),
        any_f64(),
        counts_for(positive, any_f64()),
        counts_for(negative, any_f64()),
    )
        .prop_map(|(count, zero_count, positive, negative)| {
            HistogramCounts::Float(BucketCounts {
                count,
                zero_count,
                positive,
                negative,
            })
        });
    prop_oneof![integers, floats]
}

fn any_histogram() -> impl Strategy<Value = Histogram> {
    let hint = prop_oneof![
        Just(CounterResetHint::Unknown),
        Just(CounterResetHint::Reset),
        Just(CounterResetHint::NotReset),
        Just(CounterResetHint::Gauge),
    ];
    let schema = prop_oneof![Just(CUSTOM_BUCKETS_SCHEMA), -4_i8..=8, any::<i8>()];
    let parts = (hint, schema, any_f64(), any_f64(), vec(any_f64(), 0..4));
    (parts, any_spans(), any_spans()).prop_flat_map(|(parts, positive, negative)| {
        let counts = any_counts(&positive, &negative);
        counts.prop_map(move |counts| Histogram {
            counter_reset_hint: parts.0,
            schema: parts.1,
            zero_threshold: parts.2,
            sum: parts.3,
            positive_spans: positive.clone(),
            negative_spans: negative.clone(),
            counts,
            custom_bounds: Arc::from(parts.4.clone()),
        })
    })
}

/// Samples picked from a few, so that layouts recur.
fn any_histograms() -> impl Strategy<Value = Vec<Histogram>> {
    (
        vec(any_histogram(), 1..6),
        vec(any::<prop::sample::Index>(), 0..40),
    )
        .prop_map(|(few, picks)| picks.iter().map(|pick| pick.get(&few).clone()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_histograms_come_back_bit_for_bit(histograms in any_histograms()) {
        comes_back(&histograms);
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in vec(any::<u8>(), 1..200), count in 0_usize..300) {
        bytes[0] &= 1;
        let mut out = Vec::new();
        let decoded = decode_histograms(&bytes, count, &mut out);
        prop_assert_eq!(out.len(), if decoded.is_ok() { count } else { 0 });
    }
}

#[track_caller]
fn damage_is_survived(histograms: &[Histogram]) {
    survives_damage(&encoded(histograms), |bytes| {
        let mut out = vec![empty()];
        let decoded = decode_histograms(bytes, histograms.len(), &mut out);
        let appended = if decoded.is_ok() { histograms.len() } else { 0 };
        assert_eq!(out.len(), 1 + appended, "{decoded:?}");
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn damage_never_panics(histograms in any_histograms()) {
        damage_is_survived(&histograms[..histograms.len().min(8)]);
    }
}

#[test]
fn damage_to_a_growing_histogram_never_panics() {
    damage_is_survived(&growing(12));
}

#[test]
fn growing_histograms_come_back_and_are_small() {
    let histograms = growing(120);
    let bytes = comes_back(&histograms);
    let layouts = histograms
        .chunk_by(|a, b| a.positive_spans == b.positive_spans)
        .count();
    assert!(
        layouts > 3,
        "the test needs changing layouts, has {layouts}"
    );
    // 22 buckets at about three bits each, and a sum that is not a short decimal.
    assert!(bytes.len() < 120 * 15, "{} bytes", bytes.len());
}

#[test]
fn float_histograms_and_stale_markers_come_back() {
    let mut histograms = growing(60);
    histograms.extend(growing(60).iter().map(as_float));
    histograms.insert(30, stale());
    comes_back(&histograms);
}

#[test]
fn a_histogram_that_does_not_change_takes_a_few_bytes_per_bucket() {
    let one = growing(10).pop().expect("there are ten");
    let few = encoded(&vec![one.clone(); 100]).len();
    let many = encoded(&vec![one; 2000]).len();
    assert!(many <= few + 4, "{few} -> {many}");
}

#[test]
fn custom_buckets_come_back() {
    let custom = |counts: [u64; 4]| Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_bounds: Arc::from([0.1, 0.5, 2.5]),
        zero_threshold: 0.0,
        ..histogram_of(&counts, 3.5)
    };
    comes_back(&[
        custom([1, 2, 3, 4]),
        custom([2, 2, 3, 4]),
        custom([2, 2, 9, 4]),
    ]);
}

#[test]
fn counts_that_disagree_with_their_spans_come_back() {
    let mut wrong = growing(5);
    wrong[2].positive_spans.clear();
    comes_back(&wrong);
    wrong[2].positive_spans = vec![span(3, 2), span(-4, 1)];
    comes_back(&wrong);
    wrong[2].positive_spans = vec![span(i32::MAX, u32::MAX), span(i32::MIN, u32::MAX)];
    comes_back(&wrong);
}

#[test]
fn more_layouts_than_a_dictionary_has_come_back() {
    let histograms: Vec<Histogram> = (0..300)
        .map(|at| Histogram {
            zero_threshold: f64::from(at),
            ..empty()
        })
        .collect();
    comes_back(&histograms);
}

#[test]
fn more_columns_than_are_decoded_at_once_come_back() {
    let wide = histogram_of(&[1; 3000], 1.0);
    comes_back(&vec![wide; 1500]);
}

#[test]
fn few_bytes_cannot_claim_many_buckets() {
    let mut bytes = encoded(&[histogram_of(&[1; 10], 1.0)]);
    // Codec, layouts, flags, schema, threshold, spans, first offset, then the length of the span.
    let length_at = 1 + 1 + 1 + 1 + 8 + 1 + 1;
    assert_eq!(bytes[length_at], 10, "the length of the span moved");
    bytes.splice(length_at..=length_at, [0xff, 0xff, 0xff, 0xff, 0x0f]);
    let error = decode_histograms(&bytes, 1, &mut Vec::new());
    assert!(matches!(error, Err(Error::Corrupt { .. })), "{error:?}");
}

#[test]
fn a_chunk_of_no_histograms_is_empty() {
    assert_eq!(encoded(&[]), []);
    assert_eq!(decode_histograms(&[], 0, &mut Vec::new()), Ok(()));
    assert!(decode_histograms(&[0], 0, &mut Vec::new()).is_err());
}

#[test]
fn more_histograms_than_a_chunk_may_have_are_refused() {
    let error = decode_histograms(&[1], SAMPLES_MAX + 1, &mut Vec::new());
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
}

#[test]
fn codecs_this_build_does_not_know_are_refused() {
    let error = decode_histograms(&[2, 0, 0], 1, &mut Vec::new());
    assert!(
        matches!(error, Err(Error::UnknownCodec { id: 2, .. })),
        "{error:?}"
    );
}

/// The bytes of both codecs, as format version 1 has them. They never change: what is written today opens for ever.
#[test]
fn both_codecs_have_their_golden_bytes() {
    let golden_histogram = |counts: [u64; 3]| Histogram {
        zero_threshold: 0.5,
        ..histogram_of(&counts, 2.5)
    };
    let columns = [
        golden_histogram([1, 0, 0]),
        golden_histogram([3, 0, 2]),
        stale(),
    ];
    assert_eq!(
        comes_back(&columns),
        [
            1, 3, 0, 3, 0, 0, 0, 0, 0, 0, 224, 63, 1, 0, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 224, 63,
            2, 0, 1, 2, 1, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 1, 1, 1, 2, 1, 0, 0,
            6, 1, 2, 0, 17, 50, 0, 0, 3, 2, 3, 4, 3, 0, 3, 4, 0, 0
        ]
    );
    let mut rows = [
        as_float(&golden_histogram([1, 0, 4])),
        golden_histogram([1, 0, 3]),
    ];
    rows[1].positive_spans.clear();
    assert_eq!(
        comes_back(&rows),
        [
            0, 1, 3, 0, 0, 0, 0, 0, 0, 224, 63, 0, 0, 0, 0, 0, 0, 4, 64, 2, 0, 1, 2, 1, 0, 0, 0, 0,
            0, 0, 0, 0, 244, 63, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 208, 63, 0, 0, 0, 0,
            0, 0, 240, 63, 0, 0, 3, 0, 0, 0, 0, 0, 0, 224, 63, 0, 0, 0, 0, 0, 0, 4, 64, 0, 0, 0, 4,
            0, 2, 1, 3, 0
        ]
    );
}
