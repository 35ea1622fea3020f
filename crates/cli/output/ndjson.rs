//! NDJSON: one JSON object per line.

use std::io::Write;

use anyhow::Result;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::json::{names, object};
use super::{Out, Rows, columns};

/// Writes each row as it comes; no rows, no bytes.
pub struct Ndjson {
    out: Out,
    names: Vec<Vec<u8>>,
}

impl Ndjson {
    /// The objects have the columns of `schema` in its order.
    pub fn new(out: Out, schema: &SchemaRef) -> Result<Self> {
        Ok(Ndjson {
            out,
            names: names(schema)?,
        })
    }
}

impl Rows for Ndjson {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let mut text = Vec::new();
        let columns = columns(batch)?;
        for row in 0..batch.num_rows() {
            object(&mut text, &self.names, &columns, row)?;
            text.push(b'\n');
        }
        self.out.write_all(&text)?;
        Ok(self.out.flush()?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.out.finish()
    }
}
