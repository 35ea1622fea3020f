//! How a fleet is laid out before anything is written.

use super::calendar::{DAY, HOUR, MINUTE, ticks};
use super::certificate::{Form, field, name_matches};
use super::drift;
use super::fleet::{
    Connector, DOMAINS, Fleet, FrontDoor, HOSTED, HYBRID, Layout, Match, Peer, RELAY, Restart,
    Role, Server, Timeline,
};
use super::rng::Rng;

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
    /// Plant refused certificates on so many servers at least.
    pub incidents: usize,
}

pub(super) const SMART_HOST: usize = 2;
pub(super) const INTRA_ORG: usize = 3;
pub(super) const INTERNET_COMMA: usize = 4;
const INTERNET_CYRILLIC: usize = 5;
pub(super) const EDGE: usize = 6;

pub(super) const ISSUER: &str =
    "CN=DigiCert Global G2 TLS RSA SHA256 2020 CA1, O=DigiCert Inc, C=US";
pub(super) const OTHER_ISSUER: &str =
    "CN=GeoTrust TLS RSA CA G1, OU=www.digicert.com, O=DigiCert Inc, C=US";
pub(super) const QUOTED_ISSUER: &str = "CN=thawte SHA256 SSL CA, O=\"thawte, Inc.\", C=US";
pub(super) const PRIVATE_ISSUER: &str = "CN=Contoso Issuing CA 1, DC=corp, DC=contoso, DC=com";
const OUTLOOK: &str =
    "CN=mail.protection.outlook.com, O=Microsoft Corporation, L=Redmond, S=WA, C=US";
pub(super) const OUTLOOK_ISSUERS: [&str; 2] = [
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

/// Plans a fleet; the same outline gives the same plan.
pub fn plan(outline: &Outline) -> Fleet {
    let mut rng = Rng::new(outline.seed, 0);
    let mut fleet = lay_out(outline, &mut rng);
    if outline.drift {
        drift::plant(&mut fleet, &mut rng, outline.days, outline.incidents);
    }
    settle(&mut fleet);
    fleet
}

/// The fleet before anything happens to it.
pub(super) fn lay_out(outline: &Outline, rng: &mut Rng) -> Fleet {
    let end = outline.start + outline.days * DAY;
    let middle = outline.start + (end - outline.start) / 2;
    let guid = guid(rng);
    let mut fleet = Fleet {
        matched_by: outline.matched_by,
        start: outline.start,
        end,
        connectors: [
            ("Outbound to Office 365".to_string(), Role::CloudRelay),
            (
                format!("Outbound to Office 365 - {guid}"),
                Role::CloudHybrid,
            ),
            ("Smarthost Archiv".to_string(), Role::SmartHost),
            (
                "Intra-Organization SMTP Send Connector".to_string(),
                Role::IntraOrg,
            ),
            ("Ausgehend, Standard".to_string(), Role::Internet),
            ("Интернет".to_string(), Role::Internet),
            ("EdgeSync - Dresden to Internet".to_string(), Role::Edge),
        ]
        .map(|(name, role)| Connector {
            field: field(&name),
            name,
            role,
        })
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
    plan_peers(&mut fleet, rng, middle);
    let shared = [
        "mail.contoso.com",
        "autodiscover.contoso.com",
        "contoso.com",
    ];
    let shared = fleet.certificate(rng, &subject("mail.contoso.com"), ISSUER, &shared, -200);
    for index in 0..outline.servers {
        let server = plan_server(&mut fleet, rng, outline, index, shared);
        fleet.servers.push(server);
    }
    fleet
}

/// Works out what follows from the plan: which certificates the tenant knows, and in which order
/// appointed sessions come.
pub(super) fn settle(fleet: &mut Fleet) {
    let names = fleet.inbound_names.clone();
    for certificate in &mut fleet.certificates {
        let known = names.iter().filter(|(_, connector)| {
            certificate
                .names
                .iter()
                .any(|name| name_matches(connector, name))
        });
        certificate.accepted_from = known.map(|(from, _)| *from).min().unwrap_or(i64::MAX);
    }
    for server in &mut fleet.servers {
        server.appointments.sort_unstable();
    }
}

/// The subject of a public certificate of the organization.
pub(super) fn subject(name: &str) -> String {
    format!("CN={name}, O=Contoso Ltd, L=Dresden, S=Saxony, C=DE")
}

pub(super) fn guid(rng: &mut Rng) -> String {
    let hex = rng.hex(32).to_lowercase();
    [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ]
    .join("-")
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
            number: index,
            six: format!("[2a01:111:f403:c2{:02x}::{}]:25", index % 4, 1 + index / 4),
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
        (first..first + 4)
            .map(|last| fleet.address(format!("198.51.100.{last}"), known))
            .collect()
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
    let mut sending: Vec<_> = fleet
        .connectors
        .iter()
        .map(|_| Timeline::always(public))
        .collect();
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
        layout: if index % 9 == 2 {
            Layout::Daily
        } else {
            Layout::Hourly
        },
        max_file_bytes: if index % 9 == 1 { 1 << 20 } else { 10 << 20 },
        proxied: index % 9 == 3,
        service_start: ticks(started) + rng.below(10_000),
        restart: index.is_multiple_of(3).then(|| Restart {
            down,
            up: down + rng.between(40_000, 90_000),
            header_inside: index.is_multiple_of(2),
        }),
        skew_ms: rng.between(-900, 900),
        egress: Timeline::always(egress),
        sending,
        own,
        shares,
        appointments: Vec::new(),
        effects: Vec::new(),
        parent: "",
        name,
        host,
    }
}
