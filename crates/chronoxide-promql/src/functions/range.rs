//! Functions of range vectors: each is a kernel that turns one window into one value.

use chronoxide_model::Labels;

use crate::annotations::Annotation;
use crate::eval::range::{self, RangeInput, RangeShape};
use crate::eval::window::{Slide, Window};
use crate::eval::{CellValue, Charge, Column, Evaluation, Scalars, Sink, Size, StepSeries, Stop};
use crate::functions::extremes::Extremes;
use crate::functions::notes::Notes;
use crate::functions::rate::Change;
use crate::functions::reduction::reduction_of;
use crate::functions::side_by_side::{self, Place, Totals};
use crate::functions::sorted_window::SortedWindow;
use crate::functions::{
    changes, extended, instant_rate, over_time, quantile, rate, regression, smoothing,
};
use crate::plan::{Call, Expr, Node, Position, RangeExtension, ValueType};
use crate::{Error, Function};

/// What a kernel works with besides its window.
#[derive(Debug, Default)]
pub(crate) struct Workspace {
    /// The function's scalar arguments at the step.
    pub(crate) parameters: [f64; 2],
    /// Memory for kernels that sort.
    pub(crate) scratch: Vec<f64>,
    /// Which floats of the series start anew as a counter, ascending, for functions of counters; which differ from the
    /// one before, for `changes`.
    pub(crate) resets: Vec<usize>,
    /// Where the windows of the series lie, and what they come to, for functions of sums over several steps.
    places: Vec<Place>,
    totals: Vec<Totals>,
    /// Where the windows lie, for changes between their first and last samples.
    windows: rate::floats::Turns,
    /// The step of the window.
    step: usize,
    /// Whether windows follow one another, so that it pays to keep their floats in order.
    pub(crate) keeps_order: bool,
    /// The floats of the window in order.
    pub(crate) sorted: SortedWindow,
    /// The floats that no later one of the window replaces as its extreme.
    pub(crate) extremes: Extremes,
    /// The invalid quantile that was told last, by its bits.
    pub(crate) told_quantile: Option<u64>,
    /// What was noticed.
    pub(crate) notes: Notes,
    /// What ends the query from outside, for kernels that loop over all of a window.
    pub(crate) stop: Stop,
}

impl Workspace {
    /// What the window comes to, if that was computed together with others.
    pub(crate) fn total(&self) -> Option<Totals> {
        self.totals.get(self.step).copied()
    }
}

/// The value that a function gives for a window that is not empty.
pub(crate) type Kernel = fn(&Window<'_>, &mut Workspace) -> Result<Option<CellValue>, Error>;

/// The kernel of `function`, or none when it is no function of a range vector.
///
/// Functions with an extended selector have kernels of their own.
fn kernel(function: Function, extension: Option<RangeExtension>) -> Option<Kernel> {
    match extension {
        None => plain_kernel(function),
        Some(RangeExtension::Smoothed) => extended::smoothed_kernel(function),
        Some(RangeExtension::Anchored) => extended::anchored_kernel(function),
    }
}

fn plain_kernel(function: Function) -> Option<Kernel> {
    Some(match function {
        Function::Rate => rate::rate,
        Function::Increase => rate::increase,
        Function::Delta => rate::delta,
        Function::Irate => instant_rate::irate,
        Function::Idelta => instant_rate::idelta,
        Function::Changes => changes::changes,
        Function::Resets => changes::resets,
        Function::Deriv => regression::deriv,
        Function::PredictLinear => regression::predict_linear,
        Function::DoubleExponentialSmoothing => smoothing::double_exponential_smoothing,
        Function::AvgOverTime => over_time::avg,
        Function::SumOverTime => over_time::sum,
        Function::CountOverTime => over_time::count,
        Function::MinOverTime => over_time::min,
        Function::MaxOverTime => over_time::max,
        Function::FirstOverTime => over_time::first,
        Function::LastOverTime => over_time::last,
        Function::PresentOverTime | Function::AbsentOverTime => over_time::present,
        Function::StddevOverTime => over_time::stddev,
        Function::StdvarOverTime => over_time::stdvar,
        Function::TsOfFirstOverTime => over_time::ts_of_first,
        Function::TsOfLastOverTime => over_time::ts_of_last,
        Function::TsOfMaxOverTime => over_time::ts_of_max,
        Function::TsOfMinOverTime => over_time::ts_of_min,
        Function::QuantileOverTime => quantile::quantile_over_time,
        Function::MadOverTime => quantile::mad_over_time,
        _ => return None,
    })
}

/// Whether `function` takes a range vector.
pub(crate) fn is_range_function(function: Function) -> bool {
    plain_kernel(function).is_some()
}

/// Hands on the series of `call`, a function of a range vector.
///
/// # Errors
/// Whatever the evaluation, the source or `sink` fails with.
pub(crate) fn for_each(
    evaluation: &Evaluation<'_>,
    call: &Call,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let run = Run::new(evaluation, call)?;
    let work = |input: RangeInput<'_>, workspace: &mut Workspace| {
        let column = run.column(&input, workspace)?;
        run.tell(&input, &column, workspace);
        let drop_name = input.drop_name || !keeps_name(call.function);
        Ok((!column.is_empty()).then(|| StepSeries::new(input.labels.clone(), column, drop_name)))
    };
    range::map_shaped(evaluation, run.argument, run.shape, &work, sink)
}

/// The first and last sample of a series are its own; everything else is computed from it.
const fn keeps_name(function: Function) -> bool {
    matches!(function, Function::LastOverTime | Function::FirstOverTime)
}

/// Where annotations about the argument `first` point. What a subquery gives has no place of its own in Prometheus, which
/// points at the beginning of the text then.
const fn place_of(first: &Node) -> Position {
    match first.expr {
        Expr::Subquery(_) => Position { start: 0, end: 0 },
        _ => first.position,
    }
}

/// The change over a window that `function` asks for, if it is one between its first and last sample.
const fn change_of(function: Function, extension: Option<RangeExtension>) -> Option<Change> {
    if extension.is_some() {
        return None;
    }
    match function {
        Function::Rate => Some(Change::RATE),
        Function::Increase => Some(Change::INCREASE),
        Function::Delta => Some(Change::DELTA),
        _ => None,
    }
}

/// After so many samples of windows, or windows, the query looks whether it is to stop.
const CHECK_SAMPLES: usize = 1 << 16;

/// One call, ready to work on series.
struct Run<'r> {
    evaluation: &'r Evaluation<'r>,
    function: Function,
    kernel: Kernel,
    shape: RangeShape,
    /// The range vector.
    argument: &'r Node,
    /// The scalar arguments at each step.
    parameters: Vec<Scalars>,
    /// Where annotations point.
    position: Position,
    /// What is kept of the windows of changes, by every thread.
    _windows: Charge,
}

impl<'r> Run<'r> {
    fn new(evaluation: &'r Evaluation<'r>, call: &'r Call) -> Result<Self, Error> {
        let argument = call
            .arguments
            .iter()
            .find(|node| node.expr.value_type() == ValueType::RangeVector)
            .ok_or_else(|| {
                Error::execution(format!(
                    "function {} without a range vector",
                    call.function.name()
                ))
            })?;
        let shape = RangeShape::of(evaluation.query.lookback_ms, argument)?
            .reduced_by(reduction_of(call.function));
        let kernel = kernel(call.function, shape.extension)
            .ok_or_else(|| extended::unsafe_function(call.function, shape.extension))?;
        let parameters = call
            .arguments
            .iter()
            .filter(|node| node.expr.value_type() == ValueType::Scalar)
            .map(|node| evaluation.scalar(node))
            .collect::<Result<Vec<_>, _>>()?;
        let windows = if change_of(call.function, shape.extension).is_some() {
            let threads = evaluation.query.threads.max(1) as u64;
            threads.saturating_mul(rate::floats::bytes_of_windows(evaluation.steps.count))
        } else {
            0
        };
        Ok(Self {
            _windows: Charge::new(&evaluation.query.meter, Size::of_bytes(windows))?,
            evaluation,
            function: call.function,
            kernel,
            shape,
            argument,
            parameters,
            position: place_of(&call.arguments[0]),
        })
    }

    fn column(&self, input: &RangeInput<'_>, workspace: &mut Workspace) -> Result<Column, Error> {
        let steps = self.evaluation.steps;
        self.prepare(input, workspace);
        if let Some(change) = self.change()
            && rate::floats::are_plain(input.samples)
        {
            let windows = steps.iter().enumerate().map(|(index, step_ms)| {
                self.evaluation.check_step(index)?;
                Ok(self.shape.bounds(step_ms))
            });
            let known = workspace.windows.of(input.samples, steps.count);
            known.find(change, windows, input.samples)?;
            let resets = &workspace.resets;
            let (column, shown) = known.changes(steps.count, input.samples, resets);
            self.evaluation.see(shown);
            return Ok(column);
        }
        let mut column = Column::absent(steps.count);
        let mut slide = Slide::default();
        let mut seen = 0;
        let mut shown = 0;
        for (index, step_ms) in steps.iter().enumerate() {
            let window = slide.to(&self.shape.bounds(step_ms), input.samples);
            seen += 1 + window.times.len() + window.histogram_times.len();
            if seen >= CHECK_SAMPLES {
                self.evaluation.check()?;
                seen = 0;
            }
            if window.times.is_empty() && window.histogram_times.is_empty() {
                continue;
            }
            for (slot, values) in workspace.parameters.iter_mut().zip(&self.parameters) {
                *slot = values[index];
            }
            if self.function == Function::QuantileOverTime && !window.times.is_empty() {
                self.check_quantile(workspace);
            }
            shown += window.shown_samples();
            workspace.step = index;
            if let Some(value) = (self.kernel)(&window, workspace)? {
                column.set(index, value);
            }
        }
        self.evaluation.see(shown);
        Ok(column)
    }

    /// Does once a series what would be the same work in many windows.
    fn prepare(&self, input: &RangeInput<'_>, workspace: &mut Workspace) {
        workspace.extremes.clear();
        workspace.sorted.clear();
        workspace.totals.clear();
        workspace.keeps_order = !self.evaluation.steps.is_instant();
        workspace.stop.clone_from(&self.evaluation.query.stop);
        if let Some(kind) = self.kind_of_total() {
            self.find_totals(kind, input, workspace);
        }
        match self.function {
            Function::Rate | Function::Increase | Function::Resets => {
                rate::find_resets(input.samples, &mut workspace.resets);
            }
            Function::Changes => {
                let values = &input.samples.values;
                rate::find_pairs(values, &mut workspace.resets, changes::is_float_change);
            }
            _ => {}
        }
    }

    const fn change(&self) -> Option<Change> {
        change_of(self.function, self.shape.extension)
    }

    /// What is computed of all windows together, if there are several.
    fn kind_of_total(&self) -> Option<side_by_side::Kind> {
        /// So many places take a few megabytes.
        const STEPS_MAX: usize = 1 << 16;
        if self.evaluation.steps.is_instant() || self.evaluation.steps.count > STEPS_MAX {
            return None;
        }
        match self.function {
            Function::SumOverTime | Function::AvgOverTime => Some(side_by_side::Kind::Sum),
            Function::StddevOverTime | Function::StdvarOverTime => {
                Some(side_by_side::Kind::Variance)
            }
            Function::Deriv => Some(side_by_side::Kind::LineFromFirst),
            Function::PredictLinear => Some(side_by_side::Kind::LineFromStep),
            _ => None,
        }
    }

    fn find_totals(
        &self,
        kind: side_by_side::Kind,
        input: &RangeInput<'_>,
        workspace: &mut Workspace,
    ) {
        let mut slide = Slide::default();
        workspace.places.clear();
        workspace
            .places
            .extend(self.evaluation.steps.iter().map(|step_ms| {
                let window = slide.to(&self.shape.bounds(step_ms), input.samples);
                Place {
                    floats: window.before..window.before + window.values.len(),
                    step_ms,
                }
            }));
        if !side_by_side::fill(
            kind,
            input.samples,
            &workspace.places,
            &mut workspace.totals,
        ) {
            workspace.totals.clear();
        }
    }

    /// Tells of an invalid quantile, though not at every step again.
    fn check_quantile(&self, workspace: &mut Workspace) {
        let quantile = workspace.parameters[0];
        let bits = Some(quantile.to_bits());
        if !(0.0..=1.0).contains(&quantile) && workspace.told_quantile != bits {
            workspace.told_quantile = bits;
            self.evaluation
                .annotate(Annotation::InvalidQuantile(quantile), self.position);
        }
    }

    fn tell(&self, input: &RangeInput<'_>, column: &Column, workspace: &mut Workspace) {
        let metric = input.labels.metric_name().unwrap_or_default();
        workspace.notes.tell(self.evaluation, metric, self.position);
        if matches!(self.function, Function::Rate | Function::Increase)
            && !metric.is_empty()
            && !is_counter_name(metric)
            && column.floats().next().is_some()
        {
            self.evaluation.annotate(
                Annotation::PossibleNonCounter(metric.to_owned()),
                self.position,
            );
        }
    }
}

fn is_counter_name(metric: &str) -> bool {
    ["_total", "_sum", "_count", "_bucket"]
        .iter()
        .any(|suffix| metric.ends_with(suffix))
}

/// Hands on one series that is 1 at each step where no series of the range vector has a sample.
///
/// # Errors
/// Whatever the evaluation, the source or `sink` fails with.
pub(crate) fn absent_over_time(
    evaluation: &Evaluation<'_>,
    call: &Call,
    labels: Labels,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let _charge = evaluation.charge_column()?;
    let mut absent = Column::from_floats(vec![1.0; evaluation.steps.count]);
    for_each(evaluation, call, &mut |series| {
        for (index, _) in series.column.floats() {
            absent.clear(index);
        }
        Ok(())
    })?;
    if absent.is_empty() {
        return Ok(());
    }
    sink(StepSeries::new(labels, absent, true))
}
