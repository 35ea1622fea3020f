//! The configuration file: TOML, each value with its line.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, KEYS, Kind, Origin, SETTINGS, known_keys, set};

/// A larger file is no configuration.
const LARGEST: u64 = 1 << 20;

/// Reads a file; a key or setting that does not exist is an error that says which do.
pub fn read(path: &Path) -> Result<Config> {
    let cannot = || format!("the configuration {} cannot be read", path.display());
    let size = fs::metadata(path).with_context(cannot)?.len();
    ensure!(
        size <= LARGEST,
        "{} is no configuration: it has {size} bytes",
        path.display()
    );
    let text = fs::read_to_string(path).with_context(cannot)?;
    parse(path, &text)
}

/// Reads the text of a file.
pub fn parse(path: &Path, text: &str) -> Result<Config> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let table = DeTable::parse(text).with_context(|| path.display().to_string())?;
    let mut config = Config {
        path: Some(path.to_owned()),
        ..Config::default()
    };
    for (key, value) in table.get_ref() {
        let origin = origin(path, text, key);
        let name: &str = key.get_ref();
        if name == SETTINGS {
            settings(&mut config, path, text, value.get_ref())
                .with_context(|| origin.to_string())?;
            continue;
        }
        let Some((_, kind)) = KEYS.iter().find(|(known, _)| *known == name) else {
            bail!(
                "{origin}: there is no key {name}\n  there are: {}",
                known_keys()
            );
        };
        let values = values(*kind, value.get_ref()).with_context(|| format!("{origin}: {name}"))?;
        set(&mut config.entries, name, values, origin);
    }
    Ok(config)
}

fn settings(config: &mut Config, path: &Path, text: &str, table: &DeValue<'_>) -> Result<()> {
    let DeValue::Table(table) = table else {
        bail!("{SETTINGS} is a table: write [{SETTINGS}], and a line for each setting below it");
    };
    for (name, value) in table {
        let origin = origin(path, text, name);
        let value =
            one(value.get_ref()).with_context(|| format!("{origin}: {}", name.get_ref()))?;
        set(&mut config.settings, name.get_ref(), vec![value], origin);
    }
    Ok(())
}

fn values(kind: Kind, value: &DeValue<'_>) -> Result<Vec<String>> {
    match (kind, value) {
        (Kind::Texts, DeValue::Array(list)) => {
            list.iter().map(|item| one(item.get_ref())).collect()
        }
        (_, value) => Ok(vec![one(value)?]),
    }
}

fn one(value: &DeValue<'_>) -> Result<String> {
    Ok(match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            bail!("it takes a text, a number, true or false")
        }
    })
}

fn origin<T>(path: &Path, text: &str, at: &Spanned<T>) -> Origin {
    let before = text.get(..at.span().start).unwrap_or(text);
    Origin::File(path.to_owned(), 1 + before.matches('\n').count())
}
