//! The queries under way, in a file: after a crash the next start tells which ones it cut off, and may have been due to.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

/// The file's name in the data directory.
const NAME: &str = "ACTIVE_QUERIES";

/// Each query has a place of so many bytes: its line, and whatever longer line was there before.
const PLACE_BYTES: usize = 2048;

/// More of an old file is not read: no server evaluates so many queries at once.
const READ_BYTES_MAX: u64 = 1 << 20;

/// The file of queries under way, each a line at a place of its own.
///
/// Nothing is synced: what a process wrote outlives it, and after a power cut nobody asks for its queries.
#[derive(Debug)]
pub(crate) struct QueryLog {
    path: PathBuf,
    file: File,
    places: Mutex<Places>,
    /// Whether a write failed before, which is told once.
    has_failed: AtomicBool,
}

/// Which places are taken.
#[derive(Debug, Default)]
struct Places {
    free: Vec<u64>,
    used: u64,
}

impl QueryLog {
    /// Opens the file of the data directory `dir`, which nobody else has open, and empties it. With it come the lines of
    /// the queries that had not ended when the file was written last.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Vec<String>)> {
        let path = dir.join(NAME);
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.mode(0o600).open(&path)?;
        let mut bytes = Vec::new();
        (&file).take(READ_BYTES_MAX).read_to_end(&mut bytes)?;
        file.set_len(0)?;
        let lines = bytes.chunks(PLACE_BYTES).filter_map(line_of).collect();
        let log = Self {
            path,
            file,
            places: Mutex::default(),
            has_failed: AtomicBool::new(false),
        };
        Ok((log, lines))
    }

    /// Writes the line of a query that begins, as far as there is room; where it stands, for [`QueryLog::clear`].
    pub(crate) fn write(&self, line: &str) -> u64 {
        let place = self.places.lock().take();
        let line = &line[..line.floor_char_boundary(PLACE_BYTES - 1)];
        self.write_at(format!("{line}\n").as_bytes(), place);
        place
    }

    /// Makes the line at `place` an empty one: its query has ended.
    pub(crate) fn clear(&self, place: u64) {
        self.write_at(b"\n", place);
        self.places.lock().free.push(place);
    }

    fn write_at(&self, bytes: &[u8], place: u64) {
        let written = self.file.write_all_at(bytes, place * PLACE_BYTES as u64);
        if let Err(error) = written
            && !self.has_failed.swap(true, Ordering::Relaxed)
        {
            let path = self.path.display();
            tracing::warn!(%path, %error, "queries under way cannot be written down; they go on");
        }
    }
}

impl Places {
    fn take(&mut self) -> u64 {
        self.free.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        })
    }
}

/// The line at a place, if a query stands there.
fn line_of(place: &[u8]) -> Option<String> {
    let line = place.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    // Between the places that were written there are holes, and whatever else may be in the file must not break the log.
    let line: String = line.chars().filter(|c| !c.is_control()).collect();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_that_did_not_end_are_found_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        let open = || QueryLog::open(dir.path()).unwrap();
        let (log, lines) = open();
        assert!(lines.is_empty());
        let first = log.write("first, and long enough to leave something behind");
        let second = log.write("second");
        let long = "é".repeat(PLACE_BYTES);
        log.write(&long);
        log.clear(first);
        assert_eq!(log.write("again"), first);
        log.clear(second);
        drop(log);
        let (log, lines) = open();
        assert_eq!(lines, ["again", &long[..PLACE_BYTES - 2]]);
        let place = log.write("ends");
        log.clear(place);
        drop(log);
        assert!(open().1.is_empty());
    }

    #[test]
    fn whatever_is_in_the_file_makes_single_lines() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; PLACE_BYTES];
        bytes.extend(b"\x1b[31mup\r\xff\nrest");
        bytes.resize(3 * PLACE_BYTES, 0);
        std::fs::write(dir.path().join(NAME), &bytes).unwrap();
        let (_, lines) = QueryLog::open(dir.path()).unwrap();
        assert_eq!(lines, ["[31mup\u{fffd}"]);
    }
}
