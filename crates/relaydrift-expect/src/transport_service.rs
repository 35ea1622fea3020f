//! Transport services of servers: where each writes its protocol logs.

use crate::property::Properties;
use crate::send_connector::server;
use crate::{Problem, Wrong};

/// One transport service of one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TransportService {
    /// The server.
    pub server: String,
    /// `Hub`, `FrontEnd`, `Edge`, `Mailbox`, as folders of logs are called.
    pub service: String,
    /// `SendProtocolLogPath`; `None` where the service has none and does not log.
    pub send_log_path: Option<String>,
    /// `ReceiveProtocolLogPath`
    pub receive_log_path: Option<String>,
    /// `SendProtocolLogMaxAge`, as written: `30.00:00:00`.
    pub log_max_age: Option<String>,
    /// `SendProtocolLogMaxDirectorySize` in bytes; `None` for unlimited.
    pub log_max_directory_size_bytes: Option<i64>,
    /// `AdminDisplayVersion` of the server, where the export has it.
    pub version: Option<String>,
}

impl TransportService {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let identity = from.text("Identity")?;
        let (of_identity, part) = match identity.as_deref().and_then(|text| text.split_once('\\')) {
            Some((server, part)) => (Some(server.to_owned()), Some(part.to_owned())),
            None => (None, None),
        };
        let named = from.text("Server")?.or(of_identity);
        let named = match named {
            Some(name) => name,
            None => from.some_text("Name")?,
        };
        let send_log_path = from.text("SendProtocolLogPath")?;
        Ok(TransportService {
            server: server(&named),
            service: service(from, part.as_deref(), send_log_path.as_deref())?,
            receive_log_path: from.text("ReceiveProtocolLogPath")?,
            log_max_age: age(from)?,
            log_max_directory_size_bytes: bytes(from)?,
            version: from.text("AdminDisplayVersion")?,
            send_log_path,
        })
    }
}

/// What the export says, else the part after the server's name, else a folder of the path; only the
/// Transport service itself has a pickup folder and tracks messages.
fn service(
    from: &Properties<'_>,
    part: Option<&str>,
    path: Option<&str>,
) -> Result<String, Problem> {
    const SERVICES: [&str; 4] = ["Hub", "FrontEnd", "Edge", "Mailbox"];
    let named = from.text("Service")?;
    let folders = path.into_iter().flat_map(|path| path.split('\\').rev());
    let found = named
        .as_deref()
        .into_iter()
        .chain(part)
        .chain(folders)
        .find_map(|text| {
            SERVICES
                .into_iter()
                .find(|service| service.eq_ignore_ascii_case(text))
        });
    let hub = ["MessageTrackingLogPath", "PickupDirectoryPath"]
        .iter()
        .any(|property| from.object.has(property));
    Ok(found
        .unwrap_or(if hub { "Hub" } else { "unknown" })
        .to_owned())
}

/// A span of time as text: its own, or the ticks of .NET's object.
fn age(from: &Properties<'_>) -> Result<Option<String>, Problem> {
    const SECOND: i64 = 10_000_000;
    const DAY: i64 = 86_400;
    let ticks = match from.object.get("SendProtocolLogMaxAge") {
        Some(crate::value::Value::Object(span)) => {
            span.get("Ticks").and_then(|ticks| ticks.as_text())
        }
        _ => None,
    };
    let Some(ticks) = ticks.and_then(|ticks| ticks.parse::<i64>().ok()) else {
        return from.text("SendProtocolLogMaxAge");
    };
    let seconds = ticks / SECOND;
    let (days, rest) = (seconds / DAY, seconds % DAY);
    Ok(Some(format!(
        "{days}.{:02}:{:02}:{:02}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )))
}

/// `250 MB (262,144,000 bytes)`, or a number alone; nothing for `Unlimited`.
fn bytes(from: &Properties<'_>) -> Result<Option<i64>, Problem> {
    const PROPERTY: &str = "SendProtocolLogMaxDirectorySize";
    let Some(text) = from.text(PROPERTY)? else {
        return Ok(None);
    };
    if text.eq_ignore_ascii_case("unlimited") {
        return Ok(None);
    }
    let inside = text
        .split_once('(')
        .map_or(text.as_str(), |(_, inside)| inside);
    // Digits are grouped as the culture does it.
    let digits: String = inside.chars().filter(char::is_ascii_digit).collect();
    match digits.parse() {
        Ok(bytes) => Ok(Some(bytes)),
        Err(_) => {
            let wanted = "a size in bytes";
            Err(from.wrong(
                PROPERTY,
                Wrong::Value {
                    value: text,
                    wanted,
                },
            ))
        }
    }
}
