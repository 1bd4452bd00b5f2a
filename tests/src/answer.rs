//! Answers of the query API.

use std::collections::BTreeMap;

use serde_json::Value;

/// A decoded answer of the HTTP API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The JSON body; null where the body is no JSON.
    pub body: Value,
    /// The body as text.
    pub text: String,
}

/// One series of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct VectorSample {
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Unix seconds.
    pub timestamp: f64,
    /// The value, parsed from its string.
    pub value: f64,
}

impl Answer {
    /// Gets `url` with `parameters`.
    ///
    /// # Errors
    /// When no answer comes at all.
    pub fn get(url: &str, parameters: &[(&str, &str)]) -> Result<Self, ureq::Error> {
        let mut request = ureq::get(url).config().http_status_as_error(false).build();
        for (name, value) in parameters {
            request = request.query(*name, *value);
        }
        let mut response = request.call()?;
        let text = response
            .body_mut()
            .with_config()
            .limit(256 << 20)
            .read_to_string()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Self {
            status: response.status().as_u16(),
            body,
            text,
        })
    }

    /// The series of an instant vector.
    ///
    /// # Panics
    /// When the answer is something else: the text says what.
    #[must_use]
    pub fn vector(&self) -> Vec<VectorSample> {
        assert_eq!(
            self.body["data"]["resultType"], "vector",
            "no vector: {}",
            self.text
        );
        let result = self.body["data"]["result"]
            .as_array()
            .expect("a vector is an array");
        result.iter().map(vector_sample).collect()
    }

    /// The value of a scalar, or the only value of an instant vector that has just one.
    #[must_use]
    pub fn single(&self) -> Option<f64> {
        match self.body["data"]["resultType"].as_str() {
            Some("scalar") => return self.body["data"]["result"][1].as_str()?.parse().ok(),
            Some("vector") => {}
            _ => return None,
        }
        match self.vector().as_slice() {
            [sample] => Some(sample.value),
            _ => None,
        }
    }
}

fn vector_sample(series: &Value) -> VectorSample {
    let labels = series["metric"].as_object().expect("a series has labels");
    VectorSample {
        labels: labels
            .iter()
            .map(|(name, value)| {
                (
                    name.clone(),
                    value.as_str().expect("label values are strings").to_owned(),
                )
            })
            .collect(),
        timestamp: series["value"][0].as_f64().expect("timestamps are numbers"),
        value: series["value"][1]
            .as_str()
            .expect("values are strings")
            .parse()
            .expect("values are numbers"),
    }
}

/// Asks the server at `base` for `query` now.
///
/// # Errors
/// When no answer comes at all.
pub fn query(base: &str, query: &str) -> Result<Answer, ureq::Error> {
    Answer::get(&format!("{base}/api/v1/query"), &[("query", query)])
}

/// Asks the server at `base` for `query` over a range of Unix seconds.
///
/// # Errors
/// When no answer comes at all.
pub fn query_range(
    base: &str,
    query: &str,
    start: f64,
    end: f64,
    step: f64,
) -> Result<Answer, ureq::Error> {
    let (start, end, step) = (start.to_string(), end.to_string(), step.to_string());
    let parameters = [
        ("query", query),
        ("start", &start),
        ("end", &end),
        ("step", &step),
    ];
    Answer::get(&format!("{base}/api/v1/query_range"), &parameters)
}
