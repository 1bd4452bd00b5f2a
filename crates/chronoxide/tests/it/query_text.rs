//! Random queries over the series of `data`.
//!
//! Each is well typed, and its value at a time depends on that time alone: `start()`, `end()`, `range()` and `step()`,
//! which look at the whole query, are left out.

use std::collections::BTreeSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::data::{METRICS, START_MS};

const LABELS: &[&str] = &["job", "instance", "code", "le", "n", "version", "region"];

const OF_NUMBERS: &[&str] = &[
    "abs",
    "ceil",
    "floor",
    "exp",
    "ln",
    "log2",
    "log10",
    "sqrt",
    "sgn",
    "sin",
    "cos",
    "tan",
    "atan",
    "sinh",
    "deg",
    "rad",
    "hour",
    "minute",
    "day_of_week",
    "day_of_month",
    "days_in_month",
    "month",
    "year",
    "timestamp",
    "histogram_count",
    "histogram_sum",
    "histogram_avg",
    "histogram_stddev",
    "histogram_stdvar",
    "absent",
    "round",
];

const OF_RANGES: &[&str] = &[
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "deriv",
    "changes",
    "resets",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "present_over_time",
    "absent_over_time",
    "mad_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
];

const AGGREGATIONS: &[&str] = &[
    "sum", "avg", "min", "max", "count", "group", "stddev", "stdvar",
];

/// `count` different queries; the same ones for the same seed.
pub(crate) fn queries(seed: u64, count: usize) -> Vec<String> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut texts = BTreeSet::new();
    let mut queries = Vec::new();
    while queries.len() < count {
        let depth = random.random_range(1..5);
        let text = Text {
            random: &mut random,
        }
        .query(depth);
        if texts.insert(text.clone()) {
            queries.push(text);
        }
    }
    queries
}

struct Text<'r> {
    random: &'r mut StdRng,
}

impl Text<'_> {
    fn one_of(&mut self, words: &[&str]) -> String {
        (*words.choose(self.random).expect("there are words")).to_owned()
    }

    fn query(&mut self, depth: usize) -> String {
        match self.random.random_range(0..12) {
            0 => self.scalar(depth),
            _ => self.vector(depth),
        }
    }

    fn scalar(&mut self, depth: usize) -> String {
        let number = || {
            [
                "0", "1", "-1", "2.5", "1e3", "0.001", "NaN", "+Inf", "-Inf", "60",
            ]
        };
        match self.random.random_range(0..8) {
            0 if depth > 0 => format!("scalar({})", self.vector(depth - 1)),
            1 if depth > 0 => {
                let op = self.one_of(&["+", "-", "*", "/", "%", "^", "> bool", "== bool", "atan2"]);
                format!(
                    "({} {op} {})",
                    self.scalar(depth - 1),
                    self.scalar(depth - 1)
                )
            }
            2 => "time()".to_owned(),
            3 => "pi()".to_owned(),
            4 if depth > 0 => format!(
                "max_of({}, {})",
                self.scalar(depth - 1),
                self.scalar(depth - 1)
            ),
            _ => self.one_of(&number()),
        }
    }

    fn vector(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.selector();
        }
        match self.random.random_range(0..20) {
            0 => self.selector(),
            1..=3 => self.of_numbers(depth - 1),
            4..=8 => self.of_range(depth - 1),
            9..=12 => self.aggregation(depth - 1),
            13..=16 => self.binary(depth - 1),
            17 => self.of_labels(depth - 1),
            18 => self.of_histograms(depth - 1),
            _ => format!("-{}", self.vector(depth - 1)),
        }
    }

    fn matchers(&mut self) -> String {
        let matcher = [
            r#"job="api""#,
            r#"job!="db""#,
            r#"instance=~"host-[01].*""#,
            r#"instance!~"host-1:9100""#,
            r#"code=~"2..|5..""#,
            r#"n="1""#,
            r#"job=~"api|db""#,
            r#"code!="""#,
        ];
        match self.random.random_range(0..4) {
            0 => format!("{{{}}}", self.one_of(&matcher)),
            1 => format!("{{{}, {}}}", self.one_of(&matcher), self.one_of(&matcher)),
            _ => String::new(),
        }
    }

    fn time_modifier(&mut self) -> String {
        let at_s = START_MS / 1000 + self.random.random_range(0..7200);
        match self.random.random_range(0..16) {
            0 => " offset 5m".to_owned(),
            1 => " offset -90s".to_owned(),
            2 => format!(" @ {at_s}"),
            3 => format!(" @ {at_s}.5 offset 1m"),
            _ => String::new(),
        }
    }

    fn metric(&mut self) -> String {
        self.one_of(METRICS)
    }

    fn selector(&mut self) -> String {
        format!(
            "{}{}{}",
            self.metric(),
            self.matchers(),
            self.time_modifier()
        )
    }

    fn window(&mut self) -> String {
        self.one_of(&["20s", "1m", "90s", "5m", "17m", "1h"])
    }

    fn range(&mut self, depth: usize) -> String {
        if depth > 0 && self.random.random_range(0..4) == 0 {
            let resolution = self.one_of(&["", "30s", "1m", "7m"]);
            let window = self.one_of(&["2m", "10m", "31m"]);
            let inner = self.vector(depth - 1);
            return format!("({inner})[{window}:{resolution}]{}", self.time_modifier());
        }
        format!(
            "{}{}[{}]{}",
            self.metric(),
            self.matchers(),
            self.window(),
            self.time_modifier()
        )
    }

    fn of_numbers(&mut self, depth: usize) -> String {
        match self.random.random_range(0..6) {
            0 => format!("clamp({}, -2, {})", self.vector(depth), self.scalar(depth)),
            1 => format!("clamp_min({}, {})", self.vector(depth), self.scalar(depth)),
            2 => format!("vector({})", self.scalar(depth)),
            _ => format!("{}({})", self.one_of(OF_NUMBERS), self.vector(depth)),
        }
    }

    fn of_range(&mut self, depth: usize) -> String {
        match self.random.random_range(0..12) {
            0 => format!(
                "quantile_over_time({}, {})",
                self.scalar(0),
                self.range(depth)
            ),
            1 => format!("predict_linear({}, {})", self.range(depth), self.scalar(0)),
            2 => format!(
                "double_exponential_smoothing({}, 0.5, 0.3)",
                self.range(depth)
            ),
            3 => {
                let function = self.one_of(&["rate", "increase", "delta"]);
                let how = self.one_of(&["anchored", "smoothed"]);
                format!(
                    "{function}({}{}[{}] {how})",
                    self.metric(),
                    self.matchers(),
                    self.window()
                )
            }
            _ => format!("{}({})", self.one_of(OF_RANGES), self.range(depth)),
        }
    }

    fn labels(&mut self) -> String {
        let count = self.random.random_range(0..3);
        let labels: Vec<String> = (0..count).map(|_| self.one_of(LABELS)).collect();
        labels.join(", ")
    }

    fn grouping(&mut self) -> String {
        match self.random.random_range(0..3) {
            0 => format!(" by ({}) ", self.labels()),
            1 => format!(" without ({}) ", self.labels()),
            _ => " ".to_owned(),
        }
    }

    fn aggregation(&mut self, depth: usize) -> String {
        let grouping = self.grouping();
        let inner = self.vector(depth);
        match self.random.random_range(0..10) {
            0 => {
                let op = self.one_of(&["topk", "bottomk", "limitk"]);
                format!(
                    "{op}{grouping}({}, {inner})",
                    self.one_of(&["1", "2", "3", "time() % 4"])
                )
            }
            1 => format!(
                "quantile{grouping}({}, {inner})",
                self.one_of(&["0", "0.5", "0.9", "1", "2"])
            ),
            2 => format!(r#"count_values{grouping}("value", {inner})"#),
            3 => format!(
                "limit_ratio{grouping}({}, {inner})",
                self.one_of(&["0.5", "-0.3", "1"])
            ),
            _ => format!("{}{grouping}({inner})", self.one_of(AGGREGATIONS)),
        }
    }

    fn binary(&mut self, depth: usize) -> String {
        let arithmetic = ["+", "-", "*", "/", "%", "^", "atan2", "</", ">/"];
        let comparison = ["==", "!=", ">", "<", ">=", "<=", "> bool", "== bool"];
        let left = self.vector(depth);
        let op = match self.random.random_range(0..3) {
            0 => self.one_of(&comparison),
            _ => self.one_of(&arithmetic),
        };
        match self.random.random_range(0..9) {
            0 => format!("({left} {op} {})", self.scalar(depth)),
            1 => format!("({} {op} {left})", self.scalar(depth)),
            2 => {
                let op = self.one_of(&["and", "or", "unless"]);
                format!("({left} {op}{} {})", self.matching(), self.vector(depth))
            }
            3 => format!("({left} {op} {left})"),
            4 => {
                let (metric, window) = (self.metric(), self.window());
                let right = format!("{}({metric}[{window}])", self.one_of(OF_RANGES));
                format!(
                    "({}({metric}[{window}]) {op} {right})",
                    self.one_of(OF_RANGES)
                )
            }
            5 => {
                let grouping = self.grouping();
                let right = format!("{}{grouping}({})", self.one_of(AGGREGATIONS), self.metric());
                format!(
                    "({}{grouping}({left}) {op}{} {right})",
                    self.one_of(AGGREGATIONS),
                    self.matching()
                )
            }
            6 => {
                let many = self.one_of(&["group_left", "group_right"]);
                format!(
                    "({left} {op} on ({}) {many} ({}) {})",
                    self.labels(),
                    self.labels(),
                    self.vector(depth)
                )
            }
            7 => {
                let fill = self.one_of(&["fill (0)", "fill_left (1)", "fill_right (2)"]);
                format!(
                    "({left} {op}{} {fill} {})",
                    self.matching(),
                    self.vector(depth)
                )
            }
            _ => format!("({left} {op}{} {})", self.matching(), self.vector(depth)),
        }
    }

    fn matching(&mut self) -> String {
        match self.random.random_range(0..4) {
            0 => format!(" on ({})", self.labels()),
            1 => format!(" ignoring ({})", self.labels()),
            _ => String::new(),
        }
    }

    fn of_labels(&mut self, depth: usize) -> String {
        let inner = self.vector(depth);
        match self.random.random_range(0..4) {
            0 => format!(
                r#"label_replace({inner}, "{}", "$1-x", "{}", "(.*)[:0-9]")"#,
                self.one_of(LABELS),
                self.one_of(LABELS)
            ),
            1 => format!(r#"label_join({inner}, "joined", "/", "job", "n")"#),
            2 => format!("info({inner})"),
            _ => format!("{}({inner})", self.one_of(&["sort", "sort_desc"])),
        }
    }

    fn of_histograms(&mut self, depth: usize) -> String {
        let quantile = self.one_of(&["0", "0.5", "0.9", "0.99", "1", "1.5", "NaN"]);
        match self.random.random_range(0..6) {
            0 => format!("histogram_quantile({quantile}, {})", self.vector(depth)),
            1 => format!("histogram_fraction(0.1, 2, {})", self.vector(depth)),
            2 => format!(
                "histogram_quantile({quantile}, sum by (le, job) (rate(latency_bucket[{}])))",
                self.window()
            ),
            3 => format!(
                "histogram_quantile({quantile}, sum by (job) (rate(duration[{}])))",
                self.window()
            ),
            4 => format!(
                "histogram_quantiles({}, \"q\", 0.5, 0.9)",
                self.vector(depth)
            ),
            _ => format!("histogram_avg(rate(sizes[{}]))", self.window()),
        }
    }
}
