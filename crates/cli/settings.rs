//! Settings that somebody chose: `--set`, the configuration file, `set` in the shell.
//!
//! What can be set, and what it means, is [`relaydrift_datafusion::settings`]; the views read the
//! settings of the session they run in.

use std::str::FromStr;

use anyhow::{Result, bail};
use datafusion::prelude::SessionContext;
use relaydrift_datafusion::{session_context, settings};

/// What the names of settings begin with in SQL; it may be left out elsewhere.
const PREFIX: &str = "relaydrift.";

/// A value for a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The setting's name, without the prefix.
    pub name: String,
    /// The value, as it was written.
    pub value: String,
}

impl FromStr for Choice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => {
                Ok(Choice::new(name.trim(), value.trim()))
            }
            _ => bail!("write it as NAME=VALUE"),
        }
    }
}

impl Choice {
    /// A value for a setting that is named with or without the prefix.
    pub fn new(name: &str, value: &str) -> Self {
        Choice {
            name: name.strip_prefix(PREFIX).unwrap_or(name).to_owned(),
            value: value.to_owned(),
        }
    }

    /// Makes the choice in a session.
    ///
    /// # Errors
    /// There is no such setting, or it cannot have this value.
    pub fn apply(&self, ctx: &SessionContext) -> Result<()> {
        if !names().any(|name| name == self.name) {
            bail!(
                "there is no setting called {}\n  there are: {}",
                self.name,
                names().collect::<Vec<_>>().join(", ")
            );
        }
        let state = ctx.state_ref();
        let mut state = state.write();
        let options = state.config_mut().options_mut();
        Ok(options.set(&format!("{PREFIX}{}", self.name), &self.value)?)
    }
}

/// Makes all choices in a session, in their order.
pub fn apply(choices: &[Choice], ctx: &SessionContext) -> Result<()> {
    choices.iter().try_for_each(|choice| choice.apply(ctx))
}

/// Judges choices before anything is read.
pub fn check(choices: &[Choice]) -> Result<()> {
    match choices {
        [] => Ok(()),
        choices => apply(choices, &session_context(1)),
    }
}

/// The names of all settings, without the prefix.
pub fn names() -> impl Iterator<Item = &'static str> {
    settings()
        .iter()
        .map(|setting| setting.name.trim_start_matches(PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_written_with_or_without_the_prefix() {
        let choice = Choice::new("silence_hours", "6");
        assert_eq!("silence_hours=6".parse::<Choice>().unwrap(), choice);
        let long = "relaydrift.silence_hours = 6".parse::<Choice>().unwrap();
        assert_eq!(long, choice);
        assert!("=6".parse::<Choice>().is_err() && "silence_hours".parse::<Choice>().is_err());
    }

    #[test]
    fn what_is_unknown_or_does_not_fit_is_refused() {
        let refused = |text: &str| {
            let error = check(&[text.parse().unwrap()]).unwrap_err();
            format!("{error:#}")
        };
        let unknown = refused("silence=6");
        assert!(unknown.contains("called silence") && unknown.contains("silence_hours"));
        assert!(refused("silence_hours=soon").contains("silence_hours"));
        assert!(check(&["silence_hours=6".parse().unwrap()]).is_ok());
    }
}
