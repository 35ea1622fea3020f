//! `tls_sender_name_matches(pattern, names)`: does a certificate match an inbound connector's name?

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{About, Scalar, TEXT, OneOrMany, texts};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "tls_sender_name_matches",
        // Lists first: a list of another kind of text would else be taken as one text.
        takes: vec![vec![TEXT, texts()], vec![TEXT, TEXT]],
        returns: TEXT,
        kernel: matches,
        about: About {
            section: "Connectors",
            description: "How the names of a certificate match the TlsSenderCertificateName of an inbound connector: exact; wildcard (one side has *. in place of one label, or of none); unknown (a wildcard would have to cover several labels, where Microsoft's page and its code disagree, or the pattern is <I>issuer<S>subject); none. Of several names the best match counts, in that order. Exchange Online surely looks at the common name; pass that alone to be sure.",
            syntax: "tls_sender_name_matches(pattern, names)",
            example: "select tls_sender_name_matches('*.contoso.com', ['mail.contoso.com', 'fabrikam.com']); -- wildcard",
            arguments: &[("pattern", "TlsSenderCertificateName"),
            ("names", "A name of the certificate, or a list of them")],
        },
    }
    .udf()
}

/// In the order of what counts most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    None,
    Unknown,
    Wildcard,
    Exact,
}

fn matches(args: &[ArrayRef]) -> Result<ArrayRef> {
    let names = OneOrMany::new(&args[1]);
    let rows = args[0].as_string::<i32>().iter().enumerate();
    let rows = rows.map(|(at, pattern)| {
        let (pattern, names) = (pattern?.to_ascii_lowercase(), names.at(at)?);
        let best = names.iter().map(|name| one(&pattern, &name.to_ascii_lowercase())).max();
        Some(match best.unwrap_or(Match::None) {
            Match::None => "none",
            Match::Unknown => "unknown",
            Match::Wildcard => "wildcard",
            Match::Exact => "exact",
        })
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

fn one(pattern: &str, name: &str) -> Match {
    let (pattern, name) = (pattern.trim(), name.trim());
    if pattern.contains("<i>") || pattern.contains("<s>") {
        return Match::Unknown;
    }
    if pattern == name {
        return Match::Exact;
    }
    match (pattern.strip_prefix("*."), name.strip_prefix("*.")) {
        (Some(domain), None) => covers(domain, name),
        (None, Some(domain)) => covers(domain, pattern),
        _ => Match::None,
    }
}

/// Whether `*.domain` covers `name`.
fn covers(domain: &str, name: &str) -> Match {
    if name == domain {
        return Match::Wildcard;
    }
    match name.strip_suffix(domain).and_then(|label| label.strip_suffix('.')) {
        Some("") | None => Match::None,
        Some(label) if label.contains('.') => Match::Unknown,
        Some(_) => Match::Wildcard,
    }
}
