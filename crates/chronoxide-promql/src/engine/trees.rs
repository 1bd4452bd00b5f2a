//! Trees of the queries that were read last: dashboards ask the same ones again and again, at other times.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chronoxide_model::{Matcher, MatcherOp};

use crate::Error;
use crate::syntax::{self, Expr, Features};

/// So many are kept at most, for they are looked through one by one.
const TREES_MAX: usize = 128;

/// A tree that takes more than this part of what all may take is not kept: queries of people take less, and others must
/// not drive them out.
const TREE_PART: usize = 8;

/// The last texts with their trees.
#[derive(Debug)]
pub(super) struct Trees {
    bytes_max: usize,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct Recent {
    /// The most recently used last.
    known: Vec<Known>,
    /// What all of them take.
    bytes: usize,
}

#[derive(Debug)]
struct Known {
    text: Box<str>,
    tree: Expr,
    bytes: usize,
}

impl Trees {
    /// None yet, and never more than take `bytes_max` bytes.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            recent: Mutex::default(),
        }
    }

    /// The tree of `text`, which is read if it is not known. `features` must be the same each time.
    ///
    /// # Errors
    /// As [`syntax::parse`].
    pub(super) fn of(&self, text: &str, features: Features) -> Result<Expr, Error> {
        if let Some(tree) = self.known(text) {
            return Ok(tree);
        }
        let tree = syntax::parse(text, features)?;
        let bytes = bytes_of(text, &tree);
        if bytes <= self.bytes_max / TREE_PART {
            self.keep(Known {
                text: text.into(),
                tree: tree.clone(),
                bytes,
            });
        }
        Ok(tree)
    }

    /// Bytes that all of them take, about.
    pub(super) fn bytes(&self) -> usize {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.bytes
    }

    fn known(&self, text: &str) -> Option<Expr> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.position(text)?;
        let found = recent.known.remove(at);
        let tree = found.tree.clone();
        recent.known.push(found);
        Some(tree)
    }

    fn keep(&self, new: Known) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // Another query with the same text may have been read meanwhile.
        if recent.position(&new.text).is_some() {
            return;
        }
        recent.bytes += new.bytes;
        recent.known.push(new);
        let mut bytes = recent.bytes;
        let mut forgotten = 0;
        for oldest in &recent.known {
            if bytes <= self.bytes_max && recent.known.len() - forgotten <= TREES_MAX {
                break;
            }
            bytes -= oldest.bytes;
            forgotten += 1;
        }
        recent.known.drain(..forgotten);
        recent.bytes = bytes;
    }
}

impl Recent {
    fn position(&self, text: &str) -> Option<usize> {
        self.known.iter().rposition(|known| *known.text == *text)
    }
}

/// What a text and its tree take, rather too much than too little.
fn bytes_of(text: &str, tree: &Expr) -> usize {
    /// Of the text and the tree, for each byte of the text; the tersest query takes about as much.
    const TEXT_BYTE: usize = 112;
    let selectors = tree.selectors().into_iter();
    let matchers = selectors.flat_map(|selector| &selector.matchers);
    // Those of one query that are equal share what was compiled.
    let different: HashMap<_, usize> = matchers
        .map(|matcher| {
            let key = (matcher.op(), matcher.name(), matcher.value());
            (key, regex_bytes(matcher))
        })
        .collect();
    let bytes = different.into_values();
    bytes.fold(text.len() * TEXT_BYTE, usize::saturating_add)
}

/// What a matcher takes beside its text.
fn regex_bytes(matcher: &Matcher) -> usize {
    /// What belongs to an expression beside what it compiles to ...
    const BYTES: usize = 4 << 10;
    /// ... which takes up to so much for each unit of its weight.
    const WEIGHT_BYTES: usize = 300;
    const LITERAL_BYTES: usize = size_of::<String>() + 16;
    if matches!(matcher.op(), MatcherOp::Equal | MatcherOp::NotEqual) {
        return 0;
    }
    let literals = matcher.right_side_literals().unwrap_or_default();
    let texts = literals.iter().chain(matcher.prefixes());
    let texts: usize = texts.map(|text| LITERAL_BYTES + text.len()).sum();
    let compiled = matcher.weight().saturating_mul(WEIGHT_BYTES);
    compiled.saturating_add(BYTES + texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 2 << 20;

    fn read(trees: &Trees, text: &str) {
        trees.of(text, Features::ALL).unwrap();
    }

    #[test]
    fn a_known_text_has_the_same_tree_and_some_are_forgotten() {
        let trees = Trees::new(BYTES_MAX);
        for _ in 0..2 {
            for number in 0..2 * TREES_MAX {
                let text = format!("sum by (a) (rate(b{{c=~\"d|{number}\"}}[{}s]))", number + 1);
                let expected = syntax::parse(&text, Features::ALL).unwrap();
                assert_eq!(trees.of(&text, Features::ALL).unwrap(), expected);
                assert_eq!(trees.of(&text, Features::ALL).unwrap(), expected);
                assert_eq!(trees.known(&text), Some(expected));
            }
        }
        assert!(trees.of("sum(", Features::ALL).is_err());
        assert_eq!(trees.recent.lock().unwrap().known.len(), TREES_MAX);
    }

    #[test]
    fn long_texts_and_heavy_expressions_are_not_kept() {
        let trees = Trees::new(BYTES_MAX);
        let long = format!("a{{b=\"{}\"}}", "c".repeat(4096));
        let heavy: Vec<String> = (0..3).map(|n| format!(r#"a=~"\\pL{{2{n}}}x""#)).collect();
        for text in [long, format!("up{{{}}}", heavy.join(","))] {
            read(&trees, &text);
            assert_eq!(trees.known(&text), None, "{text}");
        }
        assert_eq!(trees.bytes(), 0);
    }

    #[test]
    fn what_is_kept_takes_no_more_than_it_may() {
        let trees = Trees::new(BYTES_MAX);
        for number in 0..TREES_MAX {
            read(&trees, &format!(r#"a{{b=~"x{{100}}{number}"}}"#));
            assert!(trees.bytes() <= BYTES_MAX, "{} bytes", trees.bytes());
        }
        let recent = trees.recent.lock().unwrap();
        assert!(recent.known.len() > 10, "{} kept", recent.known.len());
        let bytes: usize = recent.known.iter().map(|known| known.bytes).sum();
        assert_eq!(bytes, recent.bytes);
        assert_eq!(
            recent.known.last().unwrap().text,
            r#"a{b=~"x{100}127"}"#.into()
        );
    }

    #[test]
    fn equal_expressions_of_a_text_count_once() {
        let bytes = |text: &str| bytes_of(text, &syntax::parse(text, Features::ALL).unwrap());
        let (one, same) = (
            bytes(r#"a{b=~"c.*"}"#),
            bytes(r#"a{b=~"c.*"} + a{b=~"c.*"}"#),
        );
        let different = bytes(r#"a{b=~"c.*"} + a{b=~"d.*"}"#);
        assert!(one > 4096 && same < one + 4096, "{one}, {same}");
        assert!(different > 2 * 4096 + same - one, "{different}");
    }
}
