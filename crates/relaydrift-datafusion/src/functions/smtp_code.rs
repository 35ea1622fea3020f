//! `smtp_code(reply)`: 550 of `550 5.7.64 ...`.

use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::reply;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "smtp_code",
        takes: vec![vec![TEXT]],
        returns: DataType::Int32,
        kernel: |args| each::<_, Int32Array>(&args[0], |text| Some(i32::from(reply::parse(text.as_bytes())?.code))),
        about: About {
            section: "SMTP",
            description: "The three digits at the start of an SMTP reply. NULL where the text is no reply.",
            syntax: "smtp_code(reply)",
            example: "select smtp_code('550 5.7.64 TenantAttribution; Relay Access Denied'); -- 550",
            arguments: &[("reply", "The data of a row with event <")],
        },
    }
    .udf()
}
