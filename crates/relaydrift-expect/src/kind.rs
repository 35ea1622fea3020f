//! What an export is of, known by the properties of its objects.

use crate::value::Object;

/// What a file tells about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// `Get-InboundConnector`
    InboundConnectors,
    /// `Get-SendConnector`
    SendConnectors,
    /// `Get-AcceptedDomain`
    AcceptedDomains,
    /// `Get-ExchangeCertificate`, or certificates themselves
    Certificates,
    /// `Get-TransportService`, `Get-FrontendTransportService`, `Get-TransportServer`
    TransportServices,
    /// `Get-OrganizationConfig`
    OrganizationConfig,
    /// `Get-BlockedConnector`
    BlockedConnectors,
    /// Planned changes, which a person wrote
    PlannedChanges,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 8] = [
        Kind::InboundConnectors,
        Kind::SendConnectors,
        Kind::AcceptedDomains,
        Kind::Certificates,
        Kind::TransportServices,
        Kind::OrganizationConfig,
        Kind::BlockedConnectors,
        Kind::PlannedChanges,
    ];

    /// The name of the table that it goes into.
    pub fn name(self) -> &'static str {
        match self {
            Kind::InboundConnectors => "inbound_connectors",
            Kind::SendConnectors => "send_connectors",
            Kind::AcceptedDomains => "accepted_domains",
            Kind::Certificates => "certificates",
            Kind::TransportServices => "transport_services",
            Kind::OrganizationConfig => "organization_config",
            Kind::BlockedConnectors => "blocked_connectors",
            Kind::PlannedChanges => "planned_changes",
        }
    }

    /// The cmdlet that writes it, or what a person calls it.
    pub fn cmdlet(self) -> &'static str {
        match self {
            Kind::InboundConnectors => "Get-InboundConnector",
            Kind::SendConnectors => "Get-SendConnector",
            Kind::AcceptedDomains => "Get-AcceptedDomain",
            Kind::Certificates => "Get-ExchangeCertificate",
            Kind::TransportServices => "Get-TransportService",
            Kind::OrganizationConfig => "Get-OrganizationConfig",
            Kind::BlockedConnectors => "Get-BlockedConnector",
            Kind::PlannedChanges => {
                "planned changes (connector, thumbprint or address, from, until, id)"
            }
        }
    }

    /// All cmdlets, for a message.
    pub(crate) fn cmdlets() -> String {
        Kind::ALL.map(Kind::cmdlet).join(", ")
    }

    /// How to export it whole.
    pub(crate) fn advice(self) -> String {
        if self == Kind::PlannedChanges {
            return "a planned change has connector, thumbprint or address, from, until and id"
                .into();
        }
        format!(
            "export JSON instead: {} | ConvertTo-Json -Depth 4 | Set-Content {}.json -Encoding UTF8",
            self.cmdlet(),
            self.name()
        )
    }

    /// The kind of an object, by properties that no other kind has.
    pub(crate) fn of(object: &Object) -> Option<Kind> {
        let has = |name| object.has(name);
        let certificate = has("RawData")
            || has("Thumbprint") && (has("CertificateDomains") || has("Issuer") || has("Services"));
        let planned = has("Connector") && (has("From") || has("Until"));
        Some(if planned {
            Kind::PlannedChanges
        } else if certificate {
            Kind::Certificates
        } else if has("TlsSenderCertificateName") || has("SenderIPAddresses") {
            Kind::InboundConnectors
        } else if has("AddressSpaces") {
            Kind::SendConnectors
        } else if has("DomainName") && has("DomainType") {
            Kind::AcceptedDomains
        } else if has("SendProtocolLogPath") {
            Kind::TransportServices
        } else if has("ConnectorId") {
            Kind::BlockedConnectors
        } else if has("RejectDirectSend") || has("IsDehydrated") || has("MapiHttpEnabled") {
            Kind::OrganizationConfig
        } else {
            return None;
        })
    }

    /// Whether a name is one by which a kind is known.
    pub(crate) fn is_telling(name: &str) -> bool {
        const TELLING: [&str; 15] = [
            "RawData",
            "Thumbprint",
            "CertificateDomains",
            "TlsSenderCertificateName",
            "SenderIPAddresses",
            "AddressSpaces",
            "DomainName",
            "DomainType",
            "SendProtocolLogPath",
            "Connector",
            "ConnectorId",
            "RejectDirectSend",
            "Name",
            "Identity",
            "Enabled",
        ];
        TELLING.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}
