//! Deltas, and the totals they come to.

use std::collections::BTreeMap;

use chronoxide_otlp::{
    DeltaLimits, DeltaStreams, DeltaTicket, HistogramForm, Options, Promotion, RefusalReason,
    Translation, translate_message,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, HistogramDataPoint, Metric,
    NumberDataPoint, number_data_point,
};
use proptest::prelude::*;

use crate::request::*;

const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_700_000_000 * SECOND;

fn options() -> Options {
    Options {
        promote: Promotion::None,
        ..Options::default()
    }
}

/// Translates `metrics` and adopts what their deltas come to.
fn feed(streams: &mut DeltaStreams, metrics: Vec<Metric>, options: &Options) -> Translation {
    let mut translation = translate_message(&request(&[], metrics), options, streams, TIME_MS);
    let ticket = streams.begin(std::mem::take(&mut translation.deltas));
    streams.end(ticket, true);
    translation
}

/// The number of step `step`: from one second to the next.
fn step(step: u64, value: number_data_point::Value) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: START + step * SECOND,
        time_unix_nano: START + (step + 1) * SECOND,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn integer_step(index: u64, value: i64) -> NumberDataPoint {
    step(index, number_data_point::Value::AsInt(value))
}

fn delta_sum(points: Vec<NumberDataPoint>) -> Vec<Metric> {
    vec![sum("d", "", DELTA, true, points)]
}

fn reasons(translation: &Translation) -> Vec<(RefusalReason, u64)> {
    translation.refusals.counts().collect()
}

#[test]
fn s48_deltas_are_added_up_and_late_ones_refused() {
    let mut streams = no_streams();
    let first = feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    assert_eq!(values(&first), ["d_total 5"]);
    let second = feed(
        &mut streams,
        delta_sum(vec![integer_step(1, 3), integer_step(1, 4)]),
        &options(),
    );
    assert_eq!(values(&second), ["d_total 8"]);
    assert_eq!(reasons(&second), [(RefusalReason::Duplicate, 1)]);
    let started = second.batch.series().next().unwrap().start_timestamps_ms;
    assert_eq!(
        started,
        [i64::try_from(START / 1_000_000).unwrap()],
        "the start is that of the stream"
    );
    let late = feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 1)]),
        &options(),
    );
    assert_eq!(reasons(&late), [(RefusalReason::DeltaOutOfOrder, 1)]);
    assert!(late.batch.is_empty());
    let after_a_gap = feed(
        &mut streams,
        delta_sum(vec![integer_step(9, 2)]),
        &options(),
    );
    assert_eq!(values(&after_a_gap), ["d_total 10"]);
    assert_eq!(
        after_a_gap.batch.metadata()[0].1.metric_type.as_str(),
        "counter"
    );
}

#[test]
fn what_is_not_committed_does_not_count() {
    let mut streams = no_streams();
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    let lost = translate_message(
        &request(&[], delta_sum(vec![integer_step(1, 3)])),
        &options(),
        &streams,
        TIME_MS,
    );
    assert_eq!(lost.deltas.len(), 1);
    drop(lost);
    let again = feed(
        &mut streams,
        delta_sum(vec![integer_step(1, 3)]),
        &options(),
    );
    assert_eq!(values(&again), ["d_total 8"]);
}

/// Translates one delta of `value` from `step` to the next, and begins to store it.
fn begin(streams: &mut DeltaStreams, step: u64, value: i64) -> (Vec<String>, DeltaTicket) {
    let request = request(&[], delta_sum(vec![integer_step(step, value)]));
    let translation = translate_message(&request, &options(), streams, TIME_MS);
    assert!(streams.still_holds(&translation.deltas));
    (values(&translation), streams.begin(translation.deltas))
}

/// What the stream's next total would be after a delta of 1.
fn next_total(streams: &DeltaStreams) -> Vec<String> {
    let request = request(&[], delta_sum(vec![integer_step(20, 1)]));
    values(&translate_message(&request, &options(), streams, TIME_MS))
}

#[test]
fn requests_in_flight_build_on_one_another_and_fail_back_to_what_is_stored() {
    // For each of three requests in the order in which they end: which it is, and whether it was stored.
    for (ends, total) in [
        ([(0, true), (1, true), (2, true)], 100 + 7),
        ([(2, true), (1, true), (0, true)], 100 + 7),
        ([(0, false), (1, false), (2, false)], 100),
        ([(2, false), (1, false), (0, false)], 100),
        ([(1, false), (2, false), (0, false)], 100),
        ([(1, false), (0, false), (2, false)], 100),
        ([(0, true), (1, false), (2, false)], 100 + 1),
        ([(2, false), (1, false), (0, true)], 100 + 1),
        ([(1, true), (0, false), (2, false)], 100 + 3),
        ([(0, false), (2, false), (1, true)], 100 + 3),
        ([(2, true), (0, false), (1, false)], 100 + 7),
        ([(0, false), (1, false), (2, true)], 100 + 7),
        ([(1, true), (2, false), (0, true)], 100 + 3),
    ] {
        let mut streams = no_streams();
        feed(
            &mut streams,
            delta_sum(vec![integer_step(0, 100)]),
            &options(),
        );
        let bytes = streams.bytes();
        let mut tickets = [1, 2, 4]
            .into_iter()
            .zip([101, 103, 107])
            .zip(1..)
            .map(|((delta, total), step)| {
                let (values, ticket) = begin(&mut streams, step, delta);
                assert_eq!(values, [format!("d_total {total}")]);
                Some(ticket)
            })
            .collect::<Vec<_>>();
        for (index, stored) in ends {
            streams.end(tickets[index].take().unwrap(), stored);
        }
        let expected = [format!("d_total {}", total + 1)];
        assert_eq!(next_total(&streams), expected, "{ends:?}");
        assert_eq!((streams.len(), streams.bytes()), (1, bytes), "{ends:?}");
    }
}

#[test]
fn a_stream_whose_first_request_fails_is_gone() {
    let mut streams = no_streams();
    let (_, first) = begin(&mut streams, 0, 5);
    let (second_values, second) = begin(&mut streams, 1, 3);
    assert_eq!(second_values, ["d_total 8"]);
    streams.end(first, false);
    assert_eq!(
        next_total(&streams),
        ["d_total 9"],
        "the second is under way"
    );
    streams.end(second, false);
    assert_eq!(next_total(&streams), ["d_total 1"]);
    assert_eq!((streams.len(), streams.bytes()), (0, 0));
}

#[test]
fn a_translation_holds_until_one_of_its_streams_moves_or_a_request_fails() {
    let mut streams = no_streams();
    let translate = |streams: &DeltaStreams, name: &str, step: u64| {
        let metric = sum(name, "", DELTA, true, vec![integer_step(step, 1)]);
        translate_message(&request(&[], vec![metric]), &options(), streams, TIME_MS).deltas
    };
    let waiting = translate(&streams, "a", 3);
    let other = translate(&streams, "b", 0);
    let ticket = streams.begin(other);
    assert!(streams.still_holds(&waiting), "another stream has moved");
    streams.end(ticket, true);
    assert!(streams.still_holds(&waiting));
    let same = translate(&streams, "a", 0);
    let ticket = streams.begin(same);
    assert!(!streams.still_holds(&waiting), "its stream has moved");
    let built_on_it = translate(&streams, "a", 3);
    let late = translate(&streams, "a", 0);
    assert!(late.is_empty() && late.has_late());
    assert!(streams.still_holds(&built_on_it) && streams.still_holds(&late));
    streams.end(ticket, false);
    assert!(
        !streams.still_holds(&built_on_it),
        "what it built on is gone"
    );
    assert!(!streams.still_holds(&late), "it is not late any more");
}

#[test]
fn a_translation_holds_only_while_there_is_room_for_its_streams() {
    let mut streams = DeltaStreams::new(
        DeltaLimits {
            streams_max: 1,
            ..DeltaLimits::default()
        },
        1,
    );
    let translate = |streams: &DeltaStreams, name: &str| {
        let metric = sum(name, "", DELTA, true, vec![integer_step(0, 1)]);
        translate_message(&request(&[], vec![metric]), &options(), streams, TIME_MS)
    };
    let (first, second) = (translate(&streams, "a"), translate(&streams, "b"));
    let ticket = streams.begin(first.deltas);
    assert!(!streams.still_holds(&second.deltas));
    streams.end(ticket, true);
    let refused = translate(&streams, "b");
    assert_eq!(reasons(&refused), [(RefusalReason::DeltaStreamLimit, 1)]);
}

#[test]
fn integers_stay_exact_until_they_pass_64_bits() {
    let mut streams = no_streams();
    let big = 1_i64 << 60;
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, big)]),
        &options(),
    );
    feed(
        &mut streams,
        delta_sum(vec![integer_step(1, 1)]),
        &options(),
    );
    let back = feed(
        &mut streams,
        delta_sum(vec![integer_step(2, -big)]),
        &options(),
    );
    assert_eq!(values(&back), ["d_total 1"]);
    let points = (3..12).map(|index| integer_step(index, i64::MAX)).collect();
    let passed = feed(&mut streams, delta_sum(points), &options());
    let last = passed.batch.last_series().unwrap().samples[0].value;
    assert_eq!(last, 9.0 * i64::MAX as f64);
}

#[test]
fn a_stale_delta_ends_the_series_and_leaves_the_total() {
    let mut streams = no_streams();
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    let mut stale = integer_step(1, 3);
    stale.flags = 1;
    assert_eq!(
        values(&feed(&mut streams, delta_sum(vec![stale]), &options())),
        ["d_total stale"]
    );
    let next = feed(
        &mut streams,
        delta_sum(vec![integer_step(2, 1)]),
        &options(),
    );
    assert_eq!(values(&next), ["d_total 6"]);
}

#[test]
fn histograms_are_added_up_bucket_by_bucket() {
    let point = |index: u64, bounds: &[f64], counts: &[u64]| HistogramDataPoint {
        time_unix_nano: START + (index + 1) * SECOND,
        ..histogram_point(bounds, counts, counts.iter().sum(), Some(2.0))
    };
    let mut streams = no_streams();
    let delta = |point| vec![histogram("h", "", DELTA, vec![point])];
    feed(&mut streams, delta(point(0, &[1.0], &[1, 2])), &options());
    let second = feed(&mut streams, delta(point(1, &[1.0], &[10, 20])), &options());
    let expected = [
        "h_sum 4",
        "h_count 33",
        r#"h_bucket{le="1"} 11"#,
        r#"h_bucket{le="+Inf"} 33"#,
    ];
    assert_eq!(values(&second), expected);
    let other_bounds = feed(&mut streams, delta(point(2, &[2.0], &[1, 1])), &options());
    assert_eq!(
        values(&other_bounds)[1],
        "h_count 2",
        "other bounds begin anew"
    );
    let native = Options {
        histograms: HistogramForm::CustomBuckets,
        ..options()
    };
    let custom = feed(&mut streams, delta(point(3, &[2.0], &[4, 0])), &native);
    assert_eq!(buckets(&natives(&custom)[0].2).0, [(0, 5), (1, 1)]);
}

fn exponential(
    index: u64,
    scale: i32,
    offset: i32,
    counts: &[u64],
) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: START + (index + 1) * SECOND,
        count: counts.iter().sum(),
        sum: Some(1.0),
        scale,
        positive: Some(Buckets {
            offset,
            bucket_counts: counts.to_vec(),
        }),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn delta_exponential(point: ExponentialHistogramDataPoint) -> Vec<Metric> {
    let histogram = ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: DELTA,
    };
    vec![metric("e", "", Data::ExponentialHistogram(histogram))]
}

#[test]
fn exponential_histograms_meet_at_the_coarser_scale() {
    let mut streams = no_streams();
    // Buckets of scale 1: 2 is (2, 2.8], 3 is (2.8, 4]; of scale 0: 1 is (2, 4].
    feed(
        &mut streams,
        delta_exponential(exponential(0, 1, 2, &[1, 2])),
        &options(),
    );
    let second = feed(
        &mut streams,
        delta_exponential(exponential(1, 0, 1, &[10, 5])),
        &options(),
    );
    let native = &natives(&second)[0].2;
    assert_eq!((native.schema, native.sum), (0, 2.0));
    assert_eq!(buckets(native).0, [(2, 13), (3, 5)]);
    let finer = feed(
        &mut streams,
        delta_exponential(exponential(2, 3, 8, &[1])),
        &options(),
    );
    assert_eq!(buckets(&natives(&finer)[0].2).0, [(2, 14), (3, 5)]);
}

#[test]
fn a_wider_zero_bucket_swallows_what_lies_in_it() {
    let mut streams = no_streams();
    // (0.5, 1], (1, 2], (2, 4]
    feed(
        &mut streams,
        delta_exponential(exponential(0, 0, -1, &[1, 2, 4])),
        &options(),
    );
    let mut wide = exponential(1, 0, 2, &[8]);
    wide.zero_threshold = 0.7;
    wide.zero_count = 3;
    wide.count += 3;
    let second = feed(&mut streams, delta_exponential(wide), &options());
    let native = &natives(&second)[0].2;
    assert_eq!(
        native.zero_threshold, 1.0,
        "the bucket that 0.7 cuts belongs to it whole"
    );
    assert_eq!(buckets(native).0, [(1, 2), (2, 4), (3, 8)]);
    assert_eq!(native.validate(), Ok(()));
}

#[test]
fn rows_far_apart_become_coarser_or_begin_anew() {
    let mut streams = no_streams();
    feed(
        &mut streams,
        delta_exponential(exponential(0, 4, 0, &[1])),
        &options(),
    );
    let far = feed(
        &mut streams,
        delta_exponential(exponential(1, 4, 10_000, &[1])),
        &options(),
    );
    let native = &natives(&far)[0].2;
    assert!(native.schema < 4);
    assert_eq!(
        buckets(native)
            .0
            .iter()
            .map(|(_, count)| count)
            .sum::<u64>(),
        2
    );
    let farthest = feed(
        &mut streams,
        delta_exponential(exponential(2, 4, i32::MAX - 10, &[1])),
        &options(),
    );
    assert_eq!(buckets(&natives(&farthest)[0].2).0.len(), 1);
}

#[test]
fn the_table_of_streams_is_bounded() {
    let limits = DeltaLimits {
        streams_max: 2,
        ..DeltaLimits::default()
    };
    let mut streams = DeltaStreams::new(limits, 1);
    let named = |name: &str, index| sum(name, "", DELTA, true, vec![integer_step(index, 1)]);
    let translation = feed(
        &mut streams,
        vec![named("a", 0), named("b", 0), named("c", 0)],
        &options(),
    );
    assert_eq!(
        reasons(&translation),
        [(RefusalReason::DeltaStreamLimit, 1)]
    );
    let known = feed(&mut streams, vec![named("a", 1), named("c", 1)], &options());
    assert_eq!(values(&known), ["a_total 2"]);
    assert_eq!(streams.len(), 2);
    let mut narrow = DeltaStreams::new(
        DeltaLimits {
            bytes_max: 100,
            ..DeltaLimits::default()
        },
        1,
    );
    let translation = feed(&mut narrow, vec![named("a", 0)], &options());
    assert_eq!(
        reasons(&translation),
        [(RefusalReason::DeltaStreamLimit, 1)]
    );
}

#[test]
fn idle_streams_are_forgotten_and_begin_anew() {
    let mut streams = no_streams();
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    let idle_ms = DeltaLimits::default().idle_ms;
    assert_eq!(streams.evict_idle(TIME_MS + idle_ms), 0);
    assert!(streams.bytes() > 0);
    assert_eq!(streams.evict_idle(TIME_MS + idle_ms + 1), 1);
    assert!(streams.is_empty());
    assert_eq!(streams.bytes(), 0);
    let anew = feed(
        &mut streams,
        delta_sum(vec![integer_step(1, 3)]),
        &options(),
    );
    assert_eq!(values(&anew), ["d_total 3"]);
}

#[test]
fn streams_go_on_after_a_restart() {
    let mut streams = no_streams();
    let limits = DeltaLimits::default();
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    feed(
        &mut streams,
        delta_exponential(exponential(0, 1, 2, &[1, 2])),
        &options(),
    );
    let point = HistogramDataPoint {
        sum: None,
        ..histogram_point(&[1.0], &[1, 2], 3, None)
    };
    feed(
        &mut streams,
        vec![histogram("h", "", DELTA, vec![point])],
        &options(),
    );
    let mut restored = DeltaStreams::decode(&streams.encode(), limits).unwrap();
    assert_eq!(
        (restored.len(), restored.bytes()),
        (streams.len(), streams.bytes())
    );
    let next = || {
        request(
            &[],
            [
                delta_sum(vec![integer_step(1, 3)]),
                delta_exponential(exponential(1, 1, 2, &[1])),
            ]
            .concat(),
        )
    };
    let before = translate_message(&next(), &options(), &streams, TIME_MS);
    let after = translate_message(&next(), &options(), &restored, TIME_MS);
    assert_eq!(values(&after), ["d_total 8"]);
    assert_eq!(natives(&after), natives(&before));
    let log = after.deltas.encode();
    for _ in 0..2 {
        restored.replay(&log).unwrap();
    }
    let third = feed(
        &mut restored,
        delta_sum(vec![integer_step(2, 1)]),
        &options(),
    );
    assert_eq!(values(&third), ["d_total 9"]);
    restored.replay(&log).unwrap();
    let fourth = feed(
        &mut restored,
        delta_sum(vec![integer_step(3, 1)]),
        &options(),
    );
    assert_eq!(
        values(&fourth),
        ["d_total 10"],
        "an old log does not turn streams back"
    );
}

#[test]
fn damaged_state_is_refused() {
    let mut streams = no_streams();
    feed(
        &mut streams,
        delta_sum(vec![integer_step(0, 5)]),
        &options(),
    );
    feed(
        &mut streams,
        delta_exponential(exponential(0, 1, 2, &[1, 2])),
        &options(),
    );
    let saved = streams.encode();
    for end in 0..saved.len() {
        assert!(DeltaStreams::decode(&saved[..end], DeltaLimits::default()).is_err());
        assert!(streams.replay(&saved[..end]).is_err());
    }
    for bit in 0..saved.len() * 8 {
        let mut flipped = saved.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(DeltaStreams::decode(&flipped, DeltaLimits::default()).is_err());
    }
}

/// What the samples of one stream rise by, resets counted as `increase()` counts them.
fn increase(samples: &[f64]) -> f64 {
    let mut last = 0.0;
    samples
        .iter()
        .map(|value| {
            let rise = if *value < last { *value } else { value - last };
            last = *value;
            rise
        })
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_261_121),
        ..ProptestConfig::default()
    })]

    /// However a delta stream is cut into requests, saved and restored, it comes to what its cumulative twin says.
    #[test]
    fn a_delta_stream_comes_to_its_cumulative_twin(
        steps in prop::collection::vec((0_u8..3, 0_i64..1_000_000, any::<bool>(), any::<bool>()), 1..40),
    ) {
        let mut streams = no_streams();
        let mut twins = [0_i64; 3];
        let mut sampled: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut pending = Vec::new();
        let mut expected: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let steps_len = steps.len();
        for (index, (stream, value, send, restart)) in steps.into_iter().enumerate() {
            let total = &mut twins[usize::from(stream)];
            *total += value;
            expected.entry(format!("d_total{{s=\"{stream}\"}}")).or_default().push(*total as f64);
            let mut point = integer_step(index as u64, value);
            point.attributes = texts(&[("s", &stream.to_string())]);
            pending.push(point);
            if send || index + 1 == steps_len {
                let translation = feed(&mut streams, delta_sum(std::mem::take(&mut pending)), &options());
                prop_assert_eq!(translation.refusals.total(), 0);
                for series in translation.batch.series() {
                    let labels = series.key.decode().unwrap().to_string();
                    sampled.entry(labels).or_default().extend(series.samples.iter().map(|sample| sample.value));
                }
            }
            if restart {
                streams = DeltaStreams::decode(&streams.encode(), DeltaLimits::default()).unwrap();
            }
        }
        for (labels, samples) in &sampled {
            prop_assert_eq!(increase(samples), *expected[labels].last().unwrap());
        }
        prop_assert_eq!(sampled, expected);
    }

    /// Observations counted in deltas of any scale come to native histograms that hold all of them.
    #[test]
    fn exponential_deltas_keep_every_observation(
        points in prop::collection::vec((-4_i32..12, -1000_i32..1000, prop::collection::vec(0_u64..5, 0..20), 0_u64..3), 1..20),
    ) {
        let mut streams = no_streams();
        let mut total = 0;
        for (index, (scale, exponent, counts, zero_count)) in points.into_iter().enumerate() {
            // Buckets of numbers that doubles can be: powers of two from -1000 to 1000 and a little more.
            let offset = (f64::from(exponent) * f64::from(scale).exp2()) as i32;
            let mut point = exponential(index as u64, scale, offset, &counts);
            point.zero_count = zero_count;
            point.zero_threshold = if zero_count == 2 { 1e-3 } else { 0.0 };
            point.count += zero_count;
            total += point.count;
            let translation = feed(&mut streams, delta_exponential(point), &options());
            prop_assert_eq!(translation.refusals.message(), "");
            let native = &natives(&translation)[0].2;
            prop_assert_eq!(native.validate(), Ok(()));
            let chronoxide_model::HistogramCounts::Integer(counts) = &native.counts else { panic!() };
            prop_assert_eq!(counts.count, total);
        }
    }
}
