//! The frame around a message: one byte that tells compression, four that tell length.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use bytes::{Buf as _, BufMut as _};
use http_body_util::{BodyExt as _, Full};

use super::call;
use crate::ingest::encoding::Encoding;
use crate::ingest::error::IngestError;

/// Bytes before each message.
pub(super) const HEAD_BYTES: usize = 5;

/// The one message in `body`, and how it is compressed; `encoding` is what the headers say of compressed ones.
pub(super) fn message(body: Bytes, encoding: Encoding) -> Result<(Bytes, Encoding), IngestError> {
    if body.len() < HEAD_BYTES {
        return Err(broken("the call holds no whole message"));
    }
    let mut rest = &body[..];
    let (flag, length) = (rest.get_u8(), rest.get_u32());
    if u64::from(length) != rest.len() as u64 {
        return Err(broken(
            "the length of the message is not what its frame says",
        ));
    }
    let encoding = match (flag, encoding) {
        (0, _) => Encoding::Identity,
        (1, Encoding::Identity) => {
            return Err(broken(
                "the message is compressed, but grpc-encoding does not say how",
            ));
        }
        (1, encoding) => encoding,
        _ => return Err(broken("the flags of the frame are unknown")),
    };
    Ok((body.slice(HEAD_BYTES..), encoding))
}

fn broken(reason: &str) -> IngestError {
    IngestError::Message(reason.to_owned())
}

/// A successful answer with `message` in it.
pub(super) fn response(message: &[u8]) -> Response {
    let length = u32::try_from(message.len()).expect("answers hold a text of at most 1 KiB");
    let mut body = Vec::with_capacity(HEAD_BYTES + message.len());
    body.put_u8(0);
    body.put_u32(length);
    body.extend_from_slice(message);
    let trailers = async {
        let mut trailers = axum::http::HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    };
    let body = Full::new(Bytes::from(body)).with_trailers(trailers);
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/grpc"),
    );
    call::advertise(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &'static [u8], encoding: Encoding) -> Result<(Bytes, Encoding), IngestError> {
        message(Bytes::from_static(bytes), encoding)
    }

    #[test]
    fn a_frame_tells_length_and_compression() {
        let (message, encoding) = read(b"\0\0\0\0\x02ab", Encoding::Gzip).unwrap();
        assert_eq!((&message[..], encoding), (&b"ab"[..], Encoding::Identity));
        let (message, encoding) = read(b"\x01\0\0\0\x02ab", Encoding::Gzip).unwrap();
        assert_eq!((&message[..], encoding), (&b"ab"[..], Encoding::Gzip));
        assert!(
            read(b"\0\0\0\0\0", Encoding::Identity)
                .unwrap()
                .0
                .is_empty()
        );
    }

    #[test]
    fn what_is_no_single_whole_message_is_refused() {
        for bytes in [
            &b""[..],
            b"\0\0\0\0",
            b"\0\0\0\0\x02a",
            b"\0\0\0\0\x01ab",
            b"\0\0\0\0\x01a\0\0\0\0\x01b",
            b"\0\xff\xff\xff\xffab",
            b"\x02\0\0\0\x01a",
        ] {
            assert!(
                matches!(read(bytes, Encoding::Gzip), Err(IngestError::Message(_))),
                "{bytes:?}"
            );
        }
        let unnamed = read(b"\x01\0\0\0\x01a", Encoding::Identity);
        assert!(matches!(unnamed, Err(IngestError::Message(_))));
    }
}
