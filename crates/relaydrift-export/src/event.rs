//! The canonical event: what there is to tell a SIEM, before any format has its say.

use std::cell::RefCell;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// One record on its way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The same rows give the same key, in this run and in any other: a receiver drops repeats by it.
    pub key: String,
    /// When it happened: microseconds since 1970 in UTC, like every time here.
    pub time: i64,
    /// When this run reported it.
    pub reported: i64,
    /// Told so late that nobody is to be woken: a back-fill. No format raises an alert for it.
    pub historic: bool,
    /// The forest.
    pub organization: String,
    /// The send connector's name.
    pub connector: String,
    /// What the connector is for, see the view `connectors`.
    pub role: Option<String>,
    /// The server; of an incident the one that was hit first.
    pub server: String,
    /// What is told.
    pub fact: Fact,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// Something to act on: one alert, however many servers.
    Incident(Box<Incident>),
    /// A mail transaction that was refused: telemetry.
    Refusal(Box<Refusal>),
    /// An SMTP session: telemetry.
    Session(Box<Session>),
}

/// Who is to act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Those who run the servers: renewals, expiry, roll-outs.
    Operations,
    /// Those who defend them: interception, strange certificates and addresses.
    Security,
}

impl Stream {
    /// `operations` or `security`.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Operations => "operations",
            Stream::Security => "security",
        }
    }
}

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Told for the first time.
    New,
    /// Told before, and more is known.
    Updated,
    /// Over.
    Closed,
}

impl State {
    /// `new`, `updated` or `closed`.
    pub fn name(self) -> &'static str {
        match self {
            State::New => "new",
            State::Updated => "updated",
            State::Closed => "closed",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Soon.
    Low,
    /// At risk.
    Medium,
    /// Mail of one server is refused.
    High,
    /// Mail of all servers is refused.
    Critical,
}

impl Severity {
    /// Reads the word that the views use.
    pub fn parse(word: &str) -> Option<Severity> {
        Some(match word {
            "info" => Severity::Info,
            "low" => Severity::Low,
            "medium" => Severity::Medium,
            "high" => Severity::High,
            "critical" => Severity::Critical,
            _ => return None,
        })
    }

    /// The word that the views use.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Something to act on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Hash of organization, connector, cause and opening time: the same as long as it lasts.
    pub uid: String,
    /// Where it stands.
    pub state: State,
    /// Counts up with what is known of it.
    pub revision: i64,
    /// Who is to act.
    pub stream: Stream,
    /// How bad it is; see [`Event::severity`] for what to show.
    pub severity: Severity,
    /// What changed: `certificate`, `egress`, `tls`, …
    pub kind: String,
    /// How it changed: `renamed`, `moved`, `expiring`, …
    pub class: String,
    /// Whether mail was refused for it.
    pub breaking: bool,
    /// What happened, in a sentence.
    pub detail: String,
    /// Why, where a diagnosis says so.
    pub cause: Option<String>,
    /// How sure it is: `proved` by refusals and relays, else `high`, `medium` or `low`.
    pub confidence: Option<String>,
    /// What to do.
    pub fix: Option<String>,
    /// Where to read on, where there is a better place than the article on refusals.
    pub link: Option<String>,
    /// What was not visible.
    pub coverage: Option<String>,
    /// The change that was announced for this time, if there was one.
    pub planned_change: Option<String>,
    /// Tenant, where an import named it.
    pub tenant: Option<String>,
    /// The connector's GUID, where an import named it.
    pub connector_guid: Option<String>,
    /// When it began: the time of the new value's first session.
    pub opened: i64,
    /// When the last row came that decided something about it.
    pub updated: i64,
    /// When it was over.
    pub closed: Option<i64>,
    /// The last relayed mail before it.
    pub last_good: Option<i64>,
    /// Recipients refused.
    pub refused: i64,
    /// The servers that were hit, in the order of time; never empty.
    pub servers: Vec<Affected>,
    /// The certificate before, where it is about certificates.
    pub before: Option<Certificate>,
    /// The certificate after, where it is about certificates.
    pub after: Option<Certificate>,
    /// Sender domains that were refused.
    pub sender_domains: Vec<String>,
}

/// One server in an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The server.
    pub server: String,
    /// The finding's own key, as the view `drift` has it.
    pub key: String,
    /// The value before.
    pub before: Option<String>,
    /// The value after.
    pub after: Option<String>,
    /// When the new value first showed.
    pub occurred: i64,
    /// The time of the row that decided it.
    pub detected: i64,
    /// The session that decided it.
    pub session: Option<String>,
    /// Recipients refused.
    pub refused: i64,
}

/// A certificate, as far as logs spelled it out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// SHA-1 in upper-case hex.
    pub thumbprint: String,
    /// SHA-256 in upper-case hex, where the certificate itself was imported: logs have only the thumbprint.
    pub sha256: Option<String>,
    /// Distinguished name.
    pub subject: Option<String>,
    /// Distinguished name.
    pub issuer: Option<String>,
    /// Upper-case hex.
    pub serial: Option<String>,
    /// Valid from.
    pub not_before: Option<i64>,
    /// Valid until.
    pub not_after: Option<i64>,
    /// DNS names.
    pub names: Vec<String>,
}

/// An end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Address in its usual text form.
    pub ip: Option<String>,
    /// Port.
    pub port: Option<i64>,
    /// Name.
    pub host: Option<String>,
}

/// A place in the logs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The source, see the table `sources`.
    pub source: Option<String>,
    /// Line, counted from 1.
    pub line: Option<i64>,
}

/// A mail transaction with refused recipients.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// `Hub`, `FrontEnd`, …
    pub service: Option<String>,
    /// The session.
    pub session: String,
    /// Place of the refusing reply.
    pub origin: Origin,
    /// This server.
    pub local: Endpoint,
    /// Exchange Online.
    pub remote: Endpoint,
    /// `550`
    pub code: Option<i64>,
    /// `5.7.64`
    pub enhanced: Option<String>,
    /// `ATTR36`
    pub attr: Option<String>,
    /// The reply's text.
    pub text: Option<String>,
    /// Recipients refused.
    pub refused: i64,
    /// Domain of the sender; empty for the null sender.
    pub sender_domain: Option<String>,
    /// Domains of refused recipients.
    pub recipient_domains: Vec<String>,
    /// Mailboxes, only where they were asked for: the sender.
    pub sender: Option<String>,
    /// Mailboxes, only where they were asked for: the recipients.
    pub recipients: Vec<String>,
    /// `Message-ID` without its brackets.
    pub message_id: Option<String>,
    /// The certificate that this server sent in the session.
    pub thumbprint: Option<String>,
    /// The address that Exchange Online saw.
    pub egress_ip: Option<String>,
}

/// An SMTP session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// `Hub`, `FrontEnd`, …
    pub service: Option<String>,
    /// The session.
    pub session: String,
    /// Place of its first row.
    pub origin: Origin,
    /// Its last row's time.
    pub end: i64,
    /// This server.
    pub local: Endpoint,
    /// The peer.
    pub remote: Endpoint,
    /// `eop`, `exchange_internal`, `other`
    pub peer_kind: Option<String>,
    /// The name in EHLO.
    pub ehlo_name: Option<String>,
    /// The address that Exchange Online saw.
    pub egress_ip: Option<String>,
    /// `TLS1.2`, as the log writes it.
    pub tls_protocol: Option<String>,
    /// Cipher.
    pub tls_cipher: Option<String>,
    /// Why TLS failed.
    pub tls_error: Option<String>,
    /// The certificate that this server sent.
    pub sent: Option<Certificate>,
    /// Messages.
    pub messages: i64,
    /// Recipients accepted.
    pub accepted: i64,
    /// Recipients refused for want of attribution.
    pub refused: i64,
    /// How it ended.
    pub outcome: Option<String>,
    /// Why it was closed.
    pub disconnect_reason: Option<String>,
}

impl Event {
    /// The severity to show: a back-fill raises nothing.
    pub fn severity(&self) -> Severity {
        match &self.fact {
            _ if self.historic => Severity::Info,
            Fact::Incident(incident) => incident.severity,
            // The reply that matters, though telemetry.
            Fact::Refusal(_) => Severity::Medium,
            Fact::Session(_) => Severity::Info,
        }
    }

    /// Whether a receiver should raise an alert: an incident that is no back-fill.
    pub fn alerts(&self) -> bool {
        !self.historic && matches!(self.fact, Fact::Incident(_))
    }

    /// What it is, without variable data: `smtp_session`, `smtp_refusal`, `certificate_renamed`, …
    pub fn name(&self) -> String {
        match &self.fact {
            Fact::Incident(incident) => format!("{}_{}", incident.kind, incident.class),
            Fact::Refusal(_) => "smtp_refusal".to_owned(),
            Fact::Session(_) => "smtp_session".to_owned(),
        }
    }

    /// The same for a person: `Certificate renamed`.
    pub fn title(&self) -> String {
        let name = match &self.fact {
            Fact::Refusal(_) => return "Mail refused for want of attribution".to_owned(),
            Fact::Session(_) => return "SMTP session".to_owned(),
            Fact::Incident(_) => self.name().replace('_', " "),
        };
        let mut chars = name.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect()
    }
}

impl Incident {
    /// The servers' names, each once, in order.
    pub fn server_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for affected in &self.servers {
            if !names.contains(&affected.server.as_str()) {
                names.push(&affected.server);
            }
        }
        names
    }

    /// The egress addresses before and after, where it is about addresses.
    pub fn addresses(&self) -> Vec<&str> {
        let mut all: Vec<&str> = Vec::new();
        if self.kind == "egress" {
            for affected in &self.servers {
                let values = [&affected.before, &affected.after];
                for value in values.into_iter().flatten() {
                    if !all.contains(&value.as_str()) {
                        all.push(value);
                    }
                }
            }
        }
        all
    }

    /// The certificates before and after.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.before.iter().chain(&self.after)
    }

    /// The value before and after of the server that was hit first.
    pub fn change(&self) -> (Option<&str>, Option<&str>) {
        let first = self.servers.first();
        (
            first.and_then(|first| first.before.as_deref()),
            first.and_then(|first| first.after.as_deref()),
        )
    }

    /// MITRE ATT&CK technique and tactic; only what concerns security has one.
    pub fn attack(&self) -> Option<Attack> {
        if self.stream != Stream::Security {
            return None;
        }
        Some(match (self.kind.as_str(), self.class.as_str()) {
            ("certificate", _) => Attack {
                technique: "T1649",
                technique_name: "Steal or Forge Authentication Certificates",
                tactic: "TA0006",
                tactic_name: "Credential Access",
            },
            ("egress", _) => Attack {
                technique: "T1090",
                technique_name: "Proxy",
                tactic: "TA0011",
                tactic_name: "Command and Control",
            },
            ("connector", _)
            | (
                "diagnosis",
                "blocked_connector" | "tenant_blocked" | "cloud_side_changed"
                | "connector_disabled" | "shared_tenant",
            ) => Attack {
                technique: "T1199",
                technique_name: "Trusted Relationship",
                tactic: "TA0001",
                tactic_name: "Initial Access",
            },
            _ => Attack {
                technique: "T1557",
                technique_name: "Adversary-in-the-Middle",
                tactic: "TA0006",
                tactic_name: "Credential Access",
            },
        })
    }

    /// Every hash of the certificates before and after.
    pub fn hashes(&self) -> impl Iterator<Item = &str> {
        self.certificates()
            .flat_map(|one| [Some(one.thumbprint.as_str()), one.sha256.as_deref()])
            .flatten()
    }

    /// An article on what was found.
    pub fn runbook(&self) -> &str {
        self.link.as_deref().unwrap_or(
            "https://learn.microsoft.com/en-us/exchange/troubleshoot/email-delivery/ndr/relay-access-denied-smtp",
        )
    }
}

/// A technique and its tactic of MITRE ATT&CK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attack {
    /// `T1557`
    pub technique: &'static str,
    /// Its name.
    pub technique_name: &'static str,
    /// `TA0006`
    pub tactic: &'static str,
    /// Its name.
    pub tactic_name: &'static str,
}

/// Who is to act on a change of this kind and class, or on an incident with this cause.
pub fn stream(kind: &str, class: &str) -> Stream {
    let security = matches!(
        (kind, class),
        ("tls" | "peer", "intercepted" | "stripped")
            | ("egress", "outside_expected")
            | ("certificate", "unknown" | "unlisted")
            | ("connector", _)
    );
    if security {
        Stream::Security
    } else {
        Stream::Operations
    }
}

/// A fleet has few certificates, and each has many events: names are read once.
fn names<T: Clone>(
    memory: &'static std::thread::LocalKey<RefCell<HashMap<String, T>>>,
    of: String,
    read: impl FnOnce(&str) -> T,
) -> T {
    const MOST: usize = 256;
    memory.with_borrow_mut(|known| {
        if let Some(value) = known.get(&of) {
            return value.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let value = read(&of);
        known.insert(of, value.clone());
        value
    })
}

thread_local! {
    static ATTRIBUTES: RefCell<HashMap<String, Option<String>>> = RefCell::default();
    static OWN: RefCell<HashMap<String, bool>> = RefCell::default();
}

/// The value of an attribute of a distinguished name.
pub(crate) fn dn_attribute(dn: Option<&str>, kind: &str) -> Option<String> {
    let of = format!("{kind}\0{}", dn?);
    names(&ATTRIBUTES, of, |_| {
        relaydrift_parse::dn::attribute(dn.unwrap_or_default(), kind)
    })
}

impl Certificate {
    /// The common name in the subject.
    pub fn common_name(&self) -> Option<String> {
        dn_attribute(self.subject.as_deref(), "CN")
    }

    /// Whether subject and issuer are the same name.
    pub fn is_self_signed(&self) -> Option<bool> {
        let (subject, issuer) = (self.subject.as_deref()?, self.issuer.as_deref()?);
        let of = format!("{subject}\0{issuer}");
        Some(names(&OWN, of, |_| {
            relaydrift_parse::dn::equal(subject, issuer)
        }))
    }

    /// `<I>issuer<S>subject`: what Exchange calls `TlsCertificateName`.
    pub fn tls_certificate_name(&self) -> Option<String> {
        let (issuer, subject) = (self.issuer.as_deref()?, self.subject.as_deref()?);
        Some(format!("<I>{issuer}<S>{subject}"))
    }
}

impl Session {
    /// `1.2` of `TLS1.2`, `SP_PROT_TLS1_2_CLIENT` and the like.
    pub fn tls_version(&self) -> Option<&'static str> {
        let text = self.tls_protocol.as_deref()?;
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        Some(match digits.as_str() {
            // Schannel's numbers stand for versions without a name in older Exchange.
            "13" | "8192" => "1.3",
            "12" | "2048" => "1.2",
            "11" | "512" => "1.1",
            "1" | "10" | "128" => "1.0",
            _ => return None,
        })
    }
}

impl Refusal {
    /// `550 5.7.64`
    pub fn status(&self) -> String {
        let code = self.code.map(|code| code.to_string());
        let parts = [code.as_deref(), self.enhanced.as_deref()];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
    }
}

impl Endpoint {
    /// True for an address with colons.
    pub fn is_v6(&self) -> bool {
        self.ip.as_deref().is_some_and(|ip| ip.contains(':'))
    }
}

/// A key of 32 hex digits for whatever makes a record the one it is.
pub fn key(of: &[u8]) -> String {
    blake3::hash(of).to_hex()[..32].to_owned()
}
