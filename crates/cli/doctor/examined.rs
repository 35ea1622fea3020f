//! The facts that the problems are found in.

use anyhow::Result;
use datafusion::prelude::SessionContext;
use serde::Deserialize;

use crate::ask::Time;

crate::ask::questions! {
    "doctor":
    PLACES "places",
    HOLES "holes",
    CERTIFICATES "certificates",
    SESSIONS "sessions",
    REJECTS "rejects",
    CLOCKS "clocks",
    CONNECTORS "connectors",
}

/// See `places.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub first_row: Option<Time>,
    pub last_row: Option<Time>,
    pub rows: i64,
    pub hours: i64,
    pub files: i64,
    pub bytes: i64,
    pub path: Option<String>,
}

impl Place {
    /// Hours from its first to its last row; at least one.
    pub fn span_hours(&self) -> Option<i64> {
        let span = self.last_row?.0 - self.first_row?.0;
        Some((span / 3_600_000_000).max(1))
    }

    /// Hours that a folder of the default size holds at its rate.
    pub fn kept_hours(&self) -> Option<i64> {
        let bytes = i128::from(self.bytes.max(1));
        let hours = i128::from(self.span_hours()?) * i128::from(super::problems::FOLDER) / bytes;
        i64::try_from(hours).ok()
    }
}

/// See `holes.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Hole {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub first_hour: Time,
    pub last_hour: Time,
    pub hours: i64,
}

/// See `certificates.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Certificate {
    pub thumbprint: String,
    pub organization: String,
    pub server: String,
    pub servers: i64,
    pub last_seen: Time,
    pub subject: Option<String>,
}

/// See `sessions.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Sessions {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub sessions: i64,
    pub heads: i64,
    pub tails: i64,
    pub gaps: i64,
    pub holed: i64,
}

/// See `rejects.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Rejects {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub reason: String,
    pub lines: i64,
    pub path: Option<String>,
    pub line: Option<i64>,
}

/// See `clocks.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Clock {
    pub organization: String,
    pub server: String,
    pub hour: Time,
    pub seconds: i64,
}

/// See `connectors.sql`.
#[derive(Debug, Clone, Deserialize)]
pub struct Connector {
    pub organization: String,
    pub connector_id: String,
    pub role: Option<String>,
    pub server: String,
    pub proxied: i64,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Examined {
    pub places: Vec<Place>,
    pub holes: Vec<Hole>,
    pub certificates: Vec<Certificate>,
    pub sessions: Vec<Sessions>,
    pub rejects: Vec<Rejects>,
    pub clocks: Vec<Clock>,
    pub connectors: Vec<Connector>,
}

impl Examined {
    /// Asks.
    pub async fn of(ctx: &SessionContext) -> Result<Self> {
        Ok(Examined {
            places: PLACES.ask(ctx).await?,
            holes: HOLES.ask(ctx).await?,
            certificates: CERTIFICATES.ask(ctx).await?,
            sessions: SESSIONS.ask(ctx).await?,
            rejects: REJECTS.ask(ctx).await?,
            clocks: CLOCKS.ask(ctx).await?,
            connectors: CONNECTORS.ask(ctx).await?,
        })
    }
}
