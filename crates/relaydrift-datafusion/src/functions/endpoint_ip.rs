//! `endpoint_ip(endpoint)`: the address of `10.0.0.5:25` and `[2001:db8::1]:25`.

use datafusion::arrow::array::StringArray;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::endpoint;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "endpoint_ip",
        takes: vec![vec![TEXT]],
        returns: TEXT,
        kernel: |args| each::<_, StringArray>(&args[0], |text| std::str::from_utf8(endpoint::parse(text.as_bytes())?.ip).ok()),
        about: About {
            section: "Addresses",
            description: "The address in an endpoint field of a log, without port, brackets and scope; the text that stands in its place where it was masked. NULL where the field is empty.",
            syntax: "endpoint_ip(endpoint)",
            example: "select endpoint_ip('[2001:db8::1]:25'); -- 2001:db8::1",
            arguments: &[("endpoint", "local-endpoint or remote-endpoint of a log")],
        },
    }
    .udf()
}
