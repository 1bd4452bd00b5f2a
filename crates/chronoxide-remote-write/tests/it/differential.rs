//! Whatever prost reads, the walkers read alike, on requests from seeds and on the same with bytes changed.

use chronoxide_model::MetricType;
use chronoxide_remote_write::{Decoded, Error};
use prost::Message as _;

use crate::generate::Generator;
use crate::oracle::{v1, v2};
use crate::seen::{self, SeenSeries};

/// Whether the walker may refuse what prost reads: groups, which no sender has.
fn is_of_groups(error: &Error) -> bool {
    matches!(error, Error::Malformed { reason, .. } if *reason == "an unknown wire type")
}

/// Compares both readings of `body`; answers whether it was a message at all.
fn compare_v1(body: &[u8]) -> bool {
    let walked = chronoxide_remote_write::v1::decode(body);
    let request = match (v1::WriteRequest::decode(body), &walked) {
        (Ok(request), Ok(_)) => request,
        (Ok(_), Err(error)) => {
            assert!(
                is_of_groups(error),
                "prost reads what the walker refuses: {error}"
            );
            return false;
        }
        (Err(error), Ok(decoded)) => {
            // Labels are read later, series by series.
            let unread = decoded
                .batch
                .series()
                .any(|series| series.key.decode().is_err());
            assert!(unread, "the walker reads what prost refuses: {error}");
            return false;
        }
        (Err(_), Err(_)) => return false,
    };
    let decoded = walked.unwrap();
    let (seen, expected) = (seen::of_decoded(&decoded), expected_v1(&request));
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.into_iter().zip(expected) {
        assert_eq!(seen, expected);
    }
    assert_metadata(&decoded, &request.metadata);
    true
}

fn expected_v1(request: &v1::WriteRequest) -> Vec<SeenSeries> {
    let pairs = |labels: &[v1::Label]| {
        seen::labels_of(
            labels
                .iter()
                .map(|label| (&label.name[..], &label.value[..])),
        )
    };
    let series = request.timeseries.iter().map(|series| SeenSeries {
        labels: seen::named(pairs(&series.labels)),
        samples: series
            .samples
            .iter()
            .map(|sample| (sample.timestamp, sample.value.to_bits(), 0))
            .collect(),
        histograms: series
            .histograms
            .iter()
            .filter_map(seen::of_oracle)
            .collect(),
        exemplars: series
            .exemplars
            .iter()
            .filter_map(|exemplar| {
                let labels = pairs(&exemplar.labels)?;
                Some((labels, exemplar.timestamp, exemplar.value.to_bits()))
            })
            .collect(),
    });
    series.collect()
}

fn assert_metadata(decoded: &Decoded<'_>, metadata: &[v1::MetricMetadata]) {
    let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    // What says nothing of its metric is left out, like what has no name.
    let says_something = |one: &&v1::MetricMetadata| {
        metric_type(one.r#type) != MetricType::Unknown
            || !one.help.is_empty()
            || !one.unit.is_empty()
    };
    let telling = metadata.iter().filter(says_something);
    let (named, nameless): (Vec<_>, Vec<_>) =
        telling.partition(|one| !one.metric_family_name.is_empty());
    assert_eq!(decoded.metadata_nameless, nameless.len() as u64);
    let named = named.into_iter();
    let expected: Vec<_> = named
        .map(|one| {
            let name = lossy(&one.metric_family_name);
            (
                name,
                metric_type(one.r#type),
                lossy(&one.help),
                lossy(&one.unit),
            )
        })
        .collect();
    let read = decoded.batch.metadata().iter();
    let read: Vec<_> = read
        .map(|(name, one)| {
            (
                name.clone(),
                one.metric_type,
                one.help.clone(),
                one.unit.clone(),
            )
        })
        .collect();
    assert_eq!(read, expected);
}

fn metric_type(number: i32) -> MetricType {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary};
    let known = [
        Counter,
        Gauge,
        Histogram,
        GaugeHistogram,
        Summary,
        Info,
        StateSet,
    ];
    let index = usize::try_from(number)
        .ok()
        .and_then(|number| number.checked_sub(1));
    index
        .and_then(|index| known.get(index).copied())
        .unwrap_or(MetricType::Unknown)
}

/// Compares both readings of `body`; answers whether it was a message at all.
fn compare_v2(body: &[u8]) -> bool {
    let walked = chronoxide_remote_write::v2::decode(body);
    let request = match (v2::Request::decode(body), &walked) {
        (Ok(request), Ok(_)) => request,
        (Ok(_), Err(error)) => {
            assert!(
                is_of_groups(error),
                "prost reads what the walker refuses: {error}"
            );
            return false;
        }
        (Err(error), Ok(_)) => panic!("the walker reads what prost refuses: {error}"),
        (Err(_), Err(_)) => return false,
    };
    let decoded = walked.unwrap();
    let mut refused = 0;
    let expected: Vec<_> = request
        .timeseries
        .iter()
        .filter_map(|series| {
            let expected = expected_v2(&request.symbols, series);
            if expected.is_none() {
                refused += (series.samples.len() + series.histograms.len()) as u64;
            }
            expected
        })
        .collect();
    let seen = seen::of_decoded(&decoded);
    assert_eq!(seen.len(), expected.len());
    for (seen, expected) in seen.iter().zip(&expected) {
        assert_eq!(seen, expected);
    }
    let invalid = seen::reasons(&decoded.refused)
        .into_iter()
        .filter(|(reason, _)| *reason == "invalid_histogram");
    let invalid: u64 = invalid.map(|(_, samples)| samples).sum();
    assert_eq!(decoded.refused.samples_rejected, refused + invalid);
    true
}

/// What is kept of a series; nothing when it is refused as a whole.
fn expected_v2(symbols: &[Vec<u8>], series: &v2::TimeSeries) -> Option<SeenSeries> {
    let symbol = |reference: &u32| symbols.get(*reference as usize).map(Vec::as_slice);
    // Nothing when a reference is wrong; the labels, or nothing inside, when all are right.
    let resolve = |refs: &[u32]| {
        let texts = refs.iter().map(symbol).collect::<Option<Vec<_>>>()?;
        let pairs = texts.chunks_exact(2);
        pairs
            .remainder()
            .is_empty()
            .then(|| seen::labels_of(pairs.map(|pair| (pair[0], pair[1]))))
    };
    let labels = resolve(&series.labels_refs)?;
    if let Some(metadata) = series.metadata {
        for reference in [metadata.help_ref, metadata.unit_ref] {
            if reference != 0 {
                symbol(&reference)?;
            }
        }
    }
    if series.samples.is_empty() && series.histograms.is_empty() && series.exemplars.is_empty() {
        return None;
    }
    Some(SeenSeries {
        labels: seen::named(labels),
        samples: series
            .samples
            .iter()
            .map(|sample| {
                let start_ms = seen::start(sample.start_timestamp, sample.timestamp);
                (sample.timestamp, sample.value.to_bits(), start_ms)
            })
            .collect(),
        histograms: series
            .histograms
            .iter()
            .filter_map(seen::of_oracle)
            .collect(),
        exemplars: series
            .exemplars
            .iter()
            .filter_map(|exemplar| {
                let labels = resolve(&exemplar.labels_refs)??;
                Some((labels, exemplar.timestamp, exemplar.value.to_bits()))
            })
            .collect(),
    })
}

/// Runs `compare` on requests of many seeds and on changed copies of them.
fn compare_many(
    encode: impl Fn(&mut Generator) -> Vec<u8>,
    compare: impl Fn(&[u8]) -> bool + std::panic::RefUnwindSafe,
) {
    let (mut read, mut mutated_and_read) = (0, 0);
    for seed in 0..2000 {
        let mut generator = Generator::new(seed);
        let body = encode(&mut generator);
        let run = |body: &[u8]| {
            let compared = std::panic::catch_unwind(|| compare(body));
            compared.unwrap_or_else(|_| panic!("seed {seed}, bytes {body:02x?}"))
        };
        assert!(run(&body), "seed {seed}: an unchanged request is one");
        read += 1;
        for _ in 0..10 {
            let mut changed = body.clone();
            generator.mutate(&mut changed);
            mutated_and_read += u32::from(run(&changed));
        }
    }
    // Else the changes were so coarse that nothing was compared.
    assert!(
        read == 2000 && mutated_and_read > 2000,
        "{mutated_and_read}"
    );
}

#[test]
fn version_1_is_read_as_prost_reads_it() {
    compare_many(|generator| generator.v1().encode_to_vec(), compare_v1);
}

#[test]
fn version_2_is_read_as_prost_reads_it() {
    compare_many(|generator| generator.v2().encode_to_vec(), compare_v2);
}
