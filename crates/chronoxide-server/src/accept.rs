//! What a client would like to get, as the headers `Accept` and `Accept-Encoding` say it.

use axum::http::{HeaderMap, HeaderName};

/// One of the things that a client would take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer<'h> {
    name: &'h str,
    parameters: &'h str,
    /// How much it is liked: from 0, not at all, to 1.
    pub(crate) weight: f32,
}

/// What `header` names, in its order. Those whose weight cannot be read are left out.
pub(crate) fn offers(headers: &HeaderMap, header: HeaderName) -> impl Iterator<Item = Offer<'_>> {
    headers
        .get_all(header)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(Offer::read)
}

impl<'h> Offer<'h> {
    fn read(text: &'h str) -> Option<Self> {
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        let offer = Self {
            name: name.trim(),
            parameters,
            weight: 1.0,
        };
        let weight = match offer.parameter("q") {
            None => 1.0,
            Some(text) => text.parse().ok()?,
        };
        (0.0..=1.0)
            .contains(&weight)
            .then_some(Self { weight, ..offer })
    }

    /// Whether it is the media type or encoding `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// The value of parameter `name`, without quotes.
    pub(crate) fn parameter(&self, name: &str) -> Option<&'h str> {
        self.parameters
            .split(';')
            .filter_map(|parameter| parameter.split_once('='))
            .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().trim_matches('"'))
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, header};

    use super::*;

    #[test]
    fn offers_have_names_weights_and_parameters() {
        let mut headers = HeaderMap::new();
        for text in [
            "Text/Plain ; Version=\"0.0.4\";Q=0.5 , */*;q=0",
            "a;q=x, b;q=2, c;flag;q=0.25;v=1",
        ] {
            headers.append(header::ACCEPT, HeaderValue::from_static(text));
        }
        let found: Vec<_> = offers(&headers, header::ACCEPT).collect();
        let weights: Vec<_> = found
            .iter()
            .map(|offer| (offer.name, offer.weight))
            .collect();
        assert_eq!(weights, [("Text/Plain", 0.5), ("*/*", 0.0), ("c", 0.25)]);
        assert!(found[0].is("text/plain"));
        assert_eq!(found[0].parameter("version"), Some("0.0.4"));
        assert_eq!(found[2].parameter("v"), Some("1"));
        assert_eq!(found[2].parameter("flag"), None);
    }
}
