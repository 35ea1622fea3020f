//! A fleet: its servers, connectors, certificates and addresses, and what changes when.

use serde::Serialize;

use super::calendar::DAY;
use super::certificate::{Certificate, Form};
use super::effect::Effect;
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
    /// A subscribed Edge server.
    Edge,
    /// The recipients' own servers.
    Internet,
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

    /// All values, in order of time.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// The first change after a time, `i64::MAX` if there is none.
    pub fn next_change(&self, time: i64) -> i64 {
        self.0
            .iter()
            .map(|(from, _)| *from)
            .find(|from| *from > time)
            .unwrap_or(i64::MAX)
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
    /// The folder that its own folder lies in; empty for the fleet's.
    pub parent: &'static str,
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
    /// What else happens to its sessions, the later ones above the earlier ones.
    pub effects: Vec<Effect>,
}

/// A front door of Exchange Online.
#[derive(Debug)]
pub struct FrontDoor {
    /// Its place among the others.
    pub number: usize,
    /// As its banner names it.
    pub host: String,
    /// As a refusal names it.
    pub inner: String,
    /// Public address.
    pub address: String,
    /// Public address of IPv6.
    pub six: String,
    /// The certificate received from it.
    pub certificate: Timeline<u32>,
}

impl FrontDoor {
    /// The endpoint that a server seen under `address` connects to: one of the same family.
    pub fn endpoint(&self, address: &Address) -> &str {
        match address.text.contains(':') {
            true => &self.six,
            false => &self.address,
        }
    }
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

/// Index of the relay connector in [`Fleet::connectors`].
pub const RELAY: usize = 0;
/// Index of the hybrid connector.
pub const HYBRID: usize = 1;
/// The tenant's own routing domain.
pub const TENANT: &str = "contoso.mail.onmicrosoft.com";
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

    /// Adds any certificate.
    pub(super) fn add(&mut self, certificate: Certificate) -> u32 {
        self.certificates.push(certificate);
        (self.certificates.len() - 1) as u32
    }

    /// Adds a public address.
    pub(super) fn address(&mut self, text: String, accepted_from: i64) -> u32 {
        self.addresses.push(Address {
            text,
            accepted_from,
        });
        (self.addresses.len() - 1) as u32
    }
}
