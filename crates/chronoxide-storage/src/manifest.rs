//! Which parts a partition has.
//!
//! Each partition's directory has one MANIFEST, a log of edits. An edit counts once it is durable; adding a merge's
//! output and removing its inputs is one edit. A manifest grown long is written anew beside itself and renamed.
//!
//! A failed write or sync gives the file up: the state it should have is written to a new file. When that fails too,
//! the edit is refused, nothing has changed as far as callers can tell, and the next edit writes a new file first.
//! So does the first edit after opening: what an earlier process left may be in the system's cache only.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chronoxide_format::log::{
    FILE_HEADER_BYTES_MAX, FileHeader, Found, LogIdentity, LogKind, Scan,
};
use chronoxide_format::manifest::{KIND_EDIT, ManifestEdit, PartEntry, is_valid_name};

use crate::quarantine::Quarantine;
use crate::{Error, Fs, FsFile, Result};

const FILE: &str = "MANIFEST";
const TEMP_FILE: &str = "MANIFEST.tmp";

/// A manifest is written anew when it is this large and mostly history.
const REWRITE_BYTES_MIN: u64 = 64 << 10;

/// The manifest of one partition. There is one writer.
#[derive(Debug)]
pub(crate) struct Manifest {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    identity: LogIdentity,
    parts: Vec<PartEntry>,
    /// The file to append to; `None` when it must be written anew first.
    file: Option<Box<dyn FsFile>>,
    bytes: u64,
    next_seq: u64,
}

/// What opening a manifest found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ManifestReport {
    /// Edits may be lost: a part file that the manifest does not name may be a live one, and must not be removed.
    pub(crate) damaged: bool,
    /// Bytes after the last good edit: of one that was never acknowledged, or (which cannot be told) of a damaged one.
    /// Rather set part files aside that the manifest does not name than remove them then.
    pub(crate) torn_bytes: u64,
}

impl Manifest {
    /// Opens the manifest in `dir`, an existing directory of a partition; without a file there are no parts. A
    /// damaged one is set aside, once what is left of it has been written to a new one.
    ///
    /// # Errors
    /// When it cannot be read, or is newer than this build.
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        quarantine: &Quarantine,
        dir: &Path,
        salt: u64,
    ) -> Result<(Self, ManifestReport)> {
        let mut manifest = Self::unread(fs, dir, salt);
        let temp = dir.join(TEMP_FILE);
        if manifest.fs.exists(&temp)? {
            // It was never renamed: nothing counts on it.
            manifest.fs.remove(&temp)?;
        }
        let (report, content) = manifest.load()?;
        if report.damaged {
            let path = manifest.path();
            tracing::error!(manifest = %path.display(), "a manifest is damaged; its good edits are used");
            // A copy, since the name must never be without a file.
            quarantine.keep_copy(&path, &content)?;
            manifest.ensure_durable()?;
        }
        Ok((manifest, report))
    }

    /// Reads the manifest in `dir` without changing anything.
    ///
    /// # Errors
    /// As [`Manifest::open`].
    pub(crate) fn inspect(
        fs: Arc<dyn Fs>,
        dir: &Path,
        salt: u64,
    ) -> Result<(Vec<PartEntry>, ManifestReport)> {
        let mut manifest = Self::unread(fs, dir, salt);
        let (report, _) = manifest.load()?;
        Ok((manifest.parts, report))
    }

    fn unread(fs: Arc<dyn Fs>, dir: &Path, salt: u64) -> Self {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        Self {
            fs,
            dir: dir.to_owned(),
            identity: LogIdentity {
                salt,
                kind: LogKind::Manifest,
                // Manifests have no number: the partition's name tells them apart.
                number: name
                    .bytes()
                    .fold(0, |hash: u64, byte| hash.rotate_left(8) ^ u64::from(byte)),
            },
            parts: Vec::new(),
            file: None,
            bytes: 0,
            next_seq: 1,
        }
    }

    /// Makes what was read durable, if it is not known to be. A failed sync of an earlier process may have left an
    /// edit that can be read, and yet vanishes with the power. So call this before removing a file that the manifest
    /// does not name; [`Manifest::apply`] does the same.
    ///
    /// # Errors
    /// When a new file cannot be written.
    pub(crate) fn ensure_durable(&mut self) -> Result<()> {
        if self.file.is_some() {
            return Ok(());
        }
        let parts = self.parts.clone();
        self.rewrite(&parts)
    }

    /// The live parts, in the order they were added.
    pub(crate) fn parts(&self) -> &[PartEntry] {
        &self.parts
    }

    /// Makes an edit durable. Parts that are removed stay on disk: unlinking them comes after this.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a removed part is not there, an added one is, or a name is no plain file
    /// name; otherwise when the edit could not be made durable: then it has not happened, and may be tried again.
    pub(crate) fn apply(&mut self, edit: &ManifestEdit) -> Result<()> {
        let mut parts = self.parts.clone();
        edit_parts(&mut parts, edit).map_err(|reason| Error::InvalidArgument {
            what: "manifest edit",
            reason,
        })?;
        if self.append(edit)?.is_none() {
            self.rewrite(&parts)?;
        }
        self.parts = parts;
        Ok(())
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// Appends an edit to the file; `None` when the file has to be written anew.
    fn append(&mut self, edit: &ManifestEdit) -> Result<Option<()>> {
        let live_bytes = 64 * (self.parts.len() as u64 + 1);
        if self.bytes > REWRITE_BYTES_MIN && self.bytes > 4 * live_bytes {
            self.file = None;
        }
        let Some(file) = &self.file else {
            return Ok(None);
        };
        let frame = self.frame(edit, self.next_seq)?;
        match file.append(&frame).and_then(|()| file.sync_data()) {
            Ok(()) => {
                self.bytes += frame.len() as u64;
                self.next_seq += 1;
                Ok(Some(()))
            }
            Err(error) => {
                tracing::error!(
                    manifest = %self.path().display(),
                    error = &error as &dyn std::error::Error,
                    "could not append to a manifest; writing it anew"
                );
                // Should writing it anew fail too, the refused edit had better not be found by the next process.
                let _ = file.set_len(self.bytes);
                self.file = None;
                Ok(None)
            }
        }
    }

    fn frame(&self, edit: &ManifestEdit, seq: u64) -> Result<Vec<u8>> {
        let payload = edit
            .to_payload()
            .map_err(|source| Error::format(&self.path(), source))?;
        let mut frame = Vec::new();
        payload.frame(&self.identity, seq, seq - 1, &mut frame);
        Ok(frame)
    }

    /// Writes `parts` to a new file and puts it in the old one's place.
    fn rewrite(&mut self, parts: &[PartEntry]) -> Result<()> {
        let temp = self.dir.join(TEMP_FILE);
        if self.fs.exists(&temp)? {
            self.fs.remove(&temp)?;
        }
        let all = ManifestEdit {
            added: parts.to_vec(),
            removed: Vec::new(),
        };
        let mut content = Vec::new();
        let header = FileHeader {
            first_seq: self.next_seq,
            durable_seq: self.next_seq - 1,
            released_seq: self.next_seq - 1,
            voids: Vec::new(),
        };
        header.encode(&self.identity, &mut content);
        content.extend_from_slice(&self.frame(&all, self.next_seq)?);
        let file = self.fs.create_new(&temp)?;
        file.append(&content)?;
        file.sync_all()?;
        self.fs.rename(&temp, &self.path())?;
        self.fs.sync_dir(&self.dir)?;
        self.file = Some(file);
        self.bytes = content.len() as u64;
        self.next_seq += 1;
        Ok(())
    }

    fn load(&mut self) -> Result<(ManifestReport, Vec<u8>)> {
        let path = self.path();
        let mut report = ManifestReport::default();
        if !self.fs.exists(&path)? {
            return Ok((report, Vec::new()));
        }
        let content = self.fs.read(&path)?;
        self.bytes = content.len() as u64;
        let head = content.get(..FILE_HEADER_BYTES_MAX).unwrap_or(&content);
        let header_len = match FileHeader::decode(head, &self.identity) {
            Ok(header) => {
                self.next_seq = header.first_seq;
                header.encoded_len()
            }
            Err(source @ chronoxide_format::Error::UnsupportedVersion { .. }) => {
                return Err(Error::format(&path, source));
            }
            Err(_) => {
                report.damaged = true;
                0
            }
        };
        let mut good_end = header_len;
        for found in Scan::new(self.identity, &content, header_len) {
            match found {
                Found::Record(record) => {
                    good_end = record.end();
                    report.damaged |= record.seq != self.next_seq;
                    self.next_seq = record.seq + 1;
                    let plain = record.plain();
                    let edit = plain.and_then(|plain| match record.kind {
                        KIND_EDIT => ManifestEdit::decode(&plain),
                        id => Err(chronoxide_format::Error::UnknownCodec {
                            what: "manifest record",
                            id,
                        }),
                    });
                    let edit = edit.map_err(|source| Error::format(&path, source))?;
                    // After a lost edit, the ones that follow may not fit: the rest of them still counts.
                    report.damaged |= edit_parts(&mut self.parts, &edit).is_err();
                }
                Found::Bad { .. } => report.damaged = true,
                Found::BadTail { .. } => {}
            }
        }
        report.torn_bytes = (content.len() - good_end) as u64;
        // The first record is written together with the header, before the file gets its name.
        report.damaged |= self.parts.is_empty() && self.next_seq == 1;
        Ok((report, content))
    }
}

/// Applies `edit`, and says what did not fit.
fn edit_parts(parts: &mut Vec<PartEntry>, edit: &ManifestEdit) -> Result<(), String> {
    let mut fits = Ok(());
    for name in &edit.removed {
        let before = parts.len();
        parts.retain(|part| part.name != *name);
        if parts.len() == before {
            fits = Err(format!("part {name:?} is removed but not there"));
        }
    }
    for part in &edit.added {
        if !is_valid_name(&part.name) {
            fits = Err(format!("{:?} is not a plain file name", part.name));
        } else if parts.iter().any(|other| other.name == part.name) {
            fits = Err(format!("part {:?} is added but already there", part.name));
        } else {
            parts.push(part.clone());
        }
    }
    fits
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod crash_tests;
