//! The questions that a check asks: one file of SQL each.

pub use crate::ask::{Time, records};

crate::ask::questions! {
    "check":
    CONNECTORS "connectors",
    PRESENTED "presented",
    CHANGES "changes",
    REFUSED "refused",
    GAPS "gaps",
    REJECTS "rejects",
    EXTENT "extent",
}
