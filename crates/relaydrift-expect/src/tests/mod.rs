//! Exports as Exchange and PowerShell write them, and what is wrong with others.

mod exports;
mod openssl;
mod planned;
mod refused;

use std::path::Path;

use crate::{Error, Imported, Rows, read_bytes};

fn read(text: &str) -> Result<Imported, Error> {
    read_bytes(Path::new("export"), text.as_bytes())
}

fn rows(text: &str) -> Rows {
    let file = read(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    file.rows.unwrap_or_else(|| panic!("nothing in\n{text}"))
}

/// Asserts that text gives rows of a kind, and returns them.
macro_rules! rows_of {
    ($kind:ident, $text:expr) => {
        match crate::tests::rows($text) {
            crate::Rows::$kind(rows) => rows,
            other => panic!("{:?} in\n{}", other.kind(), $text),
        }
    };
}
pub(crate) use rows_of;
