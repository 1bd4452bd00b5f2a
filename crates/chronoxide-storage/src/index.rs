//! From matchers to the series of a part, and from these to label names and values; chunks are never touched.

mod labels;
mod matching;
mod union;

#[cfg(test)]
mod tests;
