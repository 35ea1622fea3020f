//! `x509_thumbprint(certificate)`: the SHA-1 thumbprint of a certificate in 40 upper-case hexadecimal digits, as the logs write it.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT};
use super::x509::{certificate_types, each_certificate};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_thumbprint",
        takes: certificate_types(),
        returns: TEXT,
        kernel: |args| each_certificate::<_, StringArray>(&args[0], |certificate| Some(certificate.thumbprint())),
        about: About {
            section: "Certificates",
            description: "The SHA-1 thumbprint of a certificate in 40 upper-case hexadecimal digits, as the logs write it NULL where the text or bytes are no certificate.",
            syntax: "x509_thumbprint(certificate)",
            example: "select x509_thumbprint('-----BEGIN CERTIFICATE-----...'); -- EC5A76488FE0A501C5FC28EC845E443889BA16E2",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
