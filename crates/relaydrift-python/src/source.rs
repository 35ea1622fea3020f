//! A lake or raw logs, questions, and their rows.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use arrow::array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi_stream::FFI_ArrowArrayStream;
use datafusion::prelude::DataFrame;
use futures::{StreamExt, TryStreamExt};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule};
use relaydrift::host;
use relaydrift_datafusion::{described, plain};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::host::Table;
use crate::run::{runtime, wait};

/// How often a stream looks for signals.
const LOOKED: Duration = Duration::from_millis(200);

type Found<'py> = (Bound<'py, PyBytes>, Vec<(PathBuf, String)>);

/// What `relaydrift check` finds, as JSON, and the files that it could not read.
#[pyfunction]
pub(crate) fn check(py: Python<'_>, words: Vec<OsString>) -> PyResult<Found<'_>> {
    let found = wait(py, host::check(words))?;
    Ok((PyBytes::new(py, &found.json), found.unread))
}

/// What `relaydrift ingest` did, as JSON, and the files that it could not read.
#[pyfunction]
pub(crate) fn ingest(py: Python<'_>, words: Vec<OsString>) -> PyResult<Found<'_>> {
    let found = wait(py, host::ingest(words))?;
    Ok((PyBytes::new(py, &found.json), found.unread))
}

/// Opens what `relaydrift sql` would ask.
#[pyfunction]
pub(crate) fn open(py: Python<'_>, words: Vec<OsString>) -> PyResult<Source> {
    wait(py, host::open(words)).map(Source)
}

/// A lake or raw logs.
#[pyclass(frozen, module = "relaydrift._native")]
pub(crate) struct Source(host::Source);

#[pymethods]
impl Source {
    /// Plans a query that only reads.
    fn ask(&self, py: Python<'_>, query: String) -> PyResult<Answer> {
        let source = self.0.clone();
        let planned = wait(py, async move { source.ask(&query).await })?;
        let columns = plain::schema(planned.schema().as_arrow());
        Ok(Answer { planned, columns })
    }

    /// Reads raw logs now.
    fn read(&self, py: Python<'_>) -> PyResult<()> {
        let source = self.0.clone();
        wait(py, async move { source.read().await })
    }

    /// Files that could not be read so far, and why.
    fn unread(&self) -> Vec<(PathBuf, String)> {
        self.0.unread()
    }

    /// Every table and view, each opened when it is asked.
    fn tables(&self, py: Python<'_>) -> PyResult<Vec<(String, Table)>> {
        let known = wait(py, async { Ok(described().await?) })?;
        let runtime = runtime(py)?.handle();
        let table = |known| Table::named(self.0.context(), known, runtime.clone());
        Ok(known
            .iter()
            .map(|of| (of.name.clone(), table(of)))
            .collect())
    }

    /// The table function `rehearse`.
    fn rehearse(&self, py: Python<'_>) -> PyResult<crate::host::Function> {
        crate::host::Function::rehearse(self.0.context(), runtime(py)?.handle().clone())
    }
}

/// A question that is planned; whoever takes its rows has it answered.
#[pyclass(frozen, module = "relaydrift._native")]
pub(crate) struct Answer {
    planned: DataFrame,
    columns: SchemaRef,
}

#[pymethods]
impl Answer {
    /// The names and the Arrow types of the columns.
    fn columns(&self) -> Vec<(String, String)> {
        let fields = self.columns.fields().iter();
        fields
            .map(|field| (field.name().clone(), field.data_type().to_string()))
            .collect()
    }

    /// All rows.
    fn rows(&self, py: Python<'_>) -> PyResult<Rows> {
        let (planned, columns) = (self.planned.clone(), self.columns.clone());
        wait(py, async move {
            let rows = planned.execute_stream().await?;
            let plain = rows.map(|rows| anyhow::Ok(plain::batch(&columns, &rows?)?));
            let batches = plain.try_collect().await?;
            Ok(Rows { columns, batches })
        })
    }

    /// The rows as they come, for readers of Arrow streams.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The protocol leaves it to us whether other types are made here or by the reader.
        drop(requested_schema);
        let planned = self.planned.clone();
        let mut rows = wait(py, async move { Ok(planned.execute_stream().await?) })?;
        let runtime = runtime(py)?;
        let (sender, received) = mpsc::channel(1);
        // On threads of ours, where a panic is an error of the task and not the end of the process.
        let task = runtime.spawn(async move {
            while let Some(batch) = rows.next().await {
                // Whoever reads no more has dropped the other end.
                if sender.send(batch).await.is_err() {
                    break;
                }
            }
        });
        let stream = Stream {
            columns: self.columns.clone(),
            received,
            task: Some(task),
            runtime,
        };
        capsule(py, Box::new(stream))
    }
}

/// Rows that are there.
#[pyclass(frozen, module = "relaydrift._native")]
pub(crate) struct Rows {
    columns: SchemaRef,
    batches: Vec<RecordBatch>,
}

#[pymethods]
impl Rows {
    /// The rows, for readers of Arrow streams.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        drop(requested_schema);
        let batches = self.batches.clone().into_iter().map(Ok);
        capsule(
            py,
            Box::new(RecordBatchIterator::new(batches, self.columns.clone())),
        )
    }
}

fn capsule(
    py: Python<'_>,
    rows: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'_, PyCapsule>> {
    PyCapsule::new_with_value(py, FFI_ArrowArrayStream::new(rows), c"arrow_array_stream")
}

/// Rows on their way to a reader that knows nothing of our threads.
struct Stream {
    columns: SchemaRef,
    received: mpsc::Receiver<datafusion::common::Result<RecordBatch>>,
    task: Option<JoinHandle<()>>,
    runtime: &'static Runtime,
}

impl Stream {
    fn next_batch(&mut self) -> anyhow::Result<Option<RecordBatch>> {
        loop {
            let received = &mut self.received;
            match self
                .runtime
                .block_on(async { timeout(LOOKED, received.recv()).await })
            {
                Ok(Some(batch)) => return Ok(Some(plain::batch(&self.columns, &batch?)?)),
                Ok(None) => {
                    let task = self.task.take();
                    task.map_or(Ok(()), |task| self.runtime.block_on(task))?;
                    return Ok(None);
                }
                Err(_) => Python::attach(|py| py.check_signals()).context("interrupted")?,
            }
        }
    }
}

impl Iterator for Stream {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let told = |error| ArrowError::ExternalError(host::told(&error).into());
        self.next_batch().map_err(told).transpose()
    }
}

impl RecordBatchReader for Stream {
    fn schema(&self) -> SchemaRef {
        self.columns.clone()
    }
}
