//! An executor: reads files and works on their rows, as its scheduler says.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use ballista_core::registry::BallistaFunctionRegistry;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::SessionConfig;

use crate::ingest::Codec;
use crate::stores::Stores;
use crate::{Address, Error, MESSAGE, POLICY, probe, session};

/// What an executor is given to work with.
#[derive(Debug, Clone)]
pub struct Work {
    /// Whose plans it runs.
    pub scheduler: Address,
    /// Where rows are fetched from it; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The name or address under which scheduler, executors and askers reach it.
    pub host: String,
    /// Tasks at once.
    pub cores: usize,
    /// Bytes of memory for all of them, beyond which they spill; `None` for 70 % of the machine's.
    pub memory: Option<u64>,
}

/// Works until Ctrl-C, SIGTERM or the scheduler ends it, then finishes what it has begun.
///
/// Rows on their way to others lie in a folder of their own below the system's for temporary files; it goes with the
/// executor. `started` is told where rows are fetched, once the scheduler knows it.
///
/// # Errors
/// [`Error::Listen`] where its port is taken, [`Error::NoScheduler`] where there is no scheduler, [`Error::Folder`] where
/// nothing can be kept, and whatever ends its services.
pub async fn executor(work: Work, started: impl FnOnce(SocketAddr)) -> Result<(), Error> {
    probe::there(&work.scheduler).await?;
    let listen = free(work.listen)?;
    let folder = tempfile::tempdir().map_err(Error::Folder)?;
    let spill = folder.path().to_owned();
    let runtime = move |_: &SessionConfig| {
        RuntimeEnvBuilder::new()
            .with_object_store_registry(Arc::new(Stores::default()))
            .with_temp_file_path(&spill)
            .build_arc()
    };
    let functions = BallistaFunctionRegistry::from(&session::state(session::config())?);
    let config = ExecutorProcessConfig {
        bind_host: bracketed(listen.ip()),
        external_host: Some(work.host),
        port: listen.port(),
        scheduler_host: work.scheduler.host,
        scheduler_port: work.scheduler.port,
        vcores: work.cores,
        memory_pool_size: work.memory,
        work_dir: Some(folder.path().display().to_string()),
        task_scheduling_policy: POLICY,
        grpc_max_decoding_message_size: MESSAGE,
        grpc_max_encoding_message_size: MESSAGE,
        override_physical_codec: Some(Arc::new(Codec::default())),
        override_function_registry: Some(Arc::new(functions)),
        override_runtime_producer: Some(Arc::new(runtime)),
        override_config_producer: Some(Arc::new(session::config)),
        ..ExecutorProcessConfig::default()
    };
    let health = config.health.clone();
    let work = start_executor_process(Arc::new(config));
    let joined = async {
        while !health.is_ready() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        started(listen);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        ended = work => Ok(ended?),
        () = joined => Ok(()),
    }
}

/// The same address if its port is free, with a free one where it has none. Ballista binds it anew: whoever takes it in
/// between makes that fail.
fn free(listen: SocketAddr) -> Result<SocketAddr, Error> {
    let bound = TcpListener::bind(listen).and_then(|listener| listener.local_addr());
    bound.map_err(|source| Error::Listen {
        address: listen.to_string(),
        source,
    })
}

fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}
