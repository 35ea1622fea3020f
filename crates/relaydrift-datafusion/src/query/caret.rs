//! Where in a query an error lies.

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::parser::ParserError;

/// The line of the query in which the error lies, and below it a `^` at the place; `None` where the
/// error does not tell.
pub fn point(query: &str, error: &DataFusionError) -> Option<String> {
    let (line, column) = place(query, error)?;
    let text = query.lines().nth(line.checked_sub(1)?)?;
    let before: String = text.chars().take(column.checked_sub(1)?).collect();
    let blank = " ".repeat(unicode_width::UnicodeWidthStr::width(before.as_str()));
    Some(format!("  {}\n  {blank}^", text.replace('\t', " ")))
}

/// Line and column, counted from 1.
fn place(query: &str, error: &DataFusionError) -> Option<(usize, usize)> {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    if let Some(span) = span {
        let number = |number: u64| usize::try_from(number).ok();
        return Some((number(span.start.line)?, number(span.start.column)?));
    }
    match error.find_root() {
        DataFusionError::SQL(error, _) => match error.as_ref() {
            // The parser tells the place nowhere else.
            ParserError::ParserError(text) | ParserError::TokenizerError(text) => {
                let (_, place) = text.rsplit_once("Line: ")?;
                let (line, column) = place.split_once(", Column: ")?;
                Some((line.parse().ok()?, column.trim().parse().ok()?))
            }
            ParserError::RecursionLimitExceeded => None,
        },
        DataFusionError::SchemaError(error, _) => match error.as_ref() {
            SchemaError::FieldNotFound { field, .. }
            | SchemaError::AmbiguousReference { field } => find(query, &field.name),
            _ => None,
        },
        _ => None,
    }
}

/// The first place where the query has the name as a word of its own.
fn find(query: &str, name: &str) -> Option<(usize, usize)> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |(at, found): &(usize, &str)| {
        !query[..*at].ends_with(word) && !query[at + found.len()..].starts_with(word)
    };
    let (at, _) = query.match_indices(name).find(alone)?;
    let before = &query[..at];
    let line = before.rsplit('\n').next().unwrap_or(before);
    Some((before.matches('\n').count() + 1, line.chars().count() + 1))
}
