//! What a function of a range vector can do without.

use chronoxide_model::Reduction;

use crate::Function;

/// Which samples of its window `function` needs, when not all: a source that keeps summaries need not decode the others.
///
/// The answer is the same bit for bit. So sums and averages are not among them: they are compensated sample by sample,
/// and round differently in another order.
pub(super) const fn reduction_of(function: Function) -> Option<Reduction> {
    match function {
        Function::CountOverTime | Function::PresentOverTime | Function::AbsentOverTime => {
            Some(Reduction::Count)
        }
        Function::FirstOverTime | Function::TsOfFirstOverTime => Some(Reduction::First),
        Function::LastOverTime | Function::TsOfLastOverTime => Some(Reduction::Last),
        Function::MinOverTime => Some(Reduction::Minimum),
        Function::MaxOverTime => Some(Reduction::Maximum),
        Function::Delta => Some(Reduction::Ends),
        Function::Rate | Function::Increase | Function::Resets => Some(Reduction::Counter),
        _ => None,
    }
}
