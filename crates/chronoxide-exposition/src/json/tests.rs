use std::sync::Arc;

use chronoxide_model::{BucketCounts, BucketSpan, CounterResetHint, HistogramCounts, STALE_MARKER};
use proptest::prelude::*;

use super::*;

fn read(line: &str) -> Result<WriteBatch<'static>> {
    let mut batch = WriteBatch::new();
    read_json_line(line.as_bytes(), &[], &mut batch)?;
    Ok(batch)
}

fn samples(batch: &WriteBatch<'_>) -> Vec<(i64, u64)> {
    let series = batch.series();
    series
        .flat_map(|series| {
            series
                .samples
                .iter()
                .map(|sample| (sample.timestamp_ms, sample.value.to_bits()))
        })
        .collect()
}

fn written(labels: &Labels, columns: &SampleColumns, rows_max: usize) -> String {
    let mut out = Vec::new();
    write_json_lines(&mut out, labels, columns, rows_max);
    String::from_utf8(out).unwrap()
}

#[test]
fn lists_that_would_take_many_times_their_text_are_refused() {
    let ones = vec!["1"; SAMPLES_MAX + 1].join(",");
    let line = format!(r#"{{"metric":{{"__name__":"x"}},"values":[{ones}],"timestamps":[1]}}"#);
    let refused = read(&line).unwrap_err().to_string();
    assert!(refused.contains("more than 1048576 items"), "{refused}");
    let labels = vec![r#""a":"b""#; LABELS_MAX + 1].join(",");
    let line = format!(r#"{{"metric":{{{labels}}},"values":[1],"timestamps":[1]}}"#);
    let refused = read(&line).unwrap_err().to_string();
    assert!(refused.contains("more than 1024 labels"), "{refused}");
}

#[test]
fn lines_of_victoria_metrics_are_read() {
    let line = r#"{"metric":{"__name__":"up","job":"a"},"values":[1,2.5,-0,null,"NaN","Infinity","-Infinity","Inf",1e300,12345678901234567890],
        "timestamps":[1,2,3,4,5,6,7,8,9,10],"unknown":{"a":[1]}}"#;
    let batch = read(line).unwrap();
    let values: Vec<f64> = samples(&batch)
        .iter()
        .map(|(_, bits)| f64::from_bits(*bits))
        .collect();
    assert_eq!(values[..3], [1.0, 2.5, 0.0]);
    assert!(values[2].is_sign_negative());
    assert!(values[3].is_nan() && values[4].is_nan());
    let infinity = f64::INFINITY;
    assert_eq!(values[5..8], [infinity, -infinity, infinity]);
    assert_eq!(values[8..], [1e300, 12_345_678_901_234_567_890.0]);
    let series = batch.series().next().unwrap();
    assert_eq!(series.key.decode().unwrap().to_string(), r#"up{job="a"}"#);
}

#[test]
fn lines_are_written_as_victoria_metrics_writes_them() {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]).unwrap();
    let columns = SampleColumns {
        timestamps_ms: vec![1, 2, 3, 4, 5],
        values: vec![
            1.0,
            -0.0,
            f64::INFINITY,
            f64::from_bits(0x7ff8_0000_0000_0001),
            1e21,
        ],
        ..SampleColumns::default()
    };
    assert_eq!(
        written(&labels, &columns, 4),
        "{\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"b\"},\"values\":[1,-0,\"Infinity\",null],\"timestamps\":[1,2,3,4]}\n\
         {\"metric\":{\"__name__\":\"up\",\"job\":\"a\\\"b\"},\"values\":[1e21],\"timestamps\":[5]}\n"
    );
    assert_eq!(written(&labels, &SampleColumns::default(), 4), "");
}

#[test]
fn wrong_lines_are_refused_with_a_reason() {
    for (line, expected) in [
        ("", "no JSON line: EOF"),
        ("{}", "missing field `metric`"),
        ("[1]", "no JSON line"),
        (
            r#"{"metric":{"a":1},"values":[1],"timestamps":[1]}"#,
            "invalid type: integer",
        ),
        (
            r#"{"metric":{"a":"b"},"values":["one"],"timestamps":[1]}"#,
            "invalid value: string \"one\"",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1,2],"timestamps":[1]}"#,
            "2 values stand beside 1 timestamps",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1.5]}"#,
            "invalid type: floating point",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[],"timestamps":[]}"#,
            "neither values nor histograms",
        ),
        (
            r#"{"metric":{"a":"b","a":"c"},"values":[1],"timestamps":[1]}"#,
            "label name \"a\" is given more than once",
        ),
        (
            r#"{"metric":{"":"b"},"values":[1],"timestamps":[1]}"#,
            "has an empty name",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1],"nan_bits":[[7,"7ff8000000000000"]]}"#,
            "nan_bits names value 7 of 1",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1],"nan_bits":[[0,"7ff8000000000000"]]}"#,
            "nan_bits of value 0",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1],"start_timestamps":[1,2]}"#,
            "2 values stand beside 1 timestamps",
        ),
        (
            r#"{"metric":{"a":"b"},"values":[1],"timestamps":[1]} x"#,
            "trailing characters",
        ),
    ] {
        let error = read(line).map(|batch| samples(&batch)).expect_err(line);
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

fn histogram(sum: f64, float: bool) -> Histogram {
    let spans = vec![
        BucketSpan {
            offset: -2,
            length: 2,
        },
        BucketSpan {
            offset: 3,
            length: 1,
        },
    ];
    let counts = if float {
        HistogramCounts::Float(BucketCounts {
            count: 6.5,
            zero_count: 0.5,
            positive: vec![1.0, 2.0, 3.0],
            negative: vec![],
        })
    } else {
        HistogramCounts::Integer(BucketCounts {
            count: 7,
            zero_count: 1,
            positive: vec![1, 2, 3],
            negative: vec![],
        })
    };
    Histogram {
        counter_reset_hint: CounterResetHint::NotReset,
        schema: 3,
        zero_threshold: 2.938_735_877_055_719e-39,
        sum,
        positive_spans: spans,
        negative_spans: vec![],
        counts,
        custom_bounds: Arc::default(),
    }
}

#[test]
fn histograms_and_start_times_come_back() {
    let labels = Labels::from_pairs([("__name__", "h")]).unwrap();
    let columns = SampleColumns {
        timestamps_ms: vec![5],
        values: vec![1.0],
        start_timestamps_ms: vec![3],
        histogram_timestamps_ms: vec![1, 2, 4],
        histograms: vec![
            histogram(0.1, false),
            histogram(f64::INFINITY, true),
            histogram(STALE_MARKER, false),
        ],
        histogram_start_timestamps_ms: vec![0, 1, 0],
        ..SampleColumns::default()
    };
    let mut batch = WriteBatch::new();
    for line in written(&labels, &columns, 10).lines() {
        read_json_line(line.as_bytes(), &[], &mut batch).unwrap();
    }
    let series: Vec<_> = batch.series().collect();
    assert_eq!(series.len(), 2);
    assert_eq!(series[0].start_timestamps_ms, [3]);
    let found: Vec<_> = series[1].histograms().collect();
    assert_eq!(found.len(), 3);
    for ((timestamp_ms, start_ms, histogram), index) in found.into_iter().zip(0..) {
        assert_eq!(timestamp_ms, columns.histogram_timestamps_ms[index]);
        assert_eq!(start_ms, columns.histogram_start_timestamps_ms[index]);
        let expected = &columns.histograms[index];
        assert_eq!(histogram.sum.to_bits(), expected.sum.to_bits());
        assert_eq!(histogram.counts, expected.counts);
        assert_eq!(histogram.positive_spans, expected.positive_spans);
        assert_eq!(histogram.counter_reset_hint, expected.counter_reset_hint);
    }
}

#[test]
fn a_histogram_that_contradicts_itself_is_refused() {
    let labels = Labels::from_pairs([("__name__", "h")]).unwrap();
    let mut wrong = histogram(1.0, false);
    wrong.positive_spans.pop();
    let columns = SampleColumns {
        histogram_timestamps_ms: vec![1],
        histograms: vec![wrong],
        ..SampleColumns::default()
    };
    let line = written(&labels, &columns, 10);
    let error = read(&line).map(|batch| samples(&batch)).unwrap_err();
    assert!(
        matches!(error, Error::Histogram { index: 0, .. }),
        "{error}"
    );
}

proptest! {
    #[test]
    fn every_float_comes_back_bit_for_bit(bits in proptest::collection::vec(any::<u64>(), 1..50), rows in 1_usize..20) {
        let labels = Labels::from_pairs([("__name__", "x")]).unwrap();
        let columns = SampleColumns {
            timestamps_ms: (0..bits.len() as i64).collect(),
            values: bits.iter().map(|bits| f64::from_bits(*bits)).collect(),
            ..SampleColumns::default()
        };
        let mut batch = WriteBatch::new();
        for line in written(&labels, &columns, rows).lines() {
            read_json_line(line.as_bytes(), &[], &mut batch).unwrap();
        }
        let expected: Vec<_> = (0..).zip(bits).collect();
        prop_assert_eq!(samples(&batch), expected);
    }

    #[test]
    fn any_labels_come_back(name in "\\PC{1,20}", value in "\\PC{1,20}") {
        let labels = Labels::from_pairs([("__name__", value.as_str()), (name.as_str(), value.as_str())]).unwrap();
        let columns = SampleColumns { timestamps_ms: vec![1], values: vec![1.0], ..SampleColumns::default() };
        let batch = read(&written(&labels, &columns, 1)).unwrap();
        prop_assert_eq!(batch.series().next().unwrap().key.decode().unwrap(), labels);
    }
}
