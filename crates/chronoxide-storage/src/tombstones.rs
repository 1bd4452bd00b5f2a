//! Deletions that the parts have not been rid of yet.
//!
//! A deletion is a record of the write-ahead log. When it takes effect, the head's open batch is frozen, so that every
//! batch and every part flushed from one holds records from one side of the deletion only: it hides samples of those
//! whose highest record comes before it. Merges leave out what it hides in each of their inputs. Before the log lets
//! go of the record, the deletion is in a file, until all parts it concerns have been written anew.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chronoxide_format::log::{LogKind, Payload};
use chronoxide_format::tombstones::Tombstone;
use chronoxide_model::{Labels, SampleColumns, TimeRange};

use crate::part::Part;
use crate::quarantine::Quarantine;
use crate::record_file::{RecordFile, RecordFileState};
use crate::{Error, Fs, Result};

/// The most deletions that may wait for the parts to be rid of what they hide: each costs every selection a little.
pub(crate) const PENDING_MAX: usize = 1000;

/// The file, below the data directory.
const FILE: &str = "TOMBSTONES";

/// Type of a record that holds one deletion.
const KIND_TOMBSTONE: u8 = 1;

/// The file of deletions. The deletions themselves are part of what readers see.
#[derive(Debug)]
pub(crate) struct TombstoneFile {
    file: RecordFile,
    is_changed: AtomicBool,
}

impl TombstoneFile {
    /// Reads the file in `dir`, if there is one. A damaged one is set aside, and its good records are used.
    pub(crate) fn open(
        fs: &dyn Fs,
        quarantine: &Quarantine,
        dir: &Path,
        salt: u64,
    ) -> Result<(Self, Vec<Arc<Tombstone>>)> {
        let file = RecordFile::new(FILE, LogKind::Tombstones, salt);
        let (state, found) = load(file, fs, dir)?;
        let is_damaged = state == RecordFileState::Damaged;
        if is_damaged {
            let path = file.path(dir);
            tracing::error!(
                file = %path.display(),
                "the file of deletions is damaged; deleted samples may be seen again, delete them once more"
            );
            quarantine.set_aside(&path)?;
        }
        let opened = Self {
            file,
            is_changed: AtomicBool::new(is_damaged),
        };
        Ok((opened, found))
    }

    /// Whether the file in `dir`, if there is one, is good, and how many deletions it has; nothing is changed.
    pub(crate) fn inspect(fs: &dyn Fs, dir: &Path, salt: u64) -> Result<(bool, u64)> {
        let file = RecordFile::new(FILE, LogKind::Tombstones, salt);
        let (state, found) = load(file, fs, dir)?;
        Ok((state != RecordFileState::Damaged, found.len() as u64))
    }

    /// The deletions are not what the file has any more.
    pub(crate) fn note_change(&self) {
        self.is_changed.store(true, Ordering::Release);
    }

    /// Writes the file anew, if the deletions have changed. Nothing is lost when it fails: see the log.
    pub(crate) fn save(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        pending: impl FnOnce() -> Vec<Arc<Tombstone>>,
    ) -> Result<()> {
        if !self.is_changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = self.write(fs, dir, &pending());
        if saved.is_err() {
            self.note_change();
        }
        saved
    }

    /// Writes a file of these deletions, in any directory.
    pub(crate) fn write(&self, fs: &dyn Fs, dir: &Path, pending: &[Arc<Tombstone>]) -> Result<()> {
        let records = pending.iter().map(|tombstone| {
            let mut plain = Vec::new();
            tombstone.encode(&mut plain);
            Payload::new(KIND_TOMBSTONE, &plain)
                .map_err(|source| Error::format(&self.file.path(dir), source))
        });
        let records: Vec<_> = records.collect::<Result<_>>()?;
        self.file.write(fs, dir, &records).map(drop)
    }
}

/// Nothing is ever appended to the file, so that a torn end is damage.
fn load(
    file: RecordFile,
    fs: &dyn Fs,
    dir: &Path,
) -> Result<(RecordFileState, Vec<Arc<Tombstone>>)> {
    let mut found = Vec::new();
    let state = file.read(fs, dir, |kind, plain| {
        if kind != KIND_TOMBSTONE {
            return Err(chronoxide_format::Error::UnknownCodec {
                what: "record of deletions",
                id: kind,
            });
        }
        found.push(Arc::new(Tombstone::decode(plain)?));
        Ok(())
    })?;
    let state = match state {
        RecordFileState::TornEnd => RecordFileState::Damaged,
        state => state,
    };
    Ok((state, found))
}

/// Those of `pending` that hide samples in `range` of a part or batch whose highest record is `seq_max`.
pub(crate) fn concerning(
    pending: &[Arc<Tombstone>],
    seq_max: u64,
    range: TimeRange,
) -> Vec<Arc<Tombstone>> {
    let concerns =
        |tombstone: &&Arc<Tombstone>| seq_max < tombstone.seq && tombstone.range.overlaps(&range);
    pending.iter().filter(concerns).cloned().collect()
}

/// The times that `concerning` deletions hide of the series `labels`.
pub(crate) fn hidden_times(concerning: &[Arc<Tombstone>], labels: &Labels) -> Vec<TimeRange> {
    let matches = |tombstone: &&Arc<Tombstone>| {
        let value = |name| labels.get(name).unwrap_or_default();
        let mut matchers = tombstone.matchers.iter();
        matchers.all(|matcher| matcher.matches(value(matcher.name())))
    };
    let hiding = concerning.iter().filter(matches);
    hiding.map(|tombstone| tombstone.range).collect()
}

/// The times that `pending` deletions hide in a part, by rank; series of which nothing is hidden are left out.
pub(crate) fn hidden_in_part(
    pending: &[Arc<Tombstone>],
    part: &Part,
) -> Result<BTreeMap<u32, Vec<TimeRange>>> {
    let summary = part.summary();
    let mut hidden: BTreeMap<u32, Vec<TimeRange>> = BTreeMap::new();
    for tombstone in concerning(pending, summary.header.wal_seq_max, summary.range) {
        for rank in part.series_matching(&tombstone.matchers)? {
            hidden.entry(rank).or_default().push(tombstone.range);
        }
    }
    Ok(hidden)
}

/// Whether one of `hidden` covers all of `range`.
pub(crate) fn covers(hidden: &[TimeRange], range: TimeRange) -> bool {
    hidden
        .iter()
        .any(|hidden| hidden.intersection(&range) == Some(range))
}

/// Takes hidden samples out.
pub(crate) fn remove_hidden(columns: &mut SampleColumns, hidden: &[TimeRange]) {
    let is_hidden = |time: i64| hidden.iter().any(|range| range.contains(time));
    let kept: Vec<bool> = columns
        .timestamps_ms
        .iter()
        .map(|time| !is_hidden(*time))
        .collect();
    if kept.contains(&false) {
        retain(&mut columns.timestamps_ms, &kept);
        retain(&mut columns.values, &kept);
        retain(&mut columns.start_timestamps_ms, &kept);
    }
    let kept: Vec<bool> = columns
        .histogram_timestamps_ms
        .iter()
        .map(|time| !is_hidden(*time))
        .collect();
    if kept.contains(&false) {
        retain(&mut columns.histogram_timestamps_ms, &kept);
        retain(&mut columns.histograms, &kept);
        retain(&mut columns.histogram_start_timestamps_ms, &kept);
    }
}

/// Keeps what `kept` says of a column, which may also be empty for nothing known.
fn retain<T>(column: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    column.retain(|_| kept.next().copied().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_samples_go_with_their_start_times() {
        let mut columns = SampleColumns {
            timestamps_ms: vec![1, 2, 3, 4],
            values: vec![1.0, 2.0, 3.0, 4.0],
            start_timestamps_ms: vec![10, 20, 30, 40],
            ..SampleColumns::default()
        };
        let range = |min, max| TimeRange::new(min, max).unwrap();
        remove_hidden(&mut columns, &[range(1, 1), range(3, 9)]);
        assert_eq!(columns.timestamps_ms, [2]);
        assert_eq!(columns.values, [2.0]);
        assert_eq!(columns.start_timestamps_ms, [20]);
        remove_hidden(&mut columns, &[range(2, 2)]);
        assert!(columns.is_empty() && columns.start_timestamps_ms.is_empty());
    }

    #[test]
    fn only_records_before_a_deletion_are_concerned() {
        let tombstone = Arc::new(Tombstone {
            matchers: Vec::new(),
            range: TimeRange::new(10, 20).unwrap(),
            seq: 5,
        });
        let concerned = |seq_max, min, max| {
            let range = TimeRange::new(min, max).unwrap();
            !concerning(&[Arc::clone(&tombstone)], seq_max, range).is_empty()
        };
        assert!(concerned(4, 20, 30));
        assert!(!concerned(5, 20, 30), "the same record");
        assert!(!concerned(4, 21, 30), "other times");
    }
}
