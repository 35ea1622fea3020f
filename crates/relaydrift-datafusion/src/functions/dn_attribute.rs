//! `dn_attribute(dn, type)`: one value out of a distinguished name.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::dn;

use super::scalar::{About, Scalar, TEXT, each_pair};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "dn_attribute",
        takes: vec![vec![TEXT, TEXT]],
        returns: TEXT,
        kernel: |args| each_pair::<_, StringArray>(args, dn::attribute),
        about: About {
            section: "Distinguished names",
            description: "The value of the first attribute of a type in a distinguished name, without quoting. S and ST, E and EMAILADDRESS are the same type. NULL where there is none, or the text is no name.",
            syntax: "dn_attribute(dn, type)",
            example: "select dn_attribute('CN=mail.contoso.com, O=\"Contoso, Ltd\"', 'o'); -- Contoso, Ltd",
            arguments: &[("dn", "A distinguished name as a log prints it"),
            ("type", "CN, O, OU, C, ...; letter case does not count")],
        },
    }
    .udf()
}
