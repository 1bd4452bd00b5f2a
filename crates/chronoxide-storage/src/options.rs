//! What an embedder can set.

use std::time::Duration;

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// After its data has reached the disk: an acknowledged write survives a power cut.
    #[default]
    Sync,
    /// After its data has reached the operating system, which brings it to the disk at this interval: an acknowledged
    /// write survives the end of the process, and a power cut loses at most about one interval.
    Interval(Duration),
}

/// Settings of a database; [`Options::default`] is useful as it stands.
///
/// ```
/// use std::time::Duration;
///
/// let day = Duration::from_secs(24 * 3600);
/// let options = chronoxide_storage::Options { retention: 90 * day, ..Default::default() };
/// assert_eq!(options.series_max, 1_000_000);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// When a write is acknowledged. Default: [`Durability::Sync`], after the data reached the disk.
    pub durability: Durability,
    /// How long samples are kept; older ones are refused and never returned. [`Duration::MAX`] keeps them for ever.
    /// Default: 30 days; minimum: 1 minute.
    pub retention: Duration,
    /// Bytes that the database may take on disk; the oldest partitions go first. What only snapshots still have does
    /// not count. Default: no limit.
    pub retention_bytes: Option<u64>,
    /// How far in the future a sample may lie. Default: 10 minutes.
    pub future_limit: Duration,
    /// Bytes to leave free on the file system: below it writes are refused until space is back. Default: 256 MiB.
    pub free_bytes_min: u64,
    /// Active series; further new ones are refused, known ones go on. Default: 1,000,000.
    pub series_max: u32,
    /// Bytes of memory the table of active series may take; beyond it further new ones are refused, known ones go on.
    /// Default: no limit.
    pub series_bytes_max: Option<usize>,
    /// How long a series may stay without samples before it is no longer active. Default: 1 hour.
    pub series_idle: Duration,
    /// Labels of one series, the metric name included. Default: 64.
    pub labels_max: usize,
    /// Bytes of a label name. Default: 1 KiB.
    pub label_name_bytes_max: usize,
    /// Bytes of a label value. Default: 8 KiB.
    pub label_value_bytes_max: usize,
    /// Bytes of memory for what queries found and decoded and the next may ask for again: three fifths for the series of
    /// selections, two for timestamps that series share. Default: 20 MiB; eight of them hold the timestamps of a day of 1,000
    /// targets that are scraped every minute, or of 300 every 15 seconds.
    pub cache_bytes_max: usize,
    /// Bytes of memory for exemplars, which are all kept there and in a file; the oldest go first. 0 stores none.
    /// Default: 16 MiB, enough for about 100,000 exemplars.
    pub exemplar_bytes_max: usize,
    /// Exemplars kept of one series; its oldest go first. Default: 128.
    pub exemplars_per_series_max: usize,
    /// Bytes of memory for types, help and units of metrics, which are all kept there and in a file; beyond it those of
    /// further metrics are not taken. Default: 32 MiB.
    pub metadata_bytes_max: usize,
    /// Bytes of all names and values of a series together. Default: 16 KiB.
    pub labels_bytes_max: usize,
    /// Bytes of samples in memory before they are written to a part, with few series. The head may take three times this
    /// much while a flush cannot keep up, then writes wait. Default: 8 MiB.
    pub head_bytes_min: usize,
    /// The same with many series. Default: 64 MiB; minimum: `head_bytes_min`.
    pub head_bytes_max: usize,
    /// Bytes that samples in no part yet may take in the write-ahead log, which is what a start after a crash has to
    /// read: beyond a quarter of it the head is flushed, however small it is, and beyond all of it writes wait. Files
    /// of the log go as a whole, so that it may be a third larger. Default: 96 MiB; minimum: 64 KiB.
    pub wal_bytes_max: u64,
    /// Samples stay in memory at most this long after the last write before they go to a part. Default: 2 minutes.
    pub flush_idle: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            retention: Duration::from_secs(30 * 24 * 3600),
            retention_bytes: None,
            future_limit: Duration::from_secs(600),
            free_bytes_min: 256 << 20,
            series_max: 1_000_000,
            series_bytes_max: None,
            series_idle: Duration::from_secs(3600),
            labels_max: 64,
            label_name_bytes_max: 1 << 10,
            label_value_bytes_max: 8 << 10,
            cache_bytes_max: 20 << 20,
            exemplar_bytes_max: 16 << 20,
            exemplars_per_series_max: 128,
            metadata_bytes_max: 32 << 20,
            labels_bytes_max: 16 << 10,
            head_bytes_min: 8 << 20,
            head_bytes_max: 64 << 20,
            wal_bytes_max: 96 << 20,
            flush_idle: Duration::from_secs(120),
        }
    }
}

impl Options {
    /// What is wrong with the settings, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.retention < Duration::from_secs(60) {
            return Some(format!(
                "retention is {:?}, the minimum is 1 minute",
                self.retention
            ));
        }
        if self.series_max == 0 {
            return Some("series_max is 0, so that no series could be stored".to_owned());
        }
        let limits = [
            self.labels_max,
            self.label_name_bytes_max,
            self.label_value_bytes_max,
            self.labels_bytes_max,
        ];
        if limits.contains(&0) {
            return Some("a label limit is 0, so that no series could be stored".to_owned());
        }
        if self.exemplars_per_series_max == 0 && self.exemplar_bytes_max > 0 {
            return Some(
                "exemplars_per_series_max is 0: set exemplar_bytes_max to 0 to store none"
                    .to_owned(),
            );
        }
        if self.head_bytes_min < HEAD_BYTES_LEAST || self.head_bytes_max < self.head_bytes_min {
            return Some(format!(
                "head_bytes_min is {} and head_bytes_max {}: the first must be at least {HEAD_BYTES_LEAST}, the second \
                 no smaller than the first",
                self.head_bytes_min, self.head_bytes_max
            ));
        }
        if self.wal_bytes_max < WAL_BYTES_LEAST {
            return Some(format!(
                "wal_bytes_max is {}, the minimum is {WAL_BYTES_LEAST}",
                self.wal_bytes_max
            ));
        }
        None
    }

    /// Bytes of a segment of the write-ahead log.
    pub(crate) fn wal_segment_bytes(&self) -> u64 {
        (self.wal_bytes_max / 3).min(32 << 20)
    }

    /// Bytes the open head batch may take with this many active series.
    pub(crate) fn head_bytes(&self, series: usize) -> usize {
        series
            .saturating_mul(HEAD_BYTES_PER_SERIES)
            .clamp(self.head_bytes_min, self.head_bytes_max)
    }

    /// Bytes that batches on their way to parts may take with this many active series; beyond it writes wait.
    pub(crate) fn backlog_bytes(&self, series: usize) -> usize {
        let most = self.head_bytes_max.saturating_mul(BACKLOG_BATCHES_MAX);
        let wanted = self.head_bytes(series).saturating_mul(BACKLOG_BATCHES_MAX);
        wanted.max(BACKLOG_BYTES_LEAST).min(most)
    }
}

/// Frozen batches may take this many times what [`Options::head_bytes`] gives one.
const BACKLOG_BATCHES_MAX: usize = 2;

/// Where so much is allowed, writes wait for flushes only beyond it.
const BACKLOG_BYTES_LEAST: usize = 16 << 20;

/// A head smaller than this would flush for every request.
const HEAD_BYTES_LEAST: usize = 4096;

/// With a shorter log nearly every request would be flushed on its own.
const WAL_BYTES_LEAST: u64 = 64 << 10;

/// Room for about fifteen samples of each series: each flush writes the labels of every series in it, and fifteen
/// samples are enough to bear that cost.
const HEAD_BYTES_PER_SERIES: usize = 240;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound() {
        assert_eq!(Options::default().problem(), None);
    }

    #[test]
    fn settings_that_cannot_work_are_named() {
        let zero = Options {
            series_max: 0,
            ..Options::default()
        };
        assert!(zero.problem().unwrap().contains("series_max"));
        let short = Options {
            retention: Duration::ZERO,
            ..Options::default()
        };
        assert!(short.problem().unwrap().contains("retention"));
        let narrow = Options {
            head_bytes_max: 1,
            ..Options::default()
        };
        assert!(narrow.problem().unwrap().contains("head_bytes_max"));
        let short = Options {
            wal_bytes_max: 1,
            ..Options::default()
        };
        assert!(short.problem().unwrap().contains("wal_bytes_max"));
    }

    #[test]
    fn the_head_grows_with_the_series_between_its_bounds() {
        let options = Options::default();
        assert_eq!(options.head_bytes(10), 8 << 20);
        assert_eq!(options.head_bytes(100_000), 24_000_000);
        assert_eq!(options.head_bytes(usize::MAX), 64 << 20);
        assert_eq!(options.backlog_bytes(10), 16 << 20);
        assert_eq!(options.backlog_bytes(100_000), 48_000_000);
        assert_eq!(options.backlog_bytes(usize::MAX), 128 << 20);
    }
}
