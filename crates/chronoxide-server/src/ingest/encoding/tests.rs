//! Bodies that are compressed well, badly and with malice.

use std::io::Write as _;

use axum::http::HeaderValue;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use super::*;

const ALL: [Encoding; 6] = [
    Encoding::Identity,
    Encoding::Snappy,
    Encoding::SnappyFramed,
    Encoding::Gzip,
    Encoding::Deflate,
    Encoding::Zstd,
];

fn compress(encoding: Encoding, bytes: &[u8]) -> Bytes {
    Bytes::from(match encoding {
        Encoding::Identity => bytes.to_vec(),
        Encoding::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
        Encoding::SnappyFramed => {
            let mut encoder = snap::write::FrameEncoder::new(Vec::new());
            encoder.write_all(bytes).unwrap();
            encoder.into_inner().unwrap()
        }
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Encoding::Zstd => zstd::bulk::compress(bytes, 1).unwrap(),
    })
}

fn named(name: &str) -> HeaderMap {
    let value = HeaderValue::from_str(name).unwrap();
    HeaderMap::from_iter([(header::CONTENT_ENCODING, value)])
}

#[test]
fn encodings_are_known_by_name_and_only_where_they_are_accepted() {
    for encoding in ALL {
        let found = Encoding::of(&named(&encoding.name().to_uppercase()), &ALL);
        assert_eq!(found.unwrap(), encoding);
    }
    assert_eq!(
        Encoding::of(&HeaderMap::new(), &ALL[1..]).unwrap(),
        Encoding::Snappy
    );
    assert_eq!(
        Encoding::of(&named(" gzip "), &ALL).unwrap(),
        Encoding::Gzip
    );
    for name in ["br", "gzip, gzip", "identity"] {
        let refused = Encoding::of(&named(name), &ALL[1..]).unwrap_err();
        assert_eq!(refused.status(), 415);
        let text = refused.to_string();
        assert!(
            text.contains(name) && text.contains("snappy, x-snappy-framed, gzip, deflate, zstd"),
            "{text}"
        );
    }
}

#[test]
fn what_was_compressed_comes_back() {
    let plain: Vec<u8> = (0..300_000_u32).map(|index| (index % 251) as u8).collect();
    for encoding in ALL {
        let mut held = 0;
        let body = compress(encoding, &plain);
        let back = encoding.decompress(&body, plain.len(), &SpareBuffers::default(), |bytes| {
            held += bytes;
            Ok(())
        });
        assert_eq!(*back.unwrap(), plain, "{encoding:?}");
        let held_before = match encoding {
            Encoding::Identity => plain.len() as u64,
            _ => encoding.declared_bytes(&body).unwrap_or(0),
        };
        assert!(
            held + held_before >= plain.len() as u64,
            "{encoding:?}: {held}"
        );
    }
}

#[test]
fn a_bomb_stops_at_the_limit_and_holds_no_more_than_that() {
    for encoding in &ALL[1..] {
        let bomb = compress(*encoding, &vec![0; 4 << 20]);
        let mut held = 0;
        let refused = encoding.decompress(&bomb, 100_000, &SpareBuffers::default(), |bytes| {
            held += bytes;
            Ok(())
        });
        let too_large = BodyError::TooLarge { limit: 100_000 };
        assert!(
            matches!(refused, Err(IngestError::Body(error)) if error == too_large),
            "{encoding:?}"
        );
        assert!(held <= 100_001, "{encoding:?}: {held}");
    }
    let bomb = compress(Encoding::Zstd, &vec![0; 4 << 20]);
    let refused = Encoding::Zstd.decompress(&bomb, 1 << 20, &SpareBuffers::default(), |_| {
        Err(BodyError::NoMemory)
    });
    assert!(matches!(
        refused,
        Err(IngestError::Body(BodyError::NoMemory))
    ));
}

#[test]
fn a_zstd_frame_with_a_huge_window_is_refused() {
    // The frame's head alone: a window of 2 GiB, then one empty block.
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let refused = Encoding::Zstd.decompress(
        &Bytes::copy_from_slice(&frame),
        1 << 20,
        &SpareBuffers::default(),
        |_| Ok(()),
    );
    assert!(matches!(refused, Err(IngestError::Compression { .. })));
    let mut small = frame;
    small[5] = 0;
    let read = Encoding::Zstd.decompress(
        &Bytes::copy_from_slice(&small),
        1 << 20,
        &SpareBuffers::default(),
        |_| Ok(()),
    );
    assert!(read.unwrap().is_empty());
}

#[test]
fn torn_and_foreign_bodies_are_malformed() {
    let plain = b"some bytes that are compressed, compressed, compressed";
    for encoding in &ALL[1..] {
        let whole = compress(*encoding, plain);
        let torn = whole.slice(..whole.len() - 5);
        for body in [torn, Bytes::from_static(b"\x07plain")] {
            let refused = encoding.decompress(&body, 1 << 20, &SpareBuffers::default(), |_| Ok(()));
            assert!(
                matches!(refused, Err(IngestError::Compression { .. })),
                "{encoding:?}"
            );
        }
    }
}

#[test]
fn the_declared_size_is_read_without_the_body() {
    assert_eq!(declared_by_snappy(&[0]), Some(0));
    assert_eq!(declared_by_snappy(&[0x80, 0x02, 0, 0]), Some(256));
    // More than the block can hold: nobody should wait for so much memory.
    assert_eq!(declared_by_snappy(&[0x80, 0x80, 0x80, 0x10]), None);
    assert_eq!(declared_by_snappy(&[0xff, 0xff, 0xff, 0xff, 0x0f]), None);
    assert_eq!(declared_by_snappy(&[0x80, 0x80]), None);
    assert_eq!(declared_by_snappy(&[]), None);
    assert_eq!(declared_by_snappy(&[0xff; 6]), None);
}
