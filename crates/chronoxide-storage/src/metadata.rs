//! Type, help and unit of metrics, by name.
//!
//! What a sender says of a metric goes through the write-ahead log like its samples. Before the log lets go of it, all
//! that is known is written to one file, anew each time something changed: it is small, and rarely changes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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

/// Longer texts are cut.
const TEXT_BYTES_MAX: usize = 4 << 10;

#[derive(Debug, Default)]
struct Known {
    /// One entry for each type that a metric is said to have; what was said last is last.
    by_name: BTreeMap<String, Vec<Metadata>>,
    bytes: usize,
}

/// What is known of each metric.
#[derive(Debug)]
pub(crate) struct MetadataStore {
    file: RecordFile,
    /// Bytes that all of it may take in memory, and about what the file may take. What is known stays beyond it.
    bytes_max: usize,
    known: RwLock<Known>,
    refused: AtomicU64,
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
        bytes_max: usize,
    ) -> Result<Self> {
        let store = Self::empty(salt, bytes_max);
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
        Ok(Self::empty(salt, 0).load(fs, dir)? != RecordFileState::Damaged)
    }

    fn empty(salt: u64, bytes_max: usize) -> Self {
        Self {
            file: RecordFile::new(FILE, LogKind::Metadata, salt),
            bytes_max,
            known: RwLock::default(),
            refused: AtomicU64::new(0),
            is_changed: AtomicBool::new(false),
        }
    }

    /// Reads the file. Nothing is ever appended to it, so that a torn end is damage.
    fn load(&self, fs: &dyn Fs, dir: &Path) -> Result<RecordFileState> {
        let mut known = self.known.write();
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

    /// Those of `entries` that say something new and have room, and how many have none.
    pub(crate) fn news(&self, entries: &[(String, Metadata)]) -> (Vec<(String, Metadata)>, u64) {
        if entries.is_empty() {
            return (Vec::new(), 0);
        }
        let known = self.known.read();
        let mut room = self.bytes_max.saturating_sub(known.bytes);
        let (mut news, mut refused) = (Vec::new(), 0);
        for (name, metadata) in entries {
            let metadata = shortened(metadata);
            let types = known.by_name.get(name);
            if types.is_some_and(|types| types.contains(&metadata)) {
                continue;
            }
            let bytes = entry_bytes(name, &metadata);
            match room.checked_sub(bytes) {
                Some(left) => {
                    room = left;
                    news.push((name.clone(), metadata.into_owned()));
                }
                None => {
                    self.note_refused(name);
                    refused += 1;
                }
            }
        }
        (news, refused)
    }

    fn note_refused(&self, name: &str) {
        if self.refused.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                metric = name,
                bytes_max = self.bytes_max,
                "there is no room for the type and help of more metrics; this is said once"
            );
        }
    }

    /// Takes over what is durable now.
    pub(crate) fn insert(&self, entries: Vec<(String, Metadata)>) {
        if !entries.is_empty() {
            self.known.write().extend(entries);
            self.is_changed.store(true, Ordering::Release);
        }
    }

    /// What is known of metric `name`, as it was said last.
    pub(crate) fn get(&self, name: &str) -> Option<Metadata> {
        self.known.read().by_name.get(name)?.last().cloned()
    }

    /// What is known of metric `name`, one entry for each type, the one said last first.
    pub(crate) fn types(&self, name: &str) -> Vec<Metadata> {
        let known = self.known.read();
        let types = known.by_name.get(name).into_iter().flatten();
        types.rev().cloned().collect()
    }

    /// Everything known, by name; of several types of one name each, the one said last being last.
    pub(crate) fn all(&self) -> Vec<(String, Metadata)> {
        let known = self.known.read();
        let entries = known.by_name.iter();
        let entries =
            entries.flat_map(|(name, types)| types.iter().map(move |metadata| (name, metadata)));
        entries
            .map(|(name, metadata)| (name.clone(), metadata.clone()))
            .collect()
    }

    /// Bytes that everything known takes in memory, roughly.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.known.read().bytes
    }

    /// How many entries were refused because there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Known {
    /// Of one name and type, what was said last counts.
    fn extend(&mut self, entries: impl IntoIterator<Item = (String, Metadata)>) {
        for (name, metadata) in entries {
            self.bytes += entry_bytes(&name, &metadata);
            // Nearly all metrics have one type.
            let types = self.by_name.entry(name.clone());
            let types = types.or_insert_with(|| Vec::with_capacity(1));
            let same_type = |known: &Metadata| known.metric_type == metadata.metric_type;
            for old in types.extract_if(.., |known| same_type(known)) {
                self.bytes -= entry_bytes(&name, &old);
            }
            types.push(metadata);
        }
    }
}

/// Bytes that an entry takes in memory, roughly.
fn entry_bytes(name: &str, metadata: &Metadata) -> usize {
    // The map's part, and what the allocations of four texts and lists take beside their content.
    const OVERHEAD: usize = 2 * (size_of::<String>() + size_of::<Vec<Metadata>>()) + 4 * 16;
    OVERHEAD + size_of::<Metadata>() + name.len() + metadata.help.len() + metadata.unit.len()
}

/// The same with texts cut to [`TEXT_BYTES_MAX`].
fn shortened(metadata: &Metadata) -> Cow<'_, Metadata> {
    if metadata.help.len() <= TEXT_BYTES_MAX && metadata.unit.len() <= TEXT_BYTES_MAX {
        return Cow::Borrowed(metadata);
    }
    let cut = |text: &str| text[..text.floor_char_boundary(TEXT_BYTES_MAX)].to_owned();
    Cow::Owned(Metadata {
        metric_type: metadata.metric_type,
        help: cut(&metadata.help),
        unit: cut(&metadata.unit),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chronoxide_model::MetricType;

    use super::*;
    use crate::{ManualClock, RealFs};

    fn open(dir: &Path) -> (MetadataStore, Quarantine) {
        open_within(dir, 4 << 20)
    }

    fn open_within(dir: &Path, bytes_max: usize) -> (MetadataStore, Quarantine) {
        let quarantine = Quarantine::new(Arc::new(RealFs), Arc::new(ManualClock::new(0)));
        let store = MetadataStore::open(&RealFs, &quarantine, dir, 5, bytes_max);
        (store.unwrap(), quarantine)
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
        let (news, refused) = store.news(&[entry("up", "a")]);
        assert_eq!((news.len(), refused), (1, 0));
        store.insert(news);
        assert_eq!(store.news(&[entry("up", "a")]), (Vec::new(), 0));
        store.insert(store.news(&[entry("up", "b")]).0);
        assert_eq!(store.get("up").unwrap().help, "b");
        assert_eq!(store.all().len(), 1);
        assert_eq!(store.get("down"), None);
    }

    #[test]
    fn a_metric_with_several_types_has_an_entry_for_each() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let of_type = |metric_type, help: &str| Metadata {
            metric_type,
            help: help.to_owned(),
            unit: String::new(),
        };
        let say = |metadata: &Metadata| {
            let (news, _) = store.news(&[("m".to_owned(), metadata.clone())]);
            let is_news = !news.is_empty();
            store.insert(news);
            is_news
        };
        let counter = of_type(MetricType::Counter, "a");
        let gauge = of_type(MetricType::Gauge, "a");
        let renamed = of_type(MetricType::Counter, "b");
        assert!(say(&counter) && say(&gauge) && say(&renamed));
        // Senders that disagree for ever bring no news.
        assert!(!say(&gauge) && !say(&renamed));
        let expected = [renamed.clone(), gauge];
        assert_eq!(store.types("m"), expected);
        assert_eq!(store.get("m"), Some(renamed));
        store.save(&RealFs, dir.path()).unwrap();
        assert_eq!(open(dir.path()).0.types("m"), expected);
    }

    #[test]
    fn texts_are_cut_between_characters_and_the_whole_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let help = "é".repeat(5000);
        for n in 0..1200 {
            let (news, refused) = store.news(&[entry(&format!("m{n}"), &help)]);
            assert_eq!(news.len() as u64 + refused, 1);
            store.insert(news);
            assert!(store.memory_bytes() <= 4 << 20);
        }
        assert_eq!(store.get("m0").unwrap().help, "é".repeat(2048));
        let kept = store.all().len();
        assert!((900..1000).contains(&kept), "{kept}");
        assert_eq!(store.refused(), 1200 - kept as u64);
        // What is known is still no news, and needs no room.
        assert_eq!(store.news(&[entry("m0", &help)]), (Vec::new(), 0));
        assert_eq!(store.refused(), 1200 - kept as u64);
    }

    #[test]
    fn what_is_known_stays_when_there_is_less_room_than_before() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = open(dir.path());
        let entries: Vec<_> = (0..100).map(|n| entry(&format!("m{n}"), "help")).collect();
        store.insert(entries.clone());
        store.save(&RealFs, dir.path()).unwrap();
        let (narrow, _) = open_within(dir.path(), 1000);
        assert_eq!(narrow.all(), store.all());
        assert_eq!(narrow.memory_bytes(), store.memory_bytes());
        assert_eq!(narrow.news(&entries), (Vec::new(), 0));
        assert_eq!(narrow.news(&[entry("new", "help")]), (Vec::new(), 1));
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
