//! Exemplars: a bounded number of them, in memory and in one file.
//!
//! An exemplar goes through the write-ahead log like a sample. Before the log lets go of it, it is appended to the
//! file, which is written anew when it has grown to twice what is kept. All exemplars are in memory: they are few, and
//! the bound counts every byte of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use chronoxide_format::exemplars::{decode, encode_series, start};
use chronoxide_format::log::{LogKind, Payload};
use chronoxide_model::{Exemplar, Labels, Matcher, TimeRange};
use parking_lot::{Mutex, RwLock};

use crate::quarantine::Quarantine;
use crate::record_file::{OpenRecordFile, RecordFile, RecordFileState};
use crate::{Error, Fs, Result};

/// Exemplars of one series.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesExemplars {
    /// The series.
    pub labels: Labels,
    /// Its exemplars, by time.
    pub exemplars: Vec<Exemplar>,
}

/// The most characters that names and values of an exemplar's labels may have together, as in OpenMetrics.
pub(crate) const LABEL_CHARS_MAX: usize = 128;

/// The file, below the data directory.
const FILE: &str = "EXEMPLARS";

/// Type of a record that holds series with their exemplars.
const KIND_SERIES: u8 = 1;

/// A record is ended when it has grown to this.
const RECORD_BYTES: usize = 1 << 20;

/// A file smaller than this is not written anew to make it smaller.
const REWRITE_BYTES_MIN: u64 = 1 << 20;

/// When the bound is reached, this part of it is set free at once: finding the oldest costs the same for one as for
/// many.
const TRIMMED_SHARE: usize = 16;

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExemplarLimits {
    /// Bytes in memory; 0 turns exemplars off.
    pub(crate) bytes_max: usize,
    /// Exemplars of one series.
    pub(crate) per_series_max: usize,
}

/// All exemplars.
#[derive(Debug)]
pub(crate) struct ExemplarStore {
    file: RecordFile,
    dir: PathBuf,
    limits: ExemplarLimits,
    kept: RwLock<Kept>,
    /// The file that was found has what records up to this one brought, and is without what they deleted.
    found_sequence: u64,
    saved: Mutex<Saved>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Exemplars by time; those of equal times in the order they came.
    series: HashMap<Labels, Vec<Exemplar>>,
    bytes: usize,
    count: usize,
    /// Dropped because newer ones needed the room.
    evicted: u64,
    /// What came since the file was written or appended to.
    unsaved: Vec<(Labels, Exemplar)>,
    unsaved_bytes: usize,
    /// The last record of the write-ahead log that changed anything here.
    sequence: u64,
    /// Appending would not do.
    must_rewrite: bool,
}

/// The file as this process has written it.
#[derive(Debug, Default)]
struct Saved {
    /// `None` when it must be written anew: what an earlier process left may be in the system's cache only.
    file: Option<OpenRecordFile>,
    rewritten_bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ExemplarFigures {
    pub(crate) exemplars: u64,
    pub(crate) bytes: u64,
    pub(crate) evicted: u64,
}

/// Whether an exemplar's labels are short enough.
pub(crate) fn has_short_labels(exemplar: &Exemplar) -> bool {
    let pairs = exemplar.labels.iter();
    let chars: usize = pairs
        .map(|(name, value)| name.chars().count() + value.chars().count())
        .sum();
    chars <= LABEL_CHARS_MAX
}

impl ExemplarStore {
    /// Reads the file in `dir`, if there is one. A damaged one is set aside, and its good records are used.
    pub(crate) fn open(
        fs: &dyn Fs,
        quarantine: &Quarantine,
        dir: &Path,
        salt: u64,
        limits: ExemplarLimits,
    ) -> Result<Self> {
        let file = RecordFile::new(FILE, LogKind::Exemplars, salt);
        let mut kept = Kept::default();
        if limits.bytes_max > 0 {
            let (state, sequence) = load(file, fs, dir, |labels, exemplar| {
                kept.insert(&labels, exemplar, limits);
            })?;
            kept.sequence = sequence;
            // Exemplars that stand in it twice are no reason to.
            kept.must_rewrite = false;
            kept.unsaved = Vec::new();
            kept.unsaved_bytes = 0;
            if state == RecordFileState::Damaged {
                let path = file.path(dir);
                tracing::error!(file = %path.display(), "the file of exemplars is damaged; what can be read of it is used");
                quarantine.set_aside(&path)?;
                kept.must_rewrite = true;
            }
        }
        Ok(Self {
            file,
            dir: dir.to_owned(),
            limits,
            found_sequence: kept.sequence,
            kept: RwLock::new(kept),
            saved: Mutex::default(),
        })
    }

    /// Whether the file in `dir`, if there is one, is good, and how many exemplars it has; nothing is changed.
    pub(crate) fn inspect(fs: &dyn Fs, dir: &Path, salt: u64) -> Result<(bool, u64)> {
        let file = RecordFile::new(FILE, LogKind::Exemplars, salt);
        let mut count = 0;
        let (state, _) = load(file, fs, dir, |_, _| count += 1)?;
        Ok((state != RecordFileState::Damaged, count))
    }

    /// The last log record that is in the file as it was found; new ones have higher numbers.
    pub(crate) const fn found_sequence(&self) -> u64 {
        self.found_sequence
    }

    /// Whether exemplars are stored at all.
    pub(crate) const fn is_on(&self) -> bool {
        self.limits.bytes_max > 0
    }

    /// Whether this very exemplar is stored.
    pub(crate) fn has(&self, labels: &Labels, exemplar: &Exemplar) -> bool {
        let kept = self.kept.read();
        let exemplars = kept.series.get(labels);
        exemplars.is_some_and(|exemplars| place_for(exemplars, exemplar).is_none())
    }

    /// Takes over what log record `sequence` brings, which is durable now.
    pub(crate) fn insert(
        &self,
        sequence: u64,
        exemplars: impl IntoIterator<Item = (Labels, Exemplar)>,
    ) {
        if !self.is_on() {
            return;
        }
        let mut kept = self.kept.write();
        if sequence <= self.found_sequence {
            // The file has it, or has lost it to newer ones; but it may be in the system's cache only.
            kept.must_rewrite = true;
            return;
        }
        kept.sequence = kept.sequence.max(sequence);
        for (labels, exemplar) in exemplars {
            kept.insert(&labels, exemplar, self.limits);
        }
    }

    /// Those in `range` of series that satisfy all matchers of any selector, by labels.
    pub(crate) fn select(
        &self,
        selectors: &[Vec<Matcher>],
        range: TimeRange,
    ) -> Vec<SeriesExemplars> {
        let kept = self.kept.read();
        let mut found = Vec::new();
        for (labels, exemplars) in &kept.series {
            let stretch = stretch(exemplars, range);
            if !stretch.is_empty() && selectors.iter().any(|matchers| satisfies(labels, matchers)) {
                found.push(SeriesExemplars {
                    labels: labels.clone(),
                    exemplars: exemplars[stretch].to_vec(),
                });
            }
        }
        drop(kept);
        found.sort_by(|a, b| a.labels.cmp(&b.labels));
        found
    }

    /// Writes what the file does not have. Nothing is lost when it fails: see the log.
    pub(crate) fn save(&self, fs: &dyn Fs) -> Result<()> {
        let mut saved = self.saved.lock();
        let (sequence, unsaved, must_rewrite) = self.kept.write().take_unsaved();
        if unsaved.is_empty() && !must_rewrite {
            return Ok(());
        }
        let is_appended = !must_rewrite && self.append(&mut saved, sequence, &unsaved)?;
        let written = if is_appended {
            Ok(())
        } else {
            self.rewrite(fs, &mut saved)
        };
        if written.is_err() {
            self.kept.write().must_rewrite = true;
        }
        written
    }

    /// Writes a file with all exemplars, in any directory.
    pub(crate) fn write(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        let records = self.all_records()?;
        self.file.write(fs, dir, &records).map(drop)
    }

    /// Appends to the file; `false` when it has to be written anew.
    fn append(
        &self,
        saved: &mut Saved,
        sequence: u64,
        unsaved: &[(Labels, Exemplar)],
    ) -> Result<bool> {
        let grown = 2 * saved.rewritten_bytes + REWRITE_BYTES_MIN;
        let Some(mut file) = saved.file.take().filter(|file| file.bytes() < grown) else {
            return Ok(false);
        };
        let series = unsaved
            .iter()
            .map(|(labels, exemplar)| (labels, std::slice::from_ref(exemplar)));
        match file.append(&self.records(sequence, series)?) {
            Ok(()) => {
                saved.file = Some(file);
                Ok(true)
            }
            Err(error) => {
                tracing::error!(
                    file = %self.file.path(&self.dir).display(),
                    error = &error as &dyn std::error::Error,
                    "could not append to the file of exemplars; writing it anew"
                );
                Ok(false)
            }
        }
    }

    fn rewrite(&self, fs: &dyn Fs, saved: &mut Saved) -> Result<()> {
        let records = self.all_records()?;
        let file = self.file.write(fs, &self.dir, &records)?;
        saved.rewritten_bytes = file.bytes();
        saved.file = Some(file);
        Ok(())
    }

    fn all_records(&self) -> Result<Vec<Payload>> {
        let kept = self.kept.read();
        let series = kept.series.iter();
        self.records(
            kept.sequence,
            series.map(|(labels, exemplars)| (labels, exemplars.as_slice())),
        )
    }

    fn records<'a>(
        &self,
        sequence: u64,
        series: impl Iterator<Item = (&'a Labels, &'a [Exemplar])>,
    ) -> Result<Vec<Payload>> {
        let finish = |plain: &[u8]| {
            Payload::new(KIND_SERIES, plain)
                .map_err(|source| Error::format(&self.file.path(&self.dir), source))
        };
        let mut records = Vec::new();
        let mut plain = Vec::new();
        // Only the last record says how far the file reaches: with fewer it does not.
        start(0, &mut plain);
        for (labels, exemplars) in series {
            if plain.len() >= RECORD_BYTES {
                records.push(finish(&plain)?);
                plain.clear();
                start(0, &mut plain);
            }
            encode_series(labels, exemplars, &mut plain);
        }
        let mut last = Vec::new();
        start(sequence, &mut last);
        last.extend_from_slice(plain.get(1..).unwrap_or_default());
        records.push(finish(&last)?);
        Ok(records)
    }

    pub(crate) fn figures(&self) -> ExemplarFigures {
        let kept = self.kept.read();
        ExemplarFigures {
            exemplars: kept.count as u64,
            bytes: (kept.bytes + kept.unsaved_bytes) as u64,
            evicted: kept.evicted,
        }
    }

    /// Deletes those in `range` of series that satisfy all matchers, as log record `sequence` says.
    pub(crate) fn delete(&self, sequence: u64, matchers: &[Matcher], range: TimeRange) {
        let mut kept = self.kept.write();
        if !self.is_on() || sequence <= self.found_sequence {
            return;
        }
        kept.sequence = kept.sequence.max(sequence);
        kept.must_rewrite = true;
        for (labels, exemplars) in &mut kept.series {
            if satisfies(labels, matchers) {
                exemplars.drain(stretch(exemplars, range));
            }
        }
        kept.retain(|_| true);
    }

    /// Forgets those before `cut_ms`; the file follows when it is next written anew.
    pub(crate) fn expire(&self, cut_ms: i64) {
        let mut kept = self.kept.write();
        kept.retain(|exemplar| exemplar.timestamp_ms >= cut_ms);
    }
}

/// Hands out every exemplar of the file in `dir`; returns also how far up the log it reaches.
fn load(
    file: RecordFile,
    fs: &dyn Fs,
    dir: &Path,
    mut each: impl FnMut(Labels, Exemplar),
) -> Result<(RecordFileState, u64)> {
    let mut reached = 0;
    let state = file.read(fs, dir, |kind, plain| {
        if kind != KIND_SERIES {
            return Err(chronoxide_format::Error::UnknownCodec {
                what: "record of exemplars",
                id: kind,
            });
        }
        let record = decode(plain)?;
        reached = record.sequence.max(reached);
        for (labels, exemplars) in record.series {
            for exemplar in exemplars {
                each(labels.clone(), exemplar);
            }
        }
        Ok(())
    })?;
    // What a damaged file has lost, the log may still have.
    let is_damaged = state == RecordFileState::Damaged;
    Ok((state, if is_damaged { 0 } else { reached }))
}

fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    let value = |matcher: &Matcher| labels.get(matcher.name()).unwrap_or_default();
    matchers
        .iter()
        .all(|matcher| matcher.matches(value(matcher)))
}

/// Which of `exemplars`, by time, lie in `range`.
fn stretch(exemplars: &[Exemplar], range: TimeRange) -> std::ops::Range<usize> {
    let start = exemplars.partition_point(|exemplar| exemplar.timestamp_ms < range.min_ms());
    let end = exemplars.partition_point(|exemplar| exemplar.timestamp_ms <= range.max_ms());
    start..end
}

/// Where an exemplar belongs among others, by time; `None` when it is there.
fn place_for(exemplars: &[Exemplar], new: &Exemplar) -> Option<usize> {
    let place = exemplars.partition_point(|old| old.timestamp_ms <= new.timestamp_ms);
    let same_time = exemplars[..place]
        .iter()
        .rev()
        .take_while(|old| old.timestamp_ms == new.timestamp_ms);
    let is_new =
        |old: &Exemplar| old.value.to_bits() != new.value.to_bits() || old.labels != new.labels;
    let mut same_time = same_time;
    same_time.all(is_new).then_some(place)
}

/// Bytes that labels take in memory.
fn labels_bytes(labels: &Labels) -> usize {
    const ALLOCATION: usize = 24;
    const PAIR: usize = 8;
    let pairs = labels.iter();
    ALLOCATION
        + pairs
            .map(|(name, value)| PAIR + name.len() + value.len())
            .sum::<usize>()
}

/// Bytes that an exemplar takes in memory.
fn exemplar_bytes(exemplar: &Exemplar) -> usize {
    size_of::<Exemplar>() + labels_bytes(&exemplar.labels)
}

/// Bytes that a series takes in memory besides its exemplars.
fn series_bytes(labels: &Labels) -> usize {
    2 * size_of::<(Labels, Vec<Exemplar>)>() + labels_bytes(labels)
}

impl Kept {
    fn insert(&mut self, labels: &Labels, exemplar: Exemplar, limits: ExemplarLimits) {
        let known = self.series.get_mut(labels);
        let Some(exemplars) = known else {
            self.bytes += series_bytes(labels);
            self.series.insert(labels.clone(), Vec::new());
            return self.insert(labels, exemplar, limits);
        };
        let Some(place) = place_for(exemplars, &exemplar) else {
            // It may be in a file that is in the system's cache only.
            self.must_rewrite = true;
            return;
        };
        let bytes = exemplar_bytes(&exemplar);
        exemplars.insert(place, exemplar.clone());
        self.bytes += bytes;
        self.count += 1;
        if exemplars.len() > limits.per_series_max {
            let oldest = exemplars.remove(0);
            self.bytes -= exemplar_bytes(&oldest);
            self.count -= 1;
            self.evicted += 1;
        }
        self.note_unsaved(labels, exemplar, bytes, limits);
        if self.bytes > limits.bytes_max {
            self.trim(limits.bytes_max - limits.bytes_max / TRIMMED_SHARE);
        }
    }

    fn note_unsaved(
        &mut self,
        labels: &Labels,
        exemplar: Exemplar,
        bytes: usize,
        limits: ExemplarLimits,
    ) {
        if self.must_rewrite {
            return;
        }
        self.unsaved.push((labels.clone(), exemplar));
        self.unsaved_bytes += bytes;
        if self.unsaved_bytes > limits.bytes_max {
            self.must_rewrite = true;
            self.unsaved = Vec::new();
            self.unsaved_bytes = 0;
        }
    }

    fn take_unsaved(&mut self) -> (u64, Vec<(Labels, Exemplar)>, bool) {
        self.unsaved_bytes = 0;
        let unsaved = std::mem::take(&mut self.unsaved);
        let must_rewrite = std::mem::take(&mut self.must_rewrite);
        (self.sequence, unsaved, must_rewrite)
    }

    /// Drops the oldest exemplars of all series until they take no more than `bytes_max`.
    fn trim(&mut self, bytes_max: usize) {
        let all = self.series.values().flatten();
        let mut ages: Vec<(i64, usize)> = all
            .map(|exemplar| (exemplar.timestamp_ms, exemplar_bytes(exemplar)))
            .collect();
        ages.sort_unstable();
        let mut bytes = self.bytes;
        let is_over = |(_, taken): &&(i64, usize)| {
            let over = bytes > bytes_max;
            bytes = bytes.saturating_sub(*taken);
            over
        };
        let dropped = ages.iter().take_while(is_over).count();
        let Some((cut_ms, _)) = dropped.checked_sub(1).map(|last| ages[last]) else {
            return;
        };
        // Of those at the cut itself, only as many go as need to.
        let mut at_cut = ages[..dropped]
            .iter()
            .filter(|(time, _)| *time == cut_ms)
            .count();
        let before = self.count;
        self.retain(|exemplar| {
            let goes = exemplar.timestamp_ms == cut_ms && at_cut > 0;
            at_cut -= usize::from(goes);
            exemplar.timestamp_ms >= cut_ms && !goes
        });
        self.evicted += (before - self.count) as u64;
    }

    /// Drops the others, and series that have none left.
    fn retain(&mut self, mut keep: impl FnMut(&Exemplar) -> bool) {
        let (mut bytes, mut count) = (0, 0);
        self.series.retain(|labels, exemplars| {
            exemplars.retain(&mut keep);
            bytes += exemplars.iter().map(exemplar_bytes).sum::<usize>();
            count += exemplars.len();
            if !exemplars.is_empty() {
                bytes += series_bytes(labels);
            }
            !exemplars.is_empty()
        });
        self.bytes = bytes;
        self.count = count;
    }
}

#[cfg(test)]
mod tests;
