//! Summaries say of values what the values say themselves.

use chronoxide_format::chunk::{ValueEncoder, ValueSummary, decode_values, summarize_values};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hostile::survives_damage;

fn encoded(values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ValueEncoder::smallest().encode(values, &mut bytes);
    bytes
}

/// Bits of first, last, least and greatest value, and whether none is below the one before.
type Said = ([u64; 4], bool);

fn said(summary: ValueSummary) -> Said {
    let ValueSummary {
        first,
        last,
        min,
        max,
        never_falls,
    } = summary;
    ([first, last, min, max].map(f64::to_bits), never_falls)
}

fn seen(values: &[f64]) -> Said {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    said(ValueSummary {
        first: values[0],
        last: values[values.len() - 1],
        min: least,
        max: most,
        never_falls: values.is_sorted_by(|a, b| a <= b),
    })
}

#[track_caller]
fn check(values: &[f64]) -> bool {
    let bytes = encoded(values);
    let mut back = Vec::new();
    decode_values(&bytes, values.len(), &mut back).expect("it decodes");
    assert!(
        back.iter()
            .zip(values)
            .all(|(a, b)| a.to_bits() == b.to_bits())
    );
    let summary = summarize_values(&bytes, values.len()).expect("it is a chunk");
    if let Some(summary) = summary {
        assert_eq!(said(summary), seen(values));
    }
    summary.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn long_decimals_have_the_summary_of_their_values(
        (digits, start) in (0_i32..7, -1_000_000_i64..1_000_000),
        steps in vec(prop_oneof![0_i64..50, 0_i64..50, -2_i64..50, any::<i16>().prop_map(i64::from)], 1024..1400),
        only_up in any::<bool>(),
    ) {
        let mut mantissa = start;
        let power = 10_f64.powi(digits);
        let values: Vec<f64> = steps
            .iter()
            .map(|step| {
                mantissa += if only_up { step.abs() } else { *step };
                mantissa as f64 / power
            })
            .collect();
        prop_assert!(check(&values));
    }

    #[test]
    fn any_values_have_their_own_summary_or_none(
        values in vec(any::<u64>().prop_map(f64::from_bits), 1..1200),
    ) {
        check(&values);
    }

    #[test]
    fn arbitrary_bytes_have_no_summary_or_some(bytes in vec(any::<u8>(), 0..60), count in 0_usize..70_000) {
        let _ = summarize_values(&bytes, count);
    }
}

#[test]
fn lines_and_constants_need_nothing_stored() {
    let up: Vec<f64> = (0..2000).map(f64::from).collect();
    let down: Vec<f64> = (1..2000).map(|i| -f64::from(i) / 4.0).collect();
    for values in [up, down, vec![7.25; 2000], vec![f64::INFINITY; 2000]] {
        assert!(check(&values));
        assert_ne!(encoded(&values)[0], 7);
    }
    assert!(!check(&[f64::NAN; 2000]));
    assert!(!check(&[1.0, f64::NAN, 2.0]));
    // A line that leaves the integers is none of the doubles.
    let wrapping: Vec<f64> = [0, i64::MAX, -2, i64::MAX - 2].map(|m| m as f64).to_vec();
    check(&wrapping);
}

#[test]
fn a_summary_in_front_of_something_else_is_refused() {
    let values: Vec<f64> = (0..1500).map(|i| f64::from(i * i % 91)).collect();
    let bytes = encoded(&values);
    assert_eq!(bytes[0], 7);
    let mut twice = bytes.clone();
    twice.splice(0..0, [7, 0, 0]);
    assert!(decode_values(&twice, values.len(), &mut Vec::new()).is_err());
    let constant = [7, 0, 0, 1, 2];
    assert!(decode_values(&constant, 3, &mut Vec::new()).is_err());
    survives_damage(&bytes[..200.min(bytes.len())], |bytes| {
        let _ = summarize_values(bytes, values.len());
    });
}
