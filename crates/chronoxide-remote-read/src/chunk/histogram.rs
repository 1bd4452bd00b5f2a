//! A chunk of one native histogram.

use chronoxide_model::{
    BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts,
};

use super::bits::BitWriter;
use crate::samples::deltas;

/// The chunk that holds `histogram` alone.
pub(super) fn encode(timestamp_ms: i64, histogram: &Histogram) -> Vec<u8> {
    let flags = match histogram.counter_reset_hint {
        CounterResetHint::Unknown => 0b00,
        CounterResetHint::Reset => 0b10,
        CounterResetHint::NotReset => 0b01,
        CounterResetHint::Gauge => 0b11,
    };
    let mut out = BitWriter::after(vec![0, 1, flags << 6]);
    if histogram.is_stale() {
        // A stale marker has neither buckets nor a layout.
        push_layout(&mut out, 0.0, 0, &[], &[]);
        return push_stale(out, timestamp_ms, histogram);
    }
    push_layout(
        &mut out,
        histogram.zero_threshold,
        histogram.schema,
        &histogram.positive_spans,
        &histogram.negative_spans,
    );
    if histogram.schema == CUSTOM_BUCKETS_SCHEMA {
        out.push_varbit_unsigned(histogram.custom_bounds.len() as u64);
        for bound in histogram.custom_bounds.iter() {
            push_bound(&mut out, *bound);
        }
    }
    out.push_varbit_signed(timestamp_ms);
    match &histogram.counts {
        HistogramCounts::Integer(counts) => {
            out.push_varbit_unsigned(counts.count);
            out.push_varbit_unsigned(counts.zero_count);
            out.push_float(histogram.sum);
            for delta in deltas(&counts.positive).chain(deltas(&counts.negative)) {
                out.push_varbit_signed(delta);
            }
        }
        HistogramCounts::Float(counts) => {
            out.push_float(counts.count);
            out.push_float(counts.zero_count);
            out.push_float(histogram.sum);
            for count in counts.positive.iter().chain(&counts.negative) {
                out.push_float(*count);
            }
        }
    }
    out.into_bytes()
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
