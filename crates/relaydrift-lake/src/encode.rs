//! Columns into a Parquet file in memory.

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use relaydrift_ingest::Table;

use crate::Error;
use crate::stats::Stats;

/// A file that grew to so many encoded bytes is closed and another one begun.
pub(crate) const FILE_BYTES: usize = 256 * 1024 * 1024;

/// One Parquet file being written.
pub(crate) struct Encoder {
    table: Table,
    writer: ArrowWriter<Vec<u8>>,
}

/// A finished Parquet file.
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stats: Stats,
}

impl Encoder {
    pub(crate) fn new(table: Table) -> Result<Encoder, Error> {
        let options = ArrowWriterOptions::new()
            .with_properties(properties(table))
            // Parquet's own types say it all; some readers stumble over the blob.
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), table.schema(), options)
            .map_err(Error::parquet(table))?;
        Ok(Encoder { table, writer })
    }

    /// Adds rows; rows of `events` become a row group of their own.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let schema = self.table.schema();
        if batch.schema_ref().fields() != schema.fields() {
            let source = arrow::error::ArrowError::SchemaError(format!("got {}", batch.schema_ref()));
            return Err(Error::Columns { table: self.table.name(), source });
        }
        self.writer.write(batch).map_err(Error::parquet(self.table))?;
        if self.table == Table::Events {
            self.writer.flush().map_err(Error::parquet(self.table))?;
        }
        Ok(())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.writer.bytes_written() + self.writer.in_progress_size() >= FILE_BYTES
    }

    pub(crate) fn finish(mut self) -> Result<Encoded, Error> {
        let footer = self.writer.finish().map_err(Error::parquet(self.table))?;
        let stats = Stats::of(self.table, &footer);
        let bytes = self.writer.into_inner().map_err(Error::parquet(self.table))?;
        Ok(Encoded { bytes, stats })
    }
}

/// zstd, page index, and a bloom filter on the column by which rows of the table are looked up.
fn properties(table: Table) -> WriterProperties {
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_statistics_enabled(EnabledStatistics::Page);
    let sought = match table {
        Table::Events => Some("session_id"),
        Table::Transactions => Some("message_id"),
        _ => None,
    };
    match sought {
        Some(column) => {
            let column = ColumnPath::from(column);
            properties
                .set_column_bloom_filter_enabled(column.clone(), true)
                .set_column_bloom_filter_fpp(column, 0.01)
                .build()
        }
        None => properties.build(),
    }
}
