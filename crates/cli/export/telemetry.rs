//! Refusals and sessions become events, row by row: batch by batch of a lake, in the order of time
//! where a position has to be kept.

use std::ops::Range;

use anyhow::{Context, Result};
use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use datafusion::common::{JoinType, ScalarValue};
use datafusion::functions::expr_fn::date_trunc;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{DataFrame, Expr, SessionContext, col, lit};
use futures::StreamExt;
use relaydrift_export::{Certificate, Endpoint, Event, Fact, Origin, Refusal, Session};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::args::What;
use super::incidents::hash;
use super::memory::Position;
use super::{MAILBOXES, REFUSALS, SESSIONS};
use crate::ask::Time;
use crate::output;

const DAY: i64 = 86_400_000_000;
const MINUTE: i64 = 60_000_000;

/// So many rows are put in order at once, unless one minute has more: memory does not follow the size of a batch.
const WINDOW: i64 = 16_384;

/// Which rows, and in which order.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// From this time on.
    pub since: Option<i64>,
    /// Before this time.
    pub until: Option<i64>,
    /// Mailboxes too.
    pub mailboxes: bool,
    /// Only what is whole and lies behind this position, in order.
    pub after: Option<Position>,
}

/// A row of a question about telemetry.
pub trait Row: DeserializeOwned {
    /// Its place in the order in which telemetry travels.
    fn position(&self) -> Position;
    /// The event that it is.
    fn event(self, reported: i64) -> Event;
}

/// Hands every chosen row to `take`; with a position behind which to go on, batch by batch in order.
pub async fn each<R: Row>(
    ctx: &SessionContext,
    what: What,
    choice: &Choice,
    mut take: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let Some(after) = &choice.after else {
        return stream(question(ctx, what, choice).await?, &mut take).await;
    };
    let time = if what == What::Sessions {
        "start_time"
    } else {
        "found_at"
    };
    let order = [time, "source_id", "line"].map(|name| col(name).sort(true, true));
    let mut later = |row: R| {
        if row.position() > *after {
            take(row)
        } else {
            Ok(())
        }
    };
    for batch in batches(ctx, after.batch).await? {
        // Sessions that are not over yet come with a later batch.
        let mut rows = question(ctx, what, choice)
            .await?
            .filter(col("batch").eq(lit(batch)))?
            .filter(col("open").is_not_true())?;
        if batch == after.batch {
            rows = rows.filter(col(time).gt_eq(at(after.time)))?;
        }
        for window in windows(&rows, time, WINDOW).await? {
            let (from, to) = (at(window.start), at(window.end));
            let within = rows
                .clone()
                .filter(col(time).gt_eq(from).and(col(time).lt(to)))?;
            stream(within.sort(order.to_vec())?, &mut later).await?;
        }
    }
    Ok(())
}

/// Spans of whole minutes, one after another, that hold all rows: at most so many each where no minute has more.
async fn windows(rows: &DataFrame, time: &str, most: i64) -> Result<Vec<Range<i64>>> {
    let minute = date_trunc(lit("minute"), col(time)).alias("minute");
    let counted = rows
        .clone()
        .aggregate(vec![minute], vec![count(lit(1)).alias("rows")])?
        .sort(vec![col("minute").sort(true, true)])?;
    let (mut windows, mut held): (Vec<Range<i64>>, i64) = (Vec::new(), 0);
    for batch in counted.collect().await? {
        let minutes = batch.column(0).as_primitive::<TimestampMicrosecondType>();
        let counts = batch.column(1).as_primitive::<Int64Type>();
        for (start, count) in minutes.iter().flatten().zip(counts.values()) {
            let end = start.saturating_add(MINUTE);
            match windows.last_mut() {
                Some(last) if held + count <= most => last.end = end,
                _ => {
                    windows.push(start..end);
                    held = 0;
                }
            }
            held += count;
        }
    }
    Ok(windows)
}

/// The batches from this one on, oldest first.
async fn batches(ctx: &SessionContext, from: i64) -> Result<Vec<i64>> {
    let sources = ctx.table("sources").await?;
    let batches = sources
        .filter(col("batch").gt_eq(lit(from)))?
        .select_columns(&["batch"])?
        .distinct()?;
    let mut all: Vec<i64> = Vec::new();
    for batch in batches.collect().await? {
        all.extend(batch.column(0).as_primitive::<Int64Type>().iter().flatten());
    }
    all.sort_unstable();
    Ok(all)
}

async fn question(ctx: &SessionContext, what: What, choice: &Choice) -> Result<DataFrame> {
    let question = if what == What::Sessions {
        SESSIONS
    } else {
        REFUSALS
    };
    let time = if what == What::Sessions {
        "start_time"
    } else {
        "found_at"
    };
    let mut rows = ctx
        .sql(question.sql)
        .await
        .with_context(|| format!("the question {} was not answered", question.name))?;
    if let Some(since) = choice.since {
        rows = rows.filter(col(time).gt_eq(at(since)))?;
    }
    if let Some(until) = choice.until {
        rows = rows.filter(col(time).lt(at(until)))?;
    }
    if choice.mailboxes && what == What::Refusals {
        let of = [
            "organization",
            "server",
            "service",
            "session_id",
            "source_id",
            "line",
        ];
        let theirs = of.map(|name| format!("of_{name}"));
        let theirs: Vec<&str> = theirs.iter().map(String::as_str).collect();
        let mailboxes = ctx.sql(MAILBOXES.sql).await?;
        rows = rows.join(mailboxes, JoinType::Left, &of, &theirs, None)?;
    }
    Ok(rows)
}

async fn stream<R: Row>(rows: DataFrame, take: &mut impl FnMut(R) -> Result<()>) -> Result<()> {
    let mut rows = rows.execute_stream().await?;
    while let Some(batch) = rows.next().await {
        for row in output::objects(&batch?)? {
            take(serde_json::from_slice(&row)?)?;
        }
    }
    Ok(())
}

fn at(micros: i64) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(
        Some(micros),
        Some("UTC".into()),
    ))
}

/// A row of the question `refusals`.
#[derive(Debug, Deserialize)]
pub struct RefusalRow {
    found_at: Time,
    organization: String,
    connector_id: Option<String>,
    role: Option<String>,
    server: Option<String>,
    service: Option<String>,
    session_id: Option<String>,
    source_id: Option<String>,
    line: Option<i64>,
    code: Option<i64>,
    enhanced: Option<String>,
    attr: Option<String>,
    text: Option<String>,
    sender_domain: Option<String>,
    refused: i64,
    refused_domains: Option<Vec<Option<String>>>,
    thumbprint: Option<String>,
    egress_ip: Option<String>,
    message_id: Option<String>,
    batch: i64,
    local_ip: Option<String>,
    local_port: Option<i64>,
    remote_ip: Option<String>,
    remote_port: Option<i64>,
    banner_host: Option<String>,
    sender: Option<String>,
    recipients: Option<Vec<Option<String>>>,
}

impl Row for RefusalRow {
    fn position(&self) -> Position {
        Position {
            batch: self.batch,
            time: self.found_at.0,
            source: self.source_id.clone().unwrap_or_default(),
            line: self.line.unwrap_or_default(),
        }
    }

    fn event(self, reported: i64) -> Event {
        let origin = Origin {
            source: self.source_id,
            line: self.line,
        };
        let session = self.session_id.unwrap_or_default();
        let place = [
            &self.organization,
            self.server.as_deref().unwrap_or_default(),
        ];
        let key = key("refusal", place, &session, &origin);
        let message_id = self
            .message_id
            .map(|id| id.trim_matches(['<', '>']).to_owned());
        let mut recipients: Vec<String> = self.recipients.into_iter().flatten().flatten().collect();
        recipients.sort();
        let refusal = Refusal {
            service: self.service,
            session,
            origin,
            local: Endpoint {
                ip: self.local_ip,
                port: self.local_port,
                host: None,
            },
            remote: Endpoint {
                ip: self.remote_ip,
                port: self.remote_port,
                host: self.banner_host,
            },
            code: self.code,
            enhanced: self.enhanced,
            attr: self.attr,
            text: self.text,
            refused: self.refused,
            sender_domain: self.sender_domain,
            recipient_domains: self
                .refused_domains
                .into_iter()
                .flatten()
                .flatten()
                .collect(),
            sender: self.sender,
            recipients,
            message_id,
            thumbprint: self.thumbprint,
            egress_ip: self.egress_ip,
        };
        Event {
            key,
            time: self.found_at.0,
            reported,
            historic: self.found_at.0.saturating_add(DAY) < reported,
            organization: self.organization,
            connector: self.connector_id.unwrap_or_default(),
            role: self.role,
            server: self.server.unwrap_or_default(),
            fact: Fact::Refusal(Box::new(refusal)),
        }
    }
}

/// A row of the question `sessions`.
#[derive(Debug, Deserialize)]
pub struct SessionRow {
    start_time: Time,
    end_time: Option<Time>,
    organization: String,
    connector_id: Option<String>,
    role: Option<String>,
    server: Option<String>,
    service: Option<String>,
    session_id: Option<String>,
    source_id: Option<String>,
    line: Option<i64>,
    local_ip: Option<String>,
    local_port: Option<i64>,
    remote_ip: Option<String>,
    remote_port: Option<i64>,
    peer_kind: Option<String>,
    banner_host: Option<String>,
    ehlo_name: Option<String>,
    egress_ip: Option<String>,
    tls_protocol: Option<String>,
    tls_cipher: Option<String>,
    tls_error: Option<String>,
    sent_thumbprint: Option<String>,
    sent_subject: Option<String>,
    sent_issuer: Option<String>,
    sent_serial: Option<String>,
    sent_not_before: Option<Time>,
    sent_not_after: Option<Time>,
    sent_names: Option<Vec<Option<String>>>,
    messages: Option<i64>,
    accepted: Option<i64>,
    refused: Option<i64>,
    outcome: Option<String>,
    disconnect_reason: Option<String>,
    batch: i64,
}

impl Row for SessionRow {
    fn position(&self) -> Position {
        Position {
            batch: self.batch,
            time: self.start_time.0,
            source: self.source_id.clone().unwrap_or_default(),
            line: self.line.unwrap_or_default(),
        }
    }

    fn event(self, reported: i64) -> Event {
        let origin = Origin {
            source: self.source_id,
            line: self.line,
        };
        let session = self.session_id.unwrap_or_default();
        let place = [
            &self.organization,
            self.server.as_deref().unwrap_or_default(),
        ];
        let key = key("session", place, &session, &origin);
        let sent = self.sent_thumbprint.map(|thumbprint| Certificate {
            thumbprint,
            sha256: None,
            subject: self.sent_subject,
            issuer: self.sent_issuer,
            serial: self.sent_serial,
            not_before: self.sent_not_before.map(|time| time.0),
            not_after: self.sent_not_after.map(|time| time.0),
            names: self.sent_names.into_iter().flatten().flatten().collect(),
        });
        let end = self.end_time.map_or(self.start_time.0, |time| time.0);
        let session = Session {
            service: self.service,
            session,
            origin,
            end,
            local: Endpoint {
                ip: self.local_ip,
                port: self.local_port,
                host: None,
            },
            remote: Endpoint {
                ip: self.remote_ip,
                port: self.remote_port,
                host: self.banner_host,
            },
            peer_kind: self.peer_kind,
            ehlo_name: self.ehlo_name,
            egress_ip: self.egress_ip,
            tls_protocol: self.tls_protocol,
            tls_cipher: self.tls_cipher,
            tls_error: self.tls_error,
            sent,
            messages: self.messages.unwrap_or_default(),
            accepted: self.accepted.unwrap_or_default(),
            refused: self.refused.unwrap_or_default(),
            outcome: self.outcome,
            disconnect_reason: self.disconnect_reason,
        };
        Event {
            key,
            time: self.start_time.0,
            reported,
            historic: end.saturating_add(DAY) < reported,
            organization: self.organization,
            connector: self.connector_id.unwrap_or_default(),
            role: self.role,
            server: self.server.unwrap_or_default(),
            fact: Fact::Session(Box::new(session)),
        }
    }
}

/// The key of a row: where it stands in the logs.
fn key(kind: &str, place: [&str; 2], session: &str, origin: &Origin) -> String {
    let line = origin.line.unwrap_or_default().to_string();
    let source = origin.source.as_deref().unwrap_or_default();
    hash(&[kind, place[0], place[1], session, source, &line])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn windows_hold_every_row_once_and_few_at_a_time() {
        let ctx = SessionContext::new();
        // Seven seconds apart, around 1970, and one minute with more than a window takes.
        let rows = "select arrow_cast((value - 500) * 7000000, 'Timestamp(Microsecond, Some(\"UTC\"))') as at
            from generate_series(0, 999)
            union all select arrow_cast(30000000, 'Timestamp(Microsecond, Some(\"UTC\"))') from generate_series(1, 90)";
        let rows = ctx.sql(rows).await.unwrap();
        let windows = windows(&rows, "at", 40).await.unwrap();
        let mut held = Vec::new();
        for (window, next) in windows
            .iter()
            .zip(windows[1..].iter().map(Some).chain([None]))
        {
            assert!(
                next.is_none_or(|next| window.end <= next.start),
                "{windows:?}"
            );
            let (from, to) = (at(window.start), at(window.end));
            let within = col("at").gt_eq(from).and(col("at").lt(to));
            held.push(rows.clone().filter(within).unwrap().count().await.unwrap());
        }
        assert_eq!(held.iter().sum::<usize>(), 1090);
        let full: Vec<&usize> = held.iter().filter(|held| **held > 40).collect();
        assert_eq!(full, [&99], "{held:?}");
        assert!(held.len() < 40, "{held:?}");
    }
}
