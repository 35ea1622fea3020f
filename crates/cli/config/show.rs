//! `relaydrift config`: what holds, and where it comes from.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use arrow::array::{ArrayRef, RecordBatch, StringArray};
use relaydrift_datafusion::{session_context, settings};

use super::{Config, Entry, KEYS, Kind, SETTINGS};
use crate::Exit;
use crate::args::{ConfigArgs, Global};
use crate::escape::visible;
use crate::output::Format;
use crate::settings as chosen;

/// What holds for one name.
struct Row {
    name: String,
    /// None where nothing is set.
    values: Vec<String>,
    kind: Kind,
    origin: String,
}

impl Row {
    /// The value as TOML writes it.
    fn toml(&self) -> Option<String> {
        let first = self.values.first()?;
        Some(match self.kind {
            Kind::Texts => {
                let texts: Vec<String> = self.values.iter().map(|text| quote(text)).collect();
                format!("[{}]", texts.join(", "))
            }
            Kind::Threads | Kind::Flag => first.clone(),
            Kind::Text | Kind::Format => quote(first),
        })
    }
}

/// Writes the configuration: as a file that would give the same, or as rows in the other formats.
pub fn run(args: ConfigArgs, global: &Global, config: &Config) -> Result<Exit> {
    let rows = rows(global, config)?;
    if global.output.format != Format::Table {
        let batch = batch(&rows, args.origin)?;
        let mut writer = global.output.rows(&batch.schema())?;
        writer.write(&batch)?;
        writer.finish()?;
        return Ok(Exit::Clean);
    }
    let mut out = global.output.open()?;
    out.write_all(toml(&rows, args.origin, config).as_bytes())?;
    out.finish()?;
    Ok(Exit::Clean)
}

fn rows(global: &Global, config: &Config) -> Result<Vec<Row>> {
    let typed = &global.typed;
    let mut rows = Vec::new();
    for (key, kind) in KEYS {
        let holds = |value: String| vec![value];
        let (values, typed) = match key {
            "format" => (holds(global.output.format.name()), typed.format.is_some()),
            "threads" => (holds(global.threads.to_string()), typed.threads.is_some()),
            "quiet" => (holds(global.quiet.to_string()), typed.quiet.is_some()),
            "output" => {
                let file = global.output.file().map(|file| file.display().to_string());
                (file.into_iter().collect(), typed.output.is_some())
            }
            "organization" => (holds(config.get(key).unwrap_or("default").into()), false),
            _ => (config.values(key).unwrap_or_default(), false),
        };
        let entry = config.entries.iter().find(|entry| entry.name == key);
        rows.push(Row {
            name: key.into(),
            values,
            kind,
            origin: origin(typed, entry),
        });
    }
    let ctx = session_context(1);
    chosen::apply(&global.settings, &ctx)?;
    let entries = ctx.copied_config().options().entries();
    for (setting, name) in settings().iter().zip(chosen::names()) {
        let value = entries.iter().find(|entry| entry.key == setting.name);
        let value = value.and_then(|entry| entry.value.clone());
        let whole = |text: &String| text.parse::<u32>().is_ok_and(|n| n.to_string() == *text);
        let entry = config.settings.iter().find(|entry| entry.name == name);
        rows.push(Row {
            name: format!("{SETTINGS}.{name}"),
            kind: match value.as_ref().is_some_and(whole) {
                true => Kind::Threads,
                false => Kind::Text,
            },
            values: value.into_iter().collect(),
            origin: origin(typed.set.iter().any(|choice| choice.name == name), entry),
        });
    }
    Ok(rows)
}

fn origin(typed: bool, entry: Option<&Entry>) -> String {
    match (typed, entry) {
        (true, _) => "command line".into(),
        (false, Some(entry)) => entry.origin.to_string(),
        (false, None) => "default".into(),
    }
}

/// A file that would give the same; with `origin`, each line tells where its value comes from.
fn toml(rows: &[Row], origin: bool, config: &Config) -> String {
    let mut text = match &config.path {
        Some(path) => format!("# file: {}\n", visible(&path.display().to_string())),
        None => match super::default_file() {
            Some(path) => format!(
                "# no file: {} would be read\n",
                visible(&path.display().to_string())
            ),
            None => "# no file\n".into(),
        },
    };
    let mut in_settings = false;
    for row in rows {
        let setting = row
            .name
            .strip_prefix(SETTINGS)
            .and_then(|name| name.strip_prefix('.'));
        if setting.is_some() && !in_settings {
            in_settings = true;
            text.push_str(&format!("\n[{SETTINGS}]\n"));
        }
        let name = setting.unwrap_or(&row.name);
        let line = match row.toml() {
            Some(value) => format!("{name} = {value}"),
            None => format!("# {name} ="),
        };
        text.push_str(&match origin {
            true => format!("{line:<40} # {}\n", visible(&row.origin)),
            false => format!("{line}\n"),
        });
    }
    text
}

fn batch(rows: &[Row], origin: bool) -> Result<RecordBatch> {
    let names = rows.iter().map(|row| Some(row.name.as_str()));
    let value = |row: &Row| (!row.values.is_empty()).then(|| row.values.join(";"));
    let values = rows.iter().map(value);
    let mut columns = vec![
        (
            "name",
            Arc::new(names.collect::<StringArray>()) as ArrayRef,
            false,
        ),
        ("value", Arc::new(values.collect::<StringArray>()), true),
    ];
    if origin {
        let origins = rows.iter().map(|row| Some(row.origin.as_str()));
        columns.push(("origin", Arc::new(origins.collect::<StringArray>()), false));
    }
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// A text as TOML writes it.
fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
