//! The entry point: a query's text in, its answer out.

mod answer;
#[cfg(test)]
mod made_label_tests;
#[cfg(test)]
mod name_tests;
mod options;
mod progress;
#[cfg(test)]
mod stop_tests;
#[cfg(test)]
mod tests;
mod trees;

pub use options::{Cancellation, EngineOptions, QueryOptions, RangeTimes};
pub(crate) use progress::{Phase, Stopwatch};
pub use progress::{QueryMemory, QueryProgress};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chronoxide_model::SeriesSource;

use crate::eval::{Evaluation, Helpers, HistogramDetail, Meter, Query, Reads, Shared, Steps, Stop};
use crate::lower::{LowerOptions, lower_tree};
use crate::plan::{Node, ValueType};
use crate::syntax::{Expr, Selector};
use crate::{Answer, Error};
use trees::Trees;

/// Evaluates queries; cheap to make, shared by any number of threads. Clones share a bound on how many threads all
/// their queries start, and know the same texts.
#[derive(Clone, Debug)]
pub struct Engine {
    options: EngineOptions,
    helpers: Arc<Helpers>,
    trees: Arc<Trees>,
}

impl Default for Engine {
    fn default() -> Self {
        Self::new(EngineOptions::default())
    }
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug)]
enum When {
    Instant(i64),
    Range(RangeTimes),
}

/// What a text comes to.
#[derive(Debug)]
struct Plan {
    node: Node,
    /// As an answer tells them.
    metric_names: Vec<String>,
}

impl Engine {
    /// An engine with these limits and defaults.
    #[must_use]
    pub fn new(options: EngineOptions) -> Self {
        // One query in full and another one's start: more threads than cores only take memory.
        let helpers = Helpers::new(options.threads.saturating_mul(2));
        Self {
            trees: Arc::new(Trees::new(options.trees_bytes_max)),
            options,
            helpers: Arc::new(helpers),
        }
    }

    /// The limits and defaults.
    #[must_use]
    pub const fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Bytes that the trees of queries take which were read and are kept, about; see
    /// [`EngineOptions::trees_bytes_max`].
    #[must_use]
    pub fn trees_bytes(&self) -> usize {
        self.trees.bytes()
    }

    /// Evaluates the query `text` at `time_ms`.
    ///
    /// # Errors
    /// [`Error::Parse`] when the text is no query; otherwise whatever keeps it from being evaluated, see [`Error`].
    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        time_ms: i64,
        options: &QueryOptions,
    ) -> Result<Answer, Error> {
        let _whole = options.progress.time(Phase::Whole);
        let preparing = options.progress.time(Phase::Preparation);
        let plan = self.lower(
            text,
            LowerOptions {
                start_ms: time_ms,
                end_ms: time_ms,
                step_ms: 0,
                ..self.lower_options()
            },
        )?;
        drop(preparing);
        self.evaluate(source, text, plan, When::Instant(time_ms), options)
    }

    /// Evaluates the query `text` at all steps of `times`.
    ///
    /// # Errors
    /// [`Error::Parse`] when the text is no query, [`Error::RangeType`] when its value is not one that a range query
    /// can have, [`Error::RangeTimes`] when `times` has no step; otherwise whatever keeps it from being evaluated, see
    /// [`Error`].
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        times: RangeTimes,
        options: &QueryOptions,
    ) -> Result<Answer, Error> {
        let RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        } = times;
        if step_ms <= 0 || end_ms < start_ms {
            return Err(Error::RangeTimes {
                start_ms,
                end_ms,
                step_ms,
            });
        }
        let _whole = options.progress.time(Phase::Whole);
        let preparing = options.progress.time(Phase::Preparation);
        let plan = self.lower(
            text,
            LowerOptions {
                start_ms,
                end_ms,
                step_ms,
                ..self.lower_options()
            },
        )?;
        drop(preparing);
        let got = plan.node.expr.value_type();
        if !matches!(got, ValueType::Scalar | ValueType::InstantVector) {
            return Err(Error::RangeType { got });
        }
        self.evaluate(source, text, plan, When::Range(times), options)
    }

    fn lower(&self, text: &str, options: LowerOptions) -> Result<Plan, Error> {
        let tree = self.trees.of(text, self.options.features)?;
        let metric_names = metric_names(&tree);
        let node = lower_tree(text, tree, &options)?;
        Ok(Plan { node, metric_names })
    }

    fn lower_options(&self) -> LowerOptions {
        LowerOptions {
            subquery_step_ms: milliseconds(self.options.subquery_step).max(1),
            features: self.options.features,
            ..LowerOptions::instant(0)
        }
    }

    /// Evaluates a plan made from `text`.
    fn evaluate(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        plan: Plan,
        when: When,
        options: &QueryOptions,
    ) -> Result<Answer, Error> {
        let Plan { node, metric_names } = plan;
        let node = &node;
        let (steps, end_ms, step_ms) = match when {
            When::Instant(at_ms) => (Steps::instant(at_ms), at_ms, 0),
            When::Range(times) => (
                Steps::new(times.start_ms, times.end_ms, times.step_ms),
                times.end_ms,
                times.step_ms,
            ),
        };
        if let Some(memory) = &self.options.memory {
            options.progress.borrow_from(memory);
        }
        let meter = Meter::new(
            self.options.samples_max,
            self.options.memory_max,
            options.progress.clone(),
        );
        meter.check_steps(steps)?;
        let preparing = options.progress.time(Phase::Preparation);
        // All selectors read one moment, whatever is written meanwhile.
        let snapshot = source.snapshot();
        let meter = Arc::new(meter);
        let lookback_ms = milliseconds(options.lookback.unwrap_or(self.options.lookback));
        let shared = Shared::of(node);
        let source = snapshot.as_deref().unwrap_or(source);
        let reads = Reads::of(node, steps, lookback_ms, &shared, source, &meter);
        let query = Query {
            source: &reads,
            steps,
            end_ms,
            step_ms,
            threads: self.options.threads,
            helpers: &self.helpers,
            lookback_ms,
            meter,
            stop: Stop::new(options.cancellation.clone(), self.deadline(options)),
            shared,
            features: self.options.features,
            annotations: Mutex::default(),
        };
        drop(preparing);
        let evaluation = Evaluation {
            query: &query,
            steps,
            histograms: HistogramDetail::Full,
            values: true,
            enough: None,
            weight: 1,
        };
        let value = match when {
            When::Instant(_) => answer::instant(&evaluation, node)?,
            When::Range(_) => answer::over_steps(&evaluation, node)?,
        };
        query.check()?;
        let (warnings, infos) = query
            .annotations
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .texts(text);
        Ok(Answer {
            value,
            warnings,
            infos,
            stats: options.progress.stats(),
            metric_names,
        })
    }

    /// The shorter of the engine's and the query's time limit, from now on.
    fn deadline(&self, options: &QueryOptions) -> Option<(Duration, Instant)> {
        let limit = options.timeout.map_or(self.options.timeout, |timeout| {
            timeout.min(self.options.timeout)
        });
        Instant::now()
            .checked_add(limit)
            .map(|deadline| (limit, deadline))
    }
}

fn metric_names(tree: &Expr) -> Vec<String> {
    let selectors = tree.selectors().into_iter();
    let names = selectors.filter_map(Selector::only_metric_name);
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
