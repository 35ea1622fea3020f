//! Questions over the network: the tables and views of a context as an Arrow Flight SQL server.
//!
//! This crate knows gRPC. It must not know where rows come from: it serves whatever context it is given,
//! read only, to those who have the token, inside limits of connections, questions, time and memory.
//!
//! The protocol is `FlightSqlService` of `arrow-flight`: ADBC, JDBC and ODBC drivers of Flight SQL connect.

mod catalog;
mod connections;
mod handle;
mod questions;
mod service;
mod token;
mod worker;

pub use questions::{Asked, Open, Outcome};
pub use token::{Token, Unfit};

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::TcpListener;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// How much is served at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; one more is closed as soon as it is made.
    pub connections: usize,
    /// Questions worked on at once; others wait for their turn, for as long as one may take.
    pub questions: usize,
    /// From asking to the last row of an answer.
    pub time: Duration,
    /// Bytes that sorts, joins and groups of all questions hold together.
    pub memory: usize,
}

/// A certificate with its chain, and its private key, each as PEM.
pub struct Tls {
    /// `-----BEGIN CERTIFICATE-----`, the server's own first.
    pub certificate: Vec<u8>,
    /// `-----BEGIN PRIVATE KEY-----`.
    pub key: Vec<u8>,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The certificate and the key are no PEM, or do not belong to each other.
    #[error("the certificate and its key cannot be used for TLS: {0}")]
    Tls(#[source] tonic::transport::Error),
    /// The engine cannot be set up in these limits.
    #[error(transparent)]
    Engine(#[from] datafusion::error::DataFusionError),
    /// The listening socket failed.
    #[error("connections can no longer be taken: {0}")]
    Socket(#[source] tonic::transport::Error),
}

/// How often an idle client is asked whether it is still there.
const PING: Duration = Duration::from_secs(20);

/// Bytes of a request, a question with its values, and more than the longest question that is read: messages are decoded by
/// recursion, and a longer one could be nested deeper than a stack is.
const REQUEST: usize = 320 << 10;

/// How long a stop waits for answers that are under way.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Answers questions over `open`'s contexts until `stop` is ready; answers under way then get ten seconds more.
///
/// `told` hears of every question when it has ended.
///
/// # Errors
/// The certificate cannot be used, or the socket fails.
pub async fn serve(
    listener: TcpListener,
    token: Token,
    tls: Option<Tls>,
    limits: Limits,
    open: Open,
    told: Box<dyn Fn(&Asked) + Send + Sync>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Error> {
    let questions = questions::Questions::new(open, limits, told)?;
    let questions = Arc::new(questions);
    let gate = service::Gate {
        questions: questions.clone(),
        token: token.clone(),
    };
    let service = service::Service::new(questions, token);
    let flight = FlightServiceServer::new(service).max_decoding_message_size(REQUEST);
    let flight = InterceptedService::new(flight, gate);
    let mut server = Server::builder()
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
        .max_concurrent_streams(64);
    if let Some(tls) = tls {
        // Other clients in this process may have chosen one before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let identity = Identity::from_pem(tls.certificate, tls.key);
        let config = ServerTlsConfig::new().identity(identity);
        server = server.tls_config(config).map_err(Error::Tls)?;
    }
    let connections = connections::accept(listener, limits.connections);
    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let stop = async move {
        stop.await;
        // Nobody waits for it once the server has ended by itself.
        let _ = stopping.send(());
    };
    let served = server
        .add_service(flight)
        .serve_with_incoming_shutdown(connections, stop);
    tokio::select! {
        served = served => served.map_err(Error::Socket),
        () = async {
            match stopped.await {
                Ok(()) => tokio::time::sleep(LAST_ANSWERS).await,
                Err(_) => std::future::pending().await,
            }
        } => Ok(()),
    }
}
