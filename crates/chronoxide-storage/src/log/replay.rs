//! Reading a log back.
//!
//! All segments are scanned first. What the records and headers say of durability proves numbers durable; a number
//! that is proven, not released, not void and not found is lost, and that is reported. Bad bytes that lost nothing
//! proven are the torn end of a write that was never acknowledged.

use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use chronoxide_format::log::{FILE_HEADER_BYTES_MAX, FileHeader, Found, Record, Scan, VOIDS_MAX};

use super::segment::{LogSpec, Sealed};
use super::writer::{LogWriter, Position};
use crate::{Error, Result};

/// Segments together smaller than this are read once and kept until their records have been handed out.
const KEPT_BYTES_MAX: u64 = 32 << 20;

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReplayReport {
    /// Records handed out.
    pub(crate) records: u64,
    /// Segments read.
    pub(crate) segments: u64,
    /// Bytes after or between records that belong to writes which were never acknowledged.
    pub(crate) torn_bytes: u64,
    /// Numbers of acknowledged records that are gone: data has been lost.
    pub(crate) lost: Vec<RangeInclusive<u64>>,
    /// Segments in which records were lost. They stay until their good records are in parts; then they are set aside.
    pub(crate) damaged: Vec<PathBuf>,
}

impl ReplayReport {
    /// Whether nothing acknowledged was lost.
    #[must_use]
    pub(crate) const fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.damaged.is_empty()
    }
}

/// A log that has been read, before its records are handed out.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) writer: LogWriter,
    pub(crate) report: ReplayReport,
    spec: LogSpec,
    files: Vec<File>,
    entries: Vec<Entry>,
}

/// One segment as it was found.
#[derive(Debug)]
struct File {
    number: u64,
    path: PathBuf,
    bytes: u64,
    content: Option<Vec<u8>>,
    header: Option<FileHeader>,
    last_seq: u64,
    bad: Vec<BadSpot>,
}

/// Bad bytes, and the numbers that may have stood there.
#[derive(Debug)]
struct BadSpot {
    bytes: u64,
    after_seq: u64,
    before_seq: u64,
}

/// Where a good record is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    seq: u64,
    file: usize,
    offset: usize,
}

/// What is known of a log from elsewhere.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known {
    /// Numbers up to this are taken: new records are numbered above.
    pub(crate) seq_floor: u64,
    /// Records up to this are no longer needed.
    pub(crate) released_seq: u64,
}

/// Reads the log of `spec`, whose directory exists.
///
/// # Errors
/// When a file cannot be read, or was written by a newer version. Damage is no error: see the report.
pub(crate) fn recover(spec: LogSpec, known: Known) -> Result<Recovered> {
    let (mut scanned, released_seq) = scan(&spec, known)?;
    let lost = scanned.lost(released_seq);
    let report = scanned.report(&lost);
    let position = scanned.position(&spec, released_seq, known.seq_floor, &report)?;
    scanned.entries.retain(|entry| entry.seq > released_seq);
    // What is on the disk but not known to be durable is made so before anybody sees it.
    let mut writer = LogWriter::new(spec.clone(), position);
    if let Err(error) = writer.secure() {
        tracing::warn!(
            dir = %spec.dir.display(),
            error = &error as &dyn std::error::Error,
            "could not rewrite the newest log records; they come first in the next segment"
        );
    }
    Ok(Recovered {
        writer,
        report,
        spec,
        files: scanned.files,
        entries: scanned.entries,
    })
}

/// Reads the log of `spec` without changing anything, and hands every record that is still needed to `each`: path of
/// its segment, number, type, plain payload.
///
/// # Errors
/// As [`recover`]; also when a payload does not decompress, or `each` fails.
pub(crate) fn inspect(
    spec: &LogSpec,
    known: Known,
    mut each: impl FnMut(&Path, u64, u8, &[u8]) -> Result<()>,
) -> Result<ReplayReport> {
    let (mut scanned, released_seq) = scan(spec, known)?;
    let lost = scanned.lost(released_seq);
    let mut report = scanned.report(&lost);
    scanned.entries.retain(|entry| entry.seq > released_seq);
    let mut contents = Contents::default();
    for entry in &scanned.entries {
        let path = &scanned.files[entry.file].path;
        let record = contents.record(spec, &scanned.files, *entry)?;
        let plain = record
            .plain()
            .map_err(|source| Error::format(path, source))?;
        each(path, entry.seq, record.kind, &plain)?;
        report.records += 1;
    }
    Ok(report)
}

/// Scans all segments; also up to which number records are no longer needed.
fn scan(spec: &LogSpec, known: Known) -> Result<(Scanned, u64)> {
    let mut scanned = Scanned::default();
    for number in spec.numbers()? {
        scanned.add(spec, number)?;
    }
    scanned.drop_void_and_repeated();
    let released_seq = scanned.released_seq().max(known.released_seq);
    Ok((scanned, released_seq))
}

#[derive(Debug, Default)]
struct Scanned {
    files: Vec<File>,
    entries: Vec<Entry>,
    /// The highest number that a record or header proves durable.
    proven_seq: u64,
    bytes: u64,
}

impl Scanned {
    fn add(&mut self, spec: &LogSpec, number: u64) -> Result<()> {
        let path = spec.path(number);
        let content = spec.fs.read(&path)?;
        let identity = spec.identity(number);
        let head = content.get(..FILE_HEADER_BYTES_MAX).unwrap_or(&content);
        let header = match FileHeader::decode(head, &identity) {
            Ok(header) => Some(header),
            Err(source @ chronoxide_format::Error::UnsupportedVersion { .. }) => {
                return Err(Error::format(&path, source));
            }
            Err(_) => None,
        };
        let mut file = File {
            number,
            path,
            bytes: content.len() as u64,
            content: None,
            last_seq: header.as_ref().map_or(0, |header| header.first_seq - 1),
            header,
            bad: Vec::new(),
        };
        if let Some(header) = &file.header {
            self.proven_seq = self.proven_seq.max(header.durable_seq);
        }
        // Zeroes at the end are no part of what a torn write left.
        let zeroes = content.iter().rev().take_while(|byte| **byte == 0).count();
        let used = content.len() - zeroes;
        let header_len = file.header.as_ref().map_or(0, FileHeader::encoded_len);
        for found in Scan::new(identity, &content, header_len) {
            self.note(&mut file, found, used);
        }
        self.bytes += file.bytes;
        file.content = Some(content);
        self.files.push(file);
        if self.bytes > KEPT_BYTES_MAX {
            for file in &mut self.files {
                file.content = None;
            }
        }
        Ok(())
    }

    fn note(&mut self, file: &mut File, found: Found<'_>, used: usize) {
        match found {
            Found::Record(record) => {
                self.proven_seq = self.proven_seq.max(record.durable_seq);
                if let Some(spot) = file.bad.last_mut() {
                    spot.before_seq = spot.before_seq.min(record.seq);
                }
                file.last_seq = file.last_seq.max(record.seq);
                self.entries.push(Entry {
                    seq: record.seq,
                    file: self.files.len(),
                    offset: record.offset,
                });
            }
            Found::Bad { offset, end } => file.note_bad(end - offset),
            Found::BadTail { offset } => file.note_bad(used.saturating_sub(offset)),
        }
    }

    /// Sorts the entries by number and leaves one of each; of copies, the newest file's.
    fn drop_void_and_repeated(&mut self) {
        let files = &self.files;
        self.entries.retain(|entry| {
            let later = files.get(entry.file + 1..).unwrap_or_default();
            let mut headers = later.iter().filter_map(|file| file.header.as_ref());
            !headers.any(|header| header.is_void(entry.seq))
        });
        self.entries
            .sort_by_key(|entry| (entry.seq, usize::MAX - entry.file));
        self.entries.dedup_by_key(|entry| entry.seq);
    }

    fn released_seq(&self) -> u64 {
        let headers = self.files.iter().filter_map(|file| file.header.as_ref());
        headers.map(|header| header.released_seq).max().unwrap_or(0)
    }

    /// Numbers missing between the entries in `(after, up_to]`, as closed ranges without the void ones.
    fn missing(&self, after: u64, up_to: u64) -> Vec<RangeInclusive<u64>> {
        let mut missing = Vec::new();
        let mut next = after + 1;
        let present = self.entries.iter().map(|entry| entry.seq);
        for seq in present
            .filter(|&seq| seq > after && seq <= up_to)
            .chain([up_to.saturating_add(1)])
        {
            if next < seq {
                self.without_voids(next, seq - 1, &mut missing);
            }
            next = next.max(seq.saturating_add(1));
        }
        missing
    }

    /// Appends what of `first..=last` no header declares void.
    fn without_voids(&self, first: u64, last: u64, out: &mut Vec<RangeInclusive<u64>>) {
        let mut voids: Vec<(u64, u64)> = self
            .files
            .iter()
            .filter_map(|file| file.header.as_ref())
            .flat_map(|header| header.voids.iter().copied())
            .filter(|void| void.0 <= last && void.1 >= first)
            .collect();
        voids.sort_unstable();
        let mut next = first;
        for (void_first, void_last) in voids {
            if next < void_first {
                out.push(next..=void_first - 1);
            }
            next = next.max(void_last.saturating_add(1));
        }
        if next <= last {
            out.push(next..=last);
        }
    }

    fn lost(&self, released_seq: u64) -> Vec<RangeInclusive<u64>> {
        self.missing(released_seq, self.proven_seq)
    }

    fn report(&self, lost: &[RangeInclusive<u64>]) -> ReplayReport {
        let mut report = ReplayReport {
            segments: self.files.len() as u64,
            lost: lost.to_vec(),
            ..ReplayReport::default()
        };
        for file in &self.files {
            if file.is_damaged(lost) {
                report.damaged.push(file.path.clone());
            } else {
                report.torn_bytes += file.bad.iter().map(|spot| spot.bytes).sum::<u64>();
            }
        }
        for range in lost {
            tracing::error!(
                first = range.start(),
                last = range.end(),
                "acknowledged log records are lost"
            );
        }
        for path in &report.damaged {
            tracing::error!(segment = %path.display(), "a log segment is damaged; its good records are used");
        }
        report
    }

    fn position(
        &self,
        spec: &LogSpec,
        released_seq: u64,
        seq_floor: u64,
        report: &ReplayReport,
    ) -> Result<Position> {
        let found_seq = self.entries.last().map_or(0, |entry| entry.seq);
        let highest = found_seq.max(self.proven_seq).max(released_seq);
        let proven_seq = self.proven_seq.max(released_seq);
        let mut voids: Vec<(u64, u64)> = self
            .missing(proven_seq, highest)
            .into_iter()
            .map(|range| (*range.start(), *range.end()))
            .collect();
        if highest < seq_floor {
            voids.push((highest + 1, seq_floor));
        }
        if voids.len() > VOIDS_MAX {
            // Void numbers apply to earlier segments only, and everything unproven is written to the new one.
            let last = voids.last().map_or(0, |void| void.1);
            voids.truncate(VOIDS_MAX);
            if let Some(void) = voids.last_mut() {
                void.1 = last;
            }
        }
        let mut unproven = Vec::new();
        let mut contents = Contents::default();
        for entry in self.entries.iter().filter(|entry| entry.seq > proven_seq) {
            let record = contents.record(spec, &self.files, *entry)?;
            unproven.push((entry.seq, record.to_payload()));
        }
        let sealed = self.files.iter().map(|file| Sealed {
            path: file.path.clone(),
            last_seq: file.last_seq,
            bytes: file.bytes,
            damaged: report.damaged.contains(&file.path),
        });
        Ok(Position {
            sealed: sealed.collect(),
            next_number: self.files.last().map_or(1, |file| file.number + 1),
            next_seq: highest.max(seq_floor) + 1,
            durable_seq: if unproven.is_empty() {
                highest.max(seq_floor)
            } else {
                proven_seq
            },
            released_seq,
            voids,
            unproven,
        })
    }
}

impl File {
    fn note_bad(&mut self, bytes: usize) {
        self.bad.push(BadSpot {
            bytes: bytes as u64,
            after_seq: self.last_seq,
            before_seq: u64::MAX,
        });
    }

    /// Whether a lost number may have stood in the file's bad bytes.
    fn is_damaged(&self, lost: &[RangeInclusive<u64>]) -> bool {
        self.bad.iter().any(|spot| {
            lost.iter()
                .any(|range| *range.end() > spot.after_seq && *range.start() < spot.before_seq)
        })
    }
}

/// The content of the file read last, for files whose content was not kept.
#[derive(Debug, Default)]
struct Contents {
    read: Option<(usize, Vec<u8>)>,
}

impl Contents {
    fn record<'a>(
        &'a mut self,
        spec: &LogSpec,
        files: &'a [File],
        entry: Entry,
    ) -> Result<Record<'a>> {
        let file = &files[entry.file];
        let content = match &file.content {
            Some(content) => content,
            None => {
                if self.read.as_ref().is_none_or(|read| read.0 != entry.file) {
                    self.read = None;
                    self.read = Some((entry.file, spec.fs.read(&file.path)?));
                }
                &self.read.as_ref().expect("it was just read").1
            }
        };
        match Scan::new(spec.identity(file.number), content, entry.offset).next() {
            Some(Found::Record(record)) if record.seq == entry.seq => Ok(record),
            _ => Err(Error::format(
                &file.path,
                chronoxide_format::Error::Corrupt {
                    what: "log segment",
                    offset: entry.offset,
                    reason: "a record changed while it was being read",
                },
            )),
        }
    }
}

impl Recovered {
    /// Number and last record of each segment, in order.
    pub(crate) fn files(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.files.iter().map(|file| (file.number, file.last_seq))
    }

    /// Hands every record that is still needed out, in order.
    ///
    /// # Errors
    /// When a file cannot be read, or `each` fails.
    pub(crate) fn replay(
        mut self,
        mut each: impl FnMut(Record<'_>) -> chronoxide_format::Result<()>,
    ) -> Result<(LogWriter, ReplayReport)> {
        self.report.records = self.entries.len() as u64;
        self.records(|_, record| each(record))?;
        Ok((self.writer, self.report))
    }

    /// The same with the payloads decoded, on a thread of its own: `each` gets what `decode` makes of type and plain
    /// payload.
    ///
    /// # Errors
    /// As [`Recovered::replay`].
    pub(crate) fn replay_decoded<T: Send>(
        mut self,
        decode: impl Fn(u8, &[u8]) -> chronoxide_format::Result<T> + Send,
        mut each: impl FnMut(u64, T) -> Result<()>,
    ) -> Result<(LogWriter, ReplayReport)> {
        self.report.records = self.entries.len() as u64;
        let recovered = &self;
        std::thread::scope(|scope| {
            let (sender, decoded) = sync_channel(DECODED_RECORDS_MAX);
            let decoder = move || {
                recovered.records(|entry, record| {
                    let decoded = decode(record.kind, &record.plain()?)?;
                    // Nobody listens any more when `each` has failed.
                    let _ = sender.send((entry.seq, decoded));
                    Ok(())
                })
            };
            let thread = std::thread::Builder::new().name("chronoxide-replay".to_owned());
            let decoder = thread
                .spawn_scoped(scope, decoder)
                .map_err(|source| Error::io("start a thread for", &recovered.spec.dir, source))?;
            let applied = decoded
                .into_iter()
                .try_for_each(|(seq, item)| each(seq, item));
            let read = decoder.join().unwrap_or_else(|panic| resume_unwind(panic));
            applied.and(read)
        })?;
        Ok((self.writer, self.report))
    }

    /// Whether any record is still needed.
    pub(crate) const fn has_records(&self) -> bool {
        !self.entries.is_empty()
    }

    /// Hands the records that are still needed to `each`, in order.
    fn records(
        &self,
        mut each: impl FnMut(Entry, Record<'_>) -> chronoxide_format::Result<()>,
    ) -> Result<()> {
        let mut contents = Contents::default();
        for entry in &self.entries {
            let record = contents.record(&self.spec, &self.files, *entry)?;
            each(*entry, record)
                .map_err(|source| Error::format(&self.files[entry.file].path, source))?;
        }
        Ok(())
    }
}

/// Decoded records that may wait to be taken in.
const DECODED_RECORDS_MAX: usize = 8;
