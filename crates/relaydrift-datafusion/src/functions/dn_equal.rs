//! `dn_equal(a, b)`: are two distinguished names the same?

use std::sync::LazyLock;

use datafusion::arrow::array::BooleanArray;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::{Documentation, ScalarUDF};
use relaydrift_parse::dn;

use super::scalar::{Scalar, TEXT, each_pair, section};

static DOCUMENTATION: LazyLock<Documentation> = LazyLock::new(|| {
    Documentation::builder(
        section("Distinguished names"),
        "Whether two distinguished names are the same: letter case, spaces around the signs and the \
         quoting of values do not count, the order of the attributes does.",
        "dn_equal(a, b)",
    )
    .with_sql_example("select dn_equal('CN=mail.contoso.com, O=\"Contoso, Ltd\"', 'cn=MAIL.contoso.com,O=Contoso\\, Ltd');")
    .with_argument("a", "A distinguished name, for example `CN=mail.contoso.com, O=Contoso`")
    .with_argument("b", "The other one")
    .build()
});

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "dn_equal",
        takes: vec![vec![TEXT, TEXT]],
        returns: DataType::Boolean,
        kernel: |args| each_pair::<_, BooleanArray>(args, |a, b| Some(dn::equal(a, b))),
        documentation: &DOCUMENTATION,
    }
    .udf()
}
