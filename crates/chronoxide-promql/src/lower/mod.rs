//! The tree of a query to its plan: durations, `@ start()` and default steps become numbers, parentheses go.

mod duration;
mod fold;
mod push_down;
#[cfg(test)]
mod tests;

use chronoxide_model::Matcher;

use crate::plan::{self, Cardinality, Grouping, Matching, Node, Position};
use crate::syntax::{self, At, Expr, ExprKind, Features, Regexes, Selector, TimeModifiers};
use crate::{Error, Function};
use duration::Clock;

/// What a plan depends on beside the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LowerOptions {
    /// First step of the query, Unix milliseconds.
    pub start_ms: i64,
    /// Last step of the query, Unix milliseconds; as `start_ms` for an instant query.
    pub end_ms: i64,
    /// Distance of the steps; 0 for an instant query.
    pub step_ms: i64,
    /// The step of subqueries that name none, above zero.
    pub subquery_step_ms: i64,
    /// Parts of the language that are on.
    pub features: Features,
}

impl LowerOptions {
    /// An instant query at `time_ms`, with a default subquery step of one minute.
    #[must_use]
    pub const fn instant(time_ms: i64) -> Self {
        Self::range(time_ms, time_ms, 0)
    }

    /// A range query, with a default subquery step of one minute.
    #[must_use]
    pub const fn range(start_ms: i64, end_ms: i64, step_ms: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            step_ms,
            subquery_step_ms: 60_000,
            features: Features::ALL,
        }
    }
}

/// Makes the plan of a query.
///
/// # Errors
/// [`Error::Parse`] when the text is no query, its types do not fit or a duration comes out as zero, negative where it
/// must not be, or out of range. [`Error::Execution`] for label names that are not UTF-8.
pub fn lower(text: &str, options: &LowerOptions) -> Result<Node, Error> {
    let expr = syntax::parse(text, options.features)?;
    lower_tree(text, expr, options)
}

/// Makes the plan of a tree that was read from `text`.
///
/// # Errors
/// As [`lower`], but for the reading.
pub fn lower_tree(text: &str, expr: Expr, options: &LowerOptions) -> Result<Node, Error> {
    Lowering {
        clock: Clock { text, options },
    }
    .node(expr)
}

/// Reads a selector as `match[]` has it: a metric name, matchers in braces, or both.
///
/// # Errors
/// [`Error::Parse`] when it is none. That some matcher must not match the empty string is for the caller to check.
pub fn parse_selector(text: &str) -> Result<Vec<Matcher>, Error> {
    parse_selector_with(text, &mut Regexes::new())
}

/// As [`parse_selector`], for one of several selectors that share what regular expressions may take.
///
/// # Errors
/// As [`parse_selector`].
pub fn parse_selector_with(text: &str, regexes: &mut Regexes) -> Result<Vec<Matcher>, Error> {
    Ok(syntax::parse_selector(text, regexes)?.all_matchers())
}

/// The matchers of all selectors of a query, in the order of the text.
///
/// # Errors
/// [`Error::Parse`] when the text is no query.
pub fn selectors_of(text: &str) -> Result<Vec<Vec<Matcher>>, Error> {
    let expr = syntax::parse(text, Features::ALL)?;
    let selectors = expr.selectors();
    Ok(selectors.into_iter().map(Selector::all_matchers).collect())
}

struct Lowering<'a> {
    clock: Clock<'a>,
}

impl Lowering<'_> {
    fn node(&self, expr: Expr) -> Result<Node, Error> {
        let Expr { kind, position } = expr;
        let lowered = match kind {
            ExprKind::Number(number) => plan::Expr::Number(number.value),
            ExprKind::String(literal) => plan::Expr::String(self.string(&literal, position)?),
            ExprKind::Vector(selector) => plan::Expr::Vector(self.selector(*selector)?),
            ExprKind::Range { selector, window } => plan::Expr::Range {
                window_ms: self.clock.positive(&window)?,
                selector: self.selector(*selector)?,
            },
            ExprKind::Subquery(subquery) => plan::Expr::Subquery(self.subquery(*subquery)?),
            // As in Prometheus, messages about an argument in parentheses point inside.
            ExprKind::Paren(inner) => return self.node(*inner),
            ExprKind::Unary { negative, operand } => {
                let operand = self.node(*operand)?;
                if negative {
                    plan::Expr::Negate(Box::new(operand))
                } else if matches!(operand.expr, plan::Expr::Binary(_)) {
                    // What an operator has to tell points at its operands, of which the sign is none.
                    return Ok(operand);
                } else {
                    operand.expr
                }
            }
            ExprKind::Binary(binary) => plan::Expr::Binary(Box::new(self.binary(*binary)?)),
            ExprKind::Aggregate(aggregate) => {
                plan::Expr::Aggregate(Box::new(self.aggregate(*aggregate)?))
            }
            ExprKind::Call {
                function,
                arguments,
            } => plan::Expr::Call(self.call(function, arguments)?),
        };
        Ok(Node {
            expr: fold::fold(lowered),
            position,
        })
    }

    fn string(&self, literal: &syntax::StringLiteral, position: Position) -> Result<String, Error> {
        match literal.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => {
                let shown = syntax::quote_bytes(literal.bytes());
                Err(Error::parse(
                    self.clock.text,
                    position,
                    format!("string is not valid UTF-8: {shown}"),
                ))
            }
        }
    }

    fn selector(&self, selector: Selector) -> Result<plan::Selector, Error> {
        let (at_ms, offset_ms) = self.time(&selector.time)?;
        Ok(plan::Selector {
            matchers: selector.all_matchers(),
            offset_ms,
            at_ms,
            extension: selector.extension,
        })
    }

    fn time(&self, time: &TimeModifiers) -> Result<(Option<i64>, i64), Error> {
        let at_ms = time.at.map(|at| match at {
            At::Time(ms) => ms,
            At::Start => self.clock.options.start_ms,
            At::End => self.clock.options.end_ms,
        });
        let offset_ms = match &time.offset {
            Some(offset) => self.clock.any(offset)?,
            None => 0,
        };
        Ok((at_ms, offset_ms))
    }

    fn subquery(&self, subquery: syntax::Subquery) -> Result<plan::Subquery, Error> {
        let (at_ms, offset_ms) = self.time(&subquery.time)?;
        let window_ms = self.clock.positive(&subquery.window)?;
        let step_ms = match &subquery.step {
            Some(step) => self.clock.positive(step)?,
            None => self.clock.options.subquery_step_ms,
        };
        Ok(plan::Subquery {
            inner: Box::new(self.node(subquery.inner)?),
            window_ms,
            step_ms,
            offset_ms,
            at_ms,
        })
    }

    fn binary(&self, binary: syntax::Binary) -> Result<plan::Binary, Error> {
        let modifiers = binary.modifiers;
        let cardinality = if binary.op.is_set() {
            Cardinality::ManyToMany
        } else {
            modifiers.cardinality
        };
        let mut lowered = plan::Binary {
            op: binary.op,
            left: self.node(binary.left)?,
            right: self.node(binary.right)?,
            returns_bool: modifiers.returns_bool,
            matching: Matching {
                labels: modifiers.labels.unwrap_or(Grouping::Without(Vec::new())),
                cardinality,
                include: modifiers.include,
                fill_left: modifiers.fill_left,
                fill_right: modifiers.fill_right,
            },
        };
        push_down::push_down(&mut lowered);
        Ok(lowered)
    }

    fn aggregate(&self, aggregate: syntax::Aggregate) -> Result<plan::Aggregate, Error> {
        // The label that values are counted under is judged while the query runs, says Prometheus.
        if let Some(Expr {
            kind: ExprKind::String(literal),
            ..
        }) = &aggregate.parameter
            && literal.as_str().is_none()
        {
            let shown = syntax::quote_bytes(literal.bytes());
            return Err(Error::execution(format!("invalid label name {shown}")));
        }
        Ok(plan::Aggregate {
            op: aggregate.op,
            parameter: aggregate
                .parameter
                .map(|parameter| self.node(parameter))
                .transpose()?,
            inner: self.node(aggregate.inner)?,
            grouping: aggregate.grouping.unwrap_or(Grouping::By(Vec::new())),
        })
    }

    fn call(&self, function: Function, arguments: Vec<Expr>) -> Result<plan::Call, Error> {
        let arguments = arguments.into_iter().map(|argument| self.node(argument));
        Ok(plan::Call {
            function,
            arguments: arguments.collect::<Result<_, _>>()?,
        })
    }
}
