//! Waiting for work on threads of ours, so that Python's own go on and Ctrl-C ends the waiting.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::Error;

/// How often Python is asked for signals.
const LOOKED: Duration = Duration::from_millis(50);

/// The threads, the same for the life of the process.
///
/// # Errors
/// The process is a fork of the one that has them: they are not in it.
pub(crate) fn runtime(py: Python<'_>) -> PyResult<&'static Runtime> {
    static RUNTIME: PyOnceLock<(u32, Runtime)> = PyOnceLock::new();
    let ours = std::process::id();
    let start = || match relaydrift::host::runtime() {
        Ok(runtime) => Ok((ours, runtime)),
        Err(error) => Err(raised(&error)),
    };
    match RUNTIME.get_or_try_init(py, start)? {
        (process, runtime) if *process == ours => Ok(runtime),
        _ => Err(Error::new_err(
            "relaydrift was used before this process was forked: \
             multiprocessing.set_start_method('spawn'), or use it first in the new process",
        )),
    }
}

/// What went wrong, for Python.
pub(crate) fn raised(error: &anyhow::Error) -> PyErr {
    Error::new_err(relaydrift::host::told(error))
}

/// Waits for work without the lock of the interpreter; a signal that Python raises for ends it at its next step
/// (what reads logs reads them to their end).
pub(crate) fn wait<T: Send + 'static>(
    py: Python<'_>,
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> PyResult<T> {
    let runtime = runtime(py)?;
    let mut work = runtime.spawn(work);
    loop {
        let looked = py.detach(|| runtime.block_on(async { timeout(LOOKED, &mut work).await }));
        match looked {
            Ok(Ok(done)) => return done.map_err(|error| raised(&error)),
            Ok(Err(ended)) => return Err(Error::new_err(format!("a thread ended: {ended}"))),
            Err(_) => py.check_signals().inspect_err(|_| work.abort())?,
        }
    }
}
