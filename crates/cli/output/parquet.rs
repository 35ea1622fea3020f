//! Parquet: the rows with the types of their columns, for other tools.
//!
//! Plain Parquet types without the Arrow schema beside them, so that every reader sees the same;
//! compressed with zstd. Text is exact: what it holds is no matter of a terminal.

use std::sync::Arc;

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;

use super::{Out, Rows, distinct_names};

/// A row group is closed when it has grown to about this many bytes.
const ROW_GROUP: usize = 64 << 20;

/// Writes row groups as they fill.
pub struct Parquet {
    writer: ArrowWriter<Out>,
    schema: SchemaRef,
}

impl Parquet {
    /// A file with the columns of `schema`; a name that comes twice gets a number.
    pub fn new(out: Out, schema: &SchemaRef) -> Result<Self> {
        let names = distinct_names(schema).into_iter();
        let fields = names.zip(schema.fields());
        let fields = fields.map(|(name, field)| Field::clone(field).with_name(name));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .build();
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(out, schema.clone(), options);
        Ok(Parquet {
            writer: writer.context("these columns cannot be written as Parquet")?,
            schema,
        })
    }
}

impl Rows for Parquet {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = RecordBatch::try_new(self.schema.clone(), batch.columns().to_vec())?;
        self.writer.write(&batch)?;
        if self.writer.in_progress_size() > ROW_GROUP {
            self.writer.flush()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<()> {
        self.writer.into_inner()?.finish()
    }
}
