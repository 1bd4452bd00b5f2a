//! What the command can do. Each answers an exit code, or one paragraph of what went wrong.

mod check;
mod health_check;
mod serve;

pub(crate) use check::check;
pub(crate) use health_check::health_check;
pub(crate) use serve::serve;
