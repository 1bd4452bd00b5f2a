//! Which selectors of a plan read the same series.

use chronoxide_model::{Matcher, TimeRange};

use crate::Function;
use crate::eval::meter::SAMPLE_BYTES;
use crate::eval::range::{RangeShape, inner_steps};
use crate::eval::selector::SAMPLE_MS;
use crate::eval::{Shared, Steps, lookback};
use crate::plan::{Expr, Node, RangeExtension};

/// Plans with more selectors are not searched further.
const SELECTORS_MAX: usize = 64;

/// Chunks are decoded as a whole: a read of any length costs about so much more.
const CHUNK_MS: i128 = 2 * 3_600_000;

/// Selectors with the same matchers, which one read can serve.
#[derive(Debug)]
pub(super) struct Group<'p> {
    matchers: &'p [Matcher],
    /// The times of all of them.
    pub(super) times: TimeRange,
    /// How many there are.
    count: usize,
    /// The sum of what each of them would read by itself.
    spans_ms: i128,
}

impl<'p> Group<'p> {
    const fn new(matchers: &'p [Matcher], times: TimeRange) -> Self {
        Self {
            matchers,
            times,
            count: 1,
            spans_ms: cost_ms(times),
        }
    }

    fn add(&mut self, times: TimeRange) {
        let min_ms = self.times.min_ms().min(times.min_ms());
        let max_ms = self.times.max_ms().max(times.max_ms());
        self.times = TimeRange::new(min_ms, max_ms).unwrap_or(self.times);
        self.count += 1;
        self.spans_ms += cost_ms(times);
    }

    /// Whether one read over all times takes clearly less than one for each: not with `a - a offset 1w`.
    fn is_worth_it(&self) -> bool {
        self.count > 1 && cost_ms(self.times) * 4 <= self.spans_ms * 3
    }

    /// Whether a selection of `matchers` at `times` is part of this one.
    pub(super) fn holds(&self, matchers: &[Matcher], times: TimeRange) -> bool {
        self.times.contains(times.min_ms())
            && self.times.contains(times.max_ms())
            && self.matchers == matchers
    }

    /// How many bytes the samples of `series` take, about.
    pub(super) fn size_guess(&self, series: usize) -> u64 {
        let span_ms = self.times.max_ms().abs_diff(self.times.min_ms());
        (span_ms / SAMPLE_MS + 1)
            .saturating_mul(series as u64)
            .saturating_mul(SAMPLE_BYTES)
    }
}

const fn cost_ms(times: TimeRange) -> i128 {
    times.max_ms() as i128 - times.min_ms() as i128 + CHUNK_MS
}

/// The selections of the plan `node` that serve several selectors.
pub(super) fn groups<'p>(
    node: &'p Node,
    steps: Steps,
    lookback_ms: i64,
    shared: &Shared<'_>,
) -> Vec<Group<'p>> {
    let mut search = Search {
        shared,
        seen: Vec::new(),
        lookback_ms,
        selectors: 0,
        groups: Vec::new(),
    };
    search.visit(node, steps);
    search.groups.retain(Group::is_worth_it);
    search.groups
}

/// Walks a plan as the evaluation does.
struct Search<'p, 'e> {
    shared: &'e Shared<'e>,
    /// The repeated expressions so far, which are not evaluated again at the same steps.
    seen: Vec<(usize, Steps)>,
    lookback_ms: i64,
    selectors: usize,
    groups: Vec<Group<'p>>,
}

impl<'p> Search<'p, '_> {
    fn visit(&mut self, node: &'p Node, steps: Steps) {
        if let Some(index) = self.shared.index_of(&node.expr) {
            if self.seen.contains(&(index, steps)) {
                return;
            }
            self.seen.push((index, steps));
        }
        match &node.expr {
            Expr::Number(_) | Expr::String(_) => {}
            Expr::Vector(selector) if selector.extension == Some(RangeExtension::Smoothed) => {}
            Expr::Vector(selector) => {
                let times = lookback::times(selector, self.lookback_ms, steps);
                self.add(&selector.matchers, times);
            }
            Expr::Range { selector, .. } => {
                if let Ok(shape) = RangeShape::of(self.lookback_ms, node) {
                    self.add(&selector.matchers, shape.times(steps));
                }
            }
            Expr::Subquery(subquery) => {
                if let Ok(shape) = RangeShape::of(self.lookback_ms, node) {
                    self.visit(&subquery.inner, inner_steps(steps, &shape, subquery));
                }
            }
            Expr::Negate(inner) => self.visit(inner, steps),
            Expr::Binary(binary) => {
                self.visit(&binary.left, steps);
                self.visit(&binary.right, steps);
            }
            Expr::Aggregate(aggregate) => {
                self.visit(&aggregate.inner, steps);
                if let Some(parameter) = &aggregate.parameter {
                    self.visit(parameter, steps);
                }
            }
            Expr::Call(call) => {
                // What follows the first argument of info() selects among others.
                let read = if call.function == Function::Info {
                    1
                } else {
                    usize::MAX
                };
                for argument in call.arguments.iter().take(read) {
                    self.visit(argument, steps);
                }
            }
        }
    }

    fn add(&mut self, matchers: &'p [Matcher], times: Option<TimeRange>) {
        let Some(times) = times else { return };
        if self.selectors >= SELECTORS_MAX {
            return;
        }
        self.selectors += 1;
        let group = self
            .groups
            .iter_mut()
            .find(|group| group.matchers == matchers);
        match group {
            Some(group) => group.add(times),
            None => self.groups.push(Group::new(matchers, times)),
        }
    }
}
