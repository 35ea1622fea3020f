//! Accepted domains: a certificate's or a sender's domain must be one for mail to be the tenant's own.

use crate::Problem;
use crate::property::Properties;

/// One accepted domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AcceptedDomain {
    /// `contoso.onmicrosoft.com`, where the export tells.
    pub tenant: Option<String>,
    /// `contoso.com`, `*.contoso.com`
    pub domain_name: String,
    /// `Authoritative`, `InternalRelay` or `ExternalRelay`.
    pub domain_type: Option<String>,
    /// Whether it is the default domain.
    pub is_default: Option<bool>,
    /// Whether its subdomains are accepted too.
    pub match_subdomains: Option<bool>,
}

impl AcceptedDomain {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        Ok(AcceptedDomain {
            tenant: from.tenant(),
            domain_name: from.some_text("DomainName")?,
            domain_type: from.enumeration(
                "DomainType",
                &[
                    (0, "Authoritative"),
                    (1, "ExternalRelay"),
                    (2, "InternalRelay"),
                ],
            )?,
            is_default: from.boolean("Default")?,
            match_subdomains: from.boolean("MatchSubDomains")?,
        })
    }
}
