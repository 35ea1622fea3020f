//! Where a command's data goes and how it is written. One file per format.
//!
//! Rows stream as they come. On a terminal or in a pipe they appear at once; a file (`--output`)
//! appears when its document is whole, so that an error leaves no half of one behind.

mod column;
mod csv;
mod json;
mod markdown;
mod ndjson;
mod out;
mod parquet;
mod table;

pub use markdown::{fenced, inert};
pub use out::{Out, abandon};
pub use table::shorten;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use clap::ValueEnum;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

use crate::escape::visible;

/// Says a line on stderr. Where it cannot be written (a full disk, a reader that is gone), nobody can be told, and what
/// was begun goes on: its exit code says how it ended.
pub fn tell(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns side by side, for reading
    Table,
    /// One JSON document
    Json,
    /// One JSON object per line
    Ndjson,
    /// RFC 4180; a text that a spreadsheet would run gets a ' in front
    Csv,
    /// A Parquet file, with the types of the columns
    Parquet,
    /// A table to paste into a ticket or wiki
    Markdown,
}

impl Format {
    /// Its name, as `--format` takes it.
    pub fn name(self) -> String {
        // No value of this type is hidden from the command line.
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// A command that says more than rows writes a page for reading, not data.
    pub fn is_page(self) -> bool {
        matches!(self, Format::Table | Format::Markdown)
    }

    /// The format that the name of a file asks for.
    pub fn of(path: &Path) -> Option<Format> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        Some(match end.as_str() {
            "txt" => Format::Table,
            "json" => Format::Json,
            "ndjson" | "jsonl" => Format::Ndjson,
            "csv" => Format::Csv,
            "parquet" => Format::Parquet,
            "md" | "markdown" => Format::Markdown,
            _ => return None,
        })
    }
}

/// A writer of rows in one format.
pub trait Rows {
    /// Writes the rows of a batch; the first rows of a table may wait for the layout.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Writes what waits and what closes the document, which is whole then.
    fn finish(self: Box<Self>) -> Result<()>;
}

/// The place for a command's data: stdout or a file, and the format.
#[derive(Debug)]
pub struct Output {
    /// How the data is written.
    pub format: Format,
    file: Option<PathBuf>,
    /// Nobody said the format, and the name of the file does not tell it.
    unknown: bool,
    opened: AtomicBool,
}

impl Output {
    /// A file, else stdout (`-` too), in the format that was asked for, else that of the file's name, else `usual`.
    ///
    /// # Errors
    /// Parquet would go to a terminal.
    pub fn new(asked: Option<Format>, usual: Format, file: Option<PathBuf>) -> Result<Self> {
        let file = file.filter(|file| file.as_os_str() != "-");
        let named = file.as_deref().and_then(Format::of);
        let format = asked.or(named).unwrap_or(usual);
        // A device or a pipe has no name that tells.
        let device = |file: &PathBuf| std::fs::metadata(file).is_ok_and(|found| !found.is_file());
        let unknown = asked.or(named).is_none()
            && file
                .as_ref()
                .is_some_and(|file| file.extension().is_some() && !device(file));
        let output = Output {
            format,
            file,
            unknown,
            opened: AtomicBool::new(false),
        };
        if format == Format::Parquet && output.terminal() {
            bail!(
                "Parquet is not for reading on a terminal\n  into a file: --output result.parquet\n  \
                 for reading: --format table"
            );
        }
        Ok(output)
    }

    /// Opens the place for data; what is written counts once [`Out::finish`] was called.
    ///
    /// # Errors
    /// The name of the file asks for a format that there is none of, and no other one was asked for.
    pub fn open(&self) -> Result<Out> {
        if let (true, Some(file)) = (self.unknown, &self.file) {
            bail!(
                "{} is named like no format that can be written here: --format says which it is to be\n  \
                 a spreadsheet opens .csv, relaydrift report writes .html",
                file.display()
            );
        }
        self.open_text()
    }

    /// Opens the place for a text of its own kind, whatever the name of the file.
    pub fn open_text(&self) -> Result<Out> {
        self.opened.store(true, Ordering::Relaxed);
        match &self.file {
            Some(file) => Out::file(file),
            None => Ok(Out::stdout()),
        }
    }

    /// Opens a writer for rows of `schema`.
    pub fn rows(&self, schema: &SchemaRef) -> Result<Box<dyn Rows>> {
        rows(self.format, schema, self.open()?, self.width())
    }

    /// Writes a stream and returns the number of its rows.
    pub async fn stream(&self, mut batches: SendableRecordBatchStream) -> Result<usize> {
        // Nothing is written before the first batch is there: an error leaves no half document behind.
        let mut writer = None;
        let mut count = 0;
        let schema = batches.schema();
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            count += batch.num_rows();
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(self.rows(&schema)?),
            };
            writer.write(&batch)?;
        }
        let writer = match writer {
            Some(writer) => writer,
            None => self.rows(&schema)?,
        };
        writer.finish()?;
        Ok(count)
    }

    /// Whether a person sees the data right away.
    pub fn terminal(&self) -> bool {
        self.file.is_none() && std::io::stdout().is_terminal()
    }

    /// The width of the terminal that the data goes to, in characters; `None` where it is none.
    pub fn width(&self) -> Option<usize> {
        let width = || terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        self.terminal().then(width)
    }

    /// Whether the data may have colours: on a terminal, where NO_COLOR is not set.
    pub fn colour(&self) -> bool {
        self.terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    /// The file, where the data goes into one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The file that was asked for and never written: the command had no data in this format.
    pub fn unused(&self) -> Option<&Path> {
        let opened = self.opened.load(Ordering::Relaxed);
        self.file.as_deref().filter(|_| !opened)
    }
}

/// Opens a writer for rows of `schema`; `terminal` is its width, where `out` is one.
pub fn rows(
    format: Format,
    schema: &SchemaRef,
    out: Out,
    terminal: Option<usize>,
) -> Result<Box<dyn Rows>> {
    Ok(match format {
        Format::Table => Box::new(table::Table::new(out, schema, terminal)),
        Format::Json => Box::new(json::Json::new(out, schema)?),
        Format::Ndjson => Box::new(ndjson::Ndjson::new(out, schema)?),
        Format::Csv => Box::new(csv::Csv::new(out, schema, terminal.is_some())?),
        Format::Parquet => Box::new(parquet::Parquet::new(out, schema)?),
        Format::Markdown => Box::new(markdown::Markdown::new(out, schema)?),
    })
}

/// Each row of a batch as one JSON object.
pub fn objects(batch: &RecordBatch) -> Result<Vec<Vec<u8>>> {
    let names = json::names(&batch.schema())?;
    let columns = columns(batch)?;
    let object = |row| {
        let mut text = Vec::new();
        json::object(&mut text, &names, &columns, row)?;
        Ok(text)
    };
    (0..batch.num_rows()).map(object).collect()
}

/// The columns of a batch, ready to be read cell by cell.
fn columns(batch: &RecordBatch) -> Result<Vec<column::Column>> {
    batch.columns().iter().map(column::Column::new).collect()
}

/// The names of the columns; one that comes again gets `_2`, `_3`, ..., because readers keep only
/// one of two equal names.
fn distinct_names(schema: &SchemaRef) -> Vec<String> {
    let mut used: Vec<String> = Vec::new();
    for field in schema.fields() {
        let mut name = field.name().clone();
        let mut count = 2;
        while used.contains(&name) {
            name = format!("{}_{count}", field.name());
            count += 1;
        }
        used.push(name);
    }
    used
}

/// `1,234,567`
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// `1 recipient`, `1,412 recipients`
pub fn count(number: i64, noun: &str) -> String {
    format!(
        "{} {noun}{}",
        thousands(number),
        if number == 1 { "" } else { "s" }
    )
}

/// `a, b and 3 more`, what acts on a terminal spelled out; `none` where there are none.
pub fn listed<T: AsRef<str>>(names: &[T], limit: usize) -> String {
    let shown = |names: &[T]| {
        let names = names.iter().map(|name| visible(name.as_ref()));
        names.collect::<Vec<_>>().join(", ")
    };
    match names {
        [] => "none".into(),
        [first @ .., last] if !first.is_empty() && names.len() <= limit => {
            format!("{} and {}", shown(first), visible(last.as_ref()))
        }
        [_] => shown(names),
        many => format!("{} and {} more", shown(&many[..limit]), many.len() - limit),
    }
}

#[cfg(test)]
mod tests;
