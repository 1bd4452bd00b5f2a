//! Aggregations.

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::plan::{Aggregate, Position};

/// Hands on the series of `aggregate`, written at `position`.
pub(crate) fn for_each(
    _evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    _position: Position,
    _sink: Sink<'_>,
) -> Result<(), Error> {
    Err(Error::execution(format!(
        "aggregation {} is not available in this build",
        aggregate.op.as_str()
    )))
}
