//! The settings of relaydrift (`relaydrift.*`): what counts as an incident, as silence, as soon.
//!
//! They are options of the SQL session, so that the views read them. `--set` and the configuration
//! file change them for a run, `set relaydrift.NAME = VALUE` in the shell for what follows.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::session_context;

/// What the names of settings begin with in SQL; it may be left out elsewhere.
const PREFIX: &str = "relaydrift.";

/// One setting that somebody made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its name, without the prefix.
    pub name: String,
    /// Its value, as it was written.
    pub value: String,
}

/// A setting that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its name, without the prefix.
    pub name: String,
    /// Its value in the session that was asked.
    pub value: String,
    /// What it means.
    pub about: &'static str,
}

impl FromStr for Setting {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Setting::new(name.trim(), value.trim()))
            }
            _ => bail!("write it as NAME=VALUE"),
        }
    }
}

impl Setting {
    /// A setting by its name, with or without the prefix.
    pub fn new(name: &str, value: &str) -> Self {
        Setting {
            name: name.strip_prefix(PREFIX).unwrap_or(name).to_owned(),
            value: value.to_owned(),
        }
    }

    /// Makes the setting in a session.
    ///
    /// # Errors
    /// There is no such setting, or it cannot have this value.
    pub fn apply(&self, ctx: &SessionContext) -> Result<()> {
        let all = known(ctx);
        if !all.iter().any(|known| known.name == self.name) {
            bail!(
                "there is no setting called {}\n  there are: {}",
                self.name,
                list(&all)
            );
        }
        let state = ctx.state_ref();
        let mut state = state.write();
        let options = state.config_mut().options_mut();
        options
            .set(&format!("{PREFIX}{}", self.name), &self.value)
            .with_context(|| format!("{} cannot be {:?}", self.name, self.value))
    }
}

/// Makes all settings in a session, in their order.
pub fn apply(settings: &[Setting], ctx: &SessionContext) -> Result<()> {
    settings.iter().try_for_each(|setting| setting.apply(ctx))
}

/// Judges settings before anything is read.
pub fn check(settings: &[Setting]) -> Result<()> {
    match settings {
        [] => Ok(()),
        settings => apply(settings, &session_context(1)),
    }
}

/// Every setting that exists, by name.
pub fn known(ctx: &SessionContext) -> Vec<Known> {
    let entries = ctx.copied_config().options().entries();
    let known = entries.into_iter().filter_map(|entry| {
        Some(Known {
            name: entry.key.strip_prefix(PREFIX)?.to_owned(),
            value: entry.value.unwrap_or_default(),
            about: entry.description,
        })
    });
    let mut known: Vec<Known> = known.collect();
    known.sort_by(|a, b| a.name.cmp(&b.name));
    known
}

fn list(known: &[Known]) -> String {
    let names: Vec<&str> = known.iter().map(|known| known.name.as_str()).collect();
    names.join(", ")
}
