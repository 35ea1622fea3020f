//! The scheduler: cuts plans into stages and deals them out to executors.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use ballista_core::serde::protobuf::job_status::Status;
use ballista_scheduler::cluster::{BallistaCluster, ClusterStateEvent, JobStateEvent};
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use ballista_scheduler::scheduler_server::{JobIdGenerator, SchedulerServer};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use futures::StreamExt;
use tokio::net::TcpListener;

use crate::ingest::Codec;
use crate::{Error, HEARTBEAT, MESSAGE, PATIENCE, POLICY, session};

/// Seconds for which the rows of an answer are kept after the last of them was worked out: whoever asked fetches them one part
/// after the other.
const KEPT: u64 = 3600;

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
    let address = listener.local_addr().map_err(Error::Listener)?;
    let jobs = Arc::new(Jobs::default());
    let config = SchedulerConfig {
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        external_host: host,
        scheduling_policy: POLICY,
        grpc_server_max_decoding_message_size: MESSAGE,
        grpc_server_max_encoding_message_size: MESSAGE,
        grpc_client_max_message_size: MESSAGE,
        executor_timeout_seconds: PATIENCE,
        expire_dead_executor_interval_seconds: HEARTBEAT,
        no_executors_grace_period_seconds: PATIENCE,
        finished_job_data_clean_up_interval_seconds: KEPT,
        // What is done again is done by whoever asks, from its start: see `give_up`.
        task_max_failures: 1,
        stage_max_failures: 1,
        job_id_generator: Some(jobs.clone()),
        override_config_producer: Some(Arc::new(session::config)),
        override_physical_codec: Some(Arc::new(Codec::default())),
        override_session_builder: Some(Arc::new(session::state)),
        ..SchedulerConfig::default()
    };
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler =
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await?;
    let watched = scheduler.clone();
    tokio::select! {
        ended = start_grpc_service_with_listener(listener, scheduler) => Ok(ended?),
        ended = give_up(watched, jobs) => ended,
        () = stop => Ok(()),
    }
}

/// The jobs that are not over.
#[derive(Default)]
struct Jobs {
    count: AtomicU64,
    running: Mutex<BTreeSet<String>>,
}

impl Jobs {
    fn running(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl JobIdGenerator for Jobs {
    async fn next_id(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        // Executors outlive a scheduler, and have folders named by jobs.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let id = format!("{:x}-{count}", since.unwrap_or_default().as_nanos());
        self.running().insert(id.clone());
        id
    }
}

/// Cancels all jobs whenever an executor is gone. Ballista 55 would run its tasks again and read what the others had made of
/// them beside: an answer with rows twice, and no error.
async fn give_up(
    scheduler: SchedulerServer<LogicalPlanNode, PhysicalPlanNode>,
    jobs: Arc<Jobs>,
) -> Result<(), Error> {
    let mut executors = scheduler.cluster_state_events().await?;
    let mut states = scheduler.job_state_events().await?;
    loop {
        tokio::select! {
            Some(event) = states.next() => {
                if let JobStateEvent::JobUpdated { job_id, status } = event
                    && matches!(status.status, Some(Status::Successful(_) | Status::Failed(_)))
                {
                    jobs.running().remove(job_id.as_str());
                }
            }
            Some(event) = executors.next() => {
                if let ClusterStateEvent::RemovedExecutor { .. } = event {
                    let lost = std::mem::take(&mut *jobs.running());
                    for job in lost {
                        scheduler.cancel_job(job.into()).await?;
                    }
                }
            }
            else => std::future::pending().await,
        }
    }
}
