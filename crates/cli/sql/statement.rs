//! Where one statement ends and the next begins.

/// Cuts a text at each `;` that stands outside quotes and comments. The second part is what follows
/// the last one: a statement that is not complete yet, or nothing.
pub fn split(text: &str) -> (Vec<&str>, &str) {
    let mut statements = Vec::new();
    let (mut begin, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        // Every delimiter is ASCII: the steps end at the bounds of characters.
        at += match rest.as_bytes()[0] {
            b';' => {
                statements.push(text[begin..at].trim());
                begin = at + 1;
                1
            }
            quote @ (b'\'' | b'"') => match rest[1..].find(char::from(quote)) {
                // A doubled quote ends one string and begins the next: the same cut.
                Some(end) => end + 2,
                None => rest.len(),
            },
            b'-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            b'/' if rest.starts_with("/*") => {
                rest[2..].find("*/").map_or(rest.len(), |end| end + 4)
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
    }
    statements.retain(|statement| !statement.is_empty());
    (statements, text[begin..].trim())
}

/// Whether Enter ends the text: a command of the shell, nothing at all, or whole statements.
pub fn is_complete(text: &str) -> bool {
    let text = text.trim();
    text.is_empty() || is_command(text) || rest_is_comment(split(text).1)
}

/// Whether the text is for the shell, not for SQL.
pub fn is_command(text: &str) -> bool {
    text.starts_with('.') || ["quit", "exit", "help"].contains(&text.trim_end_matches(';'))
}

fn rest_is_comment(rest: &str) -> bool {
    rest.lines().all(|line| line.trim_start().starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_outside_quotes_and_comments() {
        let parts = |text| split(text);
        assert_eq!(
            parts("select 1; select 2;"),
            (vec!["select 1", "select 2"], "")
        );
        assert_eq!(parts("select 1; select"), (vec!["select 1"], "select"));
        assert_eq!(
            parts("select ';'';' as \";\";"),
            (vec!["select ';'';' as \";\""], "")
        );
        assert_eq!(parts("select 1 -- a;b\n;"), (vec!["select 1 -- a;b"], ""));
        assert_eq!(
            parts("select /* ; */ 'ü;';"),
            (vec!["select /* ; */ 'ü;'"], "")
        );
        assert_eq!(parts(";;"), (vec![], ""));
        for open in [
            "select 'a;",
            "select \"a;",
            "select /* a;",
            "select 1 -- ;",
            "select 1",
        ] {
            assert_eq!(parts(open), (vec![], open), "{open}");
        }
    }

    #[test]
    fn enter_ends_what_is_whole() {
        for whole in [
            "",
            "  ",
            ".tables",
            "quit",
            "exit;",
            "select 1;",
            "select 1; -- done",
        ] {
            assert!(is_complete(whole), "{whole}");
        }
        for open in ["select 1", "select ';", "select 1; select 2", "/* ;"] {
            assert!(!is_complete(open), "{open}");
        }
    }
}
