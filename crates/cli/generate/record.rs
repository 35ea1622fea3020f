//! The shape of `truth.json`.

use serde::Serialize;

use super::fleet::Match;

/// The content of `truth.json`.
#[derive(Debug, Serialize)]
pub struct Truth {
    /// What everything follows from.
    pub seed: u64,
    /// See [`Match`].
    pub r#match: Match,
    /// First midnight and the midnight after the last day.
    pub start: String,
    /// See `start`.
    pub end: String,
    /// Folders below this one.
    pub servers: Vec<String>,
    /// By what the tenant knows the fleet, and since when.
    pub inbound: Inbound,
    /// One row per certificate span.
    pub certificate_spans: Vec<CertificateSpan>,
    /// One row per egress span.
    pub egress_spans: Vec<EgressSpan>,
    /// Planted changes of cloud connectors.
    pub drift: Vec<Drift>,
    /// Recipients refused for want of attribution, per connector and server, other tenants' too.
    pub refusals: Vec<Refusals>,
    /// Sums.
    pub totals: Totals,
    /// The story, where one is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scenario: Option<Scenario>,
}

/// What has to be said about a story.
#[derive(Debug, Serialize)]
pub struct Scenario {
    /// As the command line names it.
    pub name: &'static str,
    /// What happens.
    pub tells: &'static str,
    /// Folders that are an organization each; empty where the whole is one.
    pub organizations: Vec<&'static str>,
    /// All that `drift` has to find.
    pub findings: Vec<Finding>,
    /// What `diagnosis` has to say, if anything is to be said.
    pub diagnosis: Option<Diagnosis>,
    /// Exports below `expected/`.
    pub expected: Vec<String>,
}

/// A finding to be made.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// `certificate`, `egress`, …
    pub kind: &'static str,
    /// As the `drift` view classes it.
    pub class: &'static str,
    /// Name of the connector.
    pub connector_id: String,
    /// Name of the server.
    pub server: String,
    /// Mail was refused for it.
    pub breaking: bool,
    /// Value before, where one took the place of another.
    pub before: Option<String>,
    /// Value after.
    pub after: Option<String>,
}

/// A diagnosis to be given.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// Its name.
    pub cause: &'static str,
    /// Name of the connector.
    pub connector_id: String,
    /// Where it holds.
    pub servers: Vec<Incident>,
    /// What has to be done.
    pub fix: &'static str,
    /// Cmdlets of which one does it.
    pub commands: &'static [&'static str],
}

/// An incident on one server.
#[derive(Debug, Serialize)]
pub struct Incident {
    /// Name of the server.
    pub server: String,
    /// Id of the session with the first refusal; none where nothing was refused.
    pub first_refused_session: Option<String>,
    /// Time of that refusal.
    pub first_refused: Option<String>,
    /// Recipients refused, for whatever reason the story has.
    pub refused: u64,
}

/// The tenant's inbound connector.
#[derive(Debug, Serialize)]
pub struct Inbound {
    /// Certificate names; empty under `--match address`.
    pub names: Vec<Known>,
    /// Addresses; empty under `--match certificate`.
    pub addresses: Vec<Known>,
}

/// A name or address on the inbound connector.
#[derive(Debug, Serialize)]
pub struct Known {
    /// The name or address.
    pub value: String,
    /// From when on it stands there; null from the start.
    pub since: Option<String>,
}

/// Where a span or count belongs.
#[derive(Debug, Serialize, Clone)]
pub struct Place {
    /// Always `default`.
    pub organization: &'static str,
    /// Name of the connector.
    pub connector_id: String,
    /// Name of the server.
    pub server: String,
}

/// When a span was, and how much was in it.
#[derive(Debug, Serialize, Clone)]
pub struct Extent {
    /// Start of its first session.
    pub first_seen: String,
    /// Start of its last session.
    pub last_seen: String,
    /// Sessions that showed the value.
    pub sessions: u64,
    /// Recipients refused in them.
    pub refused: u64,
}

/// A span of a certificate sent.
#[derive(Debug, Serialize)]
pub struct CertificateSpan {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// SHA-1.
    pub thumbprint: String,
    /// When and how much.
    #[serde(flatten)]
    pub extent: Extent,
}

/// A span of a public address.
#[derive(Debug, Serialize)]
pub struct EgressSpan {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The address.
    pub egress_ip: String,
    /// When and how much.
    #[serde(flatten)]
    pub extent: Extent,
}

/// A planted change as it was seen.
#[derive(Debug, Serialize)]
pub struct Drift {
    /// `certificate` or `egress`.
    pub kind: &'static str,
    /// As the `drift` view classes it.
    pub class: &'static str,
    /// Recipients were refused because of it.
    pub breaking: bool,
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// Value before.
    pub before: String,
    /// Value after.
    pub after: String,
    /// From when on every new session shows the new value.
    pub changed_at: String,
    /// Start of the first session that showed it.
    pub first_seen: String,
    /// Start of the last session of that span.
    pub last_seen: String,
    /// Recipients refused in that span.
    pub refused_after: u64,
    /// When the tenant accepted again, where it refused.
    pub fixed_at: Option<String>,
}

/// Refused recipients of one connector on one server.
#[derive(Debug, Serialize)]
pub struct Refusals {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// See [`Truth::refusals`].
    pub refused: u64,
}

/// Sums over the fleet.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Log files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their lines: header lines and rows.
    pub lines: u64,
    /// Header lines.
    pub header_lines: u64,
    /// Event rows.
    pub rows: u64,
    /// Sessions with at least one row, failed connections and cut ones included.
    pub sessions: u64,
    /// `MAIL FROM` rows.
    pub transactions: u64,
    /// `RCPT TO` rows.
    pub recipients: u64,
    /// Recipients refused for want of attribution.
    pub refused: u64,
}

#[cfg(test)]
impl Drift {
    /// True if it is a connector's.
    pub fn is_of(&self, connector: &str) -> bool {
        self.place.connector_id == connector
    }
}

#[cfg(test)]
impl Refusals {
    /// True if they are a connector's.
    pub fn is_of(&self, connector: &str) -> bool {
        self.place.connector_id == connector
    }

    /// True if they are a server's.
    pub fn is_at(&self, server: &str) -> bool {
        self.place.server == server
    }
}

impl std::fmt::Display for Drift {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Place {
            connector_id,
            server,
            ..
        } = &self.place;
        write!(
            out,
            "{} {} {} on {server}, \"{connector_id}\": {} refused",
            self.first_seen, self.kind, self.class, self.refused_after
        )
    }
}
