//! Type, help and unit of metrics, by name.
//!
//! What a sender says of a metric goes through the write-ahead log like its samples. Before the log lets go of it, all
//! that is known is written to one file, anew each time something changed: it is small, and rarely changes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use chronoxide_format::log::{
    FILE_HEADER_BYTES_MAX, FileHeader, Found, LogIdentity, LogKind, Payload, Scan,
};
use chronoxide_model::Metadata;
use parking_lot::RwLock;

use crate::quarantine::Quarantine;
use crate::{Error, Fs, Result};

/// The file, below the data directory.
const FILE: &str = "METADATA";
const TEMP_FILE: &str = "METADATA.tmp";

/// Type of a record that holds entries.
const KIND_ENTRIES: u8 = 1;

/// Entries of one record.
const RECORD_ENTRIES: usize = 1024;

/// What is known of each metric.
#[derive(Debug)]
pub(crate) struct MetadataStore {
    identity: LogIdentity,
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
        let path = dir.join(FILE);
        if fs.exists(&path)? {
            let is_whole = store.load(&path, &fs.read(&path)?)?;
            if !is_whole {
                tracing::error!(file = %path.display(), "the metadata file is damaged; what can be read of it is used");
                quarantine.set_aside(&path)?;
            }
            store.is_changed.store(!is_whole, Ordering::Release);
        }
        Ok(store)
    }

    /// Whether the file in `dir`, if there is one, is good; nothing is changed.
    pub(crate) fn inspect(fs: &dyn Fs, dir: &Path, salt: u64) -> Result<bool> {
        let path = dir.join(FILE);
        if !fs.exists(&path)? {
            return Ok(true);
        }
        Self::empty(salt).load(&path, &fs.read(&path)?)
    }

    fn empty(salt: u64) -> Self {
        Self {
            identity: LogIdentity {
                salt,
                kind: LogKind::Metadata,
                number: 0,
            },
            by_name: RwLock::default(),
            is_changed: AtomicBool::new(false),
        }
    }

    /// Reads the content of the file; whether all of it is good.
    fn load(&self, path: &Path, content: &[u8]) -> Result<bool> {
        let head = content.get(..FILE_HEADER_BYTES_MAX).unwrap_or(content);
        let header = match FileHeader::decode(head, &self.identity) {
            Ok(header) => header,
            Err(source @ chronoxide_format::Error::UnsupportedVersion { .. }) => {
                return Err(Error::format(path, source));
            }
            Err(_) => return Ok(false),
        };
        let mut is_whole = true;
        let mut records = 0;
        let mut known = self.by_name.write();
        for found in Scan::new(self.identity, content, header.encoded_len()) {
            let Found::Record(record) = found else {
                is_whole = false;
                continue;
            };
            records += 1;
            let plain = record
                .plain()
                .and_then(|plain| chronoxide_format::metadata::decode(&plain));
            match plain {
                Ok(entries) if record.kind == KIND_ENTRIES => known.extend(entries),
                _ => is_whole = false,
            }
        }
        // The header says how many records were written with it.
        Ok(is_whole && records == header.first_seq)
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

    fn write(&self, fs: &dyn Fs, dir: &Path) -> Result<()> {
        let temp = dir.join(TEMP_FILE);
        let content = self
            .encode()
            .map_err(|source| Error::format(&temp, source))?;
        if fs.exists(&temp)? {
            fs.remove(&temp)?;
        }
        let file = fs.create_new(&temp)?;
        file.append(&content)?;
        file.sync_all()?;
        drop(file);
        fs.rename(&temp, &dir.join(FILE))?;
        fs.sync_dir(dir)
    }

    fn encode(&self) -> chronoxide_format::Result<Vec<u8>> {
        let all = self.all();
        let records = all.len().div_ceil(RECORD_ENTRIES) as u64;
        let header = FileHeader {
            first_seq: records,
            ..FileHeader::default()
        };
        let mut content = Vec::new();
        header.encode(&self.identity, &mut content);
        for (sequence, entries) in (1..).zip(all.chunks(RECORD_ENTRIES)) {
            let mut plain = Vec::new();
            chronoxide_format::metadata::encode(entries, &mut plain);
            Payload::new(KIND_ENTRIES, &plain)?.frame(&self.identity, sequence, 0, &mut content);
        }
        Ok(content)
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
