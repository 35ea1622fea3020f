//! Where an export goes: the transport that a target names, and whether it takes the format.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use relaydrift_export::transport::{
    Application, Client, Elastic, Files, Hec, LogsIngestion, Stdout, Syslog, Transport, Trust,
};
use relaydrift_export::{Format, Secret, is_open_to_others};
use url::Url;

use super::args::{ExportArgs, ReceiverArgs};
use crate::escape::visible;

const FORMS: &str = "  -                                stdout
  findings.ndjson                  a file, rolled by size (--roll)
  syslog+tls://siem.example:6514   syslog over TLS: cef, leef
  syslog+tcp://127.0.0.1:601       syslog over TCP: cef, leef
  https://splunk.example:8088      HTTP Event Collector: splunk
  https://elastic.example:9200/INDEX                                    _bulk: ecs, ocsf, ndjson
  https://DCE/dataCollectionRules/dcr-ID/streams/Custom-TABLE           Logs Ingestion: sentinel";

/// Opens the transport that the target names.
pub fn open(to: &str, format: Format, args: &ExportArgs) -> Result<Box<dyn Transport>> {
    if to == "-" {
        return Ok(Box::new(Stdout::new(format)));
    }
    if !to.contains("://") {
        let append = args.resume.is_some();
        let files = Files::open(Path::new(to), format, args.roll, append, args.force)?;
        return Ok(Box::new(files));
    }
    let url =
        Url::parse(to).with_context(|| format!("--to {to}: not an address; write\n{FORMS}"))?;
    match url.scheme() {
        "syslog+tls" | "syslog+tcp" => syslog(&url, format, &args.receiver),
        "http" | "https" => http(&url, format, &args.receiver),
        scheme => bail!("--to {scheme}://: no such transport; write\n{FORMS}"),
    }
}

fn syslog(url: &Url, format: Format, args: &ReceiverArgs) -> Result<Box<dyn Transport>> {
    ensure!(
        format.is_syslog(),
        "--as {}: syslog carries cef or leef\n{FORMS}",
        format.name()
    );
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    ensure!(!host.is_empty(), "--to: no host; write\n{FORMS}");
    let tls = url.scheme() == "syslog+tls";
    let port = url.port().unwrap_or(if tls { 6514 } else { 601 });
    let trust = if tls {
        Some(Trust::new(args.ca_file.as_deref())?)
    } else {
        None
    };
    Ok(Box::new(Syslog::new(host, port, trust.as_ref())?))
}

fn http(url: &Url, format: Format, args: &ReceiverArgs) -> Result<Box<dyn Transport>> {
    let trust = Trust::new(args.ca_file.as_deref())?;
    let client = Client::new(url, &trust)?;
    Ok(match format {
        Format::Splunk => Box::new(Hec::new(
            client,
            url,
            &secret(args.secret_file.as_deref())?,
        )?),
        Format::Ecs | Format::Ocsf13 | Format::Ocsf19 | Format::Ndjson => Box::new(Elastic::new(
            client,
            url,
            &secret(args.secret_file.as_deref())?,
        )?),
        Format::Sentinel => {
            let (tenant, client_id) = match (&args.tenant, &args.client_id) {
                (Some(tenant), Some(client_id)) => (tenant, client_id),
                _ => bail!(
                    "--as sentinel over https needs --tenant and --client-id of the application"
                ),
            };
            ensure!(
                tenant
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.'),
                "--tenant {tenant}: an id or a domain"
            );
            let authority = format!("{}/{tenant}", args.authority.trim_end_matches('/'));
            let authority = Url::parse(&authority)
                .with_context(|| format!("--authority {}: not an address", args.authority))?;
            let login = Client::new(&authority, &trust)?;
            let application = Application {
                authority,
                client_id: client_id.clone(),
                secret: secret(args.secret_file.as_deref())?,
                scope: args.scope.clone(),
            };
            Box::new(LogsIngestion::new(client, login, url, application)?)
        }
        Format::Cef | Format::Leef | Format::Csv => {
            bail!(
                "--as {}: no receiver takes it over https; write\n{FORMS}",
                format.name()
            )
        }
    })
}

/// The secret in a file, else that of the environment; warns where others may read the file.
pub fn secret(file: Option<&Path>) -> Result<Secret> {
    if let Some(file) = file.filter(|file| is_open_to_others(file)) {
        let name = file.display().to_string();
        tell!(
            "relaydrift: warning: others may read {}: chmod 600",
            visible(&name)
        );
    }
    Ok(Secret::read(file)?)
}
