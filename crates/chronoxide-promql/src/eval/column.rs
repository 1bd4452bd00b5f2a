//! One series over all steps.

use std::sync::Arc;

use crate::eval::{CHECK_STEPS, Evaluation, Size};
use crate::{Error, FloatHistogram};

/// One cell of a [`Column`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell<'c> {
    /// The series has no value at the step.
    Absent,
    /// A float.
    Float(f64),
    /// A histogram, shared with whoever else shows the same sample.
    Histogram(&'c Arc<FloatHistogram>),
}

/// A value of a [`Column`], owned.
#[derive(Clone, Debug)]
pub(crate) enum CellValue {
    /// A float.
    Float(f64),
    /// A histogram.
    Histogram(Arc<FloatHistogram>),
}

/// Which cells hold a float, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    /// None of `count` cells.
    pub(crate) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    fn all(count: usize) -> Self {
        let mut words = vec![u64::MAX; count.div_ceil(64)];
        if let Some(last) = words.last_mut()
            && !count.is_multiple_of(64)
        {
            *last = (1 << (count % 64)) - 1;
        }
        Self(words)
    }

    /// Forgets all cells.
    pub(crate) fn clear_all(&mut self) {
        self.0.clear();
    }

    /// Adds cell `index`, the next one.
    pub(crate) fn push(&mut self, index: usize, is_set: bool) {
        if index.is_multiple_of(64) {
            self.0.push(0);
        }
        if let Some(word) = self.0.last_mut() {
            *word |= u64::from(is_set) << (index % 64);
        }
    }

    /// Sets the cells that `other`, of as many, has set.
    pub(crate) fn join(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word |= other;
        }
    }

    /// Whether no cell is set.
    pub(crate) fn are_none(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Whether cell `index` is set.
    pub(crate) fn get(&self, index: usize) -> bool {
        self.0[index / 64] >> (index % 64) & 1 == 1
    }

    /// Which of the eight cells from `8 * block` on are set, the first one in the lowest bit.
    pub(crate) fn eight(&self, block: usize) -> u8 {
        let word = self.0.get(block / 8).copied().unwrap_or(0);
        word.to_le_bytes()[block % 8]
    }

    fn set(&mut self, index: usize) {
        self.0[index / 64] |= 1 << (index % 64);
    }

    fn clear(&mut self, index: usize) {
        self.0[index / 64] &= !(1 << (index % 64));
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

/// One series over all steps: each cell is absent, a float or a histogram.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    floats: Vec<f64>,
    present: Bits,
    /// Empty while there is no histogram, otherwise one a step.
    histograms: Vec<Option<Arc<FloatHistogram>>>,
}

impl Column {
    /// A column of `count` absent cells.
    pub(crate) fn absent(count: usize) -> Self {
        Self {
            floats: vec![0.0; count],
            present: Bits::none(count),
            histograms: Vec::new(),
        }
    }

    /// A column of floats without gaps.
    pub(crate) fn from_floats(floats: Vec<f64>) -> Self {
        Self {
            present: Bits::all(floats.len()),
            floats,
            histograms: Vec::new(),
        }
    }

    /// A column of the `floats` that are `present`; what stands in the other places does not matter.
    pub(crate) fn of_present(floats: Vec<f64>, present: Bits) -> Self {
        debug_assert_eq!(present.0.len(), floats.len().div_ceil(64));
        Self {
            floats,
            present,
            histograms: Vec::new(),
        }
    }

    /// The floats with those that are present, if no cell was ever a histogram.
    pub(crate) fn only_floats(&self) -> Option<(&[f64], &Bits)> {
        self.histograms
            .is_empty()
            .then_some((&self.floats[..], &self.present))
    }

    /// The floats if all cells are floats, otherwise the column itself.
    pub(crate) fn into_floats(self) -> Result<Vec<f64>, Self> {
        if self.float_count() == self.len() {
            Ok(self.floats)
        } else {
            Err(self)
        }
    }

    /// How many steps there are.
    pub(crate) const fn len(&self) -> usize {
        self.floats.len()
    }

    /// The cell of step `index`.
    pub(crate) fn cell(&self, index: usize) -> Cell<'_> {
        if self.present.get(index) {
            return Cell::Float(self.floats[index]);
        }
        match self.histogram(index) {
            Some(histogram) => Cell::Histogram(histogram),
            None => Cell::Absent,
        }
    }

    /// The value of step `index`, if there is one.
    pub(crate) fn value(&self, index: usize) -> Option<CellValue> {
        match self.cell(index) {
            Cell::Absent => None,
            Cell::Float(value) => Some(CellValue::Float(value)),
            Cell::Histogram(histogram) => Some(CellValue::Histogram(Arc::clone(histogram))),
        }
    }

    /// The float of step `index`, if the cell is one.
    pub(crate) fn float(&self, index: usize) -> Option<f64> {
        self.present.get(index).then(|| self.floats[index])
    }

    /// The histogram of step `index`, if the cell is one.
    pub(crate) fn histogram(&self, index: usize) -> Option<&Arc<FloatHistogram>> {
        self.histograms.get(index).and_then(Option::as_ref)
    }

    /// Whether step `index` has no value.
    pub(crate) fn is_absent(&self, index: usize) -> bool {
        !self.present.get(index) && self.histogram(index).is_none()
    }

    /// Makes the cell of step `index` a float.
    pub(crate) fn set_float(&mut self, index: usize, value: f64) {
        self.floats[index] = value;
        self.present.set(index);
        if let Some(cell) = self.histograms.get_mut(index) {
            *cell = None;
        }
    }

    /// Makes the cell of step `index` a histogram.
    pub(crate) fn set_histogram(&mut self, index: usize, histogram: Arc<FloatHistogram>) {
        if self.histograms.is_empty() {
            self.histograms.resize(self.floats.len(), None);
        }
        self.histograms[index] = Some(histogram);
        self.present.clear(index);
    }

    /// Makes the cell of step `index` hold `value`.
    pub(crate) fn set(&mut self, index: usize, value: CellValue) {
        match value {
            CellValue::Float(value) => self.set_float(index, value),
            CellValue::Histogram(histogram) => self.set_histogram(index, histogram),
        }
    }

    /// Empties the cell of step `index`.
    pub(crate) fn clear(&mut self, index: usize) {
        self.present.clear(index);
        if let Some(cell) = self.histograms.get_mut(index) {
            *cell = None;
        }
    }

    /// Whether any cell holds a histogram.
    pub(crate) fn has_histograms(&self) -> bool {
        self.histograms.iter().any(Option::is_some)
    }

    /// How many cells hold a float.
    pub(crate) fn float_count(&self) -> usize {
        self.present.count()
    }

    /// How large the column is.
    pub(crate) fn size(&self) -> Size {
        let floats = Size {
            samples: self.present.count() as u64,
            bytes: size_of_val(&*self.floats) as u64
                + size_of_val(&*self.present.0) as u64
                + size_of_val(&*self.histograms) as u64,
        };
        let histograms = self.histograms.iter().flatten();
        histograms.fold(floats, |size, histogram| size.and(Size::of(histogram)))
    }

    /// Whether no cell holds a value.
    pub(crate) fn is_empty(&self) -> bool {
        self.present.0.iter().all(|word| *word == 0) && !self.has_histograms()
    }

    /// Applies `function` to every float and empties the cells of histograms.
    ///
    /// # Errors
    /// When the query is to stop.
    pub(crate) fn map_floats(
        &mut self,
        evaluation: &Evaluation<'_>,
        mut function: impl FnMut(f64) -> f64,
    ) -> Result<(), Error> {
        self.histograms = Vec::new();
        for (number, block) in self.floats.chunks_mut(CHECK_STEPS).enumerate() {
            if number > 0 {
                evaluation.check()?;
            }
            for value in block {
                *value = function(*value);
            }
        }
        Ok(())
    }

    /// Applies `function` to every histogram, with a copy of those that others share.
    pub(crate) fn map_histograms(&mut self, mut function: impl FnMut(&mut FloatHistogram)) {
        for histogram in self.histograms.iter_mut().flatten() {
            function(Arc::make_mut(histogram));
        }
    }

    /// Applies `function` to every float and leaves histograms alone.
    pub(crate) fn map_only_floats(&mut self, mut function: impl FnMut(f64) -> f64) {
        for value in &mut self.floats {
            *value = function(*value);
        }
    }

    /// Empties the cells of histograms.
    pub(crate) fn drop_histograms(&mut self) {
        self.histograms = Vec::new();
    }

    /// The floats of both columns joined by `function`, at the steps where both have one.
    pub(crate) fn zip_floats(&self, other: &Self, function: impl Fn(f64, f64) -> f64) -> Self {
        let floats = self.floats.iter().zip(&other.floats);
        let words = self.present.0.iter().zip(&other.present.0);
        Self {
            // Absent cells are joined along: it is cheaper than to look which they are.
            floats: floats
                .map(|(left, right)| function(*left, *right))
                .collect(),
            present: Bits(words.map(|(left, right)| left & right).collect()),
            histograms: Vec::new(),
        }
    }

    /// Empties the cells of floats.
    pub(crate) fn drop_floats(&mut self) {
        self.present = Bits::none(self.floats.len());
    }

    /// The steps that hold a float, with it.
    pub(crate) fn floats(&self) -> impl Iterator<Item = (usize, f64)> + '_ {
        self.floats
            .iter()
            .enumerate()
            .filter(|(index, _)| self.present.get(*index))
            .map(|(index, value)| (index, *value))
    }

    /// The steps that hold a histogram, with it.
    pub(crate) fn histograms(&self) -> impl Iterator<Item = (usize, &Arc<FloatHistogram>)> + '_ {
        self.histograms
            .iter()
            .enumerate()
            .filter_map(|(index, cell)| cell.as_ref().map(|histogram| (index, histogram)))
    }

    /// The first cell in all of `count` steps.
    pub(crate) fn repeat_first(&self, count: usize) -> Self {
        match self.cell(0) {
            Cell::Absent => Self::absent(count),
            Cell::Float(value) => Self::from_floats(vec![value; count]),
            Cell::Histogram(histogram) => Self {
                floats: vec![0.0; count],
                present: Bits::none(count),
                histograms: vec![Some(Arc::clone(histogram)); count],
            },
        }
    }

    /// Moves the values of `other` into absent cells; false, and nothing else certain, when both have a value at a
    /// step.
    pub(crate) fn merge(&mut self, other: &Self) -> bool {
        for index in 0..self.len() {
            let Some(value) = other.value(index) else {
                continue;
            };
            if !self.is_absent(index) {
                return false;
            }
            self.set(index, value);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_absent_float_or_histogram() {
        let mut column = Column::absent(70);
        assert!(column.is_empty());
        column.set_float(69, 2.0);
        assert_eq!(column.float(69), Some(2.0));
        assert!(column.is_absent(0));
        assert_eq!(column.size().samples, 1);
        column.clear(69);
        assert!(column.is_empty());
    }

    #[test]
    fn a_full_column_has_as_many_samples_as_steps() {
        for count in [0, 1, 63, 64, 65, 130] {
            assert_eq!(
                Column::from_floats(vec![1.0; count]).size().samples,
                count as u64,
                "{count} steps"
            );
        }
    }

    #[test]
    fn columns_merge_where_they_do_not_overlap() {
        let (mut left, mut right) = (Column::absent(2), Column::absent(2));
        left.set_float(0, 1.0);
        right.set_float(1, 2.0);
        assert!(left.merge(&right));
        assert_eq!(left.floats().collect::<Vec<_>>(), [(0, 1.0), (1, 2.0)]);
        assert!(!left.merge(&right));
    }
}
