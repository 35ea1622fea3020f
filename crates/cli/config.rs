//! What is known before the command line is read: a configuration file and the environment.
//!
//! The file is TOML. A variable of the environment (`RELAYDRIFT_LAKE`, `RELAYDRIFT_SET_SILENCE_HOURS`)
//! beats it, the command line beats both: the values become the defaults of the options. A key that
//! does not exist is an error, because a typing error would otherwise change nothing in silence.

mod file;
mod show;

pub use show::run;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::builder::ArgPredicate;
use clap::{Arg, Command, ValueEnum};

use crate::folders;
use crate::output::Format;
use crate::settings::{self, Choice};

/// What can be configured beside the settings, and what its value is.
const KEYS: [(&str, Kind); 8] = [
    ("lake", Kind::Text),
    ("logs", Kind::Texts),
    ("organization", Kind::Text),
    ("server_from", Kind::Text),
    ("format", Kind::Format),
    ("threads", Kind::Threads),
    ("quiet", Kind::Flag),
    ("output", Kind::Text),
];

/// The table of settings in the file.
const SETTINGS: &str = "settings";
const VARIABLE: &str = "RELAYDRIFT_";
const SETTING_VARIABLE: &str = "RELAYDRIFT_SET_";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Texts,
    Format,
    Threads,
    Flag,
}

impl Kind {
    /// What a value must be, where these texts are none.
    fn wrong(self, values: &[String]) -> Option<&'static str> {
        let one = match values {
            [one] => one.as_str(),
            _ if self == Kind::Texts => return None,
            _ => return Some("one value"),
        };
        let threads = |text: &str| text.parse().is_ok_and(|n: u16| (1..=512).contains(&n));
        match self {
            Kind::Text | Kind::Texts => None,
            Kind::Format => Format::from_str(one, true)
                .err()
                .map(|_| "table, json, ndjson, csv, parquet or markdown"),
            Kind::Threads => (!threads(one)).then_some("a number from 1 to 512"),
            Kind::Flag => one.parse::<bool>().err().map(|_| "true or false"),
        }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file, at a line.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One value that is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// One of [`KEYS`], or the name of a setting.
    name: String,
    /// More than one only for a list.
    values: Vec<String>,
    origin: Origin,
}

/// Everything that is configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    path: Option<PathBuf>,
    entries: Vec<Entry>,
    settings: Vec<Entry>,
}

impl Config {
    /// Reads the file (`--config`, else RELAYDRIFT_CONFIG, else the user's own where there is one),
    /// and the environment.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        let variable = std::env::var_os("RELAYDRIFT_CONFIG").filter(|path| !path.is_empty());
        let named = named.map(Path::to_owned).or(variable.map(PathBuf::from));
        let mut config = match (named, default_file()) {
            (Some(path), _) => file::read(&path)?,
            (None, Some(path)) if path.exists() => file::read(&path)?,
            _ => Config::default(),
        };
        config.take_environment(std::env::vars_os())?;
        config.check()?;
        Ok(config)
    }

    fn take_environment(
        &mut self,
        variables: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<()> {
        for (name, value) in variables.filter(|(_, value)| !value.is_empty()) {
            let Some(name) = name.to_str().filter(|name| name.starts_with(VARIABLE)) else {
                continue;
            };
            let origin = Origin::Environment(name.to_owned());
            let text = |value: OsString| {
                let text = value.into_string();
                text.map_err(|_| anyhow::anyhow!("{name} is not valid UTF-8"))
            };
            if let Some(setting) = name.strip_prefix(SETTING_VARIABLE) {
                let values = vec![text(value)?];
                set(
                    &mut self.settings,
                    &setting.to_ascii_lowercase(),
                    values,
                    origin,
                );
                continue;
            }
            let key = name[VARIABLE.len()..].to_ascii_lowercase();
            // Other variables of this prefix are read where they are needed.
            let Some((key, kind)) = KEYS.into_iter().find(|(known, _)| *known == key) else {
                continue;
            };
            let values = match kind {
                Kind::Texts => std::env::split_paths(&value)
                    .map(|path| text(path.into_os_string()))
                    .collect::<Result<_>>()?,
                _ => vec![text(value)?],
            };
            set(&mut self.entries, key, values, origin);
        }
        Ok(())
    }

    /// Judges the values, naming where they come from.
    fn check(&self) -> Result<()> {
        for Entry {
            name,
            values,
            origin,
        } in &self.entries
        {
            let kind = KEYS
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, kind)| kind);
            if let Some(wrong) = kind.and_then(|kind| kind.wrong(values)) {
                bail!("{origin}: {name} = {}: it takes {wrong}", values.join(", "));
            }
        }
        for (entry, choice) in self.settings.iter().zip(self.choices()) {
            settings::check(&[choice]).with_context(|| entry.origin.to_string())?;
        }
        Ok(())
    }

    /// What is configured for a key; `None` for a list.
    pub fn get(&self, key: &str) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.name == key)?;
        match entry.values.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The settings that are configured.
    pub fn choices(&self) -> Vec<Choice> {
        let choices = self.settings.iter();
        choices
            .map(|entry| Choice::new(&entry.name, entry.values.first().map_or("", String::as_str)))
            .collect()
    }

    fn values(&self, key: &str) -> Option<Vec<String>> {
        let entry = self.entries.iter().find(|entry| entry.name == key)?;
        Some(entry.values.clone())
    }

    /// Gives the options of the commands their configured defaults.
    pub fn apply(&self, command: Command) -> Command {
        command.mut_subcommands(|command| self.apply_to(command))
    }

    fn apply_to(&self, mut command: Command) -> Command {
        let has = |command: &Command, id: &str| {
            command
                .get_arguments()
                .any(|arg| arg.get_id().as_str() == id)
        };
        for key in ["organization", "server_from"] {
            if let Some(values) = self.values(key).filter(|_| has(&command, key)) {
                command = command.mut_arg(key, |arg| arg.default_values(values));
            }
        }
        // Whoever names logs does not mean the lake, and the other way round.
        let place = command.get_groups().any(|group| group.get_id() == "place");
        let (lake, logs) = (self.values("lake"), self.values("logs"));
        let instead = |arg: Arg, other: &'static str, values: Vec<String>| {
            let arg = arg.required(false).default_values(values);
            match place {
                true => arg.default_value_if(other, ArgPredicate::IsPresent, None),
                false => arg,
            }
        };
        if place && (lake.is_some() || logs.is_some()) {
            command = command
                .mut_group("place", |group| group.required(false))
                .arg_required_else_help(false);
        }
        match (lake, logs) {
            (Some(lake), _) if has(&command, "lake") => {
                command = command.mut_arg("lake", |arg| instead(arg, "logs", lake));
            }
            (_, Some(logs)) if place => {
                command = command.mut_arg("logs", |arg| instead(arg, "lake", logs));
            }
            _ => (),
        }
        // A command that reads logs takes them as PATH.
        if let Some(logs) = self.values("logs")
            && has(&command, "paths")
            && has(&command, "server_from")
        {
            command = command.mut_arg("paths", |arg| arg.required(false).default_values(logs));
        }
        command
    }
}

fn set(entries: &mut Vec<Entry>, name: &str, values: Vec<String>, origin: Origin) {
    entries.retain(|entry| entry.name != name);
    entries.push(Entry {
        name: name.to_owned(),
        values,
        origin,
    });
}

/// Where the user's own file lies.
fn default_file() -> Option<PathBuf> {
    folders::config().map(|folder| folder.join("config.toml"))
}

/// The keys of the file, for a message.
fn known_keys() -> String {
    let keys: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
    format!("{} and the table [{SETTINGS}]", keys.join(", "))
}

#[cfg(test)]
mod tests;
