use std::sync::Arc;

use chronoxide_model::{
    BucketCounts, BucketSpan, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, HistogramCounts, Labels,
    Matcher, MetricType, STALE_MARKER, TimeRange,
};
use proptest::prelude::*;

use super::*;

fn integer_histogram() -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::NotReset,
        schema: -4,
        zero_threshold: 0.001,
        sum: 12.5,
        positive_spans: vec![
            BucketSpan {
                offset: -3,
                length: 2,
            },
            BucketSpan {
                offset: 4,
                length: 1,
            },
        ],
        negative_spans: vec![BucketSpan {
            offset: i32::MIN,
            length: 1,
        }],
        counts: HistogramCounts::Integer(BucketCounts {
            count: u64::MAX,
            zero_count: 3,
            positive: vec![1, 2, 300],
            negative: vec![0],
        }),
        custom_bounds: Arc::from([]),
    }
}

fn float_histogram() -> Histogram {
    Histogram {
        counter_reset_hint: CounterResetHint::Gauge,
        schema: CUSTOM_BUCKETS_SCHEMA,
        sum: STALE_MARKER,
        negative_spans: Vec::new(),
        counts: HistogramCounts::Float(BucketCounts {
            count: 1.5,
            zero_count: 0.0,
            positive: vec![0.5, -0.0, 1.0],
            negative: Vec::new(),
        }),
        custom_bounds: Arc::from([0.1, 1.0, 10.0]),
        ..integer_histogram()
    }
}

fn batch() -> Batch {
    Batch {
        sids: vec![5, 6, 7, 0, u32::MAX],
        timestamps_ms: vec![1_700_000_000_000, 1_700_000_000_000, i64::MIN, i64::MAX, 0],
        values: vec![1.0, -0.0, f64::INFINITY, 1e-310, 42.0],
        start_timestamps_ms: vec![0, 0, 1_600_000_000_000, 0, 5],
        histogram_sids: vec![9, 9],
        histogram_timestamps_ms: vec![1, 2],
        histogram_start_timestamps_ms: vec![0, 1],
        histograms: vec![integer_histogram(), {
            let mut histogram = float_histogram();
            histogram.sum = 2.0;
            histogram
        }],
        metadata: vec![(
            "up".to_owned(),
            Metadata {
                metric_type: MetricType::Gauge,
                help: "Is it?".to_owned(),
                unit: String::new(),
            },
        )],
        exemplars: vec![(
            7,
            Exemplar {
                labels: Labels::from_pairs([("trace_id", "abc")]).unwrap(),
                timestamp_ms: -1,
                value: 0.25,
            },
        )],
        state_changes: vec![b"abc".to_vec()],
    }
}

fn encoded(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    batch.as_columns().encode(&mut bytes);
    bytes
}

#[test]
fn a_batch_comes_back() {
    let bytes = encoded(&batch());
    assert_eq!(Batch::decode(&bytes).unwrap(), batch());
    assert_eq!(
        WalRecord::decode(KIND_BATCH, &bytes).unwrap(),
        WalRecord::Batch(batch())
    );
    assert_eq!(Batch::decode(&[]).unwrap(), Batch::default());
}

#[test]
fn version_1_is_these_bytes() {
    let bytes = encoded(&batch());
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "015100000005000000000000f03f0000000000000080000000000000f07f2be6708b6812000000000000000045400a02",
            "020dfeffffff1f80a0abfef9620180e0d481869dffffff01000100fdffffffffffffffff0100021200000000018080f4",
            "f6905d00fffff3f6905d000a00039800000002120002000200010000020002fcfca9f1d24d62503f0000000000002940",
            "020502080101ffffffff0f01ffffffffffffffffff0103030102ac0201000083cbfca9f1d24d62503f00000000000000",
            "40020502080100000000000000f83f000000000000000003000000000000e03f0000000000000080000000000000f03f",
            "00039a9999999999b93f000000000000f03f0000000000002440040d00000001027570020649732069743f0005190000",
            "00010701000000000000d03f0d0874726163655f69640361626306050000000103616263",
        )
    );
}

#[test]
fn not_a_number_keeps_its_bits() {
    let mut batch = batch();
    batch.values = vec![STALE_MARKER; 5];
    batch.histograms[1] = float_histogram();
    let decoded = Batch::decode(&encoded(&batch)).unwrap();
    assert!(
        decoded
            .values
            .iter()
            .all(|value| value.to_bits() == STALE_MARKER.to_bits())
    );
    assert!(decoded.histograms[1].is_stale());
}

#[test]
fn every_prefix_is_an_error_or_whole_sections() {
    let bytes = encoded(&batch());
    let mut shorter = 0;
    for end in 0..bytes.len() {
        if let Ok(part) = Batch::decode(&bytes[..end]) {
            shorter += 1;
            assert!(part.sids.is_empty() || part.sids == batch().sids);
        }
    }
    assert_eq!(shorter, 6, "one for each boundary between sections");
}

#[test]
fn no_flipped_bit_panics() {
    let bytes = encoded(&batch());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(batch) = Batch::decode(&flipped) {
            assert_eq!(batch.sids.len(), batch.values.len());
            assert_eq!(batch.sids.len(), batch.timestamps_ms.len());
            assert_eq!(batch.histogram_sids.len(), batch.histograms.len());
        }
    }
}

#[test]
fn unknown_sections_and_types_are_refused() {
    assert!(matches!(
        Batch::decode(&[99, 0, 0, 0, 0]),
        Err(Error::UnknownCodec { id: 99, .. })
    ));
    assert!(matches!(
        WalRecord::decode(200, &[]),
        Err(Error::UnknownCodec { id: 200, .. })
    ));
    let mut twice = encoded(&batch());
    twice.extend_from_slice(&encoded(&batch()));
    assert!(Batch::decode(&twice).is_err());
}

#[test]
fn a_scrape_takes_nine_bytes_a_sample_before_compression() {
    let sids: Vec<u32> = (100..5100).collect();
    let batch = Batch {
        timestamps_ms: vec![1_700_000_000_000; sids.len()],
        values: vec![0.5; sids.len()],
        sids,
        ..Batch::default()
    };
    let bytes = encoded(&batch);
    assert!(bytes.len() < 5000 * 9 + 40, "{}", bytes.len());
    assert_eq!(Batch::decode(&bytes).unwrap(), batch);
}

#[test]
fn a_deletion_comes_back() {
    let tombstone = Tombstone {
        matchers: vec![Matcher::equal("job", "node")],
        range: TimeRange::ALL,
        seq: 0,
    };
    let payload = deletion_payload(&tombstone).unwrap();
    assert_eq!(payload.kind(), KIND_DELETION);
    let mut bytes = Vec::new();
    tombstone.encode(&mut bytes);
    assert_eq!(
        WalRecord::decode(KIND_DELETION, &bytes).unwrap(),
        WalRecord::Deletion(tombstone)
    );
}

proptest! {
    #[test]
    fn any_columns_come_back(
        rows in proptest::collection::vec((any::<u32>(), any::<i64>(), any::<u64>(), any::<i64>()), 0..200),
        started: bool,
    ) {
        let batch = Batch {
            sids: rows.iter().map(|row| row.0).collect(),
            timestamps_ms: rows.iter().map(|row| row.1 >> (row.2 % 64)).collect(),
            values: rows.iter().map(|row| f64::from_bits(row.2)).collect(),
            start_timestamps_ms: if started { rows.iter().map(|row| row.3).collect() } else { Vec::new() },
            ..Batch::default()
        };
        let decoded = Batch::decode(&encoded(&batch)).unwrap();
        prop_assert_eq!(&decoded.sids, &batch.sids);
        prop_assert_eq!(&decoded.timestamps_ms, &batch.timestamps_ms);
        prop_assert_eq!(&decoded.start_timestamps_ms, &batch.start_timestamps_ms);
        let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        prop_assert_eq!(bits(&decoded.values), bits(&batch.values));
    }

    #[test]
    fn any_bytes_are_decoded_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Batch::decode(&bytes);
    }
}
