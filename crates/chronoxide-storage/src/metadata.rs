//! Type, help and unit of metrics, by name.
//!
//! What a sender says of a metric goes through the write-ahead log like its samples. Before the log lets go of it, all
//! that is known is written to one file, anew each time something changed: it is small, and rarely changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use chronoxide_format::log::{LogKind, Payload};
use chronoxide_model::Metadata;
use parking_lot::RwLock;

use crate::quarantine::Quarantine;
use crate::record_file::{RecordFile, RecordFileState};
use crate::{Error, Fs, Result};

/// The file, below the data directory.
const FILE: &str = "METADATA";

/// Type of a record that holds entries.
const KIND_ENTRIES: u8 = 1;

/// Entries of one record.
const RECORD_ENTRIES: usize = 1024;

/// What is known of each metric.
#[derive(Debug)]
pub(crate) struct MetadataStore {
    file: RecordFile,
    by_name: RwLock<BTreeMap<String, Metadata>>,
    /// Something is known that is not in the file.
    is_changed: AtomicBool,
}

impl MetadataStore {
    /// Reads the file in `dir`, if there is one. A damaged one is set aside, and its good records are used.
    pub(crate) fn open(
        fs: &dyn Fs,
        quarantine: &Quarantine,
        dir: &Path,
        salt: u64,
    ) -> Result<Self> {
        let store = Self::empty(salt);
        if store.load(fs, dir)? == RecordFileState::Damaged {
            let path = store.file.path(dir);
            tracing::error!(file = %path.display(), "the metadata file is damaged; what can be read of it is used");
            quarantine.set_aside(&path)?;
            store.is_changed.store(true, Ordering::Release);
        }
        Ok(store)
    }

    /// Whether the file in `dir`, if there is one, is good; nothing is changed.
    pub(crate) fn inspect(fs: &dyn Fs, dir: &Path, salt: u64) -> Result<bool> {
        Ok(Self::empty(salt).load(fs, dir)? != RecordFileState::Damaged)
    }

    fn empty(salt: u64) -> Self {
        Self {
            file: RecordFile::new(FILE, LogKind::Metadata, salt),
            by_name: RwLock::default(),
            is_changed: AtomicBool::new(false),
        }
    }

    /// Reads the file. Nothing is ever appended to it, so that a torn end is damage.
    fn load(&self, fs: &dyn Fs, dir: &Path) -> Result<RecordFileState> {
        let mut known = self.by_name.write();
        let state = self.file.read(fs, dir, |kind, plain| {
            if kind != KIND_ENTRIES {
                return Err(chronoxide_format::Error::UnknownCodec {
                    what: "metadata record",
                    id: kind,
                });
            }
            known.extend(chronoxide_format::metadata::decode(plain)?);
            Ok(())
        })?;
        Ok(match state {
            RecordFileState::TornEnd => RecordFileState::Damaged,
            state => state,
        })
    }

    /// Writes everything known to the file, if that has changed. Nothing is lost when it fails: see the log.
    pub(crate) fn save(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        if !self.is_changed.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        let saved = self.write(fs, dir);
        if saved.is_err() {
            self.is_changed.store(true, Ordering::Release);
        }
        saved
    }

    /// Writes a file with everything known, in any directory.
    pub(crate) fn write(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        let records = self.records(dir)?;
        self.file.write(fs, dir, &records).map(drop)
    }

    fn records(&self, dir: &Path) -> Result<Vec<Payload>> {
        let all = self.all();
        let records = all.chunks(RECORD_ENTRIES).map(|entries| {
            let mut plain = Vec::new();
            chronoxide_format::metadata::encode(entries, &mut plain);
            Payload::new(KIND_ENTRIES, &plain)
                .map_err(|source| Error::format(&self.file.path(dir), source))
        });
        records.collect()
    }

    /// Those of `entries` that say something new.
    pub(crate) fn news(&self, entries: &[(String, Metadata)]) -> Vec<(String, Metadata)> {
        if entries.is_empty() {
            return Vec::new();
        }
        let known = self.by_name.read();
        let is_news = |(name, metadata): &&(String, Metadata)| known.get(name) != Some(metadata);
        entries.iter().filter(is_news).cloned().collect()
    }

    /// Takes over what is durable now.
    pub(crate) fn insert(&self, entries: Vec<(String, Metadata)>) {
        if !entries.is_empty() {
            self.by_name.write().extend(entries);
            self.is_changed.store(true, Ordering::Release);
        }
    }

    /// What is known of metric `name`.
    pub(crate) fn get(&self, name: &str) -> Option<Metadata> {
        self.by_name.read().get(name).cloned()
    }

    /// Everything known, by name.
    pub(crate) fn all(&self) -> Vec<(String, Metadata)> {
        let known = self.by_name.read();
        let entries = known.iter();
        entries
            .map(|(name, metadata)| (name.clone(), metadata.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{ManualClock, RealFs};

    fn open(dir: &Path) -> (MetadataStore, Quarantine) {
        let quarantine = Quarantine::new(Arc::new(RealFs), Arc::new(ManualClock::new(0)));
        (
            MetadataStore::open(&RealFs, &quarantine, dir, 5).unwrap(),
            quarantine,
        )
    }

    fn entry(name: &str, help: &str) -> (String, Metadata) {
        let metadata = Metadata {
            help: help.to_owned(),
            ..Metadata::default()
        };
        (name.to_owned(), metadata)
    }

    #[test]
    fn only_news_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let news = store.news(&[entry("up", "a")]);
        assert_eq!(news.len(), 1);
        store.insert(news);
        assert!(store.news(&[entry("up", "a")]).is_empty());
        store.insert(store.news(&[entry("up", "b")]));
        assert_eq!(store.get("up").unwrap().help, "b");
        assert_eq!(store.all().len(), 1);
        assert_eq!(store.get("down"), None);
    }

    #[test]
    fn what_was_saved_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        store.save(&RealFs, dir.path()).unwrap();
        assert!(!dir.path().join(FILE).exists(), "nothing was known");
        let entries: Vec<_> = (0..3000).map(|n| entry(&format!("m{n}"), "help")).collect();
        store.insert(entries);
        store.save(&RealFs, dir.path()).unwrap();
        let (again, quarantine) = open(dir.path());
        assert_eq!(again.all(), store.all());
        assert_eq!(quarantine.count(), 0);
    }

    #[test]
    fn a_damaged_file_is_set_aside_and_what_is_good_of_it_used() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        store.insert(
            (0..3000)
                .map(|n| entry(&format!("m{n:04}"), "help"))
                .collect(),
        );
        store.save(&RealFs, dir.path()).unwrap();
        let path = dir.path().join(FILE);
        let good = std::fs::read(&path).unwrap();
        for cut in [0, 10, good.len() / 2, good.len() - 1] {
            std::fs::write(&path, &good[..cut]).unwrap();
            let (read, quarantine) = open(dir.path());
            assert_eq!(quarantine.count(), 1, "cut at {cut}");
            let all = store.all();
            assert!(read.all().iter().all(|entry| all.contains(entry)));
            assert!(read.all().len() < 3000);
        }
    }
}
