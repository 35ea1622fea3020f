//! `relaydrift collect`: the PowerShell that an administrator runs to gather logs and exports.
//!
//! The script's parts are the `.ps1` files of this folder; only server names, a number and a folder are
//! put in, quoted. It reads and copies, and shows with `-WhatIf` what it would change.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::args::Global;
use crate::{Exit, powershell};

/// `relaydrift collect`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  relaydrift collect > collect.ps1              # read it, then run it
  relaydrift collect --servers EX01,EX02 --days 3
  relaydrift collect --version 2010 --to 'D:\\relaydrift'
  relaydrift check 'D:\\relaydrift\\logs' --expect 'D:\\relaydrift\\expected'

The script changes nothing and exports no private key: logging that is off is shown with -WhatIf, and the
command to turn it on stands beside it as a comment.")]
pub struct CollectArgs {
    /// Exchange version of the servers
    #[arg(long, value_enum, default_value_t = Version::V2013)]
    version: Version,
    /// Servers whose logs are copied [default: the source servers of the send connectors]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    servers: Vec<String>,
    /// Logs of so many days back
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
    /// Folder on the computer where the script runs
    #[arg(long, value_name = "DIR", default_value = r"C:\relaydrift")]
    to: String,
}

/// What the management shell of the servers knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Version {
    /// Exchange 2007 and 2010
    #[value(name = "2010")]
    V2010,
    /// Exchange 2013 and later
    #[value(name = "2013")]
    V2013,
}

/// Writes the script.
pub fn run(args: &CollectArgs, global: &Global) -> Result<Exit> {
    let script = script(args)?;
    let mut out = global.output.open_text()?;
    out.write_all(script.as_bytes())?;
    out.finish()?;
    Ok(Exit::Clean)
}

fn script(args: &CollectArgs) -> Result<String> {
    let quoted = |text: &str| {
        let quoted = powershell::quoted(text);
        quoted.with_context(|| {
            format!("'{text}' cannot stand in a command: leave out control characters")
        })
    };
    let servers: Vec<String> = args
        .servers
        .iter()
        .map(|name| quoted(name.trim()))
        .collect::<Result<_>>()?;
    let (save, services) = match args.version {
        Version::V2010 => (
            include_str!("collect/save_clixml.ps1"),
            include_str!("collect/services_2010.ps1"),
        ),
        Version::V2013 => (
            include_str!("collect/save_json.ps1"),
            include_str!("collect/services_2013.ps1"),
        ),
    };
    // What a person typed comes last: nothing in it is a place for something else.
    let script = include_str!("collect/onprem.ps1")
        .replace("{SAVE}", save.trim_end())
        .replace("{SERVICES}", services.trim_end())
        .replace("{DAYS}", &args.days.to_string());
    let (before, after) = script
        .split_once("{SERVERS}")
        .context("the script has no place for servers")?;
    let (between, after) = after
        .split_once("{TO}")
        .context("the script has no place for a folder")?;
    let (servers, to) = (servers.join(", "), quoted(&args.to)?);
    let online = include_str!("collect/online.ps1");
    Ok(format!("{before}{servers}{between}{to}{after}{online}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(version: Version, servers: &[&str], to: &str) -> Result<String> {
        script(&CollectArgs {
            version,
            servers: servers.iter().map(|name| (*name).to_owned()).collect(),
            days: 3,
            to: to.to_owned(),
        })
    }

    #[test]
    fn nothing_that_must_never_be_emitted_is() {
        for version in [Version::V2010, Version::V2013] {
            let script = printed(version, &["EX01"], r"D:\x").unwrap().to_lowercase();
            for never in [
                "-force",
                "-rejectdirectsend",
                "set-inboundconnector",
                "new-inboundconnector",
                "set-organizationconfig",
                "new-accepteddomain",
                "remove-",
                "-tlscertificatename",
                "enable-exchangecertificate",
                "export-exchangecertificate",
                "export-pfxcertificate",
                "invoke-expression",
                "restart-service",
                "out-file",
            ] {
                assert!(!script.contains(never), "{never}");
            }
            // Every line that could change something only shows it, or is a comment.
            for line in script
                .lines()
                .filter(|line| line.contains("set-sendconnector"))
            {
                let line = line.trim();
                assert!(line.starts_with('#') || line.ends_with("-whatif"), "{line}");
            }
        }
    }

    #[test]
    fn versions_use_what_their_shell_has() {
        let old = printed(Version::V2010, &[], r"C:\relaydrift").unwrap();
        assert!(old.contains("Get-TransportServer |") && old.contains("Export-Clixml"));
        let on_premises = old.split("# The inbound side").next().unwrap();
        assert!(!on_premises.contains("ConvertTo-Json"));
        assert!(!on_premises.contains("Get-FrontendTransportService"));
        let new = printed(Version::V2013, &[], r"C:\relaydrift").unwrap();
        assert!(new.contains("Get-FrontendTransportService") && new.contains("ConvertTo-Json"));
        assert!(new.contains("$Servers = @()"));
        for script in [old, new] {
            assert!(!script.contains("{SAVE}") && !script.contains("{SERVICES}"));
            assert!(!script.contains("{DAYS}") && script.contains("$Days = 3"));
        }
    }

    #[test]
    fn names_are_quoted() {
        let script = printed(
            Version::V2013,
            &["EX01", "o'b"],
            "D:\\it\u{2019}s {SERVERS}",
        )
        .unwrap();
        assert!(script.contains("$Servers = @('EX01', 'o''b')"), "{script}");
        assert!(script.contains("$To = 'D:\\it\u{2019}\u{2019}s {SERVERS}'"));
        assert!(printed(Version::V2013, &["a\nb"], "x").is_err());
        assert!(printed(Version::V2013, &[""], "x").is_err());
    }
}
