//! Delta to cumulative: streams of deltas are added up, so that queries find the counters they expect.
//!
//! [`DeltaStreams`] holds what each stream has come to. A batch that storage refuses must not count, and requests shall
//! not wait for one another's disk. So translation works out [`DeltaChanges`]; if they
//! [still hold](DeltaStreams::still_holds) when it is the request's turn, [`DeltaStreams::begin`] adopts them, and others
//! build on them from then on; [`DeltaStreams::end`] confirms them or takes them back. Where a later request that built on
//! failed ones is stored, they are stored with it, as part of its totals, and stay. The order of turns must be the order
//! in which batches are logged.
//!
//! A stream ends with its state: what comes after eviction or loss begins at zero, which queries read as a counter
//! reset. A gap between two deltas does not end a stream: nothing was counted in it, or it was lost, and the total goes
//! on. A delta that begins before the last one ends counts in full, as in OpenTelemetry's own processor: two senders that
//! share labels come to their sum that way. One that comes again, with the same times and the same value, is there
//! already.

mod in_flight;
mod saved;
mod total;

use std::collections::HashSet;

use crate::hashed::HashedMap;
use crate::refusal::Refusal;
use crate::view::{ExplicitHistogram, ExponentialHistogram, Number, Point};
use crate::{Error, RefusalReason, Result};

use in_flight::{Fallback, InFlight};
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
    in_flight: InFlight,
    /// Requests that have begun.
    begun: u64,
    /// How often changes were taken back.
    failures: u64,
}

/// One stream: its total since `start_ns`, up to `last_ns`.
#[derive(Clone, Debug, PartialEq)]
struct Stream {
    start_ns: u64,
    last_ns: u64,
    /// When the last delta began, and a digest of it: it may come again.
    last_start_ns: u64,
    last_digest: u64,
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

/// What the deltas of one request came to, for [`DeltaStreams::begin`].
#[derive(Debug, Default)]
pub struct DeltaChanges {
    streams: HashedMap<Change>,
    /// Streams that the request began, and how many bytes all changes add.
    added: usize,
    added_bytes: usize,
    /// Points that came too late, or once more, for where their streams were before the request.
    late: usize,
    /// Points that found no room for their streams.
    crowded: usize,
    /// Series of the batch, from and to, with the stream that they show, in the batch's order.
    shown: Vec<(usize, usize, u128)>,
    /// What [`DeltaStreams::failures`] was at the translation.
    failures: u64,
}

#[derive(Debug)]
struct Change {
    stream: Stream,
    /// Where the stream was before the request; `None` when it was not there.
    former_ns: Option<u64>,
}

/// Changes on their way to disk, for [`DeltaStreams::end`].
#[derive(Debug)]
#[must_use]
pub struct DeltaTicket {
    number: u64,
    keys: Vec<u128>,
}

impl DeltaChanges {
    /// Whether no stream has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Whether points found no room for their streams, so that it helps to forget idle ones.
    #[must_use]
    pub const fn is_crowded(&self) -> bool {
        self.crowded > 0
    }

    /// Leaves out streams of which storage takes nothing: `refused` are the series that it refused, by their places in the
    /// batch. What is not stored must not count.
    pub fn leave_out(&mut self, refused: &[usize]) {
        if refused.is_empty() || self.shown.is_empty() {
            return;
        }
        let refused: HashSet<usize> = refused.iter().copied().collect();
        let mut stored: HashedMap<bool> = HashedMap::default();
        for (start, end, key) in &self.shown {
            let all_refused = (*start..*end).all(|place| refused.contains(&place));
            *stored.entry(*key).or_default() |= !all_refused;
        }
        self.streams
            .retain(|key, _| stored.get(key).copied().unwrap_or(true));
    }

    /// Whether points were refused because their streams were further already, before the request, or taken because they
    /// are there already.
    #[must_use]
    pub const fn has_late(&self) -> bool {
        self.late > 0
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
            in_flight: InFlight::default(),
            begun: 0,
            failures: 0,
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

    /// Whether `changes` are what the translation would come to now, as far as streams go. Points that came too late are
    /// late for good once nothing is in flight any more.
    #[must_use]
    pub fn still_holds(&self, changes: &DeltaChanges) -> bool {
        let unchanged = |(key, change): (&u128, &Change)| {
            let known = self.streams.get(key);
            known.map(|stream| stream.last_ns) == change.former_ns
        };
        changes.failures == self.failures
            && self.has_room(changes.added, changes.added_bytes)
            && changes.streams.iter().all(unchanged)
    }

    /// Adopts what a request came to that is on its way to disk; [`DeltaStreams::end`] must follow.
    pub fn begin(&mut self, changes: DeltaChanges) -> DeltaTicket {
        self.begun += 1;
        let number = self.begun;
        let mut keys = Vec::with_capacity(changes.streams.len());
        for (key, change) in changes.streams {
            let former = self.insert(key, change.stream);
            self.in_flight.begin(key, number, former);
            keys.push(key);
        }
        DeltaTicket { number, keys }
    }

    /// Confirms changes that are stored, or takes back those that are not.
    pub fn end(&mut self, ticket: DeltaTicket, stored: bool) {
        self.failures += u64::from(!stored);
        for key in ticket.keys {
            if stored {
                self.in_flight.succeed(key, ticket.number);
                continue;
            }
            match self.in_flight.fail(key, ticket.number) {
                Fallback::Keep => {}
                Fallback::Replace(stream) => drop(self.insert(key, stream)),
                Fallback::Remove => {
                    let removed = self.streams.remove(&key);
                    self.bytes -= removed.map_or(0, |stream| stream.bytes());
                }
            }
        }
    }

    /// Answers what was there before.
    fn insert(&mut self, key: u128, stream: Stream) -> Option<Stream> {
        self.bytes += stream.bytes();
        let former = self.streams.insert(key, stream);
        self.bytes -= former.as_ref().map_or(0, Stream::bytes);
        former
    }

    fn has_room(&self, streams: usize, bytes: usize) -> bool {
        let DeltaLimits {
            streams_max,
            bytes_max,
            ..
        } = self.limits;
        (streams == 0 || self.streams.len() + streams <= streams_max)
            && (bytes == 0 || self.bytes + bytes <= bytes_max)
    }

    /// Forgets streams that have been idle, and answers how many. Nothing may be in flight.
    pub fn evict_idle(&mut self, now_ms: i64) -> usize {
        debug_assert!(self.in_flight.is_empty(), "changes may still be taken back");
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

    /// All streams as bytes, checksum included. Nothing may be in flight.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        debug_assert!(self.in_flight.is_empty(), "changes may still be taken back");
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
    now_ms: i64,
}

impl<'s> DeltaTurn<'s> {
    pub(crate) fn new(base: &'s DeltaStreams, now_ms: i64) -> Self {
        Self {
            base,
            changes: DeltaChanges {
                failures: base.failures,
                ..DeltaChanges::default()
            },
            now_ms,
        }
    }

    pub(crate) const fn seed(&self) -> u64 {
        self.base.seed
    }

    pub(crate) fn into_changes(self) -> DeltaChanges {
        self.changes
    }

    /// Adds a sum's delta; answers the total and the start of the stream, or nothing when the delta is there already.
    pub(crate) fn add_number(
        &mut self,
        key: u128,
        span: Span,
        delta: Number,
    ) -> std::result::Result<Option<(f64, u64)>, Refusal> {
        self.advance(key, span, delta.digest(), |former| {
            let (total, continued) = Total::number(former, delta);
            let value = total.as_f64();
            Ok((total, continued, value))
        })
    }

    /// Adds an explicit-bucket histogram's delta; answers what `shown` makes of the total, and the start of the stream, or
    /// nothing when the delta is there already. A total that cannot be shown begins anew.
    pub(crate) fn add_explicit<T>(
        &mut self,
        key: u128,
        span: Span,
        delta: &ExplicitHistogram<'_>,
        shown: impl Fn(&ExplicitTotal) -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<Option<(T, u64)>, Refusal> {
        self.advance(key, span, delta.digest(), |former| {
            let (total, continued) = ExplicitTotal::after(former, delta);
            match shown(&total) {
                Ok(value) => return Ok((Total::Explicit(total), continued, value)),
                Err(refusal) if !continued => return Err(refusal),
                // Refusing would leave the stream stuck for good.
                Err(_) => {}
            }
            let (total, continued) = ExplicitTotal::after(None, delta);
            let value = shown(&total)?;
            Ok((Total::Explicit(total), continued, value))
        })
    }

    /// Adds an exponential histogram's delta, in the same way.
    pub(crate) fn add_exponential<T>(
        &mut self,
        key: u128,
        span: Span,
        delta: &ExponentialHistogram<'_>,
        shown: impl Fn(&ExponentialTotal) -> std::result::Result<T, Refusal>,
    ) -> std::result::Result<Option<(T, u64)>, Refusal> {
        self.advance(key, span, delta.digest(), |former| {
            let (total, continued) = ExponentialTotal::after(former, delta)?;
            match shown(&total) {
                Ok(value) => return Ok((Total::Exponential(total), continued, value)),
                Err(refusal) if !continued => return Err(refusal),
                Err(_) => {}
            }
            let (total, continued) = ExponentialTotal::after(None, delta)?;
            let value = shown(&total)?;
            Ok((Total::Exponential(total), continued, value))
        })
    }

    /// Notes that the series of the batch from `start` to `end` show stream `key`.
    pub(crate) fn show(&mut self, key: u128, start: usize, end: usize) {
        self.changes.shown.push((start, end, key));
    }

    /// Moves a stream on to the end of `span` with the total that `add` makes of the former one, and answers what `add`
    /// shows of it; a total that could not go on from the former one starts the stream anew.
    fn advance<T>(
        &mut self,
        key: u128,
        span: Span,
        digest: u64,
        add: impl FnOnce(Option<&Total>) -> std::result::Result<(Total, bool, T), Refusal>,
    ) -> std::result::Result<Option<(T, u64)>, Refusal> {
        let changed = self.changes.streams.get(&key);
        let base = self.base.streams.get(&key);
        let former = changed.map(|change| &change.stream).or(base);
        if let Some(former) = former
            && former.is_reached_by(span)
        {
            let same_request = changed.is_some();
            self.changes.late += usize::from(!same_request);
            let last = (former.last_ns, former.last_start_ns, former.last_digest);
            if !same_request && last == (span.end_ns, span.start_ns, digest) {
                return Ok(None);
            }
            return Err(late(span, former.last_ns, same_request));
        }
        let (total, continued, shown) = add(former.map(|stream| &stream.total))?;
        let stream = Stream {
            start_ns: former
                .filter(|_| continued)
                .map_or(span.start_ns, |former| former.start_ns),
            last_ns: span.end_ns,
            last_start_ns: span.start_ns,
            last_digest: digest,
            seen_ms: self.now_ms,
            total,
        };
        let is_new = former.is_none();
        let growth = stream
            .bytes()
            .saturating_sub(former.map_or(0, Stream::bytes));
        let former_ns = base.map(|stream| stream.last_ns);
        if let Err(refusal) = self.check_room(usize::from(is_new), growth) {
            self.changes.crowded += 1;
            return Err(refusal);
        }
        self.changes.added += usize::from(is_new);
        self.changes.added_bytes += growth;
        let start_ns = stream.start_ns;
        let change = Change { stream, former_ns };
        self.changes.streams.insert(key, change);
        Ok(Some((shown, start_ns)))
    }

    fn check_room(&self, streams: usize, bytes: usize) -> std::result::Result<(), Refusal> {
        let (added, added_bytes) = (self.changes.added, self.changes.added_bytes);
        let full = (streams > 0 && !self.base.has_room(added + streams, 0))
            || (bytes > 0 && !self.base.has_room(0, added_bytes + bytes));
        if !full {
            return Ok(());
        }
        let DeltaLimits {
            streams_max,
            bytes_max,
            ..
        } = self.base.limits;
        let detail = format!(
            "the table of delta streams is full ({streams_max} streams, {bytes_max} bytes); raise \
             otlp.delta-streams-limit or otlp.delta-memory-limit, or let the sender use cumulative temporality"
        );
        Err(Refusal::new(RefusalReason::DeltaStreamLimit, detail))
    }
}

/// The time that a delta is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// 0 when unknown.
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
}

impl Span {
    pub(crate) const fn of(point: &Point<'_, '_>) -> Self {
        let (start_ns, end_ns) = (point.start_ns, point.time_ns);
        // A start after the point it starts means nothing.
        let start_ns = if start_ns <= end_ns { start_ns } else { 0 };
        Self { start_ns, end_ns }
    }
}

impl Stream {
    /// Whether the stream has some of this time already.
    const fn is_reached_by(&self, span: Span) -> bool {
        span.end_ns <= self.last_ns
    }
}

/// Why a delta is not added: the stream has come further, in the same request or before.
fn late(span: Span, last_ns: u64, same_request: bool) -> Refusal {
    let end_ns = span.end_ns;
    if same_request && end_ns == last_ns {
        let detail = format!(
            "a second delta for one series that ends at {end_ns} ns; metrics or attributes may have the same name after \
             translation"
        );
        return Refusal::new(RefusalReason::Duplicate, detail);
    }
    let detail =
        format!("a delta that ends at {end_ns} ns, but its stream has come to {last_ns} ns");
    Refusal::new(RefusalReason::DeltaOutOfOrder, detail)
}

fn damaged(offset: usize, reason: &'static str) -> Error {
    Error::DeltaState { offset, reason }
}
