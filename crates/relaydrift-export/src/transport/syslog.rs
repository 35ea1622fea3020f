//! Syslog over TCP or TLS (RFC 5425), messages counted by octets (RFC 6587).
//!
//! Syslog has no acknowledgement. What comes nearest: after a batch we close our side and wait for
//! the receiver to close its own, which it does once it has read everything before. A receiver that
//! dies with something unread resets the connection, and the batch is sent again: at least once. What
//! it had read and not yet written when it died, no sender of syslog can know.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::Error;
use crate::syslog::frame;
use crate::transport::tls::Trust;
use crate::transport::{Failure, Fate, Limits, Record, Transport, all_taken};

const TIMEOUT: Duration = Duration::from_secs(30);

/// A syslog receiver.
#[derive(Debug)]
pub struct Syslog {
    target: String,
    host: String,
    port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Syslog {
    /// A receiver; with TLS where there is someone to trust.
    ///
    /// # Errors
    /// [`Error::Tls`]
    pub fn new(host: &str, port: u16, trust: Option<&Trust>) -> Result<Syslog, Error> {
        let scheme = if trust.is_some() {
            "syslog+tls"
        } else {
            "syslog+tcp"
        };
        let target = format!("{scheme}://{host}:{port}");
        let tls = trust.map(|trust| trust.client(&target)).transpose()?;
        Ok(Syslog {
            target,
            host: host.to_owned(),
            port,
            tls,
        })
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn deliver(&self, bytes: &[u8]) -> Result<(), Failure> {
        let again = |source: io::Error| Failure::Again {
            answer: source.to_string(),
            after: None,
        };
        let mut stream = self.connect().map_err(again)?;
        let Some(config) = &self.tls else {
            stream.write_all(bytes).map_err(again)?;
            still_there(&stream).map_err(again)?;
            stream.shutdown(Shutdown::Write).map_err(again)?;
            goodbye(&mut stream).map_err(again)?;
            return no_reset(&stream).map_err(again);
        };
        let name = ServerName::try_from(self.host.clone()).map_err(|_| {
            let problem = "no host name that a certificate could have";
            Failure::Stop(Error::Target {
                target: self.target.clone(),
                problem,
            })
        })?;
        let connection =
            ClientConnection::new(config.clone(), name).map_err(|source| self.stop(source))?;
        let mut tls = StreamOwned::new(connection, stream);
        // A certificate that is wrong now is wrong in a minute.
        let tls_error = |error: io::Error| match error
            .get_ref()
            .and_then(|e| e.downcast_ref::<rustls::Error>())
        {
            Some(source @ rustls::Error::InvalidCertificate(_)) => self.stop(source.clone()),
            _ => again(error),
        };
        tls.write_all(bytes).map_err(tls_error)?;
        still_there(&tls.sock).map_err(again)?;
        tls.conn.send_close_notify();
        tls.flush().map_err(tls_error)?;
        tls.sock.shutdown(Shutdown::Write).map_err(again)?;
        goodbye(&mut tls).map_err(tls_error)?;
        no_reset(&tls.sock).map_err(again)
    }

    fn stop(&self, source: rustls::Error) -> Failure {
        Failure::Stop(Error::Tls {
            target: self.target.clone(),
            source,
        })
    }
}

/// A receiver that closes before we do has not read to the end.
fn still_there(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let closed = matches!(stream.peek(&mut [0]), Ok(0));
    stream.set_nonblocking(false)?;
    if closed {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    Ok(())
}

/// A reset can arrive behind the end of the stream.
fn no_reset(stream: &TcpStream) -> io::Result<()> {
    stream.take_error()?.map_or(Ok(()), Err)
}

/// Reads until the receiver closes. Whatever it says on the way means nothing in syslog, and rsyslog
/// leaves without TLS's goodbye.
fn goodbye(stream: &mut impl Read) -> io::Result<()> {
    let mut bytes = [0; 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

impl Transport for Syslog {
    fn target(&self) -> &str {
        &self.target
    }

    fn limits(&self) -> Limits {
        Limits {
            records: 2_000,
            bytes: 1 << 20,
        }
    }

    fn send(&mut self, batch: &[Record]) -> Result<Vec<Fate>, Failure> {
        let mut bytes = Vec::new();
        for record in batch {
            frame(&record.bytes, &mut bytes);
        }
        self.deliver(&bytes)?;
        Ok(all_taken(batch))
    }
}
