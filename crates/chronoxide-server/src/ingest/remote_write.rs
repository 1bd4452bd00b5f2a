//! Prometheus remote write, versions 1 and 2.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::{RejectReason, WriteOutcome};
use chronoxide_remote_write::{Decoded, v1, v2};

use super::commit;
use super::encoding::Encoding;
use super::error::{IngestError, plain};
use super::intake::{self, Intake, Work};
use crate::error::{shortened, with_sources};
use crate::self_metrics::Metrics;
use crate::state::ServerState;

/// Rejections listed in an answer.
const LISTED_MAX: usize = 10;

/// Which schema the body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    /// What own metrics call it.
    const fn number(self) -> &'static str {
        match self {
            Self::V1 => "1.0",
            Self::V2 => "2.0",
        }
    }
}

/// The way of requests, whichever version.
const INTAKE: Intake = Intake {
    protocol: "remote_write",
    // Prometheus has the first only, and takes it for granted; the second is how VictoriaMetrics' agent sends.
    encodings: &[Encoding::Snappy, Encoding::Zstd],
    bytes_max: |state| state.config.remote_write_bytes_max,
};

/// Stores the samples of one request.
pub(crate) async fn write(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    if asks_for_protocol_version(&request) {
        return "1".into_response();
    }
    let (version, encoding) = match check_headers(request.headers()) {
        Ok(content) => content,
        Err(error) => {
            let (metrics, status) = (&state.metrics, error.status());
            metrics.count_request(INTAKE.protocol, "unknown", status);
            commit::log_failure(&state, &error);
            return refusal(&error);
        }
    };
    let body = request.into_body();
    let taken = INTAKE.take_in(&state, encoding, body, move |work| store(work, version));
    let mut response = match taken.await {
        Ok(outcome) => {
            commit::log_rejections(&state, &outcome);
            answer(version, &outcome)
        }
        Err(error) => {
            commit::log_failure(&state, &error);
            refusal(&error)
        }
    };
    let status = response.status();
    state
        .metrics
        .count_request(INTAKE.protocol, version.number(), status);
    if version == Version::V2 && !response.headers().contains_key(SAMPLES_WRITTEN) {
        add_written(response.headers_mut(), &WriteOutcome::default());
    }
    response
}

/// Whether VictoriaMetrics' agent asks how to send, as its older versions do before they send at all. The answer stands
/// for zstd.
fn asks_for_protocol_version(request: &Request) -> bool {
    let query = request.uri().query().unwrap_or("");
    query
        .split('&')
        .any(|parameter| parameter.starts_with("get_vm_proto_version="))
}

/// Whether the headers promise something that can be read here; looked at before the body is.
fn check_headers(headers: &HeaderMap) -> Result<(Version, Encoding), IngestError> {
    intake::refuse_browsers(headers)?;
    let encoding = INTAKE.encoding(headers)?;
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or("", |value| value.to_str().unwrap_or("?"));
    let version = version_of(content_type).ok_or_else(|| {
        IngestError::Unsupported(format!(
            "content type {:?} is not supported; send application/x-protobuf, with \
             proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request",
            shortened(content_type)
        ))
    })?;
    Ok((version, encoding))
}

/// The schema that a content type names; the one of version 1 when it names none.
fn version_of(content_type: &str) -> Option<Version> {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or("");
    if media_type.is_empty() && parts.clone().next().is_none() {
        return Some(Version::V1);
    }
    if !media_type.eq_ignore_ascii_case("application/x-protobuf") {
        return None;
    }
    let mut version = Version::V1;
    for parameter in parts {
        let (name, value) = parameter.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("proto") {
            continue;
        }
        version = match value.trim().trim_matches('"') {
            "prometheus.WriteRequest" => Version::V1,
            "io.prometheus.write.v2.Request" => Version::V2,
            _ => return None,
        };
    }
    Some(version)
}

/// What a request may take in memory beside its own bytes, in so many times the limit of those.
const MEMORY_FACTOR: u64 = 4;

fn store(mut work: Work<'_>, version: Version) -> Result<WriteOutcome, IngestError> {
    let decoded = decode(&mut work, version)?;
    let mut outcome = if decoded.batch.is_empty() {
        WriteOutcome::default()
    } else {
        work.database.write(&decoded.batch)?
    };
    let metrics = &work.state.metrics;
    count(metrics, &decoded, &outcome);
    outcome.merge(decoded.refused);
    metrics.count_outcome(INTAKE.protocol, &outcome);
    Ok(outcome)
}

fn decode<'w>(work: &mut Work<'w>, version: Version) -> Result<Decoded<'w>, IngestError> {
    let limit = MEMORY_FACTOR * (INTAKE.bytes_max)(work.state) as u64;
    let (mut taken, mut refusal) = (0_u64, None);
    let hold = |bytes: u64| {
        taken = taken.saturating_add(bytes);
        let held = if taken > limit {
            Err(IngestError::TooMuch { limit })
        } else {
            (work.hold)(bytes).map_err(IngestError::from)
        };
        held.map_err(|error| refusal = Some(error)).is_ok()
    };
    // A bug that one message meets ends with that message: nothing is stored yet, and its sender would bring it again
    // after a restart.
    let decoded = catch_unwind(AssertUnwindSafe(|| match version {
        Version::V1 => v1::decode_into(work.database.batch(), work.message, hold),
        Version::V2 => v2::decode_into(work.database.batch(), work.message, hold),
    }));
    match decoded {
        Ok(decoded) => decoded
            .map_err(|error| refusal.unwrap_or_else(|| IngestError::Message(error.to_string()))),
        Err(_) => {
            work.state.metrics.panics.increment();
            Err(IngestError::Message(MET_A_BUG.to_owned()))
        }
    }
}

/// What is answered to a message that cannot be read because of the server.
const MET_A_BUG: &str =
    "the server met a bug in itself when it read this message; its log says where";

/// Counts what a request brought beside samples.
fn count(metrics: &Metrics, decoded: &Decoded<'_>, outcome: &WriteOutcome) {
    let protocol = INTAKE.protocol;
    let brought = decoded.batch.exemplar_count() as u64;
    let refused = decoded.exemplars.saturating_sub(brought);
    let unkept = brought.saturating_sub(outcome.exemplars_accepted);
    let exemplars = &metrics.ingest_rejected_exemplars;
    exemplars.with([protocol, "refused"]).add(refused);
    exemplars.with([protocol, "not_kept"]).add(unkept);
    let handed_on = decoded.batch.metadata().len() as u64;
    let kept = handed_on.saturating_sub(outcome.metadata_rejected);
    metrics.ingest_metadata.with([protocol]).add(kept);
    for (reason, count) in [
        ("missing_metric_name", decoded.metadata_nameless),
        ("refused_series", decoded.metadata_of_refused),
        ("no_room", outcome.metadata_rejected),
    ] {
        let rejected = &metrics.ingest_rejected_metadata;
        rejected.with([protocol, reason]).add(count);
    }
    metrics
        .ingest_rejected_starts
        .with([protocol, "after_sample"])
        .add(decoded.starts_left_out);
}

fn answer(version: Version, outcome: &WriteOutcome) -> Response {
    let mut response = if outcome.is_complete() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        plain(StatusCode::BAD_REQUEST, &describe(outcome))
    };
    if version == Version::V2 {
        add_written(response.headers_mut(), outcome);
    }
    response
}

/// What was refused: how much, and the first few by name.
fn describe(outcome: &WriteOutcome) -> String {
    let accepted = outcome.samples_accepted + outcome.histograms_accepted;
    let refused = refused_kinds(outcome).join(" and ");
    let mut reasons = match outcome.samples_rejected {
        0 => format!("{refused} refused, {accepted} samples stored"),
        _ => format!("{refused} refused, {accepted} stored"),
    };
    for rejection in outcome.rejections.iter().take(LISTED_MAX) {
        reasons.push_str(&format!(
            "\n{}: {}: {}",
            rejection.series, rejection.reason, rejection.detail
        ));
    }
    if outcome.rejections.len() > LISTED_MAX {
        reasons.push_str("\nand more");
    }
    reasons
}

/// How many of what was refused.
fn refused_kinds(outcome: &WriteOutcome) -> Vec<String> {
    let of_empty = outcome
        .sampleless_rejected_by_reason
        .get(&RejectReason::NoSamples);
    let empty = of_empty.copied().unwrap_or(0);
    let sampleless: u64 = outcome.sampleless_rejected_by_reason.values().sum();
    let kinds = [
        (outcome.samples_rejected, "samples"),
        (empty, "series without samples or exemplars"),
        (sampleless - empty, "exemplars or series without samples"),
    ];
    let met = kinds.into_iter().filter(|(count, _)| *count > 0);
    met.map(|(count, kind)| format!("{count} {kind}")).collect()
}

const SAMPLES_WRITTEN: &str = "x-prometheus-remote-write-samples-written";

fn add_written(headers: &mut HeaderMap, outcome: &WriteOutcome) {
    headers.insert(SAMPLES_WRITTEN, outcome.samples_accepted.into());
    headers.insert(
        "x-prometheus-remote-write-histograms-written",
        outcome.histograms_accepted.into(),
    );
    headers.insert(
        "x-prometheus-remote-write-exemplars-written",
        outcome.exemplars_accepted.into(),
    );
}

fn refusal(error: &IngestError) -> Response {
    plain(error.status(), &with_sources(error))
}

#[cfg(test)]
mod tests;
