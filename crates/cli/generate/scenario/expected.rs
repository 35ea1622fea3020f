//! The exports that an administrator would have: what the cmdlets print through `ConvertTo-Json`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stage::Staged;
use super::{State, Story, Tenant};
use crate::generate::calendar::{DAY, rfc3339};
use crate::generate::certificate::Certificate;
use crate::generate::fleet::{HYBRID, Server, TENANT};
use crate::generate::plan::guid;
use crate::generate::rng::Rng;

/// Files with their names below `expected/`; those of a forest in a folder of its name.
pub fn files(story: &Story, staged: &Staged, seed: u64) -> Vec<(String, Value)> {
    let mut rng = Rng::new(seed, u64::MAX);
    let mut forests: Vec<&'static str> = Vec::new();
    for server in &staged.fleet.servers {
        if !forests.contains(&server.parent) {
            forests.push(server.parent);
        }
    }
    let mut files = Vec::new();
    for (at, parent) in forests.into_iter().enumerate() {
        let mut tenant = story.tenant;
        if at > 0 {
            tenant.name = tenant.also;
        }
        let forest = Forest {
            story,
            staged,
            tenant,
            parent,
            name: ["contoso", "fabrikam-group"][at.min(1)],
        };
        for (name, content) in forest.files(&mut rng) {
            let path = match parent {
                "" => name,
                parent => format!("{parent}/{name}"),
            };
            files.push((path, content));
        }
    }
    files
}

/// One forest and its tenant.
struct Forest<'a> {
    story: &'a Story,
    staged: &'a Staged,
    tenant: Tenant,
    /// The folder of its servers.
    parent: &'static str,
    /// What the tenant's own domains begin with.
    name: &'static str,
}

impl Forest<'_> {
    fn servers(&self) -> impl Iterator<Item = (usize, &Server)> {
        let servers = self.staged.fleet.servers.iter().enumerate();
        servers.filter(|(_, server)| server.parent == self.parent)
    }

    fn files(&self, rng: &mut Rng) -> Vec<(String, Value)> {
        let (story, staged) = (self.story, self.staged);
        let own = [
            format!("{}.com", self.name),
            format!("{}.onmicrosoft.com", self.name),
            format!("{}.mail.onmicrosoft.com", self.name),
        ];
        let mut files = vec![
            ("inbound_connectors.json".into(), self.inbound(rng)),
            (
                "accepted-domains.json".into(),
                accepted(self.name, &own, rng),
            ),
            ("send-connector.json".into(), self.send(rng)),
        ];
        for (index, server) in self.servers() {
            let name = format!("certificates-{}.json", server.name);
            files.push((name, certificates(story, staged, index)));
        }
        if story.tenant.state == State::Blocked {
            files.push((
                "blocked-connectors.json".into(),
                blocked(&files[0].1, staged),
            ));
        }
        if story.tenant.shared {
            let at = staged.fleet.start + story.tenant.changed.unwrap_or(0);
            let times = (at - DAY, at);
            let other = connector(&story.tenant, "fabrikam", "Relay of Fabrikam", times, rng);
            files.push(("inbound-fabrikam.json".into(), other));
            let domains = ["fabrikam.com", "fabrikam.onmicrosoft.com"].map(str::to_owned);
            let other = accepted("fabrikam", &domains, rng);
            files.push(("accepted-domains-fabrikam.json".into(), other));
        }
        files
    }

    /// `Get-InboundConnector`: one connector is a bare object, none an empty list.
    fn inbound(&self, rng: &mut Rng) -> Value {
        let start = self.staged.fleet.start;
        let tenant = &self.tenant;
        let created = start - 400 * DAY;
        // What another tenant changes leaves no mark here.
        let changed = match tenant.changed.filter(|_| !tenant.shared) {
            Some(at) => start + at,
            None => start - 30 * DAY,
        };
        let name = "Inbound from Contoso Dresden";
        match tenant.state {
            State::Missing => json!([]),
            _ => connector(tenant, self.name, name, (created, changed), rng),
        }
    }

    /// `Get-SendConnector` of the connector toward Exchange Online, as it was meant: with the certificate
    /// that the forest began with, or the one that was got for it last.
    fn send(&self, rng: &mut Rng) -> Value {
        let (story, fleet) = (self.story, &self.staged.fleet);
        let first = self.servers().next();
        let first = first.map_or(0, |(_, server)| {
            *server.sending[story.connector].at(fleet.start).1
        });
        let meant = self.staged.held.last().map_or(first, |(_, held)| *held);
        let meant = &fleet.certificates[meant as usize];
        let name = &fleet.connectors[story.connector].name;
        let servers: BTreeSet<&str> = self.servers().map(|(_, one)| one.name.as_str()).collect();
        let hybrid = story.connector == HYBRID;
        json!({
            "Name": name,
            "Identity": name,
            "Enabled": true,
            "AddressSpaces": [if hybrid { format!("smtp:{TENANT};1") } else { "smtp:*;1".into() }],
            "DNSRoutingEnabled": hybrid,
            "SmartHosts": if hybrid { json!([]) } else { json!(["contoso-com.mail.protection.outlook.com"]) },
            "Fqdn": "mail.contoso.com",
            "TlsCertificateName": format!("<I>{}<S>{}", meant.issuer, meant.subject),
            "TlsAuthLevel": if hybrid { "DomainValidation" } else { "CertificateValidation" },
            "TlsDomain": if hybrid { json!("mail.protection.outlook.com") } else { Value::Null },
            "RequireTLS": hybrid,
            "IgnoreSTARTTLS": false,
            "CloudServicesMailEnabled": hybrid,
            "FrontendProxyEnabled": fleet.servers.iter().any(|server| server.proxied),
            "SourceTransportServers": servers,
            "ProtocolLoggingLevel": "Verbose",
            "Guid": guid(rng),
            "IsValid": true,
        })
    }
}

fn connector(
    tenant: &Tenant,
    organization: &str,
    name: &str,
    (created, changed): (i64, i64),
    rng: &mut Rng,
) -> Value {
    let partner = tenant.state == State::Partner;
    let source = if tenant.name.is_some() {
        "HybridWizard"
    } else {
        "Default"
    };
    json!({
        "Enabled": tenant.state != State::Disabled,
        "ConnectorType": if partner { "Partner" } else { "OnPremises" },
        "ConnectorSource": source,
        "Comment": null,
        "SenderIPAddresses": tenant.addresses,
        "SenderDomains": ["smtp:*;1"],
        "TrustedOrganizations": [],
        "ClientHostNames": [],
        "AssociatedAcceptedDomains": [],
        "RequireTls": tenant.name.is_some(),
        "RestrictDomainsToIPAddresses": false,
        "RestrictDomainsToCertificate": partner,
        "CloudServicesMailEnabled": !partner && tenant.name.is_some(),
        "TreatMessagesAsInternal": false,
        "TlsSenderCertificateName": tenant.name,
        "EFTestMode": false,
        "ScanAndDropRecipients": [],
        "EFSkipLastIP": false,
        "EFSkipIPs": [],
        "EFSkipMailGateway": [],
        "EFUsers": [],
        "AdminDisplayName": "",
        "Name": name,
        "Identity": name,
        "OrganizationId": organization_id(organization),
        "WhenChangedUTC": rfc3339(changed),
        "WhenCreatedUTC": rfc3339(created),
        "Guid": guid(rng),
        "IsValid": true,
    })
}

/// Where Exchange Online keeps a tenant's settings, which names the tenant.
fn organization_id(tenant: &str) -> Value {
    let forest = "EURPR03A001.PROD.OUTLOOK.COM";
    json!(format!(
        "{forest}/Microsoft Exchange Hosted Organizations/{tenant}.onmicrosoft.com - \
         {forest}/ConfigurationUnits/{tenant}.onmicrosoft.com/Configuration"
    ))
}

/// `Get-AcceptedDomain`.
fn accepted(tenant: &str, domains: &[String], rng: &mut Rng) -> Value {
    let row = |(at, domain): (usize, &String)| {
        json!({
            "Name": domain,
            "DomainName": domain,
            "DomainType": "Authoritative",
            "MatchSubDomains": false,
            "Default": at == 0,
            "InitialDomain": domain.ends_with(".onmicrosoft.com") && !domain.contains(".mail."),
            "Identity": domain,
            "OrganizationId": organization_id(tenant),
            "Guid": guid(rng),
            "IsValid": true,
        })
    };
    domains.iter().enumerate().map(row).collect()
}

/// `Get-ExchangeCertificate` of one server: what it ever sent, and what it holds.
fn certificates(story: &Story, staged: &Staged, index: usize) -> Value {
    let fleet = &staged.fleet;
    let server = &fleet.servers[index];
    let held = staged.held.iter().filter(|(of, _)| *of == index);
    let mut here: BTreeSet<u32> = server.sending[story.connector].values().copied().collect();
    here.extend(server.own.values().copied());
    here.extend(held.map(|(_, certificate)| *certificate));
    let row = |at: u32| row(server, &fleet.certificates[at as usize], fleet.end);
    here.into_iter().map(row).collect()
}

/// As Windows PowerShell 5.1 prints it: dates in milliseconds since 1970.
fn row(server: &Server, certificate: &Certificate, now: i64) -> Value {
    let date = |time: i64| format!("/Date({time})/");
    let own = certificate.subject == certificate.issuer;
    json!({
        "Identity": format!("{}\\{}", server.host, certificate.thumbprint),
        "Thumbprint": certificate.thumbprint,
        "Subject": certificate.subject,
        "Issuer": certificate.issuer,
        "SerialNumber": certificate.serial,
        "NotBefore": date(certificate.life.0),
        "NotAfter": date(certificate.life.1),
        "CertificateDomains": certificate.names,
        "Services": "SMTP",
        "Status": if certificate.life.1 < now { "DateInvalid" } else { "Valid" },
        "IsSelfSigned": own,
        "HasPrivateKey": true,
        "RootCAType": if own { "None" } else { "ThirdParty" },
        "PublicKeySize": 2048,
        "FriendlyName": "",
    })
}

/// `Get-BlockedConnector`.
fn blocked(inbound: &Value, staged: &Staged) -> Value {
    json!({
        "ConnectorId": inbound["Guid"],
        "CreatedDatetime": rfc3339(staged.fleet.start + DAY + 9 * 3_600_000),
        "ChangedDatetime": rfc3339(staged.fleet.start + DAY + 9 * 3_600_000),
        "Reason": "OutboundSpamLast24Hours",
    })
}
