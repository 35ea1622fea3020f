//! A way to tell of a change: a command, or a webhook.
//!
//! Texts of a change come from strangers. They travel as JSON on stdin or as a body, and in variables of the
//! environment; no shell ever reads them.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use relaydrift_export::transport::{Failure, Trust, Webhook};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use url::Url;

use super::Change;
use crate::args::{AlarmArgs, FollowArgs};
use crate::escape::visible;
use crate::export::secret;

/// Characters of a variable; systems refuse long ones, and then the whole command. The JSON is whole.
const VARIABLE: usize = 4096;

/// Why it was not told, and after which time it may be tried again.
type Untold = (String, Option<Duration>);

/// A way to tell.
pub enum Way {
    /// A program and its arguments.
    Command {
        /// The program first.
        words: Vec<String>,
        /// How long it may take.
        limit: Duration,
        /// For commands of ours that it runs.
        lake: String,
    },
    /// An address that takes a POST.
    Webhook(Arc<Webhook>),
}

impl Way {
    /// The ways that were asked for; an error for one that cannot work.
    pub fn all(args: &FollowArgs) -> Result<Vec<Way>> {
        let alarms = &args.alarms;
        let limit = alarms.alarm_timeout.duration();
        ensure!(!limit.is_zero(), "--alarm-timeout 0: write 30s or 1m");
        let mut ways = Vec::new();
        if let Some(command) = &alarms.on_drift {
            let words = words(command)?;
            ensure!(
                is_there(&words[0]),
                "--on-drift {}: no such program; it is run as it stands, write sh -c '…' for a line of the shell",
                words[0]
            );
            ways.push(Way::Command {
                words,
                limit,
                lake: args.lake.clone(),
            });
        }
        if let Some(url) = &alarms.webhook {
            ways.push(Way::Webhook(Arc::new(webhook(url, alarms, limit)?)));
        }
        Ok(ways)
    }

    /// What the lake knows it by; the command or address may change.
    pub fn name(&self) -> &'static str {
        match self {
            Way::Command { .. } => "on_drift",
            Way::Webhook(_) => "webhook",
        }
    }

    /// For messages: without arguments, path and query, which may hold secrets.
    pub fn target(&self) -> String {
        match self {
            Way::Command { words, .. } => format!("--on-drift {}", words[0]),
            Way::Webhook(webhook) => format!("--webhook {}", webhook.target()),
        }
    }

    /// Makes one attempt.
    pub async fn tell(&self, change: &Change, json: &str) -> Result<(), Untold> {
        match self {
            Way::Command { words, limit, lake } => {
                let mut command = Command::new(&words[0]);
                command
                    .args(&words[1..])
                    .envs(change.variables())
                    .env("RELAYDRIFT_LAKE", lake);
                let told = run(command, json, *limit).await;
                told.map_err(|error| (crate::chain(&error), None))
            }
            Way::Webhook(webhook) => {
                let (webhook, json) = (webhook.clone(), json.to_owned());
                let posted =
                    tokio::task::spawn_blocking(move || webhook.post(json.as_bytes())).await;
                match posted {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(Failure::Again { answer, after })) => Err((answer, after)),
                    Ok(Err(Failure::Split(answer))) => Err((answer, None)),
                    Ok(Err(Failure::Stop(error))) => Err((error.to_string(), None)),
                    Err(error) => Err((error.to_string(), None)),
                }
            }
        }
    }
}

/// Runs a command to its end, which must be a good one and come in time. What it says goes to stderr.
async fn run(mut command: Command, json: &str, limit: Duration) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(std::io::stderr())
        .kill_on_drop(true)
        .spawn()
        .context("cannot be started")?;
    let stdin = child.stdin.take();
    let finding = format!("{json}\n");
    let ended = tokio::time::timeout(limit, async {
        if let Some(mut stdin) = stdin {
            // Whoever needs no finding closes its stdin.
            let _ = stdin.write_all(finding.as_bytes()).await;
        }
        child.wait().await
    });
    let ended = ended.await;
    match ended {
        Ok(status) => {
            let status = status.context("its end is not known")?;
            ensure!(status.success(), "{status}");
            Ok(())
        }
        Err(_) => {
            child.kill().await.context("it hangs")?;
            bail!("not done after {limit:?}, and killed (--alarm-timeout)")
        }
    }
}

fn webhook(address: &str, args: &AlarmArgs, limit: Duration) -> Result<Webhook> {
    let address = match address.strip_prefix('@') {
        Some(file) => {
            let read = std::fs::read_to_string(file);
            read.with_context(|| format!("--webhook @{file}: cannot be read"))?
        }
        None => address.to_owned(),
    };
    // The address itself may be a secret.
    let url = Url::parse(address.trim())
        .context("--webhook: not an address: write https://HOST/PATH, or @FILE that holds it")?;
    let trust = Trust::new(args.ca_file.as_deref())?;
    let token = args.secret_file.as_deref();
    let token = token.map(|file| secret(Some(file))).transpose()?;
    let webhook = Webhook::new(&url, &trust, token.as_ref(), limit);
    webhook.context("--webhook")
}

/// The words of a command, parted by spaces; one in quotes ('…' or "…") may hold them. A backslash is itself.
fn words(command: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in command.chars() {
        match quote {
            Some(mark) if letter == mark => quote = None,
            None if letter.is_whitespace() => words.extend(word.take()),
            None if letter == '\'' || letter == '"' => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ => word.get_or_insert_default().push(letter),
        }
    }
    ensure!(quote.is_none(), "--on-drift: a quote is not closed");
    words.extend(word);
    ensure!(
        words.first().is_some_and(|program| !program.is_empty()),
        "--on-drift: no program"
    );
    Ok(words)
}

/// True unless it is plain that there is no such program: better known now than when mail breaks.
fn is_there(program: &str) -> bool {
    if cfg!(windows) {
        return true;
    }
    if program.contains('/') {
        return is_program(Path::new(program));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_program(&folder.join(program)))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    let may_run = |about: &std::fs::Metadata| about.permissions().mode() & 0o111 != 0;
    file.metadata()
        .is_ok_and(|about| about.is_file() && may_run(&about))
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

impl Change {
    /// What a script needs most, without anything that a terminal would obey.
    fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let all = [
            ("RELAYDRIFT_KEY", self.key.clone()),
            ("RELAYDRIFT_FOUND_AT", self.found_at.second()),
            ("RELAYDRIFT_SEVERITY", self.severity.clone()),
            ("RELAYDRIFT_KIND", self.kind.clone()),
            ("RELAYDRIFT_CLASS", self.class.clone()),
            ("RELAYDRIFT_CONNECTOR", text(&self.connector_id)),
            ("RELAYDRIFT_SERVER", text(&self.server)),
            ("RELAYDRIFT_BEFORE", text(&self.before)),
            ("RELAYDRIFT_AFTER", text(&self.after)),
        ];
        let short = |text: String| visible(&text).chars().take(VARIABLE).collect();
        all.into_iter().map(move |(name, text)| (name, short(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_command_is_words_and_quotes_hold_spaces() {
        let parted = |text: &str| words(text).unwrap();
        assert_eq!(parted("page --now"), ["page", "--now"]);
        assert_eq!(parted(" sh  -c 'a \"b\"; c'"), ["sh", "-c", "a \"b\"; c"]);
        assert_eq!(
            parted(r#"C:\bin\page.exe "" x"y z""#),
            [r"C:\bin\page.exe", "", "xy z"]
        );
        for wrong in ["", "  ", "''", "page 'now"] {
            words(wrong).unwrap_err();
        }
    }
}
