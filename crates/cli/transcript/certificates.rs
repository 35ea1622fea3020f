//! The certificates of a session, with the dates that only other rows have.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use relaydrift_parse::certificate::{Certificate, Heading};
use serde::Deserialize;

use super::{Talk, certificate_at};
use crate::ask::{Time, records};

/// A certificate of a session.
#[derive(Debug)]
pub struct Spelled {
    /// What it was for.
    pub heading: Heading,
    /// What its rows say.
    pub certificate: Certificate,
    /// Rows that it takes up.
    pub rows: usize,
    /// Dates that stand elsewhere in the logs, for the same thumbprint.
    pub elsewhere: Option<Validity>,
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Validity {
    pub not_before: Option<Time>,
    pub not_after: Option<Time>,
}

/// The certificates of a session; dates that its rows do not have are looked for in all other rows.
pub async fn certificates(
    ctx: &SessionContext,
    talk: &Talk<'_>,
) -> Result<BTreeMap<usize, Spelled>> {
    let mut found = BTreeMap::new();
    for at in 0..talk.steps.len() {
        if let Some((heading, certificate, rows)) = certificate_at(talk, at) {
            let spelled = Spelled {
                heading,
                certificate,
                rows,
                elsewhere: None,
            };
            found.insert(at, spelled);
        }
    }
    let undated = |spelled: &Spelled| match spelled.certificate.not_after {
        None => spelled.certificate.thumbprint.clone(),
        Some(_) => None,
    };
    let wanted: Vec<Expr> = found.values().filter_map(undated).map(lit).collect();
    if wanted.is_empty() {
        return Ok(found);
    }
    #[derive(Deserialize)]
    struct Dated {
        thumbprint: String,
        #[serde(flatten)]
        validity: Validity,
    }
    let facts = ctx
        .table("certificate_facts")
        .await?
        .filter(col("thumbprint").in_list(wanted, false))?
        .filter(col("not_after").is_not_null())?
        .select_columns(&["thumbprint", "not_before", "not_after"])?;
    let facts: Vec<Dated> = records(facts).await?;
    let facts: HashMap<String, Validity> = facts
        .into_iter()
        .map(|dated| (dated.thumbprint, dated.validity))
        .collect();
    for spelled in found.values_mut() {
        spelled.elsewhere = undated(spelled).and_then(|print| facts.get(&print).copied());
    }
    Ok(found)
}
