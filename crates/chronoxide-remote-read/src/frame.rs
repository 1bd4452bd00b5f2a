//! The streamed form: one frame after the other, each with chunks of one series.

use chronoxide_model::{Labels, SampleColumns};
use prost::Message as _;
use prost::encoding::encode_varint;

use crate::chunk::chunks;
use crate::crc32c::crc32c;
use crate::message::{self, ChunkedReadResponse, ChunkedSeries, Label};

/// Chunks of one frame, in bytes; with labels of usual size a frame stays below the megabyte that readers expect.
const FRAME_CHUNK_BYTES: usize = 900 << 10;

/// Appends the frames of one series of query `query_index`; a series without samples has none.
pub fn write_frames(
    out: &mut Vec<u8>,
    query_index: usize,
    labels: &Labels,
    columns: &SampleColumns,
) {
    let labels = message::labels(labels);
    let mut frame = Vec::new();
    let mut bytes = 0;
    for chunk in chunks(columns) {
        let size = chunk.encoded_len();
        if bytes + size > FRAME_CHUNK_BYTES && !frame.is_empty() {
            write_frame(out, query_index, &labels, std::mem::take(&mut frame));
            bytes = 0;
        }
        bytes += size;
        frame.push(chunk);
    }
    if !frame.is_empty() {
        write_frame(out, query_index, &labels, frame);
    }
}

fn write_frame(
    out: &mut Vec<u8>,
    query_index: usize,
    labels: &[Label],
    chunks: Vec<message::Chunk>,
) {
    let message = ChunkedReadResponse {
        chunked_series: vec![ChunkedSeries {
            labels: labels.to_vec(),
            chunks,
        }],
        query_index: i64::try_from(query_index).unwrap_or(i64::MAX),
    }
    .encode_to_vec();
    encode_varint(message.len() as u64, out);
    let checksum = crc32c(&message);
    // The protocol wants the highest byte first.
    out.extend([24, 16, 8, 0].map(|shift| (checksum >> shift) as u8));
    out.extend_from_slice(&message);
}

#[cfg(test)]
mod tests {
    use prost::encoding::decode_varint;

    use super::*;

    fn read_frames(mut bytes: &[u8]) -> Vec<ChunkedReadResponse> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            let length = usize::try_from(decode_varint(&mut bytes).unwrap()).unwrap();
            assert!(length <= 1 << 20, "{length}");
            let (checksum, rest) = bytes.split_at(4);
            let (message, rest) = rest.split_at(length);
            let checksum = checksum
                .iter()
                .fold(0, |number, byte| number << 8 | u32::from(*byte));
            assert_eq!(checksum, crc32c(message));
            frames.push(ChunkedReadResponse::decode(message).unwrap());
            bytes = rest;
        }
        frames
    }

    #[test]
    fn a_long_series_takes_several_frames() {
        let count = 200_000;
        let columns = SampleColumns {
            timestamps_ms: (0..count).map(|index| index * 15_000).collect(),
            values: (0..count).map(|index| (index as f64).sqrt()).collect(),
            ..SampleColumns::default()
        };
        let labels = Labels::from_pairs([("__name__", "x")]).unwrap();
        let mut out = Vec::new();
        write_frames(&mut out, 3, &labels, &columns);
        let frames = read_frames(&out);
        assert!(frames.len() > 1);
        let mut last_ms = -1;
        for frame in &frames {
            assert_eq!(frame.query_index, 3);
            assert_eq!(frame.chunked_series[0].labels[0].value, "x");
            for chunk in &frame.chunked_series[0].chunks {
                assert!(chunk.min_time_ms > last_ms && chunk.max_time_ms >= chunk.min_time_ms);
                last_ms = chunk.max_time_ms;
            }
        }
        assert_eq!(last_ms, (count - 1) * 15_000);
    }

    #[test]
    fn a_series_without_samples_has_no_frame() {
        let mut out = Vec::new();
        write_frames(&mut out, 0, &Labels::empty(), &SampleColumns::default());
        assert!(out.is_empty());
    }
}
