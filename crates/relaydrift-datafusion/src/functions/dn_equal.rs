//! `dn_equal(a, b)`: are two distinguished names the same?

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::dn;

use super::scalar::{About, Scalar, TEXT, each_pair};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "dn_equal",
        takes: vec![vec![TEXT, TEXT]],
        returns: DataType::Boolean,
        kernel: |args| each_pair::<_, BooleanArray>(args, |a, b| Some(dn::equal(a, b))),
        about: About {
            section: "Distinguished names",
            description: "Whether two distinguished names are the same by X.500's rules: the case of types and values, the width of spaces, quoting and the order inside a multi-valued part do not count, the order of the parts does.",
            syntax: "dn_equal(a, b)",
            example: "select dn_equal('CN=mail.contoso.com, O=Contoso', 'cn=MAIL.contoso.com,O=contoso'); -- true",
            arguments: &[("a", "A distinguished name as a log prints it"),
            ("b", "The other one")],
        },
    }
    .udf()
}
