//! The secret that everyone who asks has to show.

use std::fmt;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use tonic::metadata::MetadataMap;

/// Fewer characters could be guessed.
const SHORTEST: usize = 16;

/// Clients differ in whether they pad.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token: `authorization: Bearer TOKEN`, or `Basic` with any user and the token as the password, for tools
/// that know no tokens.
#[derive(Clone)]
pub struct Token {
    text: String,
    hash: blake3::Hash,
}

/// A text that is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has at least {SHORTEST} visible ASCII characters on one line: openssl rand -hex 32"
)]
pub struct Unfit;

impl Token {
    /// Takes the text of a token; white space around it does not count.
    ///
    /// # Errors
    /// It is too short, or no header can hold it.
    pub fn new(text: &str) -> Result<Token, Unfit> {
        let text = text.trim();
        let fit = text.len() >= SHORTEST && text.bytes().all(|byte| byte.is_ascii_graphic());
        fit.then(|| Token {
            text: text.to_owned(),
            hash: blake3::hash(text.as_bytes()),
        })
        .ok_or(Unfit)
    }

    /// What a client that showed it sends from now on.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }

    /// Whether the headers of a call show it.
    pub(crate) fn is_shown(&self, metadata: &MetadataMap) -> bool {
        let shown = metadata
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let Some((scheme, shown)) = shown.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => self.is(shown.as_bytes()),
            "basic" => BASE64.decode(shown.trim()).is_ok_and(|shown| {
                let colon = shown.iter().position(|byte| *byte == b':');
                colon.is_some_and(|colon| self.is(&shown[colon + 1..]))
            }),
            _ => false,
        }
    }

    /// Hashes are compared, in constant time: how long it takes tells nothing of the token.
    fn is(&self, shown: &[u8]) -> bool {
        blake3::hash(shown) == self.hash
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef";

    fn asked(authorization: Option<&str>) -> bool {
        let mut metadata = MetadataMap::new();
        if let Some(value) = authorization {
            metadata.insert("authorization", value.parse().unwrap());
        }
        Token::new(TEXT).unwrap().is_shown(&metadata)
    }

    #[test]
    fn only_the_token_opens() {
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        assert!(asked(Some(&format!("Bearer {TEXT}"))));
        assert!(asked(Some(&format!("bearer {TEXT}"))));
        for user in ["", "a", "me", "all"] {
            let padded = basic(&format!("{user}:{TEXT}"));
            assert!(asked(Some(&padded)), "{user}");
            assert!(asked(Some(padded.trim_end_matches('='))), "{user}");
        }
        for refused in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcdef0",
            "Bearer ",
            "Bearer",
            TEXT,
            &basic(TEXT),
            &basic(&format!("{TEXT}:")),
            "Basic !",
            "Digest 0123456789abcdef",
        ] {
            assert!(!asked(Some(refused)), "{refused}");
        }
        assert!(!asked(None));
    }

    #[test]
    fn short_texts_and_texts_no_header_can_hold_are_no_tokens() {
        assert!(Token::new(&format!(" {TEXT}\n")).is_ok());
        for text in [
            "",
            "short",
            "0123456789 abcdef",
            "0123456789abcdef\nb",
            "0123456789abcdé",
        ] {
            assert!(matches!(Token::new(text), Err(Unfit)), "{text}");
        }
    }

    #[test]
    fn it_is_not_shown_when_it_is_debugged() {
        assert_eq!(format!("{:?}", Token::new(TEXT).unwrap()), "Token");
    }
}
