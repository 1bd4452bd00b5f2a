//! What the HTTP door lets through: the path that everything lies below, and what is turned on.

/// A path without its final slash: empty for `/`.
pub(super) fn parse_route_prefix(text: &str) -> Option<String> {
    if text == "/" {
        return Some(String::new());
    }
    let path = text.strip_suffix('/').unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let is_path = path.len() > 1
        && path.starts_with('/')
        && !path.contains("//")
        && path.bytes().all(is_plain)
        && path
            .split('/')
            .all(|segment| segment != "." && segment != "..");
    is_path.then(|| path.to_owned())
}

/// `on` or `off`.
pub(super) fn parse_switch(text: &str) -> Option<bool> {
    match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_plain_paths() {
        for (text, expected) in [
            ("/", Some("")),
            ("/metrics-store", Some("/metrics-store")),
            ("/a/b/", Some("/a/b")),
            ("", None),
            ("a", None),
            ("//", None),
            ("/a//b", None),
            ("/a/../b", None),
            ("/a?b", None),
            ("/a%20b", None),
            ("/{a}", None),
        ] {
            assert_eq!(parse_route_prefix(text).as_deref(), expected, "{text:?}");
        }
    }
}
