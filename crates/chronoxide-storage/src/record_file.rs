//! A small file of records beside the logs: written anew as a whole, by rename, and perhaps appended to afterwards.
//!
//! Its header says how many records were written together with it, so that a file cut short is noticed. What is
//! appended later may have a torn end, which is what the log it was taken from still has.

use std::path::{Path, PathBuf};

use chronoxide_format::log::{
    FILE_HEADER_BYTES_MAX, FileHeader, Found, LogIdentity, LogKind, Payload, Scan,
};

use crate::{Error, Fs, FsFile, Result};

/// Which file of a data directory this is, and what its checksums include.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordFile {
    name: &'static str,
    identity: LogIdentity,
}

/// What reading a file found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordFileState {
    /// There is none.
    Missing,
    /// All of it is good.
    Whole,
    /// All that was written with the header is good, and so is what was appended but for a torn end.
    TornEnd,
    /// Records are missing or bad; the good ones were handed out.
    Damaged,
}

/// A file just written, to be appended to.
#[derive(Debug)]
pub(crate) struct OpenRecordFile {
    file: Box<dyn FsFile>,
    identity: LogIdentity,
    next_seq: u64,
    bytes: u64,
}

impl RecordFile {
    pub(crate) const fn new(name: &'static str, kind: LogKind, salt: u64) -> Self {
        let identity = LogIdentity {
            salt,
            kind,
            number: 0,
        };
        Self { name, identity }
    }

    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(self.name)
    }

    /// Hands type and plain payload of every good record to `each`, whose errors count as damage.
    ///
    /// # Errors
    /// When the file cannot be read or is of a newer version.
    pub(crate) fn read(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        mut each: impl FnMut(u8, &[u8]) -> chronoxide_format::Result<()>,
    ) -> Result<RecordFileState> {
        let path = self.path(dir);
        if !fs.exists(&path)? {
            return Ok(RecordFileState::Missing);
        }
        let content = fs.read(&path)?;
        let head = content.get(..FILE_HEADER_BYTES_MAX).unwrap_or(&content);
        let header = match FileHeader::decode(head, &self.identity) {
            Ok(header) => header,
            Err(source @ chronoxide_format::Error::UnsupportedVersion { .. }) => {
                return Err(Error::format(&path, source));
            }
            Err(_) => return Ok(RecordFileState::Damaged),
        };
        let (mut records, mut is_damaged, mut is_torn) = (0, false, false);
        for found in Scan::new(self.identity, &content, header.encoded_len()) {
            match found {
                Found::Record(record) => {
                    records += 1;
                    is_damaged |= record.seq != records;
                    let plain = record.plain();
                    is_damaged |= plain.and_then(|plain| each(record.kind, &plain)).is_err();
                }
                Found::Bad { .. } => is_damaged = true,
                Found::BadTail { .. } => is_torn = true,
            }
        }
        // The header's first number is at least 1; a file without records has no use for it.
        is_damaged |= records < header.durable_seq;
        Ok(match (is_damaged, is_torn) {
            (true, _) => RecordFileState::Damaged,
            (false, true) => RecordFileState::TornEnd,
            (false, false) => RecordFileState::Whole,
        })
    }

    /// Writes `records` to a new file and puts it in the old one's place. When this fails, either file may be there.
    pub(crate) fn write(
        &self,
        fs: &dyn Fs,
        dir: &Path,
        records: &[Payload],
    ) -> Result<OpenRecordFile> {
        let count = records.len() as u64;
        let header = FileHeader {
            first_seq: count.max(1),
            durable_seq: count,
            ..FileHeader::default()
        };
        let mut content = Vec::new();
        header.encode(&self.identity, &mut content);
        for (seq, record) in (1..).zip(records) {
            record.frame(&self.identity, seq, 0, &mut content);
        }
        let temp = dir.join(format!("{}.tmp", self.name));
        if fs.exists(&temp)? {
            fs.remove(&temp)?;
        }
        let file = fs.create_new(&temp)?;
        file.append(&content)?;
        file.sync_all()?;
        fs.rename(&temp, &self.path(dir))?;
        fs.sync_dir(dir)?;
        Ok(OpenRecordFile {
            file,
            identity: self.identity,
            next_seq: count + 1,
            bytes: content.len() as u64,
        })
    }
}

impl OpenRecordFile {
    /// Appends records and makes them durable. After a failure the file must not be appended to again.
    pub(crate) fn append(&mut self, records: &[Payload]) -> Result<()> {
        let mut content = Vec::new();
        for (seq, record) in (self.next_seq..).zip(records) {
            record.frame(&self.identity, seq, 0, &mut content);
        }
        self.file.append(&content)?;
        self.file.sync_data()?;
        self.next_seq += records.len() as u64;
        self.bytes += content.len() as u64;
        Ok(())
    }

    /// Bytes of the file.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }
}
