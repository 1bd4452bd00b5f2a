//! Remote read: requests and answers in bytes of their own, so that nothing under test helps.

use crate::running::{Answer, Running};
use crate::wire::{V1_HEADERS, compress, push_bytes, push_varint, series, v1_body};

const T: i64 = 1_700_000_000_000;

fn server() -> Running {
    let server = Running::start_with(&[("retention.time", "100y")]);
    let mut up = series(&[("__name__", "up"), ("job", "a")], T, 1.0);
    up.samples.extend([
        (T + 15_000, 0.5),
        (T + 30_000, f64::from_bits(0x7ff0_0000_0000_0002)),
    ]);
    server.write(&[
        up,
        series(&[("__name__", "up"), ("job", "b")], T + 1_000, -0.0),
    ]);
    server
}

/// A query: range, and matchers as type, name, value.
fn query(start_ms: i64, end_ms: i64, matchers: &[(u8, &str, &str)]) -> Vec<u8> {
    let mut out = vec![0x08];
    push_varint(&mut out, start_ms as u64);
    out.push(0x10);
    push_varint(&mut out, end_ms as u64);
    for (kind, name, value) in matchers {
        let mut matcher = vec![0x08, *kind];
        push_bytes(&mut matcher, 2, name.as_bytes());
        push_bytes(&mut matcher, 3, value.as_bytes());
        push_bytes(&mut out, 3, &matcher);
    }
    // Hints, which only help to answer less.
    push_bytes(&mut out, 4, &[0x08, 0x0f]);
    out
}

fn read(server: &Running, queries: &[Vec<u8>], accepted: &[u8]) -> Answer {
    let mut message = Vec::new();
    for query in queries {
        push_bytes(&mut message, 1, query);
    }
    if !accepted.is_empty() {
        // Packed, as senders write it.
        push_bytes(&mut message, 2, accepted);
    }
    server.post("/api/v1/read", &V1_HEADERS, &compress(&message))
}

/// Fields of a message: number and content, which is a number or bytes.
#[derive(Debug, PartialEq)]
enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (number, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Number(u64::from_le_bytes(number.try_into().unwrap()))
            }
            _ => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(content.to_vec())
            }
        };
        found.push((key >> 3, field));
    }
    found
}

/// The contents of all fields `number`.
fn messages(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
    let all = fields(bytes).into_iter();
    all.filter_map(|(found, field)| match field {
        Field::Bytes(bytes) if found == number => Some(bytes),
        _ => None,
    })
    .collect()
}

fn numbers(bytes: &[u8], number: u64) -> Vec<u64> {
    let all = fields(bytes).into_iter();
    all.filter_map(|(found, field)| match field {
        Field::Number(content) if found == number => Some(content),
        _ => None,
    })
    .collect()
}

fn labels(series: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8], number| String::from_utf8(messages(bytes, number).remove(0)).unwrap();
    messages(series, 1)
        .iter()
        .map(|label| format!("{}={}", text(label, 1), text(label, 2)))
        .collect()
}

/// Labels of a series, and its samples as time and bits of the value.
type Sampled = (Vec<String>, Vec<(i64, u64)>);

/// The series of one result.
fn sampled(result: &[u8]) -> Vec<Sampled> {
    let one = |sample: &Vec<u8>| {
        // A value of positive zero is left out on the wire.
        let value = numbers(sample, 1).first().copied().unwrap_or(0);
        (numbers(sample, 2)[0] as i64, value)
    };
    messages(result, 1)
        .iter()
        .map(|series| {
            let samples = messages(series, 2).iter().map(one).collect();
            (labels(series), samples)
        })
        .collect()
}

fn decompressed(answer: &Answer) -> Vec<u8> {
    assert_eq!(
        (
            answer.status,
            answer.header("content-type"),
            answer.header("content-encoding")
        ),
        (200, "application/x-protobuf", "snappy"),
        "{}",
        answer.body
    );
    snap::raw::Decoder::new()
        .decompress_vec(&answer.bytes)
        .unwrap()
}

#[test]
fn samples_come_in_the_order_of_the_queries_with_stale_markers() {
    let server = server();
    let queries = [
        query(T, T + 15_000, &[(0, "__name__", "up"), (1, "job", "b")]),
        query(T, T + 60_000, &[(0, "__name__", "none")]),
        query(T + 1_000, T + 60_000, &[(2, "job", "a|b")]),
    ];
    for accepted in [&[][..], &[0]] {
        let results = messages(&decompressed(&read(&server, &queries, accepted)), 1);
        assert_eq!(results.len(), 3);
        let a = vec!["__name__=up".to_owned(), "job=a".to_owned()];
        let b = vec!["__name__=up".to_owned(), "job=b".to_owned()];
        let (one, half) = (1.0_f64.to_bits(), 0.5_f64.to_bits());
        assert_eq!(
            sampled(&results[0]),
            [(a.clone(), vec![(T, one), (T + 15_000, half)])]
        );
        assert!(sampled(&results[1]).is_empty());
        let stale = 0x7ff0_0000_0000_0002;
        assert_eq!(
            sampled(&results[2]),
            [
                (a, vec![(T + 15_000, half), (T + 30_000, stale)]),
                (b, vec![(T + 1_000, (-0.0_f64).to_bits())])
            ]
        );
    }
}

/// The checksum that the protocol names, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    })
}

#[test]
fn streamed_chunks_come_in_frames_with_checksums() {
    let server = server();
    let queries = [
        query(T, T + 60_000, &[(0, "__name__", "none")]),
        query(T, T + 60_000, &[(3, "job", "c.*")]),
    ];
    let answer = read(&server, &queries, &[1, 0]);
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (
            200,
            "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
        )
    );
    assert_eq!(answer.header("content-encoding"), "");
    let mut bytes = &answer.bytes[..];
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let length = usize::try_from(varint(&mut bytes)).unwrap();
        let checksum = bytes[..4]
            .iter()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte));
        assert_eq!(checksum, crc32c(&bytes[4..4 + length]));
        frames.push(bytes[4..4 + length].to_vec());
        bytes = &bytes[4 + length..];
    }
    assert_eq!(frames.len(), 2);
    assert_eq!(numbers(&frames[0], 2), [1], "the second query");
    let series = messages(&frames[0], 1).remove(0);
    assert_eq!(labels(&series), ["__name__=up", "job=a"]);
    let chunks = messages(&series, 2);
    assert_eq!(chunks.len(), 1);
    assert_eq!(numbers(&chunks[0], 1), [T as u64]);
    assert_eq!(numbers(&chunks[0], 2), [T as u64 + 30_000]);
    assert_eq!(numbers(&chunks[0], 3), [1]);
    // Three samples; the first is written in full.
    let data = messages(&chunks[0], 4).remove(0);
    assert_eq!(data[..2], [0, 3]);
    assert_eq!(data[8..16], [0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let server = server();
    let of = |queries: &[Vec<u8>], accepted: &[u8]| {
        let answer = read(&server, queries, accepted);
        (answer.status, answer.error().1)
    };
    let plain = query(T, T, &[]);
    let (status, text) = of(std::slice::from_ref(&plain), &[7]);
    assert_eq!(status, 400);
    assert!(
        text.starts_with("none of the response types [7] is supported"),
        "{text}"
    );
    let (status, text) = of(&[query(T, T, &[(2, "job", "(")])], &[]);
    assert_eq!(status, 400);
    assert!(
        text.starts_with("query 0 has a matcher that cannot be used"),
        "{text}"
    );
    assert_eq!(of(&[query(T, T - 1, &[])], &[]).0, 400);
    for body in [
        &b""[..],
        b"\xff\xff\xff\xff\x0f",
        b"not snappy",
        &compress(b"\x0a\xff"),
    ] {
        let answer = server.post("/api/v1/read", &V1_HEADERS, body);
        assert_eq!(
            (answer.status, answer.error().0.as_str()),
            (400, "bad_data"),
            "{body:?}"
        );
    }
    assert_eq!(server.get("/api/v1/read").status, 405);
    let limited = Running::start_with(&[("retention.time", "100y"), ("query.max-samples", "1")]);
    let two = v1_body(&[
        series(&[("__name__", "x")], T, 1.0),
        series(&[("__name__", "y")], T, 1.0),
    ]);
    assert_eq!(limited.post("/api/v1/write", &V1_HEADERS, &two).status, 204);
    let answer = read(&limited, &[plain], &[]);
    assert_eq!(answer.status, 400);
    assert!(
        answer.error().1.contains("accept STREAMED_XOR_CHUNKS"),
        "{}",
        answer.body
    );
}
