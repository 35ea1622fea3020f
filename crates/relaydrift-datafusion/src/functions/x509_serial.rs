//! `x509_serial(certificate)`: the serial number of a certificate in upper-case hexadecimal digits, as the logs write it.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT};
use super::x509::{certificate_types, each_certificate};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "x509_serial",
        takes: certificate_types(),
        returns: TEXT,
        kernel: |args| each_certificate::<_, StringArray>(&args[0], |certificate| Some(certificate.serial())),
        about: About {
            section: "Certificates",
            description: "The serial number of a certificate in upper-case hexadecimal digits, as the logs write it NULL where the text or bytes are no certificate.",
            syntax: "x509_serial(certificate)",
            example: "select x509_serial('-----BEGIN CERTIFICATE-----...'); -- 0404C0F032C2760F1F3F28A7CCC3FC5FBAB3",
            arguments: &[("certificate", "DER as Binary, or PEM as text")],
        },
    }
    .udf()
}
