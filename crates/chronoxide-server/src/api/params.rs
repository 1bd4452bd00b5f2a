//! The syntax of parameters: times, durations, limits, label names.

use std::time::Duration;

use chronoxide_model::TimeRange;
use chronoxide_promql::RangeTimes;

use super::form::Form;
use super::rfc3339::parse_rfc3339;
use crate::config::parse_duration as parse_prometheus_duration;
use crate::error::ApiError;

/// The texts in which Go clients write "the beginning" and "the end of time"; their years have more than four digits.
const GO_TIME_MIN: (&str, i64) = ("-292273086-05-16T16:47:06Z", -9_223_309_901_257_974_000);
const GO_TIME_MAX: (&str, i64) = (
    "292277025-08-18T07:12:54.999999999Z",
    9_223_309_901_257_974_999,
);

/// The Unix milliseconds that `text` stands for: seconds with a fraction, or RFC 3339.
pub(crate) fn parse_time(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_float(text) {
        // A float beyond the range of milliseconds is cut to it.
        return Ok((seconds * 1000.0).round() as i64);
    }
    for (end_of_time, time_ms) in [GO_TIME_MIN, GO_TIME_MAX] {
        if text == end_of_time {
            return Ok(time_ms);
        }
    }
    parse_rfc3339(text).ok_or_else(|| format!("cannot parse {text:?} to a valid timestamp"))
}

/// A finite number in the notation of Go: no words, no blanks.
fn parse_float(text: &str) -> Option<f64> {
    let plausible = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    plausible
        .then(|| text.parse::<f64>().ok())?
        .filter(|number| number.is_finite())
}

/// The duration that `text` stands for: seconds with a fraction, or Prometheus' notation; may be negative.
///
/// The answer is in nanoseconds.
fn parse_duration_ns(text: &str) -> Result<i64, String> {
    if let Some(seconds) = parse_float(text) {
        let nanoseconds = seconds * 1e9;
        if nanoseconds >= i64::MAX as f64 || nanoseconds <= i64::MIN as f64 {
            return Err(format!(
                "cannot parse {text:?} to a valid duration. It overflows int64"
            ));
        }
        return Ok(nanoseconds as i64);
    }
    parse_prometheus_duration(text)
        .and_then(|duration| i64::try_from(duration.as_nanos()).ok())
        .ok_or_else(|| format!("cannot parse {text:?} to a valid duration"))
}

fn invalid(name: &str, reason: impl std::fmt::Display) -> ApiError {
    ApiError::bad_data(format!("invalid parameter {name:?}: {reason}"))
}

impl Form {
    /// The parameter `query`.
    pub(crate) fn query(&self) -> &str {
        self.get("query").unwrap_or("")
    }

    /// The time `name`, or `default_ms`.
    pub(crate) fn time(&self, name: &str, default_ms: i64) -> Result<i64, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(default_ms);
        };
        parse_time(text).map_err(|reason| {
            invalid(
                name,
                format_args!("invalid time value for '{name}': {reason}"),
            )
        })
    }

    /// The time of an instant query.
    pub(crate) fn evaluation_time(&self, now_ms: i64) -> Result<i64, ApiError> {
        self.time("time", now_ms)
    }

    /// `start`, `end` and `step` of a range query.
    pub(crate) fn steps(&self) -> Result<RangeTimes, ApiError> {
        let time = |name: &str| {
            parse_time(self.get(name).unwrap_or("")).map_err(|reason| invalid(name, reason))
        };
        let (start_ms, end_ms) = (time("start")?, time("end")?);
        if end_ms < start_ms {
            return Err(invalid(
                "end",
                "end timestamp must not be before start time",
            ));
        }
        let step_ns = parse_duration_ns(self.get("step").unwrap_or(""))
            .map_err(|reason| invalid("step", reason))?;
        // As exactly as the step was given, not as the whole milliseconds it will be.
        let points =
            (i128::from(end_ms) - i128::from(start_ms)) * 1_000_000 / i128::from(step_ns.max(1));
        // Steps are whole milliseconds, like timestamps.
        let step_ms = step_ns / 1_000_000;
        if step_ms <= 0 {
            let reason = "zero or negative query resolution step widths are not accepted. Try a positive integer";
            return Err(invalid("step", reason));
        }
        if points > 11_000 {
            return Err(ApiError::bad_data(
                "exceeded maximum resolution of 11,000 points per timeseries. \
                 Try decreasing the query resolution (?step=XX)",
            ));
        }
        Ok(RangeTimes {
            start_ms,
            end_ms,
            step_ms,
        })
    }

    /// `start` and `end`; all of time without them.
    pub(crate) fn range(&self) -> Result<TimeRange, ApiError> {
        self.lookup_range()?
            .ok_or_else(|| invalid("end", "end timestamp must not be before start time"))
    }

    /// `start` and `end` of a lookup, to which an end before its start is a range in which there is nothing: `None`.
    pub(crate) fn lookup_range(&self) -> Result<Option<TimeRange>, ApiError> {
        let (start_ms, end_ms) = (self.time("start", i64::MIN)?, self.time("end", i64::MAX)?);
        Ok(TimeRange::new(start_ms, end_ms).ok())
    }

    /// How many results to answer; `None`: all.
    pub(crate) fn limit(&self) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get("limit") else {
            return Ok(None);
        };
        match text.parse::<i64>() {
            Ok(0) => Ok(None),
            Ok(limit) => usize::try_from(limit)
                .map(Some)
                .map_err(|_| invalid("limit", "limit must be non-negative")),
            Err(_) => Err(invalid(
                "limit",
                format_args!("cannot parse {text:?} as a whole number"),
            )),
        }
    }

    /// How long the query may take: the parameter `timeout`, never longer than `max`.
    pub(crate) fn timeout(&self, max: Duration) -> Result<Duration, ApiError> {
        let Some(text) = self.get("timeout") else {
            return Ok(max);
        };
        let nanoseconds = parse_duration_ns(text).map_err(|reason| invalid("timeout", reason))?;
        Ok(Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)).min(max))
    }

    /// The parameter `lookback_delta` in milliseconds; zero and less mean the server's own.
    pub(crate) fn lookback(&self) -> Result<Option<Duration>, ApiError> {
        let Some(text) = self.get("lookback_delta") else {
            return Ok(None);
        };
        let nanoseconds = parse_duration_ns(text).map_err(|reason| {
            ApiError::bad_data(format!("error parsing lookback delta duration: {reason}"))
        })?;
        let lookback = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0));
        Ok((lookback.as_millis() > 0).then_some(lookback))
    }

    /// A truth value in the words of Go; absent ones are false.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("0" | "f" | "F" | "FALSE" | "false" | "False") => Ok(false),
            Some("1" | "t" | "T" | "TRUE" | "true" | "True") => Ok(true),
            Some(text) => Err(invalid(
                name,
                format_args!("cannot parse {text:?} as true or false"),
            )),
        }
    }

    /// A whole number, for the endpoints that say `<name> must be a number`.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| ApiError::bad_data(format!("{name} must be a number")))
            })
            .transpose()
    }
}

/// The label name that a path segment stands for: as it is, or escaped after `U__`.
pub(crate) fn unescape_label_name(segment: &str) -> String {
    match segment.strip_prefix("U__").and_then(unescape_values) {
        Some(name) => name,
        None => segment.to_owned(),
    }
}

/// Undoes value escaping: `__` is an underscore, `_<hex>_` the character of that number.
fn unescape_values(escaped: &str) -> Option<String> {
    let mut name = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(underscore) = rest.find('_') {
        name.push_str(&rest[..underscore]);
        rest = &rest[underscore + 1..];
        if let Some(tail) = rest.strip_prefix('_') {
            name.push('_');
            rest = tail;
            continue;
        }
        let (digits, tail) = rest.split_once('_')?;
        let is_hex =
            (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        name.push(char::from_u32(
            is_hex.then(|| u32::from_str_radix(digits, 16).ok())??,
        )?);
        rest = tail;
    }
    name.push_str(rest);
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        let mut form = Form::default();
        form.append(text.as_bytes()).unwrap();
        form
    }

    fn message<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn times_are_seconds_or_rfc_3339() {
        for (text, expected) in [
            ("1700000000", 1_700_000_000_000),
            ("1700000000.123", 1_700_000_000_123),
            ("1700000000.1235", 1_700_000_000_124),
            ("1.7e9", 1_700_000_000_000),
            ("-1.5", -1500),
            ("1700000000000", 1_700_000_000_000_000),
            ("1e300", i64::MAX),
            ("2015-07-01T20:10:51.781Z", 1_435_781_451_781),
            GO_TIME_MIN,
            GO_TIME_MAX,
        ] {
            assert_eq!(parse_time(text), Ok(expected), "{text}");
        }
        for text in ["abc", "", "NaN", "inf", "0x10", "1_000", "now"] {
            assert_eq!(
                parse_time(text),
                Err(format!("cannot parse {text:?} to a valid timestamp"))
            );
        }
        assert_eq!(
            message(form("time=abc").time("time", 0)),
            "invalid parameter \"time\": invalid time value for 'time': cannot parse \"abc\" to a valid timestamp"
        );
    }

    #[test]
    fn range_parameters_are_checked_with_the_words_of_prometheus() {
        let steps = form("start=0&end=10&step=5").steps().unwrap();
        assert_eq!(
            (steps.start_ms, steps.end_ms, steps.step_ms),
            (0, 10_000, 5_000)
        );
        assert_eq!(
            form("start=0&end=0&step=1h30m").steps().unwrap().step_ms,
            5_400_000
        );
        assert!(form("start=0&end=11000&step=1").steps().is_ok());
        assert!(form("start=0&end=11000.999&step=1").steps().is_ok());
        let fine = form("start=0&end=11005&step=1.0005").steps().unwrap();
        assert_eq!(fine.step_ms, 1000);
        for (text, expected) in [
            (
                "end=1&step=1",
                "invalid parameter \"start\": cannot parse \"\" to a valid timestamp",
            ),
            (
                "start=0&step=1",
                "invalid parameter \"end\": cannot parse \"\" to a valid timestamp",
            ),
            (
                "start=1&end=0&step=1",
                "invalid parameter \"end\": end timestamp must not be before start time",
            ),
            (
                "start=0&end=1",
                "invalid parameter \"step\": cannot parse \"\" to a valid duration",
            ),
            (
                "start=0&end=1&step=x",
                "invalid parameter \"step\": cannot parse \"x\" to a valid duration",
            ),
            (
                "start=0&end=1&step=1e300",
                "invalid parameter \"step\": cannot parse \"1e300\" to a valid duration. It overflows int64",
            ),
            (
                "start=0&end=1&step=0",
                "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. \
                 Try a positive integer",
            ),
            (
                "start=0&end=11001&step=1",
                "exceeded maximum resolution of 11,000 points per timeseries. \
                 Try decreasing the query resolution (?step=XX)",
            ),
        ] {
            assert_eq!(message(form(text).steps()), expected);
        }
        assert!(form("start=-1e300&end=1e300&step=1").steps().is_err());
    }

    #[test]
    fn limits_and_timeouts_are_bounded() {
        assert_eq!(form("limit=0").limit().unwrap(), None);
        assert_eq!(form("limit=3").limit().unwrap(), Some(3));
        assert_eq!(
            message(form("limit=-1").limit()),
            "invalid parameter \"limit\": limit must be non-negative"
        );
        assert!(form("limit=x").limit().is_err());
        let max = Duration::from_secs(120);
        assert_eq!(
            form("timeout=1m0s").timeout(max).unwrap(),
            Duration::from_secs(60)
        );
        assert_eq!(form("timeout=1h").timeout(max).unwrap(), max);
        assert_eq!(form("").timeout(max).unwrap(), max);
        assert!(form("timeout=soon").timeout(max).is_err());
        assert_eq!(
            form("lookback_delta=1m").lookback().unwrap(),
            Some(Duration::from_secs(60))
        );
        assert_eq!(form("lookback_delta=0").lookback().unwrap(), None);
        assert_eq!(
            message(form("limit=x").number("limit")),
            "limit must be a number"
        );
    }

    #[test]
    fn label_names_are_unescaped_after_their_mark() {
        for (segment, name) in [
            ("job", "job"),
            ("U__http_2e_status__code", "http.status_code"),
            ("U__a_1f600_b", "a😀b"),
            ("U__plain", "plain"),
            ("U__broken_zz_", "U__broken_zz_"),
            ("U__open_2e", "U__open_2e"),
            ("U__surrogate_d800_", "U__surrogate_d800_"),
        ] {
            assert_eq!(unescape_label_name(segment), name);
        }
    }
}
