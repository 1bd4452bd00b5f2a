//! What the functions compute.

pub(crate) mod calendar;
pub(crate) mod histogram;
pub(crate) mod scalar;
