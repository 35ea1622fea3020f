//! CSV after RFC 4180: a line of names, then the rows, CRLF at each end.
//!
//! A text that a spreadsheet would take for a formula (it starts with `=`, `+`, `-`, `@`, a tab, a
//! carriage return or NUL) gets a `'` in front. Numbers and times are left alone: they come from
//! columns of that type and can be nothing else.

use std::borrow::Cow;
use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::column::{Value, text};
use super::{Out, Rows, columns};
use crate::escape::visible;

/// Writes the names first, then each row as it comes.
pub struct Csv {
    out: Out,
    terminal: bool,
}

impl Csv {
    /// On a terminal, control characters are spelled out; in a file, the text stays as it is.
    pub fn new(mut out: Out, schema: &SchemaRef, terminal: bool) -> Result<Self> {
        let mut lines = writer();
        lines.write_record(
            schema
                .fields()
                .iter()
                .map(|field| safe(field.name(), terminal)),
        )?;
        out.write_all(&lines.into_inner()?)?;
        Ok(Csv { out, terminal })
    }
}

impl Rows for Csv {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut lines = writer();
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            for column in &columns {
                let value = column.value(row);
                let cell = text(&value);
                match value {
                    Value::Text(_) | Value::List(_) | Value::Record(_) => {
                        lines.write_field(safe(&cell, self.terminal))?;
                    }
                    _ => lines.write_field(cell)?,
                }
            }
            lines.write_record(None::<&[u8]>)?;
        }
        self.out.write_all(&lines.into_inner()?)?;
        Ok(self.out.flush()?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.finish()
    }
}

fn writer() -> csv::Writer<Vec<u8>> {
    csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new())
}

fn safe(cell: &str, terminal: bool) -> Vec<u8> {
    let shown = if terminal {
        visible(cell)
    } else {
        Cow::Borrowed(cell)
    };
    let mut bytes = Vec::with_capacity(shown.len() + 1);
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) {
        bytes.push(b'\'');
    }
    bytes.extend_from_slice(shown.as_bytes());
    bytes
}
