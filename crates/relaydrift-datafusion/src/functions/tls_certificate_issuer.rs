//! `tls_certificate_issuer(name)`: the issuer in a connector's TlsCertificateName.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "tls_certificate_issuer",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], issuer),
        about: About {
            section: "Connectors",
            description: "The issuer in a TlsCertificateName or TlsSenderCertificateName of the form <I>issuer<S>subject. NULL where the text has no such part.",
            syntax: "tls_certificate_issuer(name)",
            example: "select tls_certificate_issuer('<I>CN=R3, O=CA<S>CN=mail.contoso.com'); -- CN=R3, O=CA",
            arguments: &[("name", "The property of the connector")],
        },
    }
    .udf()
}

fn issuer(name: &str) -> Option<&str> {
    let (_, rest) = split(name, "<I>")?;
    Some(split(rest, "<S>").map_or(rest, |(issuer, _)| issuer))
}

fn split<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_uppercase().find(mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
