//! The plan of a fleet: its servers, connectors, certificates and addresses, and what changes when.

use serde::Serialize;

use super::calendar::{DAY, HOUR, MINUTE, ticks};
use super::certificate::{Certificate, Form, field, name_matches};
use super::drift;
use super::rng::Rng;

/// By what the tenant's inbound connector knows the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// A name on the certificate (`TlsSenderCertificateName`).
    Certificate,
    /// The public address (`SenderIPAddresses`).
    Address,
}

/// What a connector is for; decides its peers, recipients and certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything through Exchange Online.
    CloudRelay,
    /// The hybrid connector: only the tenant's own recipients.
    CloudHybrid,
    /// A private mail gateway.
    SmartHost,
    /// Other Exchange servers of the organization.
    IntraOrg,
    /// The recipients' own servers.
    Internet,
}

impl Role {
    /// True where the far end is our own tenant.
    pub fn is_cloud(self) -> bool {
        matches!(self, Role::CloudRelay | Role::CloudHybrid)
    }
}

/// A send connector of the fleet.
#[derive(Debug)]
pub struct Connector {
    /// As `connector-id` names it.
    pub name: String,
    /// The name as a CSV field.
    pub field: Vec<u8>,
    /// What it is for.
    pub role: Role,
}

/// A value that changes at given times.
#[derive(Debug, Clone)]
pub struct Timeline<T>(Vec<(i64, T)>);

impl<T> Timeline<T> {
    /// One value for all time.
    pub fn always(value: T) -> Self {
        Timeline(vec![(i64::MIN, value)])
    }

    /// Another value from `time` on; times are given in order.
    pub fn change(&mut self, time: i64, value: T) {
        self.0.push((time, value));
    }

    /// The value at a time, and since when it holds.
    pub fn at(&self, time: i64) -> (i64, &T) {
        let at = self.0.partition_point(|(from, _)| *from <= time).max(1) - 1;
        (self.0[at].0, &self.0[at].1)
    }

    /// The first change after a time, `i64::MAX` if there is none.
    pub fn next_change(&self, time: i64) -> i64 {
        self.0.iter().map(|(from, _)| *from).find(|from| *from > time).unwrap_or(i64::MAX)
    }
}

/// A public address that Exchange Online sees the fleet under.
#[derive(Debug)]
pub struct Address {
    /// Dotted.
    pub text: String,
    /// From when on the tenant's inbound connector lists it: see [`Certificate::accepted_from`].
    pub accepted_from: i64,
}

/// Where a server's logs lie and how their names count time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// `Hub/ProtocolLog/SmtpSend`, one file an hour.
    Hourly,
    /// `SmtpSend`, one file a day, as Exchange 2010 did.
    Daily,
}

/// A crash of the transport service.
#[derive(Debug, Clone, Copy)]
pub struct Restart {
    /// No row is written from here ...
    pub down: i64,
    /// ... to here, where session ids count from a new start time.
    pub up: i64,
    /// The open file gets another header in its middle; else the next file is begun.
    pub header_inside: bool,
}

/// One Exchange server.
#[derive(Debug)]
pub struct Server {
    /// As the folder is named.
    pub name: String,
    /// Fully qualified, as it says in EHLO to its own kind.
    pub host: String,
    /// Private address.
    pub address: String,
    /// How certificates are spelled out.
    pub form: Form,
    /// EHLO replies in one row instead of one row per line.
    pub joined_replies: bool,
    /// See [`Layout`].
    pub layout: Layout,
    /// A file larger than this is followed by the next instance.
    pub max_file_bytes: usize,
    /// The relay connector goes through this server's own front end.
    pub proxied: bool,
    /// Start of the transport service in .NET ticks: where session ids count from.
    pub service_start: u64,
    /// The crash, if one is planned.
    pub restart: Option<Restart>,
    /// Its clock runs ahead of the cloud's by this many milliseconds.
    pub skew_ms: i64,
    /// Indexes of the addresses it may be seen under.
    pub egress: Timeline<Vec<u32>>,
    /// Per connector the index of the certificate it sends.
    pub sending: Vec<Timeline<u32>>,
    /// The certificate received from it inside the organization.
    pub own: Timeline<u32>,
    /// Connectors with their share of the traffic.
    pub shares: Vec<(usize, u64)>,
    /// Sessions that take place at any traffic: start and connector.
    pub appointments: Vec<(i64, usize)>,
}

/// A front door of Exchange Online.
#[derive(Debug)]
pub struct FrontDoor {
    /// As its banner names it.
    pub host: String,
    /// As a refusal names it.
    pub inner: String,
    /// Public address.
    pub address: String,
    /// The certificate received from it.
    pub certificate: Timeline<u32>,
}

/// A mail server on the internet, or the organization's smart host.
#[derive(Debug)]
pub struct Peer {
    /// As its banner names it.
    pub host: String,
    /// Address.
    pub address: String,
    /// The certificate received from it, if it offers TLS.
    pub certificate: Option<Timeline<u32>>,
    /// The domain that it serves.
    pub domain: &'static str,
    /// Refuses in Latin-1.
    pub latin1: bool,
}

/// A planted change of a cloud connector.
#[derive(Debug, Clone)]
pub struct Change {
    /// `certificate` or `egress`.
    pub kind: &'static str,
    /// As `drift` classes it.
    pub class: &'static str,
    /// Index of the connector.
    pub connector: usize,
    /// Index of the server.
    pub server: usize,
    /// Index of the certificate or address before.
    pub before: u32,
    /// Index of the certificate or address after.
    pub after: u32,
    /// From when on every new session shows it.
    pub at: i64,
    /// When the tenant accepts again, where it refuses at all.
    pub fixed: Option<i64>,
}

/// The whole plan.
#[derive(Debug)]
pub struct Fleet {
    /// See [`Match`].
    pub matched_by: Match,
    /// Midnight of the first day.
    pub start: i64,
    /// Midnight after the last day.
    pub end: i64,
    /// Send connectors of the organization.
    pub connectors: Vec<Connector>,
    /// Servers, in the order of their names.
    pub servers: Vec<Server>,
    /// Every certificate of the fleet and its peers.
    pub certificates: Vec<Certificate>,
    /// Every public address of the fleet.
    pub addresses: Vec<Address>,
    /// Exchange Online.
    pub front_doors: Vec<FrontDoor>,
    /// The private gateway.
    pub smart_host: Peer,
    /// Mail servers of the world.
    pub peers: Vec<Peer>,
    /// Planted changes, in order of time within a server.
    pub changes: Vec<Change>,
    /// Names on the inbound connector, with the time from which they stand there.
    pub inbound_names: Vec<(i64, String)>,
}

/// What a fleet is planned from.
#[derive(Debug, Clone, Copy)]
pub struct Outline {
    /// Everything random follows from it.
    pub seed: u64,
    /// Number of servers, 1 to 200.
    pub servers: usize,
    /// Number of days.
    pub days: i64,
    /// Midnight of the first day.
    pub start: i64,
    /// See [`Match`].
    pub matched_by: Match,
    /// Plant drift.
    pub drift: bool,
}

/// Index of the relay connector in [`Fleet::connectors`].
pub const RELAY: usize = 0;
/// Index of the hybrid connector.
pub const HYBRID: usize = 1;
const SMART_HOST: usize = 2;
const INTRA_ORG: usize = 3;
const INTERNET_COMMA: usize = 4;
const INTERNET_CYRILLIC: usize = 5;

/// The tenant's own routing domain.
pub const TENANT: &str = "contoso.mail.onmicrosoft.com";
pub(super) const ISSUER: &str = "CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1, O=DigiCert Inc, C=US";
pub(super) const OTHER_ISSUER: &str =
    "CN=GeoTrust TLS RSA CA G1, OU=www.digicert.com, O=DigiCert Inc, C=US";
const QUOTED_ISSUER: &str = "CN=thawte SHA256 SSL CA, O=\"thawte, Inc.\", C=US";
const PRIVATE_ISSUER: &str = "CN=Contoso Issuing CA 1, DC=corp, DC=contoso, DC=com";
const OUTLOOK: &str =
    "CN=mail.protection.outlook.com, O=Microsoft Corporation, L=Redmond, S=WA, C=US";
const OUTLOOK_ISSUERS: [&str; 2] = [
    "CN=DigiCert Cloud Services CA-1, O=DigiCert Inc, C=US",
    "CN=Microsoft TLS G2 RSA CA OCSP 04, O=Microsoft Corporation, C=US",
];
const OUTLOOK_NAMES: [&str; 6] = [
    "mail.protection.outlook.com",
    "*.mail.eo.outlook.com",
    "*.mail.protection.outlook.com",
    "mail.messaging.microsoft.com",
    "outlook.com",
    "*.olc.protection.outlook.com",
];

/// Domains outside the tenant; those up to [`HOSTED`] are other tenants of Exchange Online.
pub const DOMAINS: [&str; 30] = [
    "adatum.com",
    "fabrikam.com",
    "northwindtraders.com",
    "tailspintoys.com",
    "wingtiptoys.com",
    "litwareinc.com",
    "proseware.com",
    "treyresearch.net",
    "adventure-works.com",
    "alpineskihouse.com",
    "bellowscollege.com",
    "consolidatedmessenger.com",
    "firstupconsultants.com",
    "fourthcoffee.com",
    "graphicdesigninstitute.com",
    "humongousinsurance.com",
    "lamnahealthcare.com",
    "lucernepublishing.com",
    "margiestravel.com",
    "nodpublishers.com",
    "relecloud.com",
    "southridgevideo.com",
    "vanarsdelltd.com",
    "wideworldimporters.com",
    "woodgrovebank.com",
    "blueyonderairlines.com",
    "cohovineyard.com",
    "lieferant-nord.example",
    "kunde-sued.example",
    "amt.example",
];
/// See [`DOMAINS`].
pub const HOSTED: usize = 8;
/// A domain that its old host no longer knows: another tenant's 5.7.64.
pub const MOVED_AWAY: &str = "oldbrand.fabrikam.com";

/// Plans a fleet; the same outline gives the same plan.
pub fn plan(outline: &Outline) -> Fleet {
    let mut rng = Rng::new(outline.seed, 0);
    let end = outline.start + outline.days * DAY;
    let middle = outline.start + (end - outline.start) / 2;
    let guid = guid(&mut rng);
    let mut fleet = Fleet {
        matched_by: outline.matched_by,
        start: outline.start,
        end,
        connectors: [
            ("Outbound to Office 365".to_string(), Role::CloudRelay),
            (format!("Outbound to Office 365 - {guid}"), Role::CloudHybrid),
            ("Smarthost Archiv".to_string(), Role::SmartHost),
            ("Intra-Organization SMTP Send Connector".to_string(), Role::IntraOrg),
            ("Ausgehend, Standard".to_string(), Role::Internet),
            ("Интернет".to_string(), Role::Internet),
        ]
        .map(|(name, role)| Connector { field: field(&name), name, role })
        .into(),
        servers: Vec::new(),
        certificates: Vec::new(),
        addresses: Vec::new(),
        front_doors: Vec::new(),
        smart_host: Peer {
            host: "smtp-gw.corp.contoso.com".into(),
            address: "10.20.0.25:25".into(),
            certificate: None,
            domain: "archiv.contoso.com",
            latin1: false,
        },
        peers: Vec::new(),
        changes: Vec::new(),
        inbound_names: vec![(i64::MIN, "contoso.com".into())],
    };
    plan_peers(&mut fleet, &mut rng, middle);
    let shared = ["mail.contoso.com", "autodiscover.contoso.com", "contoso.com"];
    let shared = fleet.certificate(&mut rng, &subject("mail.contoso.com"), ISSUER, &shared, -200);
    for index in 0..outline.servers {
        let server = plan_server(&mut fleet, &mut rng, outline, index, shared);
        fleet.servers.push(server);
    }
    if outline.drift {
        drift::plant(&mut fleet, &mut rng, outline.days);
    }
    let names = fleet.inbound_names.clone();
    for certificate in &mut fleet.certificates {
        let known = names.iter().filter(|(_, connector)| {
            certificate.names.iter().any(|name| name_matches(connector, name))
        });
        certificate.accepted_from = known.map(|(from, _)| *from).min().unwrap_or(i64::MAX);
    }
    for server in &mut fleet.servers {
        server.appointments.sort_unstable();
    }
    fleet
}

impl Fleet {
    /// Adds a certificate that is valid from some days after the fleet's first one.
    pub(super) fn certificate(
        &mut self,
        rng: &mut Rng,
        subject: &str,
        issuer: &str,
        names: &[&str],
        days: i64,
    ) -> u32 {
        let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
        let from = self.start + days * DAY + rng.between(0, 86_399) * 1000;
        self.add(Certificate::mint(rng, subject, issuer, &names, from))
    }

    /// Adds a certificate that renews another one.
    pub(super) fn renewal(&mut self, rng: &mut Rng, of: u32, at: i64) -> u32 {
        let from = at - at.rem_euclid(1000) - rng.between(3_600, 200_000) * 1000;
        let renewed = self.certificates[of as usize].renew(rng, from);
        self.add(renewed)
    }

    fn add(&mut self, certificate: Certificate) -> u32 {
        self.certificates.push(certificate);
        (self.certificates.len() - 1) as u32
    }

    /// Adds a public address.
    pub(super) fn address(&mut self, text: String, accepted_from: i64) -> u32 {
        self.addresses.push(Address { text, accepted_from });
        (self.addresses.len() - 1) as u32
    }
}

/// The subject of a public certificate of the organization.
pub(super) fn subject(name: &str) -> String {
    format!("CN={name}, O=Contoso Ltd, L=Dresden, S=Saxony, C=DE")
}

fn guid(rng: &mut Rng) -> String {
    let hex = rng.hex(32).to_lowercase();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Exchange Online with leaves that rotate in the middle, a smart host that renews, the internet.
fn plan_peers(fleet: &mut Fleet, rng: &mut Rng, middle: i64) {
    let mut leaves = Vec::new();
    for issuer in OUTLOOK_ISSUERS {
        let leaf = fleet.certificate(rng, OUTLOOK, issuer, &OUTLOOK_NAMES, -120);
        let mut timeline = Timeline::always(leaf);
        let turn = middle + rng.between(-6, 6) * HOUR;
        timeline.change(turn, fleet.renewal(rng, leaf, turn));
        leaves.push(timeline);
    }
    for index in 0..96 {
        let region = ["AMS", "DB1", "HE1", "VI1", "AM4", "DU2"][index % 6];
        let host = format!("{region}PEPF0000{}", rng.hex(4));
        let network = ["52.101.68", "52.101.73", "104.47.11", "104.47.17"][index % 4];
        fleet.front_doors.push(FrontDoor {
            inner: format!("{host}.eurprd0{}.prod.outlook.com", 1 + index % 5),
            host: format!("{host}.mail.protection.outlook.com"),
            address: format!("{network}.{}:25", rng.between(1, 60)),
            certificate: leaves[index % 2].clone(),
        });
    }
    let host = fleet.smart_host.host.clone();
    let gateway = fleet.certificate(rng, &format!("CN={host}"), PRIVATE_ISSUER, &[&host], -300);
    let mut timeline = Timeline::always(gateway);
    timeline.change(middle + HOUR, fleet.renewal(rng, gateway, middle + HOUR));
    fleet.smart_host.certificate = Some(timeline);
    for (index, domain) in DOMAINS.iter().enumerate().skip(HOSTED) {
        let host = format!("mx{}.{domain}", 1 + index % 3);
        let subject = format!("CN={host}");
        let issuer = "CN=R11, O=Let's Encrypt, C=US";
        let certificate = fleet.certificate(rng, &subject, issuer, &[&host], -40);
        fleet.peers.push(Peer {
            host,
            address: format!("192.0.2.{}:25", 10 + index),
            certificate: (index % 5 != 0).then(|| Timeline::always(certificate)),
            domain,
            latin1: index % 7 == 6,
        });
    }
}

fn plan_server(
    fleet: &mut Fleet,
    rng: &mut Rng,
    outline: &Outline,
    index: usize,
    shared: u32,
) -> Server {
    let width = if outline.servers > 99 { 3 } else { 2 };
    let name = format!("EX{:0width$}", index + 1);
    let host = format!("{name}.corp.contoso.com");
    let known = match outline.matched_by {
        Match::Address => i64::MIN,
        Match::Certificate => i64::MAX,
    };
    let egress = if index % 4 == 2 {
        let first = 4 * (index / 4 % 32);
        (first..first + 4).map(|last| fleet.address(format!("198.51.100.{last}"), known)).collect()
    } else {
        vec![fleet.address(format!("203.0.113.{}", 10 + index), known)]
    };
    let public = if index % 4 == 1 {
        let own = format!("mx{}.contoso.com", index + 1);
        let names = [own.as_str(), "contoso.com"];
        fleet.certificate(rng, &subject(&own), QUOTED_ISSUER, &names, -90)
    } else {
        shared
    };
    let self_signed = format!("CN={name}");
    let names = [name.as_str(), host.as_str()];
    let own = fleet.certificate(rng, &self_signed, &self_signed, &names, -800);
    let mut own = Timeline::always(own);
    if index % 3 == 1 || outline.servers == 1 {
        let at = outline.start + rng.between(outline.days * 30, outline.days * 70) * DAY / 100;
        let renewed = fleet.renewal(rng, *own.at(at).1, at);
        own.change(at, renewed);
    }
    let mut sending: Vec<_> = fleet.connectors.iter().map(|_| Timeline::always(public)).collect();
    sending[INTRA_ORG] = own.clone();
    let mut shares = vec![(RELAY, 60), (HYBRID, 8), (SMART_HOST, 8), (INTRA_ORG, 14)];
    match index % 3 {
        0 => shares.push((INTERNET_COMMA, 10)),
        1 => shares.push((INTERNET_CYRILLIC, 10)),
        _ => {}
    }
    let crash_day = outline.start + outline.days / 2 * DAY;
    let down = crash_day + 16 * HOUR + rng.between(10, 100) * MINUTE + rng.between(0, 59_999);
    let started = outline.start - rng.between(DAY / 2, 20 * DAY);
    Server {
        address: format!("10.1.{}.{}", index / 100, 11 + index % 100),
        form: [Form::C, Form::B, Form::A][index % 3],
        joined_replies: index % 4 == 1,
        layout: if index % 9 == 2 { Layout::Daily } else { Layout::Hourly },
        max_file_bytes: if index % 9 == 1 { 1 << 20 } else { 10 << 20 },
        proxied: index % 9 == 3,
        service_start: ticks(started) + rng.below(10_000),
        restart: (index % 3 == 0).then(|| Restart {
            down,
            up: down + rng.between(40_000, 90_000),
            header_inside: index % 2 == 0,
        }),
        skew_ms: rng.between(-900, 900),
        egress: Timeline::always(egress),
        sending,
        own,
        shares,
        appointments: Vec::new(),
        name,
        host,
    }
}
