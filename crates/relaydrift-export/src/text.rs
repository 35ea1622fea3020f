//! Small operations on text.

/// At most `limit` bytes of a text, cut between characters, with `…` where something is gone.
pub(crate) fn cut(text: &str, limit: usize) -> std::borrow::Cow<'_, str> {
    if text.len() <= limit {
        return text.into();
    }
    let mut end = limit.saturating_sub('…'.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end]).into()
}

/// The domain behind the last `@` of an address.
pub(crate) fn domain(address: &str) -> &str {
    address.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Appends a text character by character as `escape` writes it, at most `limit` bytes of that, cut
/// between characters, with `…` where something is gone.
pub(crate) fn escaped(
    out: &mut String,
    text: &str,
    limit: usize,
    escape: impl Fn(&mut String, char),
) {
    let start = out.len();
    // The last place at which the mark would still fit.
    let mut room = start;
    for c in text.chars() {
        escape(out, c);
        let length = out.len() - start;
        if length > limit {
            out.truncate(room);
            return out.push('…');
        }
        if length + '…'.len_utf8() <= limit {
            room = out.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("aéb€", 6), "aé…");
        let doubled = |limit| {
            let mut out = String::from("x");
            escaped(&mut out, "a==b", limit, |out, c| match c {
                '=' => out.push_str("\\="),
                c => out.push(c),
            });
            out
        };
        assert_eq!(doubled(6), "xa\\=\\=b");
        assert_eq!(doubled(5), "xa…");
        assert_eq!(doubled(3), "x…");
    }
}
