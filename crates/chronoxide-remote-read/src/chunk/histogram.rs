//! Native histograms: differences of differences of times and whole counts, and of floats the bits that differ.

use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
};

use super::bits::BitWriter;
use super::xor::Window;
use crate::samples::deltas;

/// As many of `histograms`, from the first one on, as may stand in one chunk.
pub(super) fn run(histograms: &[Histogram]) -> &[Histogram] {
    let pairs = histograms.windows(2);
    let following = pairs
        .take_while(|pair| matches!(pair, [before, next] if follows(next, before)))
        .count();
    histograms.get(..=following).unwrap_or(histograms)
}

/// Whether `next` may stand in the chunk of `before`: the same buckets, and no reset where that means anything.
fn follows(next: &Histogram, before: &Histogram) -> bool {
    let is_gauge = |histogram: &Histogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    let is_alike = next.schema == before.schema
        && next.zero_threshold.to_bits() == before.zero_threshold.to_bits()
        && next.positive_spans == before.positive_spans
        && next.negative_spans == before.negative_spans
        && next.custom_bounds == before.custom_bounds
        && is_gauge(next) == is_gauge(before);
    if !is_alike || next.is_stale() || before.is_stale() {
        return false;
    }
    let is_counter = !is_gauge(next);
    if is_counter && next.counter_reset_hint == CounterResetHint::Reset {
        return false;
    }
    match (&next.counts, &before.counts) {
        (HistogramCounts::Integer(next), HistogramCounts::Integer(before)) => {
            !is_counter || has_grown(next, before)
        }
        (HistogramCounts::Float(next), HistogramCounts::Float(before)) => {
            !is_counter || has_grown(next, before)
        }
        _ => false,
    }
}

/// Whether no count of `next` is below that of `before`.
fn has_grown<T: PartialOrd>(next: &BucketCounts<T>, before: &BucketCounts<T>) -> bool {
    let buckets = next.positive.iter().chain(&next.negative);
    let buckets_before = before.positive.iter().chain(&before.negative);
    next.count >= before.count
        && next.zero_count >= before.zero_count
        && buckets
            .zip(buckets_before)
            .all(|(next, before)| next >= before)
}

/// The chunk of `histograms`, which are a [`run`], with their times.
pub(super) fn encode(timestamps_ms: &[i64], histograms: &[Histogram]) -> Vec<u8> {
    let (Some(first_ms), Some(first)) = (timestamps_ms.first(), histograms.first()) else {
        return Vec::new();
    };
    let flags = match first.counter_reset_hint {
        CounterResetHint::Unknown => 0b00,
        CounterResetHint::Reset => 0b10,
        CounterResetHint::NotReset => 0b01,
        CounterResetHint::Gauge => 0b11,
    };
    let count = histograms.len();
    let mut out = BitWriter::after(vec![(count >> 8) as u8, count as u8, flags << 6]);
    if first.is_stale() {
        // A stale marker has neither buckets nor a layout.
        push_layout(&mut out, 0.0, 0, &[], &[]);
        return push_stale(out, *first_ms, first);
    }
    push_layout(
        &mut out,
        first.zero_threshold,
        first.schema,
        &first.positive_spans,
        &first.negative_spans,
    );
    if first.schema == CUSTOM_BUCKETS_SCHEMA {
        out.push_varbit_unsigned(first.custom_bounds.len() as u64);
        for bound in first.custom_bounds.iter() {
            push_bound(&mut out, *bound);
        }
    }
    let (mut integers, mut floats) = (None, None);
    for (timestamp_ms, histogram) in timestamps_ms.iter().zip(histograms) {
        match &histogram.counts {
            HistogramCounts::Integer(counts) => {
                Integers::push(
                    &mut integers,
                    &mut out,
                    *timestamp_ms,
                    histogram.sum,
                    counts,
                );
            }
            HistogramCounts::Float(counts) => {
                Floats::push(&mut floats, &mut out, *timestamp_ms, histogram.sum, counts);
            }
        }
    }
    out.into_bytes()
}

/// A whole number and how it changed last.
#[derive(Debug)]
struct Whole {
    value: i64,
    change: i64,
}

impl Whole {
    const fn new(value: i64) -> Self {
        Self { value, change: 0 }
    }

    fn push(&mut self, out: &mut BitWriter, value: i64) {
        let change = value.wrapping_sub(self.value);
        out.push_varbit_signed(change.wrapping_sub(self.change));
        *self = Self { value, change };
    }
}

/// A float and where its bits differed last.
#[derive(Debug)]
struct Float {
    value: f64,
    window: Window,
}

impl Float {
    fn new(value: f64) -> Self {
        Self {
            value,
            window: Window::default(),
        }
    }

    fn push(&mut self, out: &mut BitWriter, value: f64) {
        self.window.push(out, value, self.value);
        self.value = value;
    }
}

/// The histogram before, of whole counts.
#[derive(Debug)]
struct Integers {
    time: Whole,
    count: Whole,
    zero_count: Whole,
    sum: Float,
    buckets: Vec<Whole>,
}

impl Integers {
    fn push(
        before: &mut Option<Self>,
        out: &mut BitWriter,
        timestamp_ms: i64,
        sum: f64,
        counts: &BucketCounts<u64>,
    ) {
        let buckets = deltas(&counts.positive).chain(deltas(&counts.negative));
        let Some(before) = before else {
            out.push_varbit_signed(timestamp_ms);
            out.push_varbit_unsigned(counts.count);
            out.push_varbit_unsigned(counts.zero_count);
            out.push_float(sum);
            let buckets = buckets.map(|delta| {
                out.push_varbit_signed(delta);
                Whole::new(delta)
            });
            *before = Some(Self {
                buckets: buckets.collect(),
                time: Whole::new(timestamp_ms),
                count: Whole::new(counts.count as i64),
                zero_count: Whole::new(counts.zero_count as i64),
                sum: Float::new(sum),
            });
            return;
        };
        before.time.push(out, timestamp_ms);
        before.count.push(out, counts.count as i64);
        before.zero_count.push(out, counts.zero_count as i64);
        before.sum.push(out, sum);
        for (before, delta) in before.buckets.iter_mut().zip(buckets) {
            before.push(out, delta);
        }
    }
}

/// The histogram before, of counts in floats.
#[derive(Debug)]
struct Floats {
    time: Whole,
    count: Float,
    zero_count: Float,
    sum: Float,
    buckets: Vec<Float>,
}

impl Floats {
    fn push(
        before: &mut Option<Self>,
        out: &mut BitWriter,
        timestamp_ms: i64,
        sum: f64,
        counts: &BucketCounts<f64>,
    ) {
        let buckets = counts.positive.iter().chain(&counts.negative).copied();
        let Some(before) = before else {
            out.push_varbit_signed(timestamp_ms);
            for number in [counts.count, counts.zero_count, sum] {
                out.push_float(number);
            }
            let buckets = buckets.map(|count| {
                out.push_float(count);
                Float::new(count)
            });
            *before = Some(Self {
                buckets: buckets.collect(),
                time: Whole::new(timestamp_ms),
                count: Float::new(counts.count),
                zero_count: Float::new(counts.zero_count),
                sum: Float::new(sum),
            });
            return;
        };
        before.time.push(out, timestamp_ms);
        before.count.push(out, counts.count);
        before.zero_count.push(out, counts.zero_count);
        before.sum.push(out, sum);
        for (before, count) in before.buckets.iter_mut().zip(buckets) {
            before.push(out, count);
        }
    }
}

fn push_stale(mut out: BitWriter, timestamp_ms: i64, histogram: &Histogram) -> Vec<u8> {
    out.push_varbit_signed(timestamp_ms);
    match histogram.counts {
        HistogramCounts::Integer(_) => {
            out.push_varbit_unsigned(0);
            out.push_varbit_unsigned(0);
        }
        HistogramCounts::Float(_) => {
            out.push_float(0.0);
            out.push_float(0.0);
        }
    }
    out.push_float(histogram.sum);
    out.into_bytes()
}

fn push_layout(
    out: &mut BitWriter,
    zero_threshold: f64,
    schema: i8,
    positive: &[BucketSpan],
    negative: &[BucketSpan],
) {
    push_zero_threshold(out, zero_threshold);
    out.push_varbit_signed(i64::from(schema));
    for spans in [positive, negative] {
        out.push_varbit_unsigned(spans.len() as u64);
        for span in spans {
            out.push_varbit_unsigned(u64::from(span.length));
            out.push_varbit_signed(i64::from(span.offset));
        }
    }
}

/// One byte for zero and for powers of two that are likely, nine for all others.
fn push_zero_threshold(out: &mut BitWriter, threshold: f64) {
    const MANTISSA_BITS: u32 = 52;
    let bits = threshold.to_bits();
    if threshold == 0.0 {
        return out.push_byte(0);
    }
    let is_power = bits & ((1 << MANTISSA_BITS) - 1) == 0 && threshold > 0.0;
    // The threshold is 2^exponent.
    let exponent = (bits >> MANTISSA_BITS) as i64 - 1023;
    match u8::try_from(exponent + 244) {
        Ok(code @ 1..=254) if is_power => out.push_byte(code),
        _ => {
            out.push_byte(255);
            out.push_float(threshold);
        }
    }
}

/// Multiples of a thousandth up to a limit take few bits, all others one and the float.
fn push_bound(out: &mut BitWriter, bound: f64) {
    let thousandths = bound * 1000.0;
    let is_short =
        (0.0..=33_554_430.0).contains(&thousandths) && thousandths.round() / 1000.0 == bound;
    if is_short {
        out.push_varbit_unsigned(thousandths.round() as u64 + 1);
    } else {
        out.push(0, 1);
        out.push_float(bound);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole counts in spans from bucket -2 on, with a gap.
    fn integers(buckets: [u64; 3], zero_count: u64, sum: f64) -> Histogram {
        let span = |offset, length| BucketSpan { offset, length };
        Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema: 3,
            zero_threshold: 0.001,
            sum,
            positive_spans: vec![span(-2, 2), span(3, 1)],
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts {
                count: buckets.iter().sum::<u64>() + zero_count,
                zero_count,
                positive: buckets.to_vec(),
                negative: Vec::new(),
            }),
            custom_bounds: [].into(),
        }
    }

    const TIMES: [i64; 4] = [
        1_795_000_000_000,
        1_795_000_015_000,
        1_795_000_030_001,
        1_795_000_045_000,
    ];

    const ROWS: [([u64; 3], u64, f64); 4] = [
        ([1, 2, 0], 1, 2.5),
        ([3, 2, 1], 1, 7.25),
        ([5, 9, 1], 4, 7.25),
        ([6, 9, 300], 4, 1e6),
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn chunks_are_those_that_prometheus_makes() {
        let whole = ROWS.map(|(buckets, zero_count, sum)| integers(buckets, zero_count, sum));
        assert_eq!(run(&whole).len(), 4);
        // What Prometheus 3.15 answers when it was sent the same samples.
        assert_eq!(
            hex(&encode(&TIMES, &whole)),
            "000400ff3f50624dd2f1a9fc9ca568cdfc000343dcacbc0148a0020000000000004636f83a989b58b995a31c\
             4ccc3ee2de120ae74a6709beebc264"
        );
        let floats = ROWS.map(|(buckets, zero_count, sum)| Histogram {
            schema: -1,
            zero_threshold: 0.0,
            positive_spans: vec![BucketSpan {
                offset: 0,
                length: 3,
            }],
            counts: HistogramCounts::Float(BucketCounts {
                count: (buckets.iter().sum::<u64>() + zero_count) as f64,
                zero_count: zero_count as f64,
                positive: buckets.map(|count| count as f64 / 2.0).to_vec(),
                negative: Vec::new(),
            }),
            ..integers([0; 3], 0, sum)
        });
        assert_eq!(run(&floats).len(), 4);
        assert_eq!(
            hex(&encode(&TIMES, &floats)),
            "00040000bc667f0000d0f72b2f0020080000000000001ff800000000000020020000000000001ff000000000\
             00001ff800000000000000000000000000007c1d4c6c0b6b173ac2d889ffc750d7e12bff6137fff84effc56d\
             25c0f674a67098006c28ff82c0"
        );
    }

    #[test]
    fn a_chunk_ends_before_a_reset_other_buckets_and_stale_markers() {
        let first = integers([1, 2, 3], 1, 6.0);
        let next = integers([2, 2, 3], 1, 7.0);
        let run_of = |second: Histogram| run(&[first.clone(), second]).len();
        assert_eq!(run_of(next.clone()), 2);
        assert_eq!(run_of(integers([1, 1, 5], 1, 7.0)), 1, "a bucket shrank");
        assert_eq!(
            run_of(integers([1, 2, 3], 0, 7.0)),
            1,
            "the zero bucket shrank"
        );
        let with = |change: fn(&mut Histogram)| {
            let mut changed = next.clone();
            change(&mut changed);
            changed
        };
        for (length, change) in [
            (1, (|one| one.schema = 2) as fn(&mut Histogram)),
            (1, |one| one.zero_threshold = 0.002),
            (1, |one| one.positive_spans[0].offset = -1),
            (1, |one| one.custom_bounds = [1.0].into()),
            (1, |one| one.sum = chronoxide_model::STALE_MARKER),
            (1, |one| one.counter_reset_hint = CounterResetHint::Reset),
            (1, |one| one.counter_reset_hint = CounterResetHint::Gauge),
            (2, |one| one.counter_reset_hint = CounterResetHint::NotReset),
        ] {
            let changed = with(change);
            assert_eq!(run_of(changed.clone()), length, "{changed:?}");
        }
        // Gauges may fall.
        let gauge = |buckets| Histogram {
            counter_reset_hint: CounterResetHint::Gauge,
            ..integers(buckets, 0, 1.0)
        };
        assert_eq!(run(&[gauge([5; 3]), gauge([4; 3])]).len(), 2);
        assert_eq!(run(&[]).len(), 0);
    }

    fn threshold_bytes(threshold: f64) -> Vec<u8> {
        let mut out = BitWriter::default();
        push_zero_threshold(&mut out, threshold);
        out.into_bytes()
    }

    #[test]
    fn likely_thresholds_take_one_byte() {
        assert_eq!(threshold_bytes(0.0), [0]);
        // 2^-128, the threshold of client libraries.
        assert_eq!(threshold_bytes(2.938_735_877_055_719e-39), [116]);
        assert_eq!(threshold_bytes(1024.0), [254]);
        assert_eq!(threshold_bytes(2.0_f64.powi(-243)), [1]);
        assert_eq!(threshold_bytes(2048.0).len(), 9);
        assert_eq!(threshold_bytes(0.001).len(), 9);
    }

    #[test]
    fn bounds_of_a_thousandth_are_short() {
        let bits = |bound| {
            let mut out = BitWriter::default();
            push_bound(&mut out, bound);
            out.into_bytes().len()
        };
        assert_eq!((bits(0.0), bits(0.005), bits(10.0)), (1, 1, 3));
        assert_eq!((bits(-1.0), bits(0.0001), bits(1e9)), (9, 9, 9));
    }
}
