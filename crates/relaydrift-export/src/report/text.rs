//! Text that a stranger wrote.

use std::fmt;
use std::ops::Deref;

use crate::escape::visible;

/// Text from a log, a name or a path, in the form in which it may be shown: whatever acts on a
/// display is spelled out already, so that no output can forget it. Markup is escaped by templates.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(String);

impl Text {
    /// The first characters, with `…` where that is not all.
    pub fn shortened(&self, limit: usize) -> String {
        match self.0.char_indices().nth(limit) {
            None => self.0.clone(),
            Some((end, _)) => format!("{}…", &self.0[..end]),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(visible(text).into_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::from(text.as_str())
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_acts_and_nothing_is_escaped_twice() {
        let text = Text::from("a\u{1b}[2J\u{202e}b\\x1b");
        assert_eq!(&*text, "a\\x1b[2J\\u{202e}b\\x1b");
        assert_eq!(Text::from(text.to_string()), text);
        assert_eq!(text.shortened(3), "a\\x…");
    }
}
