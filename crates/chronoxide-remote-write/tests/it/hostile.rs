//! Requests made to harm: few bytes that stand for many, endless numbers, labels beyond measure.

use chronoxide_model::RejectReason;
use chronoxide_remote_write::{Error, v1, v2};

/// The most that a test request may take in memory.
const LIMIT: u64 = 4 << 20;

/// A field of a message: tag and bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

/// What was asked for, and what came of it.
fn within<T>(decode: impl FnOnce(&mut dyn FnMut(u64) -> bool) -> T) -> (u64, T) {
    let mut taken = 0;
    let result = decode(&mut |bytes| {
        taken += bytes;
        taken <= LIMIT
    });
    (taken, result)
}

#[test]
fn few_bytes_that_stand_for_many_are_stopped_at_the_limit() {
    let repeat = |piece: &[u8]| piece.repeat((1 << 20) / piece.len());
    // A million empty series; one series with a million empty histograms, samples, exemplars.
    let mut bodies = vec![repeat(&[0x0a, 0])];
    for piece in [[0x22, 0], [0x12, 0], [0x1a, 0]] {
        bodies.push(field(1, &repeat(&piece)));
    }
    for body in &bodies {
        let (taken, result) = within(|hold| v1::decode_within(body, hold));
        assert!(
            matches!(result, Err(Error::NoMemory)) && taken > LIMIT && taken < 2 * LIMIT,
            "{:02x?}: {taken}, {:?}",
            &body[..8],
            result.map(|decoded| decoded.batch.series_count())
        );
    }
    // A million empty symbols; and one long symbol that a few bytes copy again and again.
    let symbols = repeat(&[0x22, 0]);
    let long = [field(4, b""), field(4, &[b'x'; 1 << 10])].concat();
    let series = field(5, &[field(1, &[1; 200]), field(2, &[0x10, 1])].concat());
    let copies = [long, repeat(&series)].concat();
    for body in [symbols, copies] {
        let (taken, result) = within(|hold| v2::decode_within(&body, hold));
        assert!(matches!(result, Err(Error::NoMemory)), "{taken}");
        assert!(taken > LIMIT && taken < 2 * LIMIT, "{taken}");
    }
}

#[test]
fn labels_beyond_measure_are_refused_with_their_series_and_nothing_else() {
    let label = field(
        1,
        &[field(1, b"__name__"), field(2, &[b'n'; 2 << 20])].concat(),
    );
    let sample = field(2, &[0x10, 1]);
    let good = field(
        1,
        &field(1, &[field(1, b"__name__"), field(2, b"up")].concat()),
    );
    let body = [field(1, &[label, sample.clone()].concat()), good].concat();
    let decoded = v1::decode(&body).unwrap();
    assert_eq!(decoded.batch.series_count(), 1);
    let [rejection] = &decoded.refused.rejections[..] else {
        panic!("{:?}", decoded.refused)
    };
    assert_eq!(
        (rejection.reason, rejection.samples),
        (RejectReason::LabelsTooLong, 1)
    );
    assert!(rejection.series.len() < 2000 && rejection.series.starts_with("nnn"));

    let symbols = [
        field(4, b""),
        field(4, b"__name__"),
        field(4, &[b'n'; 10 << 10]),
    ]
    .concat();
    let refs = [&[1, 2][..], &[2; 1000]].concat();
    let body = [symbols, field(5, &[field(1, &refs), sample].concat())].concat();
    let decoded = v2::decode(&body).unwrap();
    assert_eq!(decoded.batch.series_count(), 0);
    let rejection = &decoded.refused.rejections[0];
    assert_eq!(
        (rejection.reason, rejection.samples),
        (RejectReason::LabelsTooLong, 1)
    );
    assert!(rejection.series.len() < 2000 && rejection.series.starts_with("nnn"));
}

#[test]
fn a_flood_of_refused_series_is_counted_and_not_listed() {
    let body = field(5, &[]).repeat(1 << 19);
    let (taken, result) = within(|hold| v2::decode_within(&body, hold));
    let decoded = result.unwrap();
    assert_eq!((taken, decoded.batch.series_count()), (0, 0));
    assert_eq!(decoded.refused.rejections.len(), 64);
    assert!(!decoded.refused.is_complete());
}

#[test]
fn an_endless_packed_field_ends() {
    let refs = vec![0; 3 << 20];
    let body = field(5, &field(1, &refs));
    let error = v2::decode(&body).unwrap_err();
    assert!(error.to_string().contains("more than a million"), "{error}");
    let histogram = field(4, &field(12, &refs));
    let error = v1::decode(&field(1, &histogram)).unwrap_err();
    assert!(error.to_string().contains("more than a million"), "{error}");
}

#[test]
fn groups_and_overlong_varints_are_malformed() {
    for bytes in [
        &[0x0b, 0x0c][..],
        &[
            0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
        ],
        &[0x00, 0x01],
    ] {
        assert!(v1::decode(bytes).is_err(), "{bytes:02x?}");
        assert!(v2::decode(bytes).is_err(), "{bytes:02x?}");
    }
}
