//! What the headers of a call say, and the headers of its answer.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use prost::Message as _;
use tonic::{Code, Status};

use super::super::status::{Any, RpcStatus};
use crate::error::with_sources;
use crate::ingest::encoding::Encoding;
use crate::ingest::error::IngestError;

const ENCODING: &str = "grpc-encoding";
const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// Compressions by the names they have here.
const ENCODINGS: [(&str, Encoding); 5] = [
    ("identity", Encoding::Identity),
    ("gzip", Encoding::Gzip),
    ("deflate", Encoding::Deflate),
    ("zstd", Encoding::Zstd),
    ("snappy", Encoding::SnappyFramed),
];

/// The names of [`ENCODINGS`], as a header has them.
const ENCODING_NAMES: &str = "identity,gzip,deflate,zstd,snappy";

/// Longest text of a status; it travels in a header, of which clients take 8 KiB together.
const MESSAGE_BYTES_MAX: usize = 1024;

/// When a client that was refused for the moment should come back.
const RETRY_DELAY: Duration = Duration::from_secs(5);

/// Whether a content type is that of gRPC with messages in protobuf.
pub(super) fn is_grpc(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    ["application/grpc", "application/grpc+proto"]
        .iter()
        .any(|name| media_type.eq_ignore_ascii_case(name))
}

/// How the message is compressed where its frame says that it is.
pub(super) fn encoding(headers: &HeaderMap) -> Result<Encoding, IngestError> {
    let Some(value) = headers.get(ENCODING) else {
        return Ok(Encoding::Identity);
    };
    let name = value.to_str().unwrap_or("?");
    let found = ENCODINGS.iter().find(|(known, _)| *known == name);
    found.map(|(_, encoding)| *encoding).ok_or_else(|| {
        let name = &name[..name.floor_char_boundary(100)];
        IngestError::Unsupported(format!(
            "grpc-encoding {name:?} is not supported; use one of {ENCODING_NAMES}"
        ))
    })
}

/// How long the client waits: at most eight digits and a unit.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(number * 3600)),
        "M" => Some(Duration::from_secs(number * 60)),
        "S" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_millis(number)),
        "u" => Some(Duration::from_micros(number)),
        "n" => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

/// An answer that has nothing but a status.
pub(super) fn failure(status: Status) -> Response {
    let mut response = status.into_http();
    advertise(response.headers_mut());
    response
}

/// Tells which compressions may be used.
pub(super) fn advertise(headers: &mut HeaderMap) {
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODING_NAMES));
}

/// What a client is told, and with it whether to try again.
pub(super) fn status(error: &IngestError) -> Status {
    let text = with_sources(error);
    let text = &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)];
    if matches!(error, IngestError::DeadlinePassed) {
        return Status::deadline_exceeded(text);
    }
    let code = match error.status() {
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::FORBIDDEN => Code::PermissionDenied,
        // Without a delay in its details clients take it as final.
        StatusCode::PAYLOAD_TOO_LARGE => Code::ResourceExhausted,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Code::Unimplemented,
        StatusCode::SERVICE_UNAVAILABLE => {
            let details = retry_info(text, RETRY_DELAY);
            return Status::with_details(Code::Unavailable, text, Bytes::from(details));
        }
        _ => Code::Internal,
    };
    Status::new(code, text)
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct RetryInfo {
    #[prost(message, tag = "1")]
    retry_delay: Option<ProtobufDuration>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct ProtobufDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

/// The details of a status that asks its client to come back after `delay`.
fn retry_info(message: &str, delay: Duration) -> Vec<u8> {
    let info = RetryInfo {
        retry_delay: Some(ProtobufDuration {
            seconds: i64::try_from(delay.as_secs()).unwrap_or(i64::MAX),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap_or(0),
        }),
    };
    let status = RpcStatus {
        code: Code::Unavailable.into(),
        message: message.to_owned(),
        details: vec![Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    status.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn a_deadline_is_digits_and_a_unit() {
        for (text, expected) in [
            ("10S", Some(Duration::from_secs(10))),
            ("1500m", Some(Duration::from_millis(1500))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("7u", Some(Duration::from_micros(7))),
            ("0n", Some(Duration::ZERO)),
            ("123456789S", None),
            ("+1S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("5s", None),
        ] {
            assert_eq!(timeout(&with("grpc-timeout", text)), expected, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn encodings_are_known_or_unimplemented() {
        assert_eq!(encoding(&HeaderMap::new()).unwrap(), Encoding::Identity);
        assert_eq!(encoding(&with(ENCODING, "gzip")).unwrap(), Encoding::Gzip);
        let refused = status(&encoding(&with(ENCODING, "br")).unwrap_err());
        assert_eq!(refused.code(), Code::Unimplemented);
        assert!(refused.message().contains("gzip"), "{}", refused.message());
    }

    #[test]
    fn the_header_names_all_encodings() {
        let names: Vec<_> = ENCODINGS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names.join(","), ENCODING_NAMES);
    }

    #[test]
    fn only_temporary_trouble_has_a_delay() {
        use crate::ingest::body::BodyError;
        for (error, code) in [
            (IngestError::Busy, Code::Unavailable),
            (IngestError::Stopped, Code::Unavailable),
            (BodyError::NoMemory.into(), Code::Unavailable),
            (
                BodyError::TooLarge { limit: 7 }.into(),
                Code::ResourceExhausted,
            ),
            (
                IngestError::Message("é".repeat(2000)),
                Code::InvalidArgument,
            ),
            (IngestError::FromBrowser, Code::PermissionDenied),
            (IngestError::Unsupported(String::new()), Code::Unimplemented),
            (IngestError::Panicked, Code::Internal),
            (IngestError::DeadlinePassed, Code::DeadlineExceeded),
        ] {
            let status = status(&error);
            assert_eq!(status.code(), code, "{error}");
            assert_eq!(!status.details().is_empty(), code == Code::Unavailable);
            assert!(status.message().len() <= MESSAGE_BYTES_MAX);
        }
        let details = RpcStatus::decode(status(&IngestError::Busy).details()).unwrap();
        let info = RetryInfo::decode(details.details[0].value.as_slice()).unwrap();
        assert_eq!((details.code, info.retry_delay.unwrap().seconds), (14, 5));
    }

    #[test]
    fn only_the_content_types_of_grpc_with_protobuf_are_taken() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=x", true),
            ("application/grpc+json", false),
            ("application/grpc-web", false),
            ("application/x-protobuf", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(text), expected, "{text}");
        }
    }
}
