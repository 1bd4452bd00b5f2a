//! Labels of the series of a part.

use std::cmp::Ordering;
use std::ops::Range;

use chronoxide_format::Result as FormatResult;
use chronoxide_format::part::{RowCursor, Symbols};
use chronoxide_model::Labels;

use super::Part;
use super::reader::disorder;
use crate::Result;

impl Part {
    /// Labels of the series of `rank`. For those of many series see [`Self::label_reader`].
    ///
    /// # Errors
    /// When there is no such series or the bytes are damaged.
    pub fn labels(&self, rank: u32) -> Result<Labels> {
        self.label_reader().read(rank)
    }

    /// Reads labels of many series, cheaply when the ranks ascend.
    #[must_use]
    pub fn label_reader(&self) -> LabelReader<'_> {
        LabelReader {
            part: self,
            cursor: None,
            texts: PairTexts::default(),
            row: Vec::new(),
        }
    }
}

/// Reads labels by rank.
#[derive(Debug)]
pub struct LabelReader<'a> {
    part: &'a Part,
    cursor: Option<RowCursor<'a>>,
    texts: PairTexts,
    /// The labels read last: neighbours in label order share most of them, at the same places.
    row: Vec<Label<'a>>,
}

/// A label whose value is in the texts of the reader.
#[derive(Debug)]
struct Label<'a> {
    pair: u32,
    name: &'a str,
    value: Range<usize>,
}

impl LabelReader<'_> {
    /// Labels of the series of `rank`.
    ///
    /// # Errors
    /// When there is no such series or the bytes are damaged.
    pub fn read(&mut self, rank: u32) -> Result<Labels> {
        self.read_labels(rank)
            .map_err(|source| self.part.damaged(source))
    }

    /// Stands at the series of `rank`, for [`Self::compare`] and [`Self::labels`].
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn go_to(&mut self, rank: u32) -> Result<()> {
        self.read_row(rank)
            .map_err(|source| self.part.damaged(source))
    }

    /// Compares the series it stands at with another one by their labels, without making any.
    pub(crate) fn compare(&self, other: &Labels) -> Ordering {
        other.cmp_pairs(self.pairs()).reverse()
    }

    /// The labels of the series it stands at.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub(crate) fn labels(&self) -> Result<Labels> {
        self.row_labels()
            .map_err(|source| self.part.damaged(source))
    }

    pub(super) fn read_labels(&mut self, rank: u32) -> FormatResult<Labels> {
        self.read_row(rank)?;
        self.row_labels()
    }

    fn read_row(&mut self, rank: u32) -> FormatResult<()> {
        let cursor = match &mut self.cursor {
            Some(cursor) => cursor,
            None => self.cursor.insert(self.part.rows()?.cursor()),
        };
        let pairs = cursor.row(rank)?;
        let symbols = self.part.symbols();
        if self.texts.forget_if_many() {
            self.row.clear();
        }
        self.row.truncate(pairs.len());
        for (at, pair) in pairs.iter().enumerate() {
            if self.row.get(at).is_some_and(|label| label.pair == *pair) {
                continue;
            }
            let label = Label {
                pair: *pair,
                name: symbols.name_of(*pair).unwrap_or(""),
                value: self.texts.place(*pair, &symbols)?,
            };
            match self.row.get_mut(at) {
                Some(place) => *place = label,
                None => self.row.push(label),
            }
        }
        Ok(())
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let text = self.texts.text.as_str();
        self.row.iter().map(|label| {
            let value = text.get(label.value.clone()).unwrap_or("");
            (label.name, value)
        })
    }

    fn row_labels(&self) -> FormatResult<Labels> {
        Labels::from_ordered_pairs(self.pairs())
            .map_err(|_| disorder("a series has labels that cannot stand together"))
    }
}

/// Values of pairs that were read lately.
#[derive(Debug, Default)]
struct PairTexts {
    text: String,
    places: hashbrown::HashMap<u32, Range<usize>>,
}

/// Texts are forgotten once they take this much.
const TEXT_BYTES_MAX: usize = 1 << 20;

impl PairTexts {
    fn forget_if_many(&mut self) -> bool {
        let many = self.text.len() > TEXT_BYTES_MAX;
        if many {
            self.text.clear();
            self.places.clear();
        }
        many
    }

    /// Where the value of `pair` stands.
    fn place(&mut self, pair: u32, symbols: &Symbols<'_>) -> FormatResult<Range<usize>> {
        if let Some(place) = self.places.get(&pair) {
            return Ok(place.clone());
        }
        let start = self.text.len();
        symbols.value(pair, &mut self.text)?;
        let place = start..self.text.len();
        self.places.insert(pair, place.clone());
        Ok(place)
    }
}
