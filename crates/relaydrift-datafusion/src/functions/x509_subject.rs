//! `x509_subject(certificate)`: the subject of a certificate, written as the logs write it.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT};
use super::x509::{certificate_types, each_certificate};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_subject",
        takes: certificate_types(),
        returns: TEXT,
        kernel: |args| each_certificate::<_, StringArray>(&args[0], |certificate| Some(certificate.subject())),
        about: About {
            section: "Certificates",
            description: "The subject of a certificate, written as the logs write it: the most specific part first NULL where the text or bytes are no certificate.",
            syntax: "x509_subject(certificate)",
            example: "select x509_subject('-----BEGIN CERTIFICATE-----...'); -- CN=mail.contoso.com, O=Contoso",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
