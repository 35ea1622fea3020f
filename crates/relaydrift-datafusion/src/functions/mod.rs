//! Functions for what SQL has no word for, one file each: a kernel, its glue and its documentation.
//!
//! NULL in, NULL out; text of any width is taken. What a function makes of text that is not what it
//! expects stands in its documentation (`show functions`).

mod around;
mod min_row;
mod scalar;
mod span_number;
mod x509;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{AggregateUDF, ScalarUDF, WindowUDF};

macro_rules! list {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every scalar function, by name.
        pub fn scalar_functions() -> Vec<ScalarUDF> {
            vec![$($name::udf()),*]
        }
    };
}

list![
    attr_code,
    certificate_family,
    dn_attribute,
    dn_equal,
    egress_network,
    endpoint_ip,
    endpoint_port,
    ip_in,
    ip_scope,
    public_authority,
    remedy,
    setting,
    smtp_code,
    smtp_enhanced,
    smtp_reply_text,
    tls_certificate_issuer,
    tls_certificate_subject,
    tls_sender_name_matches,
    x509_issuer,
    x509_names,
    x509_not_after,
    x509_not_before,
    x509_serial,
    x509_subject,
    x509_thumbprint,
];

/// Every aggregate function, by name.
pub fn aggregate_functions() -> Vec<AggregateUDF> {
    vec![around::udf(), min_row::udf()]
}

/// Every window function, by name.
pub fn window_functions() -> Vec<WindowUDF> {
    vec![span_number::udf()]
}

/// Registers every function in a context, or in the state of one.
///
/// # Errors
/// If the registry takes no functions.
pub fn register(registry: &mut dyn FunctionRegistry) -> Result<()> {
    for function in scalar_functions() {
        registry.register_udf(Arc::new(function))?;
    }
    for function in aggregate_functions() {
        registry.register_udaf(Arc::new(function))?;
    }
    for function in window_functions() {
        registry.register_udwf(Arc::new(function))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::Documentation;

    use super::*;

    /// Every function and its documentation.
    fn documented() -> Vec<(String, Option<Documentation>)> {
        let (scalar, aggregate) = (scalar_functions(), aggregate_functions());
        let scalar = scalar
            .iter()
            .map(|f| (f.name().to_string(), f.documentation().cloned()));
        let aggregate = aggregate
            .iter()
            .map(|f| (f.name().to_string(), f.documentation().cloned()));
        let window = window_functions();
        let window = window
            .iter()
            .map(|f| (f.name().to_string(), f.documentation().cloned()));
        scalar.chain(aggregate).chain(window).collect()
    }

    #[test]
    fn the_folder_is_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/functions");
        let entries = std::fs::read_dir(folder).unwrap();
        let names = entries.filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let mut files: Vec<_> = names
            .filter_map(|n| n.strip_suffix(".rs").map(str::to_string))
            .collect();
        files.retain(|name| !["mod", "scalar", "x509"].contains(&name.as_str()));
        files.sort();
        let mut names: Vec<_> = documented().into_iter().map(|(name, _)| name).collect();
        names.sort();
        assert_eq!(files, names);
    }

    #[test]
    fn every_function_is_documented() {
        for (name, documentation) in documented() {
            let documentation = documentation.unwrap();
            let example = documentation.sql_example.as_deref().unwrap();
            assert!(documentation.description.len() > 30, "{name}");
            assert!(example.contains(&name), "{name}");
            assert!(
                documentation
                    .arguments
                    .as_ref()
                    .is_some_and(|a| !a.is_empty())
            );
        }
    }
}
