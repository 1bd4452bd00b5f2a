//! Answers to exporters, in the format of their request.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chronoxide_otlp::PartialSuccess;
use prost::Message as _;

use super::format::Format;
use super::status::RpcStatus;
use crate::api::json::write_string;
use crate::error::shortened;
use crate::ingest::error::add_retry_after;

/// What became of a request.
#[derive(Debug)]
pub(super) enum Answer {
    /// Stored, but for the points that it tells of.
    Done(PartialSuccess),
    /// Nothing was stored.
    Failed { status: StatusCode, message: String },
}

impl Answer {
    pub(super) fn into_response(self, format: Format) -> Response {
        let (status, body) = match (self, format) {
            (Self::Done(partial), Format::Protobuf) => (StatusCode::OK, partial.to_protobuf()),
            (Self::Done(partial), Format::Json) => (StatusCode::OK, partial.to_json().into_bytes()),
            (Self::Failed { status, message }, format) => {
                (status, failure(status, shortened(&message), format))
            }
        };
        let mut response = (status, Body::from(body)).into_response();
        let media_type = HeaderValue::from_static(format.media_type());
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, media_type);
        add_retry_after(&mut response);
        response
    }
}

fn failure(status: StatusCode, message: &str, format: Format) -> Vec<u8> {
    let code = code(status);
    if format == Format::Protobuf {
        let message = message.to_owned();
        let status = RpcStatus {
            code,
            message,
            details: Vec::new(),
        };
        return status.encode_to_vec();
    }
    let mut body = format!(r#"{{"code":{code},"message":"#).into_bytes();
    write_string(&mut body, message);
    body.push(b'}');
    body
}

/// The code of gRPC that says the same as an HTTP status.
const fn code(status: StatusCode) -> i32 {
    match status {
        StatusCode::BAD_REQUEST => 3,
        StatusCode::FORBIDDEN => 7,
        StatusCode::PAYLOAD_TOO_LARGE => 8,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 13,
    }
}
