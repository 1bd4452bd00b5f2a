//! How far the write-ahead log has been read at a start, for those who wait for it.

use std::sync::Arc;

use parking_lot::Mutex;

/// Files of the write-ahead log, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplayedFiles {
    /// The first one there is.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// The one whose records are being taken in; `last` when all are.
    pub current: u64,
}

/// Tells, while [`Database::open_watched`](super::Database::open_watched) runs and afterwards, how far the write-ahead
/// log has been read. Clones watch the same start.
#[derive(Clone, Debug, Default)]
pub struct ReplayProgress(Arc<Mutex<Option<ReplayedFiles>>>);

impl ReplayProgress {
    /// Nothing found yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The files of the log; `None` until they are found, and when there are none.
    #[must_use]
    pub fn files(&self) -> Option<ReplayedFiles> {
        *self.0.lock()
    }
}

/// Notes in a [`ReplayProgress`] which file each record comes from.
#[derive(Debug)]
pub(super) struct ReplayWatch<'p> {
    progress: &'p ReplayProgress,
    /// Number and last record of each file but those that are done, in order.
    files: std::vec::IntoIter<(u64, u64)>,
    last_seq: u64,
}

impl<'p> ReplayWatch<'p> {
    /// A watch over files that `files` gives by number and last record, in order.
    pub(super) fn start(progress: &'p ReplayProgress, files: Vec<(u64, u64)>) -> Self {
        let numbers = files.first().zip(files.last());
        *progress.0.lock() = numbers.map(|((first, _), (last, _))| ReplayedFiles {
            first: *first,
            last: *last,
            current: *first,
        });
        let mut files = files.into_iter();
        Self {
            progress,
            last_seq: files.next().map_or(0, |(_, last_seq)| last_seq),
            files,
        }
    }

    /// Record `sequence` is being taken in.
    pub(super) fn reach(&mut self, sequence: u64) {
        if sequence <= self.last_seq {
            return;
        }
        if let Some((number, last_seq)) = self.files.find(|(_, last)| sequence <= *last) {
            self.last_seq = last_seq;
            self.note(|files| files.current = number);
        }
    }

    /// All records have been taken in.
    pub(super) fn finish(self) {
        self.note(|files| files.current = files.last);
    }

    fn note(&self, note: impl FnOnce(&mut ReplayedFiles)) {
        if let Some(files) = &mut *self.progress.0.lock() {
            note(files);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_the_record_is_the_current_one() {
        let progress = ReplayProgress::new();
        // The second file has no records.
        let mut watch = ReplayWatch::start(&progress, vec![(3, 10), (4, 10), (5, 20), (6, 30)]);
        let current = || progress.files().unwrap().current;
        assert_eq!(current(), 3);
        let passed: Vec<u64> = [7, 10, 11, 20, 21, 30]
            .into_iter()
            .map(|sequence| {
                watch.reach(sequence);
                current()
            })
            .collect();
        assert_eq!(passed, [3, 3, 5, 5, 6, 6]);
    }

    #[test]
    fn a_log_without_needed_records_is_read_to_its_end() {
        let progress = ReplayProgress::new();
        ReplayWatch::start(&progress, vec![(3, 10), (4, 20)]).finish();
        let files = progress.files().unwrap();
        assert_eq!((files.first, files.last, files.current), (3, 4, 4));
        ReplayWatch::start(&progress, Vec::new()).finish();
        assert_eq!(progress.files(), None);
    }
}
