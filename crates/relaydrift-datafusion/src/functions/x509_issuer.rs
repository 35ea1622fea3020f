//! `x509_issuer(certificate)`: the issuer of a certificate, written as the logs write it.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT};
use super::x509::{certificate_types, each_certificate};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_issuer",
        takes: certificate_types(),
        returns: TEXT,
        kernel: |args| each_certificate::<_, StringArray>(&args[0], |certificate| Some(certificate.issuer())),
        about: About {
            section: "Certificates",
            description: "The issuer of a certificate, written as the logs write it: the most specific part first NULL where the text or bytes are no certificate.",
            syntax: "x509_issuer(certificate)",
            example: "select x509_issuer('-----BEGIN CERTIFICATE-----...'); -- CN=R3, O=Let's Encrypt, C=US",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
