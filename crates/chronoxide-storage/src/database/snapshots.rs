//! Snapshots: directories below `snapshots` with the parts of one moment, which can be opened as databases.
//!
//! Parts never change, so that a snapshot has hard links to them; what changes is written once more, small as it is. A
//! snapshot is made under a name that ends in `.tmp` and renamed when all of it is durable; it is removed the other way
//! round. What a crash leaves in between goes when the database is opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::manifest::ManifestEdit;

use super::engine::Engine;
use crate::catalog::Snapshot;
use crate::data_dir;
use crate::lock::DirLock;
use crate::manifest::Manifest;
use crate::part::Part;
use crate::partition::{Partition, PartitionWidth, TIME_MAX_MS, TIME_MIN_MS};
use crate::partitions::{ROOT, entry};
use crate::{Error, Fs, Result};

/// The directory below the data directory.
const SNAPSHOTS: &str = "snapshots";

/// What names of snapshots end in that are not complete.
const UNFINISHED: &str = ".tmp";

impl Engine {
    /// Makes a snapshot, of the samples in memory too unless `skip_head`; returns its directory.
    pub(super) fn snapshot(&self, skip_head: bool) -> Result<PathBuf> {
        if self.is_closed() {
            return Err(Error::Closed);
        }
        if !skip_head {
            self.flush()?;
        }
        let root = self.dir.join(SNAPSHOTS);
        self.fs.create_dir_all(&root)?;
        let name = self.snapshot_name();
        let unfinished = root.join(format!("{name}{UNFINISHED}"));
        let dir = root.join(name);
        let made = self
            .fill_snapshot(&unfinished)
            .and_then(|()| self.fs.rename(&unfinished, &dir))
            .and_then(|()| self.fs.sync_dir(&root));
        if let Err(error) = made {
            // What cannot be removed now goes when the database is opened.
            let _ = self.discard(&dir, &unfinished);
            return Err(error);
        }
        Ok(dir)
    }

    /// Removes a snapshot under either name; it is not to be seen half removed under the first.
    fn discard(&self, dir: &Path, unfinished: &Path) -> Result<()> {
        if self.fs.exists(dir)? {
            self.fs.rename(dir, unfinished)?;
            self.fs.sync_dir(&self.dir.join(SNAPSHOTS))?;
        }
        if self.fs.exists(unfinished)? {
            remove_tree(self.fs.as_ref(), unfinished)?;
        }
        Ok(())
    }

    /// The time, to be read by people, and a number, so that it is not given twice.
    fn snapshot_name(&self) -> String {
        let now_ms = self.clock.now_ms().clamp(TIME_MIN_MS, TIME_MAX_MS);
        let day = Partition::of(now_ms, PartitionWidth::Day);
        let seconds = (now_ms - day.range().min_ms()) / 1000;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let date = day.to_string().replace('-', "");
        let random = data_dir::random();
        format!(
            "{date}T{hours:02}{minutes:02}{:02}Z-{random:016x}",
            seconds % 60
        )
    }

    fn fill_snapshot(&self, dir: &Path) -> Result<()> {
        let fs = self.fs.as_ref();
        fs.create_dir(dir)?;
        let parts_dir = dir.join(ROOT);
        fs.create_dir(&parts_dir)?;
        // While this is held, no part comes or goes.
        let files = self.files.lock();
        let snapshot = self.sink.catalog.snapshot();
        for (partition, parts) in &snapshot.partitions {
            self.link_partition(&parts_dir.join(partition.to_string()), parts)?;
        }
        drop(files);
        fs.sync_dir(&parts_dir)?;
        self.write_small_files(dir, &snapshot)?;
        data_dir::copy_format(fs, &self.dir, dir)?;
        fs.sync_dir(dir)
    }

    /// Makes a partition's directory with links to `parts`, and the manifest that lists them.
    fn link_partition(&self, dir: &Path, parts: &[Arc<Part>]) -> Result<()> {
        self.fs.create_dir(dir)?;
        for part in parts {
            let path = &part.summary().path;
            let name = path.file_name().unwrap_or_default();
            self.fs.hard_link(path, &dir.join(name))?;
        }
        let fs = Arc::clone(&self.fs);
        let salt = self.data_dir.header.log_salt;
        let (mut manifest, _) = Manifest::open(fs, &self.quarantine, dir, salt)?;
        manifest.apply(&ManifestEdit {
            added: parts.iter().map(|part| entry(part.summary())).collect(),
            removed: Vec::new(),
        })
    }

    /// Writes what is kept beside the parts.
    fn write_small_files(&self, dir: &Path, snapshot: &Snapshot) -> Result<()> {
        let fs = self.fs.as_ref();
        self.sink.metadata.write(fs, dir)?;
        self.sink.exemplars.write(fs, dir)?;
        self.sink.state.write(fs, dir)?;
        self.sink.tombstones.write(fs, dir, &snapshot.tombstones)
    }

    /// Names of the snapshots, oldest first.
    pub(super) fn list_snapshots(&self) -> Result<Vec<String>> {
        let root = self.dir.join(SNAPSHOTS);
        if !self.fs.exists(&root)? {
            return Ok(Vec::new());
        }
        let entries = self.fs.list(&root)?.into_iter();
        let complete = entries.filter(|entry| entry.is_dir && !entry.name.ends_with(UNFINISHED));
        Ok(complete.map(|entry| entry.name).collect())
    }

    pub(super) fn delete_snapshot(&self, name: &str) -> Result<()> {
        if !self.list_snapshots()?.iter().any(|known| known == name) {
            return Err(Error::InvalidArgument {
                what: "snapshot name",
                reason: format!("there is no snapshot {name:?}"),
            });
        }
        let root = self.dir.join(SNAPSHOTS);
        let dir = root.join(name);
        // Not one that is open as a database.
        drop(DirLock::acquire(self.fs.as_ref(), &dir)?);
        self.discard(&dir, &root.join(format!("{name}{UNFINISHED}")))
    }
}

/// Removes what is left of snapshots that were not finished, or being removed.
pub(super) fn remove_unfinished(fs: &dyn Fs, data_dir: &Path) -> Result<()> {
    let root = data_dir.join(SNAPSHOTS);
    if !fs.exists(&root)? {
        return Ok(());
    }
    for entry in fs.list(&root)? {
        if entry.is_dir && entry.name.ends_with(UNFINISHED) {
            remove_tree(fs, &root.join(entry.name))?;
        }
    }
    Ok(())
}

fn remove_tree(fs: &dyn Fs, dir: &Path) -> Result<()> {
    for entry in fs.list(dir)? {
        let path = dir.join(entry.name);
        if entry.is_dir {
            remove_tree(fs, &path)?;
        } else {
            fs.remove(&path)?;
        }
    }
    fs.remove_dir(dir)
}
