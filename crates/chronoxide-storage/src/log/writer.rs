//! Appending to a log, and getting away from files that failed.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use chronoxide_format::log::{FileHeader, Payload, VOIDS_MAX};

use super::segment::{LogSpec, Sealed};
use crate::{Error, FsFile, Result};

/// What the kernel writes at once: a failed write of new bytes may damage older ones in the same page.
const PAGE_BYTES: u64 = 4096;

/// A segment with this much is followed by a new one as soon as it holds a record that is not needed any more.
const RELEASED_BYTES_MAX: u64 = 1 << 20;

/// What must be durable before the records of this log are; called before every sync of a segment.
pub(crate) type BeforeSync<'a> = &'a dyn Fn() -> Result<()>;

/// The one writer of a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    spec: LogSpec,
    current: Option<Current>,
    sealed: Vec<Sealed>,
    next_number: u64,
    next_seq: u64,
    durable_seq: u64,
    released_seq: u64,
    /// What headers on disk say of `released_seq`.
    recorded_released_seq: u64,
    /// Numbers to declare void in the next segment's header.
    voids: Vec<(u64, u64)>,
    /// Records to repeat should the current segment fail: all that are not known to be durable, and those that share
    /// the segment's last page. Ascending.
    kept: VecDeque<Kept>,
    buffer: Vec<u8>,
    failures: u64,
    /// Whether the disk was too full for zeroes ahead when they were last tried; until something is released.
    lacks_room: bool,
}

#[derive(Debug)]
struct Current {
    number: u64,
    path: PathBuf,
    file: Arc<dyn FsFile>,
    /// Of the header and the records.
    bytes: u64,
    /// Of the file: zeroes follow the records.
    len: u64,
    last_seq: u64,
}

#[derive(Debug)]
struct Kept {
    seq: u64,
    /// Where the record ends in the current segment.
    end: u64,
    payload: Payload,
}

/// Records that could not be written; they have no number any more.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) error: Error,
    pub(crate) payloads: Vec<Payload>,
}

/// Where a recovered log stands.
#[derive(Debug)]
pub(super) struct Position {
    pub(super) sealed: Vec<Sealed>,
    pub(super) next_number: u64,
    pub(super) next_seq: u64,
    pub(super) durable_seq: u64,
    pub(super) released_seq: u64,
    pub(super) voids: Vec<(u64, u64)>,
    /// Records found that nothing proves durable.
    pub(super) unproven: Vec<(u64, Payload)>,
}

impl LogWriter {
    pub(super) fn new(spec: LogSpec, position: Position) -> Self {
        let kept = position.unproven.into_iter();
        Self {
            spec,
            current: None,
            sealed: position.sealed,
            next_number: position.next_number,
            next_seq: position.next_seq,
            durable_seq: position.durable_seq,
            released_seq: position.released_seq,
            recorded_released_seq: 0,
            voids: position.voids,
            kept: kept
                .map(|(seq, payload)| Kept {
                    seq,
                    end: 0,
                    payload,
                })
                .collect(),
            buffer: Vec::new(),
            failures: 0,
            lacks_room: false,
        }
    }

    /// The number that the next record will have.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Everything up to this number survives a power cut.
    pub(crate) const fn durable_seq(&self) -> u64 {
        self.durable_seq
    }

    /// Everything up to this number is no longer needed.
    pub(crate) const fn released_seq(&self) -> u64 {
        self.released_seq
    }

    /// No record up to this number is handed out when the log is opened again. Less than is released as long as no
    /// new segment has been needed.
    pub(crate) const fn recorded_released_seq(&self) -> u64 {
        self.recorded_released_seq
    }

    /// How many segments exist, and their bytes.
    pub(crate) fn size(&self) -> (usize, u64) {
        let (count, bytes) = match &self.current {
            Some(current) => (1, current.bytes),
            None => (0, 0),
        };
        let sealed: u64 = self.sealed.iter().map(|sealed| sealed.bytes).sum();
        (self.sealed.len() + count, bytes + sealed)
    }

    /// Bytes of records that are kept in memory until they are durable.
    pub(crate) fn undurable_bytes(&self) -> usize {
        let undurable = self.kept.iter().rev();
        undurable
            .take_while(|kept| kept.seq > self.durable_seq)
            .map(|kept| kept.payload.framed_len())
            .sum()
    }

    /// How many writes or syncs of segments have failed.
    pub(crate) const fn failures(&self) -> u64 {
        self.failures
    }

    /// Writes records, in order, and returns the number of the first. They reach the operating system, and survive
    /// the process; they are durable only after [`LogWriter::sync`].
    pub(crate) fn write(
        &mut self,
        payloads: Vec<Payload>,
        before_sync: BeforeSync<'_>,
    ) -> Result<u64, Refused> {
        let first = self.next_seq;
        for payload in payloads {
            self.kept.push_back(Kept {
                seq: self.next_seq,
                end: 0,
                payload,
            });
            self.next_seq += 1;
        }
        match self.put_from(first, before_sync) {
            Ok(()) => Ok(first),
            Err(error) => Err(Refused {
                error,
                payloads: self.refuse_from(first),
            }),
        }
    }

    /// Takes records that are not durable back: their numbers become void. Only after a failure, when there is no
    /// current segment.
    pub(crate) fn refuse_from(&mut self, first: u64) -> Vec<Payload> {
        debug_assert!(self.current.is_none(), "a failed segment is abandoned");
        let at = self.kept.partition_point(|kept| kept.seq < first);
        let payloads = self.kept.drain(at..).map(|kept| kept.payload).collect();
        let last = self.next_seq - 1;
        let full = self.voids.len() >= VOIDS_MAX;
        match self.voids.last_mut() {
            Some(void) if full || void.1.checked_add(1) == Some(first) => void.1 = last,
            _ => self.voids.push((first, last)),
        }
        payloads
    }

    /// Writes the kept records from `first` on to the current segment, or everything kept to a new one.
    fn put_from(&mut self, first: u64, before_sync: BeforeSync<'_>) -> Result<()> {
        if self.current_is_full(first) {
            self.seal(before_sync);
        }
        if let Some(current) = &mut self.current {
            let at = self.kept.partition_point(|kept| kept.seq < first);
            let identity = self.spec.identity(current.number);
            self.buffer.clear();
            for kept in self.kept.range_mut(at..) {
                let durable_seq = self.durable_seq;
                kept.payload
                    .frame(&identity, kept.seq, durable_seq, &mut self.buffer);
                kept.end = current.bytes + self.buffer.len() as u64;
            }
            let end = current.bytes + self.buffer.len() as u64;
            if end > current.len {
                let most = if self.lacks_room {
                    0
                } else {
                    self.spec.zeroes_ahead_max
                };
                current.len = end + zeroes_after(end, most, self.spec.segment_bytes_max);
                self.buffer
                    .resize((current.len - current.bytes) as usize, 0);
            }
            match current.file.write_at(&self.buffer, current.bytes) {
                Ok(()) => {
                    current.bytes = end;
                    current.last_seq = self.next_seq - 1;
                    self.trim_buffer();
                    return Ok(());
                }
                Err(error) => {
                    if error.is_out_of_space() {
                        // The zeroes must not take the room that the records need elsewhere.
                        self.lacks_room = true;
                        let _ = current.file.set_len(current.bytes);
                    }
                    self.abandon(&error);
                }
            }
        }
        self.restart(before_sync)
    }

    fn current_is_full(&self, first: u64) -> bool {
        let Some(current) = &self.current else {
            return false;
        };
        let at = self.kept.partition_point(|kept| kept.seq < first);
        let more: usize = self
            .kept
            .range(at..)
            .map(|kept| kept.payload.framed_len())
            .sum();
        current.bytes > PAGE_BYTES && current.bytes + more as u64 > self.spec.segment_bytes_max
    }

    /// Memory taken by one large group is given back.
    fn trim_buffer(&mut self) {
        const BUFFER_BYTES_KEPT: usize = 1 << 20;
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Makes everything written durable. When the current segment fails, everything that is not known to be durable
    /// is written to a new one.
    pub(crate) fn sync(&mut self, before_sync: BeforeSync<'_>) -> Result<()> {
        if self
            .kept
            .back()
            .is_none_or(|kept| kept.seq <= self.durable_seq)
        {
            return Ok(());
        }
        if self.current.is_some() && self.sync_current(before_sync)? {
            return Ok(());
        }
        self.restart(before_sync)
    }

    /// Syncs the current segment; `false` when it failed and was abandoned.
    fn sync_current(&mut self, before_sync: BeforeSync<'_>) -> Result<bool> {
        let Some(current) = &self.current else {
            return Ok(false);
        };
        if let Err(error) = before_sync() {
            // The records must not become durable before what they depend on, and they are about to be refused.
            self.abandon(&error);
            return Err(error);
        }
        match current.file.sync_data() {
            Ok(()) => {
                let durable_seq = current.last_seq;
                let page_start = current.bytes / PAGE_BYTES * PAGE_BYTES;
                self.durable_seq = durable_seq;
                self.kept
                    .retain(|kept| kept.seq > durable_seq || kept.end > page_start);
                Ok(true)
            }
            Err(error) => {
                self.abandon(&error);
                Ok(false)
            }
        }
    }

    /// Gives the current segment up after a failure. Its records stay where they are.
    fn abandon(&mut self, error: &Error) {
        self.failures += 1;
        if let Some(current) = self.current.take() {
            tracing::error!(
                segment = %current.path.display(),
                error = error as &dyn std::error::Error,
                "abandoned a log segment after a failure"
            );
            self.sealed.push(current.into_sealed());
        }
    }

    /// Ends the current segment. Only a durable segment may be followed by one that says so; a failure abandons it.
    fn seal(&mut self, before_sync: BeforeSync<'_>) {
        let Some(last_seq) = self.current.as_ref().map(|current| current.last_seq) else {
            return;
        };
        let durable = last_seq <= self.durable_seq
            || self.sync_current(before_sync).is_ok_and(|durable| durable);
        if durable && let Some(current) = self.current.take() {
            self.sealed.push(current.into_sealed());
            let durable_seq = self.durable_seq;
            self.kept.retain(|kept| kept.seq > durable_seq);
        }
    }

    /// Begins a segment with everything kept, durable when this returns. Leaves no trace when it fails.
    fn restart(&mut self, before_sync: BeforeSync<'_>) -> Result<()> {
        before_sync()?;
        let number = self.next_number;
        self.next_number += 1;
        let path = self.spec.path(number);
        match self.create(number, path.clone()) {
            Ok(current) => {
                self.durable_seq = self.durable_seq.max(current.last_seq);
                self.current = Some(current);
                self.voids.clear();
                Ok(())
            }
            Err(error) => {
                self.failures += 1;
                if self.spec.fs.remove(&path).is_err() {
                    // It may still be there; it is looked at again when its records are released.
                    self.sealed.push(Sealed {
                        path,
                        last_seq: self.next_seq - 1,
                        bytes: 0,
                        damaged: false,
                    });
                }
                Err(error)
            }
        }
    }

    fn create(&mut self, number: u64, path: PathBuf) -> Result<Current> {
        let identity = self.spec.identity(number);
        let first_seq = self.kept.front().map_or(self.next_seq, |kept| kept.seq);
        let header = FileHeader {
            first_seq,
            durable_seq: self.durable_seq,
            released_seq: self.released_seq,
            voids: self.voids.clone(),
        };
        self.buffer.clear();
        header.encode(&identity, &mut self.buffer);
        for kept in &mut self.kept {
            kept.payload
                .frame(&identity, kept.seq, self.durable_seq, &mut self.buffer);
            kept.end = self.buffer.len() as u64;
        }
        let file: Arc<dyn FsFile> = self.spec.fs.create_log(&path)?.into();
        file.write_at(&self.buffer, 0)?;
        file.sync_all()?;
        self.spec.fs.sync_dir(&self.spec.dir)?;
        self.recorded_released_seq = header.released_seq;
        let bytes = self.buffer.len() as u64;
        self.trim_buffer();
        Ok(Current {
            number,
            path,
            file,
            bytes,
            len: bytes,
            last_seq: self.next_seq - 1,
        })
    }

    /// Writes the records that recovery found and nothing proves durable to a segment of their own. Until that works
    /// they are kept, and come first in the next segment.
    pub(super) fn secure(&mut self) -> Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        self.restart(&|| Ok(()))
    }

    /// Says that records up to `seq` are no longer needed: removes the segments that hold no others, and sets damaged
    /// ones aside. Returns how many went.
    pub(crate) fn release(&mut self, seq: u64, before_sync: BeforeSync<'_>) -> Result<usize> {
        let seq = seq.min(self.next_seq - 1);
        self.released_seq = self.released_seq.max(seq);
        // A segment with records that are still needed is ended too when it is long: the next one's header says what
        // is released, and what it says is not read again at the next start.
        let tells_more = self.released_seq > self.recorded_released_seq;
        let current_goes = self.current.as_ref().is_some_and(|current| {
            let released = current.last_seq <= seq && current.bytes > PAGE_BYTES;
            released || (tells_more && current.bytes > RELEASED_BYTES_MAX)
        });
        let some_go = self.sealed.iter().any(|sealed| sealed.last_seq <= seq);
        if !current_goes && !some_go {
            return Ok(0);
        }
        // The new segment's header says what is released, so that a missing older segment is never taken for a loss.
        self.seal(before_sync);
        self.kept.retain(|kept| kept.seq > seq);
        self.restart(before_sync)?;
        self.lacks_room = false;
        Ok(self.remove_released())
    }

    /// Has the ended segments that may hold records from `seq` on set aside instead of removed, once they are released.
    pub(crate) fn keep_ended_from(&mut self, seq: u64) {
        for sealed in &mut self.sealed {
            sealed.damaged |= sealed.last_seq >= seq;
        }
    }

    fn remove_released(&mut self) -> usize {
        let before = self.sealed.len();
        let released_seq = self.released_seq;
        let spec = &self.spec;
        self.sealed.retain(|sealed| {
            if sealed.last_seq > released_seq {
                return true;
            }
            let gone = if sealed.damaged {
                spec.quarantine.set_aside(&sealed.path).map(drop)
            } else {
                spec.fs.remove(&sealed.path)
            };
            match gone {
                Ok(()) => false,
                Err(error) if error.is_not_found() => false,
                Err(error) => {
                    tracing::warn!(
                        segment = %sealed.path.display(),
                        error = &error as &dyn std::error::Error,
                        "could not remove a log segment; trying again later"
                    );
                    true
                }
            }
        });
        if let Err(error) = spec.fs.sync_dir(&spec.dir) {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "could not sync the directory after removing segments"
            );
        }
        before - self.sealed.len()
    }
}

impl Current {
    fn into_sealed(self) -> Sealed {
        Sealed {
            path: self.path,
            last_seq: self.last_seq,
            bytes: self.bytes,
            damaged: false,
        }
    }
}

/// How many zeroes are to follow records that end at `end`, at most `most`: half as many as there are bytes before, so
/// that a short segment has few, and none beyond `segment_bytes_max`, where the next segment begins.
fn zeroes_after(end: u64, most: u64, segment_bytes_max: u64) -> u64 {
    (end / 2)
        .min(most)
        .min(segment_bytes_max.saturating_sub(end))
}
