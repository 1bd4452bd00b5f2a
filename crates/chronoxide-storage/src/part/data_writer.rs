//! The file of a part being written: header, then the data region with its page checksums, then anything.

use std::path::{Path, PathBuf};

use chronoxide_format::part::{HEADER_BYTES, PAGE_BYTES, header, page_checksum};

use crate::{Fs, FsFile, Result};

/// Whole pages are written once this many bytes have gathered.
const BUFFER_BYTES: usize = 8 * PAGE_BYTES;

/// A sync after this many bytes keeps a large file from holding up the log's syncs behind it at its end.
const SYNC_BYTES: u64 = 8 << 20;

/// Appends to a temporary file, which is removed again unless it is [finished](Self::finish).
#[derive(Debug)]
pub(super) struct DataWriter<'a> {
    fs: &'a dyn Fs,
    path: PathBuf,
    file: Box<dyn FsFile>,
    /// Bytes not written yet; in the data region it starts at a page boundary.
    buffer: Vec<u8>,
    written: u64,
    synced: u64,
    checksums: Vec<u8>,
    pages: u32,
    finished: bool,
}

impl<'a> DataWriter<'a> {
    /// Creates the file at `path`, replacing what an earlier attempt left there.
    pub(super) fn create(fs: &'a dyn Fs, path: PathBuf) -> Result<Self> {
        if fs.exists(&path)? {
            fs.remove(&path)?;
        }
        let file = fs.create_new(&path)?;
        let writer = Self {
            fs,
            path,
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES + PAGE_BYTES),
            written: HEADER_BYTES as u64,
            synced: 0,
            checksums: Vec::new(),
            pages: 0,
            finished: false,
        };
        writer.file.append(&header())?;
        Ok(writer)
    }

    /// Where the next byte goes, counted from the start of the data region.
    pub(super) fn data_len(&self) -> u64 {
        self.file_len() - HEADER_BYTES as u64
    }

    /// Where the next byte goes, counted from the start of the file.
    pub(super) fn file_len(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Lets `encode` append to the data region; returns how many bytes it added.
    pub(super) fn data(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Result<usize> {
        let before = self.buffer.len();
        encode(&mut self.buffer);
        let added = self.buffer.len() - before;
        if self.buffer.len() >= BUFFER_BYTES {
            self.write_pages(false)?;
        }
        Ok(added)
    }

    fn write_pages(&mut self, last: bool) -> Result<()> {
        let whole = self.buffer.len() - self.buffer.len() % PAGE_BYTES;
        let end = if last { self.buffer.len() } else { whole };
        for page in self.buffer[..end].chunks(PAGE_BYTES) {
            let checksum = page_checksum(self.pages, page);
            self.checksums.extend_from_slice(&checksum.to_le_bytes());
            self.pages += 1;
        }
        self.write_buffer(end)
    }

    fn write_buffer(&mut self, end: usize) -> Result<()> {
        self.file.append(&self.buffer[..end])?;
        self.written += end as u64;
        self.buffer.drain(..end);
        if self.written - self.synced >= SYNC_BYTES {
            self.file.sync_data()?;
            self.synced = self.written;
        }
        Ok(())
    }

    /// Ends the data region; returns the checksums of its pages.
    pub(super) fn end_data(&mut self) -> Result<Vec<u8>> {
        self.write_pages(true)?;
        Ok(std::mem::take(&mut self.checksums))
    }

    /// Appends after the data region.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.append(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Makes the file durable at its final place; returns its length.
    pub(super) fn finish(mut self, to: &Path, dir: &Path) -> Result<u64> {
        self.file.sync_all()?;
        self.fs.rename(&self.path, to)?;
        self.finished = true;
        if let Err(error) = self.fs.sync_dir(dir) {
            // Nobody will refer to the file; a crash may still leave it, whole and unlisted.
            let _ = self.fs.remove(to);
            return Err(error);
        }
        Ok(self.written)
    }
}

impl Drop for DataWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Best effort: what stays behind is replaced by the next attempt and never read.
            let _ = self.fs.remove(&self.path);
        }
    }
}
