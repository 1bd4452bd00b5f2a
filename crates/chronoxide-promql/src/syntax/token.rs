//! The pieces a query text falls into.

use crate::plan::{AggregateOp, BinaryOp, Position};

/// A piece of a query and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) position: Position,
}

/// What a piece of a query is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TokenKind {
    /// The end of the text.
    End,
    /// Text that is no token; the message says why. Nothing follows it.
    Broken(String),
    /// A name without a colon that is no keyword.
    Identifier,
    /// A name with a colon.
    MetricIdentifier,
    Number,
    Duration,
    /// A quoted string, quotes included.
    String,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    /// `=`
    Assign,
    /// `=~`
    RegexMatch,
    /// `!~`
    NotRegexMatch,
    /// `@`
    At,
    Operator(BinaryOp),
    Aggregate(AggregateOp),
    Keyword(Keyword),
}

/// A reserved word that is neither an operator nor an aggregation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Offset,
    Anchored,
    Smoothed,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

impl Keyword {
    /// `start`, `step` and the like name functions as well; messages quote them as plain words.
    pub(crate) const fn names_a_function(self) -> bool {
        matches!(
            self,
            Self::Start | Self::End | Self::Step | Self::Range | Self::MaxOf | Self::MinOf
        )
    }

    /// Whether a metric may be called so.
    pub(crate) const fn names_a_metric(self) -> bool {
        self.names_a_function()
            || matches!(
                self,
                Self::By
                    | Self::Without
                    | Self::Offset
                    | Self::Anchored
                    | Self::Smoothed
                    | Self::Fill
                    | Self::FillLeft
                    | Self::FillRight
            )
    }

    /// Whether a label in a grouping may be called so.
    pub(crate) const fn names_a_label(self) -> bool {
        !matches!(self, Self::Without)
    }
}

/// The token of a reserved word, if `word` is one; case does not matter.
pub(crate) fn keyword(word: &str) -> Option<TokenKind> {
    // No reserved word is longer; names are often long and need no copy then.
    if word.len() > "count_values".len() {
        return None;
    }
    let kind = match word.to_ascii_lowercase().as_str() {
        "and" => TokenKind::Operator(BinaryOp::And),
        "or" => TokenKind::Operator(BinaryOp::Or),
        "unless" => TokenKind::Operator(BinaryOp::Unless),
        "atan2" => TokenKind::Operator(BinaryOp::Atan2),
        "sum" => TokenKind::Aggregate(AggregateOp::Sum),
        "avg" => TokenKind::Aggregate(AggregateOp::Avg),
        "count" => TokenKind::Aggregate(AggregateOp::Count),
        "min" => TokenKind::Aggregate(AggregateOp::Min),
        "max" => TokenKind::Aggregate(AggregateOp::Max),
        "group" => TokenKind::Aggregate(AggregateOp::Group),
        "stddev" => TokenKind::Aggregate(AggregateOp::Stddev),
        "stdvar" => TokenKind::Aggregate(AggregateOp::Stdvar),
        "topk" => TokenKind::Aggregate(AggregateOp::Topk),
        "bottomk" => TokenKind::Aggregate(AggregateOp::Bottomk),
        "count_values" => TokenKind::Aggregate(AggregateOp::CountValues),
        "quantile" => TokenKind::Aggregate(AggregateOp::Quantile),
        "limitk" => TokenKind::Aggregate(AggregateOp::Limitk),
        "limit_ratio" => TokenKind::Aggregate(AggregateOp::LimitRatio),
        "offset" => TokenKind::Keyword(Keyword::Offset),
        "smoothed" => TokenKind::Keyword(Keyword::Smoothed),
        "anchored" => TokenKind::Keyword(Keyword::Anchored),
        "by" => TokenKind::Keyword(Keyword::By),
        "without" => TokenKind::Keyword(Keyword::Without),
        "on" => TokenKind::Keyword(Keyword::On),
        "ignoring" => TokenKind::Keyword(Keyword::Ignoring),
        "group_left" => TokenKind::Keyword(Keyword::GroupLeft),
        "group_right" => TokenKind::Keyword(Keyword::GroupRight),
        "fill" => TokenKind::Keyword(Keyword::Fill),
        "fill_left" => TokenKind::Keyword(Keyword::FillLeft),
        "fill_right" => TokenKind::Keyword(Keyword::FillRight),
        "bool" => TokenKind::Keyword(Keyword::Bool),
        "start" => TokenKind::Keyword(Keyword::Start),
        "end" => TokenKind::Keyword(Keyword::End),
        "step" => TokenKind::Keyword(Keyword::Step),
        "range" => TokenKind::Keyword(Keyword::Range),
        "max_of" => TokenKind::Keyword(Keyword::MaxOf),
        "min_of" => TokenKind::Keyword(Keyword::MinOf),
        "inf" | "nan" => TokenKind::Number,
        _ => return None,
    };
    Some(kind)
}

impl Token {
    /// The text of the token.
    pub(crate) fn text<'a>(&self, query: &'a str) -> &'a str {
        &query[self.position.start..self.position.end]
    }

    /// How Prometheus names the token in its messages.
    pub(crate) fn describe(&self, query: &str) -> String {
        let text = self.text(query);
        match &self.kind {
            TokenKind::End => "end of input".to_owned(),
            TokenKind::Broken(message) => message.clone(),
            TokenKind::Identifier => format!("identifier {}", super::quote(text)),
            TokenKind::MetricIdentifier => format!("metric identifier {}", super::quote(text)),
            TokenKind::Number => format!("number {}", shortened(text)),
            TokenKind::Duration => format!("duration {}", shortened(text)),
            TokenKind::String => format!("string {}", shortened(text)),
            TokenKind::Operator(_)
            | TokenKind::At
            | TokenKind::RegexMatch
            | TokenKind::NotRegexMatch => format!("<op:{text}>"),
            TokenKind::Aggregate(_) => format!("<aggr:{text}>"),
            TokenKind::Keyword(keyword) if keyword.names_a_function() => shortened(text),
            TokenKind::Keyword(_) => format!("<{text}>"),
            TokenKind::LeftParen
            | TokenKind::RightParen
            | TokenKind::LeftBrace
            | TokenKind::RightBrace
            | TokenKind::LeftBracket
            | TokenKind::RightBracket
            | TokenKind::Comma
            | TokenKind::Colon
            | TokenKind::Assign => shortened(text),
        }
    }
}

/// The text in quotes, cut after ten characters.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return super::quote(text);
    }
    let head: String = text.chars().take(10).collect();
    format!("{}...", super::quote(&head))
}
