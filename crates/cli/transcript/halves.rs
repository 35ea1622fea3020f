//! The two halves of a proxied session: the hub's, with the mail, and the front end's, with TLS and
//! the certificate. The front end names the hub's session; the ids are two.

use anyhow::Result;
use datafusion::functions::expr_fn::{btrim, right, starts_with};
use datafusion::functions_aggregate::expr_fn::{count, min};
use datafusion::prelude::{Expr, col, lit};
use serde::Deserialize;

use crate::ask::{Time, records};
use crate::source::Opened;

/// A session that has to do with another one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Half {
    /// Where it was logged.
    pub organization: String,
    pub server: String,
    pub service: String,
    /// Its id.
    pub session_id: String,
    /// The id of the session that it names, else its own.
    pub proxied_session_id: String,
    /// Its connector.
    pub connector_id: Option<String>,
    /// Its first row.
    pub start_time: Time,
    /// Rows found.
    pub rows: i64,
}

/// Front-end sessions that were opened for hub sessions with these ids.
pub async fn proxied_for(opened: &Opened, ids: &[String]) -> Result<Vec<Half>> {
    let ids: Vec<Expr> = ids.iter().map(|id| lit(id.as_str())).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    if !opened.is_raw() {
        let sessions = opened.ctx.table("sessions").await?;
        let sessions = sessions
            .filter(col("proxied_session_id").in_list(ids, false))?
            .select_columns(&[
                "organization",
                "server",
                "service",
                "session_id",
                "proxied_session_id",
                "connector_id",
                "start_time",
                "rows",
            ])?
            .sort_by(vec![col("start_time"), col("server"), col("session_id")])?;
        return records(sessions).await;
    }
    // Raw logs are read through once, and nothing is kept of them but the answer.
    let named = right(btrim(vec![col("context")]), lit(16_i64));
    let rows = opened.ctx.table("events").await?;
    let rows = rows
        .filter(starts_with(
            col("context"),
            lit("attempting to connect. Outbound proxy "),
        ))?
        .filter(named.clone().in_list(ids, false))?
        .select(vec![
            col("organization"),
            col("server"),
            col("service"),
            col("session_id"),
            named.alias("proxied_session_id"),
            col("connector_id"),
            col("event_time"),
        ])?;
    grouped(rows).await
}

/// Where the sessions with these ids were logged.
pub async fn located(opened: &Opened, ids: &[String]) -> Result<Vec<Half>> {
    let ids: Vec<Expr> = ids.iter().map(|id| lit(id.as_str())).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = opened.ctx.table("events").await?;
    let rows = rows
        .filter(col("session_id").in_list(ids, false))?
        .select(vec![
            col("organization"),
            col("server"),
            col("service"),
            col("session_id"),
            col("session_id").alias("proxied_session_id"),
            col("connector_id"),
            col("event_time"),
        ])?;
    grouped(rows).await
}

/// A row per session out of a row per event.
async fn grouped(rows: datafusion::prelude::DataFrame) -> Result<Vec<Half>> {
    let keys = [
        "organization",
        "server",
        "service",
        "session_id",
        "proxied_session_id",
    ];
    let sessions = rows
        .aggregate(
            keys.map(col).into(),
            vec![
                min(col("connector_id")).alias("connector_id"),
                min(col("event_time")).alias("start_time"),
                count(lit(1)).alias("rows"),
            ],
        )?
        .sort_by(vec![col("start_time"), col("server"), col("session_id")])?;
    records(sessions).await
}
