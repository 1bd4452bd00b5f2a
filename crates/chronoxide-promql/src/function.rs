//! The functions of PromQL: names, argument types, result types.

use crate::plan::ValueType;
use crate::plan::ValueType::{InstantVector, RangeVector, Scalar, String};

/// How many arguments a call may have beyond or short of the listed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Just the listed ones.
    Fixed,
    /// So many of the last ones may be left out.
    Optional(usize),
    /// The last one may be left out or repeated.
    Variadic,
}

macro_rules! functions {
    ($($variant:ident $name:literal ($($argument:ident),*) $arity:expr, $returns:ident, $experimental:literal;)*) => {
        /// A function of PromQL.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function {
            $(#[doc = concat!("`", $name, "`")] $variant,)*
        }

        impl Function {
            /// All functions, by name.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// As it is written.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The types of the arguments.
            #[must_use]
            pub const fn arguments(self) -> &'static [ValueType] {
                match self { $(Self::$variant => &[$($argument),*]),* }
            }

            /// How many arguments may be left out or added.
            #[must_use]
            pub const fn arity(self) -> Arity {
                match self { $(Self::$variant => $arity),* }
            }

            /// The type of the result.
            #[must_use]
            pub const fn returns(self) -> ValueType {
                match self { $(Self::$variant => $returns),* }
            }

            /// Whether Prometheus keeps it behind its experimental-functions flag.
            #[must_use]
            pub const fn is_experimental(self) -> bool {
                match self { $(Self::$variant => $experimental),* }
            }
        }
    };
}

functions! {
    Abs "abs" (InstantVector) Arity::Fixed, InstantVector, false;
    Absent "absent" (InstantVector) Arity::Fixed, InstantVector, false;
    AbsentOverTime "absent_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Acos "acos" (InstantVector) Arity::Fixed, InstantVector, false;
    Acosh "acosh" (InstantVector) Arity::Fixed, InstantVector, false;
    Asin "asin" (InstantVector) Arity::Fixed, InstantVector, false;
    Asinh "asinh" (InstantVector) Arity::Fixed, InstantVector, false;
    Atan "atan" (InstantVector) Arity::Fixed, InstantVector, false;
    Atanh "atanh" (InstantVector) Arity::Fixed, InstantVector, false;
    AvgOverTime "avg_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Ceil "ceil" (InstantVector) Arity::Fixed, InstantVector, false;
    Changes "changes" (RangeVector) Arity::Fixed, InstantVector, false;
    Clamp "clamp" (InstantVector, Scalar, Scalar) Arity::Fixed, InstantVector, false;
    ClampMax "clamp_max" (InstantVector, Scalar) Arity::Fixed, InstantVector, false;
    ClampMin "clamp_min" (InstantVector, Scalar) Arity::Fixed, InstantVector, false;
    Cos "cos" (InstantVector) Arity::Fixed, InstantVector, false;
    Cosh "cosh" (InstantVector) Arity::Fixed, InstantVector, false;
    CountOverTime "count_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    DayOfMonth "day_of_month" (InstantVector) Arity::Optional(1), InstantVector, false;
    DayOfWeek "day_of_week" (InstantVector) Arity::Optional(1), InstantVector, false;
    DayOfYear "day_of_year" (InstantVector) Arity::Optional(1), InstantVector, false;
    DaysInMonth "days_in_month" (InstantVector) Arity::Optional(1), InstantVector, false;
    Deg "deg" (InstantVector) Arity::Fixed, InstantVector, false;
    Delta "delta" (RangeVector) Arity::Fixed, InstantVector, false;
    Deriv "deriv" (RangeVector) Arity::Fixed, InstantVector, false;
    DoubleExponentialSmoothing "double_exponential_smoothing" (RangeVector, Scalar, Scalar) Arity::Fixed, InstantVector, true;
    End "end" () Arity::Fixed, Scalar, true;
    Exp "exp" (InstantVector) Arity::Fixed, InstantVector, false;
    FirstOverTime "first_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Floor "floor" (InstantVector) Arity::Fixed, InstantVector, false;
    HistogramAvg "histogram_avg" (InstantVector) Arity::Fixed, InstantVector, false;
    HistogramCount "histogram_count" (InstantVector) Arity::Fixed, InstantVector, false;
    HistogramFraction "histogram_fraction" (Scalar, Scalar, InstantVector) Arity::Fixed, InstantVector, false;
    HistogramQuantile "histogram_quantile" (Scalar, InstantVector) Arity::Fixed, InstantVector, false;
    HistogramQuantiles "histogram_quantiles" (InstantVector, String, Scalar, Scalar) Arity::Variadic, InstantVector, true;
    HistogramStddev "histogram_stddev" (InstantVector) Arity::Fixed, InstantVector, false;
    HistogramStdvar "histogram_stdvar" (InstantVector) Arity::Fixed, InstantVector, false;
    HistogramSum "histogram_sum" (InstantVector) Arity::Fixed, InstantVector, false;
    Hour "hour" (InstantVector) Arity::Optional(1), InstantVector, false;
    Idelta "idelta" (RangeVector) Arity::Fixed, InstantVector, false;
    Increase "increase" (RangeVector) Arity::Fixed, InstantVector, false;
    Info "info" (InstantVector, InstantVector) Arity::Optional(1), InstantVector, true;
    Irate "irate" (RangeVector) Arity::Fixed, InstantVector, false;
    LabelJoin "label_join" (InstantVector, String, String, String) Arity::Variadic, InstantVector, false;
    LabelReplace "label_replace" (InstantVector, String, String, String, String) Arity::Fixed, InstantVector, false;
    LastOverTime "last_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Ln "ln" (InstantVector) Arity::Fixed, InstantVector, false;
    Log10 "log10" (InstantVector) Arity::Fixed, InstantVector, false;
    Log2 "log2" (InstantVector) Arity::Fixed, InstantVector, false;
    MadOverTime "mad_over_time" (RangeVector) Arity::Fixed, InstantVector, true;
    MaxOf "max_of" (Scalar, Scalar) Arity::Fixed, Scalar, true;
    MaxOverTime "max_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    MinOf "min_of" (Scalar, Scalar) Arity::Fixed, Scalar, true;
    MinOverTime "min_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Minute "minute" (InstantVector) Arity::Optional(1), InstantVector, false;
    Month "month" (InstantVector) Arity::Optional(1), InstantVector, false;
    Pi "pi" () Arity::Fixed, Scalar, false;
    PredictLinear "predict_linear" (RangeVector, Scalar) Arity::Fixed, InstantVector, false;
    PresentOverTime "present_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    QuantileOverTime "quantile_over_time" (Scalar, RangeVector) Arity::Fixed, InstantVector, false;
    Rad "rad" (InstantVector) Arity::Fixed, InstantVector, false;
    Range "range" () Arity::Fixed, Scalar, true;
    Rate "rate" (RangeVector) Arity::Fixed, InstantVector, false;
    Resets "resets" (RangeVector) Arity::Fixed, InstantVector, false;
    Round "round" (InstantVector, Scalar) Arity::Optional(1), InstantVector, false;
    Scalar "scalar" (InstantVector) Arity::Fixed, Scalar, false;
    Sgn "sgn" (InstantVector) Arity::Fixed, InstantVector, false;
    Sin "sin" (InstantVector) Arity::Fixed, InstantVector, false;
    Sinh "sinh" (InstantVector) Arity::Fixed, InstantVector, false;
    Sort "sort" (InstantVector) Arity::Fixed, InstantVector, false;
    SortByLabel "sort_by_label" (InstantVector, String) Arity::Variadic, InstantVector, true;
    SortByLabelDesc "sort_by_label_desc" (InstantVector, String) Arity::Variadic, InstantVector, true;
    SortDesc "sort_desc" (InstantVector) Arity::Fixed, InstantVector, false;
    Sqrt "sqrt" (InstantVector) Arity::Fixed, InstantVector, false;
    Start "start" () Arity::Fixed, Scalar, true;
    StartTimestamp "start_timestamp" (InstantVector) Arity::Fixed, InstantVector, true;
    StddevOverTime "stddev_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    StdvarOverTime "stdvar_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Step "step" () Arity::Fixed, Scalar, true;
    SumOverTime "sum_over_time" (RangeVector) Arity::Fixed, InstantVector, false;
    Tan "tan" (InstantVector) Arity::Fixed, InstantVector, false;
    Tanh "tanh" (InstantVector) Arity::Fixed, InstantVector, false;
    Time "time" () Arity::Fixed, Scalar, false;
    Timestamp "timestamp" (InstantVector) Arity::Fixed, InstantVector, false;
    TsOfFirstOverTime "ts_of_first_over_time" (RangeVector) Arity::Fixed, InstantVector, true;
    TsOfLastOverTime "ts_of_last_over_time" (RangeVector) Arity::Fixed, InstantVector, true;
    TsOfMaxOverTime "ts_of_max_over_time" (RangeVector) Arity::Fixed, InstantVector, true;
    TsOfMinOverTime "ts_of_min_over_time" (RangeVector) Arity::Fixed, InstantVector, true;
    Vector "vector" (Scalar) Arity::Fixed, InstantVector, false;
    Year "year" (InstantVector) Arity::Optional(1), InstantVector, false;
}

impl Function {
    /// The function called `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .binary_search_by(|function| function.name().cmp(name))
            .ok()
            .map(|index| Self::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name() {
        for function in Function::ALL {
            assert_eq!(Function::from_name(function.name()), Some(*function));
        }
        assert_eq!(Function::from_name("nope"), None);
    }
}
