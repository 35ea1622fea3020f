//! What a picture needs beyond the answer of `check`: one file of SQL each.

use serde::Deserialize;

use crate::ask::Time;

crate::ask::questions! {
    "report":
    SHOWN "shown",
    HOURS "hours",
    SEEN "seen",
    COVERED "covered",
    UNLOGGED "unlogged",
    CERTIFICATES "certificates",
    EXPIRY "expiry",
    DIAGNOSED "diagnosed",
}

/// A value on one server.
#[derive(Debug, Deserialize)]
pub struct Shown {
    pub kind: String,
    pub organization: String,
    pub connector_id: String,
    pub server: String,
    pub value: String,
    pub first_seen: Time,
    pub last_seen: Time,
}

/// Refusals of one hour.
#[derive(Debug, Deserialize)]
pub struct Hour {
    pub organization: String,
    pub connector_id: String,
    pub server: String,
    pub hour: Time,
    pub refused: i64,
}

/// A time in which a connector was in use.
#[derive(Debug, Deserialize)]
pub struct Seen {
    pub organization: String,
    pub connector_id: String,
    pub server: String,
    pub first_hour: Time,
    pub last_hour: Time,
}

/// Hours in one state.
#[derive(Debug, Deserialize)]
pub struct Covered {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub state: String,
    pub first_hour: Time,
    pub last_hour: Time,
}

/// Hours without logs.
#[derive(Debug, Deserialize)]
pub struct Unlogged {
    pub organization: String,
    pub server: String,
    pub first_hour: Time,
    pub last_hour: Time,
}

/// Facts of a certificate.
#[derive(Debug, Deserialize)]
pub struct Facts {
    pub thumbprint: String,
    pub subject: Option<String>,
    pub issuer: Option<String>,
    pub serial: Option<String>,
    pub not_before: Option<Time>,
    pub not_after: Option<Time>,
    pub names: Option<Vec<String>>,
}

/// A certificate that a server sends now.
#[derive(Debug, Deserialize)]
pub struct Sent {
    pub thumbprint: String,
    pub server: String,
    pub band: Option<String>,
}

/// An incident and its cause.
#[derive(Debug, Deserialize)]
pub struct Diagnosed {
    pub organization: String,
    pub connector_id: String,
    pub server: String,
    pub title: Option<String>,
    pub confidence: Option<String>,
    pub state: Option<String>,
    pub explanation: Option<String>,
    pub fix: Option<String>,
    pub first_refused: Option<Time>,
}
