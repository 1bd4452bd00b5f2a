//! What the log's writer last said of itself, for readers that must not wait for a disk.

use std::sync::atomic::{AtomicU64, Ordering};

use super::WalStats;
use crate::log::LogWriter;

/// Published by whoever holds the writer, before it is set free.
#[derive(Debug, Default)]
pub(super) struct Figures {
    next_seq: AtomicU64,
    durable_seq: AtomicU64,
    released_seq: AtomicU64,
    recorded_released_seq: AtomicU64,
    segments: AtomicU64,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Figures {
    pub(super) fn publish(&self, writer: &LogWriter) {
        let (segments, bytes) = writer.size();
        self.next_seq.store(writer.next_seq(), Ordering::Release);
        self.durable_seq
            .store(writer.durable_seq(), Ordering::Release);
        self.released_seq
            .store(writer.released_seq(), Ordering::Release);
        self.recorded_released_seq
            .store(writer.recorded_released_seq(), Ordering::Release);
        self.segments.store(segments as u64, Ordering::Release);
        self.bytes.store(bytes, Ordering::Release);
        self.failures.store(writer.failures(), Ordering::Release);
    }

    /// The figures, each as it was last published; the rest is left at nothing.
    pub(super) fn read(&self) -> WalStats {
        WalStats {
            next_seq: self.next_seq.load(Ordering::Acquire),
            durable_seq: self.durable_seq.load(Ordering::Acquire),
            released_seq: self.released_seq.load(Ordering::Acquire),
            recorded_released_seq: self.recorded_released_seq.load(Ordering::Acquire),
            segments: self.segments.load(Ordering::Acquire),
            bytes: self.bytes.load(Ordering::Acquire),
            failures: self.failures.load(Ordering::Acquire),
            ..WalStats::default()
        }
    }
}
