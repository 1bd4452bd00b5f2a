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
    /// What deltas came to; commit it once the batch is stored.
    pub deltas: DeltaChanges,
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
    /// Storage counts samples, of which a classic histogram makes several a point; no more points are called refused
    /// than there were.
    #[must_use]
    pub fn answer(&self, outcome: &WriteOutcome) -> PartialSuccess {
        let refused_later = outcome.samples_rejected.min(self.points_accepted);
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
        shorten(&mut error_message);
        PartialSuccess {
            rejected_data_points: self.refusals.total() + refused_later,
            error_message,
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
            samples: 9,
        });
        let answer = translation.answer(&outcome);
        assert_eq!(answer.rejected_data_points, 3, "no more than there were");
        assert!(
            answer
                .error_message
                .starts_with("2 data points refused: missing_time 2; metric \"m\"")
        );
        assert!(
            answer
                .error_message
                .contains("; 9 samples not stored; m: too_old: é")
        );
        assert!(answer.error_message.len() <= 1024);
        assert!(answer.to_json().starts_with(r#"{"partialSuccess":{"#));
        assert!(answer.to_json().contains(r#""rejectedDataPoints":"3""#));
        let message =
            ExportMetricsServiceResponse::decode(answer.to_protobuf().as_slice()).unwrap();
        assert_eq!(message.partial_success.unwrap().rejected_data_points, 3);
    }
}
