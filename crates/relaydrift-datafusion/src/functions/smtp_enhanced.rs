//! `smtp_enhanced(reply)`: 5.7.64 of `550 5.7.64 ...`.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::reply;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "smtp_enhanced",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |text| std::str::from_utf8(reply::parse(text.as_bytes())?.enhanced?).ok()),
        about: About {
            section: "SMTP",
            description: "The enhanced status code of an SMTP reply. NULL where it has none.",
            syntax: "smtp_enhanced(reply)",
            example: "select smtp_enhanced('550 5.7.64 TenantAttribution; Relay Access Denied'); -- 5.7.64",
            arguments: &[("reply", "The data of a row with event <")],
        },
    }
    .udf()
}
