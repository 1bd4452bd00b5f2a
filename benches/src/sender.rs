//! A sender of remote write with series of a cluster.

use chronoxide_model::Labels;

use crate::{cluster_labels, wire};

/// Series of one request.
pub const REQUEST_SERIES: usize = 5000;

/// Of remote write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0.
    V1,
    /// 2.0.
    V2,
}

/// A sender of remote write.
#[derive(Debug)]
pub struct Sender {
    version: Version,
    labels: Vec<Labels>,
    /// As they stand in messages of version 1.
    encoded: Vec<Vec<u8>>,
}

impl Sender {
    /// A sender of so many series.
    #[must_use]
    pub fn new(version: Version, series: usize) -> Self {
        let labels: Vec<Labels> = (0..series).map(cluster_labels).collect();
        Self {
            version,
            encoded: labels.iter().map(wire::labels).collect(),
            labels,
        }
    }

    /// The message that has one sample of each of `series`, which are numbers below the sender's.
    ///
    /// # Panics
    /// When one is not.
    #[must_use]
    pub fn message(&self, series: &[usize], scrape: usize, time_ms: i64) -> Vec<u8> {
        let value = |number: usize| (number % 997 + scrape * (number % 5)) as f64;
        match self.version {
            Version::V1 => {
                let mut message = Vec::new();
                for number in series {
                    let labels = &self.encoded[*number];
                    wire::push_series(labels, time_ms, value(*number), &mut message);
                }
                message
            }
            Version::V2 => {
                let mut message = wire::Version2::default();
                for number in series {
                    message.push_series(&self.labels[*number], time_ms, value(*number));
                }
                message.into_message()
            }
        }
    }

    /// The same as a body.
    ///
    /// # Panics
    /// As [`Sender::message`].
    #[must_use]
    pub fn body(&self, series: &[usize], scrape: usize, time_ms: i64) -> Vec<u8> {
        snap::raw::Encoder::new()
            .compress_vec(&self.message(series, scrape, time_ms))
            .expect("a message is far below 4 GiB")
    }
}
