//! Trees of the queries that were read last: dashboards ask the same ones again and again, at other times.

use std::sync::{Mutex, PoisonError};

use crate::Error;
use crate::syntax::{self, Expr, Features};

/// So many are kept ...
const TREES_MAX: usize = 128;

/// ... of texts that are no longer than this.
const TEXT_BYTES_MAX: usize = 2048;

/// The last texts with their trees.
#[derive(Debug, Default)]
pub(super) struct Trees {
    /// The most recently used last.
    recent: Mutex<Vec<(Box<str>, Expr)>>,
}

impl Trees {
    /// The tree of `text`, which is read if it is not known. `features` must be the same each time.
    ///
    /// # Errors
    /// As [`syntax::parse`].
    pub(super) fn of(&self, text: &str, features: Features) -> Result<Expr, Error> {
        if let Some(tree) = self.known(text) {
            return Ok(tree);
        }
        let tree = syntax::parse(text, features)?;
        if text.len() <= TEXT_BYTES_MAX {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            if recent.len() == TREES_MAX {
                recent.remove(0);
            }
            recent.push((text.into(), tree.clone()));
        }
        Ok(tree)
    }

    fn known(&self, text: &str) -> Option<Expr> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let at = recent.iter().rposition(|(known, _)| **known == *text)?;
        let found = recent.remove(at);
        let tree = found.1.clone();
        recent.push(found);
        Some(tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_text_has_the_same_tree_and_some_are_forgotten() {
        let trees = Trees::default();
        for _ in 0..2 {
            for number in 0..2 * TREES_MAX {
                let text = format!("sum by (a) (rate(b{{c=~\"d|{number}\"}}[{}s]))", number + 1);
                let expected = syntax::parse(&text, Features::ALL).unwrap();
                assert_eq!(trees.of(&text, Features::ALL).unwrap(), expected);
                assert_eq!(trees.of(&text, Features::ALL).unwrap(), expected);
            }
        }
        assert!(trees.of("sum(", Features::ALL).is_err());
        let long = format!("a{{b=\"{}\"}}", "c".repeat(TEXT_BYTES_MAX));
        assert!(trees.of(&long, Features::ALL).is_ok());
        assert!(trees.known(&long).is_none());
        assert_eq!(trees.recent.lock().unwrap().len(), TREES_MAX);
    }
}
