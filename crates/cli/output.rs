//! Rows to stdout, as they come, in the format asked for. One file per format.

mod column;
mod csv;
mod json;
mod ndjson;
mod table;

pub use table::shorten;

use std::io::{BufWriter, IsTerminal, Write};

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::StreamExt;

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns side by side, for reading
    Table,
    /// One JSON document
    Json,
    /// One JSON object per line
    Ndjson,
    /// RFC 4180; a text that a spreadsheet would run gets a ' in front
    Csv,
}

/// Where rows go.
pub type Out = Box<dyn Write>;

/// A writer of rows in one format.
pub trait Rows {
    /// Writes the rows of a batch; the first rows of a table may wait for the layout.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    /// Writes what waits and what closes the document.
    fn finish(&mut self) -> Result<()>;
}

/// stdout, buffered; every writer flushes after each batch.
pub fn stdout() -> Out {
    Box::new(BufWriter::with_capacity(1 << 16, std::io::stdout().lock()))
}

/// The width of the terminal that stdout is, in characters; `None` where it is none.
pub fn terminal_width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    Some(terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0)))
}

/// Whether stdout takes colours: a terminal, and NO_COLOR is not set.
pub fn colour() -> bool {
    std::io::stdout().is_terminal()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Opens a writer for rows of `schema`.
pub fn open(
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
    })
}

/// Each row of a batch as one JSON object.
pub fn objects(batch: &RecordBatch) -> Result<Vec<Vec<u8>>> {
    let names = json::names(&batch.schema())?;
    let columns = batch
        .columns()
        .iter()
        .map(column::Column::new)
        .collect::<Result<Vec<_>>>()?;
    let object = |row| {
        let mut text = Vec::new();
        json::object(&mut text, &names, &columns, row)?;
        Ok(text)
    };
    (0..batch.num_rows()).map(object).collect()
}

/// Writes a stream to stdout and returns the number of its rows.
pub async fn stream(format: Format, mut rows: SendableRecordBatchStream) -> Result<usize> {
    // Nothing is written before the first batch is there: an error leaves no half document behind.
    let mut writer = None;
    let mut count = 0;
    let schema = rows.schema();
    while let Some(batch) = rows.next().await {
        let batch = batch?;
        count += batch.num_rows();
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(open(format, &schema, stdout(), terminal_width())?),
        };
        writer.write(&batch)?;
    }
    let mut writer = match writer {
        Some(writer) => writer,
        None => open(format, &schema, stdout(), terminal_width())?,
    };
    writer.finish()?;
    Ok(count)
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

#[cfg(test)]
mod tests;
