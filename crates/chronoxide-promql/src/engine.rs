//! The entry point: a query's text in, its answer out.

mod answer;
mod options;

pub use options::{Cancellation, EngineOptions, QueryOptions};

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chronoxide_model::SeriesSource;

use crate::eval::{Evaluation, Meter, Query, Steps};
use crate::plan::Node;
use crate::{Answer, Error};

/// Evaluates queries; cheap to make, without state of its own, shared by any number of threads.
#[derive(Clone, Debug, Default)]
pub struct Engine {
    options: EngineOptions,
}

/// The times of a query as asked for.
#[derive(Clone, Copy, Debug)]
struct Times {
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
}

impl Engine {
    /// An engine with these limits and defaults.
    #[must_use]
    pub const fn new(options: EngineOptions) -> Self {
        Self { options }
    }

    /// The limits and defaults.
    #[must_use]
    pub const fn options(&self) -> &EngineOptions {
        &self.options
    }

    /// Evaluates a plan made from `text`.
    fn evaluate(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        node: &Node,
        times: Times,
        options: &QueryOptions,
    ) -> Result<Answer, Error> {
        let steps = if times.step_ms == 0 {
            Steps::instant(times.start_ms)
        } else {
            Steps::new(times.start_ms, times.end_ms, times.step_ms)
        };
        let meter = Meter::new(self.options.samples_max);
        meter.check_steps(steps)?;
        let query = Query {
            source,
            steps,
            end_ms: times.end_ms,
            step_ms: times.step_ms,
            lookback_ms: milliseconds(options.lookback.unwrap_or(self.options.lookback)),
            meter: Arc::new(meter),
            cancellation: options.cancellation.clone(),
            deadline: self.deadline(options),
            annotations: Mutex::default(),
        };
        let evaluation = Evaluation {
            query: &query,
            steps,
        };
        let value = if times.step_ms == 0 {
            answer::instant(&evaluation, node)?
        } else {
            answer::over_steps(&evaluation, node)?
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
            stats: query.meter.stats(),
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

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
