//! JSON: an array with one object per line, so that it streams and still is one document.

use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::column::{Column, Value, hex};
use super::{Out, Rows, columns, distinct_names};
use crate::escape;

/// Writes `[`, the objects with commas between them, `]`.
pub struct Json {
    out: Out,
    names: Vec<Vec<u8>>,
    begun: bool,
}

impl Json {
    /// Nothing is written before the first batch or the end.
    pub fn new(out: Out, schema: &SchemaRef) -> Result<Self> {
        Ok(Json {
            out,
            names: names(schema)?,
            begun: false,
        })
    }
}

impl Rows for Json {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = Vec::new();
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            text.extend_from_slice(if self.begun { b",\n" } else { b"[\n" });
            self.begun = true;
            object(&mut text, &self.names, &columns, row)?;
        }
        self.out.write_all(&text)?;
        Ok(self.out.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        self.out
            .write_all(if self.begun { b"\n]\n" } else { b"[]\n" })?;
        self.out.finish()
    }
}

/// The names of the columns as JSON text.
pub fn names(schema: &SchemaRef) -> Result<Vec<Vec<u8>>> {
    let quote = |name: &String| {
        let mut text = Vec::new();
        escape::json(&mut text, name)?;
        Ok(text)
    };
    distinct_names(schema).iter().map(quote).collect()
}

/// One row as an object, without a line end.
pub fn object(text: &mut Vec<u8>, names: &[Vec<u8>], columns: &[Column], row: usize) -> Result<()> {
    for (at, (name, column)) in names.iter().zip(columns).enumerate() {
        text.push(if at == 0 { b'{' } else { b',' });
        text.extend_from_slice(name);
        text.push(b':');
        value(text, &column.value(row))?;
    }
    if names.is_empty() {
        text.push(b'{');
    }
    text.push(b'}');
    Ok(())
}

fn value(text: &mut Vec<u8>, cell: &Value<'_>) -> Result<()> {
    match cell {
        Value::Null => text.extend_from_slice(b"null"),
        Value::Bool(value) => escape::json(text, value)?,
        Value::Int(value) => escape::json(text, value)?,
        Value::UInt(value) => escape::json(text, value)?,
        Value::Float(value) => escape::json(text, value)?,
        Value::Decimal(digits) => text.extend_from_slice(digits.as_bytes()),
        Value::Time(micros) => escape::json(text, &relaydrift_parse::time::format(*micros))?,
        Value::Text(value) => escape::json(text, value)?,
        Value::Bytes(bytes) => escape::json(text, &hex(bytes))?,
        Value::List(values) => {
            text.push(b'[');
            for (at, item) in values.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                value(text, item)?;
            }
            text.push(b']');
        }
        Value::Record(fields) => {
            text.push(b'{');
            for (at, (name, item)) in fields.iter().enumerate() {
                if at > 0 {
                    text.push(b',');
                }
                escape::json(text, name)?;
                text.push(b':');
                value(text, item)?;
            }
            text.push(b'}');
        }
    }
    Ok(())
}
