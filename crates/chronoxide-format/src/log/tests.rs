use proptest::prelude::*;

use super::*;

const IDENTITY: LogIdentity = LogIdentity {
    salt: 99,
    kind: LogKind::Wal,
    number: 3,
};

const FIRST_SEQ: u64 = 10;

fn header() -> FileHeader {
    FileHeader {
        first_seq: FIRST_SEQ,
        durable_seq: 7,
        released_seq: 4,
        voids: vec![(8, 9)],
    }
}

fn scan<'a>(identity: LogIdentity, bytes: &'a [u8]) -> Scan<'a> {
    Scan::new(identity, bytes, header().encoded_len())
}

/// A file with one record for each payload, and where each record ends.
fn file(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Vec::new();
    header().encode(&IDENTITY, &mut bytes);
    let mut ends = Vec::new();
    for (seq, plain) in (FIRST_SEQ..).zip(payloads) {
        let payload = Payload::new(1, plain).unwrap();
        payload.frame(&IDENTITY, seq, seq - 1, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn payloads() -> Vec<Vec<u8>> {
    vec![b"one".to_vec(), Vec::new(), vec![7; 9000], b"four".to_vec()]
}

fn seqs(bytes: &[u8]) -> Vec<u64> {
    scan(IDENTITY, bytes)
        .filter_map(|found| match found {
            Found::Record(record) => Some(record.seq),
            _ => None,
        })
        .collect()
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn version_1_is_these_bytes() {
    let (bytes, ends) = file(&[b"one".to_vec()]);
    let header = header().encoded_len();
    assert_eq!(
        hex(&bytes[..header]),
        concat!(
            "43584c470100010003000000000000000a00000000000000070000000000000004000000000000000100000008000000",
            "00000000090000000000000001955556",
        )
    );
    assert_eq!(
        hex(&bytes[header..ends[0]]),
        "43585244030000000a000000000000000100000001000000f1866c7a7d313a2b6f6e65"
    );
}

#[test]
fn records_come_back() {
    let (bytes, _) = file(&payloads());
    assert_eq!(FileHeader::decode(&bytes, &IDENTITY).unwrap(), header());
    let found: Vec<_> = scan(IDENTITY, &bytes)
        .map(|found| match found {
            Found::Record(record) => (record.seq, record.durable_seq, record.plain().unwrap()),
            other => panic!("{other:?}"),
        })
        .collect();
    for (index, (seq, durable_seq, plain)) in found.iter().enumerate() {
        assert_eq!(*seq, 10 + index as u64);
        assert_eq!(*durable_seq, 9 + index as u64);
        assert_eq!(**plain, payloads()[index]);
    }
    assert_eq!(found.len(), 4);
    assert!(bytes.len() < 1000, "the long payload is compressed");
}

#[test]
fn every_prefix_gives_the_records_it_holds() {
    let (bytes, ends) = file(&payloads());
    for end in 0..bytes.len() {
        let whole = ends.iter().filter(|&&record_end| record_end <= end).count() as u64;
        assert_eq!(
            seqs(&bytes[..end]),
            (10..10 + whole).collect::<Vec<_>>(),
            "{end}"
        );
    }
    for end in 0..header().encoded_len() {
        assert!(
            FileHeader::decode(&bytes[..end], &IDENTITY).is_err(),
            "{end}"
        );
    }
}

#[test]
fn every_flipped_bit_costs_at_most_its_record() {
    let (bytes, ends) = file(&payloads());
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if bit / 8 < header().encoded_len() {
            assert!(
                FileHeader::decode(&flipped, &IDENTITY).is_err(),
                "bit {bit}"
            );
            continue;
        }
        let hit = 10 + ends.iter().position(|&end| bit / 8 < end).unwrap() as u64;
        let left: Vec<u64> = (10..14).filter(|&seq| seq != hit).collect();
        assert_eq!(seqs(&flipped), left, "bit {bit}");
    }
}

#[test]
fn a_tail_of_zeroes_is_the_end() {
    let (mut bytes, _) = file(&payloads());
    bytes.resize(bytes.len() + 5000, 0);
    let found: Vec<_> = scan(IDENTITY, &bytes).collect();
    assert_eq!(found.len(), 4);
    bytes.push(1);
    assert!(matches!(
        scan(IDENTITY, &bytes).last(),
        Some(Found::BadTail { .. })
    ));
}

#[test]
fn records_of_another_file_are_not_taken() {
    let (bytes, _) = file(&payloads());
    for identity in [
        LogIdentity {
            number: 4,
            ..IDENTITY
        },
        LogIdentity {
            salt: 98,
            ..IDENTITY
        },
        LogIdentity {
            kind: LogKind::Manifest,
            ..IDENTITY
        },
    ] {
        assert!(FileHeader::decode(&bytes, &identity).is_err());
        let found: Vec<_> = scan(identity, &bytes).collect();
        assert!(matches!(found[..], [Found::BadTail { .. }]), "{identity:?}");
    }
}

#[test]
fn an_older_record_behind_newer_ones_is_stale() {
    let (mut bytes, ends) = file(&payloads());
    let first = bytes[header().encoded_len()..ends[0]].to_vec();
    bytes.extend_from_slice(&first);
    assert_eq!(seqs(&bytes), [10, 11, 12, 13]);
}

#[test]
fn a_compressed_payload_that_claims_too_much_is_refused() {
    let bomb = Payload {
        kind: 1,
        codec: Codec::Lz4,
        bytes: [0xff, 0xff, 0xff, 3, 0].to_vec(),
        checksum: crc32fast::hash(&[0xff, 0xff, 0xff, 3, 0]),
    };
    let mut bytes = Vec::new();
    header().encode(&IDENTITY, &mut bytes);
    bomb.frame(&IDENTITY, 10, 9, &mut bytes);
    let Some(Found::Record(record)) = scan(IDENTITY, &bytes).next() else {
        panic!("the frame itself is good");
    };
    assert!(matches!(record.plain(), Err(Error::TooLarge { .. })));
}

#[test]
fn a_record_is_found_behind_an_unreadable_header() {
    let (mut bytes, _) = file(&payloads());
    bytes[20] ^= 1;
    assert!(FileHeader::decode(&bytes, &IDENTITY).is_err());
    let found: Vec<_> = Scan::new(IDENTITY, &bytes, 0).collect();
    assert!(matches!(found[0], Found::Bad { offset: 0, end: 64 }));
    assert_eq!(found.len(), 5);
}

#[test]
fn refused_numbers_are_void() {
    let void: Vec<u64> = (0..20).filter(|&seq| header().is_void(seq)).collect();
    assert_eq!(void, [8, 9]);
    let many = FileHeader {
        voids: vec![(1, 1); VOIDS_MAX],
        ..header()
    };
    let mut bytes = Vec::new();
    many.encode(&IDENTITY, &mut bytes);
    assert_eq!(bytes.len(), FILE_HEADER_BYTES_MAX);
    assert_eq!(FileHeader::decode(&bytes, &IDENTITY).unwrap(), many);
}

#[test]
fn a_newer_file_version_is_named() {
    let (mut bytes, _) = file(&[]);
    bytes[4] = 9;
    assert!(matches!(
        FileHeader::decode(&bytes, &IDENTITY),
        Err(Error::ChecksumMismatch { .. })
    ));
    let checked = header().encoded_len() - 4;
    let checksum = IDENTITY.checksum(&bytes[..checked]);
    bytes[checked..checked + 4].copy_from_slice(&checksum.to_le_bytes());
    assert!(matches!(
        FileHeader::decode(&bytes, &IDENTITY),
        Err(Error::UnsupportedVersion { found: 9, .. })
    ));
}

proptest! {
    #[test]
    fn any_bytes_are_scanned_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = FileHeader::decode(&bytes, &IDENTITY);
        for found in scan(IDENTITY, &bytes) {
            if let Found::Record(record) = found {
                let _ = record.plain();
            }
        }
    }

    #[test]
    fn overwritten_stretches_leave_a_subset(
        start in 64_usize..800,
        junk in proptest::collection::vec(any::<u8>(), 1..300),
    ) {
        let (mut bytes, _) = file(&payloads());
        let start = start.min(bytes.len() - 1);
        let end = (start + junk.len()).min(bytes.len());
        bytes[start..end].copy_from_slice(&junk[..end - start]);
        let left = seqs(&bytes);
        prop_assert!(left.is_sorted() && left.iter().all(|seq| (10..14).contains(seq)));
    }
}
