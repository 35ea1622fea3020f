//! `attr_code(reply)`: ATTR36 of `550 5.7.64 Relay Access Denied ATTR36`.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::reply;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "attr_code",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |text| Some(reply::attr_name(reply::parse(text.as_bytes())?.attr?).into_owned())),
        about: About {
            section: "SMTP",
            description: "The step at which Exchange Online refused, in one spelling: ATTR36 (also written ATT36), PRX5. NULL where the reply names none.",
            syntax: "attr_code(reply)",
            example: "select attr_code('550 5.7.64 Relay Access Denied ATT36'); -- ATTR36",
            arguments: &[("reply", "The data of a row with event <")],
        },
    }
    .udf()
}
