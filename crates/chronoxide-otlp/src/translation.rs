//! What a request came to, and the answer to its sender.

use chronoxide_model::{WriteBatch, WriteOutcome};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceResponse,
};
use prost::Message as _;

use crate::{DeltaChanges, Refusals};

/// The usable part of a request as a batch, and what had to be refused of it.
#[derive(Debug)]
pub struct Translation {
    /// What goes on to storage.
    pub batch: WriteBatch<'static>,
    /// Data points refused here, by reason.
    pub refusals: Refusals,
    /// Data points that are in the batch.
    pub points_accepted: u64,
    /// Attributes left out because no label name is left of their keys.
    pub attributes_dropped: u64,
    /// Exemplars left out: without a value, or with malformed ids or labels.
    pub exemplars_dropped: u64,
    /// Metrics that came without data of any kind.
    pub metrics_without_data: EmptyMetrics,
    /// Series of the batch that are not one point each, in the batch's order.
    pub(crate) groups: Vec<SeriesGroup>,
    /// What deltas came to; it counts once the batch is stored.
    pub deltas: DeltaChanges,
}

/// Metrics without data of any kind: there is nothing in them to store or to refuse.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmptyMetrics {
    /// How many there were.
    pub count: u64,
    /// The name of the first.
    pub first: Option<String>,
}

/// Neighbouring series of a batch that are of one data point, or of none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeriesGroup {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) is_point: bool,
}

/// What the sender is told: OTLP's partial success.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartialSuccess {
    /// How many data points were refused.
    pub rejected_data_points: u64,
    /// Why, at most 1 KiB; empty when nothing was.
    pub error_message: String,
}

impl Translation {
    /// The answer, once storage has answered with `outcome`.
    ///
    /// Storage refuses samples, of which a classic histogram makes several a point; a point counts as refused when any of
    /// its samples was.
    #[must_use]
    pub fn answer(&self, outcome: &WriteOutcome) -> PartialSuccess {
        let refused_later = self.points_of(&outcome.series_rejected);
        let mut error_message = self.refusals.message();
        if outcome.samples_rejected > 0 {
            if !error_message.is_empty() {
                error_message.push_str("; ");
            }
            error_message.push_str(&format!("{} samples not stored", outcome.samples_rejected));
            for rejection in outcome.rejections.iter().take(Refusals::EXAMPLES_MAX) {
                let (series, reason) = (&rejection.series, rejection.reason);
                error_message.push_str(&format!("; {series}: {reason}: {}", rejection.detail));
            }
        }
        for hint in self.hints() {
            if !error_message.is_empty() {
                error_message.push_str("; ");
            }
            error_message.push_str(&hint);
        }
        shorten(&mut error_message);
        PartialSuccess {
            rejected_data_points: self.refusals.total() + refused_later,
            error_message,
        }
    }
}

impl Translation {
    /// What was left out without a point being refused for it.
    fn hints(&self) -> impl Iterator<Item = String> {
        let attributes = (self.attributes_dropped > 0).then(|| {
            let dropped = self.attributes_dropped;
            format!("{dropped} attributes left out: no label name is left of their keys")
        });
        let exemplars = (self.exemplars_dropped > 0).then(|| {
            let dropped = self.exemplars_dropped;
            format!("{dropped} exemplars left out: without a value, malformed or too many")
        });
        let EmptyMetrics { count, first } = &self.metrics_without_data;
        let metrics = first.as_ref().map(|first| {
            format!("{count} metrics have no data of any kind; the first is {first:?}")
        });
        [attributes, exemplars, metrics].into_iter().flatten()
    }

    /// How many points the series at these places of the batch are of.
    fn points_of(&self, places: &[usize]) -> u64 {
        let mut starts: Vec<usize> = places
            .iter()
            .filter_map(|place| self.point_start(*place))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        starts.len() as u64
    }

    /// Where the series of the point begin that the series at `place` is of, if it is of one.
    fn point_start(&self, place: usize) -> Option<usize> {
        let index = self.groups.partition_point(|group| group.end <= place);
        match self.groups.get(index) {
            Some(group) if group.start <= place => group.is_point.then_some(group.start),
            _ => Some(place),
        }
    }
}

/// Senders log the message; it must never be the larger half of an exchange.
fn shorten(message: &mut String) {
    const BYTES_MAX: usize = 1024;
    if message.len() > BYTES_MAX {
        message.truncate(message.floor_char_boundary(BYTES_MAX - 3));
        message.push_str("...");
    }
}

impl PartialSuccess {
    /// Whether there is nothing to tell: everything was stored.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.rejected_data_points == 0 && self.error_message.is_empty()
    }

    /// The `ExportMetricsServiceResponse`; gRPC answers with it.
    #[must_use]
    pub fn to_message(&self) -> ExportMetricsServiceResponse {
        let partial = || ExportMetricsPartialSuccess {
            rejected_data_points: i64::try_from(self.rejected_data_points).unwrap_or(i64::MAX),
            error_message: self.error_message.clone(),
        };
        ExportMetricsServiceResponse {
            partial_success: (!self.is_complete()).then(partial),
        }
    }

    /// The response body in protobuf: no byte at all when everything was stored.
    #[must_use]
    pub fn to_protobuf(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    /// The response body in OTLP's JSON: `{}` when everything was stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        if self.is_complete() {
            return "{}".to_owned();
        }
        serde_json::json!({
            "partialSuccess": {
                "rejectedDataPoints": self.rejected_data_points.to_string(),
                "errorMessage": self.error_message,
            }
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_model::{RejectReason, Rejection};

    use super::*;
    use crate::{DeltaLimits, DeltaStreams, Options, translate_json};

    fn translation(points: &str) -> Translation {
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{points}]}}}}]}}]}}]}}"#
        );
        let streams = DeltaStreams::new(DeltaLimits::default(), 0);
        translate_json(body.as_bytes(), &Options::default(), &streams, 0).unwrap()
    }

    #[test]
    fn a_complete_success_has_no_body() {
        let answer =
            translation(r#"{"timeUnixNano":"1","asInt":"1"}"#).answer(&WriteOutcome::default());
        assert!(answer.is_complete());
        assert!(answer.to_protobuf().is_empty());
        assert_eq!(answer.to_json(), "{}");
    }

    #[test]
    fn refusals_of_translation_and_of_storage_are_told_together() {
        let translation =
            translation(r#"{"timeUnixNano":"1"},{"timeUnixNano":"0"},{"timeUnixNano":"0"}"#);
        let mut outcome = WriteOutcome::default();
        outcome.reject(Rejection {
            series: "m".to_owned(),
            reason: RejectReason::TooOld,
            detail: "é".repeat(2000),
            samples: 1,
        });
        outcome.series_rejected.push(0);
        let answer = translation.answer(&outcome);
        assert_eq!(answer.rejected_data_points, 3);
        assert!(
            answer
                .error_message
                .starts_with("2 data points refused: missing_time 2; metric \"m\"")
        );
        assert!(
            answer
                .error_message
                .contains("; 1 samples not stored; m: too_old: é")
        );
        assert!(answer.error_message.len() <= 1024);
        assert!(answer.to_json().starts_with(r#"{"partialSuccess":{"#));
        assert!(answer.to_json().contains(r#""rejectedDataPoints":"3""#));
        let message =
            ExportMetricsServiceResponse::decode(answer.to_protobuf().as_slice()).unwrap();
        assert_eq!(message.partial_success.unwrap().rejected_data_points, 3);
    }

    #[test]
    fn a_point_of_many_series_is_refused_once_and_target_info_is_no_point() {
        let body = r#"{"resourceMetrics":[{"resource":{"attributes":[
            {"key":"service.name","value":{"stringValue":"s"}},{"key":"host","value":{"stringValue":"h"}}]},
            "scopeMetrics":[{"metrics":[
            {"name":"a","gauge":{"dataPoints":[{"timeUnixNano":"1"}]}},
            {"name":"h","histogram":{"aggregationTemporality":2,"dataPoints":[{"timeUnixNano":"1","sum":1}]}},
            {"name":"b","gauge":{"dataPoints":[{"timeUnixNano":"1"},{"timeUnixNano":"2"}]}}]}]}]}"#;
        let streams = DeltaStreams::new(DeltaLimits::default(), 0);
        let translation =
            translate_json(body.as_bytes(), &Options::default(), &streams, 0).unwrap();
        // a, then h_sum, h_count, h_bucket, then twice b, then target_info.
        assert_eq!(translation.batch.series_count(), 7);
        for (rejected, points) in [
            (&[][..], 0),
            (&[0], 1),
            (&[3, 1], 1),
            (&[1, 2, 3, 4], 2),
            (&[6], 0),
            (&[5, 6, 4, 3, 2, 1, 0], 4),
        ] {
            let outcome = WriteOutcome {
                series_rejected: rejected.to_vec(),
                ..WriteOutcome::default()
            };
            let answer = translation.answer(&outcome);
            assert_eq!(answer.rejected_data_points, points, "{rejected:?}");
        }
    }
}
