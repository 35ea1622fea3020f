//! Functions for what SQL has no word for, one file each.

mod dn_equal;
mod egress_network;
mod scalar;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

/// Every scalar function, by name.
pub fn scalar_functions() -> Vec<ScalarUDF> {
    vec![dn_equal::udf(), egress_network::udf()]
}

/// Registers every function.
pub(crate) fn register(ctx: &SessionContext) {
    for function in scalar_functions() {
        ctx.register_udf(function);
    }
}
