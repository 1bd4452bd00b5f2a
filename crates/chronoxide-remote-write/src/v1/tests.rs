//! The walker against known bytes and against prost.

use chronoxide_model::{KeyEncoding, METRIC_NAME, MetricType, RejectReason, STALE_MARKER_BITS};
use prost::Message;

use super::*;
use crate::Error;

/// The messages of the schema as prost sees them: the oracle.
mod oracle {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct WriteRequest {
        #[prost(message, repeated, tag = "1")]
        pub(super) timeseries: Vec<TimeSeries>,
        #[prost(message, repeated, tag = "3")]
        pub(super) metadata: Vec<MetricMetadata>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct TimeSeries {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "3")]
        pub(super) exemplars: Vec<Exemplar>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Label {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(string, tag = "2")]
        pub(super) value: String,
    }

    #[derive(Clone, Copy, PartialEq, prost::Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Exemplar {
        #[prost(message, repeated, tag = "1")]
        pub(super) labels: Vec<Label>,
        #[prost(double, tag = "2")]
        pub(super) value: f64,
        #[prost(int64, tag = "3")]
        pub(super) timestamp: i64,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct MetricMetadata {
        #[prost(int32, tag = "1")]
        pub(super) r#type: i32,
        #[prost(string, tag = "2")]
        pub(super) metric_family_name: String,
        #[prost(string, tag = "4")]
        pub(super) help: String,
        #[prost(string, tag = "5")]
        pub(super) unit: String,
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn label(name: &str, value: &str) -> oracle::Label {
    oracle::Label {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// What one series of a decoded batch says.
fn series_of(body: &[u8]) -> Vec<(Labels, Vec<Sample>)> {
    let decoded = decode(body).unwrap();
    decoded
        .batch
        .series()
        .map(|series| (series.key.decode().unwrap(), series.samples.to_vec()))
        .collect()
}

#[test]
fn known_bodies_decode_to_known_samples() {
    let body = hex(
        "2eb40a2c0a0e0a085f5f6e616d655f5f120275700a080a036a6f62120161121009000000000000f03f1080d095ffbc31",
    );
    let message = crate::decompress(&body, 1 << 20).unwrap();
    let up = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a")]).unwrap();
    assert_eq!(
        series_of(&message),
        [(up.clone(), vec![Sample::new(1_700_000_000_000, 1.0)])]
    );
    let stale = hex(
        "2eb40a2c0a0e0a085f5f6e616d655f5f120275700a080a036a6f62120161121009020000000000f07f1098c596ffbc31",
    );
    let message = crate::decompress(&stale, 1 << 20).unwrap();
    let marker = Sample::new(1_700_000_015_000, f64::from_bits(STALE_MARKER_BITS));
    assert_eq!(series_of(&message), [(up, vec![marker])]);
}

#[test]
fn an_empty_message_is_valid() {
    assert!(decode(&[]).unwrap().batch.is_empty());
}

#[test]
fn unsorted_labels_are_sorted_and_empty_values_dropped() {
    let request = oracle::WriteRequest {
        timeseries: vec![oracle::TimeSeries {
            labels: vec![
                label("job", "a"),
                label("gone", ""),
                label("__name__", "up"),
            ],
            samples: vec![oracle::Sample {
                value: 1.0,
                timestamp: 5,
            }],
            exemplars: vec![],
        }],
        metadata: vec![],
    };
    let up = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "a")]).unwrap();
    assert_eq!(
        series_of(&request.encode_to_vec()),
        [(up, vec![Sample::new(5, 1.0)])]
    );
}

#[test]
fn labels_behind_samples_still_count() {
    let series = oracle::TimeSeries {
        labels: vec![label("__name__", "up")],
        samples: vec![oracle::Sample {
            value: 1.0,
            timestamp: 5,
        }],
        exemplars: vec![],
    };
    let late = oracle::TimeSeries {
        labels: vec![label("job", "late")],
        ..Default::default()
    };
    let bytes = [series.encode_to_vec(), late.encode_to_vec()].concat();
    let mut body = vec![0x0a, u8::try_from(bytes.len()).unwrap()];
    body.extend(bytes);
    let up = Labels::from_pairs([(METRIC_NAME, "up"), ("job", "late")]).unwrap();
    assert_eq!(series_of(&body), [(up, vec![Sample::new(5, 1.0)])]);
}

#[test]
fn bad_labels_are_named_when_the_key_is_decoded() {
    let reason = |labels: Vec<oracle::Label>| {
        let series = oracle::TimeSeries {
            labels,
            ..Default::default()
        };
        RejectReason::from(&WireLabels.decode(&series.encode_to_vec()).unwrap_err())
    };
    assert_eq!(
        reason(vec![label("job", "a")]),
        RejectReason::MissingMetricName
    );
    assert_eq!(reason(vec![]), RejectReason::MissingMetricName);
    assert_eq!(
        reason(vec![label("__name__", "up"), label("", "x")]),
        RejectReason::EmptyLabelName
    );
    assert_eq!(
        reason(vec![
            label("__name__", "up"),
            label("a", "1"),
            label("a", "1")
        ]),
        RejectReason::DuplicateLabelName
    );
    let not_utf8 = [0x0a, 0x07, 0x0a, 0x01, b'a', 0x12, 0x02, 0xff, 0xfe];
    assert_eq!(
        RejectReason::from(&WireLabels.decode(&not_utf8).unwrap_err()),
        RejectReason::InvalidUtf8
    );
    assert_eq!(
        RejectReason::from(&WireLabels.decode(&[0x0a, 0x7f]).unwrap_err()),
        RejectReason::MalformedLabels
    );
}

#[test]
fn metadata_and_exemplars_come_along() {
    let request = oracle::WriteRequest {
        timeseries: vec![oracle::TimeSeries {
            labels: vec![label("__name__", "x_total")],
            samples: vec![oracle::Sample {
                value: 1.0,
                timestamp: 5,
            }],
            exemplars: vec![oracle::Exemplar {
                labels: vec![label("trace_id", "t")],
                value: 2.0,
                timestamp: 4,
            }],
        }],
        metadata: vec![oracle::MetricMetadata {
            r#type: 1,
            metric_family_name: "x_total".into(),
            help: "Things.".into(),
            unit: "things".into(),
        }],
    };
    let body = request.encode_to_vec();
    let decoded = decode(&body).unwrap();
    let exemplar = &decoded.batch.series().next().unwrap().exemplars[0];
    assert_eq!(
        (
            exemplar.timestamp_ms,
            exemplar.value,
            exemplar.labels.get("trace_id")
        ),
        (4, 2.0, Some("t"))
    );
    let expected = Metadata {
        metric_type: MetricType::Counter,
        help: "Things.".into(),
        unit: "things".into(),
    };
    assert_eq!(decoded.batch.metadata(), [("x_total".to_owned(), expected)]);
}

#[test]
fn metadata_that_says_nothing_is_none() {
    let about = |r#type, help: &str, unit: &str| oracle::MetricMetadata {
        r#type,
        metric_family_name: "x_total".into(),
        help: help.into(),
        unit: unit.into(),
    };
    let request = oracle::WriteRequest {
        timeseries: Vec::new(),
        metadata: vec![
            about(0, "", ""),
            about(1, "", ""),
            about(0, "Things.", ""),
            about(0, "", "things"),
            about(99, "", ""),
        ],
    };
    let body = request.encode_to_vec();
    let decoded = decode(&body).unwrap();
    let read = decoded.batch.metadata().iter();
    let read: Vec<_> = read
        .map(|(_, one)| (one.metric_type, &one.help[..], &one.unit[..]))
        .collect();
    assert_eq!(
        read,
        [
            (MetricType::Counter, "", ""),
            (MetricType::Unknown, "Things.", ""),
            (MetricType::Unknown, "", "things"),
        ]
    );
}

#[test]
fn a_malformed_message_says_where() {
    assert_eq!(
        decode(&[0x0a, 0x05, 0x12]).unwrap_err(),
        Error::Malformed {
            message: "WriteRequest",
            offset: 2,
            reason: "a length passes the end of the message"
        }
    );
    let wrong_wire = [0x0a, 0x04, 0x12, 0x02, 0x08, 0x01];
    let error = decode(&wrong_wire).unwrap_err();
    assert_eq!(
        error,
        Error::Malformed {
            message: "Sample",
            offset: 5,
            reason: "a known field has the wrong wire type"
        }
    );
}

/// Any body that prost reads, the walker reads alike; any body that it refuses, the walker refuses or finds the
/// fault in one series.
fn assert_agrees(body: &[u8]) {
    let walked = decode(body);
    let Ok(request) = oracle::WriteRequest::decode(body) else {
        return;
    };
    let walked = walked.unwrap_or_else(|error| {
        panic!("prost reads what the walker refuses with {error}: {body:02x?}")
    });
    assert_eq!(walked.batch.series_count(), request.timeseries.len());
    for (series, expected) in walked.batch.series().zip(&request.timeseries) {
        let samples: Vec<Sample> = expected
            .samples
            .iter()
            .map(|sample| Sample::new(sample.timestamp, sample.value))
            .collect();
        assert_eq!(series.samples, samples);
        let pairs = expected
            .labels
            .iter()
            .map(|label| (&label.name, &label.value));
        match (series.key.decode(), Labels::from_pairs(pairs)) {
            (Ok(labels), Ok(expected)) => assert_eq!(labels, expected),
            (Err(LabelsError::MissingMetricName { .. }), Ok(expected)) => {
                assert!(expected.metric_name().is_none())
            }
            (Err(error), Err(expected)) => assert_eq!(error, expected),
            (left, right) => panic!("walker says {left:?}, prost says {right:?}"),
        }
    }
}

proptest::proptest! {
    #[test]
    fn generated_requests_decode_as_prost_decodes_them(
        series in proptest::collection::vec(
            (
                proptest::collection::vec(("[a-z_é]{0,4}", "[a-z0-9é]{0,5}"), 0..5),
                proptest::collection::vec((proptest::num::f64::ANY, proptest::num::i64::ANY), 0..4),
            ),
            0..6,
        ),
        flips in proptest::collection::vec((proptest::num::usize::ANY, 0..8_u8), 0..3),
    ) {
        let request = oracle::WriteRequest {
            timeseries: series
                .into_iter()
                .map(|(labels, samples)| oracle::TimeSeries {
                    labels: labels.iter().map(|(name, value)| label(name, value)).collect(),
                    samples: samples.into_iter().map(|(value, timestamp)| oracle::Sample { value, timestamp }).collect(),
                    exemplars: vec![],
                })
                .collect(),
            metadata: vec![],
        };
        let mut body = request.encode_to_vec();
        assert_agrees(&body);
        for (at, bit) in flips {
            if !body.is_empty() {
                let at = at % body.len();
                body[at] ^= 1 << bit;
                // Only that it ends: prost checks text where the walker hands bytes on.
                let _ = decode(&body);
            }
        }
    }
}

#[test]
fn every_prefix_of_a_request_ends_in_an_answer() {
    let message = crate::decompress(
        &hex("2eb40a2c0a0e0a085f5f6e616d655f5f120275700a080a036a6f62120161121009000000000000f03f1080d095ffbc31"),
        1 << 20,
    )
    .unwrap();
    for end in 1..message.len() {
        assert!(
            decode(&message[..end]).is_err(),
            "a request cut at {end} is no request"
        );
    }
}

#[test]
fn the_only_sample_of_a_series_is_what_the_whole_way_reads() {
    let times = [0, 1, 127, 128, 1_700_000_000_000, i64::MAX, -1, i64::MIN];
    for timestamp in times {
        for value in [1.5, f64::from_bits(STALE_MARKER_BITS), 0.0] {
            let sample = oracle::Sample { value, timestamp };
            let mut fields = vec![0x12, 0];
            fields.extend(sample.encode_to_vec());
            fields[1] = fields.len() as u8 - 2;
            let whole = decode_sample(Reader::new(&fields[2..], "Sample")).unwrap();
            let bits = |sample: Sample| (sample.timestamp_ms, sample.value.to_bits());
            let short = only_sample(&fields).map(bits);
            assert!(short.is_none() || short == Some(bits(whole)), "{sample:?}");
            let is_usual = timestamp > 0 && value != 0.0;
            assert_eq!(short.is_some(), is_usual, "{sample:?}");
            // Anything more or less is for the whole way.
            for end in 0..fields.len() {
                assert_eq!(only_sample(&fields[..end]), None, "{sample:?} cut at {end}");
            }
            fields.push(0x0a);
            assert_eq!(only_sample(&fields), None, "{sample:?} and more");
        }
    }
}
