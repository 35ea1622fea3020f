//! Inbound connectors of Exchange Online: whose mail the tenant takes as its own, and by what it knows it.

use crate::Problem;
use crate::property::Properties;

/// One inbound connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "Exchange's own property names, as Get-InboundConnector documents them"
)]
pub struct InboundConnector {
    /// `contoso.onmicrosoft.com`, where the export tells.
    pub tenant: Option<String>,
    pub guid: Option<String>,
    pub name: String,
    pub enabled: Option<bool>,
    /// `OnPremises` or `Partner`.
    pub connector_type: Option<String>,
    pub connector_source: Option<String>,
    /// Addresses and CIDR networks, as written.
    pub sender_ip_addresses: Vec<String>,
    /// Without `smtp:` and cost.
    pub sender_domains: Vec<String>,
    /// `mail.contoso.com`, `*.contoso.com` or `<I>issuer<S>subject`.
    pub tls_sender_certificate_name: Option<String>,
    pub require_tls: Option<bool>,
    pub restrict_domains_to_ip_addresses: Option<bool>,
    pub restrict_domains_to_certificate: Option<bool>,
    pub cloud_services_mail_enabled: Option<bool>,
    pub treat_messages_as_internal: Option<bool>,
    /// Microseconds since 1970, like all times here.
    pub when_changed: Option<i64>,
    pub when_created: Option<i64>,
}

impl InboundConnector {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        // A verdict without these would be made up.
        for property in ["Enabled", "ConnectorType", "TlsSenderCertificateName"] {
            from.require(property)?;
        }
        Ok(InboundConnector {
            tenant: from.tenant(),
            guid: from.text("Guid")?,
            name: from.some_text("Name")?,
            enabled: from.boolean("Enabled")?,
            connector_type: from
                .enumeration("ConnectorType", &[(1, "OnPremises"), (2, "Partner")])?,
            connector_source: from.enumeration(
                "ConnectorSource",
                &[(0, "Default"), (1, "Migrated"), (2, "HybridWizard")],
            )?,
            sender_ip_addresses: from.addresses("SenderIPAddresses")?,
            sender_domains: from.domains("SenderDomains")?.unwrap_or_default(),
            tls_sender_certificate_name: from.text("TlsSenderCertificateName")?,
            require_tls: from.boolean("RequireTls")?,
            restrict_domains_to_ip_addresses: from.boolean("RestrictDomainsToIPAddresses")?,
            restrict_domains_to_certificate: from.boolean("RestrictDomainsToCertificate")?,
            cloud_services_mail_enabled: from.boolean("CloudServicesMailEnabled")?,
            treat_messages_as_internal: from.boolean("TreatMessagesAsInternal")?,
            when_changed: from.changed()?,
            when_created: from.created()?,
        })
    }
}
