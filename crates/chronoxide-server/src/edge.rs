//! What every exchange passes through: limits of time aside, the rules that hold for all endpoints alike.
//!
//! CORS, compression of answers, headers that keep browsers careful, panics turned into answers, and counting.

use std::convert::Infallible;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use http_body_util::BodyExt as _;

use crate::accept::offers;
use crate::config::Origins;
use crate::error::ApiError;
use crate::state::ServerState;

/// Answers shorter than this are not worth compressing.
pub(crate) const COMPRESSED_BYTES_MIN: usize = 1024;

/// Refuses requests that need the data directory while it is not open.
pub(crate) async fn only_when_ready(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    if state.database().is_some() {
        return next.run(request).await;
    }
    let mut response = not_ready(&state);
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// The answer of a server that is starting up or shutting down.
pub(crate) fn not_ready(state: &ServerState) -> Response {
    let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable\n");
    let stopping = if state.is_stopping() { "true" } else { "false" };
    response
        .headers_mut()
        .insert("x-prometheus-stopping", HeaderValue::from_static(stopping));
    response
}

/// An answer for people.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    (status, [(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// Cuts `prefix` off the paths of requests; what does not lie below it is not found.
pub(crate) async fn below(
    State(state): State<Arc<ServerState>>,
    mut request: Request,
    next: Next,
) -> Response {
    match target_below(&state.config.route_prefix, &request) {
        Ok(target) => {
            *request.uri_mut() = target;
            next.run(request).await
        }
        Err(answer) => Exchange::begin(&request).finish(&state, *answer).await,
    }
}

/// Where `request` leads below `prefix`, or what is answered because it leads elsewhere.
fn target_below(prefix: &str, request: &Request) -> Result<Uri, Box<Response>> {
    let uri = request.uri();
    let elsewhere = || crate::ingest::unknown_service(request).unwrap_or_else(not_found);
    let Some(rest) = uri.path().strip_prefix(prefix) else {
        return Err(Box::new(if uri.path() == "/" {
            redirect(prefix)
        } else {
            elsewhere()
        }));
    };
    if rest.is_empty() {
        return Err(Box::new(redirect(prefix)));
    }
    if !rest.starts_with('/') {
        return Err(Box::new(elsewhere()));
    }
    let target = match uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    };
    target
        .parse()
        .map_err(|_| Box::new(ApiError::bad_data("the path is malformed").into_response()))
}

fn redirect(prefix: &str) -> Response {
    match HeaderValue::try_from(format!("{prefix}/")) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The answer that clients look for where there is nothing.
pub(crate) fn not_found() -> Response {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// Passes `request` on and finishes its answer.
pub(crate) async fn exchange(
    State(state): State<Arc<ServerState>>,
    request: Request,
    next: Next,
) -> Response {
    let exchange = Exchange::begin(&request);
    let response = if request.method() == Method::OPTIONS && is_api(request.uri().path()) {
        StatusCode::NO_CONTENT.into_response()
    } else {
        catch_panic(&state, &exchange.handler, next.run(request))
            .await
            .unwrap_or_else(|| {
                let reason = "the server met a bug in itself; its log says where";
                ApiError::internal(reason).into_response()
            })
    };
    exchange.finish(&state, response).await
}

/// What is kept of a request until it has an answer.
struct Exchange {
    started: Instant,
    handler: String,
    encoding: Option<Encoding>,
    origin: Option<HeaderValue>,
}

impl Exchange {
    fn begin(request: &Request) -> Self {
        Self {
            started: Instant::now(),
            handler: handler_of(request),
            encoding: Encoding::accepted(request.headers()),
            origin: request.headers().get(header::ORIGIN).cloned(),
        }
    }

    async fn finish(self, state: &ServerState, response: Response) -> Response {
        let mut response = compress(response, self.encoding).await;
        let allowed = self
            .origin
            .and_then(|origin| allowed_origin(&state.config.cors_origins, &origin));
        finish_headers(response.headers_mut(), allowed);
        let code = response.status();
        let metrics = &state.metrics;
        metrics.count_answer(&self.handler, code.as_str(), self.started.elapsed());
        response
    }
}

/// The route that a request takes, as own metrics name it: a word from a bounded set, unlike its path.
pub(crate) fn handler_of(request: &Request) -> String {
    let route = request.extensions().get::<MatchedPath>();
    route.map_or("other", MatchedPath::as_str).to_owned()
}

fn is_api(path: &str) -> bool {
    let path = path.strip_prefix("/prometheus").unwrap_or(path);
    // OTLP answers for itself.
    path.starts_with("/api/v1") && !path.starts_with("/api/v1/otlp")
}

/// What a page from `origin` is told about who may read the answer.
fn allowed_origin(allowed: &Origins, origin: &HeaderValue) -> Option<HeaderValue> {
    if allowed.are_all() {
        return Some(HeaderValue::from_static("*"));
    }
    let is_allowed = allowed.include(origin.to_str().ok()?);
    is_allowed.then(|| origin.clone())
}

fn finish_headers(headers: &mut HeaderMap, allowed_origin: Option<HeaderValue>) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let Some(allowed_origin) = allowed_origin else {
        return;
    };
    // Endpoints that care more about who asks have said so by now.
    headers
        .entry(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        .or_insert(allowed_origin);
    for (name, value) in [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Accept, Authorization, Content-Type, Origin",
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ] {
        headers
            .entry(name)
            .or_insert_with(|| HeaderValue::from_static(value));
    }
}

/// A panic ends its request, which has no answer then, and no other.
pub(crate) async fn catch_panic(
    state: &ServerState,
    handler: &str,
    exchange: impl Future<Output = Response>,
) -> Option<Response> {
    let mut exchange = Box::pin(exchange);
    let caught = std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Some),
            Err(_) => std::task::Poll::Ready(None),
        }
    })
    .await;
    if caught.is_none() {
        state.metrics.panics.increment();
        tracing::error!(handler, "a request ended in a panic; this is a bug");
    }
    caught
}

/// Whether an answer that is compressed already may be sent as it is.
pub(crate) fn accepts_gzip(headers: &HeaderMap) -> bool {
    Encoding::accepted(headers) == Some(Encoding::Gzip)
}

/// How an answer may be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// The first encoding of `Accept-Encoding` that is known here.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        offers(headers, header::ACCEPT_ENCODING)
            .filter(|offer| offer.weight > 0.0)
            .find_map(|offer| {
                [Self::Gzip, Self::Deflate]
                    .into_iter()
                    .find(|encoding| offer.is(encoding.name()))
            })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// What compresses this way.
    pub(crate) fn encoder(self) -> Encoder {
        match self {
            Self::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Self::Deflate => Encoder::Deflate(ZlibEncoder::new(Vec::new(), Compression::fast())),
        }
    }

    fn compress(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut encoder = self.encoder();
        encoder.write(bytes)?;
        encoder.finish()
    }
}

impl<S: Sync> FromRequestParts<S> for AcceptedEncoding {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Encoding::accepted(&parts.headers)))
    }
}

/// How the answer to a request may be compressed, if at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AcceptedEncoding(pub(crate) Option<Encoding>);

/// Compresses an answer bit by bit.
#[derive(Debug)]
pub(crate) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
}

impl Encoder {
    pub(crate) fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Deflate(encoder) => encoder.write_all(bytes),
        }
    }

    /// What has come out so far; it may be taken away.
    pub(crate) fn written(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Gzip(encoder) => encoder.get_mut(),
            Self::Deflate(encoder) => encoder.get_mut(),
        }
    }

    /// The rest.
    pub(crate) fn finish(self) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
        }
    }
}

/// Marks an answer that is compressed already, or sent while it is still being made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished;

async fn compress(response: Response, encoding: Option<Encoding>) -> Response {
    let (mut parts, body) = response.into_parts();
    if parts.extensions.get::<Finished>().is_some() {
        return Response::from_parts(parts, body);
    }
    parts
        .headers
        .append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if parts.headers.contains_key(header::CONTENT_ENCODING) {
        return Response::from_parts(parts, body);
    }
    // Of the answers that may be long, none comes this way: those are compressed while they are made.
    let Ok(body) = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return ApiError::internal("the answer could not be put together").into_response();
    };
    let Some(encoding) = encoding.filter(|_| body.len() >= COMPRESSED_BYTES_MIN) else {
        return Response::from_parts(parts, Body::from(body));
    };
    let plain = body.clone();
    let compressed = tokio::task::spawn_blocking(move || encoding.compress(&plain)).await;
    let Ok(Ok(compressed)) = compressed else {
        return Response::from_parts(parts, Body::from(body));
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(
        header::CONTENT_ENCODING,
        HeaderValue::from_static(encoding.name()),
    );
    Response::from_parts(parts, Body::from(Bytes::from(compressed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_encoding_is_taken() {
        for (text, expected) in [
            ("gzip", Some(Encoding::Gzip)),
            ("br, deflate;q=0.5, gzip", Some(Encoding::Deflate)),
            ("gzip;q=0, deflate", Some(Encoding::Deflate)),
            ("identity", None),
            ("gzip;q=0.0", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(text));
            assert_eq!(Encoding::accepted(&headers), expected, "{text}");
        }
    }
}
