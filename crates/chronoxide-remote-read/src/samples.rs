//! The form that holds all samples in one message.

use chronoxide_model::{
    BucketCounts, BucketSpan as ModelSpan, CounterResetHint, HistogramCounts, Labels, SampleColumns,
};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::message::{self, BucketSpan, Count, Histogram, Sample, TimeSeries, ZeroCount};
use crate::{Error, Result};

/// Collects an answer, query by query.
#[derive(Debug, Default)]
pub struct SamplesAnswer {
    /// The results of queries that are complete.
    finished: Vec<u8>,
    /// The series of the query under way.
    query: Vec<u8>,
    /// Members of the series under way.
    series: Vec<u8>,
    has_samples: bool,
}

impl SamplesAnswer {
    /// An answer without results.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a series to the query under way; one without samples is left out.
    pub fn push_series(&mut self, labels: &Labels, columns: &SampleColumns) {
        self.start_series(labels);
        self.push_samples(columns);
        self.finish_series();
    }

    /// Begins a series, whose samples follow in one or several stretches.
    pub fn start_series(&mut self, labels: &Labels) {
        self.series.clear();
        self.has_samples = false;
        let series = TimeSeries {
            labels: message::labels(labels),
            ..TimeSeries::default()
        };
        self.series.extend_from_slice(&series.encode_to_vec());
    }

    /// Adds samples to the series under way, later than all it has.
    pub fn push_samples(&mut self, columns: &SampleColumns) {
        self.has_samples |= !columns.is_empty();
        let samples = columns.timestamps_ms.iter().zip(&columns.values);
        let histograms = columns
            .histogram_timestamps_ms
            .iter()
            .zip(&columns.histograms);
        // Lists of a message may be written in several goes.
        let series = TimeSeries {
            labels: Vec::new(),
            samples: samples
                .map(|(timestamp, value)| Sample {
                    value: (value.to_bits() != 0).then_some(*value),
                    timestamp: *timestamp,
                })
                .collect(),
            histograms: histograms
                .map(|(timestamp, histogram)| self::histogram(*timestamp, histogram))
                .collect(),
        };
        self.series.extend_from_slice(&series.encode_to_vec());
    }

    /// Ends the series under way, which is left out if it has no samples.
    pub fn finish_series(&mut self) {
        if self.has_samples {
            push_message(&mut self.query, &self.series);
        }
        self.series.clear();
    }

    /// Ends the result of one query.
    pub fn finish_query(&mut self) {
        push_message(&mut self.finished, &self.query);
        self.query.clear();
    }

    /// Bytes of the answer so far, before compression.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.finished.len() + self.query.len() + self.series.len()
    }

    /// Whether there is nothing in the answer.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The answer as a snappy block.
    ///
    /// # Errors
    /// When it is larger than such a block may be.
    pub fn finish(self) -> Result<Vec<u8>> {
        let bytes = self.finished.len();
        snap::raw::Encoder::new()
            .compress_vec(&self.finished)
            .map_err(|_| Error::TooLarge { bytes })
    }
}

/// Appends a member of field 1, which is where both messages around have their lists.
fn push_message(out: &mut Vec<u8>, message: &[u8]) {
    encode_key(1, WireType::LengthDelimited, out);
    encode_varint(message.len() as u64, out);
    out.extend_from_slice(message);
}

fn histogram(timestamp: i64, histogram: &chronoxide_model::Histogram) -> Histogram {
    let mut message = Histogram {
        sum: histogram.sum,
        schema: i32::from(histogram.schema),
        zero_threshold: histogram.zero_threshold,
        negative_spans: spans(&histogram.negative_spans),
        positive_spans: spans(&histogram.positive_spans),
        reset_hint: match histogram.counter_reset_hint {
            CounterResetHint::Unknown => 0,
            CounterResetHint::Reset => 1,
            CounterResetHint::NotReset => 2,
            CounterResetHint::Gauge => 3,
        },
        timestamp,
        custom_values: histogram.custom_bounds.to_vec(),
        ..Histogram::default()
    };
    match &histogram.counts {
        HistogramCounts::Integer(BucketCounts {
            count,
            zero_count,
            positive,
            negative,
        }) => {
            message.count = Some(Count::Integer(*count));
            message.zero_count = Some(ZeroCount::Integer(*zero_count));
            message.positive_deltas = deltas(positive).collect();
            message.negative_deltas = deltas(negative).collect();
        }
        HistogramCounts::Float(counts) => {
            message.count = Some(Count::Float(counts.count));
            message.zero_count = Some(ZeroCount::Float(counts.zero_count));
            message.positive_counts.clone_from(&counts.positive);
            message.negative_counts.clone_from(&counts.negative);
        }
    }
    message
}

fn spans(spans: &[ModelSpan]) -> Vec<BucketSpan> {
    spans
        .iter()
        .map(|span| BucketSpan {
            offset: span.offset,
            length: span.length,
        })
        .collect()
}

/// The differences between neighbouring counts, the first to zero.
pub(crate) fn deltas(counts: &[u64]) -> impl Iterator<Item = i64> {
    let previous = std::iter::once(&0).chain(counts);
    counts
        .iter()
        .zip(previous)
        .map(|(count, previous)| count.wrapping_sub(*previous) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, PartialEq, prost::Message)]
    struct ReadResponse {
        #[prost(message, repeated, tag = "1")]
        results: Vec<QueryResult>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct QueryResult {
        #[prost(message, repeated, tag = "1")]
        timeseries: Vec<TimeSeries>,
    }

    fn decoded(answer: SamplesAnswer) -> ReadResponse {
        let block = answer.finish().unwrap();
        let bytes = snap::raw::Decoder::new().decompress_vec(&block).unwrap();
        ReadResponse::decode(&bytes[..]).unwrap()
    }

    #[test]
    fn results_stand_in_the_order_of_the_queries() {
        let mut answer = SamplesAnswer::new();
        answer.finish_query();
        let labels = Labels::from_pairs([("__name__", "x"), ("a", "1")]).unwrap();
        let columns = SampleColumns {
            timestamps_ms: vec![-5, 7],
            values: vec![f64::NEG_INFINITY, 2.5],
            ..SampleColumns::default()
        };
        answer.push_series(&labels, &columns);
        answer.push_series(&labels, &SampleColumns::default());
        answer.finish_query();
        let response = decoded(answer);
        assert_eq!(response.results.len(), 2);
        assert!(response.results[0].timeseries.is_empty());
        let series = &response.results[1].timeseries;
        assert_eq!(series.len(), 1);
        assert_eq!(series[0].labels[1].value, "1");
        let samples: Vec<_> = series[0]
            .samples
            .iter()
            .map(|sample| (sample.timestamp, sample.value.unwrap_or(0.0)))
            .collect();
        assert_eq!(samples, [(-5, f64::NEG_INFINITY), (7, 2.5)]);
    }

    #[test]
    fn a_series_may_come_in_stretches() {
        let labels = Labels::from_pairs([("__name__", "x")]).unwrap();
        let stretch = |times: std::ops::Range<i64>| SampleColumns {
            values: times.clone().map(|time| time as f64).collect(),
            timestamps_ms: times.collect(),
            ..SampleColumns::default()
        };
        let mut whole = SamplesAnswer::new();
        whole.push_series(&labels, &stretch(0..100));
        whole.finish_query();
        let mut parts = SamplesAnswer::new();
        parts.start_series(&labels);
        parts.push_samples(&stretch(0..60));
        parts.push_samples(&stretch(60..100));
        parts.finish_series();
        parts.finish_query();
        assert_eq!(decoded(parts), decoded(whole));
    }

    #[test]
    fn integer_buckets_are_sent_as_differences() {
        assert_eq!(deltas(&[3, 1, 1]).collect::<Vec<_>>(), [3, -2, 0]);
        let columns = SampleColumns {
            histogram_timestamps_ms: vec![9],
            histograms: vec![chronoxide_model::Histogram {
                counter_reset_hint: CounterResetHint::Gauge,
                schema: -1,
                zero_threshold: 0.25,
                sum: 8.0,
                positive_spans: vec![ModelSpan {
                    offset: -1,
                    length: 2,
                }],
                negative_spans: Vec::new(),
                counts: HistogramCounts::Integer(BucketCounts {
                    count: 6,
                    zero_count: 1,
                    positive: vec![3, 2],
                    negative: Vec::new(),
                }),
                custom_bounds: std::sync::Arc::default(),
            }],
            ..SampleColumns::default()
        };
        let mut answer = SamplesAnswer::new();
        answer.push_series(&Labels::empty(), &columns);
        answer.finish_query();
        let response = decoded(answer);
        let histogram = &response.results[0].timeseries[0].histograms[0];
        assert_eq!(histogram.count, Some(Count::Integer(6)));
        assert_eq!(histogram.positive_deltas, [3, -1]);
        assert_eq!((histogram.schema, histogram.reset_hint), (-1, 3));
        assert_eq!(histogram.timestamp, 9);
    }
}
