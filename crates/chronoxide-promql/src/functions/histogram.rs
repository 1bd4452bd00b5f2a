//! Functions of histograms, classic and native.

use crate::Error;
use crate::eval::{Evaluation, Sink};
use crate::plan::{Call, Position};

/// Hands on the series of the `histogram_*` function `call`, written at `position`.
pub(crate) fn for_each(
    _evaluation: &Evaluation<'_>,
    call: &Call,
    _position: Position,
    _sink: Sink<'_>,
) -> Result<(), Error> {
    Err(Error::execution(format!(
        "function {} is not available in this build",
        call.function.name()
    )))
}
