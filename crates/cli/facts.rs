//! Records as rows for the formats of machines: a column at a time, named and typed where it is added.

use std::sync::Arc;

use anyhow::Result;
use arrow::array::{
    ArrayRef, Int64Array, ListBuilder, RecordBatch, StringArray, StringBuilder,
    TimestampMicrosecondArray,
};

use crate::ask::Time;
use crate::output::Output;

/// Columns made of the same records.
pub struct Facts<'a, T> {
    records: &'a [T],
    columns: Vec<(&'static str, ArrayRef)>,
}

impl<'a, T> Facts<'a, T> {
    /// No column yet.
    pub fn of(records: &'a [T]) -> Self {
        Facts {
            records,
            columns: Vec::new(),
        }
    }

    fn push(mut self, name: &'static str, column: ArrayRef) -> Self {
        self.columns.push((name, column));
        self
    }

    /// A text.
    pub fn text<S: AsRef<str>>(self, name: &'static str, of: impl Fn(&'a T) -> Option<S>) -> Self {
        let column: StringArray = self.records.iter().map(of).collect();
        self.push(name, Arc::new(column))
    }

    /// Several texts.
    pub fn texts(self, name: &'static str, of: impl Fn(&'a T) -> &'a [String]) -> Self {
        let mut column = ListBuilder::new(StringBuilder::new());
        for record in self.records {
            of(record)
                .iter()
                .for_each(|text| column.values().append_value(text));
            column.append(true);
        }
        self.push(name, Arc::new(column.finish()))
    }

    /// A whole number.
    pub fn int(self, name: &'static str, of: impl Fn(&'a T) -> Option<i64>) -> Self {
        let column: Int64Array = self.records.iter().map(of).collect();
        self.push(name, Arc::new(column))
    }

    /// A time in UTC.
    pub fn time(self, name: &'static str, of: impl Fn(&'a T) -> Option<Time>) -> Self {
        let times = self
            .records
            .iter()
            .map(|record| of(record).map(|time| time.0));
        let column: TimestampMicrosecondArray = times.collect();
        self.push(name, Arc::new(column.with_timezone("UTC")))
    }

    /// The rows.
    pub fn batch(self) -> Result<RecordBatch> {
        let columns = self.columns.into_iter();
        Ok(RecordBatch::try_from_iter_with_nullable(
            columns.map(|(name, column)| (name, column, true)),
        )?)
    }

    /// The rows, where a command's data goes.
    pub fn write(self, output: &Output) -> Result<()> {
        let rows = self.batch()?;
        let mut writer = output.rows(&rows.schema())?;
        writer.write(&rows)?;
        writer.finish()
    }
}
