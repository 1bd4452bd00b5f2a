//! Range functions of `anchored` and `smoothed` selectors, which look beyond the window.

use crate::functions::range::Kernel;
use crate::plan::RangeExtension;
use crate::{Error, Function};

pub(super) fn smoothed_kernel(_function: Function) -> Option<Kernel> {
    None
}

pub(super) fn anchored_kernel(_function: Function) -> Option<Kernel> {
    None
}

/// The error of a function that cannot work with such a selector.
pub(super) fn unsafe_function(function: Function, extension: Option<RangeExtension>) -> Error {
    let (name, allowed) = match extension {
        Some(RangeExtension::Anchored) => ("anchored", "changes, delta, increase, rate, resets"),
        Some(RangeExtension::Smoothed) => ("smoothed", "delta, increase, rate"),
        None => {
            return Error::execution(format!("function {} takes no range", function.name()));
        }
    };
    Error::execution(format!(
        "{name} modifier can only be used with: {allowed} - not with {}",
        function.name()
    ))
}
