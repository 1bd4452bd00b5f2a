//! What is known about a part without reading it.

use std::path::PathBuf;

use chronoxide_format::part::Footer;
use chronoxide_model::TimeRange;

/// What the maker of a part says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartHeader {
    /// How many merges lie behind the part: 0 for a flush of the head.
    pub level: u8,
    /// Lowest WAL sequence of the samples.
    pub wal_seq_min: u64,
    /// Highest WAL sequence of the samples: of two parts with a sample at one time, the part with the higher one wins.
    pub wal_seq_max: u64,
}

impl PartHeader {
    /// Orders parts from the oldest samples to the newest.
    pub(crate) const fn sequence(&self) -> (u64, u64) {
        (self.wal_seq_max, self.wal_seq_min)
    }
}

/// What a part has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Checksum of the footer, which lists the checksums of all else: two parts with the same one are the same.
    pub checksum: u32,
    /// Level and WAL sequences.
    pub header: PartHeader,
    /// From the earliest sample to the latest.
    pub range: TimeRange,
    /// Series.
    pub series: u32,
    /// Chunks.
    pub chunks: u64,
    /// Distinct timestamp columns that the chunks share.
    pub columns: u32,
    /// Samples of either kind.
    pub samples: u64,
    /// Native histogram samples among them.
    pub histograms: u64,
}

impl PartSummary {
    /// The summary of the part at `path` that ends in `footer`.
    pub(super) fn new(path: PathBuf, bytes: u64, footer: &Footer, checksum: u32) -> Self {
        Self {
            path,
            bytes,
            checksum,
            header: PartHeader {
                level: footer.level,
                wal_seq_min: footer.wal_seq_min,
                wal_seq_max: footer.wal_seq_max,
            },
            range: TimeRange::new(footer.min_ms, footer.max_ms)
                .expect("a footer's range is checked when it is decoded"),
            series: footer.series,
            chunks: footer.chunks,
            columns: footer.columns,
            samples: footer.samples,
            histograms: footer.histograms,
        }
    }
}
