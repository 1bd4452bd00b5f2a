//! How a message is written.

/// The two ways to write a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

impl Format {
    /// The format of a media type; its parameters mean nothing here.
    pub(super) fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or("").trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|format| media_type.eq_ignore_ascii_case(format.media_type()))
    }

    /// What own metrics call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Protobuf => "protobuf",
            Self::Json => "json",
        }
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_media_type_of_a_content_type_counts() {
        for (text, expected) in [
            ("application/x-protobuf", Some(Format::Protobuf)),
            ("Application/JSON ; charset=utf-8", Some(Format::Json)),
            ("application/x-protobuf;x", Some(Format::Protobuf)),
            ("", None),
            ("application/protobuf", None),
            ("text/plain; application/json", None),
        ] {
            assert_eq!(Format::of(text), expected, "{text:?}");
        }
    }
}
