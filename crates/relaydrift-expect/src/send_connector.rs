//! Send connectors of the on-premises organization: what goes where, from which servers, presenting what.

use crate::Problem;
use crate::property::Properties;

/// One send connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "Exchange's own property names, as Get-SendConnector documents them"
)]
pub struct SendConnector {
    pub guid: Option<String>,
    /// What send logs call connector-id.
    pub name: String,
    pub enabled: Option<bool>,
    pub fqdn: Option<String>,
    pub smart_hosts: Vec<String>,
    /// Without `smtp:` and cost.
    pub address_spaces: Vec<String>,
    pub source_transport_servers: Vec<String>,
    /// `<I>issuer<S>subject`.
    pub tls_certificate_name: Option<String>,
    /// `EncryptionOnly`, `CertificateValidation` or `DomainValidation`.
    pub tls_auth_level: Option<String>,
    pub tls_domain: Option<String>,
    pub require_tls: Option<bool>,
    pub ignore_starttls: Option<bool>,
    pub dns_routing_enabled: Option<bool>,
    pub cloud_services_mail_enabled: Option<bool>,
    pub frontend_proxy_enabled: Option<bool>,
    /// `None` or `Verbose`.
    pub protocol_logging_level: Option<String>,
    /// Microseconds since 1970.
    pub when_changed: Option<i64>,
}

impl SendConnector {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let servers = from.some_texts("SourceTransportServers")?;
        Ok(SendConnector {
            guid: from.text("Guid")?,
            name: from.some_text("Name")?,
            enabled: from.boolean("Enabled")?,
            fqdn: from.text("Fqdn")?,
            smart_hosts: from.texts("SmartHosts")?.unwrap_or_default(),
            address_spaces: from.domains("AddressSpaces")?.unwrap_or_default(),
            source_transport_servers: servers.iter().map(|name| server(name)).collect(),
            tls_certificate_name: from.text("TlsCertificateName")?,
            tls_auth_level: from.enumeration(
                "TlsAuthLevel",
                &[
                    (1, "EncryptionOnly"),
                    (2, "CertificateValidation"),
                    (4, "DomainValidation"),
                ],
            )?,
            tls_domain: from.text("TlsDomain")?,
            require_tls: from.boolean("RequireTLS")?,
            ignore_starttls: from.boolean("IgnoreSTARTTLS")?,
            dns_routing_enabled: from.boolean("DNSRoutingEnabled")?,
            cloud_services_mail_enabled: from.boolean("CloudServicesMailEnabled")?,
            frontend_proxy_enabled: from.boolean("FrontendProxyEnabled")?,
            protocol_logging_level: from
                .enumeration("ProtocolLoggingLevel", &[(0, "None"), (1, "Verbose")])?,
            when_changed: from.changed()?,
        })
    }
}

/// The name that logs and other exports use: `EX01` for `contoso.com/Servers/EX01` and `ex01.contoso.com`.
pub(crate) fn server(text: &str) -> String {
    let name = text.rsplit('/').next().unwrap_or(text).trim();
    name.split('.').next().unwrap_or(name).to_owned()
}
