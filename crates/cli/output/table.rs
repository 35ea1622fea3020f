//! A table for eyes: columns side by side, or one record below the other where a terminal is too
//! narrow for that. Control characters are spelled out; no value is left blank, empty text is `""`.

use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::column::{Column, Value, text};
use super::{Out, Rows, columns};
use crate::escape::visible;

/// Rows that decide how wide the columns are; those that follow keep to it.
const SAMPLE: usize = 1000;
/// A column is never narrower than this on a terminal; before that, records are shown instead.
const NARROW: usize = 12;
const GAP: usize = 2;

/// Collects the first rows for the layout, then streams.
pub struct Table {
    out: Out,
    names: Vec<String>,
    right: Vec<bool>,
    text: Vec<bool>,
    terminal: Option<usize>,
    sample: Vec<Vec<String>>,
    layout: Option<Layout>,
    rows: usize,
}

/// How the rows are shown.
#[derive(Debug, PartialEq)]
enum Layout {
    /// Widths of columns; true: longer cells are cut.
    Columns(Vec<(usize, bool)>),
    /// A line per column.
    Records,
}

impl Table {
    /// `terminal`: its width in characters; `None` shows everything in full width.
    pub fn new(out: Out, schema: &SchemaRef, terminal: Option<usize>) -> Self {
        let names: Vec<String> = schema
            .fields()
            .iter()
            .map(|field| visible(field.name()).into_owned())
            .collect();
        Table {
            out,
            right: vec![false; names.len()],
            text: vec![true; names.len()],
            names,
            terminal,
            sample: Vec::new(),
            layout: None,
            rows: 0,
        }
    }

    fn flush_sample(&mut self) -> Result<()> {
        let sample = std::mem::take(&mut self.sample);
        let layout = layout(&self.names, &self.text, &sample, self.terminal);
        if let Layout::Columns(widths) = &layout {
            let heads = line(&self.names, widths, &self.right);
            let rules: Vec<String> = widths.iter().map(|(width, _)| "-".repeat(*width)).collect();
            self.out.write_all(heads.as_bytes())?;
            self.out
                .write_all(line(&rules, widths, &self.right).as_bytes())?;
        }
        self.layout = Some(layout);
        sample.iter().try_for_each(|row| self.show(row))
    }

    fn show(&mut self, row: &[String]) -> Result<()> {
        self.rows += 1;
        let text = match &self.layout {
            Some(Layout::Columns(widths)) => line(row, widths, &self.right),
            _ => record(self.rows, &self.names, row),
        };
        Ok(self.out.write_all(text.as_bytes())?)
    }
}

impl Rows for Table {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let columns = columns(batch)?;
        self.right = columns.iter().map(Column::is_number).collect();
        self.text = columns.iter().map(Column::is_text).collect();
        for row in 0..batch.num_rows() {
            let cells: Vec<String> = columns
                .iter()
                .map(|column| cell(&column.value(row)))
                .collect();
            if self.layout.is_some() {
                self.show(&cells)?;
            } else {
                self.sample.push(cells);
                if self.sample.len() == SAMPLE {
                    self.flush_sample()?;
                }
            }
        }
        Ok(self.out.flush()?)
    }

    fn finish(mut self: Box<Self>) -> Result<()> {
        if self.layout.is_none() {
            self.flush_sample()?;
        }
        self.out.finish()
    }
}

fn cell(value: &Value<'_>) -> String {
    match value {
        Value::Text("") => "\"\"".into(),
        value => visible(&text(value)).into_owned(),
    }
}

fn layout(
    names: &[String],
    text: &[bool],
    rows: &[Vec<String>],
    terminal: Option<usize>,
) -> Layout {
    let mut widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let Some(terminal) = terminal else {
        return Layout::Columns(widths.into_iter().map(|width| (width, false)).collect());
    };
    let capped = |cap: usize| -> Vec<(usize, bool)> {
        let cap =
            |(width, text): (&usize, &bool)| (if *text { cap.min(*width) } else { *width }, *text);
        widths.iter().zip(text).map(cap).collect()
    };
    let room = terminal.saturating_sub(GAP * widths.len().saturating_sub(1));
    let fits =
        |widths: &Vec<(usize, bool)>| widths.iter().map(|(width, _)| width).sum::<usize>() <= room;
    let caps = (NARROW..=terminal.max(NARROW)).rev();
    caps.map(capped)
        .find(fits)
        .map_or(Layout::Records, Layout::Columns)
}

fn line(cells: &[String], widths: &[(usize, bool)], right: &[bool]) -> String {
    let mut text = String::new();
    for (at, (cell, (width, cut))) in cells.iter().zip(widths).enumerate() {
        if at > 0 {
            text.push_str(&" ".repeat(GAP));
        }
        let shown = if *cut {
            shorten(cell, *width)
        } else {
            cell.clone()
        };
        let blank = " ".repeat(width.saturating_sub(shown.width()));
        match right.get(at) {
            Some(true) => text.extend([blank.as_str(), shown.as_str()]),
            _ => text.extend([shown.as_str(), blank.as_str()]),
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// The text in at most `width` places on a screen, `…` in the place of what was cut off.
pub fn shorten(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.into();
    }
    let mut left = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let taken = c.width().unwrap_or(0);
        let fits = taken <= left;
        left = left.saturating_sub(taken);
        fits
    });
    kept.chain(['…']).collect()
}

fn record(number: usize, names: &[String], row: &[String]) -> String {
    let width = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let mut text = format!("-- {number}\n");
    for (name, cell) in names.iter().zip(row) {
        let blank = " ".repeat(width - name.width());
        text.push_str(format!("{name}{blank}  {cell}").trim_end());
        text.push('\n');
    }
    text
}
