//! How deep a statement is nested, told before it is parsed: the parser counts the levels of expressions
//! and queries, and reads types by recursion without any limit.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Levels that are read: more than the parser allows of expressions.
pub const LIMIT: usize = 256;

/// Levels of brackets in each other, and of types (`array<…>`, `int[][]`), which are only counted: no fewer
/// than there are. The text of a quoted string counts too, as `arrow_cast` reads a type out of it. Text that is
/// no SQL has none.
pub fn depth(query: &str) -> usize {
    let tokens = Tokenizer::new(&GenericDialect {}, query).tokenize();
    let tokens = tokens.unwrap_or_default();
    let (mut open, mut deepest, mut types) = (0_usize, 0, 0);
    let mut before = &Token::EOF;
    for token in tokens
        .iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
    {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => open += 1,
            Token::RParen | Token::RBracket | Token::RBrace => open = open.saturating_sub(1),
            Token::SingleQuotedString(text) => deepest = deepest.max(open + quoted(text)),
            _ => {}
        }
        types += usize::from(match token {
            Token::Lt => is_nesting_type(before),
            Token::LBracket => *before == Token::RBracket,
            _ => false,
        });
        deepest = deepest.max(open);
        before = token;
    }
    deepest + types
}

/// Levels of parentheses in a string.
fn quoted(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' => open += 1,
            b')' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

/// A word after which `<` holds a type and is no comparison.
fn is_nesting_type(token: &Token) -> bool {
    let Token::Word(word) = token else {
        return false;
    };
    ["array", "struct", "map"]
        .iter()
        .any(|name| word.value.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_outside_names_and_comments() {
        for (query, levels) in [
            ("select 1", 0),
            ("select (1 + (2)), (3)", 2),
            (
                "select \"((\" -- ((\n/* (( */ from a where b < 1 and c < 2",
                0,
            ),
            ("select arrow_cast(a, 'List(List(Int32))'), '(a) (b)'", 3),
            ("select cast(a as array<array<int>>)", 3),
            ("select a::int[][]", 2),
            ("select [1, 2], [3]", 1),
            ("select '", 0),
        ] {
            assert_eq!(depth(query), levels, "{query}");
        }
    }
}
