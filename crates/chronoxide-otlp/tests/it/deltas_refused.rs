//! Deltas that are not stored, or come again: what counts and what does not.

use chronoxide_model::{HistogramCounts, WriteOutcome};
use chronoxide_otlp::{
    DeltaLimits, DeltaStreams, HistogramForm, Options, Promotion, RefusalReason, Translation,
    translate_message,
};
use opentelemetry_proto::tonic::metrics::v1::{
    HistogramDataPoint, Metric, NumberDataPoint, number_data_point,
};

use crate::request::*;

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 24 * 3600 * SECOND;

fn options() -> Options {
    Options {
        promote: Promotion::None,
        past_ms: 30 * 24 * 3_600_000,
        future_ms: 600_000,
        ..Options::default()
    }
}

fn delta(start_ns: u64, end_ns: u64, value: i64) -> Vec<Metric> {
    let point = NumberDataPoint {
        start_time_unix_nano: start_ns,
        time_unix_nano: end_ns,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    };
    vec![sum("d", "", DELTA, true, vec![point])]
}

/// Translates `metrics` and adopts what their deltas come to, as far as storage takes them: all series but `refused`.
fn feed_but(
    streams: &mut DeltaStreams,
    metrics: Vec<Metric>,
    options: &Options,
    refused: &[usize],
) -> Translation {
    let mut translation = translate_message(&request(&[], metrics), options, streams, TIME_MS);
    let mut deltas = std::mem::take(&mut translation.deltas);
    deltas.leave_out(refused);
    let ticket = streams.begin(deltas);
    streams.end(ticket, true);
    translation
}

fn feed(streams: &mut DeltaStreams, metrics: Vec<Metric>) -> Translation {
    feed_but(streams, metrics, &options(), &[])
}

fn reasons(translation: &Translation) -> Vec<(RefusalReason, u64)> {
    translation.refusals.counts().collect()
}

#[test]
fn what_lies_outside_the_window_neither_counts_nor_moves_its_stream() {
    for (end_ns, reason) in [
        (TIME_NS + 3600 * SECOND, RefusalReason::TooFarInFuture),
        (TIME_NS - 40 * DAY, RefusalReason::TooOld),
    ] {
        let mut streams = no_streams();
        let refused = feed(&mut streams, delta(end_ns - SECOND, end_ns, 1000));
        assert_eq!(reasons(&refused), [(reason, 1)]);
        assert!(refused.batch.is_empty() && streams.is_empty());
        let right = feed(&mut streams, delta(TIME_NS - SECOND, TIME_NS, 3));
        assert_eq!(values(&right), ["d_total 3"]);
    }
}

#[test]
fn what_storage_refuses_neither_counts_nor_moves_its_stream() {
    let mut streams = no_streams();
    let refused = feed_but(
        &mut streams,
        delta(TIME_NS - SECOND, TIME_NS, 1000),
        &options(),
        &[0],
    );
    assert_eq!(values(&refused), ["d_total 1000"]);
    assert!(streams.is_empty());
    let right = feed(&mut streams, delta(TIME_NS - SECOND, TIME_NS, 3));
    assert_eq!(values(&right), ["d_total 3"]);
}

#[test]
fn a_stream_goes_on_when_some_of_its_series_are_stored() {
    let mut streams = no_streams();
    let point = |end_ns| HistogramDataPoint {
        time_unix_nano: end_ns,
        ..histogram_point(&[1.0], &[1, 2], 3, None)
    };
    let metrics = |end_ns| vec![histogram("h", "", DELTA, vec![point(end_ns)])];
    // `_count`, and a bucket for each bound.
    feed_but(&mut streams, metrics(TIME_NS - SECOND), &options(), &[1]);
    assert_eq!(streams.len(), 1);
    let second = feed_but(&mut streams, metrics(TIME_NS), &options(), &[2, 0, 1]);
    assert_eq!(values(&second)[0], "h_count 6");
    let third = feed(&mut streams, metrics(TIME_NS + SECOND));
    assert_eq!(values(&third)[0], "h_count 6", "the second was not stored");
}

#[test]
fn a_total_that_no_histogram_can_hold_begins_anew() {
    let native = Options {
        histograms: HistogramForm::CustomBuckets,
        ..options()
    };
    let mut streams = no_streams();
    let mut send = |end_ns, count, sum| {
        let point = HistogramDataPoint {
            time_unix_nano: end_ns,
            ..histogram_point(&[1.0], &[1, 2], count, sum)
        };
        let metrics = vec![histogram("h", "", DELTA, vec![point])];
        feed_but(&mut streams, metrics, &native, &[])
    };
    let count_of = |translation: &Translation| match &natives(translation)[0].2.counts {
        HistogramCounts::Integer(counts) => counts.count,
        HistogramCounts::Float(_) => panic!("counts are integers"),
    };
    // Its sum is no number, so its count may be more than its buckets hold.
    assert_eq!(count_of(&send(TIME_NS, 5, Some(f64::NAN))), 5);
    for (index, expected) in [(1, 3), (2, 6), (3, 9)] {
        let translation = send(TIME_NS + index * SECOND, 3, None);
        assert!(reasons(&translation).is_empty());
        assert_eq!(count_of(&translation), expected);
    }
}

#[test]
fn a_delta_that_comes_again_is_there_already() {
    let mut streams = no_streams();
    feed(&mut streams, delta(TIME_NS - SECOND, TIME_NS, 3));
    let mut streams = DeltaStreams::decode(&streams.encode(), DeltaLimits::default()).unwrap();
    let again = feed(&mut streams, delta(TIME_NS - SECOND, TIME_NS, 3));
    assert_eq!((reasons(&again), again.points_accepted), (vec![], 1));
    assert!(again.batch.is_empty() && again.answer(&WriteOutcome::default()).is_complete());
    for other in [
        delta(TIME_NS - SECOND, TIME_NS, 4),
        delta(TIME_NS - 2 * SECOND, TIME_NS, 3),
        delta(TIME_NS - 2 * SECOND, TIME_NS - SECOND, 3),
    ] {
        let late = feed(&mut streams, other);
        assert_eq!(reasons(&late), [(RefusalReason::DeltaOutOfOrder, 1)]);
    }
    let next = feed(&mut streams, delta(TIME_NS, TIME_NS + SECOND, 4));
    assert_eq!(values(&next), ["d_total 7"]);
}

/// As from two senders that share labels.
#[test]
fn a_delta_that_begins_before_the_last_one_ends_counts_in_full() {
    let mut streams = no_streams();
    feed(&mut streams, delta(TIME_NS - SECOND, TIME_NS, 3));
    let overlap = feed(
        &mut streams,
        delta(TIME_NS - SECOND / 2, TIME_NS + SECOND, 4),
    );
    assert_eq!(values(&overlap), ["d_total 7"]);
    let unknown = feed(&mut streams, delta(0, TIME_NS + 2 * SECOND, 1));
    assert_eq!(values(&unknown), ["d_total 8"]);
}

#[test]
fn a_full_table_tells_that_it_is_crowded() {
    let limits = DeltaLimits {
        streams_max: 0,
        ..DeltaLimits::default()
    };
    let streams = DeltaStreams::new(limits, 7);
    let metrics = delta(TIME_NS - SECOND, TIME_NS, 3);
    let refused = translate_message(&request(&[], metrics), &options(), &streams, TIME_MS);
    assert_eq!(reasons(&refused), [(RefusalReason::DeltaStreamLimit, 1)]);
    assert!(refused.deltas.is_crowded() && refused.deltas.is_empty());
    assert!(
        refused
            .refusals
            .message()
            .contains("otlp.delta-streams-limit")
    );
}
