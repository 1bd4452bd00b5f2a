//! Feeds arbitrary bytes to the decoders of log payloads; the first byte chooses one. What a decoder accepts must come
//! back from its encoder and decode to the same.

#![no_main]

use chronoxide_format::manifest::ManifestEdit;
use chronoxide_format::state::StateRecord;
use chronoxide_format::store_header::StoreHeader;
use chronoxide_format::tombstones::Tombstone;
use chronoxide_format::wal_record::Batch;
use chronoxide_format::{exemplars, metadata, registry};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((choice, bytes)) = input.split_first() else {
        return;
    };
    match choice % 8 {
        0 => {
            let Ok(batch) = Batch::decode(bytes) else {
                return;
            };
            let mut again = Vec::new();
            batch.as_columns().encode(&mut again);
            let twice = Batch::decode(&again).expect("what was encoded decodes");
            // Not compared as values: a NaN is not equal to itself.
            let mut third = Vec::new();
            twice.as_columns().encode(&mut third);
            assert_eq!(again, third);
        }
        1 => {
            let _ = registry::decode_entries(bytes, |_, key| {
                assert!(key.len() <= registry::KEY_BYTES_MAX);
            });
        }
        2 => {
            let _ = ManifestEdit::decode(bytes);
        }
        3 => {
            if let Ok(entries) = metadata::decode(bytes) {
                let mut again = Vec::new();
                metadata::encode(&entries, &mut again);
                assert_eq!(metadata::decode(&again), Ok(entries));
            }
        }
        4 => {
            if let Ok(tombstone) = Tombstone::decode(bytes) {
                let mut again = Vec::new();
                tombstone.encode(&mut again);
                assert_eq!(Tombstone::decode(&again), Ok(tombstone));
            }
        }
        5 => {
            let _ = StoreHeader::decode(bytes);
        }
        6 => {
            if let Ok(record) = exemplars::decode(bytes) {
                let mut again = Vec::new();
                exemplars::start(record.sequence, &mut again);
                for (labels, exemplars) in &record.series {
                    exemplars::encode_series(labels, exemplars, &mut again);
                }
                let twice = exemplars::decode(&again).expect("what was encoded decodes");
                assert_eq!(twice.series.len(), record.series.len());
            }
        }
        _ => {
            if let Ok(record) = StateRecord::decode(2, bytes) {
                let change = record.clone().into_change();
                assert_eq!(change.map(StateRecord::from_change), Some(record));
            }
        }
    }
});
