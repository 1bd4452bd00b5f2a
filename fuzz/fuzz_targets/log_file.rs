//! Feeds arbitrary bytes to the reader of log files: the header, the scan, and the payloads of what it finds.

#![no_main]

use chronoxide_format::log::{FileHeader, Found, LogIdentity, LogKind, Scan};
use chronoxide_format::wal_record::WalRecord;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let identity = LogIdentity {
        salt: 0,
        kind: LogKind::Wal,
        number: 0,
    };
    let header = FileHeader::decode(input, &identity);
    let header_len = header.map_or(0, |header| header.encoded_len());
    let mut last_seq = 0;
    for found in Scan::new(identity, input, header_len) {
        if let Found::Record(record) = found {
            assert!(record.seq > last_seq && record.end() <= input.len());
            last_seq = record.seq;
            if let Ok(plain) = record.plain() {
                let _ = WalRecord::decode(record.kind, &plain);
            }
        }
    }
});
