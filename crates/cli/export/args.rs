//! What `relaydrift export` can be told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use relaydrift_export::Format;

use crate::args::{ExpectedArgs, NamingArgs};
use crate::when::When;

/// `relaydrift export`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift export --files siem          # tables, rules, add-on to install
  relaydrift export --lake /lake --what drift --as ndjson --to -
  relaydrift export --lake /lake --what refusals --as ecs --resume elastic \\
    --to https://elastic:9200/logs-relaydrift-default --secret-file key
  relaydrift export --lake /lake --what drift --as cef --resume qradar \\
    --to syslog+tls://siem.contoso.com:6514 --ca-file ca.pem
  relaydrift export --lake /lake --what drift --as splunk --resume splunk \\
    --to https://splunk:8088 --secret-file token
  relaydrift export --lake /lake --what drift --as sentinel --resume azure \\
    --to https://DCE/dataCollectionRules/dcr-ID/streams/Custom-RelaydriftFindings_CL \\
    --tenant TENANT --client-id ID --secret-file secret
  relaydrift export --lake /lake --what sessions --as ocsf-parquet --to lake/

One alert per incident; refusals and sessions are telemetry. Findings of logs read long after the
fact are marked historic and raise nothing. With --resume a run tells what is new since the last,
at least once; without it, everything. Secrets: --secret-file, else RELAYDRIFT_EXPORT_SECRET.")]
pub struct ExportArgs {
    /// A lake that `relaydrift ingest` wrote: a folder
    #[arg(long, value_name = "DIR", required_unless_present_any = ["logs", "files"], conflicts_with_all = ["logs", "files"])]
    pub lake: Option<String>,
    /// Raw logs: a file, folder or glob, .gz too; may be repeated
    #[arg(long, value_name = "PATH", num_args = 1, conflicts_with = "files")]
    pub logs: Vec<PathBuf>,
    /// Write what a SIEM needs to understand us into a folder: tables, parsers, rules, add-on
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
    /// What to tell
    #[arg(
        long,
        value_enum,
        required_unless_present = "files",
        value_name = "WHAT"
    )]
    pub what: Option<What>,
    /// How to write it
    #[arg(
        long = "as",
        value_enum,
        required_unless_present = "files",
        value_name = "FORMAT"
    )]
    pub form: Option<As>,
    /// Where to send it: -, a file, syslog+tls://, syslog+tcp:// or https://
    #[arg(long, required_unless_present = "files", value_name = "TARGET")]
    pub to: Option<String>,
    /// From this time on (2026-10-05, 2026-10-05T10:00:00Z, 7d, 24h)
    #[arg(long, value_name = "TIME")]
    pub since: Option<When>,
    /// Before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<When>,
    /// The time of the report [default: now]; what was over a day before is historic
    #[arg(long, value_name = "now|TIME")]
    pub as_of: Option<When>,
    /// Go on where the last run of this name was acknowledged; the lake remembers
    #[arg(long, value_name = "NAME", conflicts_with = "logs")]
    pub resume: Option<String>,
    /// Mailboxes of senders and recipients too, not only their domains
    #[arg(long)]
    pub mailboxes: bool,
    /// Write a file anew that is there already
    #[arg(long)]
    pub force: bool,
    /// Begin the next file after so many bytes (100MB, 1GB)
    #[arg(long, value_name = "BYTES", default_value = "100MB", value_parser = bytes)]
    pub roll: u64,
    /// Keep records that the receiver will never take in a file, and go on
    #[arg(long, value_name = "FILE")]
    pub rejected: Option<PathBuf>,
    /// Try so long to reach a receiver (10s, 5m, 1h)
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = duration)]
    pub patience: std::time::Duration,
    /// See [`ReceiverArgs`].
    #[command(flatten)]
    pub receiver: ReceiverArgs,
    /// See [`ExpectedArgs`].
    #[command(flatten)]
    pub expected: ExpectedArgs,
    /// See [`NamingArgs`].
    #[command(flatten)]
    pub naming: NamingArgs,
}

/// Who the receiver is, and who we are.
#[derive(Debug, Args)]
#[command(next_help_heading = "The receiver")]
pub struct ReceiverArgs {
    /// Certificate authorities to trust instead of the system's: a PEM file
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// HEC token, API key, user:password or client secret: a file with one line
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Sentinel: Entra tenant
    #[arg(long, value_name = "ID")]
    pub tenant: Option<String>,
    /// Sentinel: client id of the application
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Sentinel: who issues tokens
    #[arg(
        long,
        value_name = "URL",
        default_value = "https://login.microsoftonline.com"
    )]
    pub authority: String,
    /// Sentinel: audience of tokens, in other clouds than the public one
    #[arg(long, value_name = "SCOPE")]
    pub scope: Option<String>,
    /// Security Lake: account, in the folders of ocsf-parquet
    #[arg(long, value_name = "ID", default_value = "external")]
    pub account: String,
    /// Security Lake: region, in the folders of ocsf-parquet
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    pub region: String,
}

/// What to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Incidents: changes of certificates and addresses, servers together
    Drift,
    /// Incidents with their cause and fix
    Diagnosis,
    /// Mail transactions refused for want of attribution
    Refusals,
    /// SMTP sessions
    Sessions,
    /// Certificates that expire
    Expiry,
}

impl What {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            What::Drift => "drift",
            What::Diagnosis => "diagnosis",
            What::Refusals => "refusals",
            What::Sessions => "sessions",
            What::Expiry => "expiry",
        }
    }
}

/// How to write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum As {
    /// OCSF 1.3.0, JSON
    Ocsf,
    /// OCSF 1.9.0, JSON
    #[value(name = "ocsf-1.9")]
    Ocsf19,
    /// OCSF 1.3.0, Parquet in the folders of Amazon Security Lake
    OcsfParquet,
    /// Elastic Common Schema 9
    Ecs,
    /// Microsoft Sentinel custom tables
    Sentinel,
    /// Splunk HTTP Event Collector, CIM names
    Splunk,
    /// CEF 1 in RFC 5424 syslog
    Cef,
    /// LEEF 2.0 in RFC 5424 syslog
    Leef,
    /// Everything, under our own names
    Ndjson,
    /// The same, flat
    Csv,
}

impl As {
    /// Its name in the position that a lake keeps.
    pub fn name(self) -> &'static str {
        match self {
            As::OcsfParquet => "ocsf-parquet",
            other => other.format().name(),
        }
    }

    /// The renderer; Parquet holds the same events as OCSF 1.3.0.
    pub fn format(self) -> Format {
        match self {
            As::Ocsf | As::OcsfParquet => Format::Ocsf13,
            As::Ocsf19 => Format::Ocsf19,
            As::Ecs => Format::Ecs,
            As::Sentinel => Format::Sentinel,
            As::Splunk => Format::Splunk,
            As::Cef => Format::Cef,
            As::Leef => Format::Leef,
            As::Ndjson => Format::Ndjson,
            As::Csv => Format::Csv,
        }
    }
}

fn bytes(text: &str) -> Result<u64, String> {
    let split = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let scale = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        _ => 0,
    };
    match digits.parse::<u64>() {
        Ok(count) if count > 0 && scale > 0 => Ok(count.saturating_mul(scale)),
        _ => Err("write 500KB, 100MB or 1GB".to_owned()),
    }
}

fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || "write 10s, 5m or 1h".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let scale = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(std::time::Duration::from_secs(count.saturating_mul(scale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations() {
        assert_eq!(bytes("100MB"), Ok(100_000_000));
        assert_eq!(bytes("7"), Ok(7));
        assert_eq!(duration("5m"), Ok(std::time::Duration::from_secs(300)));
        for wrong in ["", "0", "MB", "1TB", "-1"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "5", "m", "5d", "é"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
