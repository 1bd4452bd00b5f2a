use super::*;

/// Series with 1 to 5 chunks of every shape, laid out one after another with gaps here and there.
fn series() -> Vec<Vec<Chunk>> {
    let mut offset = 3;
    (0..200_u32)
        .map(|rank| {
            (0..1 + rank % 5)
                .map(|index| {
                    offset += u64::from(rank % 7 == index) * 40;
                    let chunk = Chunk {
                        kind: if index == 4 {
                            ChunkKind::Histograms
                        } else {
                            ChunkKind::Floats
                        },
                        offset,
                        values_len: 1 + rank * 9,
                        starts_len: rank % 3,
                        column: index + rank / 50,
                        slice: (rank % 4 == 1).then_some(Slice {
                            offset: rank,
                            count: 1 + index,
                        }),
                    };
                    offset = chunk.end();
                    chunk
                })
                .collect()
        })
        .collect()
}

fn payload() -> Vec<u8> {
    let mut builder = ChunkDirectoryBuilder::default();
    for chunks in series() {
        builder.push(&chunks).unwrap();
    }
    assert_eq!((builder.series(), builder.chunks()), (200, 600));
    builder.finish()
}

#[test]
fn chunks_come_back_by_rank() {
    let bytes = payload();
    let directory = ChunkDirectory::new(&bytes, 200).unwrap();
    let mut cursor = directory.cursor();
    for (rank, chunks) in (0..).zip(series()) {
        assert_eq!(cursor.series(rank).unwrap(), chunks, "rank {rank}");
        assert_eq!(directory.cursor().series(rank).unwrap(), chunks);
    }
    for rank in [199, 0, 1, 3, 3, 150, 32, 31, 33] {
        assert_eq!(cursor.series(rank).unwrap(), series()[rank as usize]);
    }
    assert!(cursor.series(200).is_err());
    assert_eq!(cursor.series(5).unwrap(), series()[5]);
}

#[test]
fn a_plain_chunk_of_a_shared_column_takes_three_bytes() {
    let mut builder = ChunkDirectoryBuilder::default();
    for rank in 0..3200_u64 {
        let chunk = Chunk {
            kind: ChunkKind::Floats,
            offset: rank * 300,
            values_len: 300,
            starts_len: 0,
            column: 7,
            slice: None,
        };
        builder.push(&[chunk]).unwrap();
    }
    // One byte more for the number of chunks, half a byte for the checkpoints.
    assert_eq!(builder.finish().len(), 4 + 3200 * 4 + 100 * 16);
}

#[test]
fn damaged_bytes_never_panic() {
    let mut bytes = payload();
    for end in 0..bytes.len() {
        if let Ok(directory) = ChunkDirectory::new(&bytes[..end], 200) {
            assert!(directory.cursor().series(199).is_err(), "cut at {end}");
        }
    }
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(directory) = ChunkDirectory::new(&bytes, 200) {
            let mut cursor = directory.cursor();
            for rank in [0, 31, 32, 199] {
                let _ = cursor.series(rank);
            }
        }
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}
