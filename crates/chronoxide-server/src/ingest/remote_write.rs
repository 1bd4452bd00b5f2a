//! Prometheus remote write, versions 1 and 2.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::WriteOutcome;
use chronoxide_remote_write::{Decoded, v1, v2};
use chronoxide_storage::Database;

use super::commit;
use super::encoding::Encoding;
use super::error::{IngestError, plain};
use super::intake::{self, Intake};
use crate::error::{shortened, with_sources};
use crate::state::ServerState;

/// Rejections listed in an answer.
const LISTED_MAX: usize = 10;

/// Which schema the body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
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
    let headers = request.headers();
    let (version, encoding) = match check_headers(headers) {
        Ok(content) => content,
        Err(error) => return refusal(&error),
    };
    let body = request.into_body();
    let taken = INTAKE.take_in(&state, encoding, body, move |_, database, message| {
        store(database, version, message)
    });
    let mut response = match taken.await {
        Ok(outcome) => {
            state.metrics.count_outcome(INTAKE.protocol, &outcome);
            commit::log_rejections(&state, &outcome);
            answer(version, &outcome)
        }
        Err(error) => {
            commit::log_failure(&state, &error);
            refusal(&error)
        }
    };
    if version == Version::V2 && !response.headers().contains_key(SAMPLES_WRITTEN) {
        add_written(response.headers_mut(), &WriteOutcome::default());
    }
    response
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

fn store(
    database: &Database,
    version: Version,
    message: &[u8],
) -> Result<WriteOutcome, IngestError> {
    let decoded = match version {
        Version::V1 => v1::decode(message),
        Version::V2 => v2::decode(message),
    };
    let Decoded { batch, refused, .. } =
        decoded.map_err(|error| IngestError::Message(error.to_string()))?;
    let mut outcome = if batch.is_empty() {
        WriteOutcome::default()
    } else {
        database.write(&batch)?
    };
    outcome.merge(refused);
    Ok(outcome)
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
    let mut reasons = format!(
        "{} samples refused, {accepted} stored",
        outcome.samples_rejected
    );
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
mod tests {
    use super::*;

    #[test]
    fn content_types_choose_the_schema() {
        for (text, expected) in [
            ("", Some(Version::V1)),
            ("application/x-protobuf", Some(Version::V1)),
            ("APPLICATION/X-Protobuf", Some(Version::V1)),
            (
                "application/x-protobuf;proto=prometheus.WriteRequest",
                Some(Version::V1),
            ),
            (
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
                Some(Version::V2),
            ),
            (
                "application/x-protobuf; proto=io.prometheus.write.v2.Request",
                Some(Version::V2),
            ),
            (
                "application/x-protobuf ; Proto=\"io.prometheus.write.v2.Request\"",
                Some(Version::V2),
            ),
            ("application/x-protobuf; charset=utf-8", Some(Version::V1)),
            (
                "application/x-protobuf;proto=io.prometheus.write.v3.Request",
                None,
            ),
            ("application/x-protobuf;foo", None),
            ("application/json", None),
            ("text/plain", None),
            (";proto=prometheus.WriteRequest", None),
        ] {
            assert_eq!(version_of(text), expected, "{text:?}");
        }
    }
}
