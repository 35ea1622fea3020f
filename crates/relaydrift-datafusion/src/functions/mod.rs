//! Functions for what SQL has no word for, one file each: a kernel, its glue and its documentation.
//!
//! NULL in, NULL out; text of any width is taken. What a function makes of text that is not what it
//! expects stands in its documentation (`show functions`).

mod scalar;
mod x509;

use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;

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

/// Registers every function.
pub(crate) fn register(ctx: &SessionContext) {
    for function in scalar_functions() {
        ctx.register_udf(function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let functions = scalar_functions();
        assert_eq!(
            files,
            functions.iter().map(|f| f.name()).collect::<Vec<_>>()
        );
    }

    #[test]
    fn every_function_is_documented() {
        for function in scalar_functions() {
            let documentation = function.documentation().unwrap();
            let example = documentation.sql_example.as_deref().unwrap();
            assert!(documentation.description.len() > 30, "{}", function.name());
            assert!(example.contains(function.name()), "{}", function.name());
            assert!(
                documentation
                    .arguments
                    .as_ref()
                    .is_some_and(|a| !a.is_empty())
            );
        }
    }
}
