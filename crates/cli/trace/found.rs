//! Which sessions carried a message.

use anyhow::Result;
use datafusion::functions::expr_fn::{lower, starts_with, strpos};
use datafusion::prelude::{col, lit};
use relaydrift_parse::note::{self, Note};
use relaydrift_parse::text::lossless;
use serde::Deserialize;

use crate::ask::records;
use crate::source::Opened;

/// A session that carried the message.
#[derive(Debug, Clone, Deserialize)]
pub struct Mention {
    pub organization: String,
    pub server: String,
    pub service: String,
    pub session_id: String,
    /// The Message-ID, or the text of the row that has it.
    said: String,
}

/// A Message-ID without its angle brackets.
pub fn bare(id: &str) -> &str {
    let id = id.trim();
    let inner = id.strip_prefix('<').unwrap_or(id);
    inner.strip_suffix('>').unwrap_or(inner)
}

/// Whether two Message-IDs are the same: before the last `@` every letter counts, the domain after it
/// has no case.
pub fn same(a: &str, b: &str) -> bool {
    match (a.rsplit_once('@'), b.rsplit_once('@')) {
        (Some((left, domain)), Some((other, host))) => {
            left == other && domain.eq_ignore_ascii_case(host)
        }
        _ => a == b,
    }
}

/// The sessions that carried the message, and other ids that differ from it in case alone.
pub async fn mentions(opened: &Opened, id: &str) -> Result<(Vec<Mention>, Vec<String>)> {
    let folded = id.to_lowercase();
    let rows = if opened.is_raw() {
        // Raw logs are read through once, and nothing is kept of them but the answer.
        let rows = opened.ctx.table("events").await?;
        rows.filter(starts_with(
            col("context"),
            lit("sending message with RecordId "),
        ))?
        .filter(strpos(lower(col("context")), lit(folded)).gt(lit(0)))?
        .select(vec![
            col("organization"),
            col("server"),
            col("service"),
            col("session_id"),
            col("context").alias("said"),
        ])?
    } else {
        let rows = opened.ctx.table("transactions").await?;
        rows.filter(lower(col("message_id")).eq(lit(folded)))?
            .select(vec![
                col("organization"),
                col("server"),
                col("service"),
                col("session_id"),
                col("message_id").alias("said"),
            ])?
    };
    let rows: Vec<Mention> = records(rows).await?;
    let (mut found, mut alike) = (Vec::new(), Vec::new());
    for mut row in rows {
        if opened.is_raw() {
            let Note::Message { message_id, .. } = note::parse(row.said.as_bytes(), b"") else {
                continue;
            };
            row.said = lossless(message_id).into_owned();
        }
        if same(&row.said, id) {
            found.push(row);
        } else if row.said.to_lowercase() == id.to_lowercase() && !alike.contains(&row.said) {
            alike.push(row.said);
        }
    }
    Ok((found, alike))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_counts_before_the_at_sign_only() {
        assert!(same("Ab@Mx.example", "Ab@mx.EXAMPLE"));
        assert!(!same("ab@mx.example", "Ab@mx.example"));
        assert!(same("a@b@mx.example", "a@b@MX.example"));
        assert!(!same("abc", "ABC"));
    }

    #[test]
    fn brackets_do_not_matter() {
        assert_eq!(bare(" <a@b.example> "), "a@b.example");
        assert_eq!(bare("a@b.example"), "a@b.example");
    }
}
