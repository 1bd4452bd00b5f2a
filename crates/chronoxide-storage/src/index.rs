//! From matchers to the series of a part, and from these to label names and values; chunks are never touched.

mod labels;
mod match_cache;
mod matching;
mod union;

pub(crate) use match_cache::MatchCache;

#[cfg(test)]
mod tests;
