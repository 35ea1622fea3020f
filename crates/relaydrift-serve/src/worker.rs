//! Threads of one question's own: planning and joins may go on for long without a pause, and then nothing else that
//! waits for the same threads is done, nor can they be stopped.

use arrow::array::RecordBatch;
use futures::stream::{Stream, StreamExt};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, channel};
use tonic::Status;

use crate::questions::whole;

/// Bytes of stack of each thread: planning goes down a tree by recursion.
const STACK: usize = 64 << 20;

/// Works on one question. Once it is dropped nobody waits for it: its threads end at their next pause.
pub(crate) struct Worker {
    threads: Handle,
    /// There until the end.
    runtime: Option<Runtime>,
}

/// The rows of a question, and who works on it.
pub(crate) struct Pumped {
    rows: Receiver<Result<RecordBatch, Status>>,
    _worker: Worker,
}

impl Worker {
    pub(crate) fn new() -> Result<Worker, Status> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("question")
            .thread_stack_size(STACK)
            .enable_all()
            .build();
        let full =
            |error| Status::resource_exhausted(format!("no threads for the question: {error}"));
        let runtime = runtime.map_err(full)?;
        Ok(Worker {
            threads: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// What comes of it.
    pub(crate) async fn done<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Status>> + Send + 'static,
    ) -> Result<T, Status> {
        let done = self.threads.spawn(work).await;
        done.map_err(|error| Status::internal(error.to_string()))?
    }

    /// Sends rows as they come; the turn goes when the last was sent, or when they are really no longer worked on.
    pub(crate) fn pump(
        self,
        rows: impl Stream<Item = Result<RecordBatch, Status>> + Send + 'static,
        turn: OwnedSemaphorePermit,
    ) -> Pumped {
        let (sender, receiver) = channel(1);
        self.threads.spawn(async move {
            let _turn = turn;
            let mut rows = Box::pin(rows);
            loop {
                let next = whole(async { rows.next().await.transpose() }).await;
                let Some(next) = next.transpose() else { break };
                let failed = next.is_err();
                if sender.send(next).await.is_err() || failed {
                    break;
                }
            }
        });
        Pumped {
            rows: receiver,
            _worker: self,
        }
    }
}

impl Pumped {
    pub(crate) async fn next(&mut self) -> Option<Result<RecordBatch, Status>> {
        self.rows.recv().await
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
