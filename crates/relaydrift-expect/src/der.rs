//! As much of DER as it takes to open a PKCS#7 bundle and to tell a private key from a certificate.

/// One value: its tag and what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
}

pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const OID: u8 = 0x06;
pub(crate) const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
pub(crate) const CONTEXT_0: u8 = 0xa0;

/// 1.2.840.113549.1.7.1
pub(crate) const PKCS7_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// 1.2.840.113549.1.7.2
pub(crate) const PKCS7_SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];

/// The first value and the bytes after it; `None` where there is no whole one of definite length.
pub(crate) fn next(bytes: &[u8]) -> Option<(Tlv<'_>, &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0usize, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, after) = rest.split_at_checked(length)?;
    let whole = &bytes[..bytes.len() - after.len()];
    Some((
        Tlv {
            tag,
            content,
            whole,
        },
        after,
    ))
}

/// The values one after the other; ends where no whole one follows.
pub(crate) fn all(mut bytes: &[u8]) -> impl Iterator<Item = Tlv<'_>> {
    std::iter::from_fn(move || {
        let (value, rest) = next(bytes)?;
        bytes = rest;
        Some(value)
    })
}

/// The certificates of a PKCS#7 bundle (`.p7b`); `None` where the bytes are none.
pub(crate) fn pkcs7_certificates(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let (outer, _) = next(bytes)?;
    let mut outer = all(outer.content);
    outer
        .next()
        .filter(|kind| kind.tag == OID && kind.content == PKCS7_SIGNED)?;
    let content = outer.next().filter(|content| content.tag == CONTEXT_0)?;
    let (signed, _) = next(content.content)?;
    // version, digest algorithms and content come before.
    let certificates = all(signed.content)
        .skip(3)
        .find(|part| part.tag == CONTEXT_0)?;
    let certificates = all(certificates.content).filter(|one| one.tag == SEQUENCE);
    Some(certificates.map(|one| one.whole).collect())
}

/// What private key the bytes are, if they are one: the shapes of PKCS#12, PKCS#8, PKCS#1, SEC 1 and DSA.
pub(crate) fn private_key(bytes: &[u8]) -> Option<&'static str> {
    let (outer, _) = next(bytes)?;
    if outer.tag != SEQUENCE {
        return None;
    }
    let parts: Vec<Tlv<'_>> = all(outer.content).take(9).collect();
    let tags: Vec<u8> = parts.iter().map(|part| part.tag).collect();
    let version = |wanted: u8| parts.first().is_some_and(|part| part.content == [wanted]);
    let oid_within = |at: usize| {
        let part: Option<&Tlv<'_>> = parts.get(at);
        part.and_then(|part| next(part.content))
            .filter(|(first, _)| first.tag == OID)
            .map(|(first, _)| first.content)
    };
    match tags.as_slice() {
        [INTEGER, SEQUENCE, ..]
            if version(3) && matches!(oid_within(1), Some(PKCS7_DATA | PKCS7_SIGNED)) =>
        {
            Some("a PKCS#12 (PFX) store, which is made to hold a private key")
        }
        [INTEGER, SEQUENCE, OCTETS, ..] if oid_within(1).is_some() => {
            Some("a private key (PKCS#8)")
        }
        [SEQUENCE, OCTETS] if oid_within(0).is_some() => Some("an encrypted private key (PKCS#8)"),
        [INTEGER, OCTETS, ..] if version(1) => Some("an EC private key (SEC 1)"),
        [INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, INTEGER, ..] if version(0) => {
            Some("an RSA or DSA private key (PKCS#1)")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = pkcs7_certificates(&bytes);
            let _ = private_key(&bytes);
            let values: usize = all(&bytes).map(|value| value.whole.len()).sum();
            prop_assert!(values <= bytes.len());
        }
    }
}
