//! Bytes of a file to text: UTF-8 with and without a mark, UTF-16 as Windows PowerShell writes it.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

use crate::Problem;

/// Bytes looked at for the NUL that every second byte of Latin text in UTF-16 is.
const LOOKED_AT: usize = 64;

/// The text, without its byte-order mark.
pub(crate) fn decode(bytes: &[u8]) -> Result<String, Problem> {
    let utf16 = |encoding: &'static Encoding, bytes| {
        encoding
            .decode_without_bom_handling_and_without_replacement(bytes)
            .map(|text| text.into_owned())
            .ok_or(Problem::Utf16)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => return utf16(UTF_16LE, rest),
        [0xfe, 0xff, rest @ ..] => return utf16(UTF_16BE, rest),
        _ => {}
    }
    let start = &bytes[..bytes.len().min(LOOKED_AT)];
    let nul = |odd: usize| {
        let mut every = start.iter().skip(odd).step_by(2);
        start.len() >= 4 && every.all(|byte| *byte == 0)
    };
    if nul(1) {
        return utf16(UTF_16LE, bytes);
    }
    if nul(0) {
        return utf16(UTF_16BE, bytes);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(Problem::Utf8 {
            offset: error.valid_up_to(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The same text, however it is encoded.
        #[test]
        fn encodings_agree(text in "[ -~]{4,80}") {
            let units: Vec<u16> = text.encode_utf16().collect();
            let bytes = |order: fn(u16) -> [u8; 2]| -> Vec<u8> {
                units.iter().flat_map(|unit| order(*unit)).collect()
            };
            let (little, big) = (bytes(u16::to_le_bytes), bytes(u16::to_be_bytes));
            for encoded in [
                text.clone().into_bytes(),
                [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat(),
                [b"\xff\xfe".as_slice(), &little].concat(),
                [b"\xfe\xff".as_slice(), &big].concat(),
                little,
                big,
            ] {
                prop_assert_eq!(decode(&encoded).unwrap(), text.clone());
            }
        }
    }
}
