//! `tls_certificate_subject(name)`: the subject in a connector's TlsCertificateName.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "tls_certificate_subject",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], subject),
        about: About {
            section: "Connectors",
            description: "The subject in a TlsCertificateName or TlsSenderCertificateName of the form <I>issuer<S>subject. NULL where the text has no such part.",
            syntax: "tls_certificate_subject(name)",
            example: "select tls_certificate_subject('<I>CN=R3, O=CA<S>CN=mail.contoso.com'); -- CN=mail.contoso.com",
            arguments: &[("name", "The property of the connector")],
        },
    }
    .udf()
}

fn subject(name: &str) -> Option<&str> {
    Some(split(name, "<S>")?.1)
    
}

fn split<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str)> {
    let at = text.to_ascii_uppercase().find(mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
