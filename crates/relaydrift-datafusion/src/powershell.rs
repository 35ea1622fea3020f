//! Text of a log inside a command to paste: quoted, or not at all.

use relaydrift_parse::text::acts;

/// The name as a PowerShell string in single quotes, in which nothing is expanded. PowerShell ends
/// such a string at `'` and at four typographic quotes; doubled, they stand for themselves. `None`
/// for a name with characters that no administrator typed.
pub fn quoted(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > 256 || name.chars().any(acts) {
        return None;
    }
    let mut text = String::from("'");
    for c in name.chars() {
        text.push(c);
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            text.push(c);
        }
    }
    text.push('\'');
    Some(text)
}

/// The thumbprint, if it is one: 40 hex digits and nothing else.
pub fn thumbprint(value: &str) -> Option<&str> {
    (value.len() == 40 && value.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(
            quoted("Outbound to Office 365").as_deref(),
            Some("'Outbound to Office 365'")
        );
        assert_eq!(quoted("It's").as_deref(), Some("'It''s'"));
        assert_eq!(
            quoted("a\u{2019}; rm").as_deref(),
            Some("'a\u{2019}\u{2019}; rm'")
        );
        assert_eq!(quoted("$(x) `y"), Some("'$(x) `y'".into()));
        assert_eq!(quoted("a\nb"), None);
        assert_eq!(quoted("a\u{202e}b"), None);
    }

    #[test]
    fn only_thumbprints_are_thumbprints() {
        let thumbprint_of_40 = "0123456789abcdefABCDEF012345678901234567";
        assert_eq!(thumbprint(thumbprint_of_40), Some(thumbprint_of_40));
        assert_eq!(thumbprint("0123"), None);
        assert_eq!(
            thumbprint("0123456789abcdefABCDEF01234567890123456; "),
            None
        );
    }
}
