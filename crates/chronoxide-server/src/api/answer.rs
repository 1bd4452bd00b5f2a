//! Query results as JSON.

use std::time::Duration;

use chronoxide_model::CUSTOM_BUCKETS_SCHEMA;
use chronoxide_promql::{
    FloatHistogram, InstantSample, Point, QueryStats, QueryTimings, RangeSeries, Value,
};

use super::json::{write_labels, write_list, write_object, write_string};
use super::number::{
    write_scalar_timestamp, write_scalar_value, write_timestamp, write_unsigned, write_value,
};
use crate::answer_bytes::AnswerBytes;
use crate::error::ApiError;

/// How long a query took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) queue: Duration,
    /// From its turn to its value.
    pub(crate) evaluation: Duration,
    /// Where the time of the evaluation went.
    pub(crate) parts: QueryTimings,
}

/// Points of a series after which its bytes so far may become a piece.
const POINTS_AT_ONCE: usize = 1024;

/// Appends `value` as the data of an answer, with statistics where there are any. Each series goes as it is written, and
/// its memory with it.
pub(crate) fn write_value_of(
    out: &mut AnswerBytes,
    value: Value,
    stats: Option<(QueryStats, Timing)>,
) -> Result<(), ApiError> {
    let result_type = match &value {
        Value::Scalar(..) => "scalar",
        Value::String(..) => "string",
        Value::Vector(_) => "vector",
        Value::Matrix(_) => "matrix",
    };
    let pending = out.pending();
    pending.extend_from_slice(br#"{"resultType":""#);
    pending.extend_from_slice(result_type.as_bytes());
    pending.extend_from_slice(br#"","result":"#);
    match value {
        Value::Scalar(timestamp_ms, value) => {
            write_untimed(pending, timestamp_ms, |out| {
                write_quoted(out, value, write_scalar_value)
            });
        }
        Value::String(timestamp_ms, text) => {
            write_untimed(pending, timestamp_ms, |out| write_string(out, &text))
        }
        Value::Vector(samples) => {
            out.write_held_list(samples, InstantSample::memory_bytes, |out, sample| {
                write_sample(out.pending(), sample);
                Ok(())
            })?;
        }
        Value::Matrix(matrix) => {
            out.write_held_list(matrix, RangeSeries::memory_bytes, write_series)?;
        }
    }
    if let Some((stats, timing)) = stats {
        write_stats(out.pending(), &stats, timing);
    }
    out.pending().push(b'}');
    Ok(())
}

fn write_untimed(out: &mut Vec<u8>, timestamp_ms: i64, value: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'[');
    write_scalar_timestamp(out, timestamp_ms);
    out.push(b',');
    value(out);
    out.push(b']');
}

fn write_sample(out: &mut Vec<u8>, sample: &InstantSample) {
    out.extend_from_slice(br#"{"metric":"#);
    write_labels(out, &sample.labels);
    match &sample.point {
        Point::Float(value) => {
            out.extend_from_slice(br#","value":"#);
            write_float(out, sample.timestamp_ms, *value);
        }
        Point::Histogram(histogram) => {
            out.extend_from_slice(br#","histogram":"#);
            write_timed_histogram(out, sample.timestamp_ms, histogram);
        }
    }
    out.push(b'}');
}

fn write_series(out: &mut AnswerBytes, series: &RangeSeries) -> Result<(), ApiError> {
    out.pending().extend_from_slice(br#"{"metric":"#);
    write_labels(out.pending(), &series.labels);
    if !series.floats.is_empty() {
        out.pending().extend_from_slice(br#","values":"#);
        write_points(out, &series.floats, |out, (timestamp_ms, value)| {
            write_float(out, *timestamp_ms, *value)
        })?;
    }
    if !series.histograms.is_empty() {
        out.pending().extend_from_slice(br#","histograms":"#);
        write_points(out, &series.histograms, |out, (timestamp_ms, histogram)| {
            write_timed_histogram(out, *timestamp_ms, histogram);
        })?;
    }
    out.pending().push(b'}');
    Ok(())
}

fn write_points<T>(
    out: &mut AnswerBytes,
    points: &[T],
    mut write: impl FnMut(&mut Vec<u8>, &T),
) -> Result<(), ApiError> {
    out.pending().push(b'[');
    for (index, some) in points.chunks(POINTS_AT_ONCE).enumerate() {
        let pending = out.pending();
        for (nth, point) in some.iter().enumerate() {
            if index + nth > 0 {
                pending.push(b',');
            }
            write(pending, point);
        }
        out.seal_full()?;
    }
    out.pending().push(b']');
    Ok(())
}

fn write_float(out: &mut Vec<u8>, timestamp_ms: i64, value: f64) {
    out.push(b'[');
    write_timestamp(out, timestamp_ms);
    out.push(b',');
    write_quoted(out, value, write_value);
    out.push(b']');
}

fn write_quoted(out: &mut Vec<u8>, value: f64, write: impl FnOnce(&mut Vec<u8>, f64)) {
    out.push(b'"');
    write(out, value);
    out.push(b'"');
}

fn write_timed_histogram(out: &mut Vec<u8>, timestamp_ms: i64, histogram: &FloatHistogram) {
    out.push(b'[');
    write_timestamp(out, timestamp_ms);
    out.push(b',');
    write_histogram(out, histogram);
    out.push(b']');
}

fn write_histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.extend_from_slice(br#"{"count":"#);
    write_quoted(out, histogram.count, write_value);
    out.extend_from_slice(br#","sum":"#);
    write_quoted(out, histogram.sum, write_value);
    let mut buckets = histogram
        .bucket_bounds()
        .filter(|(_, _, count)| *count != 0.0)
        .peekable();
    if buckets.peek().is_some() {
        out.extend_from_slice(br#","buckets":"#);
        write_list(out, buckets, |out, (lower, upper, count)| {
            out.push(b'[');
            write_unsigned(out, bucket_rule(histogram.schema, lower, upper));
            for number in [lower, upper, count] {
                out.push(b',');
                write_quoted(out, number, write_value);
            }
            out.push(b']');
        });
    }
    out.push(b'}');
}

/// Which bounds belong to the bucket: 0 the upper one, 1 the lower one, 3 both.
fn bucket_rule(schema: i8, lower: f64, upper: f64) -> u64 {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        // Nothing lies below the first one.
        return if lower == f64::NEG_INFINITY { 3 } else { 0 };
    }
    if lower == -upper {
        // The zero bucket is the only one that reaches as far below zero as above.
        3
    } else {
        u64::from(lower < 0.0)
    }
}

fn write_stats(out: &mut Vec<u8>, stats: &QueryStats, timing: Timing) {
    let parts = timing.parts;
    let times = [
        ("evalTotalTime", timing.evaluation),
        ("resultSortTime", parts.sort),
        ("queryPreparationTime", parts.preparation),
        ("innerEvalTime", parts.evaluation),
        ("execQueueTime", timing.queue),
        ("execTotalTime", timing.queue + timing.evaluation),
    ];
    out.extend_from_slice(br#","stats":{"timings":"#);
    write_object(out, times, |out, time| {
        out.extend_from_slice(time.as_secs_f64().to_string().as_bytes());
    });
    let text = format!(
        ",\"samples\":{{\"totalQueryableSamples\":{seen},\"samplesRead\":{samples},\"peakSamples\":{peak}}}}}",
        seen = stats.seen_samples,
        samples = stats.samples,
        peak = stats.peak_samples,
    );
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chronoxide_model::{CounterResetHint, Labels};
    use chronoxide_promql::Cancellation;

    use super::*;
    use crate::answer_bytes::Watch;
    use crate::config::{Config, Settings};
    use crate::state::{Deadline, ServerState};

    fn written(value: Value, stats: Option<(QueryStats, Timing)>) -> String {
        let config = Config::new(&Settings::default()).unwrap();
        let state = ServerState::new(config, "here".to_owned());
        let watch = Watch {
            cancellation: Cancellation::new(),
            deadline: Deadline::new(Duration::from_secs(60)),
        };
        let mut out = AnswerBytes::new(&state, None, watch);
        write_value_of(&mut out, value, stats).unwrap();
        String::from_utf8(out.pending().clone()).unwrap()
    }

    fn rendered(value: Value) -> String {
        let text = written(value, None);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
        text
    }

    fn labels() -> Labels {
        Labels::from_pairs([("__name__", "up"), ("job", "a\"b")]).unwrap()
    }

    fn histogram(schema: i8) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema,
            zero_threshold: 0.5,
            zero_count: 1.0,
            count: 42.0,
            sum: 3.5,
            positive: vec![(1, 2.0), (2, 0.0), (3, 4.0)],
            negative: vec![(1, 5.0)],
            custom_bounds: Arc::from([]),
        }
    }

    #[test]
    fn scalars_and_strings_have_ordinary_times() {
        assert_eq!(
            rendered(Value::Scalar(1_435_781_451_700, 1e21)),
            r#"{"resultType":"scalar","result":[1435781451.7,"1000000000000000000000"]}"#
        );
        assert_eq!(
            rendered(Value::String(4_000, "a\nb".to_owned())),
            r#"{"resultType":"string","result":[4,"a\nb"]}"#
        );
    }

    #[test]
    fn vectors_and_matrices_leave_out_what_is_empty() {
        let sample = InstantSample {
            labels: labels(),
            timestamp_ms: 1_500,
            point: Point::Float(1e-7),
        };
        assert_eq!(
            rendered(Value::Vector(vec![sample])),
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up","job":"a\"b"},"value":[1.500,"1e-07"]}]}"#
        );
        let series = RangeSeries {
            labels: Labels::empty(),
            floats: vec![(0, f64::NAN), (1_000, 2.5)],
            histograms: vec![],
        };
        assert_eq!(
            rendered(Value::Matrix(vec![series])),
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[0,"NaN"],[1,"2.5"]]}]}"#
        );
        assert_eq!(
            rendered(Value::Vector(vec![])),
            r#"{"resultType":"vector","result":[]}"#
        );
    }

    #[test]
    fn histograms_list_their_filled_buckets_in_order() {
        let series = RangeSeries {
            labels: Labels::empty(),
            floats: vec![],
            histograms: vec![(1_000, histogram(0))],
        };
        assert_eq!(
            rendered(Value::Matrix(vec![series])),
            "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"histograms\":[[1,{\"count\":\"42\",\"sum\":\"3.5\",\
             \"buckets\":[[1,\"-2\",\"-1\",\"5\"],[3,\"-0.5\",\"0.5\",\"1\"],[0,\"1\",\"2\",\"2\"],[0,\"4\",\"8\",\"4\"]]}]]}]}"
        );
    }

    #[test]
    fn custom_buckets_end_at_their_bounds() {
        let mut custom = histogram(CUSTOM_BUCKETS_SCHEMA);
        (custom.zero_threshold, custom.zero_count) = (0.0, 0.0);
        custom.negative.clear();
        custom.positive = vec![(0, 1.0), (1, 2.0)];
        custom.custom_bounds = Arc::from([1.0]);
        let point = Point::Histogram(Box::new(custom));
        let sample = InstantSample {
            labels: Labels::empty(),
            timestamp_ms: 0,
            point,
        };
        assert!(rendered(Value::Vector(vec![sample])).contains(
            r#""histogram":[0,{"count":"42","sum":"3.5","buckets":[[3,"-Inf","1","1"],[0,"1","+Inf","2"]]}]"#
        ));
    }

    #[test]
    fn statistics_follow_the_result() {
        let stats = QueryStats {
            series: 1,
            samples: 7,
            seen_samples: 8,
            peak_samples: 9,
            peak_bytes: 144,
        };
        let timing = Timing {
            queue: Duration::ZERO,
            evaluation: Duration::from_millis(5),
            parts: QueryTimings {
                preparation: Duration::from_millis(1),
                evaluation: Duration::from_millis(3),
                sort: Duration::from_nanos(20),
            },
        };
        let text = written(Value::Vector(vec![]), Some((stats, timing)));
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["stats"]["samples"]["totalQueryableSamples"], 8);
        assert_eq!(value["stats"]["samples"]["samplesRead"], 7);
        assert_eq!(value["stats"]["samples"]["peakSamples"], 9);
        let timings = r#""timings":{"evalTotalTime":0.005,"resultSortTime":0.00000002,"queryPreparationTime":0.001,"innerEvalTime":0.003,"execQueueTime":0,"execTotalTime":0.005}"#;
        assert!(text.contains(timings), "{text}");
    }
}
