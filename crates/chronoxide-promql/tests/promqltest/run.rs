//! Runs a script's commands against the engine.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chronoxide_promql::syntax::{self, At, Expr, ExprKind, Features};
use chronoxide_promql::{
    Answer, Engine, EngineOptions, Error, InstantSample, Point, QueryOptions, RangeTimes, Value,
};

use crate::classic::Classics;
use crate::judge::{judge_answer, judge_error, judge_order, judge_value, points_of};
use crate::memory::{Memory, Stored, StoredValue};
use crate::notation::Item;
use crate::script::{CommandKind, Eval, Expected, Load, When, parse_script};

/// What came out of a script.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) total: usize,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) line: usize,
    pub(crate) query: String,
    pub(crate) why: String,
}

/// Functions whose value changes with the evaluation time even when all their selectors are pinned.
const TIME_FUNCTIONS: [&str; 15] = [
    "days_in_month",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "end",
    "hour",
    "minute",
    "month",
    "predict_linear",
    "range",
    "start",
    "step",
    "time",
    "timestamp",
    "year",
];

/// Runs a script; the error tells of a script that cannot be read or loaded.
pub(crate) fn run_script(text: &str) -> Result<Outcome, String> {
    let commands = parse_script(text)?;
    let mut runner = Runner {
        memory: Memory::default(),
        engine: Engine::new(EngineOptions {
            lookback: Duration::from_secs(300),
            timeout: Duration::from_secs(100),
            subquery_step: Duration::from_secs(60),
            // As upstream runs them.
            features: Features::ALL,
            ..EngineOptions::default()
        }),
    };
    let mut outcome = Outcome::default();
    for command in commands {
        match command.kind {
            CommandKind::Clear => runner.memory.clear(),
            CommandKind::Load(load) => {
                runner
                    .load(load)
                    .map_err(|error| format!("line {}: {error}", command.line))?;
            }
            CommandKind::Eval(eval) => {
                outcome.total += 1;
                if let Err(why) = runner.eval_guarded(&eval) {
                    outcome.failures.push(Failure {
                        line: command.line,
                        query: eval.query.clone(),
                        why,
                    });
                }
            }
        }
    }
    Ok(outcome)
}

struct Runner {
    memory: Memory,
    engine: Engine,
}

impl Runner {
    fn load(&mut self, load: Load) -> Result<(), String> {
        let mut classics = Classics::default();
        for series in load.series {
            let labels = &series.line.labels;
            for (index, item) in series.line.items.iter().enumerate() {
                let steps = i64::try_from(index).map_err(|error| error.to_string())?;
                let time_ms = steps * load.step_ms;
                let offset_ms = series.start_offsets_ms.get(index).copied().flatten();
                let start_ms = offset_ms.map_or(0, |offset_ms| time_ms + offset_ms);
                let value = match item {
                    Item::Gap => continue,
                    Item::Float(value) => {
                        classics.add(labels, time_ms, *value)?;
                        StoredValue::Float(*value)
                    }
                    Item::Histogram { histogram, .. } => {
                        StoredValue::Histogram((**histogram).clone())
                    }
                };
                self.memory
                    .store(labels, time_ms, Stored { start_ms, value });
            }
        }
        if !load.with_native {
            return Ok(());
        }
        for (labels, time_ms, histogram) in classics.convert()? {
            let value = StoredValue::Histogram(histogram);
            self.memory
                .store(&labels, time_ms, Stored { start_ms: 0, value });
        }
        Ok(())
    }

    fn eval_guarded(&self, eval: &Eval) -> Result<(), String> {
        catch_unwind(AssertUnwindSafe(|| self.eval(eval))).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("?");
            Err(format!("panicked: {text}"))
        })
    }

    fn eval(&self, eval: &Eval) -> Result<(), String> {
        match eval.when {
            When::Range {
                start_ms,
                end_ms,
                step_ms,
            } => match self.range(&eval.query, start_ms, end_ms, step_ms) {
                Ok(answer) => judge_answer(eval, &answer),
                Err(error) => judge_error(eval, &error),
            },
            When::Instant { at_ms } => {
                self.instant(eval, &eval.query, at_ms)?;
                let Some(pinned) = pinned(&eval.query, at_ms)? else {
                    return Ok(());
                };
                let other_times: &[i64] = if at_ms == 0 {
                    &[-1_000, 0, 1_000]
                } else {
                    &[-10 * at_ms, 0, at_ms / 5, at_ms, 10 * at_ms]
                };
                for other_ms in other_times {
                    self.instant(eval, &pinned, *other_ms)
                        .map_err(|why| format!("as {pinned} at {other_ms} ms: {why}"))?;
                }
                Ok(())
            }
        }
    }

    fn range(
        &self,
        query: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> Result<Answer, Error> {
        let times = RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        };
        self.engine
            .range(&self.memory, query, times, &QueryOptions::default())
    }

    /// An instant query, and the same as the middle of a range query.
    fn instant(&self, eval: &Eval, query: &str, at_ms: i64) -> Result<(), String> {
        let answer = match self
            .engine
            .instant(&self.memory, query, at_ms, &QueryOptions::default())
        {
            Ok(answer) => answer,
            Err(error) => return judge_error(eval, &error),
        };
        judge_answer(eval, &answer)?;
        let no_range = matches!(
            eval.expected,
            Expected::String(_) | Expected::RangeVector { .. }
        );
        if no_range || depends_on_range(query) {
            return Ok(());
        }
        let in_range = |why: String| format!("in a range query: {why}");
        let range = self
            .range(query, at_ms - 60_000, at_ms + 60_000, 60_000)
            .map_err(|error| in_range(format!("error: {error}")))?;
        let Value::Matrix(series) = &range.value else {
            return Err(in_range("the value is no matrix".to_owned()));
        };
        if eval.ordered {
            return Ok(());
        }
        judge_order(series).map_err(in_range)?;
        let middle: Vec<InstantSample> = series
            .iter()
            .filter_map(|series| {
                let point = points_of(series).remove(&at_ms)?;
                let labels = series.labels.clone();
                Some(InstantSample {
                    labels,
                    timestamp_ms: at_ms,
                    point,
                })
            })
            .collect();
        let middle = match (&answer.value, middle.first()) {
            (Value::Scalar(..), Some(sample)) => match sample.point {
                Point::Float(value) => Value::Scalar(at_ms, value),
                Point::Histogram(_) => return Err(in_range("a scalar is a histogram".to_owned())),
            },
            _ => Value::Vector(middle),
        };
        judge_value(eval, &middle).map_err(in_range)
    }
}

/// Whether a query gives another value as part of a range.
fn depends_on_range(query: &str) -> bool {
    ["start()", "end()", "range()", "step()"]
        .iter()
        .any(|call| query.contains(call))
}

/// The query with `@ at_ms` on all selectors and subqueries without one, unless it depends on the time otherwise.
fn pinned(query: &str, at_ms: i64) -> Result<Option<String>, String> {
    let Ok(mut tree) = syntax::parse(query, Features::ALL) else {
        return Ok(None);
    };
    if calls_time(&tree) {
        return Ok(None);
    }
    pin(&mut tree, at_ms);
    Ok(Some(tree.to_string()))
}

fn calls_time(expr: &Expr) -> bool {
    let here = match &expr.kind {
        ExprKind::Call { function, .. } => TIME_FUNCTIONS.contains(&function.name()),
        _ => false,
    };
    here || expr.children().into_iter().any(calls_time)
}

fn pin(expr: &mut Expr, at_ms: i64) {
    let time = match &mut expr.kind {
        ExprKind::Vector(selector) | ExprKind::Range { selector, .. } => Some(&mut selector.time),
        ExprKind::Subquery(subquery) => Some(&mut subquery.time),
        _ => None,
    };
    match time {
        // What is inside a subquery moves with it.
        Some(time) => {
            if !matches!(time.at, Some(At::Time(_))) {
                time.at = Some(At::Time(at_ms));
            }
        }
        None => {
            for child in expr.children_mut() {
                pin(child, at_ms);
            }
        }
    }
}
