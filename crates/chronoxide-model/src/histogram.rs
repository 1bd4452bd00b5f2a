//! Native histogram samples: sparse buckets of exponential or custom bounds.
//!
//! The model is Prometheus' (`model/histogram`): bucket `i` of a standard schema `s` ends at `2^(i * 2^-s)`; schema
//! [`CUSTOM_BUCKETS_SCHEMA`] has explicit upper bounds instead. Counts are absolute per bucket, not cumulative and not
//! deltas between neighbours.

use std::sync::Arc;

/// The schema number that means "the bounds are listed" (classic histograms kept as native ones).
pub const CUSTOM_BUCKETS_SCHEMA: i8 = -53;

/// What the sender says about a counter reset between the previous sample and this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Nothing is known: compare the two histograms.
    #[default]
    Unknown,
    /// This sample starts anew.
    Reset,
    /// There was no reset.
    NotReset,
    /// The histogram is a gauge: resets mean nothing.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BucketSpan {
    /// Gap to the end of the previous span; for the first span, the index of its first bucket.
    pub offset: i32,
    /// How many buckets follow one another.
    pub length: u32,
}

/// Absolute counts of one histogram sample, in integers or floats.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BucketCounts<T> {
    /// All observations, zero bucket and NaN observations included.
    pub count: T,
    /// Observations in the zero bucket.
    pub zero_count: T,
    /// One count for each bucket of the positive spans, in order.
    pub positive: Vec<T>,
    /// One count for each bucket of the negative spans, in order of rising absolute value.
    pub negative: Vec<T>,
}

/// The counts as the sender gave them: integers stay integers.
#[derive(Clone, Debug, PartialEq)]
pub enum HistogramCounts {
    /// Integer counts, as client libraries send them.
    Integer(BucketCounts<u64>),
    /// Float counts, as rules and OTLP translations may produce them.
    Float(BucketCounts<f64>),
}

/// One native histogram sample, without its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// What the sender says about resets.
    pub counter_reset_hint: CounterResetHint,
    /// Resolution: -4 to 8, or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i8,
    /// Half width of the zero bucket, zero or positive.
    pub zero_threshold: f64,
    /// Sum of all observations; the stale marker here makes the sample a stale marker.
    pub sum: f64,
    /// Where the positive buckets lie.
    pub positive_spans: Vec<BucketSpan>,
    /// Where the negative buckets lie; empty for custom buckets.
    pub negative_spans: Vec<BucketSpan>,
    /// How many observations fell where.
    pub counts: HistogramCounts,
    /// Upper bounds of custom buckets, ascending, without the final +Inf; empty for other schemas.
    pub custom_bounds: Arc<[f64]>,
}

/// What is wrong with a histogram sample.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// A schema that is neither -4 to 8 nor the custom one.
    #[error("histogram schema {schema} is neither -4 to 8 nor {CUSTOM_BUCKETS_SCHEMA}")]
    UnknownSchema {
        /// The schema.
        schema: i8,
    },
    /// Spans promise another number of buckets than there are.
    #[error("histogram spans of the {side} side hold {spans} buckets, but {buckets} are given")]
    SpanMismatch {
        /// `positive` or `negative`.
        side: &'static str,
        /// Buckets promised.
        spans: u64,
        /// Buckets given.
        buckets: usize,
    },
    /// A span that begins before the previous one ends.
    #[error("histogram span {index} of the {side} side has negative offset {offset}")]
    NegativeOffset {
        /// `positive` or `negative`.
        side: &'static str,
        /// Which span.
        index: usize,
        /// Its offset.
        offset: i32,
    },
    /// A count below zero.
    #[error("histogram has a negative count in {place}")]
    NegativeCount {
        /// Where.
        place: &'static str,
    },
    /// The total is not the sum of the buckets.
    #[error("histogram count is {count}, but its buckets hold {buckets} observations")]
    CountMismatch {
        /// The total as given.
        count: u64,
        /// What the buckets hold, which may be more than a total can say.
        buckets: u128,
    },
    /// Custom bounds that do not rise, are not finite, or stand on an exponential histogram; or something else that
    /// only the other kind of histogram may have.
    #[error("histogram with schema {schema} {problem}")]
    Bounds {
        /// The schema.
        schema: i8,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Histogram {
    /// Checks that the parts agree with one another, by the rules of Prometheus' `Histogram.Validate`.
    ///
    /// # Errors
    /// Names the first part that disagrees. A stale marker is always valid.
    pub fn validate(&self) -> Result<(), HistogramError> {
        if self.is_stale() {
            return Ok(());
        }
        if self.schema == CUSTOM_BUCKETS_SCHEMA {
            self.validate_custom()?;
        } else if !(-4..=8).contains(&self.schema) {
            return Err(HistogramError::UnknownSchema {
                schema: self.schema,
            });
        } else if !self.custom_bounds.is_empty() {
            return Err(self.bounds_error("has custom bounds"));
        }
        let (positive, negative) = match &self.counts {
            HistogramCounts::Integer(counts) => (counts.positive.len(), counts.negative.len()),
            HistogramCounts::Float(counts) => (counts.positive.len(), counts.negative.len()),
        };
        validate_spans("positive", &self.positive_spans, positive)?;
        validate_spans("negative", &self.negative_spans, negative)?;
        match &self.counts {
            HistogramCounts::Integer(counts) => self.validate_integer(counts),
            HistogramCounts::Float(counts) => validate_float(counts),
        }
    }

    fn bounds_error(&self, problem: &'static str) -> HistogramError {
        HistogramError::Bounds {
            schema: self.schema,
            problem,
        }
    }

    fn validate_custom(&self) -> Result<(), HistogramError> {
        let bounds = &self.custom_bounds;
        if bounds.iter().any(|bound| !bound.is_finite()) {
            return Err(self.bounds_error("has a bound that is not finite"));
        }
        if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(self.bounds_error("has bounds that do not rise"));
        }
        let reach: i64 = self
            .positive_spans
            .iter()
            .map(|span| i64::from(span.offset) + i64::from(span.length))
            .sum();
        if reach > bounds.len() as i64 + 1 {
            return Err(self.bounds_error("has more buckets than bounds"));
        }
        if self
            .positive_spans
            .first()
            .is_some_and(|span| span.offset < 0)
        {
            return Err(self.bounds_error("begins before its first bound"));
        }
        let (zero_is_empty, negative_is_empty) = match &self.counts {
            HistogramCounts::Integer(counts) => {
                (counts.zero_count == 0, counts.negative.is_empty())
            }
            HistogramCounts::Float(counts) => {
                (counts.zero_count == 0.0, counts.negative.is_empty())
            }
        };
        if !zero_is_empty || self.zero_threshold != 0.0 {
            return Err(self.bounds_error("has a zero bucket"));
        }
        if !negative_is_empty || !self.negative_spans.is_empty() {
            return Err(self.bounds_error("has negative buckets"));
        }
        Ok(())
    }

    fn validate_integer(&self, counts: &BucketCounts<u64>) -> Result<(), HistogramError> {
        let buckets = counts
            .positive
            .iter()
            .chain(&counts.negative)
            .fold(u128::from(counts.zero_count), |total, bucket| {
                total + u128::from(*bucket)
            });
        let count = u128::from(counts.count);
        // Observations of NaN count but fall into no bucket.
        let agrees = if self.sum.is_nan() {
            buckets <= count
        } else {
            buckets == count
        };
        if agrees {
            Ok(())
        } else {
            Err(HistogramError::CountMismatch {
                count: counts.count,
                buckets,
            })
        }
    }

    /// Whether the sample is a stale marker, which histograms carry in their sum.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        crate::is_stale_marker(self.sum)
    }
}

fn validate_spans(
    side: &'static str,
    spans: &[BucketSpan],
    buckets: usize,
) -> Result<(), HistogramError> {
    if let Some((index, span)) = spans
        .iter()
        .enumerate()
        .skip(1)
        .find(|(_, span)| span.offset < 0)
    {
        return Err(HistogramError::NegativeOffset {
            side,
            index,
            offset: span.offset,
        });
    }
    let promised: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if promised == buckets as u64 {
        Ok(())
    } else {
        Err(HistogramError::SpanMismatch {
            side,
            spans: promised,
            buckets,
        })
    }
}

fn validate_float(counts: &BucketCounts<f64>) -> Result<(), HistogramError> {
    let places = [
        ("the total", std::slice::from_ref(&counts.count)),
        ("the zero bucket", std::slice::from_ref(&counts.zero_count)),
        ("a positive bucket", &counts.positive),
        ("a negative bucket", &counts.negative),
    ];
    match places
        .into_iter()
        .find(|(_, values)| values.iter().any(|value| *value < 0.0))
    {
        Some((place, _)) => Err(HistogramError::NegativeCount { place }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(
        schema: i8,
        count: u64,
        zero_count: u64,
        spans: &[(i32, u32)],
        positive: &[u64],
    ) -> Histogram {
        Histogram {
            counter_reset_hint: CounterResetHint::Unknown,
            schema,
            zero_threshold: 0.0,
            sum: 1.0,
            positive_spans: spans
                .iter()
                .map(|(offset, length)| BucketSpan {
                    offset: *offset,
                    length: *length,
                })
                .collect(),
            negative_spans: Vec::new(),
            counts: HistogramCounts::Integer(BucketCounts {
                count,
                zero_count,
                positive: positive.to_vec(),
                negative: Vec::new(),
            }),
            custom_bounds: Arc::default(),
        }
    }

    #[test]
    fn parts_that_agree_are_valid() {
        assert_eq!(
            integer(0, 6, 1, &[(0, 1), (3, 2)], &[1, 2, 2]).validate(),
            Ok(())
        );
        let mut custom = integer(CUSTOM_BUCKETS_SCHEMA, 3, 0, &[(0, 2)], &[1, 2]);
        custom.custom_bounds = [1.0].into();
        assert_eq!(custom.validate(), Ok(()));
    }

    #[test]
    fn parts_that_disagree_are_named() {
        assert!(matches!(
            integer(9, 0, 0, &[], &[]).validate(),
            Err(HistogramError::UnknownSchema { .. })
        ));
        assert!(matches!(
            integer(0, 1, 0, &[(0, 2)], &[1]).validate(),
            Err(HistogramError::SpanMismatch { .. })
        ));
        assert!(matches!(
            integer(0, 9, 0, &[(0, 1)], &[1]).validate(),
            Err(HistogramError::CountMismatch { .. })
        ));
        assert!(matches!(
            integer(0, 2, 0, &[(0, 1), (-1, 1)], &[1, 1]).validate(),
            Err(HistogramError::NegativeOffset { .. })
        ));
        let mut custom = integer(CUSTOM_BUCKETS_SCHEMA, 3, 1, &[(0, 1)], &[2]);
        custom.custom_bounds = [1.0].into();
        assert!(matches!(
            custom.validate(),
            Err(HistogramError::Bounds { .. })
        ));
    }

    #[test]
    fn counts_beyond_64_bits_are_no_total() {
        // The total is what these come to in 64 bits, and what they stop at.
        for count in [0, u64::MAX] {
            let mut histogram = integer(0, count, u64::MAX, &[(0, 1)], &[1]);
            let mismatch = Err(HistogramError::CountMismatch {
                count,
                buckets: 1 << 64,
            });
            assert_eq!(histogram.validate(), mismatch);
            histogram.sum = f64::NAN;
            assert_eq!(histogram.validate(), mismatch);
        }
        let largest = integer(0, u64::MAX, u64::MAX - 1, &[(0, 1)], &[1]);
        assert_eq!(largest.validate(), Ok(()));
    }

    #[test]
    fn a_nan_sum_allows_observations_outside_the_buckets() {
        let mut histogram = integer(0, 9, 0, &[(0, 1)], &[1]);
        histogram.sum = f64::NAN;
        assert_eq!(histogram.validate(), Ok(()));
        histogram.sum = crate::STALE_MARKER;
        histogram.schema = 99;
        assert_eq!(
            histogram.validate(),
            Ok(()),
            "a stale marker is always valid"
        );
    }
}
