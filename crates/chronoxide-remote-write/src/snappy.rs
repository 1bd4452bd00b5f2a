//! Snappy blocks, within a bound.

use crate::{Error, Result};

/// What the framed format begins with; remote write demands the block format.
const FRAMED_MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// The content of snappy block `body`, if it declares at most `limit` bytes.
///
/// The declared length is looked at before anything is allocated.
///
/// # Errors
/// [`Error::TooLarge`] when more than `limit` bytes are declared; [`Error::Snappy`] when `body` is no snappy block.
pub fn decompress(body: &[u8], limit: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let length = decompress_to(body, limit, &mut content)?;
    content.truncate(length);
    Ok(content)
}

/// As [`decompress`], and puts the content at the start of `buffer`; returns how long it is. The buffer only grows, so that
/// one that is used again costs nothing to make.
///
/// # Errors
/// As [`decompress`]; what the buffer holds then has no meaning.
pub fn decompress_to(body: &[u8], limit: usize, buffer: &mut Vec<u8>) -> Result<usize> {
    if body.starts_with(FRAMED_MAGIC) {
        return Err(snappy(
            "it is in the framed format, remote write demands the block format",
        ));
    }
    if body.is_empty() {
        return Err(snappy("it is empty"));
    }
    let declared = match snap::raw::decompress_len(body) {
        Ok(declared) => declared as u64,
        Err(snap::Error::TooBig { given, .. }) => given,
        Err(error) => return Err(snappy(error)),
    };
    if declared > limit as u64 {
        return Err(Error::TooLarge { declared, limit });
    }
    // A block expands by less than 64 to 1 and a little; a larger claim is a lie, and not worth the allocation.
    if declared > body.len() as u64 * 64 + 64 {
        return Err(snappy("it declares more bytes than it can hold"));
    }
    let length = declared as usize;
    if buffer.len() < length {
        // What stands there need not be copied when it moves.
        buffer.clear();
        buffer.resize(length, 0);
    }
    let content = buffer.get_mut(..length).unwrap_or_default();
    let mut decoder = snap::raw::Decoder::new();
    decoder.decompress(body, content).map_err(snappy)
}

fn snappy(reason: impl std::fmt::Display) -> Error {
    Error::Snappy {
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_undone() {
        let body = snap::raw::Encoder::new()
            .compress_vec(&[7; 100_000])
            .unwrap();
        assert_eq!(decompress(&body, 100_000).unwrap(), [7; 100_000]);
        assert_eq!(decompress(&[0], 10).unwrap(), []);
    }

    #[test]
    fn a_buffer_is_used_again() {
        let compressed = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
        let mut buffer = Vec::new();
        for plain in [&[1; 10][..], &[2; 1000], &[3; 7], &[], &[4; 1000]] {
            let length = decompress_to(&compressed(plain), 1000, &mut buffer).unwrap();
            assert_eq!(&buffer[..length], plain);
        }
        assert_eq!(buffer.len(), 1000);
    }

    #[test]
    fn a_declared_size_over_the_limit_is_refused_before_allocation() {
        assert!(matches!(
            decompress(&[0xff, 0xff, 0xff, 0xff, 0x0f], 1 << 25),
            Err(Error::TooLarge { .. })
        ));
        assert!(matches!(
            decompress(&[0x80, 0x80, 0x80, 0x80, 0x04], 1 << 25),
            Err(Error::TooLarge {
                declared: 1_073_741_824,
                ..
            })
        ));
    }

    #[test]
    fn a_declared_size_beyond_what_the_bytes_can_hold_is_refused() {
        assert!(matches!(
            decompress(&[0x80, 0x80, 0x80, 0x08], 1 << 25),
            Err(Error::Snappy { .. })
        ));
    }

    #[test]
    fn nothing_and_the_framed_format_are_refused() {
        assert!(decompress(&[], 10).is_err());
        assert!(
            decompress(b"\xff\x06\x00\x00sNaPpY", 10)
                .unwrap_err()
                .to_string()
                .contains("framed")
        );
    }
}
