//! Delta to cumulative: streams of deltas are added up, so that queries find the counters they expect.
//!
//! [`DeltaStreams`] holds what each stream has come to. It is changed in two steps, because a batch that storage
//! refuses must not count: translation works out [`DeltaChanges`], and [`DeltaStreams::commit`] adopts them once the
//! batch is stored. Between the two no other request with deltas may be translated against the same streams.
//!
//! A stream ends with its state: what comes after eviction or loss begins at zero, which queries read as a counter
//! reset. A gap between two deltas does not end a stream; the total goes on.

mod saved;
mod total;

use crate::hashed::HashedMap;
use crate::refusal::Refusal;
use crate::view::{ExplicitHistogram, ExponentialHistogram, Number};
use crate::{Error, RefusalReason, Result};

use total::Total;
pub(crate) use total::{ExplicitTotal, ExponentialTotal};

/// Bounds of [`DeltaStreams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaLimits {
    /// How many streams there may be; default 1 000 000.
    pub streams_max: usize,
    /// How many bytes they may take, roughly; default 256 MiB.
    pub bytes_max: usize,
    /// After how many milliseconds without a delta a stream may be forgotten; default one hour.
    pub idle_ms: i64,
}

impl Default for DeltaLimits {
    fn default() -> Self {
        Self {
            streams_max: 1_000_000,
            bytes_max: 256 << 20,
            idle_ms: 3_600_000,
        }
    }
}

/// What each delta stream has come to, by the hash of its labels.
#[derive(Debug)]
pub struct DeltaStreams {
    limits: DeltaLimits,
    /// Keeps senders from choosing label sets that share a hash.
    seed: u64,
    streams: HashedMap<Stream>,
    bytes: usize,
}

/// One stream: its total since `start_ns`, up to `last_ns`.
#[derive(Clone, Debug, PartialEq)]
struct Stream {
    start_ns: u64,
    last_ns: u64,
    /// When the last delta arrived, in Unix milliseconds.
    seen_ms: i64,
    total: Total,
}

impl Stream {
    fn bytes(&self) -> usize {
        // The table keeps some of its slots free.
        2 * (size_of::<u128>() + size_of::<Self>()) + self.total.heap_bytes()
    }
}

/// What the deltas of one request came to; adopt with [`DeltaStreams::commit`] once its batch is stored.
#[derive(Debug, Default)]
pub struct DeltaChanges {
    streams: HashedMap<Stream>,
}

impl DeltaChanges {
    /// Whether the request brought no delta at all, so that nothing needs to be committed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many streams went on or began.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// The changes as bytes for a log; [`DeltaStreams::replay`] adopts them again. Replaying twice does no harm.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        saved::encode_changes(self)
    }
}

impl DeltaStreams {
    /// A table without streams. `seed` should be random; it is saved with the streams.
    #[must_use]
    pub fn new(limits: DeltaLimits, seed: u64) -> Self {
        Self {
            limits,
            seed,
            streams: HashedMap::default(),
            bytes: 0,
        }
    }

    /// How many streams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there is no stream.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// How many bytes the streams take, roughly.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adopts what a stored request came to.
    pub fn commit(&mut self, changes: DeltaChanges) {
        for (key, stream) in changes.streams {
            self.insert(key, stream);
        }
    }

    fn insert(&mut self, key: u128, stream: Stream) {
        self.bytes += stream.bytes();
        if let Some(former) = self.streams.insert(key, stream) {
            self.bytes -= former.bytes();
        }
    }

    /// Forgets streams that have been idle, and answers how many.
    pub fn evict_idle(&mut self, now_ms: i64) -> usize {
        let before = self.streams.len();
        let oldest_ms = now_ms.saturating_sub(self.limits.idle_ms);
        let bytes = &mut self.bytes;
        self.streams.retain(|_, stream| {
            let kept = stream.seen_ms >= oldest_ms;
            if !kept {
                *bytes -= stream.bytes();
            }
            kept
        });
        before - self.streams.len()
    }

    /// All streams as bytes, checksum included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        saved::encode_streams(self)
    }

    /// Reads what [`DeltaStreams::encode`] wrote.
    ///
    /// # Errors
    /// [`Error::DeltaState`] when the bytes are damaged or of an unknown version.
    pub fn decode(bytes: &[u8], limits: DeltaLimits) -> Result<Self> {
        saved::decode_streams(bytes, limits)
    }

    /// Adopts changes that [`DeltaChanges::encode`] wrote; a stream that is already further stays as it is.
    ///
    /// # Errors
    /// [`Error::DeltaState`] when the bytes are damaged; nothing is adopted then.
    pub fn replay(&mut self, bytes: &[u8]) -> Result<()> {
        for (key, stream) in saved::decode_changes(bytes)? {
            let known = self.streams.get(&key);
            if known.is_none_or(|known| known.last_ns <= stream.last_ns) {
                self.insert(key, stream);
            }
        }
        Ok(())
    }
}

/// The streams as one request finds and changes them.
#[derive(Debug)]
pub(crate) struct DeltaTurn<'s> {
    base: &'s DeltaStreams,
    changes: DeltaChanges,
    added: usize,
    added_bytes: usize,
    now_ms: i64,
}

impl<'s> DeltaTurn<'s> {
    pub(crate) fn new(base: &'s DeltaStreams, now_ms: i64) -> Self {
        Self {
            base,
            changes: DeltaChanges::default(),
            added: 0,
            added_bytes: 0,
            now_ms,
        }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.base.seed
    }

    pub(crate) fn into_changes(self) -> DeltaChanges {
        self.changes
    }

    /// Adds a sum's delta; answers the total and the start of the stream.
    pub(crate) fn add_number(
        &mut self,
        key: u128,
        start_ns: u64,
        time_ns: u64,
        delta: Number,
    ) -> std::result::Result<(f64, u64), Refusal> {
        let stream = self.advance(key, start_ns, time_ns, |former| {
            Ok(Total::number(former, delta))
        })?;
        Ok((stream.total.as_f64(), stream.start_ns))
    }

    /// Adds an explicit-bucket histogram's delta; answers the total and the start of the stream.
    pub(crate) fn add_explicit(
        &mut self,
        key: u128,
        start_ns: u64,
        time_ns: u64,
        delta: &ExplicitHistogram<'_>,
    ) -> std::result::Result<(ExplicitTotal, u64), Refusal> {
        let stream = self.advance(key, start_ns, time_ns, |former| {
            Ok(Total::explicit(former, delta))
        })?;
        match &stream.total {
            Total::Explicit(total) => Ok((total.clone(), stream.start_ns)),
            _ => unreachable!("an explicit delta makes an explicit total"),
        }
    }

    /// Adds an exponential histogram's delta; answers the total and the start of the stream.
    pub(crate) fn add_exponential(
        &mut self,
        key: u128,
        start_ns: u64,
        time_ns: u64,
        delta: &ExponentialHistogram<'_>,
    ) -> std::result::Result<(ExponentialTotal, u64), Refusal> {
        let stream = self.advance(key, start_ns, time_ns, |former| {
            Total::exponential(former, delta)
        })?;
        match &stream.total {
            Total::Exponential(total) => Ok((total.clone(), stream.start_ns)),
            _ => unreachable!("an exponential delta makes an exponential total"),
        }
    }

    /// Moves a stream on to `time_ns` with the total that `add` makes of the former one; a total that could not go on
    /// from the former one starts the stream anew.
    fn advance(
        &mut self,
        key: u128,
        start_ns: u64,
        time_ns: u64,
        add: impl FnOnce(Option<&Total>) -> std::result::Result<(Total, bool), Refusal>,
    ) -> std::result::Result<&Stream, Refusal> {
        let former = self
            .changes
            .streams
            .get(&key)
            .or_else(|| self.base.streams.get(&key));
        if let Some(former) = former
            && time_ns <= former.last_ns
        {
            let detail = format!(
                "a delta that ends at {time_ns} ns, but its stream has come to {} ns",
                former.last_ns
            );
            return Err(Refusal::new(RefusalReason::DeltaOutOfOrder, detail));
        }
        let (total, continued) = add(former.map(|stream| &stream.total))?;
        let stream = Stream {
            start_ns: former
                .filter(|_| continued)
                .map_or(start_ns, |former| former.start_ns),
            last_ns: time_ns,
            seen_ms: self.now_ms,
            total,
        };
        let is_new = former.is_none();
        let growth = stream
            .bytes()
            .saturating_sub(former.map_or(0, Stream::bytes));
        self.check_room(usize::from(is_new), growth)?;
        self.added += usize::from(is_new);
        self.added_bytes += growth;
        let entry = self.changes.streams.entry(key).insert_entry(stream);
        Ok(entry.into_mut())
    }

    fn check_room(&self, streams: usize, bytes: usize) -> std::result::Result<(), Refusal> {
        let DeltaLimits {
            streams_max,
            bytes_max,
            ..
        } = self.base.limits;
        let streams_full =
            streams > 0 && self.base.streams.len() + self.added + streams > streams_max;
        let bytes_full = bytes > 0 && self.base.bytes + self.added_bytes + bytes > bytes_max;
        if !streams_full && !bytes_full {
            return Ok(());
        }
        let detail = format!(
            "the table of delta streams is full ({streams_max} streams, {bytes_max} bytes); raise its limits or let \
             the sender use cumulative temporality"
        );
        Err(Refusal::new(RefusalReason::DeltaStreamLimit, detail))
    }
}

fn damaged(offset: usize, reason: &'static str) -> Error {
    Error::DeltaState { offset, reason }
}
