//! The trait that queries read through: implemented by storage, consumed by PromQL.

use std::fmt;

use crate::{Histogram, Labels, Matcher, TimeRange};

/// A source failed; its own error is inside.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Something that holds series.
pub trait SeriesSource: Send + Sync {
    /// The series that satisfy all `matchers` and may have samples in `range`, as one consistent snapshot.
    ///
    /// No matcher at all selects every series.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError>;

    /// [`SeriesSource::select`], which asks `go_on` every now and then and gives up when the answer is no: there is no set
    /// then.
    ///
    /// A source whose series are few, which is what the default is for, need not ask at all.
    ///
    /// # Errors
    /// As [`SeriesSource::select`].
    fn select_while(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Box<dyn SeriesSet + '_>>, SourceError> {
        let _ = go_on;
        self.select(matchers, range).map(Some)
    }

    /// Names of labels of the series that satisfy all `matchers` and may have samples in `range`, sorted.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError>;

    /// Values of label `name` among the series that satisfy all `matchers` and may have samples in `range`, sorted.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Vec<String>, SourceError>;

    /// The source as it is now, for several selections that are to fit together: what is written later shows in none
    /// of them.
    ///
    /// `None`, the default, says that selections of the source itself fit together, because it does not change while
    /// they are made.
    fn snapshot(&self) -> Option<Box<dyn SeriesSource + '_>> {
        None
    }
}

/// Series of one selection, in label order, each read on its own and from any thread.
///
/// A set is a snapshot: what is written after `select` does not show in it.
pub trait SeriesSet: Send + Sync + fmt::Debug {
    /// How many series the set has.
    fn len(&self) -> usize;

    /// Whether the set has no series.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Labels of series `index`; strictly ascending with `index`.
    ///
    /// # Panics
    /// When `index` is not below [`SeriesSet::len`].
    fn labels(&self, index: usize) -> Labels;

    /// Replaces the content of `columns` by the samples of series `index` inside the selected range, and nothing
    /// outside it. A series may turn out to have none.
    ///
    /// # Errors
    /// When the source cannot be read or its bytes are damaged.
    ///
    /// # Panics
    /// When `index` is not below [`SeriesSet::len`].
    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError>;

    /// [`SeriesSet::read`], which asks `go_on` every now and then, with the number of samples read so far, and leaves
    /// the rest when the answer is no. Whether everything was read; nothing is certain about `columns` otherwise.
    ///
    /// A set whose series are short, which is what the default is for, need not ask at all.
    ///
    /// # Errors
    /// As [`SeriesSet::read`].
    ///
    /// # Panics
    /// As [`SeriesSet::read`].
    fn read_while(
        &self,
        index: usize,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        let _ = go_on;
        self.read(index, columns).map(|()| true)
    }

    /// As [`read_while`](Self::read_while), but may leave out float samples inside `core` that do not matter to who
    /// asks, as `reduction` says, and counts them in [`SampleColumns::left_out`]. A source that keeps summaries of
    /// stretches of samples need not decode them then; the default leaves out nothing.
    ///
    /// Where `reduction` does not [need values](Reduction::needs_values), those of all floats, inside `core` or not, may be
    /// replaced by any others, but that stale markers stay and no others come.
    ///
    /// # Errors
    /// As [`SeriesSet::read`].
    ///
    /// # Panics
    /// As [`SeriesSet::read`].
    fn read_reduced_while(
        &self,
        index: usize,
        core: TimeRange,
        reduction: Reduction,
        columns: &mut SampleColumns,
        go_on: &dyn Fn(usize) -> bool,
    ) -> Result<bool, SourceError> {
        let _ = (core, reduction);
        self.read_while(index, columns, go_on)
    }
}

/// What is not needed of the samples of a series.
///
/// All but [`Times`](Self::Times) let samples go, and say what still has to be the same when they are left out of runs of neighbouring floats, none of them a NaN, with no
/// histogram between them and no known start time.
///
/// Of each run at least one sample stays, and those that stay are samples of the run, but that
/// [`Minimum`](Self::Minimum) and [`Maximum`](Self::Maximum) may give the extreme value another time of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// When each sample is, and which are stale markers. None is left out.
    Times,
    /// How many there are.
    Count,
    /// The first sample, and how many there are.
    First,
    /// The last sample, and how many there are.
    Last,
    /// The least value.
    Minimum,
    /// The greatest value.
    Maximum,
    /// The first and the last sample, and how many there are.
    Ends,
    /// The same, and nothing is left out where a value is below the one before.
    Counter,
}

impl Reduction {
    /// Whether the values of floats matter, beyond which are stale markers.
    #[must_use]
    pub const fn needs_values(self) -> bool {
        match self {
            Self::Times | Self::Count => false,
            Self::First
            | Self::Last
            | Self::Minimum
            | Self::Maximum
            | Self::Ends
            | Self::Counter => true,
        }
    }
}

/// Samples of one series as columns, each ascending in time without repetition.
///
/// A timestamp stands in the float columns or in the histogram columns, never in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SampleColumns {
    /// Times of the float samples, Unix milliseconds.
    pub timestamps_ms: Vec<i64>,
    /// Values of the float samples, as many as `timestamps_ms`.
    pub values: Vec<f64>,
    /// Start times of the float samples: empty when none is known, otherwise as many as `timestamps_ms` with 0 for
    /// an unknown one.
    pub start_timestamps_ms: Vec<i64>,
    /// Times of the histogram samples, Unix milliseconds.
    pub histogram_timestamps_ms: Vec<i64>,
    /// The histogram samples, as many as `histogram_timestamps_ms`.
    pub histograms: Vec<Histogram>,
    /// Start times of the histogram samples, like `start_timestamps_ms`.
    pub histogram_start_timestamps_ms: Vec<i64>,
    /// Float samples that [`SeriesSet::read_reduced_while`] left out; 0 otherwise.
    pub left_out: u64,
}

impl SampleColumns {
    /// Empties the columns and keeps their memory.
    pub fn clear(&mut self) {
        self.timestamps_ms.clear();
        self.values.clear();
        self.start_timestamps_ms.clear();
        self.histogram_timestamps_ms.clear();
        self.histograms.clear();
        self.histogram_start_timestamps_ms.clear();
        self.left_out = 0;
    }

    /// How many samples of either kind there are, without those left out.
    #[must_use]
    pub fn len(&self) -> usize {
        self.timestamps_ms.len() + self.histogram_timestamps_ms.len()
    }

    /// Whether there is no sample.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
