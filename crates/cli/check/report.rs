//! What a check found: everything that is printed, for eyes or machines, comes from here.

use serde::{Deserialize, Serialize};

use super::ask::Time;
use crate::diagnose::incident::Row;

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The sentence that comes first.
    pub verdict: Verdict,
    /// What the logs reach over.
    pub extent: Extent,
    /// Connectors toward Exchange Online, each with what was found.
    pub connectors: Vec<Cloud>,
    /// All other connectors.
    pub other_connectors: Vec<Connector>,
    /// Hours without logs.
    pub gaps: Vec<Gap>,
    /// Lines that could not be read.
    pub rejects: Vec<Rejects>,
    /// Bytes of last lines without a line end: not read yet.
    pub pending_bytes: u64,
    /// Files left out or not readable.
    pub skipped: Vec<Left>,
    /// Notices about the input.
    pub notices: Vec<String>,
    /// Why mail was refused, with the expectation that was given: a row per incident and server.
    pub diagnosis: Option<Vec<Row>>,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Mail is refused because of a change.
    Breaking,
    /// Mail is refused, and nothing changed in these logs.
    Refused,
    /// Mail was refused because of a change and is relayed again.
    Repaired,
    /// Something changed, nothing is refused for it.
    Changed,
    /// Nothing changed.
    NoDrift,
    /// No connector toward Exchange Online.
    NoCloudConnector,
}

/// The sentence that comes first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// How bad it is.
    pub state: State,
    /// In words.
    pub text: String,
    /// Findings that broke mail, inside `--since`.
    pub breaking: usize,
    /// From when on changes count.
    pub since: Option<Time>,
}

/// What the logs reach over.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Extent {
    /// Time of the first row.
    pub first_row: Option<Time>,
    /// Time of the last row.
    pub last_row: Option<Time>,
    /// Log rows.
    pub rows: Option<i64>,
    /// Servers with rows.
    pub servers: i64,
    /// Organizations with rows.
    pub organizations: i64,
    /// Files read.
    #[serde(default)]
    pub files: u64,
    /// Bytes read, decompressed.
    #[serde(default)]
    pub bytes: u64,
}

/// A connector and its role.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connector {
    pub organization: String,
    pub connector_id: String,
    pub role: String,
    pub evidence: String,
    pub first_seen: Option<Time>,
    pub last_seen: Option<Time>,
    pub servers: i64,
    pub sessions: i64,
}

impl Connector {
    /// True where Exchange Online must attribute the mail.
    pub fn is_cloud(&self) -> bool {
        matches!(self.role.as_str(), "cloud_hybrid" | "cloud_relay")
    }
}

/// A connector toward Exchange Online.
#[derive(Debug, Clone, Serialize)]
pub struct Cloud {
    /// Which one.
    #[serde(flatten)]
    pub connector: Connector,
    /// What its servers present now.
    pub presented: Vec<Presented>,
    /// What changed, oldest first.
    pub changes: Vec<Change>,
    /// What was refused.
    pub refused: Vec<Refused>,
    /// What to do next.
    pub next_steps: Vec<Step>,
}

/// A certificate or address that a server presents now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Presented {
    /// `certificate` or `egress`.
    pub kind: String,
    #[serde(skip_serializing)]
    pub organization: String,
    #[serde(skip_serializing)]
    pub connector_id: String,
    pub server: String,
    /// SHA-1 thumbprint or address.
    pub value: String,
    pub subject: Option<String>,
    pub issuer: Option<String>,
    /// The common name of the issuer.
    pub issued_by: Option<String>,
    pub serial: Option<String>,
    pub not_before: Option<Time>,
    pub not_after: Option<Time>,
    pub names: Option<Vec<String>>,
    pub first_seen: Time,
    pub last_seen: Time,
    /// Nothing else was seen there before it.
    pub from_start: bool,
    pub sessions: i64,
    pub accepted: Option<i64>,
    /// Recipients refused since then.
    pub refused: i64,
    pub last_refused: Option<Time>,
    /// File of the first row of the first session that showed it.
    pub path: Option<String>,
    pub line: Option<i64>,
}

/// A finding.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Change {
    pub key: String,
    pub found_at: Time,
    /// `certificate`, `egress`, `tls`, `peer` or `silence`.
    pub kind: String,
    pub class: String,
    pub severity: String,
    pub breaking: bool,
    #[serde(skip_serializing)]
    pub organization: String,
    #[serde(skip_serializing)]
    pub connector_id: String,
    pub role: String,
    pub server: String,
    pub before: Option<String>,
    pub before_subject: Option<String>,
    pub before_names: Option<Vec<String>>,
    pub after: String,
    pub after_subject: Option<String>,
    pub after_names: Option<Vec<String>>,
    pub first_seen: Time,
    /// When the new value was last seen.
    pub last_seen: Option<Time>,
    /// The last proved relay before.
    pub last_good: Option<Time>,
    pub refused_after: i64,
    pub first_refused: Option<Time>,
    pub last_refused: Option<Time>,
    pub session_id: Option<String>,
    pub detail: String,
    /// What the change board calls it, where it was planned.
    pub planned_change_id: Option<String>,
    /// File and line of the deciding row.
    pub path: Option<String>,
    pub line: Option<i64>,
    /// The first proved relay after the last refusal.
    pub relayed_again: Option<Time>,
    /// A later change took its place.
    #[serde(default)]
    pub replaced: bool,
}

impl Change {
    /// One value took the place of another; otherwise a state is told that a change may end.
    pub fn is_change(&self) -> bool {
        let state = ["missing", "diverged", "expiring", "expired"];
        matches!(self.kind.as_str(), "certificate" | "egress")
            && !state.contains(&self.class.as_str())
    }

    /// Nothing was refused yet, but what it shows matches no inbound connector of the tenant.
    pub fn is_foretold(&self) -> bool {
        self.breaking && self.refused_after == 0
    }

    /// Mail is refused for it still, or will be.
    pub fn is_open(&self) -> bool {
        self.breaking && self.relayed_again.is_none() && !self.replaced
    }
}

/// What Exchange Online answered to a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Refused {
    #[serde(skip_serializing)]
    pub organization: String,
    #[serde(skip_serializing)]
    pub connector_id: String,
    /// The server that showed certificate and address: the front end, where mail went through one.
    pub server: String,
    pub code: Option<i64>,
    pub enhanced: Option<String>,
    pub attr: Option<String>,
    pub text: Option<String>,
    /// Recipients.
    pub refused: i64,
    pub transactions: i64,
    pub sessions: i64,
    pub first_refused: Time,
    pub last_refused: Time,
    pub first_path: Option<String>,
    pub first_line: Option<i64>,
    pub last_path: Option<String>,
    pub last_line: Option<i64>,
    /// `attribution`, or another reason; see `failed_mail`.
    pub family: String,
    /// What the other reason is.
    pub title: Option<String>,
    /// The first proved relay there after the last refusal.
    pub relayed_again: Option<Time>,
}

impl Refused {
    /// For want of attribution, which certificate and address decide.
    pub fn is_attribution(&self) -> bool {
        self.family == "attribution"
    }

    /// For good: it bounced and must be sent again. Otherwise the server tries again by itself.
    pub fn is_bounced(&self) -> bool {
        self.code.is_some_and(|code| code >= 500)
    }

    /// Mail was relayed again, and an hour of logs has passed without another refusal.
    pub fn is_over(&self, last_row: Option<Time>) -> bool {
        const HOUR: i64 = 3_600_000_000;
        self.relayed_again.is_some()
            && last_row.is_some_and(|last| last.0 - self.last_refused.0 >= HOUR)
    }
}

/// One thing to do, and the command for it, which only reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What, and what to compare.
    pub text: String,
    /// A line to paste.
    pub command: Option<String>,
}

/// Hours in which a server and service wrote nothing.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Gap {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub first_hour: Time,
    /// The end of the last hour.
    pub last_hour: Time,
    pub hours: i64,
}

/// Lines that could not be read, for one reason.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rejects {
    pub reason: String,
    pub lines: i64,
    /// The first of them.
    pub path: Option<String>,
    pub line: Option<i64>,
}

/// A file left out.
#[derive(Debug, Clone, Serialize)]
pub struct Left {
    pub path: String,
    pub reason: String,
    /// It could not be read; otherwise it is no send log.
    pub error: bool,
}
