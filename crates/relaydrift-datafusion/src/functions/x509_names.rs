//! `x509_names(certificate)`: the names of a certificate.

use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, texts};
use super::x509::{certificate_types, each_names};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_names",
        takes: certificate_types(),
        returns: texts(),
        kernel: |args| each_names(&args[0]),
        about: About {
            section: "Certificates",
            description: "The names of a certificate: its common name where that is a DNS name, then the DNS names of its subject alternative names, each once NULL where the text or bytes are no certificate.",
            syntax: "x509_names(certificate)",
            example: "select x509_names('-----BEGIN CERTIFICATE-----...'); -- [mail.contoso.com, smtp.contoso.com]",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
