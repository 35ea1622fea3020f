//! A query on its way through the shell: it can be cancelled, and what it answered is kept.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use tokio::sync::mpsc;

use super::plan;
use crate::output::Rows;
use crate::source::Opened;
use crate::{INTERRUPTED, is_broken_pipe};

/// More bytes of a result are not kept.
const KEPT: usize = 256 << 20;

/// What a query answered.
pub struct Answer {
    /// The columns.
    pub schema: SchemaRef,
    /// The rows, as far as they were kept.
    pub batches: Vec<RecordBatch>,
    /// How many rows came.
    pub rows: usize,
    /// Whether all that came was kept.
    pub kept: bool,
    /// How long the rows took, without the time in which they were looked at.
    pub seconds: f64,
    /// Why no more rows came.
    pub end: End,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// There are no more rows.
    Whole,
    /// Ctrl-C.
    Cancelled,
    /// The pager was left.
    Left,
}

/// Runs a query on the worker threads while this one writes and listens for Ctrl-C.
///
/// `open` gives the place for the rows, once their columns are known.
pub async fn run(
    opened: &Opened,
    query: &str,
    quiet: bool,
    open: impl FnOnce(&SchemaRef) -> Result<Box<dyn Rows>>,
) -> Result<Answer> {
    let (send, mut receive) = mpsc::channel(2);
    let (opened, query) = (opened.clone(), query.to_owned());
    let task = tokio::spawn(async move {
        let mut rows = plan(&opened, &query, quiet).await?.execute_stream().await?;
        while let Some(batch) = rows.next().await {
            // Nobody takes rows any more once the answer is cancelled.
            if send.send(batch?).await.is_err() {
                break;
            }
        }
        anyhow::Ok(rows.schema())
    });
    let stop = task.abort_handle();
    let mut open = Some(open);
    let mut writer: Option<Box<dyn Rows>> = None;
    let mut answer = Answer::new();
    answer.end = loop {
        let begun = Instant::now();
        let received = tokio::select! {
            received = receive.recv() => Some(received),
            _ = tokio::signal::ctrl_c() => None,
        };
        answer.seconds += begun.elapsed().as_secs_f64();
        let batch = match received {
            Some(Some(batch)) => batch,
            Some(None) => break End::Whole,
            None => break End::Cancelled,
        };
        answer.keep(&batch);
        if let Some(open) = open.take() {
            writer = Some(open(&answer.schema)?);
        }
        match writer
            .as_mut()
            .map_or(Ok(()), |writer| writer.write(&batch))
        {
            Err(error) if is_broken_pipe(&error) => break End::Left,
            written => written?,
        }
    };
    if answer.end == End::Cancelled {
        stop.abort();
        wait_or_leave(|| stop.is_finished());
    }
    if answer.end == End::Whole {
        answer.schema = task.await.context("the query ended early")??;
        if let Some(open) = open.take() {
            writer = Some(open(&answer.schema)?);
        }
    }
    stop.abort();
    match writer.map_or(Ok(()), |writer| writer.finish()) {
        Err(error) if is_broken_pipe(&error) => answer.end = End::Left,
        finished => finished?,
    }
    Ok(answer)
}

/// A join without an equality may not look up for minutes, and all workers are its: nothing else would be answered.
fn wait_or_leave(has_stopped: impl Fn() -> bool) {
    for _ in 0..50 {
        if has_stopped() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    tell!("relaydrift: the question does not stop: the shell ends");
    std::process::exit(INTERRUPTED);
}

impl Answer {
    fn new() -> Self {
        Answer {
            schema: Schema::empty().into(),
            batches: Vec::new(),
            rows: 0,
            kept: true,
            seconds: 0.0,
            end: End::Whole,
        }
    }

    fn keep(&mut self, batch: &RecordBatch) {
        self.schema = batch.schema();
        self.rows += batch.num_rows();
        let bytes = |batch: &RecordBatch| batch.get_array_memory_size();
        let before: usize = self.batches.iter().map(bytes).sum();
        self.kept &= before + bytes(batch) <= KEPT;
        if self.kept {
            self.batches.push(batch.clone());
        }
    }
}
