//! What a query holds, counted against its limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chronoxide_model::Labels;

use crate::engine::{Phase, QueryProgress, Stopwatch};
use crate::eval::Steps;
use crate::{Error, FloatHistogram};

/// Bytes of a float with its time, which is what one sample counts as.
pub(crate) const SAMPLE_BYTES: u64 = 16;

/// Counts what a query holds and refuses more than its limits at once.
#[derive(Debug)]
pub(crate) struct Meter {
    samples_max: u64,
    bytes_max: u64,
    samples: AtomicU64,
    bytes: AtomicU64,
    progress: QueryProgress,
}

impl Meter {
    /// A meter that refuses to hold more than `samples_max` samples or `bytes_max` bytes at once, and tells `progress`.
    pub(crate) const fn new(samples_max: u64, bytes_max: u64, progress: QueryProgress) -> Self {
        Self {
            samples_max,
            bytes_max,
            samples: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            progress,
        }
    }

    /// Counts `size` as held.
    ///
    /// # Errors
    /// [`Error::TooManySamples`], [`Error::TooMuchMemory`], [`Error::MoreThanAllMemory`] or [`Error::NoMemoryLeft`] past a
    /// limit; nothing is counted then.
    pub(crate) fn hold(&self, size: Size) -> Result<(), Error> {
        let samples = add_up_to(&self.samples, size.samples, self.samples_max);
        let samples = samples.ok_or(self.too_many_samples())?;
        let held = match add_up_to(&self.bytes, size.bytes, self.bytes_max) {
            None => Err(Error::TooMuchMemory {
                limit: self.bytes_max,
            }),
            Some(bytes) => self.progress.hold(samples, bytes).inspect_err(|_| {
                self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
            }),
        };
        held.inspect_err(|_| {
            self.samples.fetch_sub(size.samples, Ordering::Relaxed);
        })
    }

    /// Refuses steps of which a single series without gaps would pass the limit.
    ///
    /// # Errors
    /// [`Error::TooManySamples`].
    pub(crate) const fn check_steps(&self, steps: Steps) -> Result<(), Error> {
        if steps.count as u64 > self.samples_max {
            return Err(self.too_many_samples());
        }
        Ok(())
    }

    /// The error of more samples than the limit.
    pub(crate) const fn too_many_samples(&self) -> Error {
        Error::TooManySamples {
            limit: self.samples_max,
        }
    }

    /// The bytes that may be held at once.
    pub(crate) const fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// The samples that may be held at once.
    pub(crate) const fn samples_max(&self) -> u64 {
        self.samples_max
    }

    /// How many more samples may be held.
    pub(crate) fn samples_left(&self) -> u64 {
        let held = self.samples.load(Ordering::Relaxed);
        self.samples_max.saturating_sub(held)
    }

    /// Takes back what [`Meter::hold`] counted.
    fn release(&self, size: Size) {
        self.samples.fetch_sub(size.samples, Ordering::Relaxed);
        self.bytes.fetch_sub(size.bytes, Ordering::Relaxed);
    }

    /// Takes the time of `phase` until the answer is dropped.
    pub(crate) fn time(&self, phase: Phase) -> Stopwatch<'_> {
        self.progress.time(phase)
    }

    /// Counts `series` selected.
    pub(crate) fn select(&self, series: u64) {
        self.progress.select(series);
    }

    /// Counts `samples` that steps show.
    pub(crate) fn see(&self, samples: u64) {
        self.progress.see(samples);
    }

    /// Counts `samples` read from the source.
    pub(crate) fn read(&self, samples: u64) {
        self.progress.read(samples);
    }
}

/// Adds `more` unless that would pass `limit`; gives the sum.
fn add_up_to(held: &AtomicU64, more: u64, limit: u64) -> Option<u64> {
    if more > limit {
        return None;
    }
    let sum = held.fetch_add(more, Ordering::Relaxed) + more;
    if sum > limit {
        held.fetch_sub(more, Ordering::Relaxed);
        return None;
    }
    Some(sum)
}

/// How large something is that a query holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Samples; a histogram counts as the floats that would take its place.
    pub(crate) samples: u64,
    /// Bytes of memory, about.
    pub(crate) bytes: u64,
}

impl Size {
    /// `count` floats with their times.
    pub(crate) const fn of_floats(count: usize) -> Self {
        Self {
            samples: count as u64,
            bytes: (count as u64).saturating_mul(SAMPLE_BYTES),
        }
    }

    /// Memory that holds no samples.
    pub(crate) const fn of_bytes(bytes: u64) -> Self {
        Self { samples: 0, bytes }
    }

    /// `labels` that nothing else holds.
    pub(crate) fn of_labels(labels: &Labels) -> Self {
        Self::of_bytes(labels.memory_bytes() as u64)
    }

    /// A histogram with so many buckets.
    pub(crate) const fn of_histogram(buckets: usize) -> Self {
        let bytes = size_of::<FloatHistogram>() as u64 + SAMPLE_BYTES * (1 + buckets as u64);
        Self {
            samples: bytes / SAMPLE_BYTES,
            bytes,
        }
    }

    /// That of `histogram`.
    pub(crate) const fn of(histogram: &FloatHistogram) -> Self {
        Self::of_histogram(histogram.positive.len() + histogram.negative.len())
    }

    /// Both together.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            samples: self.samples.saturating_add(other.samples),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// Something counted against the limits for as long as this lives.
#[derive(Debug)]
pub(crate) struct Charge {
    meter: Arc<Meter>,
    size: Size,
}

impl Charge {
    /// Counts `size`.
    ///
    /// # Errors
    /// As [`Meter::hold`].
    pub(crate) fn new(meter: &Arc<Meter>, size: Size) -> Result<Self, Error> {
        meter.hold(size)?;
        Ok(Self {
            meter: Arc::clone(meter),
            size,
        })
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.meter.release(self.size);
    }
}

/// Many small things counted together, some dozens of kilobytes at a time, for as long as this lives.
#[derive(Debug)]
pub(crate) struct Bill {
    meter: Arc<Meter>,
    counted: u64,
    open: u64,
}

impl Bill {
    /// So much may be held before it is counted.
    const OPEN_BYTES_MAX: u64 = 64 << 10;

    /// Nothing yet.
    pub(crate) fn new(meter: &Arc<Meter>) -> Self {
        Self {
            meter: Arc::clone(meter),
            counted: 0,
            open: 0,
        }
    }

    /// Adds `bytes`.
    ///
    /// # Errors
    /// As [`Meter::hold`].
    pub(crate) fn add(&mut self, bytes: u64) -> Result<(), Error> {
        self.open = self.open.saturating_add(bytes);
        if self.open > Self::OPEN_BYTES_MAX {
            self.meter.hold(Size::of_bytes(self.open))?;
            self.counted += std::mem::take(&mut self.open);
        }
        Ok(())
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        self.meter.release(Size::of_bytes(self.counted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_counted_now_and_then_and_taken_back() {
        let meter = Arc::new(Meter::new(10, 1 << 20, QueryProgress::default()));
        let held = || meter.bytes.load(Ordering::Relaxed);
        let mut bill = Bill::new(&meter);
        for _ in 0..1000 {
            bill.add(1000).unwrap();
            assert!(bill.counted + bill.open <= held() + Bill::OPEN_BYTES_MAX);
        }
        assert!(held() > 900_000);
        let refused = (0..1000).find_map(|_| bill.add(1000).err());
        assert!(matches!(refused, Some(Error::TooMuchMemory { .. })));
        drop(bill);
        assert_eq!(held(), 0);
    }

    #[test]
    fn what_is_refused_counts_nothing() {
        let meter = Arc::new(Meter::new(10, 200, QueryProgress::default()));
        let first = Charge::new(&meter, Size::of_floats(8)).unwrap();
        let refused = Charge::new(&meter, Size::of_floats(3));
        assert!(matches!(refused, Err(Error::TooManySamples { limit: 10 })));
        let refused = Charge::new(&meter, Size::of_bytes(100));
        assert!(matches!(refused, Err(Error::TooMuchMemory { limit: 200 })));
        assert_eq!(meter.samples_left(), 2);
        drop(first);
        assert!(Charge::new(&meter, Size::of_floats(10)).is_ok());
        assert_eq!(meter.samples_left(), 10);
    }
}
