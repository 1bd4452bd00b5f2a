//! Totals of delta streams, and how a delta adds to one.

use crate::exponential_histogram::{SCHEMA_MAX, SCHEMA_MIN};
use crate::histogram::invalid;
use crate::refusal::Refusal;
use crate::view::{Buckets, ExplicitHistogram, ExponentialHistogram, Number};

/// How many buckets one side of an exponential total may span; wider ones become coarser.
const BUCKETS_MAX: i64 = 1280;

/// How many buckets one side of a single delta, or of two totals on their way into one, may span.
const WIDTH_MAX: i64 = 1 << 16;

/// What a stream has come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Total {
    Integer(i64),
    Double(f64),
    Explicit(ExplicitTotal),
    Exponential(ExponentialTotal),
}

/// The total of explicit-bucket histograms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExplicitTotal {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) bounds: Vec<f64>,
    pub(super) bucket_counts: Vec<u64>,
}

/// The total of exponential histograms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExponentialTotal {
    pub(super) count: u64,
    pub(super) sum: Option<f64>,
    pub(super) scale: i32,
    pub(super) zero_count: u64,
    pub(super) zero_threshold: f64,
    pub(super) positive: Row,
    pub(super) negative: Row,
}

/// Neighbouring buckets, the first and the last not empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Row {
    pub(super) offset: i32,
    pub(super) counts: Vec<u64>,
}

impl Total {
    /// The total after a number; whether it goes on from the former one.
    pub(super) fn number(former: Option<&Self>, delta: Number) -> (Self, bool) {
        match (former, delta) {
            (Some(Self::Integer(total)), Number::Integer(delta)) => {
                match total.checked_add(delta) {
                    Some(total) => (Self::Integer(total), true),
                    None => (Self::Double(*total as f64 + delta as f64), true),
                }
            }
            (Some(former @ (Self::Integer(_) | Self::Double(_))), delta) => {
                (Self::Double(former.as_f64() + delta.as_f64()), true)
            }
            (_, Number::Integer(delta)) => (Self::Integer(delta), false),
            (_, Number::Double(delta)) => (Self::Double(delta), false),
        }
    }

    pub(super) fn as_f64(&self) -> f64 {
        match self {
            Self::Integer(total) => *total as f64,
            Self::Double(total) => *total,
            Self::Explicit(total) => total.count as f64,
            Self::Exponential(total) => total.count as f64,
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let words = match self {
            Self::Integer(_) | Self::Double(_) => 0,
            Self::Explicit(total) => total.bounds.len() + total.bucket_counts.len(),
            Self::Exponential(total) => total.positive.counts.len() + total.negative.counts.len(),
        };
        words * size_of::<u64>()
    }
}

fn add_sums(a: Option<f64>, b: Option<f64>) -> Option<f64> {
    Some(a? + b?)
}

impl ExplicitTotal {
    /// The total after a delta, and whether it goes on from the former one; other bounds begin a new one.
    pub(super) fn after(former: Option<&Total>, delta: &ExplicitHistogram<'_>) -> (Self, bool) {
        let former = match former {
            Some(Total::Explicit(former)) => former.plus(delta),
            _ => None,
        };
        let continued = former.is_some();
        let total = former.unwrap_or_else(|| Self {
            count: delta.count,
            sum: delta.sum,
            bounds: delta.bounds.to_vec(),
            bucket_counts: delta.bucket_counts.to_vec(),
        });
        (total, continued)
    }

    /// `None` when the bounds differ or a count passes 64 bits.
    fn plus(&self, delta: &ExplicitHistogram<'_>) -> Option<Self> {
        if self.bounds != delta.bounds || self.bucket_counts.len() != delta.bucket_counts.len() {
            return None;
        }
        let pairs = self.bucket_counts.iter().zip(delta.bucket_counts);
        Some(Self {
            count: self.count.checked_add(delta.count)?,
            sum: add_sums(self.sum, delta.sum),
            bounds: self.bounds.clone(),
            bucket_counts: pairs
                .map(|(a, b)| a.checked_add(*b))
                .collect::<Option<_>>()?,
        })
    }

    pub(crate) fn view(&self) -> ExplicitHistogram<'_> {
        ExplicitHistogram {
            count: self.count,
            sum: self.sum,
            bucket_counts: &self.bucket_counts,
            bounds: &self.bounds,
        }
    }
}

impl ExponentialTotal {
    /// The total after a delta, and whether it goes on from the former one.
    pub(super) fn after(
        former: Option<&Total>,
        delta: &ExponentialHistogram<'_>,
    ) -> Result<(Self, bool), Refusal> {
        let delta = Self::of(delta)?;
        let merged = match former {
            // What cannot be merged within bounds begins anew: refusing would leave the stream stuck for good.
            Some(Total::Exponential(former)) => {
                former.plus(&delta).and_then(|total| total.bounded().ok())
            }
            _ => None,
        };
        match merged {
            Some(total) => Ok((total, true)),
            None => Ok((delta.bounded()?, false)),
        }
    }

    fn of(delta: &ExponentialHistogram<'_>) -> Result<Self, Refusal> {
        let row = |buckets: Buckets<'_>| {
            let counted = (i64::from(buckets.offset)..).zip(buckets.counts.iter().copied());
            Row::of(counted.filter(|(_, count)| *count > 0))
        };
        let rows = row(delta.positive).zip(row(delta.negative));
        let (positive, negative) = rows.ok_or_else(too_wide)?;
        Self {
            count: delta.count,
            sum: delta.sum,
            scale: delta.scale,
            zero_count: delta.zero_count,
            zero_threshold: delta.zero_threshold.max(0.0),
            positive,
            negative,
        }
        .coarser(SCHEMA_MAX.min(delta.scale))
        .ok_or_else(too_wide)
    }

    /// `None` when a count passes 64 bits.
    fn plus(&self, delta: &Self) -> Option<Self> {
        let scale = self.scale.min(delta.scale);
        let threshold = self.zero_threshold.max(delta.zero_threshold);
        let (mut a, mut b) = (self.clone().coarser(scale)?, delta.clone().coarser(scale)?);
        // Widening one zero bucket may reach into a bucket and so widen it further; the other has to follow.
        let mut threshold = a.widen_zero(threshold)?.max(b.widen_zero(threshold)?);
        loop {
            let widened = a.widen_zero(threshold)?.max(b.widen_zero(threshold)?);
            if widened <= threshold {
                break;
            }
            threshold = widened;
        }
        // Rows far apart become one row that is too wide to write out: coarser first.
        let (mut positive, mut negative) = (
            a.positive.joined(&b.positive),
            a.negative.joined(&b.negative),
        );
        while positive.is_none() || negative.is_none() {
            let scale = a
                .scale
                .checked_sub(1)
                .filter(|scale| *scale >= SCHEMA_MIN)?;
            (a, b) = (a.coarser(scale)?, b.coarser(scale)?);
            (positive, negative) = (
                a.positive.joined(&b.positive),
                a.negative.joined(&b.negative),
            );
        }
        Some(Self {
            count: self.count.checked_add(delta.count)?,
            sum: add_sums(self.sum, delta.sum),
            scale: a.scale,
            zero_count: a.zero_count.checked_add(b.zero_count)?,
            zero_threshold: threshold,
            positive: positive?,
            negative: negative?,
        })
    }

    /// The same with neighbours merged until the scale is `scale`.
    fn coarser(mut self, scale: i32) -> Option<Self> {
        let merged = u32::try_from(i64::from(self.scale) - i64::from(scale)).ok()?;
        if merged > 0 {
            self.positive = self.positive.coarser(merged)?;
            self.negative = self.negative.coarser(merged)?;
            self.scale = scale;
        }
        Some(self)
    }

    /// Makes the zero bucket reach to `threshold` at least; answers how far it reaches.
    fn widen_zero(&mut self, threshold: f64) -> Option<f64> {
        if threshold <= self.zero_threshold {
            return Some(self.zero_threshold);
        }
        let mut reach = threshold;
        let mut swallowed = 0_u64;
        for row in [&mut self.positive, &mut self.negative] {
            // Bucket i begins at base^i.
            let inside = |index: i64| bound(index, self.scale) < threshold;
            let first = i64::from(row.offset);
            let count = (first..)
                .zip(&row.counts)
                .take_while(|(index, _)| inside(*index))
                .count();
            if count > 0 {
                reach = reach.max(bound(first + count as i64, self.scale));
                for bucket in row.counts.drain(..count) {
                    swallowed = swallowed.checked_add(bucket)?;
                }
                let rest: Vec<u64> = std::mem::take(&mut row.counts);
                let counted = (first + count as i64..).zip(rest);
                *row = Row::of(counted.filter(|(_, bucket)| *bucket > 0))?;
            }
        }
        self.zero_count = self.zero_count.checked_add(swallowed)?;
        self.zero_threshold = reach;
        Some(reach)
    }

    /// The same, coarse enough that neither side is too wide.
    fn bounded(mut self) -> Result<Self, Refusal> {
        while self.positive.width().max(self.negative.width()) > BUCKETS_MAX {
            let scale = self.scale - 1;
            if scale < SCHEMA_MIN {
                return Err(too_wide());
            }
            self = self.coarser(scale).ok_or_else(too_wide)?;
        }
        Ok(self)
    }

    pub(crate) fn view(&self) -> ExponentialHistogram<'_> {
        ExponentialHistogram {
            count: self.count,
            sum: self.sum,
            scale: self.scale,
            zero_count: self.zero_count,
            zero_threshold: self.zero_threshold,
            positive: self.positive.view(),
            negative: self.negative.view(),
        }
    }
}

fn too_wide() -> Refusal {
    invalid("its buckets reach further, or count more, than a total can hold")
}

/// The lower bound of bucket `index`.
fn bound(index: i64, scale: i32) -> f64 {
    (index as f64 * f64::from(-scale).exp2()).exp2()
}

impl Row {
    /// The row of buckets that are not empty, indexes ascending, equal ones added up.
    ///
    /// `None` when an index leaves 32 bits, a count 64 bits, or the row would pass [`WIDTH_MAX`].
    fn of(buckets: impl Iterator<Item = (i64, u64)>) -> Option<Self> {
        let mut row = Self::default();
        for (index, count) in buckets {
            if row.counts.is_empty() {
                row.offset = i32::try_from(index).ok()?;
            }
            i32::try_from(index).ok()?;
            let place = index - i64::from(row.offset);
            if place >= WIDTH_MAX {
                return None;
            }
            let place = usize::try_from(place).ok()?;
            if place >= row.counts.len() {
                row.counts.resize(place + 1, 0);
            }
            row.counts[place] = row.counts[place].checked_add(count)?;
        }
        Some(row)
    }

    fn width(&self) -> i64 {
        self.counts.len() as i64
    }

    fn iter(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        (i64::from(self.offset)..)
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count > 0)
    }

    fn coarser(&self, merged: u32) -> Option<Self> {
        let shift = merged.min(63);
        Self::of(self.iter().map(|(index, count)| (index >> shift, count)))
    }

    /// Both rows in one; `None` when that would be too wide or a count passes 64 bits.
    fn joined(&self, other: &Self) -> Option<Self> {
        if self.counts.is_empty() || other.counts.is_empty() {
            return Some(if self.counts.is_empty() { other } else { self }.clone());
        }
        let ends = |row: &Self| (i64::from(row.offset), i64::from(row.offset) + row.width());
        let ((first_a, end_a), (first_b, end_b)) = (ends(self), ends(other));
        let (first, end) = (first_a.min(first_b), end_a.max(end_b));
        let width = end - first;
        if width > WIDTH_MAX {
            return None;
        }
        let mut counts = vec![0_u64; usize::try_from(width).ok()?];
        for (index, count) in self.iter().chain(other.iter()) {
            let bucket = counts.get_mut(usize::try_from(index - first).ok()?)?;
            *bucket = bucket.checked_add(count)?;
        }
        Some(Self {
            offset: i32::try_from(first).ok()?,
            counts,
        })
    }

    fn view(&self) -> Buckets<'_> {
        Buckets {
            offset: self.offset,
            counts: &self.counts,
        }
    }
}
