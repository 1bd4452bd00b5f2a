//! The seeds of the fuzz targets for log files, fed to the decoders as the targets do.

use std::path::Path;

use chronoxide_format::log::{FileHeader, Found, LogIdentity, LogKind, Scan};
use chronoxide_format::manifest::ManifestEdit;
use chronoxide_format::state::StateRecord;
use chronoxide_format::store_header::StoreHeader;
use chronoxide_format::tombstones::Tombstone;
use chronoxide_format::wal_record::{Batch, WalRecord};
use chronoxide_format::{Result, exemplars, metadata, registry};

/// Checks that `is_good` is true of the seeds named `valid-` and false of those named `hostile-`.
#[track_caller]
fn feed(target: &str, is_good: impl Fn(&[u8]) -> bool) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let (mut valid, mut hostile) = (0, 0);
    for entry in corpus.read_dir().expect("the corpus is a directory") {
        let path = entry.expect("the corpus is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let good = is_good(&std::fs::read(&path).expect("a seed is readable"));
        if name.starts_with("valid-") {
            valid += 1;
            assert!(good, "{name}");
        } else if name.starts_with("hostile-") {
            hostile += 1;
            assert!(!good, "{name}");
        }
    }
    assert!(valid > 0 && hostile > 0, "{valid} and {hostile} seeds");
}

#[test]
fn seeds_of_log_files_are_read_as_named() {
    let identity = LogIdentity {
        salt: 0,
        kind: LogKind::Wal,
        number: 0,
    };
    feed("log_file", |input| {
        let Ok(header) = FileHeader::decode(input, &identity) else {
            return false;
        };
        let mut found = Scan::new(identity, input, header.encoded_len());
        found.all(|found| match found {
            Found::Record(record) => record
                .plain()
                .and_then(|plain| WalRecord::decode(record.kind, &plain))
                .is_ok(),
            Found::BadTail { .. } => true,
            Found::Bad { .. } => false,
        })
    });
}

#[test]
fn seeds_of_log_payloads_decode_as_named() {
    feed("log_payload", |input| {
        let Some((choice, bytes)) = input.split_first() else {
            return false;
        };
        let decoded: Result<()> = match choice % 8 {
            0 => Batch::decode(bytes).map(drop),
            1 => registry::decode_entries(bytes, |_, _| ()),
            2 => ManifestEdit::decode(bytes).map(drop),
            3 => metadata::decode(bytes).map(drop),
            4 => Tombstone::decode(bytes).map(drop),
            5 => StoreHeader::decode(bytes).map(drop),
            6 => exemplars::decode(bytes).map(drop),
            _ => StateRecord::decode(2, bytes).map(drop),
        };
        decoded.is_ok()
    });
}
