//! What there is, for a question that found nothing; and how to ask again.

use anyhow::Result;
use datafusion::prelude::SessionContext;
use serde::Deserialize;

use crate::args::{NamingArgs, PlaceArgs};
use crate::ask::Time;
use crate::powershell::quoted;

crate::ask::questions! {
    "transcript":
    THERE "there",
}

/// Who wrote logs, and over what time.
#[derive(Debug, Clone, Deserialize)]
pub struct There {
    pub server: String,
    pub service: String,
    pub first_row: Time,
    pub last_row: Time,
}

/// Servers that are listed in a message.
const LISTED: usize = 20;

/// `EX01 (Hub)`; not yet escaped.
pub fn place_name(server: &str, service: &str) -> String {
    match service {
        "unknown" => server.to_owned(),
        service => format!("{server} ({service})"),
    }
}

/// The servers with their time ranges, a line each.
pub async fn there_is(ctx: &SessionContext) -> Result<(Vec<There>, String)> {
    let places: Vec<There> = THERE.ask(ctx).await?;
    let mut text = String::from("  searched:");
    for place in places.iter().take(LISTED) {
        let range = format!(
            "{} to {} UTC",
            place.first_row.minute(),
            place.last_row.minute()
        );
        text += &format!(
            "\n    {}, {range}",
            place_name(&place.server, &place.service)
        );
    }
    if places.len() > LISTED {
        text += &format!("\n    ... and {} more", places.len() - LISTED);
    }
    if places.is_empty() {
        text += " no rows at all";
    }
    Ok((places, text))
}

/// The options by which a command reads from the same place again; `None` where a name in them
/// cannot be typed.
pub fn again(place: &PlaceArgs, naming: &NamingArgs) -> Option<String> {
    let mut text = String::new();
    let mut option = |name: &str, value: &str| {
        text += &format!(" {name} {}", word(value)?);
        Some(())
    };
    if let Some(lake) = &place.lake {
        option("--lake", lake)?;
    }
    for path in &place.logs {
        option("--logs", path.to_str()?)?;
    }
    if naming.organization != "default" {
        option("--organization", &naming.organization)?;
    }
    if let Some(pattern) = &naming.server_from {
        option("--server-from", pattern)?;
    }
    Some(text)
}

/// A word of a command line, quoted where a shell would do something with it.
pub fn word(value: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./\\:@".contains(c);
    match !value.is_empty() && value.chars().all(plain) {
        true => Some(value.to_owned()),
        false => quoted(value),
    }
}
