//! Origins of web pages, as a setting lists them.

/// Origins that are let in, each a scheme, a host and maybe a port; `*` stands for any text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// The origins in `text`, separated by commas; none for `none`. `None` when one of them is not an origin.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text == "none" {
            return Some(Self::default());
        }
        let origins = text.split(',').map(|origin| {
            let origin = origin.trim().trim_end_matches('/').to_ascii_lowercase();
            let host = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            let is_origin = host.is_some_and(|host| !host.is_empty() && !host.contains('/'));
            (is_origin || origin == "*").then_some(origin)
        });
        origins.collect::<Option<_>>().map(Self)
    }

    /// Whether every origin is let in.
    pub(crate) fn are_all(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }

    /// Whether `origin`, as a browser names it, is listed.
    pub(crate) fn include(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        self.0.iter().any(|pattern| matches(pattern, &origin))
    }
}

/// Whether `text` is `pattern`, where each `*` of the pattern may be any text.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let tail = pieces.pop().unwrap_or("");
    for piece in pieces {
        // The leftmost place leaves most for the pieces that follow.
        match text.find(piece) {
            Some(place) => text = &text[place + piece.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_let_in_as_listed() {
        let list = "https://app.example.com, http://localhost:*/, https://*.shop.example";
        let origins = Origins::parse(list).unwrap();
        for (origin, expected) in [
            ("https://app.example.com", true),
            ("https://APP.example.com", true),
            ("https://app.example.com:444", false),
            ("http://app.example.com", false),
            ("https://app.example.com.evil.example", false),
            ("http://localhost:3000", true),
            ("http://localhost", false),
            ("https://eu.shop.example", true),
            ("https://shop.example", false),
            ("https://shop.example.evil", false),
            ("null", false),
        ] {
            assert_eq!(origins.include(origin), expected, "{origin}");
        }
        assert!(Origins::parse("*").unwrap().include("null"));
        assert!(!Origins::parse("none").unwrap().include("http://a"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in ["", "app.example.com", "https://", "https://a/b", "none,*,x"] {
            assert_eq!(Origins::parse(text), None, "{text}");
        }
    }

    #[test]
    fn stars_match_any_text_between_their_neighbours() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
            ("**", "x", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
