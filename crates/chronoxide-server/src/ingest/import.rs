//! Import of text: JSON lines and expositions, read as they come in.
//!
//! A wrong line is passed over and told, with its number, when the text has ended. Memory is bounded by the longest
//! line, read, and by the batch under way, whatever the length of the text; the memory of requests counts it.

mod labels;
mod report;
mod work;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use chronoxide_exposition::{Dialect, TextReader};
use http_body_util::BodyExt as _;
use tokio::sync::mpsc;

use super::body::{BYTES_PER_SECOND_MIN, GRACE, PAUSE_MAX};
use super::request_memory::HeldMemory;
use crate::api::Form;
use crate::error::ApiError;
use crate::state::ServerState;
use labels::{extra_labels, path_labels};
use report::Report;
use work::{Compression, Format, Import, Piece};

/// Pieces of a body that wait to be read.
const PIECES_MAX: usize = 4;

/// Memory that one import is reckoned at, without lines of unusual length.
const MEMORY_BYTES: u64 = 32 << 20;

/// `/import`: JSON lines.
pub(crate) async fn import_json(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Response {
    let prepared = parameters(&request).and_then(|form| {
        let labels = extra_labels(&form)?;
        Ok(Format::Json(labels))
    });
    answer(&state, prepared, request).await
}

/// `/import/prometheus`: an exposition.
pub(crate) async fn import_text(
    State(state): State<Arc<ServerState>>,
    request: Request,
) -> Response {
    let prepared = text_format(&state, &request, Vec::new());
    answer(&state, prepared, request).await
}

/// `/import/prometheus/metrics/job/x/instance/y`: an exposition whose series get the labels of the path.
pub(crate) async fn import_text_labelled(
    State(state): State<Arc<ServerState>>,
    Path(path): Path<String>,
    request: Request,
) -> Response {
    let prepared = path_labels(&path).and_then(|labels| text_format(&state, &request, labels));
    answer(&state, prepared, request).await
}

fn text_format(
    state: &ServerState,
    request: &Request,
    mut labels: Vec<(String, String)>,
) -> Result<Format, ApiError> {
    let form = parameters(request)?;
    let timestamp_ms = form.number("timestamp")?.unwrap_or_else(|| state.now_ms());
    for (name, value) in extra_labels(&form)? {
        labels.retain(|(other, _)| *other != name);
        labels.push((name, value));
    }
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let is_open_metrics = content_type
        .and_then(|value| value.to_str().ok())
        .is_some_and(|text| {
            text.to_ascii_lowercase()
                .contains("application/openmetrics-text")
        });
    let dialect = if is_open_metrics {
        Dialect::OpenMetrics
    } else {
        Dialect::Prometheus
    };
    Ok(Format::Text(
        TextReader::new(dialect, timestamp_ms).with_labels(labels),
    ))
}

/// The parameters of the URL; the body is the text, whatever its type claims.
fn parameters(request: &Request) -> Result<Form, ApiError> {
    let mut form = Form::default();
    form.append(request.uri().query().unwrap_or("").as_bytes())
        .map_err(ApiError::bad_data)?;
    Ok(form)
}

async fn answer(
    state: &Arc<ServerState>,
    prepared: Result<Format, ApiError>,
    request: Request,
) -> Response {
    let taken = match prepared {
        Ok(format) => take_in(state, format, request).await,
        Err(error) => Err(error),
    };
    match taken {
        Ok(report) => report.into_response(),
        Err(error) => error.into_response(),
    }
}

async fn take_in(
    state: &Arc<ServerState>,
    format: Format,
    request: Request,
) -> Result<Report, ApiError> {
    let database = state.ready_database()?;
    let compression = check_headers(request.headers())?;
    let turn = state.import_turn().await?;
    let mut held = HeldMemory::default();
    state
        .request_memory
        .hold_within(&mut held, MEMORY_BYTES)
        .await
        .map_err(|error| ApiError::unavailable(error.to_string()))?;
    let (pieces, waiting) = mpsc::channel(PIECES_MAX);
    // Memory and turn go with the work and not with the client, which may leave before the work ends.
    let import = Import::new(Arc::clone(state), database, format, compression, held);
    let working = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        import.run(waiting)
    });
    forward(request.into_body(), pieces).await;
    working.await.map_err(|_| {
        state.metrics.panics.increment();
        tracing::error!("an import ended in a panic; this is a bug");
        ApiError::internal("the server met a bug in itself; its log says where")
    })
}

/// Hands the body on piece by piece, and says at last how it ended.
///
/// A client that goes away takes this future with it, so that the end is never told for a body that was cut short.
async fn forward(mut body: Body, pieces: mpsc::Sender<Piece>) {
    let mut pace = Pace::default();
    loop {
        let waiting_since = Instant::now();
        let frame = tokio::time::timeout(pace.patience(), body.frame()).await;
        pace.waited += waiting_since.elapsed();
        let piece = match frame {
            Err(_) => Piece::Broken("the body came in too slowly".to_owned()),
            Ok(None) => Piece::End,
            Ok(Some(Err(error))) => Piece::Broken(format!("the body could not be read: {error}")),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    pace.bytes += data.len() as u64;
                    Piece::Bytes(data)
                }
                Err(_) => continue,
            },
        };
        let is_last = !matches!(piece, Piece::Bytes(_));
        // Nobody takes pieces any more after an error of storage.
        if pieces.send(piece).await.is_err() || is_last {
            return;
        }
    }
}

/// How fast a body comes in. Time in which the client waits for storage does not count.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// How long the next piece may be waited for: as for any other body.
    fn patience(&self) -> Duration {
        let allowed = GRACE + Duration::from_secs(self.bytes / BYTES_PER_SECOND_MIN);
        allowed.saturating_sub(self.waited).min(PAUSE_MAX)
    }
}

fn check_headers(headers: &HeaderMap) -> Result<Compression, ApiError> {
    // Senders of samples never have an origin; a page that a person happens to visit does.
    if headers.contains_key(header::ORIGIN) {
        return Err(ApiError::disabled(
            "requests from web pages are not accepted here",
        ));
    }
    let encoding = headers
        .get(header::CONTENT_ENCODING)
        .map_or("", |value| value.to_str().unwrap_or("?"));
    match encoding.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Compression::None),
        "gzip" => Ok(Compression::Gzip),
        other => Err(ApiError::bad_data(format!(
            "content encoding {other:?} is not supported; send gzip or none"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_now_and_then_is_too_slow_and_a_steady_body_is_not() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        for _ in 0..2 {
            assert!(pace.patience() >= 5 * second, "{pace:?}");
            pace.waited += 5 * second;
            pace.bytes += 1;
        }
        assert_eq!(pace.patience(), Duration::ZERO);
        let mut steady = Pace::default();
        for _ in 0..1000 {
            steady.waited += second;
            steady.bytes += 2 * BYTES_PER_SECOND_MIN;
        }
        assert_eq!(steady.patience(), PAUSE_MAX);
    }
}
