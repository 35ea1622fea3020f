//! Which files a reader reads.

use std::collections::BTreeMap;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options, filter_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use arrow::error::ArrowError;
use bytes::Bytes;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use relaydrift_ingest::Table;
use url::Url;

use crate::batch::is_true;
use crate::stats::{Bound, ColumnStats, Stats};
use crate::{Error, Lake, apply, store};

/// The data files of a table as of one batch.
#[derive(Debug, Clone)]
pub struct TableFiles {
    /// The table.
    pub table: Table,
    /// Its columns.
    pub schema: SchemaRef,
    /// The newest batch that counts.
    pub batch: i64,
    /// The folder of the table, with a `/` at its end.
    pub root: Url,
    /// The folder of the table in [`Lake::store`].
    pub prefix: Path,
    /// In the order of their names, which is the order of batches.
    pub files: Vec<DataFile>,
}

/// One Parquet file.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Relative to the table, decoded.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Rows, where the log tells.
    pub rows: Option<u64>,
    /// Least and greatest `batch` of its rows, where the log tells.
    pub batch_min: Option<i64>,
    /// See `batch_min`.
    pub batch_max: Option<i64>,
    /// By column; a column of which nothing is known is not there.
    pub columns: BTreeMap<String, ColumnStats>,
}

impl TableFiles {
    /// Where a file lies in [`Lake::store`].
    pub fn location(&self, file: &DataFile) -> Path {
        file.below(&self.prefix)
    }

    /// True if all rows of a file count. Only files that another program merged can hold rows that
    /// do not: filter them by `batch` (and, in `open_sessions`, `parked`).
    pub fn is_whole(&self, file: &DataFile) -> bool {
        let older = file.batch_max.is_some_and(|batch| batch <= self.batch);
        match self.table {
            Table::OpenSessions => {
                older && (file.batch_min == Some(self.batch) || file.parked() == Some(true))
            }
            _ => older,
        }
    }
}

impl DataFile {
    /// Where it lies, from the folder of its table.
    pub(crate) fn below(&self, folder: &Path) -> Path {
        let names = self.path.split('/');
        names.fold(folder.clone(), |path, name| path.join(name))
    }

    /// True if all rows are parked, false if none is, [`None`] if it is not known or mixed.
    pub fn parked(&self) -> Option<bool> {
        let parked = self.columns.get("parked")?;
        match (parked.min.as_ref()?, parked.max.as_ref()?) {
            (Bound::Boolean(true), _) if parked.nulls == Some(0) => Some(true),
            (_, Bound::Boolean(false)) => Some(false),
            _ => None,
        }
    }

    fn new(path: String, size: u64, stats: Option<&Stats>, schema: &SchemaRef) -> DataFile {
        let columns = stats.map(|stats| stats.columns(schema)).unwrap_or_default();
        let batch = |bound: fn(&ColumnStats) -> &Option<Bound>| match bound(columns.get("batch")?) {
            Some(Bound::Int(batch)) => Some(*batch),
            _ => None,
        };
        let (batch_min, batch_max) = (batch(|column| &column.min), batch(|column| &column.max));
        DataFile {
            path,
            size,
            rows: stats.and_then(|stats| stats.num_records),
            batch_min,
            batch_max,
            columns,
        }
    }

    /// False if no row of the file counts.
    fn counts(&self, table: Table, batch: i64) -> bool {
        let begun = self.batch_min.is_none_or(|least| least <= batch);
        let current = self.batch_max.is_none_or(|greatest| greatest >= batch);
        begun && (table != Table::OpenSessions || current || self.parked() != Some(false))
    }
}

impl Lake {
    /// The newest batch whose rows count; 0 in an empty lake.
    ///
    /// # Errors
    /// If `sources` cannot be read.
    pub async fn newest_batch(&self) -> Result<i64, Error> {
        match self.table(Table::Sources).await? {
            Some(sources) => apply::applied(&sources, Table::Sources).await,
            None => Ok(0),
        }
    }

    /// The files of a table as of the newest batch.
    ///
    /// # Errors
    /// If the tables' logs cannot be read.
    pub async fn files(&self, table: Table) -> Result<TableFiles, Error> {
        self.files_at(table, self.newest_batch().await?).await
    }

    /// The files of a table as of a batch from [`Lake::newest_batch`]: a question that reads several
    /// tables asks for all of them as of one batch.
    ///
    /// # Errors
    /// If the table's log cannot be read.
    pub async fn files_at(&self, table: Table, batch: i64) -> Result<TableFiles, Error> {
        let schema = table.schema();
        let mut files = self.all_files(table).await?;
        files.retain(|file| file.counts(table, batch));
        let (root, prefix) = (self.table_url(table), self.path(&[table.name()]));
        Ok(TableFiles {
            table,
            schema,
            batch,
            root,
            prefix,
            files,
        })
    }

    /// The files of a table, whether their batch counts yet or not.
    pub(crate) async fn all_files(&self, table: Table) -> Result<Vec<DataFile>, Error> {
        let schema = table.schema();
        let Some(delta) = self.table(table).await? else {
            return Ok(Vec::new());
        };
        let state = delta.snapshot().map_err(Error::delta(table))?;
        let mut files = Vec::new();
        for file in state.log_data().iter() {
            let stats = file
                .stats()
                .map(|json| serde_json::from_str::<Stats>(&json))
                .transpose();
            let stats = stats.map_err(|source| {
                let path = format!("{}{}: stats", self.table_url(table), file.path());
                Error::Json { path, source }
            })?;
            let size = u64::try_from(file.size()).unwrap_or(0);
            files.push(DataFile::new(
                file.path().into_owned(),
                size,
                stats.as_ref(),
                &schema,
            ));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// All rows of a small table (`imports`, `open_sessions`) as of the newest batch.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub async fn read(&self, table: Table) -> Result<Vec<RecordBatch>, Error> {
        self.read_files(&self.files(table).await?).await
    }

    /// The rows of `open_sessions` that the next batch carries on, and such parked ones as stand in a file
    /// with them: files of parked rows alone, which only ever become more, are not read.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub(crate) async fn waiting(&self) -> Result<Vec<RecordBatch>, Error> {
        let mut files = self.files(Table::OpenSessions).await?;
        files.files.retain(|file| file.parked() != Some(true));
        self.read_files(&files).await
    }

    async fn read_files(&self, files: &TableFiles) -> Result<Vec<RecordBatch>, Error> {
        let table = files.table;
        let mut batches = Vec::new();
        for file in &files.files {
            for batch in self.file_rows(files, file).await? {
                let batch = batch?;
                let batch = match files.is_whole(file) {
                    true => batch,
                    false => files.filter(&batch).map_err(Error::columns(table))?,
                };
                batches.push(batch);
            }
        }
        Ok(batches)
    }

    /// The rows of one of these files, whether they count or not.
    pub(crate) async fn file_rows(
        &self,
        files: &TableFiles,
        file: &DataFile,
    ) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
        let path = files.location(file);
        let Some(bytes) = store::read(&*self.store(), &path).await? else {
            let source = object_store::Error::NotFound {
                path: path.to_string(),
                source: "gone".into(),
            };
            return Err(Error::store(&path)(source));
        };
        rows(files.table, bytes)
    }
}

/// The rows of a Parquet file. Without the Arrow schema in the file, the types are Parquet's reading of it.
pub(crate) fn rows(
    table: Table,
    file: Bytes,
) -> Result<impl Iterator<Item = Result<RecordBatch, Error>>, Error> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(|builder| builder.build())
        .map_err(Error::parquet(table))?;
    Ok(reader.map(move |batch| {
        batch
            .and_then(|batch| as_ours(table, &batch))
            .map_err(Error::columns(table))
    }))
}

/// The columns in our order and types: another program that merged files may have others, and other names for the
/// elements of a list.
fn as_ours(table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let schema = table.schema();
    let columns = schema.fields().iter().map(|field| {
        let missing = || ArrowError::SchemaError(format!("no column {}", field.name()));
        let column = batch.column_by_name(field.name()).ok_or_else(missing)?;
        match column.data_type() == field.data_type() {
            true => Ok(column.clone()),
            // What does not fit is an error, never NULL.
            false => {
                let options = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                cast_with_options(column, field.data_type(), &options)
            }
        }
    });
    let columns = columns.collect::<Result<_, ArrowError>>()?;
    RecordBatch::try_new(schema.clone(), columns)
}

impl TableFiles {
    /// The rows that count.
    fn filter(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let column = |name: &str| {
            let missing = || ArrowError::SchemaError(format!("no column {name}"));
            batch.column_by_name(name).ok_or_else(missing)
        };
        let batches = column("batch")?.as_primitive::<Int64Type>();
        let rows: BooleanArray = match self.table {
            Table::OpenSessions => {
                let parked = is_true(column("parked")?.as_boolean());
                let rows = batches.iter().zip(parked.values());
                rows.map(|(batch, parked)| {
                    Some(batch == Some(self.batch) || parked && batch < Some(self.batch))
                })
                .collect()
            }
            _ => batches
                .iter()
                .map(|batch| Some(batch <= Some(self.batch)))
                .collect(),
        };
        filter_record_batch(batch, &rows)
    }
}
