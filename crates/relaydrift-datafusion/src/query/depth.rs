//! How deep and long a statement is, told before it is parsed: the parser counts the levels of expressions
//! and queries, and reads types by recursion and chains of operators into trees without any limit.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Levels that are read: more than the parser allows of expressions.
pub const LIMIT: usize = 256;

/// Operators that are read: each of a chain is a level of the tree that is planned, and planning takes time and
/// memory by their square.
pub const OPERATORS: usize = 4000;

/// The words of a statement; none of a text that is no SQL.
pub fn tokens(query: &str) -> Vec<Token> {
    let tokens = Tokenizer::new(&GenericDialect {}, query).tokenize();
    let mut tokens = tokens.unwrap_or_default();
    tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
    tokens
}

/// Operators of any kind, joins and unions too.
pub fn operators(tokens: &[Token]) -> usize {
    let is_operator = |token: &&Token| match token {
        Token::Word(word) => matches!(
            word.keyword,
            Keyword::AND
                | Keyword::AT
                | Keyword::BETWEEN
                | Keyword::COLLATE
                | Keyword::EXCEPT
                | Keyword::ILIKE
                | Keyword::INTERSECT
                | Keyword::IS
                | Keyword::JOIN
                | Keyword::LIKE
                | Keyword::NOT
                | Keyword::OR
                | Keyword::UNION
                | Keyword::WHEN
        ),
        Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_)
        | Token::Comma
        | Token::Period
        | Token::SemiColon
        | Token::LParen
        | Token::RParen => false,
        _ => true,
    };
    tokens.iter().filter(is_operator).count()
}

/// Levels of brackets in each other, and of types (`array<…>`, `int[][]`), which are only counted: no fewer
/// than there are. The text of a quoted string counts too, as `arrow_cast` reads a type out of it.
pub fn depth(tokens: &[Token]) -> usize {
    let (mut open, mut deepest, mut types) = (0_usize, 0, 0);
    let mut before = &Token::EOF;
    for token in tokens {
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
            assert_eq!(depth(&tokens(query)), levels, "{query}");
        }
    }
}
