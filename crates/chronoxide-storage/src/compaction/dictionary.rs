//! One numbering for the label pairs of several parts.

use chronoxide_format::Result as FormatResult;
use chronoxide_format::part::{Symbols, ValueCursor};

use crate::Result;
use crate::part::{Part, PartWriter};

/// For each part, the new numbers of its pairs. They ascend with name and value, so that rows of numbers order as the
/// labels do, and no text need be looked at again.
pub(super) type Numbers = Vec<Vec<u32>>;

/// Gives the pairs of all `parts` to `writer`, in order.
pub(super) fn join(parts: &[&Part], writer: &mut PartWriter<'_>) -> Result<Numbers> {
    let mut numbers: Numbers = vec![Vec::new(); parts.len()];
    for name in names(parts) {
        let mut columns = Vec::new();
        for (at, part) in parts.iter().enumerate() {
            let column = ValueColumn::new(part.symbols(), name);
            columns.push((at, column.map_err(|source| part.damaged(source))?));
        }
        while let Some(value) = columns
            .iter()
            .filter_map(|(_, column)| column.current())
            .min()
        {
            let number = writer.add_pair(name, value)?;
            let value = value.to_owned();
            for (at, column) in &mut columns {
                if column.current() == Some(&value) {
                    numbers[*at].push(number);
                    column
                        .advance()
                        .map_err(|source| parts[*at].damaged(source))?;
                }
            }
        }
    }
    Ok(numbers)
}

fn names<'a>(parts: &[&'a Part]) -> Vec<&'a str> {
    let mut names: Vec<&str> = parts
        .iter()
        .flat_map(|part| part.symbols().names())
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The values of one name in one part.
struct ValueColumn<'a> {
    cursor: ValueCursor<'a>,
    value: String,
    ended: bool,
}

impl<'a> ValueColumn<'a> {
    fn new(symbols: Symbols<'a>, name: &str) -> FormatResult<Self> {
        let mut column = Self {
            cursor: symbols.values(symbols.pairs_of(name)),
            value: String::new(),
            ended: false,
        };
        column.advance()?;
        Ok(column)
    }

    fn current(&self) -> Option<&str> {
        (!self.ended).then_some(&self.value)
    }

    fn advance(&mut self) -> FormatResult<()> {
        match self.cursor.next()? {
            Some((_, value)) => {
                // A value that does not ascend would give two numbers to one pair.
                if value <= self.value.as_str() {
                    return Err(chronoxide_format::Error::Corrupt {
                        what: "symbols section",
                        offset: 0,
                        reason: "label values do not ascend",
                    });
                }
                self.value.clear();
                self.value.push_str(value);
            }
            None => self.ended = true,
        }
        Ok(())
    }
}
