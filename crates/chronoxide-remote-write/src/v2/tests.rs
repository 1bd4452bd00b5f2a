//! Version 2 against known bytes.

use chronoxide_model::{HistogramCounts, KeyEncoding, METRIC_NAME, RejectReason, Sample};

use super::*;

fn message(text: &str) -> Vec<u8> {
    let body: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect();
    crate::decompress(&body, 1 << 20).unwrap()
}

const SIMPLE: &str = "32c4220022085f5f6e616d655f5f2202757022036a6f622201612a180a0401020304121009000000000000f03f1080d095ffbc31";

#[test]
fn a_simple_series_decodes() {
    let decoded = decode(&message(SIMPLE)).unwrap();
    let series = decoded.batch.series().next().unwrap();
    assert_eq!(
        series.key.decode().unwrap(),
        Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a")]).unwrap()
    );
    assert_eq!(series.samples, [Sample::new(1_700_000_000_000, 1.0)]);
    assert!(decoded.refused.is_complete());
}

#[test]
fn lengths_that_take_more_bytes_than_they_need_make_the_same_keys() {
    let request = |name_length: &[u8]| {
        let mut bytes = b"\x22\x00\x22\x08__name__\x22".to_vec();
        bytes.extend_from_slice(name_length);
        bytes.extend_from_slice(b"up\x2a\x0f\x0a\x02\x01\x02\x12\x09\x09\0\0\0\0\0\0\xf0\x3f");
        bytes
    };
    let key = |bytes: &[u8]| {
        let decoded = decode(bytes).unwrap();
        let series = decoded.batch.series().next().unwrap();
        (series.key.bytes.to_vec(), series.key.decode().unwrap())
    };
    let shortest = key(&request(b"\x02"));
    assert_eq!(shortest.0, b"\x08__name__\x02up");
    for longer in [
        &b"\x82\x00"[..],
        b"\x82\x80\x00",
        b"\x82\x80\x80\x80\x80\x80\x00",
    ] {
        assert_eq!(key(&request(longer)), shortest, "{longer:02x?}");
    }
    let long = [b'x'; 200];
    let mut bytes = b"\x22\x00\x22\x08__name__\x22\xc8\x01".to_vec();
    bytes.extend_from_slice(&long);
    bytes.extend_from_slice(&request(b"\x02")[16..]);
    let at = bytes.len() - 17;
    assert_eq!(&bytes[at..at + 2], b"\x2a\x0f");
    assert_eq!(key(&bytes).0.len(), 9 + 2 + 200);
}

/// Symbols `first`, "__name__", "up"; one series with a sample and a message of metadata as given.
fn described_request(first: &str, metadata: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x22, first.len() as u8];
    bytes.extend_from_slice(first.as_bytes());
    bytes.extend_from_slice(b"\x22\x08__name__\x22\x02up\x2a");
    let mut series = b"\x0a\x02\x01\x02\x12\x09\x09\0\0\0\0\0\0\xf0\x3f\x2a".to_vec();
    series.push(metadata.len() as u8);
    series.extend_from_slice(metadata);
    bytes.push(series.len() as u8);
    bytes.extend_from_slice(&series);
    bytes
}

#[test]
fn metadata_that_says_nothing_is_none() {
    let count = |metadata| {
        let bytes = described_request("", metadata);
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded.batch.sample_count(), 1);
        decoded.batch.metadata().len()
    };
    assert_eq!(count(b""), 0);
    assert_eq!(count(b"\x08\x00\x18\x00\x20\x00"), 0);
    assert_eq!(count(b"\x08\x01"), 1, "a type alone says something");
    assert_eq!(count(b"\x18\x02"), 1, "and so does a help text");
}

#[test]
fn metadata_is_counted_when_its_series_has_no_name_or_is_refused() {
    let entry = |labels: &[u8], sample: &[u8], metadata: &[u8]| {
        let mut entry = vec![0x0a, labels.len() as u8];
        entry.extend_from_slice(labels);
        entry.extend_from_slice(sample);
        entry.extend_from_slice(&[0x2a, metadata.len() as u8]);
        entry.extend_from_slice(metadata);
        entry
    };
    let sample = b"\x12\x09\x09\0\0\0\0\0\0\xf0\x3f";
    let (up, nameless, unnamed, dangling) = (&[1, 2][..], &[2, 2][..], &[1, 0][..], &[1, 9][..]);
    let counted = |labels, sample, metadata| {
        let mut request = b"\x22\x00\x22\x08__name__\x22\x02up".to_vec();
        let entry = entry(labels, sample, metadata);
        request.extend_from_slice(&[0x2a, entry.len() as u8]);
        request.extend_from_slice(&entry);
        let decoded = decode(&request).unwrap();
        let handed_on = decoded.batch.metadata().len();
        (
            handed_on,
            decoded.metadata_nameless,
            decoded.metadata_of_refused,
        )
    };
    let counter = b"\x08\x01";
    assert_eq!(counted(up, sample, counter), (1, 0, 0));
    assert_eq!(counted(nameless, sample, counter), (0, 1, 0));
    assert_eq!(counted(unnamed, sample, counter), (0, 1, 0));
    assert_eq!(counted(dangling, sample, counter), (0, 0, 1));
    assert_eq!(counted(up, b"", counter), (0, 0, 1));
    assert_eq!(counted(up, sample, b"\x18\x09"), (0, 0, 1));
    for (labels, sample) in [(up, &sample[..]), (nameless, sample), (up, b"")] {
        assert_eq!(counted(labels, sample, b"\x08\x00"), (0, 0, 0));
    }
}

#[test]
fn reference_0_of_metadata_is_the_empty_text_whatever_the_table_begins_with() {
    let read = |metadata: &[u8]| {
        let bytes = described_request("job", metadata);
        let decoded = decode(&bytes).unwrap();
        assert_eq!(decoded.batch.sample_count(), 1);
        decoded.batch.metadata().to_vec()
    };
    assert_eq!(read(b""), []);
    assert_eq!(read(b"\x18\x00\x20\x00"), []);
    let [(name, described)] = &read(b"\x08\x02\x18\x02")[..] else {
        panic!("one piece of metadata was sent");
    };
    let texts = (&name[..], &described.help[..], &described.unit[..]);
    assert_eq!(texts, ("up", "up", ""));
}

#[test]
fn odd_and_dangling_references_are_refused_one_by_one() {
    let odd = "31c0220022085f5f6e616d655f5f2202757022036a6f622201612a170a03010203121009000000000000f03f1080d095ffbc31";
    let dangling = "30bc220022085f5f6e616d655f5f2202757022036a6f622201612a160a020163121009000000000000f03f1080d095ffbc31";
    for (text, expected) in [
        (odd, "pairs"),
        (dangling, "reference 99 is outside the table of 5 symbols"),
    ] {
        let decoded = decode(&message(text)).unwrap();
        assert_eq!(decoded.batch.series_count(), 0);
        assert_eq!(decoded.refused.samples_rejected, 1);
        assert_eq!(
            decoded.refused.rejections[0].reason,
            RejectReason::BadReference
        );
        assert!(
            decoded.refused.rejections[0].detail.contains(expected),
            "{:?}",
            decoded.refused.rejections
        );
    }
}

#[test]
fn custom_buckets_decode() {
    let text = "40f03f220022085f5f6e616d655f5f2201682a2f0a0201021a29080319000000000000124020695a0408001002620202027880d095ffbc31820108000000000000f03f";
    let decoded = decode(&message(text)).unwrap();
    let series = decoded.batch.series().next().unwrap();
    let (timestamp_ms, _, histogram) = series.histograms().next().unwrap();
    assert_eq!(
        (timestamp_ms, histogram.schema, histogram.sum),
        (1_700_000_000_000, -53, 4.5)
    );
    assert_eq!(*histogram.custom_bounds, [1.0]);
    let HistogramCounts::Integer(counts) = &histogram.counts else {
        panic!("integer counts were sent")
    };
    assert_eq!(
        (counts.count, counts.positive.as_slice()),
        (3, [1, 2].as_slice())
    );
}

#[test]
fn an_entry_without_samples_is_refused() {
    // symbols "", "__name__", "up"; one entry with labels only.
    let body = [
        &[0x22, 0, 0x22, 8][..],
        b"__name__",
        &[0x22, 2],
        b"up",
        &[0x2a, 4, 0x0a, 2, 1, 2],
    ]
    .concat();
    let decoded = decode(&body).unwrap();
    assert_eq!(
        decoded.refused.rejections[0].reason,
        RejectReason::NoSamples
    );
    assert!(!decoded.refused.is_complete());
}

#[test]
fn a_nameless_series_is_named_when_the_key_is_decoded() {
    let mut key = Vec::new();
    CanonicalKey::encode(&Labels::from_pairs([("job", "a")]).unwrap(), &mut key);
    assert!(matches!(
        ResolvedLabels.decode(&key),
        Err(LabelsError::MissingMetricName { .. })
    ));
}

#[test]
fn every_prefix_and_every_flipped_bit_ends_in_an_answer() {
    let message = message(SIMPLE);
    for end in 0..message.len() {
        let _ = decode(&message[..end]);
    }
    for bit in 0..message.len() * 8 {
        let mut flipped = message.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let _ = decode(&flipped);
    }
}
