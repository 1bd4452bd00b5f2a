//! `info`: adds the labels of info series, such as `target_info`, to the series of the same `instance` and `job`.

mod labels;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use chronoxide_model::{Labels, METRIC_NAME, Matcher, MatcherOp};

use crate::Error;
use crate::eval::lookback::{self, Shown};
use crate::eval::{Bill, Column, Evaluation, Merged, Sink, StepSeries};
use crate::plan::{Call, Expr, Node, Selector};
use labels::Enrichment;

/// The labels that say which info series belongs to a series.
const IDENTIFYING: [&str; 2] = ["instance", "job"];

/// Hands on the series of the first argument with labels of the info series that the second one selects.
///
/// # Errors
/// When two info series contradict each other, and whatever the evaluation or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let argument = &call.arguments[0];
    let matchers = InfoMatchers::of(call.arguments.get(1))?;
    let base = evaluation.collect(argument)?;
    let infos = Infos::read(evaluation, argument, &base, &matchers)?;
    let enrichment = Enrichment {
        data: &matchers.data,
        infos: &infos,
        evaluation,
    };
    let mut merged = Merged::default();
    for series in base {
        evaluation.check()?;
        if matchers.select_name(series.labels.metric_name().unwrap_or_default()) {
            // An info series itself.
            merged.add(series)?;
        } else {
            enrichment.enrich(&series, &mut merged)?;
        }
    }
    evaluation.hand_on(merged.into_series(), sink)
}

/// What the second argument asks for.
struct InfoMatchers {
    /// Which info metrics.
    names: Vec<Matcher>,
    /// Which labels of theirs, with what values; all of them when empty.
    data: Vec<Matcher>,
}

impl InfoMatchers {
    fn of(argument: Option<&Node>) -> Result<Self, Error> {
        let all = match argument.map(|node| &node.expr) {
            None => Vec::new(),
            Some(Expr::Vector(selector)) => selector.matchers.clone(),
            Some(other) => {
                return Err(Error::execution(format!(
                    "expected label selectors as second argument to \"info\" function, got a {}",
                    other.value_type().as_str()
                )));
            }
        };
        let (mut names, data): (Vec<Matcher>, Vec<Matcher>) = all
            .into_iter()
            .partition(|matcher| matcher.name() == METRIC_NAME);
        let is_positive =
            |matcher: &Matcher| matches!(matcher.op(), MatcherOp::Equal | MatcherOp::Regex);
        if names.is_empty() {
            names.push(Matcher::equal(METRIC_NAME, "target_info"));
        } else if !names.iter().any(is_positive) {
            names.insert(0, regex(METRIC_NAME, ".+_info")?);
        }
        Ok(Self { names, data })
    }

    /// Whether `name` is one of the info metrics.
    fn select_name(&self, name: &str) -> bool {
        self.names.iter().all(|matcher| matcher.matches(name))
    }
}

fn regex(name: &str, pattern: &str) -> Result<Matcher, Error> {
    Matcher::regex(name, pattern).map_err(|error| Error::execution(error.to_string()))
}

/// Name and identifying labels: what an info series and the series it belongs to agree on.
type Signature = (String, [String; 2]);

fn signature(name: &str, labels: &Labels) -> Signature {
    let value = |name| labels.get(name).unwrap_or_default().to_owned();
    (name.to_owned(), IDENTIFYING.map(value))
}

/// The info series, by signature.
pub(super) struct Infos {
    /// Labels of all info series.
    labels: Vec<Labels>,
    /// Which info series each step has for a signature, as index into `labels`.
    by_signature: BTreeMap<Signature, Vec<Option<usize>>>,
    /// The names of all info metrics found.
    names: Vec<String>,
    /// What the steps of each signature take.
    steps: Bill,
}

impl Infos {
    /// Reads the info series of `base`, at the times at which `argument` reads its own.
    fn read(
        evaluation: &Evaluation<'_>,
        argument: &Node,
        base: &[StepSeries],
        matchers: &InfoMatchers,
    ) -> Result<Self, Error> {
        let mut infos = Self {
            labels: Vec::new(),
            by_signature: BTreeMap::new(),
            names: Vec::new(),
            steps: Bill::new(&evaluation.query.meter),
        };
        let identities = Identities::of(base, matchers);
        if identities.are_none() {
            return Ok(infos);
        }
        let mut all = identities.matchers()?;
        all.extend(matchers.data.iter().cloned());
        all.extend(matchers.names.iter().cloned());
        let (at_ms, offset_ms) = reference_time(argument).unwrap_or_default();
        let selected = Selector {
            matchers: all,
            offset_ms,
            at_ms,
            extension: None,
        };
        let mut newest: BTreeMap<Signature, Vec<f64>> = BTreeMap::new();
        lookback::for_each(evaluation, &selected, Shown::FloatTime, &mut |series| {
            if identities.may_be_of(&series.labels) {
                infos.add(series.labels, &series.column, &mut newest)?;
            }
            Ok(())
        })?;
        infos.names = infos
            .by_signature
            .keys()
            .map(|(name, _)| name.clone())
            .collect();
        infos.names.dedup();
        Ok(infos)
    }

    /// Adds an info series; where several have a signature at a step, the one with the newest sample counts.
    fn add(
        &mut self,
        labels: Labels,
        times: &Column,
        newest: &mut BTreeMap<Signature, Vec<f64>>,
    ) -> Result<(), Error> {
        let signature = signature(labels.metric_name().unwrap_or_default(), &labels);
        let count = times.len();
        let newest = match newest.entry(signature.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let bytes = size_of::<f64>() + size_of::<Option<usize>>();
                self.steps.add((count * bytes) as u64)?;
                entry.insert(vec![f64::NEG_INFINITY; count])
            }
        };
        let chosen = self
            .by_signature
            .entry(signature)
            .or_insert_with(|| vec![None; count]);
        let own = self.labels.len();
        for (index, at) in times.floats() {
            if at.is_nan() {
                return Err(Error::execution(format!(
                    "this should be an info metric, with float samples: {labels}"
                )));
            }
            match chosen[index] {
                Some(existing) if newest[index] == at => {
                    let ms = (at * 1000.0).round();
                    return Err(Error::execution(format!(
                        "found duplicate series for info metric: existing {} @ {ms}, new {labels} @ {ms}",
                        self.labels[existing]
                    )));
                }
                _ if at > newest[index] => {
                    newest[index] = at;
                    chosen[index] = Some(own);
                }
                _ => {}
            }
        }
        self.labels.push(labels);
        Ok(())
    }
}

/// The identifying labels that the series to enrich have, with all their values.
struct Identities([BTreeSet<String>; 2]);

impl Identities {
    /// Those of the series of `base` that are no info series themselves.
    fn of(base: &[StepSeries], matchers: &InfoMatchers) -> Self {
        let mut identities = Self(Default::default());
        for series in base {
            if matchers.select_name(series.labels.metric_name().unwrap_or_default()) {
                continue;
            }
            for (name, values) in IDENTIFYING.iter().zip(&mut identities.0) {
                if let Some(value) = series.labels.get(name)
                    && !values.contains(value)
                {
                    values.insert(value.to_owned());
                }
            }
        }
        identities
    }

    /// Whether no series can have an info series.
    fn are_none(&self) -> bool {
        self.0.iter().all(BTreeSet::is_empty)
    }

    /// Whether an info series with `labels` may belong to one of the series.
    fn may_be_of(&self, labels: &Labels) -> bool {
        IDENTIFYING.iter().zip(&self.0).all(|(name, values)| {
            values.is_empty() || labels.get(name).is_some_and(|value| values.contains(value))
        })
    }

    /// Matchers that leave out what [`Identities::may_be_of`] refuses, as far as they are short.
    fn matchers(&self) -> Result<Vec<Matcher>, Error> {
        /// Longer lists are no help to the source and a large expression to compile.
        const VALUES_MAX: usize = 128;
        let mut matchers = Vec::new();
        for (name, values) in IDENTIFYING.iter().zip(&self.0) {
            if (1..=VALUES_MAX).contains(&values.len()) {
                let values: Vec<String> = values.iter().map(|value| regex::escape(value)).collect();
                matchers.push(regex(name, &values.join("|"))?);
            }
        }
        Ok(matchers)
    }
}

/// The `@` and offset that the first selector in `node` is read with: its own and those of the subqueries around it,
/// up to the innermost `@`.
fn reference_time(node: &Node) -> Option<(Option<i64>, i64)> {
    match &node.expr {
        Expr::Number(_) | Expr::String(_) => None,
        Expr::Vector(selector) | Expr::Range { selector, .. } => {
            Some((selector.at_ms, selector.offset_ms))
        }
        Expr::Subquery(subquery) => {
            let (at_ms, offset_ms) = reference_time(&subquery.inner)?;
            Some(match at_ms {
                Some(_) => (at_ms, offset_ms),
                None => (subquery.at_ms, offset_ms.saturating_add(subquery.offset_ms)),
            })
        }
        Expr::Negate(inner) => reference_time(inner),
        Expr::Binary(binary) => {
            reference_time(&binary.left).or_else(|| reference_time(&binary.right))
        }
        Expr::Aggregate(aggregate) => reference_time(&aggregate.inner),
        Expr::Call(call) => call.arguments.iter().find_map(reference_time),
    }
}
