//! Labels that come with the request and not with its lines.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::api::Form;
use crate::error::ApiError;

/// The labels of parameters `extra_label=name=value`.
pub(super) fn extra_labels(form: &Form) -> Result<Vec<(String, String)>, ApiError> {
    form.all("extra_label")
        .map(|text| match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
            _ => Err(ApiError::bad_data(format!(
                "invalid parameter \"extra_label\": {text:?} is not name=value"
            ))),
        })
        .collect()
}

/// The labels of a path such as `job/x/instance/y`; a name that ends in `@base64` has its value so encoded.
pub(super) fn path_labels(path: &str) -> Result<Vec<(String, String)>, ApiError> {
    let mut segments = path.trim_end_matches('/').split('/');
    let mut labels = Vec::new();
    while let Some(name) = segments.next() {
        let value = segments
            .next()
            .filter(|_| !name.is_empty())
            .ok_or_else(|| {
                ApiError::bad_data(format!("the path does not give label {name:?} a value"))
            })?;
        labels.push(match name.strip_suffix("@base64") {
            Some(name) => (name.to_owned(), decode(name, value)?),
            None => (name.to_owned(), value.to_owned()),
        });
    }
    Ok(labels)
}

fn decode(name: &str, value: &str) -> Result<String, ApiError> {
    let digits = value.trim_end_matches('=');
    let bytes = URL_SAFE_NO_PAD
        .decode(digits)
        .or_else(|_| STANDARD_NO_PAD.decode(digits));
    bytes
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| ApiError::bad_data(format!("the value of label {name:?} is no base64")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_hold_names_and_values_in_turn() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            path_labels("job/x/instance@base64/YS9i/").unwrap(),
            [pair("job", "x"), pair("instance", "a/b")]
        );
        assert_eq!(path_labels("job@base64/=").unwrap(), [pair("job", "")]);
        for path in ["job", "job/x/instance", "/x", "job@base64/%"] {
            assert!(path_labels(path).is_err(), "{path}");
        }
    }
}
