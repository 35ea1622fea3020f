//! Columns into a Parquet file in memory.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Int32Type, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use relaydrift_ingest::Table;

use crate::stats::Stats;
use crate::{Error, dictionary};

/// A file that grew to so many encoded bytes is closed and another one begun.
pub(crate) const FILE_BYTES: usize = 256 * 1024 * 1024;

/// zstd at the level that costs least.
fn compression() -> Compression {
    Compression::ZSTD(ZstdLevel::default())
}

/// Numbers and times near those of the row before: their differences are small, a dictionary of them is large.
const DELTAS: [&str; 9] = [
    "sequence",
    "line",
    "byte_offset",
    "batch",
    "start_time",
    "end_time",
    "reply_time",
    "reply_line",
    "size_bytes",
];

/// Values that are new in most rows, or those of a neighbour, which zstd finds.
const PLAIN: [&str; 11] = [
    "event_time",
    "local_port",
    "remote_port",
    "session_id",
    "record_id",
    "message_id",
    "reply_text",
    "data",
    "context",
    "extra",
    "raw",
];

/// One Parquet file being written.
pub(crate) struct Encoder {
    table: Table,
    writer: Writer,
}

enum Writer {
    /// Rows gather until a row group is full.
    Rows(ArrowWriter<Vec<u8>>),
    /// Each batch is a row group.
    Groups(SerializedFileWriter<Vec<u8>>, ArrowRowGroupWriterFactory),
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
        let writer = match table {
            Table::Events => {
                let (file, columns) = writer
                    .into_serialized_writer()
                    .map_err(Error::parquet(table))?;
                Writer::Groups(file, columns)
            }
            _ => Writer::Rows(writer),
        };
        Ok(Encoder { table, writer })
    }

    /// Adds rows; rows of `events` become a row group of their own, and may have dictionaries in place of texts.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let schema = self.table.schema();
        let fields = batch.schema_ref().fields();
        let fits = match &self.writer {
            Writer::Rows(_) => fields == schema.fields(),
            Writer::Groups(..) => {
                let fits = |(field, want): (&FieldRef, &FieldRef)| {
                    let kind = match field.data_type() {
                        DataType::Dictionary(_, kind) => kind,
                        kind => kind,
                    };
                    field.name() == want.name() && kind == want.data_type()
                };
                fields.len() == schema.fields().len()
                    && fields.iter().zip(schema.fields()).all(fits)
            }
        };
        if !fits {
            let source =
                arrow::error::ArrowError::SchemaError(format!("got {}", batch.schema_ref()));
            return Err(Error::Columns {
                table: self.table.name(),
                source,
            });
        }
        let written = match &mut self.writer {
            Writer::Rows(writer) => writer.write(batch),
            Writer::Groups(file, columns) => write_group(file, columns, batch, &schema),
        };
        written.map_err(Error::parquet(self.table))
    }

    pub(crate) fn is_full(&self) -> bool {
        let bytes = match &self.writer {
            Writer::Rows(writer) => writer.bytes_written() + writer.in_progress_size(),
            Writer::Groups(file, _) => file.bytes_written(),
        };
        bytes >= FILE_BYTES
    }

    pub(crate) fn finish(mut self) -> Result<Encoded, Error> {
        let (footer, bytes) = match &mut self.writer {
            Writer::Rows(writer) => (writer.finish(), std::mem::take(writer.inner_mut())),
            Writer::Groups(file, _) => (file.finish(), std::mem::take(file.inner_mut())),
        };
        let footer = footer.map_err(Error::parquet(self.table))?;
        let stats = Stats::of(self.table, &footer);
        Ok(Encoded { bytes, stats })
    }
}

/// Adds a row group. What comes with a dictionary keeps it.
fn write_group(
    file: &mut SerializedFileWriter<Vec<u8>>,
    columns: &ArrowRowGroupWriterFactory,
    batch: &RecordBatch,
    schema: &Schema,
) -> Result<(), ParquetError> {
    let at = file.flushed_row_groups().len();
    let descriptions = file.schema_descr().columns().to_vec();
    let properties = file.properties().clone();
    let writers = columns.create_column_writers(at)?;
    let mut group = file.next_row_group()?;
    // Each column is one leaf.
    let leaves = writers.into_iter().zip(descriptions);
    for ((array, field), (mut writer, column)) in
        batch.columns().iter().zip(schema.fields()).zip(leaves)
    {
        if let Some(texts) = array.as_dictionary_opt::<Int32Type>() {
            let bloom = properties.bloom_filter_properties(column.path());
            let options = dictionary::Options {
                level: ZstdLevel::default(),
                bloom: bloom.map(|bloom| bloom.fpp()),
            };
            let (bytes, close) = dictionary::column_chunk(column, texts, options)?;
            group.append_column(&bytes, close)?;
            continue;
        }
        for leaf in compute_leaves(field, array)? {
            writer.write(&leaf)?;
        }
        writer.close()?.append_to_row_group(&mut group)?;
    }
    group.close()?;
    Ok(())
}

/// zstd, page index, and a bloom filter on the column by which rows of the table are looked up.
fn properties(table: Table) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(compression())
        .set_statistics_enabled(EnabledStatistics::Page);
    let sought = match table {
        Table::Events => Some("session_id"),
        Table::Transactions => Some("message_id"),
        _ => None,
    };
    if let Some(column) = sought {
        let column = ColumnPath::from(column);
        properties = properties
            .set_column_bloom_filter_enabled(column.clone(), true)
            .set_column_bloom_filter_fpp(column, 0.01);
    }
    let schema = table.schema();
    for field in schema.fields() {
        let (name, column) = (
            field.name().as_str(),
            ColumnPath::from(field.name().as_str()),
        );
        if DELTAS.contains(&name) {
            properties = properties
                .set_column_dictionary_enabled(column.clone(), false)
                .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
        } else if PLAIN.contains(&name) {
            properties = properties.set_column_dictionary_enabled(column, false);
        }
    }
    // No bound of a free text helps a question.
    if table == Table::Events {
        for column in ["data", "context", "extra", "raw"] {
            properties =
                properties.set_column_statistics_enabled(column.into(), EnabledStatistics::None);
        }
    }
    properties.build()
}
