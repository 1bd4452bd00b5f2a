//! Remote-write bodies, put together by hand so that nothing under test helps.

/// Headers of version 1.
pub(crate) const V1_HEADERS: [(&str, &str); 3] = [
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// Headers of version 2.
pub(crate) const V2_HEADERS: [(&str, &str); 3] = [
    (
        "content-type",
        "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    ),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "2.0.0"),
];

/// Labels and samples of one series, as bytes so that they may be wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) labels: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) samples: Vec<(i64, f64)>,
}

/// A series with one sample.
pub(crate) fn series(labels: &[(&str, &str)], timestamp_ms: i64, value: f64) -> Series {
    let labels = labels
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect();
    Series {
        labels,
        samples: vec![(timestamp_ms, value)],
    }
}

/// A compressed request of version 1.
pub(crate) fn v1_body(series: &[Series]) -> Vec<u8> {
    compress(&v1_message(series))
}

/// A request of version 1.
pub(crate) fn v1_message(series: &[Series]) -> Vec<u8> {
    let mut message = Vec::new();
    for one in series {
        let mut entry = Vec::new();
        for (name, value) in &one.labels {
            let mut label = Vec::new();
            push_bytes(&mut label, 1, name);
            push_bytes(&mut label, 2, value);
            push_bytes(&mut entry, 1, &label);
        }
        for (timestamp_ms, value) in &one.samples {
            let mut sample = vec![0x09];
            sample.extend(value.to_bits().to_le_bytes());
            sample.push(0x10);
            push_varint(&mut sample, *timestamp_ms as u64);
            push_bytes(&mut entry, 2, &sample);
        }
        push_bytes(&mut message, 1, &entry);
    }
    message
}

/// Metadata of one metric as a request of version 1; `kind` is the number on the wire.
pub(crate) fn v1_metadata_body(name: &str, kind: u8, help: &str, unit: &str) -> Vec<u8> {
    let mut metadata = vec![0x08, kind];
    push_bytes(&mut metadata, 2, name.as_bytes());
    push_bytes(&mut metadata, 4, help.as_bytes());
    push_bytes(&mut metadata, 5, unit.as_bytes());
    let mut message = Vec::new();
    push_bytes(&mut message, 3, &metadata);
    compress(&message)
}

pub(crate) fn compress(message: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(message).unwrap()
}

/// Bytes from hexadecimal digits.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&text[index..index + 2], 16).unwrap())
        .collect()
}

pub(crate) fn push_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    push_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn push_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}
