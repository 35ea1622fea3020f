//! `x509_not_before(certificate)`: when the validity of a certificate begins, in UTC.

use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar};
use super::x509::{certificate_types, each_time};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_not_before",
        takes: certificate_types(),
        returns: relaydrift_ingest::timestamp(),
        kernel: |args| each_time(&args[0], |certificate| certificate.not_before()),
        about: About {
            section: "Certificates",
            description: "When the validity of a certificate begins, in UTC NULL where the text or bytes are no certificate.",
            syntax: "x509_not_before(certificate)",
            example: "select x509_not_before('-----BEGIN CERTIFICATE-----...'); -- 2026-12-01T00:00:00Z",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
