//! Remote-write 1.0 bodies, made with prost so that they share no code with what reads them.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

/// Name and value of a label.
pub type LabelPair<'a> = (&'a str, &'a str);

/// One sample of one series.
#[derive(Clone, Debug)]
pub struct RemoteWriteSample<'a> {
    /// The labels in the order they are sent.
    pub labels: Vec<LabelPair<'a>>,
    /// Unix milliseconds.
    pub timestamp_ms: i64,
    /// The value.
    pub value: f64,
}

/// A request body with one series for each of `samples`, compressed as the protocol demands.
///
/// # Panics
/// When snappy refuses to compress, which it does beyond 4 GiB only.
#[must_use]
pub fn remote_write_body(samples: &[RemoteWriteSample<'_>]) -> Vec<u8> {
    let series = |sample: &RemoteWriteSample<'_>| TimeSeries {
        labels: sample
            .labels
            .iter()
            .map(|(name, value)| Label {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
            })
            .collect(),
        samples: vec![Sample {
            value: sample.value,
            timestamp: sample.timestamp_ms,
        }],
    };
    let request = WriteRequest {
        timeseries: samples.iter().map(series).collect(),
    };
    snap::raw::Encoder::new()
        .compress_vec(&request.encode_to_vec())
        .expect("a small body compresses")
}
