//! Whether a cluster is there, asked before Ballista is: it would wait for executors for ever, and say little of the rest.

use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::{Address, Error, HEARTBEAT};

/// A scheduler answers there.
///
/// # Errors
/// [`Error::NoScheduler`].
pub(crate) async fn there(scheduler: &Address) -> Result<(), Error> {
    ask(scheduler, "/healthz").await.map(drop)
}

/// A scheduler answers there, and has an executor, or gets one: after a restart, executors find it again with their next
/// sign of life.
///
/// # Errors
/// [`Error::NoScheduler`], [`Error::NoExecutor`].
pub(crate) async fn ready(scheduler: &Address) -> Result<(), Error> {
    let begun = Instant::now();
    while !ask(scheduler, "/readyz").await? {
        if begun.elapsed() > Duration::from_secs(2 * HEARTBEAT) {
            return Err(Error::NoExecutor {
                scheduler: scheduler.clone(),
            });
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Whether the answer to a probe of Ballista's scheduler is yes.
async fn ask(scheduler: &Address, path: &str) -> Result<bool, Error> {
    let answer = tokio::time::timeout(Duration::from_secs(5), status(scheduler, path)).await;
    let answer = answer.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
    answer.map_err(|source| Error::NoScheduler {
        scheduler: scheduler.clone(),
        source,
    })
}

async fn status(scheduler: &Address, path: &str) -> IoResult<bool> {
    let mut stream = TcpStream::connect(scheduler.to_string()).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {scheduler}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; 12];
    let strange = |_| IoError::other("something else answers there");
    stream.read_exact(&mut status).await.map_err(strange)?;
    match &status {
        b"HTTP/1.1 200" => Ok(true),
        b"HTTP/1.1 503" => Ok(false),
        _ => Err(strange(ErrorKind::InvalidData.into())),
    }
}
