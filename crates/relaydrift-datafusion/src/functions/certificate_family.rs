//! `certificate_family(subject, names)`: whose certificate it is, by domain.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, AsArray, StringArray};
use datafusion::common::Result;
use datafusion::logical_expr::ScalarUDF;
use relaydrift_parse::dn;

use super::scalar::{About, OneOrMany, Scalar, TEXT, texts};

/// The SQL function.
pub(super) fn udf() -> ScalarUDF {
    Scalar {
        name: "certificate_family",
        takes: vec![vec![TEXT, texts()], vec![TEXT, TEXT]],
        returns: TEXT,
        kernel: families,
        about: About {
            section: "Certificates",
            description: "The domain that a certificate stands for, so that certificates that take turns compare as one. Certificates of Exchange Online, of whatever region and host, give outlook.com, mx.microsoft, office365.us, outlook.cn or microsoft.com, the first that one of the names is under; others the registered part of their first full name, as far as a name tells it. NULL where there is no name.",
            syntax: "certificate_family(subject, names)",
            example: "select certificate_family('CN=mail.protection.outlook.com', ['*.mail.eo.outlook.com']); -- outlook.com",
            arguments: &[
                ("subject", "The subject; its CN counts where it is a host name"),
                ("names", "The names of the certificate, a list or one text"),
            ],
        },
    }
    .udf()
}

/// Under these Exchange Online has its hosts, and Microsoft its names; the most telling first.
const MICROSOFT: [&str; 5] = [
    "outlook.com",
    "mx.microsoft",
    "office365.us",
    "outlook.cn",
    "microsoft.com",
];

/// Second labels under which countries register names: `contoso.co.uk`.
const SECOND: [&str; 8] = ["ac", "co", "com", "edu", "gov", "net", "or", "org"];

fn families(args: &[ArrayRef]) -> Result<ArrayRef> {
    let names = OneOrMany::new(&args[1]);
    let subjects = args[0].as_string::<i32>();
    let rows = subjects.iter().enumerate().map(|(at, subject)| {
        let common = subject.and_then(|subject| dn::attribute(subject, "CN"));
        let names = common.into_iter().chain(names.at(at).unwrap_or_default());
        let hosts: Vec<String> = names.filter_map(|name| host(&name)).collect();
        family(&hosts)
    });
    Ok(Arc::new(rows.collect::<StringArray>()))
}

/// A host name in lower case, without the star of a wildcard; `None` for other text.
fn host(name: &str) -> Option<String> {
    let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
    let name = name.strip_prefix("*.").unwrap_or(&name);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (!name.is_empty() && name.chars().all(plain)).then(|| name.to_owned())
}

fn family(hosts: &[String]) -> Option<String> {
    let under = |host: &str, domain: &str| {
        let label = host.strip_suffix(domain);
        label.is_some_and(|label| label.is_empty() || label.ends_with('.'))
    };
    let microsoft = MICROSOFT
        .into_iter()
        .find(|domain| hosts.iter().any(|host| under(host, domain)));
    let named = hosts.iter().find(|host| host.contains('.'));
    microsoft
        .map(str::to_owned)
        .or_else(|| named.or(hosts.first()).map(|host| registered(host)))
}

/// The last two labels, or three below a country's second level.
fn registered(host: &str) -> String {
    let labels: Vec<&str> = host.split('.').collect();
    let keep = match labels.as_slice() {
        [.., second, country] if country.len() == 2 && SECOND.contains(second) => 3,
        _ => 2,
    };
    labels[labels.len().saturating_sub(keep)..].join(".")
}
