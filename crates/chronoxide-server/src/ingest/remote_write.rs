//! Prometheus remote write, versions 1 and 2.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::WriteOutcome;
use chronoxide_remote_write::{Decoded, v1, v2};
use chronoxide_storage::Database;

use super::body::{self, BodyError, HeldMemory};
use super::commit;
use crate::error::{shortened, with_sources};
use crate::state::ServerState;

/// The name of the protocol in own metrics.
const PROTOCOL: &str = "remote_write";

/// Rejections listed in an answer.
const LISTED_MAX: usize = 10;

/// Which schema the body has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// Why a request was not stored as a whole.
#[derive(Debug, thiserror::Error)]
enum WriteError {
    #[error("{0}")]
    Unsupported(String),
    #[error("requests from web pages are not accepted here")]
    FromBrowser,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Decode(#[from] chronoxide_remote_write::Error),
    #[error("{0}")]
    Unready(&'static str),
    #[error("too many writes are under way; try again")]
    Busy,
    #[error("the samples could not be stored")]
    Storage(#[from] chronoxide_storage::Error),
    #[error("the server is shutting down")]
    Stopped,
}

/// Stores the samples of one request.
pub(crate) async fn write(State(state): State<Arc<ServerState>>, request: Request) -> Response {
    let version = match check_headers(request.headers()) {
        Ok(version) => version,
        Err(error) => return error.into_response(),
    };
    let mut response = match take_in(&state, version, request).await {
        Ok(outcome) => {
            state.metrics.count_outcome(PROTOCOL, &outcome);
            commit::log_rejections(&state, &outcome);
            answer(version, &outcome)
        }
        Err(error) => {
            let storage = matches!(error, WriteError::Storage(_));
            commit::log_failure(&state, &error, storage);
            error.into_response()
        }
    };
    if version == Version::V2 && !response.headers().contains_key(SAMPLES_WRITTEN) {
        add_written(response.headers_mut(), &WriteOutcome::default());
    }
    response
}

/// Whether the headers promise something that can be read here; looked at before the body is.
fn check_headers(headers: &HeaderMap) -> Result<Version, WriteError> {
    // Senders of samples never have an origin; a page that a person happens to visit does.
    if headers.contains_key(header::ORIGIN) {
        return Err(WriteError::FromBrowser);
    }
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value: &HeaderValue| value.to_str().unwrap_or("?"))
    };
    let encoding = text(header::CONTENT_ENCODING).trim();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("snappy") {
        let reason = format!(
            "content encoding {:?} is not supported; send snappy",
            shortened(encoding)
        );
        return Err(WriteError::Unsupported(reason));
    }
    let content_type = text(header::CONTENT_TYPE);
    version_of(content_type).ok_or_else(|| {
        WriteError::Unsupported(format!(
            "content type {:?} is not supported; send application/x-protobuf, with \
             proto=prometheus.WriteRequest or proto=io.prometheus.write.v2.Request",
            shortened(content_type)
        ))
    })
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

async fn take_in(
    state: &Arc<ServerState>,
    version: Version,
    request: Request,
) -> Result<WriteOutcome, WriteError> {
    let database = state
        .database()
        .cloned()
        .ok_or_else(|| WriteError::Unready(state.unready_reason()))?;
    let limit = state.config.remote_write_bytes_max;
    let mut held = HeldMemory::default();
    let body = body::read(request.into_body(), limit, &state.request_memory, &mut held).await?;
    state
        .metrics
        .ingest_bytes
        .with([PROTOCOL])
        .add(body.len() as u64);
    if let Some(declared) = declared_bytes(&body).filter(|declared| *declared <= limit as u64) {
        state.request_memory.hold(&mut held, declared).await?;
    }
    let turn = Arc::clone(&state.writes).acquire_owned().await;
    let turn = turn.map_err(|_| WriteError::Busy)?;
    let stored = commit::run(move || {
        // Both go with the work and not with the client, which may leave before the work ends.
        let _turn = turn;
        let _held = held;
        store(&database, version, &body, limit)
    });
    stored.await.unwrap_or(Err(WriteError::Stopped))
}

fn store(
    database: &Database,
    version: Version,
    body: &Bytes,
    limit: usize,
) -> Result<WriteOutcome, WriteError> {
    let message = chronoxide_remote_write::decompress(body, limit)?;
    let Decoded { batch, refused, .. } = match version {
        Version::V1 => v1::decode(&message)?,
        Version::V2 => v2::decode(&message)?,
    };
    let mut outcome = if batch.is_empty() {
        WriteOutcome::default()
    } else {
        database.write(&batch)?
    };
    outcome.merge(refused);
    Ok(outcome)
}

/// The decompressed size that a snappy block declares: a little-endian base-128 number at its start.
fn declared_bytes(body: &[u8]) -> Option<u64> {
    let mut declared = 0;
    for (index, byte) in body.iter().take(5).enumerate() {
        declared |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(declared);
        }
    }
    None
}

fn answer(version: Version, outcome: &WriteOutcome) -> Response {
    let mut response = if outcome.is_complete() {
        StatusCode::NO_CONTENT.into_response()
    } else {
        text(StatusCode::BAD_REQUEST, &describe(outcome))
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

impl WriteError {
    /// Statuses below 500 are final for senders, the others are tried again.
    fn status(&self) -> StatusCode {
        use chronoxide_remote_write::Error as Decode;
        use chronoxide_storage::Error as Storage;
        match self {
            Self::Unsupported(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::FromBrowser => StatusCode::FORBIDDEN,
            Self::Body(BodyError::TooLarge { .. }) | Self::Decode(Decode::TooLarge { .. }) => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            Self::Body(BodyError::TooSlow) => StatusCode::REQUEST_TIMEOUT,
            Self::Body(BodyError::Broken { .. }) | Self::Decode(_) => StatusCode::BAD_REQUEST,
            // Retrying cannot help against these.
            Self::Storage(Storage::InvalidArgument { .. } | Storage::LimitExceeded { .. }) => {
                StatusCode::BAD_REQUEST
            }
            Self::Body(BodyError::NoMemory)
            | Self::Unready(_)
            | Self::Busy
            | Self::Stopped
            | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for WriteError {
    fn into_response(self) -> Response {
        let status = self.status();
        let mut response = text(status, &with_sources(&self));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

fn text(status: StatusCode, reason: &str) -> Response {
    let plain = [(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    )];
    (status, plain, format!("{}\n", shortened(reason))).into_response()
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

    #[test]
    fn the_declared_size_is_read_without_the_body() {
        assert_eq!(declared_bytes(&[0]), Some(0));
        assert_eq!(
            declared_bytes(&[0xff, 0xff, 0xff, 0xff, 0x0f]),
            Some(4_294_967_295)
        );
        assert_eq!(declared_bytes(&[0x80, 0x80]), None);
        assert_eq!(declared_bytes(&[]), None);
        assert_eq!(declared_bytes(&[0xff; 6]), None);
    }
}
