//! Which series of a part satisfy matchers.
//!
//! A matcher that no empty value satisfies keeps the series that have one of the pairs that satisfy it; any other
//! matcher drops the series that have a pair that does not, which leaves the series without the label. Matchers whose
//! pairs are found by name and value come first, the rarest in front. The others test values: all values of the label,
//! or those of the series that are left, whichever are fewer; what testing many values found is remembered with the
//! part.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use chronoxide_format::Result as FormatResult;
use chronoxide_format::part::{PostingsDirectory, SeriesRows, Symbols};
use chronoxide_model::{Matcher, MatcherOp};
use roaring::RoaringBitmap;

use super::match_cache::MatchCache;
use super::union::union;
use crate::Result;
use crate::part::Part;

impl Part {
    /// Ranks of the series that satisfy all `matchers`, ascending. No matcher at all selects every series.
    ///
    /// # Errors
    /// When the labels or postings are damaged.
    pub fn series_matching(&self, matchers: &[Matcher]) -> Result<Vec<u32>> {
        let found = self.series_matching_while(matchers, &|| true)?;
        Ok(found.expect("nobody said to stop"))
    }

    /// The same, as long as `go_on` says so, which is asked every now and then.
    pub(crate) fn series_matching_while(
        &self,
        matchers: &[Matcher],
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<u32>>> {
        let found = self
            .ranks_matching_while(matchers, go_on)
            .map_err(|source| self.damaged(source))?;
        Ok(found.map(|ranks| match ranks {
            Some(ranks) => ranks.into_iter().collect(),
            None => (0..self.series_count()).collect(),
        }))
    }

    /// The same as a set; nothing stands for all series.
    pub(super) fn ranks_matching(
        &self,
        matchers: &[Matcher],
    ) -> FormatResult<Option<RoaringBitmap>> {
        let found = self.ranks_matching_while(matchers, &|| true)?;
        Ok(found.expect("nobody said to stop"))
    }

    fn ranks_matching_while(
        &self,
        matchers: &[Matcher],
        go_on: &dyn Fn() -> bool,
    ) -> FormatResult<Option<Option<RoaringBitmap>>> {
        let mut matching = Matching {
            symbols: self.symbols(),
            postings: self.postings()?,
            rows: self.rows()?,
            series: self.series_count(),
            known: self.matches(),
            left: None,
            go_on,
        };
        let whole = matching.apply(matchers)?;
        Ok(whole.then_some(matching.left))
    }
}

/// The pairs that decide about a matcher.
#[derive(Debug)]
enum Test<'m> {
    /// Series with one of these pairs stay.
    Keep(Vec<u32>),
    /// Series with one of these pairs go.
    Drop(Vec<u32>),
    /// These series stay, or go.
    Known(Arc<RoaringBitmap>, bool),
    /// The values of the pairs in these ranges must be looked at, unless all of them satisfy the matcher, or none does.
    Scan(Vec<Range<u32>>, &'m Matcher),
}

/// The state of one search.
struct Matching<'a> {
    symbols: Symbols<'a>,
    postings: PostingsDirectory<'a>,
    rows: SeriesRows<'a>,
    series: u32,
    known: &'a MatchCache,
    /// The series that satisfy the matchers so far; nothing stands for all.
    left: Option<RoaringBitmap>,
    /// Whether the search is still wanted.
    go_on: &'a dyn Fn() -> bool,
}

/// What testing fewer values than this found is not worth remembering.
const VALUES_REMEMBERED: u64 = 64;

/// So many values, in order, are worth an automaton that goes on where the value before was the same.
const VALUES_WALKED: u64 = 256;

/// One in so many values, or series, is where a search asks whether to go on.
const CHECK_VALUES: u32 = 1024;

/// Pairs in all the ranges.
fn count(ranges: &[Range<u32>]) -> u64 {
    let lengths = ranges.iter().map(|range| range.end - range.start);
    lengths.map(u64::from).sum()
}

impl Matching<'_> {
    /// Whether it was done to the end.
    fn apply(&mut self, matchers: &[Matcher]) -> FormatResult<bool> {
        let mut tests = Vec::with_capacity(matchers.len());
        for matcher in matchers {
            let test = self.test(matcher)?;
            tests.push((self.cost(&test)?, test));
        }
        tests.sort_by_key(|(cost, _)| *cost);
        for (_, test) in tests {
            if self.left.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return Ok(true);
            }
            match test {
                Test::Keep(pairs) => {
                    let Some(ranks) = union(&self.postings, pairs, self.go_on)? else {
                        return Ok(false);
                    };
                    self.keep_ranks(&ranks);
                }
                Test::Drop(pairs) => {
                    let Some(ranks) = union(&self.postings, pairs, self.go_on)? else {
                        return Ok(false);
                    };
                    self.drop_ranks(&ranks);
                }
                Test::Known(ranks, true) => self.keep_ranks(&ranks),
                Test::Known(ranks, false) => self.drop_ranks(&ranks),
                Test::Scan(ranges, matcher) => {
                    if !self.scan(&ranges, matcher)? {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// Finds the pairs of a matcher without looking at all values, if they can be found so.
    fn test<'m>(&self, matcher: &'m Matcher) -> FormatResult<Test<'m>> {
        let (name, keeps) = (matcher.name(), !matcher.matches_empty());
        if let Some(literals) = matcher.right_side_literals()
            && (matcher.literals().is_some() == keeps)
        {
            let mut found = Vec::new();
            for literal in literals {
                found.extend(self.symbols.find(name, literal)?);
            }
            return Ok(if keeps {
                Test::Keep(found)
            } else {
                Test::Drop(found)
            });
        }
        if matcher
            .verdict_on_any_value()
            .is_some_and(|all| all != keeps)
        {
            // No value can be one that keeps, or drops.
            return Ok(if keeps {
                Test::Keep(Vec::new())
            } else {
                Test::Drop(Vec::new())
            });
        }
        if let Some(ranks) = self.known.get(matcher) {
            return Ok(Test::Known(ranks, keeps));
        }
        let is_positive = matcher.op() == MatcherOp::Regex;
        if is_positive != keeps {
            // What the pattern does not match decides.
            let all = self.symbols.pairs_of(name);
            return Ok(Test::Scan(vec![all], matcher));
        }
        let mut ranges = Vec::new();
        for prefix in matcher.prefixes() {
            let range = self.symbols.pairs_with_prefix(name, prefix)?;
            if !range.is_empty() {
                ranges.push(range);
            }
        }
        Ok(Test::Scan(ranges, matcher))
    }

    /// Known pairs that keep go first, those with the shortest lists in front; then known pairs that drop; then scans.
    fn cost(&self, test: &Test<'_>) -> FormatResult<(u8, u64)> {
        Ok(match test {
            Test::Keep(pairs) => (0, self.postings_bytes(pairs)?),
            Test::Drop(pairs) => (1, self.postings_bytes(pairs)?),
            Test::Known(ranks, keeps) => (u8::from(!keeps), ranks.len()),
            Test::Scan(ranges, _) => (2, count(ranges)),
        })
    }

    fn postings_bytes(&self, pairs: &[u32]) -> FormatResult<u64> {
        let mut bytes = 0;
        for pair in pairs {
            bytes += self.postings.list(*pair)?.encoded_len() as u64;
        }
        Ok(bytes)
    }

    fn keep_ranks(&mut self, ranks: &RoaringBitmap) {
        self.left = Some(match self.left.take() {
            Some(left) => left & ranks,
            None => ranks.clone(),
        });
    }

    fn drop_ranks(&mut self, ranks: &RoaringBitmap) {
        if ranks.is_empty() {
            return;
        }
        let left = self.left.take().unwrap_or_else(|| self.all());
        self.left = Some(left - ranks);
    }

    fn all(&self) -> RoaringBitmap {
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.series);
        all
    }

    /// Whether it was done to the end.
    fn scan(&mut self, ranges: &[Range<u32>], matcher: &Matcher) -> FormatResult<bool> {
        match self.left.take() {
            Some(left) if left.len() < count(ranges) => {
                self.left = self.filter(&left, matcher)?;
                Ok(self.left.is_some())
            }
            left => {
                self.left = left;
                let keeps = !matcher.matches_empty();
                let Some(ranks) = self.ranks_that(ranges, matcher, keeps)? else {
                    return Ok(false);
                };
                let ranks = Arc::new(ranks);
                if count(ranges) >= VALUES_REMEMBERED {
                    self.known.put(matcher, Arc::clone(&ranks));
                }
                if keeps {
                    self.keep_ranks(&ranks);
                } else {
                    self.drop_ranks(&ranks);
                }
                Ok(true)
            }
        }
    }

    /// The series with a pair in `ranges` whose value satisfies the matcher, or does not; nothing when told to stop.
    fn ranks_that(
        &self,
        ranges: &[Range<u32>],
        matcher: &Matcher,
        satisfies: bool,
    ) -> FormatResult<Option<RoaringBitmap>> {
        if matcher.verdict_on_any_value().is_some() {
            return union(&self.postings, ranges.iter().cloned().flatten(), self.go_on);
        }
        let mut found = Vec::new();
        let mut walk = (count(ranges) >= VALUES_WALKED).then(|| matcher.walk());
        for range in ranges {
            let mut values = self.symbols.values(range.clone());
            while let Some((pair, value)) = values.next()? {
                if self.is_to_stop(pair) {
                    return Ok(None);
                }
                let is_match = match &mut walk {
                    Some(walk) => walk.matches(value),
                    None => matcher.matches(value),
                };
                if is_match == satisfies {
                    found.push(pair);
                }
            }
        }
        union(&self.postings, found, self.go_on)
    }

    /// Asks after some of the values or series that are looked at, of which `number` is one.
    fn is_to_stop(&self, number: u32) -> bool {
        number.is_multiple_of(CHECK_VALUES) && !(self.go_on)()
    }

    /// Those of `left` whose own value satisfies the matcher; each value is tested once. Nothing when told to stop.
    fn filter(
        &self,
        left: &RoaringBitmap,
        matcher: &Matcher,
    ) -> FormatResult<Option<RoaringBitmap>> {
        let pairs = self.symbols.pairs_of(matcher.name());
        let mut cursor = self.rows.cursor();
        let mut verdicts: HashMap<u32, bool> = HashMap::new();
        let mut kept = RoaringBitmap::new();
        let mut value = String::new();
        for (turn, rank) in (0..).zip(left) {
            if self.is_to_stop(turn) {
                return Ok(None);
            }
            let of_label = |pair: &&u32| pairs.contains(*pair);
            let pair = cursor.row(rank)?.iter().find(of_label).copied();
            let keep = match pair {
                None => matcher.matches_empty(),
                Some(pair) => match verdicts.get(&pair) {
                    Some(verdict) => *verdict,
                    None => match matcher.verdict_on_any_value() {
                        Some(verdict) => verdict,
                        None => {
                            value.clear();
                            self.symbols.value(pair, &mut value)?;
                            *verdicts.entry(pair).or_insert(matcher.matches(&value))
                        }
                    },
                },
            };
            if keep {
                kept.insert(rank);
            }
        }
        Ok(Some(kept))
    }
}
