//! `endpoint_port(endpoint)`: the port of `10.0.0.5:25`.

use datafusion::arrow::array::Int32Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::endpoint;

use super::scalar::{About, Scalar, TEXT, each};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "endpoint_port",
        takes: vec![vec![TEXT]],
        returns: DataType::Int32,
        kernel: |args| each::<_, Int32Array>(&args[0], |text| endpoint::parse(text.as_bytes())?.port.map(i32::from)),
        about: About {
            section: "Addresses",
            description: "The port in an endpoint field of a log. NULL where there is none.",
            syntax: "endpoint_port(endpoint)",
            example: "select endpoint_port('10.0.0.5:25'); -- 25",
            arguments: &[("endpoint", "local-endpoint or remote-endpoint of a log")],
        },
    }
    .udf()
}
