//! The directories of the partitions: which parts they hold, and how a part comes and goes.
//!
//! A directory `parts/2026-11-21` has one manifest and the parts it lists. A part is written, synced and renamed into
//! place, then listed; it counts from then on. What a crash leaves unlisted is set aside when the database is opened.
//! A partition is dropped by renaming its directory, which is the moment it is gone, and removing what was in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::manifest::{ManifestEdit, PartEntry};

use crate::manifest::{Manifest, ManifestReport};
use crate::part::{ColumnCache, Part, PartHeader, PartSummary, PartWriter};
use crate::partition::Partition;
use crate::quarantine::Quarantine;
use crate::{Error, Fs, Result};

/// The directory below the data directory.
pub(crate) const ROOT: &str = "parts";

/// What the directory of a partition that was dropped is called until it is empty.
const DROPPED: &str = ".dropped";

/// The partitions on disk.
#[derive(Debug)]
pub(crate) struct Partitions {
    fs: Arc<dyn Fs>,
    quarantine: Arc<Quarantine>,
    root: PathBuf,
    salt: u64,
    manifests: BTreeMap<Partition, Manifest>,
    next_number: u64,
    columns: Arc<ColumnCache>,
}

/// Where a new part goes.
#[derive(Debug)]
pub(crate) struct PartPlace {
    dir: PathBuf,
    name: String,
}

impl PartPlace {
    /// A writer of the part that goes here.
    pub(crate) fn writer<'a>(&self, fs: &'a dyn Fs, header: PartHeader) -> Result<PartWriter<'a>> {
        PartWriter::create(fs, &self.dir, &self.name, header)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// The parts that were found, by partition.
pub(crate) type FoundParts = BTreeMap<Partition, Vec<Arc<Part>>>;

impl Partitions {
    /// Opens all partitions below `data_dir`. Damaged and unlisted parts are set aside, the others are returned.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        quarantine: Arc<Quarantine>,
        data_dir: &Path,
        salt: u64,
        columns: ColumnCache,
    ) -> Result<(Self, FoundParts)> {
        let root = data_dir.join(ROOT);
        fs.create_dir_all(&root)?;
        let mut partitions = Self {
            fs,
            quarantine,
            root,
            salt,
            manifests: BTreeMap::new(),
            next_number: 1,
            columns: Arc::new(columns),
        };
        let mut found = FoundParts::new();
        for entry in partitions.fs.list(&partitions.root)? {
            if !entry.is_dir {
                continue;
            }
            if entry.name.ends_with(DROPPED) {
                partitions.remove_dropped(&partitions.root.join(&entry.name))?;
            } else if let Some(partition) = Partition::from_name(&entry.name) {
                let parts = partitions.open_partition(partition)?;
                if !parts.is_empty() {
                    found.insert(partition, parts);
                }
            } else {
                tracing::warn!(
                    directory = entry.name,
                    "a directory among the partitions is not named after a partition"
                );
            }
        }
        Ok((partitions, found))
    }

    fn dir(&self, partition: Partition) -> PathBuf {
        self.root.join(partition.to_string())
    }

    fn open_partition(&mut self, partition: Partition) -> Result<Vec<Arc<Part>>> {
        let dir = self.dir(partition);
        let (mut manifest, report) = self.open_manifest(&dir)?;
        if report.damaged {
            self.list_found(&dir, &mut manifest)?;
        }
        let listed = manifest.parts().to_vec();
        let mut parts = Vec::new();
        for entry in &listed {
            match self.open_listed(&dir, entry) {
                Ok(part) => parts.push(Arc::new(part)),
                Err(error) if is_damage(&error) => {
                    tracing::error!(
                        part = %dir.join(&entry.name).display(),
                        error = &error as &dyn std::error::Error,
                        "a part is damaged; its samples are missing from now on, the others are served"
                    );
                    self.set_aside(&dir, &entry.name)?;
                    manifest.apply(&removal(&entry.name))?;
                }
                Err(error) => return Err(error),
            }
        }
        self.set_unlisted_aside(&dir, &mut manifest, &listed)?;
        parts.sort_by_key(|part| {
            let header = part.summary().header;
            (header.wal_seq_max, header.wal_seq_min)
        });
        self.manifests.insert(partition, manifest);
        Ok(parts)
    }

    fn open_manifest(&self, dir: &Path) -> Result<(Manifest, ManifestReport)> {
        Manifest::open(Arc::clone(&self.fs), &self.quarantine, dir, self.salt)
    }

    /// Lists the good parts that a damaged manifest does not name. They may have been live; and if a merge had replaced
    /// them, they repeat what its output has, which reads the same.
    fn list_found(&self, dir: &Path, manifest: &mut Manifest) -> Result<()> {
        for file in self.fs.list(dir)? {
            let is_listed = manifest.parts().iter().any(|part| part.name == file.name);
            if is_listed || !file.name.ends_with(EXTENSION) {
                continue;
            }
            let path = dir.join(&file.name);
            if let Ok(part) = Part::open(self.fs.as_ref(), &path) {
                tracing::warn!(part = %path.display(), "took over a part that the damaged manifest does not name");
                manifest.apply(&ManifestEdit {
                    added: vec![entry(part.summary())],
                    removed: Vec::new(),
                })?;
            }
        }
        Ok(())
    }

    fn open_listed(&self, dir: &Path, entry: &PartEntry) -> Result<Part> {
        let path = dir.join(&entry.name);
        let bytes = self.fs.len(&path)?;
        if bytes != entry.bytes {
            return Err(Error::format(
                &path,
                chronoxide_format::Error::Truncated {
                    what: "part",
                    offset: usize::try_from(bytes).unwrap_or(usize::MAX),
                },
            ));
        }
        Part::open_with(self.fs.as_ref(), &path, Arc::clone(&self.columns))
    }

    /// Sets aside the parts that no manifest lists, and removes what a writer left unfinished.
    fn set_unlisted_aside(
        &mut self,
        dir: &Path,
        manifest: &mut Manifest,
        listed: &[PartEntry],
    ) -> Result<()> {
        for entry in self.fs.list(dir)? {
            let path = dir.join(&entry.name);
            self.note_number(&entry.name);
            if entry.name.ends_with(".tmp") {
                // Never complete, so never the only place of a sample: they are in the log or in listed parts.
                self.fs.remove(&path)?;
            } else if entry.name.ends_with(EXTENSION)
                && listed.iter().all(|part| part.name != entry.name)
            {
                tracing::warn!(part = %path.display(), "a part is not listed in its manifest");
                // The edit that left it out may be in the system's cache only, and vanish with the power.
                manifest.ensure_durable()?;
                self.set_aside(dir, &entry.name)?;
            }
        }
        Ok(())
    }

    fn set_aside(&self, dir: &Path, name: &str) -> Result<()> {
        match self.quarantine.set_aside(&dir.join(name)) {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// Keeps new names different from every name there is.
    fn note_number(&mut self, name: &str) {
        let number = name
            .split(['-', '.'])
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok());
        if let Some(number) = number {
            self.next_number = self.next_number.max(number.saturating_add(1));
        }
    }

    /// The partitions that have a directory, ascending.
    pub(crate) fn existing(&self) -> impl Iterator<Item = Partition> + '_ {
        self.manifests.keys().copied()
    }

    /// Where the next part of a partition goes; its directory is made if need be.
    pub(crate) fn place_for(&mut self, partition: Partition, level: u8) -> Result<PartPlace> {
        let dir = self.dir(partition);
        if !self.manifests.contains_key(&partition) {
            self.fs.create_dir_all(&dir)?;
            let (manifest, _) = self.open_manifest(&dir)?;
            self.manifests.insert(partition, manifest);
        }
        let number = self.next_number;
        self.next_number += 1;
        let name = format!("{level}-{number:06}{EXTENSION}");
        Ok(PartPlace { dir, name })
    }

    /// Lists a part that is in its place, and opens it.
    pub(crate) fn add(&mut self, partition: Partition, summary: &PartSummary) -> Result<Arc<Part>> {
        let part = self.replace(partition, &[], Some(summary))?;
        Ok(part.expect("a part was given"))
    }

    /// Lists `new` instead of `old`, in one step, and removes the files of `old`; who reads them goes on reading.
    pub(crate) fn replace(
        &mut self,
        partition: Partition,
        old: &[Arc<Part>],
        new: Option<&PartSummary>,
    ) -> Result<Option<Arc<Part>>> {
        let opened = match new {
            Some(summary) => {
                let columns = Arc::clone(&self.columns);
                Some(Arc::new(Part::open_with(
                    self.fs.as_ref(),
                    &summary.path,
                    columns,
                )?))
            }
            None => None,
        };
        let edit = ManifestEdit {
            added: new.map(entry).into_iter().collect(),
            removed: old
                .iter()
                .map(|part| file_name(&part.summary().path))
                .collect(),
        };
        let manifest =
            self.manifests
                .get_mut(&partition)
                .ok_or_else(|| Error::InvalidArgument {
                    what: "partition",
                    reason: format!("{partition} was dropped meanwhile"),
                })?;
        manifest.apply(&edit)?;
        for part in old {
            let path = &part.summary().path;
            if let Err(error) = self.fs.remove(path) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(part = %path.display(), error, "could not remove a part that is no longer listed");
            }
        }
        Ok(opened)
    }

    /// Drops a partition with all its parts: all or nothing, even in a crash. Who reads the parts goes on reading.
    ///
    /// # Errors
    /// When nothing was dropped. Files that could not be removed afterwards go when the database is opened.
    pub(crate) fn drop_partition(&mut self, partition: Partition) -> Result<()> {
        let dir = self.dir(partition);
        let dropped = self.root.join(format!("{partition}{DROPPED}"));
        if self.fs.exists(&dropped)? {
            self.remove_dropped(&dropped)?;
        }
        self.fs.rename(&dir, &dropped)?;
        self.manifests.remove(&partition);
        let synced = self.fs.sync_dir(&self.root);
        if let Err(error) = synced.and_then(|()| self.remove_dropped(&dropped)) {
            tracing::warn!(
                directory = %dropped.display(),
                error = &error as &dyn std::error::Error,
                "could not remove the files of a dropped partition"
            );
        }
        Ok(())
    }

    /// Removes what is left of a dropped partition.
    fn remove_dropped(&self, dir: &Path) -> Result<()> {
        for entry in self.fs.list(dir)? {
            self.fs.remove(&dir.join(entry.name))?;
        }
        self.fs.remove_dir(dir)?;
        self.fs.sync_dir(&self.root)
    }

    /// The highest number of a log record whose samples are in a listed part, damaged ones included.
    pub(crate) fn wal_seq_max(&self) -> u64 {
        let manifests = self.manifests.values();
        let parts = manifests.flat_map(Manifest::parts);
        parts.map(|part| part.wal_seq_max).max().unwrap_or(0)
    }
}

/// What names of parts end in.
pub(crate) const EXTENSION: &str = ".part";

pub(crate) fn entry(summary: &PartSummary) -> PartEntry {
    PartEntry {
        name: file_name(&summary.path),
        bytes: summary.bytes,
        wal_seq_min: summary.header.wal_seq_min,
        wal_seq_max: summary.header.wal_seq_max,
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn removal(name: &str) -> ManifestEdit {
    ManifestEdit {
        added: Vec::new(),
        removed: vec![name.to_owned()],
    }
}

/// Whether an error means that a part is not what it should be, in this version.
fn is_damage(error: &Error) -> bool {
    match error {
        Error::Format { source, .. } => {
            !matches!(source, chronoxide_format::Error::UnsupportedVersion { .. })
        }
        error => error.is_not_found(),
    }
}
