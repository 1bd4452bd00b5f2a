//! Requests, read and checked.

use chronoxide_model::{Matcher, MatcherOp, TimeRange};
use prost::Message as _;

use crate::message::{LabelMatcher, ReadRequest};
use crate::{Error, Result};

/// Queries that one request may hold; Prometheus sends one.
pub(crate) const QUERIES_MAX: usize = 1000;

/// What the regular expressions of one request may weigh together, see [`Matcher::weight`]: they take memory.
const REGEX_WEIGHT_MAX: usize = 60_000;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The queries; an answer has one result for each, in the same order.
    pub queries: Vec<Query>,
    /// The form of the answer.
    pub form: ResponseForm,
}

/// The series that one query selects, and when.
#[derive(Clone, Debug)]
pub struct Query {
    /// What the series' labels must be; none at all selects every series.
    pub matchers: Vec<Matcher>,
    /// Both ends belong to it.
    pub range: TimeRange,
}

/// The forms an answer may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseForm {
    /// One message with all samples.
    Samples,
    /// Frames with compressed chunks.
    StreamedChunks,
}

/// Reads an uncompressed request. The first of the forms it accepts that is known here is taken; when it names none,
/// plain samples.
///
/// # Errors
/// When the bytes are no such message, or something in it cannot be answered.
pub fn decode(message: &[u8]) -> Result<Request> {
    let ReadRequest {
        queries,
        accepted_response_types,
    } = ReadRequest::decode(message)?;
    if queries.len() > QUERIES_MAX {
        return Err(Error::TooManyQueries {
            queries: queries.len(),
        });
    }
    let form = form(&accepted_response_types)?;
    let mut weight_left = REGEX_WEIGHT_MAX;
    let queries = queries
        .into_iter()
        .enumerate()
        .map(|(query, asked)| {
            let matchers = asked
                .matchers
                .into_iter()
                .map(|matcher| self::matcher(query, matcher, &mut weight_left));
            Ok(Query {
                matchers: matchers.collect::<Result<_>>()?,
                range: TimeRange::new(asked.start_timestamp_ms, asked.end_timestamp_ms)
                    .map_err(|source| Error::Range { query, source })?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Request { queries, form })
}

fn form(accepted: &[i32]) -> Result<ResponseForm> {
    if accepted.is_empty() {
        return Ok(ResponseForm::Samples);
    }
    let known = |number: &i32| match number {
        0 => Some(ResponseForm::Samples),
        1 => Some(ResponseForm::StreamedChunks),
        _ => None,
    };
    let mut shown = accepted.to_vec();
    shown.truncate(10);
    accepted
        .iter()
        .find_map(known)
        .ok_or(Error::ResponseForm { accepted: shown })
}

fn matcher(query: usize, matcher: LabelMatcher, weight_left: &mut usize) -> Result<Matcher> {
    let LabelMatcher { kind, name, value } = matcher;
    let op = match kind {
        0 => MatcherOp::Equal,
        1 => MatcherOp::NotEqual,
        2 => MatcherOp::Regex,
        3 => MatcherOp::NotRegex,
        _ => {
            return Err(Error::MatcherType {
                query,
                kind,
                label: name.chars().take(100).collect(),
            });
        }
    };
    let matcher = Matcher::within(op, name, value, *weight_left)
        .map_err(|source| Error::Matcher { query, source })?;
    *weight_left -= matcher.weight();
    Ok(matcher)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Query as QueryMessage;

    fn request(kind: i32, value: &str, accepted: &[i32]) -> ReadRequest {
        ReadRequest {
            queries: vec![QueryMessage {
                start_timestamp_ms: 1_000,
                end_timestamp_ms: 2_000,
                matchers: vec![LabelMatcher {
                    kind,
                    name: "job".to_owned(),
                    value: value.to_owned(),
                }],
            }],
            accepted_response_types: accepted.to_vec(),
        }
    }

    fn decoded(message: &ReadRequest) -> Result<Request> {
        decode(&message.encode_to_vec())
    }

    #[test]
    fn the_four_types_of_matchers_are_read() {
        for (kind, matches_a, matches_b) in [
            (0, true, false),
            (1, false, true),
            (2, true, false),
            (3, false, true),
        ] {
            let request = decoded(&request(kind, "a", &[])).unwrap();
            let query = &request.queries[0];
            assert_eq!(query.matchers[0].matches("a"), matches_a, "{kind}");
            assert_eq!(query.matchers[0].matches("b"), matches_b, "{kind}");
            assert_eq!(query.range, TimeRange::new(1_000, 2_000).unwrap());
        }
    }

    #[test]
    fn the_first_known_form_is_taken() {
        for (accepted, expected) in [
            (&[][..], ResponseForm::Samples),
            (&[0], ResponseForm::Samples),
            (&[1, 0], ResponseForm::StreamedChunks),
            (&[7, 0, 1], ResponseForm::Samples),
        ] {
            assert_eq!(
                decoded(&request(0, "a", accepted)).unwrap().form,
                expected,
                "{accepted:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_answered_is_named() {
        for (message, expected) in [
            (
                request(4, "a", &[]),
                "query 0 has a matcher of unknown type 4 for label \"job\"",
            ),
            (
                request(2, "(", &[]),
                "query 0 has a matcher that cannot be used",
            ),
            (
                request(0, "a", &[2]),
                "none of the response types [2] is supported",
            ),
        ] {
            let error = decoded(&message).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let mut reversed = request(0, "a", &[]);
        reversed.queries[0].end_timestamp_ms = 0;
        assert!(matches!(decoded(&reversed), Err(Error::Range { .. })));
        assert!(matches!(decode(b"\xff"), Err(Error::Protobuf(_))));
    }

    #[test]
    fn regular_expressions_of_one_request_are_bounded_together() {
        let mut message = request(2, "\\pL{10}x+", &[]);
        assert!(decoded(&message).is_ok());
        let queries = vec![message.queries.remove(0); 20];
        message.queries = queries;
        let error = decoded(&message).unwrap_err().to_string();
        assert!(error.contains("a matcher that cannot be used"), "{error}");
    }
}
