//! Markdown: a table for tickets and wikis.
//!
//! What logs hold stays text: characters that mean something in Markdown or HTML are escaped, line
//! ends are spelled out, and control characters too.

use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::column::{Column, Value, text};
use super::{Out, Rows, columns};
use crate::escape::visible;

/// Writes the names first, then each row as it comes.
pub struct Markdown {
    out: Out,
    names: Vec<String>,
    begun: bool,
}

impl Markdown {
    /// Nothing is written before the first batch or the end: the cells decide which side they are on.
    pub fn new(out: Out, schema: &SchemaRef) -> Result<Self> {
        let names = schema.fields().iter().map(|field| inert(field.name()));
        Ok(Markdown {
            out,
            names: names.collect(),
            begun: false,
        })
    }

    fn begin(&mut self, right: &[bool]) -> Result<()> {
        self.begun = true;
        let rule = |at| match right.get(at) {
            Some(true) => "---:".to_owned(),
            _ => "---".to_owned(),
        };
        let rules: Vec<String> = (0..self.names.len()).map(rule).collect();
        self.out.write_all(line(&self.names).as_bytes())?;
        Ok(self.out.write_all(line(&rules).as_bytes())?)
    }
}

impl Rows for Markdown {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch)?;
        if !self.begun {
            let right: Vec<bool> = columns.iter().map(Column::is_number).collect();
            self.begin(&right)?;
        }
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| cell(&column.value(row)))
                .collect();
            self.out.write_all(line(&cells).as_bytes())?;
        }
        Ok(self.out.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if !self.begun {
            self.begin(&[])?;
        }
        self.out.finish()
    }
}

fn line(cells: &[String]) -> String {
    let mut text = String::from("|");
    for cell in cells {
        text.extend([" ", cell, " |"]);
    }
    text.push('\n');
    text
}

fn cell(value: &Value<'_>) -> String {
    match value {
        Value::Text(_) | Value::List(_) | Value::Record(_) => inert(&text(value)),
        // Digits, times and hex mean nothing else in Markdown.
        value => text(value),
    }
}

/// The text with nothing in it that Markdown or HTML would act on: no cell ends early, nothing is
/// set off, and no address that somebody else chose becomes a link to click on.
pub fn inert(cell: &str) -> String {
    let cell = visible(cell);
    let mut safe = String::with_capacity(cell.len() + 8);
    for (at, c) in cell.char_indices() {
        let (before, after) = (&cell[..at], &cell[at + c.len_utf8()..]);
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '|' | '\\' | '`' | '*' | '[' | ']' | '~' | '$' => safe.extend(['\\', c]),
            // Inside a word it is only itself.
            '_' if !(before.ends_with(char::is_alphanumeric)
                && after.starts_with(char::is_alphanumeric)) =>
            {
                safe.push_str("\\_");
            }
            ':' if after.starts_with("//") => safe.push_str("\\:"),
            '.' if before.to_ascii_lowercase().ends_with("www") => safe.push_str("\\."),
            c => safe.push(c),
        }
    }
    safe
}

/// A page of plain text as a block of code: a fence longer than any that the text holds.
pub fn fenced(page: &str) -> String {
    let longest = page.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}text\n{}\n{fence}\n", page.trim_end())
}
