//! `public_authority(issuer)`: is the issuer one of those that the world trusts?

use datafusion::arrow::array::BooleanArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::dn;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "public_authority",
        takes: vec![vec![TEXT]],
        returns: datafusion::arrow::datatypes::DataType::Boolean,
        kernel: |args| each::<_, BooleanArray>(&args[0], |issuer| Some(is_public(issuer))),
        about: About {
            section: "Certificates",
            description: "Whether an issuer names, in O or CN, one of the large public certificate authorities, Microsoft's own included. Exchange Online's certificates always come from one; a box that inspects TLS signs with its own. A name proves nothing: read false as a hint to look, not true as trust.",
            syntax: "public_authority(issuer)",
            example: "select public_authority('CN=Contoso Inspection CA, O=Contoso Ltd'); -- false",
            arguments: &[("issuer", "The issuer's distinguished name")],
        },
    }
    .udf()
}

/// How the authorities begin their names, in lower case.
const AUTHORITIES: [&str; 22] = [
    "actalis", "amazon", "baltimore", "buypass", "certum", "comodo", "cybertrust", "digicert",
    "entrust", "geotrust", "globalsign", "go daddy", "godaddy", "google trust", "harica",
    "identrust", "isrg", "let's encrypt", "microsoft", "quovadis", "sectigo", "symantec",
];

fn is_public(issuer: &str) -> bool {
    ["O", "CN"]
        .into_iter()
        .filter_map(|kind| dn::attribute(issuer, kind))
        .map(|name| name.to_lowercase())
        .any(|name| AUTHORITIES.iter().any(|known| name.starts_with(known)))
}
