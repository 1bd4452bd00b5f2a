//! Float values come back bit for bit, whatever they are.

use chronoxide_format::Error;
use chronoxide_format::chunk::{
    SAMPLES_MAX, ValueEncoder, decode_exceptions, decode_values, encode_values,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hostile::survives_damage;

fn encoded(values: &[f64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_values(values, &mut bytes);
    bytes
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[track_caller]
fn comes_back(values: &[f64]) -> Vec<u8> {
    let bytes = encoded(values);
    let mut back = vec![42.0];
    decode_values(&bytes, values.len(), &mut back).expect("a chunk just encoded decodes");
    assert_eq!(back[0], 42.0, "decoding appends");
    assert_eq!(bits(&back[1..]), bits(values));
    bytes
}

/// Whether a value is kept where only exceptions are read.
fn is_exception(value: f64) -> bool {
    !value.is_finite() || value.to_bits() == (-0.0_f64).to_bits()
}

#[track_caller]
fn exceptions_come_back(values: &[f64], bytes: &[u8]) {
    let mut back = vec![42.0];
    decode_exceptions(bytes, values.len(), &mut back).expect("a chunk just encoded decodes");
    assert_eq!((back.len(), back[0]), (1 + values.len(), 42.0));
    for (back, value) in back[1..].iter().zip(values) {
        assert_eq!(is_exception(*back), is_exception(*value));
        if is_exception(*value) {
            assert_eq!(back.to_bits(), value.to_bits());
        }
    }
}

fn damage_is_survived(values: &[f64]) {
    survives_damage(&encoded(values), |bytes| {
        let mut out = vec![42.0];
        let decoded = decode_exceptions(bytes, values.len(), &mut out);
        let appended = if decoded.is_ok() { values.len() } else { 0 };
        assert_eq!(out.len(), 1 + appended, "{decoded:?}");
    });
    survives_damage(&encoded(values), |bytes| {
        let mut out = vec![42.0];
        let decoded = decode_values(bytes, values.len(), &mut out);
        let appended = if decoded.is_ok() { values.len() } else { 0 };
        assert_eq!(out.len(), 1 + appended, "{decoded:?}");
    });
}

/// A value that is awkward for some stage of the encoder.
fn awkward() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(f64::from_bits(0x7ff0_0000_0000_0002)),
        Just(f64::from_bits(0x7ff8_0000_0000_0001)),
        Just(9_007_199_254_740_993.0),
        Just(-9_223_372_036_854_775_808.0),
        Just(9_223_372_036_854_775_808.0),
        Just(0.1 + 0.2),
        (0_u64..1 << 52).prop_map(f64::from_bits),
        (0_u64..1 << 51).prop_map(|payload| f64::from_bits(0x7ff0_0000_0000_0001 | payload)),
        any::<u64>().prop_map(f64::from_bits),
    ]
}

fn counter() -> impl Strategy<Value = Vec<f64>> {
    (0_i64..1 << 53, 0_u32..40, vec(any::<u32>(), 1..600)).prop_map(|(start, shift, steps)| {
        let shift = shift.min(31);
        let mut value = start;
        let step = |step: &u32| {
            value += i64::from(step >> shift);
            value as f64
        };
        steps.iter().map(step).collect()
    })
}

fn gauge() -> impl Strategy<Value = Vec<f64>> {
    (0_i32..18, vec(-1_000_000_i64..1_000_000, 1..600)).prop_map(|(digits, mantissas)| {
        let power = 10_f64.powi(digits);
        mantissas.iter().map(|&m| m as f64 / power).collect()
    })
}

fn ticks() -> impl Strategy<Value = Vec<f64>> {
    (1_i32..10, vec(0_i64..1 << 40, 1..300)).prop_map(|(digits, ticks)| {
        let fraction = 10_f64.powi(-digits);
        ticks.iter().map(|&tick| tick as f64 * fraction).collect()
    })
}

fn running_sum() -> impl Strategy<Value = Vec<f64>> {
    vec(0_u32..10_000, 1..300).prop_map(|parts| {
        let mut sum = 0.0;
        let add = |part: &u32| {
            sum += f64::from(*part) / 1000.0;
            sum
        };
        parts.iter().map(add).collect()
    })
}

fn any_values() -> impl Strategy<Value = Vec<f64>> {
    let base = prop_oneof![
        counter(),
        gauge(),
        ticks(),
        running_sum(),
        vec(awkward(), 0..300),
        vec(any::<u64>().prop_map(f64::from_bits), 0..300),
        vec((0_u8..3).prop_map(f64::from), 0..300),
        vec(any::<f32>().prop_map(f64::from), 0..300),
    ];
    let intruders = vec((any::<prop::sample::Index>(), awkward()), 0..4);
    (base, intruders).prop_map(|(mut values, intruders)| {
        for (at, value) in intruders {
            if !values.is_empty() {
                let at = at.index(values.len());
                values[at] = value;
            }
        }
        values
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_values_come_back_bit_for_bit(values in any_values()) {
        comes_back(&values);
    }

    #[test]
    fn exceptions_come_back_without_the_other_values(values in any_values()) {
        exceptions_come_back(&values, &encoded(&values));
        let mut bytes = Vec::new();
        ValueEncoder::smallest().encode(&values, &mut bytes);
        exceptions_come_back(&values, &bytes);
    }

    #[test]
    fn an_encoder_that_is_kept_writes_what_a_new_one_does(chunks in vec(any_values(), 1..5)) {
        let mut encoder = ValueEncoder::new();
        for values in chunks {
            let mut bytes = Vec::new();
            encoder.encode(&values, &mut bytes);
            prop_assert_eq!(bytes, encoded(&values));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), count in 0_usize..3000) {
        let mut out = Vec::new();
        let decoded = decode_values(&bytes, count, &mut out);
        prop_assert_eq!(out.len(), if decoded.is_ok() { count } else { 0 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn damage_never_panics(values in any_values()) {
        damage_is_survived(&values[..values.len().min(150)]);
    }
}

#[test]
fn a_chunk_of_no_values_is_empty() {
    assert_eq!(encoded(&[]), []);
    assert_eq!(decode_values(&[], 0, &mut Vec::new()), Ok(()));
    assert!(decode_values(&[0], 0, &mut Vec::new()).is_err());
    assert!(decode_values(&[], 1, &mut Vec::new()).is_err());
}

#[test]
fn the_largest_chunk_comes_back() {
    let values: Vec<f64> = (0..SAMPLES_MAX)
        .map(|i| (i * i % 977) as f64 / 8.0)
        .collect();
    comes_back(&values);
}

#[test]
fn more_values_than_a_chunk_may_have_are_refused() {
    let error = decode_values(&[1, 0], SAMPLES_MAX + 1, &mut Vec::new());
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
}

#[test]
fn bytes_after_the_chunk_are_refused() {
    for values in [&[1.0; 9][..], &[1.0, 2.0, 5.0], &[0.5, f64::NAN]] {
        let mut bytes = encoded(values);
        bytes.push(0);
        let error = decode_values(&bytes, values.len(), &mut Vec::new());
        assert!(matches!(error, Err(Error::Corrupt { .. })), "{error:?}");
    }
}

#[test]
fn codecs_this_build_does_not_know_are_refused() {
    for id in [8, 15, 0x10, 0x15, 0x16, 0x17] {
        let error = decode_values(&[id, 0, 0, 0, 0, 0, 0, 0, 0], 1, &mut Vec::new());
        assert!(
            matches!(error, Err(Error::UnknownCodec { id: found, .. }) if found == id),
            "{error:?}"
        );
    }
}

/// The bytes of every codec, as format version 1 has them. They never change: what is written today opens for ever.
#[test]
fn every_codec_has_its_golden_bytes() {
    let sum = [0.1, 0.1 + 0.2, 0.1 + 0.2 + 0.3, 1.1, 1.4];
    let other_nan = f64::from_bits(0x7ff8_0000_0000_00ff);
    let cases: [(&[f64], &[u8]); 10] = [
        (&[-0.0; 3], &[0x00, 0, 0, 0, 0, 0, 0, 0, 0x80]),
        (&[10.0; 3], &[0x01, 20]),
        (&[0.25; 3], &[0x21, 50]),
        (&[10.0, 20.0, 30.0], &[0x02, 0x01, 20, 20]),
        (
            &[4.0, 8.0, 0.0, 4.0, 12.0],
            &[0x02, 0x04, 8, 8, 0x05, 0x17, 0x23],
        ),
        (
            &[0.5, 0.25, 0.75, 0.5],
            &[0x22, 0x04, 100, 49, 0x08, 0x96, 0x95],
        ),
        (
            &[9.0 * 0.001, 13.0 * 0.001, 0.004],
            &[0x33, 0x04, 18, 8, 0x05, 0x19],
        ),
        (&sum, &[0x14, 0x03, 2, 4, 0x64, 0x6a, 0x03, 0, 2, 0x12]),
        (
            &[1e300, 2e300, 3e-300],
            &[
                0x05, 0x04, 0xb8, 0xd6, 0x83, 0x80, 0x91, 0x8f, 0xf2, 0xb7, 0xfc, 0x01, 0x80, 0x80,
                0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0x3f, 0x31, 0x7e, 0x8b, 0x6b, 0x49, 0xa3, 0x2f,
                0xf9,
            ],
        ),
        (
            &[1.0, f64::NAN, f64::NAN, 3.0, f64::INFINITY, other_nan],
            &[
                0x06, 3, 1, 0x0c, 1, 0x02, 0, 0x07, 0xff, 0, 0, 0, 0, 0, 0xf8, 0x7f, 0x02, 0x01, 2,
                4,
            ],
        ),
    ];
    let summarized = [0x07, 1, 16, 4, 8, 0x02, 0x04, 8, 8, 0x05, 0x17, 0x23];
    let mut back = Vec::new();
    decode_values(&summarized, 5, &mut back).expect("it is a chunk");
    assert_eq!(back, [4.0, 8.0, 0.0, 4.0, 12.0]);
    for (values, golden) in cases {
        let bytes = comes_back(values);
        assert_eq!(bytes, golden, "{values:?} {bytes:#04x?}");
    }
}
