//! Requests from a seed: most of what they say is sound, some is not.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

use crate::oracle::{Count, Histogram, Span, ZeroCount, v1, v2};

const NAMES: [&[u8]; 8] = [
    b"__name__",
    b"job",
    b"instance",
    b"le",
    b"",
    b"resource.name",
    "größe".as_bytes(),
    b"\xff",
];

const VALUES: [&[u8]; 7] = [
    b"up",
    b"",
    b"a",
    b"localhost:9090",
    "lines\nand 😀".as_bytes(),
    b"\xf0\x28",
    b"0.5",
];

/// A source of requests.
pub(crate) struct Generator(pub(crate) StdRng);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    pub(crate) fn v1(&mut self) -> v1::WriteRequest {
        let count = self.0.random_range(0..5);
        let timeseries = (0..count).map(|_| self.v1_series()).collect();
        let count = self.0.random_range(0..3);
        let metadata = (0..count).map(|_| v1::MetricMetadata {
            r#type: self.0.random_range(-1..10),
            metric_family_name: self.text(),
            help: self.text(),
            unit: self.text(),
        });
        v1::WriteRequest {
            timeseries,
            metadata: metadata.collect(),
        }
    }

    fn v1_series(&mut self) -> v1::TimeSeries {
        let count = self.0.random_range(0..3);
        v1::TimeSeries {
            labels: self.labels(),
            samples: (0..count)
                .map(|_| v1::Sample {
                    value: self.value(),
                    timestamp: self.time(),
                })
                .collect(),
            exemplars: (0..self.0.random_range(0..2))
                .map(|_| v1::Exemplar {
                    labels: self.labels(),
                    value: self.value(),
                    timestamp: self.time(),
                })
                .collect(),
            histograms: self.histograms(),
        }
    }

    fn labels(&mut self) -> Vec<v1::Label> {
        let named = self.0.random_bool(0.8).then(|| v1::Label {
            name: b"__name__".to_vec(),
            value: b"up".to_vec(),
        });
        let count = self.0.random_range(0..3);
        let others = (0..count).map(|_| v1::Label {
            name: NAMES.choose(&mut self.0).unwrap().to_vec(),
            value: self.text(),
        });
        let mut labels: Vec<_> = others.collect();
        labels.extend(named);
        labels
    }

    fn text(&mut self) -> Vec<u8> {
        VALUES.choose(&mut self.0).unwrap().to_vec()
    }

    pub(crate) fn v2(&mut self) -> v2::Request {
        let mut symbols = vec![Vec::new()];
        symbols.extend(NAMES.iter().chain(&VALUES).map(|text| text.to_vec()));
        let count = self.0.random_range(0..5);
        let timeseries = (0..count).map(|_| self.v2_series(symbols.len() as u32));
        v2::Request {
            timeseries: timeseries.collect(),
            symbols,
        }
    }

    fn v2_series(&mut self, symbols: u32) -> v2::TimeSeries {
        let count = self.0.random_range(0..3);
        let samples = (0..count).map(|_| v2::Sample {
            value: self.value(),
            timestamp: self.time(),
            start_timestamp: self.time(),
        });
        let samples = samples.collect();
        let count = self.0.random_range(0..2);
        let exemplars = (0..count).map(|_| v2::Exemplar {
            labels_refs: self.references(symbols),
            value: self.value(),
            timestamp: self.time(),
        });
        let exemplars = exemplars.collect();
        let metadata = self.0.random_bool(0.5).then(|| v2::Metadata {
            r#type: self.0.random_range(-1..10),
            help_ref: self.0.random_range(0..symbols + 1),
            unit_ref: self.0.random_range(0..symbols),
        });
        v2::TimeSeries {
            labels_refs: self.references(symbols),
            samples,
            histograms: self.histograms(),
            exemplars,
            metadata,
        }
    }

    /// References of which most are sound: the name first, then pairs, now and then an odd one or one too high.
    fn references(&mut self, symbols: u32) -> Vec<u32> {
        let mut references = vec![1, 9];
        for _ in 0..self.0.random_range(0..3) {
            references.push(self.0.random_range(2..9));
            references.push(self.0.random_range(0..symbols));
        }
        if self.0.random_bool(0.05) {
            references.push(0);
        }
        if self.0.random_bool(0.05) {
            references[1] = symbols + 7;
        }
        references
    }

    fn value(&mut self) -> f64 {
        let special = [0.0, -0.0, f64::INFINITY, f64::NAN, 1e-310, 1.5];
        let bits = [
            0x7ff0_0000_0000_0002,
            0x7ff8_0000_0000_0001,
            self.0.random(),
        ];
        match self.0.random_range(0..3) {
            0 => *special.choose(&mut self.0).unwrap(),
            1 => f64::from_bits(*bits.choose(&mut self.0).unwrap()),
            _ => f64::from(self.0.random_range(0..1000_u32)),
        }
    }

    fn time(&mut self) -> i64 {
        match self.0.random_range(0..10) {
            0 => self.0.random(),
            1 => 0,
            _ => 1_700_000_000_000 + self.0.random_range(0..1000_i64),
        }
    }

    fn histograms(&mut self) -> Vec<Histogram> {
        if self.0.random_bool(0.6) {
            return Vec::new();
        }
        let mut histogram = self.sound_histogram();
        if self.0.random_bool(0.2) {
            self.spoil(&mut histogram);
        }
        vec![histogram]
    }

    /// A histogram whose parts agree.
    fn sound_histogram(&mut self) -> Histogram {
        let is_float = self.0.random_bool(0.4);
        let is_custom = self.0.random_bool(0.3);
        let buckets: Vec<u64> = (0..self.0.random_range(0..5))
            .map(|_| self.0.random_range(0..9))
            .collect();
        let negative: Vec<u64> = if is_custom {
            Vec::new()
        } else {
            (0..self.0.random_range(0..3))
                .map(|_| self.0.random_range(0..9))
                .collect()
        };
        let zero = if is_custom {
            0
        } else {
            self.0.random_range(0..4)
        };
        let total = zero + buckets.iter().chain(&negative).sum::<u64>();
        let (timestamp, start_timestamp) = (self.time(), self.time());
        let mut histogram = Histogram {
            sum: self.0.random_range(0.0..100.0),
            schema: if is_custom {
                -53
            } else {
                self.0.random_range(-4..=12)
            },
            zero_threshold: if is_custom { 0.0 } else { 0.001 },
            positive_spans: spans(buckets.len()),
            negative_spans: spans(negative.len()),
            reset_hint: self.0.random_range(0..5),
            timestamp,
            start_timestamp,
            ..Histogram::default()
        };
        if is_custom {
            histogram.custom_values = (0..buckets.len()).map(|bound| bound as f64).collect();
        }
        if is_float {
            histogram.count = Some(Count::Float(total as f64));
            histogram.zero_count = Some(ZeroCount::Float(zero as f64));
            histogram.positive_counts = buckets.iter().map(|count| *count as f64).collect();
            histogram.negative_counts = negative.iter().map(|count| *count as f64).collect();
        } else {
            histogram.count = Some(Count::Integer(total));
            histogram.zero_count = Some(ZeroCount::Integer(zero));
            histogram.positive_deltas = deltas(&buckets);
            histogram.negative_deltas = deltas(&negative);
        }
        histogram
    }

    /// Makes the parts of a histogram disagree, or does what only looks so.
    fn spoil(&mut self, histogram: &mut Histogram) {
        match self.0.random_range(0..8) {
            0 => histogram.count = Some(Count::Integer(1 << 40)),
            1 => histogram.schema = *[-5, 53, -52, 300].choose(&mut self.0).unwrap(),
            2 => histogram.positive_spans.push(Span {
                offset: -1,
                length: 1,
            }),
            3 => histogram.positive_deltas.insert(0, -1),
            4 => histogram.custom_values = vec![2.0, 1.0, f64::INFINITY],
            5 => histogram.sum = f64::from_bits(0x7ff0_0000_0000_0002),
            6 => histogram.sum = f64::NAN,
            _ => histogram.zero_count = Some(ZeroCount::Integer(u64::MAX)),
        }
    }

    /// Changes some bytes: bits, stretches taken out, doubled or made of nothing.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.0.random_range(1..4) {
            if bytes.is_empty() {
                return;
            }
            let at = self.0.random_range(0..bytes.len());
            let end = (at + self.0.random_range(1..6)).min(bytes.len());
            match self.0.random_range(0..5) {
                0 => bytes[at] ^= 1 << self.0.random_range(0..8),
                1 => bytes[at] = self.0.random(),
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
                _ => bytes.insert(at, self.0.random()),
            }
        }
    }
}

fn spans(buckets: usize) -> Vec<Span> {
    match buckets as u32 {
        0 => Vec::new(),
        1 => vec![Span {
            offset: 0,
            length: 1,
        }],
        length => vec![
            Span {
                offset: 0,
                length: 1,
            },
            Span {
                offset: 0,
                length: length - 1,
            },
        ],
    }
}

fn deltas(counts: &[u64]) -> Vec<i64> {
    let mut before = 0;
    let differences = counts.iter().map(|count| {
        let delta = *count as i64 - before;
        before = *count as i64;
        delta
    });
    differences.collect()
}
