//! The query once more, in words that promql-parser knows.
//!
//! Its grammar lacks what Prometheus added later, and its checks stop at texts that are fine. What the second reader is
//! to confirm is the shape of the tree, so all that is inside a leaf goes: selectors become `v`, numbers `1`, strings
//! `"s"`, windows one second, functions the names registered for them, labels `l`; `offset`, `@`, `anchored` and
//! comments vanish. What remains are the operators, calls, aggregations and brackets in their order.

use crate::plan::BinaryOp;

/// Functions are registered with promql-parser under their names behind this.
pub(crate) const FUNCTION_PREFIX: &str = "chronoxide_";

/// The query in the words of the second reader.
#[derive(Debug, Default)]
pub(crate) struct Mirror {
    text: String,
    leaves: usize,
}

impl Mirror {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    pub(crate) fn word(&mut self, word: &str) {
        self.text.push(' ');
        self.text.push_str(word);
        self.text.push(' ');
    }

    pub(crate) fn operator(&mut self, op: BinaryOp) {
        // The trimming operators bind like the comparisons they resemble.
        self.word(match op {
            BinaryOp::TrimUpper => "<",
            BinaryOp::TrimLower => ">",
            _ => op.as_str(),
        });
    }

    /// Selectors are numbered, so that a misplaced one shows.
    pub(crate) fn selector(&mut self) {
        self.leaves += 1;
        self.text.push('v');
        self.text.push_str(&self.leaves.to_string());
    }

    pub(crate) fn number(&mut self) {
        self.text.push('1');
    }

    pub(crate) fn string(&mut self) {
        self.text.push_str("\"s\"");
    }

    pub(crate) fn function(&mut self, name: &str) {
        self.text.push_str(FUNCTION_PREFIX);
        self.text.push_str(name);
    }

    pub(crate) fn labels(&mut self, count: usize) {
        self.text.push('(');
        for index in 0..count {
            if index > 0 {
                self.text.push(',');
            }
            // No label may stand in `on` and in `group_left` of one operator.
            self.leaves += 1;
            self.text.push('l');
            self.text.push_str(&self.leaves.to_string());
        }
        self.text.push(')');
    }
}
