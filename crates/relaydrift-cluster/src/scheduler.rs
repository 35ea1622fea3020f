//! The scheduler: cuts plans into stages and deals them out to executors.

use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;

use crate::ingest::Codec;
use crate::{Error, HEARTBEAT, MESSAGE, PATIENCE, session};

/// Serves a cluster until `stop` is done.
///
/// Executors and askers reach it as `host`, at the port of the `listener`. Nobody is asked who they are: the network
/// has to be one of its own.
///
/// # Errors
/// If it cannot be started, or its listener fails.
pub async fn scheduler(
    listener: TcpListener,
    host: String,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let address = listener.local_addr().map_err(listen(&host))?;
    let config = SchedulerConfig {
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        external_host: host,
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        grpc_server_max_decoding_message_size: MESSAGE,
        grpc_server_max_encoding_message_size: MESSAGE,
        grpc_client_max_message_size: MESSAGE,
        executor_timeout_seconds: PATIENCE,
        expire_dead_executor_interval_seconds: HEARTBEAT,
        no_executors_grace_period_seconds: PATIENCE,
        override_config_producer: Some(Arc::new(session::config)),
        override_physical_codec: Some(Arc::new(Codec::default())),
        override_session_builder: Some(Arc::new(session::state)),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler =
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await?;
    tokio::select! {
        ended = start_grpc_service_with_listener(listener, scheduler) => Ok(ended?),
        () = stop => Ok(()),
    }
}

fn listen(address: &str) -> impl FnOnce(std::io::Error) -> Error {
    let address = address.to_owned();
    move |source| Error::Listen { address, source }
}
