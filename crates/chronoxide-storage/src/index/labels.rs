//! Label names and values of the series that satisfy matchers.

use chronoxide_format::Result as FormatResult;
use chronoxide_model::Matcher;
use roaring::RoaringBitmap;

use crate::Result;
use crate::part::Part;

impl Part {
    /// Names of the labels of the series that satisfy all `matchers`, ascending.
    ///
    /// # Errors
    /// When the labels or postings are damaged.
    pub fn label_names(&self, matchers: &[Matcher]) -> Result<Vec<String>> {
        self.find_label_names(matchers)
            .map_err(|source| self.damaged(source))
    }

    fn find_label_names(&self, matchers: &[Matcher]) -> FormatResult<Vec<String>> {
        let symbols = self.symbols();
        let Some(ranks) = self.ranks_matching(matchers)? else {
            return Ok(symbols.names().map(str::to_owned).collect());
        };
        let pairs = self.pairs_of_series(&ranks)?;
        let has = |name: &&str| {
            let of_name = symbols.pairs_of(name);
            pairs.range(of_name).next().is_some()
        };
        Ok(symbols.names().filter(has).map(str::to_owned).collect())
    }

    /// Values of label `name` of the series that satisfy all `matchers`, ascending.
    ///
    /// # Errors
    /// When the labels or postings are damaged.
    pub fn label_values(&self, name: &str, matchers: &[Matcher]) -> Result<Vec<String>> {
        self.find_label_values(name, matchers)
            .map_err(|source| self.damaged(source))
    }

    fn find_label_values(&self, name: &str, matchers: &[Matcher]) -> FormatResult<Vec<String>> {
        let symbols = self.symbols();
        let of_name = symbols.pairs_of(name);
        let pairs = match self.ranks_matching(matchers)? {
            _ if of_name.is_empty() => return Ok(Vec::new()),
            Some(ranks) => Some(self.pairs_of_series(&ranks)?),
            None => None,
        };
        let mut values = symbols.values(of_name);
        let mut found = Vec::new();
        while let Some((pair, value)) = values.next()? {
            if pairs.as_ref().is_none_or(|pairs| pairs.contains(pair)) {
                found.push(value.to_owned());
            }
        }
        Ok(found)
    }

    /// All pairs that any of the series has.
    fn pairs_of_series(&self, ranks: &RoaringBitmap) -> FormatResult<RoaringBitmap> {
        let mut cursor = self.rows()?.cursor();
        let mut pairs = RoaringBitmap::new();
        let mut last: Vec<u32> = Vec::new();
        for rank in ranks {
            let row = cursor.row(rank)?;
            // Neighbours share most of their pairs, at the same places.
            for (at, pair) in row.iter().enumerate() {
                if last.get(at) != Some(pair) {
                    pairs.insert(*pair);
                }
            }
            last.clear();
            last.extend_from_slice(row);
        }
        Ok(pairs)
    }
}
