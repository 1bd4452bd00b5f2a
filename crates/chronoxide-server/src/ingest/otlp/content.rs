//! What a body is: its format, its compression, and the bytes beneath.

use std::io::Read;

use axum::body::Bytes;
use flate2::read::{MultiGzDecoder, ZlibDecoder};

use crate::ingest::BodyError;

/// Decompressed bytes that memory is asked for at once, at least.
const STEP_BYTES: usize = 64 << 10;

/// The two ways to write a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

impl Format {
    /// The format of a media type; its parameters mean nothing here.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or("").trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|format| media_type.eq_ignore_ascii_case(format.media_type()))
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
}

impl Encoding {
    pub(super) fn of(content_encoding: &str) -> Option<Self> {
        match content_encoding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            _ => None,
        }
    }
}

/// Why a body was not decompressed.
#[derive(Debug)]
pub(super) enum InflateError {
    /// Too large, or no memory for it.
    Body(BodyError),
    /// It is not what its header says.
    Malformed(std::io::Error),
}

/// The decompressed bytes of `body`, at most `limit`; `hold` is asked for memory before it is taken.
pub(super) fn inflate(
    body: &Bytes,
    encoding: Encoding,
    limit: usize,
    hold: impl FnMut(u64) -> Result<(), BodyError>,
) -> Result<Bytes, InflateError> {
    match encoding {
        Encoding::Identity => Ok(body.clone()),
        Encoding::Gzip if body.is_empty() => Ok(body.clone()),
        Encoding::Gzip => read_all(MultiGzDecoder::new(&body[..]), limit, hold),
        Encoding::Deflate => read_all(ZlibDecoder::new(&body[..]), limit, hold),
    }
}

fn read_all(
    mut decoder: impl Read,
    limit: usize,
    mut hold: impl FnMut(u64) -> Result<(), BodyError>,
) -> Result<Bytes, InflateError> {
    let mut whole = Vec::new();
    loop {
        // Twice as much each time, and one byte past the limit at most: what a body claims of itself does not count.
        let step = whole.len().max(STEP_BYTES).min(limit + 1 - whole.len());
        hold(step as u64).map_err(InflateError::Body)?;
        whole.reserve_exact(step);
        let read = decoder
            .by_ref()
            .take(step as u64)
            .read_to_end(&mut whole)
            .map_err(InflateError::Malformed)?;
        if whole.len() > limit {
            return Err(InflateError::Body(BodyError::TooLarge { limit }));
        }
        if read < step {
            return Ok(Bytes::from(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        Bytes::from(encoder.finish().unwrap())
    }

    #[test]
    fn only_the_media_type_of_a_content_type_counts() {
        for (text, expected) in [
            ("application/x-protobuf", Some(Format::Protobuf)),
            ("Application/JSON ; charset=utf-8", Some(Format::Json)),
            ("application/x-protobuf;x", Some(Format::Protobuf)),
            ("", None),
            ("application/protobuf", None),
            ("text/plain; application/json", None),
        ] {
            assert_eq!(Format::of(text), expected, "{text:?}");
        }
        assert_eq!(Encoding::of(" GZIP "), Some(Encoding::Gzip));
        assert_eq!(Encoding::of("gzip, gzip"), None);
    }

    #[test]
    fn what_was_compressed_comes_back() {
        let plain: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&plain).unwrap();
        let zlib = Bytes::from(zlib.finish().unwrap());
        let mut held = 0;
        let mut hold = |bytes| {
            held += bytes;
            Ok(())
        };
        for (body, encoding) in [(gzip(&plain), Encoding::Gzip), (zlib, Encoding::Deflate)] {
            let back = inflate(&body, encoding, plain.len(), &mut hold).unwrap();
            assert_eq!(back, plain);
        }
        assert!(held >= 600_000, "{held}");
    }

    #[test]
    fn a_bomb_stops_at_the_limit_and_holds_no_more_than_that() {
        let bomb = gzip(&vec![0; 4 << 20]);
        let mut held = 0;
        let inflated = inflate(&bomb, Encoding::Gzip, 100_000, |bytes| {
            held += bytes;
            Ok(())
        });
        let too_large = BodyError::TooLarge { limit: 100_000 };
        assert!(matches!(inflated, Err(InflateError::Body(error)) if error == too_large));
        assert_eq!(held, 100_001);
        let refused = inflate(&bomb, Encoding::Gzip, 1 << 20, |_| Err(BodyError::NoMemory));
        assert!(matches!(
            refused,
            Err(InflateError::Body(BodyError::NoMemory))
        ));
    }

    #[test]
    fn torn_and_foreign_bodies_are_malformed() {
        let whole = gzip(b"some bytes that are compressed");
        for body in [whole.slice(..whole.len() - 5), Bytes::from_static(b"plain")] {
            for encoding in [Encoding::Gzip, Encoding::Deflate] {
                let inflated = inflate(&body, encoding, 1 << 20, |_| Ok(()));
                assert!(matches!(inflated, Err(InflateError::Malformed(_))));
            }
        }
    }
}
