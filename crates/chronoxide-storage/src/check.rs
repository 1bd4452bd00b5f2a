//! Reads everything in a data directory, verifies it, and changes nothing.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::manifest::PartEntry;
use chronoxide_format::wal_record::WalRecord;
use chronoxide_model::{CanonicalKey, KeyEncoding};
use roaring::RoaringBitmap;

use crate::data_dir;
use crate::database::{REGISTRY_DIR, WAL_DIR};
use crate::exemplars::ExemplarStore;
use crate::lock::{DirLock, LOCK_FILE};
use crate::log::ReplayReport;
use crate::manifest::Manifest;
use crate::metadata::MetadataStore;
use crate::part::Part;
use crate::partition::Partition;
use crate::partitions::{EXTENSION, ROOT};
use crate::quarantine::Quarantine;
use crate::registry::{KeyHash, KeyHasher};
use crate::registry_log::RegistryLog;
use crate::state::StateStore;
use crate::tombstones::TombstoneFile;
use crate::{Error, Fs, Result, SystemClock, wal};

pub use crate::part::CodingShare;

/// What [`check`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckReport {
    /// What is wrong, in no particular order; empty when all is well.
    pub findings: Vec<CheckFinding>,
    /// Partitions with parts.
    pub partitions: u64,
    /// Parts listed and readable.
    pub parts: u64,
    /// Bytes of these parts.
    pub parts_bytes: u64,
    /// Samples of either kind in these parts; one written twice may count twice.
    pub parts_samples: u64,
    /// Each of these parts.
    pub checked_parts: Vec<CheckedPart>,
    /// The chunks of these parts by the name of their coding.
    pub codings: BTreeMap<&'static str, CodingShare>,
    /// Distinct label sets in these parts.
    pub series: u64,
    /// Series in the registry log: those active when the database was used last.
    pub registered_series: u64,
    /// Records in the write-ahead log that no part holds yet.
    pub wal_records: u64,
    /// Samples in these records.
    pub wal_samples: u64,
    /// Deletions that parts have not been rid of yet, those in the write-ahead log apart.
    pub tombstones: u64,
    /// Exemplars in their file.
    pub exemplars: u64,
    /// Files set aside as damaged some time before.
    pub files_set_aside: u64,
}

/// A part that could be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckedPart {
    /// The file.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its series.
    pub series: u64,
    /// Its samples of either kind.
    pub samples: u64,
    /// How many of the findings are about it.
    pub findings: usize,
}

/// How far a check has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckProgress {
    /// Parts verified.
    pub parts: u64,
    /// Parts in all.
    pub parts_total: u64,
    /// Bytes of the parts verified.
    pub bytes: u64,
    /// Bytes of all parts.
    pub bytes_total: u64,
}

/// Something that is wrong in a data directory.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckFinding {
    /// The file or directory.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for CheckFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl CheckReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Bytes that a sample in the parts takes on average, labels and index included; 0 without samples.
    #[must_use]
    pub fn bytes_per_sample(&self) -> f64 {
        if self.parts_samples == 0 {
            0.0
        } else {
            self.parts_bytes as f64 / self.parts_samples as f64
        }
    }

    fn note(&mut self, path: &Path, problem: impl fmt::Display) {
        self.findings.push(CheckFinding {
            path: path.to_owned(),
            problem: problem.to_string(),
        });
    }

    /// Notes an error as a finding of its file, with what caused it.
    fn note_error(&mut self, path: &Path, error: &Error) {
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        self.note(path, text);
    }
}

/// Verifies every file of the data directory `dir`: every checksum, every sample, and what files say of one another.
///
/// Damage is no error but a finding. No database may have the directory open.
///
/// # Errors
/// When the directory is in use, is no data directory, or belongs to a newer version.
pub fn check(dir: impl AsRef<Path>, fs: Arc<dyn Fs>) -> Result<CheckReport> {
    check_with(dir, fs, |_| ())
}

/// As [`check`], and tells `progress` how far it has come, each time a part is done.
///
/// # Errors
/// As [`check`].
pub fn check_with(
    dir: impl AsRef<Path>,
    fs: Arc<dyn Fs>,
    mut progress: impl FnMut(CheckProgress),
) -> Result<CheckReport> {
    let dir = dir.as_ref();
    let header = data_dir::inspect(fs.as_ref(), dir)?;
    let _lock = if fs.exists(&dir.join(LOCK_FILE))? {
        Some(DirLock::acquire(fs.as_ref(), dir)?)
    } else {
        None
    };
    let mut check = Check {
        quarantine: Arc::new(Quarantine::new(Arc::clone(&fs), Arc::new(SystemClock))),
        fs,
        salt: header.log_salt,
        report: CheckReport::default(),
        label_sets: HashSet::new(),
        done: CheckProgress::default(),
        progress: &mut progress,
    };
    check.partitions(&dir.join(ROOT))?;
    check.registry(&dir.join(REGISTRY_DIR))?;
    check.write_ahead_log(&dir.join(WAL_DIR))?;
    if !MetadataStore::inspect(check.fs.as_ref(), dir, check.salt)? {
        check.report.note(dir, "the metadata file is damaged");
    }
    check.exemplars(dir)?;
    check.tombstones(dir)?;
    if !StateStore::inspect(check.fs.as_ref(), dir, check.salt)? {
        check
            .report
            .note(dir, "the file of the application's state is damaged");
    }
    for subdir in [dir.to_owned(), dir.join(WAL_DIR), dir.join(REGISTRY_DIR)] {
        check.count_set_aside(&subdir)?;
    }
    check.report.series = check.label_sets.len() as u64;
    Ok(check.report)
}

struct Check<'a> {
    fs: Arc<dyn Fs>,
    quarantine: Arc<Quarantine>,
    salt: u64,
    report: CheckReport,
    label_sets: HashSet<KeyHash>,
    done: CheckProgress,
    progress: &'a mut dyn FnMut(CheckProgress),
}

impl Check<'_> {
    fn partitions(&mut self, root: &Path) -> Result<()> {
        if !self.fs.exists(root)? {
            return Ok(());
        }
        let mut found = Vec::new();
        for entry in self.fs.list(root)? {
            let dir = root.join(&entry.name);
            match Partition::from_name(&entry.name) {
                Some(partition) if entry.is_dir => {
                    let listed = self.manifest(&dir);
                    found.push((partition, dir, listed));
                }
                // What is left of a partition that was being dropped is removed at the next start.
                _ if entry.name.ends_with(".dropped") => {}
                _ => self.report.note(&dir, "this is not a partition"),
            }
        }
        for entry in found.iter().flat_map(|(_, _, listed)| listed).flatten() {
            self.done.parts_total += 1;
            self.done.bytes_total += entry.bytes;
        }
        for (partition, dir, listed) in found {
            self.report.partitions += 1;
            if let Some(listed) = listed {
                self.partition(partition, &dir, &listed)?;
            }
        }
        Ok(())
    }

    /// The parts that the manifest lists, unless it cannot be read.
    fn manifest(&mut self, dir: &Path) -> Option<Vec<PartEntry>> {
        match Manifest::inspect(Arc::clone(&self.fs), dir, self.salt) {
            Ok((listed, report)) => {
                if report.damaged {
                    self.report.note(dir, "the manifest is damaged");
                }
                Some(listed)
            }
            Err(error) => {
                self.report.note_error(dir, &error);
                None
            }
        }
    }

    fn partition(&mut self, partition: Partition, dir: &Path, listed: &[PartEntry]) -> Result<()> {
        for entry in listed {
            self.part(partition, &dir.join(&entry.name), entry);
            self.done.parts += 1;
            self.done.bytes += entry.bytes;
            (self.progress)(self.done);
        }
        for file in self.fs.list(dir)? {
            if file.name.ends_with(EXTENSION) && listed.iter().all(|part| part.name != file.name) {
                self.report.note(
                    &dir.join(&file.name),
                    "the manifest does not list this part",
                );
            }
        }
        self.count_set_aside(dir)
    }

    fn part(&mut self, partition: Partition, path: &Path, entry: &PartEntry) {
        let part = match Part::open(self.fs.as_ref(), path) {
            Ok(part) => part,
            Err(error) => return self.report.note_error(path, &error),
        };
        let findings_before = self.report.findings.len();
        let summary = part.summary();
        let (header, range) = (summary.header, partition.range());
        if summary.bytes != entry.bytes {
            let problem = format!(
                "the part has {} bytes, the manifest says {}",
                summary.bytes, entry.bytes
            );
            self.report.note(path, problem);
        }
        if (header.wal_seq_min, header.wal_seq_max) != (entry.wal_seq_min, entry.wal_seq_max) {
            self.report.note(
                path,
                "part and manifest disagree on the log records it holds",
            );
        }
        if range.intersection(&summary.range) != Some(summary.range) {
            self.report
                .note(path, "the part holds samples of another partition");
        }
        for finding in part.verify() {
            self.report.note(path, finding);
        }
        self.report.parts += 1;
        self.report.parts_bytes += summary.bytes;
        self.report.parts_samples += summary.samples;
        part.add_codings(&mut self.report.codings);
        self.report.checked_parts.push(CheckedPart {
            path: path.to_owned(),
            bytes: summary.bytes,
            series: summary.series.into(),
            samples: summary.samples,
            findings: self.report.findings.len() - findings_before,
        });
        let mut labels = part.label_reader();
        let (hasher, mut key) = (KeyHasher::new(0), Vec::new());
        for rank in 0..summary.series {
            // Labels that cannot be read are among the findings already.
            if let Ok(labels) = labels.read(rank) {
                key.clear();
                CanonicalKey::encode(&labels, &mut key);
                self.label_sets
                    .insert(hasher.bytes(&key, CanonicalKey.id()));
            }
        }
    }

    fn registry(&mut self, dir: &Path) -> Result<()> {
        if !self.fs.exists(dir)? {
            return Ok(());
        }
        let mut sids = RoaringBitmap::new();
        let mut bad = Vec::new();
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        let read = RegistryLog::inspect(fs, quarantine, dir, self.salt, |sid, key| {
            sids.insert(sid);
            if let Err(error) = CanonicalKey.decode(key) {
                bad.push(format!("the entry of series id {sid}: {error}"));
            }
        });
        match read {
            Ok(report) => {
                for path in &report.damaged {
                    self.report.note(path, "the checkpoint is damaged");
                }
                self.log(dir, &report.log);
            }
            Err(error) => self.report.note_error(dir, &error),
        }
        for problem in bad {
            self.report.note(dir, problem);
        }
        self.report.registered_series = sids.len();
        Ok(())
    }

    fn write_ahead_log(&mut self, dir: &Path) -> Result<()> {
        if !self.fs.exists(dir)? {
            return Ok(());
        }
        let mut samples = 0;
        let (fs, quarantine) = (Arc::clone(&self.fs), Arc::clone(&self.quarantine));
        let read = wal::inspect(fs, quarantine, dir, self.salt, |record| {
            if let WalRecord::Batch(batch) = record {
                samples += (batch.sids.len() + batch.histogram_sids.len()) as u64;
            }
        });
        match read {
            Ok(report) => {
                self.report.wal_records = report.records;
                self.log(dir, &report);
            }
            Err(error) => self.report.note_error(dir, &error),
        }
        self.report.wal_samples = samples;
        Ok(())
    }

    fn tombstones(&mut self, dir: &Path) -> Result<()> {
        let (is_good, tombstones) = TombstoneFile::inspect(self.fs.as_ref(), dir, self.salt)?;
        if !is_good {
            self.report.note(dir, "the file of deletions is damaged");
        }
        self.report.tombstones = tombstones;
        Ok(())
    }

    fn exemplars(&mut self, dir: &Path) -> Result<()> {
        let (is_good, exemplars) = ExemplarStore::inspect(self.fs.as_ref(), dir, self.salt)?;
        if !is_good {
            self.report.note(dir, "the file of exemplars is damaged");
        }
        self.report.exemplars = exemplars;
        Ok(())
    }

    fn log(&mut self, dir: &Path, report: &ReplayReport) {
        for path in &report.damaged {
            self.report.note(path, "records of the segment are damaged");
        }
        for lost in &report.lost {
            let problem = format!(
                "acknowledged records {} to {} are missing",
                lost.start(),
                lost.end()
            );
            self.report.note(dir, problem);
        }
    }

    fn count_set_aside(&mut self, dir: &Path) -> Result<()> {
        if self.fs.exists(dir)? {
            let entries = self.fs.list(dir)?;
            let set_aside = entries
                .iter()
                .filter(|entry| entry.name.contains(".corrupt-"));
            self.report.files_set_aside += set_aside.count() as u64;
        }
        Ok(())
    }
}
