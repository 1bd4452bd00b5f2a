//! What the translator reads: OTLP's messages as plain borrowed views.
//!
//! Whatever decodes a request, be it to prost's types or in place, shows it through these.

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Empty,
    Text(&'a str),
    Bool(bool),
    Integer(i64),
    Double(f64),
    Bytes(&'a [u8]),
    Array(Vec<Value<'a>>),
    Map(Vec<Attribute<'a>>),
}

/// One attribute of a resource, a scope, a data point or an exemplar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Attribute<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Value<'a>,
}

/// The scope of some metrics.
#[derive(Debug)]
pub(crate) struct Scope<'a, 's> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) schema_url: &'a str,
    pub(crate) attributes: &'s mut [Attribute<'a>],
}

/// A metric without its data points.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Metric<'a> {
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) kind: MetricKind,
    /// What the entry `prometheus.type` of the metric's own metadata says; empty when it says nothing.
    pub(crate) type_hint: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Gauge,
    Sum {
        temporality: Temporality,
        monotonic: bool,
    },
    Histogram {
        temporality: Temporality,
    },
    ExponentialHistogram {
        temporality: Temporality,
    },
    Summary,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Temporality {
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    pub(crate) const fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Delta,
            2 => Self::Cumulative,
            _ => Self::Unspecified,
        }
    }
}

/// What all kinds of data points share.
#[derive(Debug)]
pub(crate) struct Point<'a, 's> {
    pub(crate) attributes: &'s mut [Attribute<'a>],
    pub(crate) start_ns: u64,
    pub(crate) time_ns: u64,
    pub(crate) flags: u32,
    pub(crate) exemplars: &'s [ExemplarView<'a>],
}

impl Point<'_, '_> {
    /// Whether the point says that there is no value.
    pub(crate) const fn is_stale(&self) -> bool {
        self.flags & 1 != 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Double(f64),
}

impl Number {
    pub(crate) const fn as_f64(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Double(value) => value,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ExplicitHistogram<'s> {
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) bucket_counts: &'s [u64],
    pub(crate) bounds: &'s [f64],
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ExponentialHistogram<'s> {
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) scale: i32,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: f64,
    pub(crate) positive: Buckets<'s>,
    pub(crate) negative: Buckets<'s>,
}

/// Neighbouring buckets: bucket `i` covers from `base^(offset + i)` to `base^(offset + i + 1)`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Buckets<'s> {
    pub(crate) offset: i32,
    pub(crate) counts: &'s [u64],
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary<'s> {
    pub(crate) count: u64,
    pub(crate) sum: f64,
    /// Quantile and value.
    pub(crate) quantiles: &'s [(f64, f64)],
}

#[derive(Clone, Debug)]
pub(crate) struct ExemplarView<'a> {
    pub(crate) time_ns: u64,
    pub(crate) value: Option<f64>,
    pub(crate) trace_id: &'a [u8],
    pub(crate) span_id: &'a [u8],
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// Tells deltas of one stream apart; whoever makes two alike harms nobody but their own stream.
#[derive(Clone, Copy, Debug)]
struct Digest(u64);

impl Digest {
    const fn of_kind(kind: u64) -> Self {
        Self(0x9e37_79b9_7f4a_7c15 ^ kind)
    }

    fn add(self, word: u64) -> Self {
        Self((self.0.rotate_left(29) ^ word).wrapping_mul(0xff51_afd7_ed55_8ccd))
    }

    fn add_sum(self, sum: Option<f64>) -> Self {
        self.add(u64::from(sum.is_some()))
            .add(sum.unwrap_or(0.0).to_bits())
    }

    fn add_all(self, words: impl ExactSizeIterator<Item = u64>) -> Self {
        let digest = self.add(words.len() as u64);
        words.fold(digest, Self::add)
    }
}

impl Number {
    pub(crate) fn digest(self) -> u64 {
        match self {
            Self::Integer(value) => Digest::of_kind(1).add(value as u64).0,
            Self::Double(value) => Digest::of_kind(2).add(value.to_bits()).0,
        }
    }
}

impl ExplicitHistogram<'_> {
    pub(crate) fn digest(&self) -> u64 {
        let digest = Digest::of_kind(3).add(self.count).add_sum(self.sum);
        digest
            .add_all(self.bucket_counts.iter().copied())
            .add_all(self.bounds.iter().map(|bound| bound.to_bits()))
            .0
    }
}

impl ExponentialHistogram<'_> {
    pub(crate) fn digest(&self) -> u64 {
        let mut digest = Digest::of_kind(4).add(self.count).add_sum(self.sum);
        digest = digest
            .add(i64::from(self.scale) as u64)
            .add(self.zero_count)
            .add(self.zero_threshold.to_bits());
        for side in [self.positive, self.negative] {
            digest = digest.add(i64::from(side.offset) as u64);
            digest = digest.add_all(side.counts.iter().copied());
        }
        digest.0
    }
}
