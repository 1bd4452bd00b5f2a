//! Timestamps come back, whatever they are.

use chronoxide_format::Error;
use chronoxide_format::chunk::{SAMPLES_MAX, decode_timestamps, encode_timestamps};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::hostile::survives_damage;

fn encoded(timestamps: &[i64]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_timestamps(timestamps, &mut bytes);
    bytes
}

#[track_caller]
fn comes_back(timestamps: &[i64]) -> Vec<u8> {
    let bytes = encoded(timestamps);
    let mut back = vec![42];
    decode_timestamps(&bytes, timestamps.len(), &mut back).expect("a chunk just encoded decodes");
    assert_eq!(back[0], 42, "decoding appends");
    assert_eq!(&back[1..], timestamps);
    bytes
}

fn any_timestamps() -> impl Strategy<Value = Vec<i64>> {
    let extreme = prop_oneof![
        Just(i64::MIN),
        Just(i64::MAX),
        Just(0),
        Just(-1),
        any::<i64>()
    ];
    let scrapes = (any::<i64>(), 0_i64..100_000, vec(-5_i64..6, 0..600)).prop_map(
        |(start, step, jitters)| {
            let at = |(jitter, n): (&i64, i64)| start.wrapping_add(n * step + jitter);
            jitters.iter().zip(0..).map(at).collect()
        },
    );
    prop_oneof![
        scrapes,
        vec(any::<i64>(), 0..300),
        vec(extreme, 0..300),
        vec(
            (0_u32..64, any::<i64>()).prop_map(|(shift, value)| value << shift),
            0..300
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_timestamps_come_back(timestamps in any_timestamps()) {
        comes_back(&timestamps);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200), count in 0_usize..3000) {
        let mut out = Vec::new();
        let decoded = decode_timestamps(&bytes, count, &mut out);
        prop_assert_eq!(out.len(), if decoded.is_ok() { count } else { 0 });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(25))]

    #[test]
    fn damage_never_panics(timestamps in any_timestamps()) {
        let timestamps = &timestamps[..timestamps.len().min(150)];
        survives_damage(&encoded(timestamps), |bytes| {
            let mut out = vec![42];
            let decoded = decode_timestamps(bytes, timestamps.len(), &mut out);
            let appended = if decoded.is_ok() { timestamps.len() } else { 0 };
            assert_eq!(out.len(), 1 + appended, "{decoded:?}");
        });
    }
}

#[test]
fn a_chunk_of_no_timestamps_is_empty() {
    assert_eq!(encoded(&[]), []);
    assert_eq!(decode_timestamps(&[], 0, &mut Vec::new()), Ok(()));
    assert!(decode_timestamps(&[0], 0, &mut Vec::new()).is_err());
}

#[test]
fn more_timestamps_than_a_chunk_may_have_are_refused() {
    let error = decode_timestamps(&[0, 0, 0], SAMPLES_MAX + 1, &mut Vec::new());
    assert!(matches!(error, Err(Error::TooLarge { .. })), "{error:?}");
}

/// The bytes of every shape, as format version 1 has them. They never change: what is written today opens for ever.
#[test]
fn every_shape_has_its_golden_bytes() {
    let third = |i: i64| if i % 3 == 0 { 1000 + i * i } else { 0 };
    let third: Vec<i64> = (0..40).map(third).collect();
    let cases: [(&[i64], &[u8]); 8] = [
        (&[7], &[0, 0, 14]),
        (&[7, 7, 7], &[0, 0, 14]),
        (&[1000, 2000, 3000], &[0, 1, 0xd0, 0x0f, 0xd0, 0x0f]),
        (&[1, 5, 2, 4, 1, 5, 1], &[0, 3, 2, 4, 88, 84, 120]),
        (&[0, 100, 300, 400, 600], &[0, 12, 100, 0, 2, 2, 38]),
        (&[0, 1, 3, 6, 10, 15, 21, 28, 36], &[0, 4, 0, 2, 64, 2]),
        (
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 1 << 40, 10, 11, 12],
            &[
                0, 2, 0, 196, 2, 0, 35, 8, 255, 255, 255, 255, 15, 16, 50, 84, 118, 159, 186,
            ],
        ),
        (
            &third,
            &[
                0, 2, 208, 15, 192, 207, 15, 12, 11, 36, 73, 146, 36, 73, 241, 195, 64, 57, 132,
                71, 201, 196, 82, 161, 133, 98, 193, 198, 118, 41, 136, 143, 217, 9,
            ],
        ),
    ];
    for (timestamps, golden) in cases {
        let bytes = comes_back(timestamps);
        assert_eq!(bytes, golden, "{timestamps:?}");
    }
}
