//! Connections: no more than so many, and none that says nothing.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Longer than it takes a client that is there to answer a ping.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a client may take to say the first thing: one that holds a place and does not speak is no client.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How long it is waited after the system had no file for one more connection.
const NO_FILE: Duration = Duration::from_millis(100);

/// The connections that are made, as long as there are fewer than `most`; others are closed at once.
pub(crate) fn accept(
    listener: TcpListener,
    most: usize,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(most));
    unfold((listener, places), |(listener, places)| async {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                // One that is gone again, or too many open files: the next may come.
                Err(_) => {
                    sleep(NO_FILE).await;
                    continue;
                }
            };
            let Ok(place) = places.clone().try_acquire_owned() else {
                continue;
            };
            // A client that does not mind waits for more bytes; questions are small.
            let _ = stream.set_nodelay(true);
            let connection = Connection {
                stream,
                silence: Box::pin(sleep(FIRST_WORD)),
                _place: place,
            };
            return Some((Ok(connection), (listener, places)));
        }
    })
}

/// A connection that ends when nothing went over it for a minute, or nothing came at first: pings keep one of a
/// living client open.
pub(crate) struct Connection {
    stream: TcpStream,
    silence: Pin<Box<Sleep>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn moved(&mut self) {
        self.silence.as_mut().reset(Instant::now() + SILENCE);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.moved();
            return read;
        }
        match self.silence.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if written.is_ready() {
            self.moved();
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}
