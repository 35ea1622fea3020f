//! The sessions of a cluster: whoever asks, the scheduler and the executors have the same functions and settings.

use std::sync::Arc;

use ballista_core::extension::SessionConfigExt;
use ballista_core::optimizer::with_ballista_optimizer_rules;
use datafusion::common::Result;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use relaydrift_datafusion::functions;

use crate::ingest::Codec;
use crate::plan::Planner;
use crate::stores::Unread;
use crate::{Address, Error, MESSAGE, probe};

/// A state whose plans run on the cluster of a scheduler, cut into so many `parts`, if they read files of at least so many
/// bytes: for fewer, the way there and back takes longer than the work.
///
/// Everything else of it is as [`relaydrift_datafusion::session_state`] has it.
///
/// # Errors
/// [`Error::NoScheduler`] where no scheduler answers within 5 seconds, [`Error::NoExecutor`] where none joins it in time.
pub async fn session_state(
    scheduler: &Address,
    parts: usize,
    least: u64,
) -> Result<SessionState, Error> {
    probe::ready(scheduler).await?;
    let state = relaydrift_datafusion::session_state(parts);
    let rules = with_ballista_optimizer_rules(state.optimizers());
    let config = for_ballista(state.config().clone());
    Ok(SessionStateBuilder::new_from_existing(state)
        .with_config(config)
        .with_optimizer_rules(rules)
        .with_query_planner(Arc::new(Planner::new(scheduler, least)))
        .build())
}

/// The settings of scheduler and executors, before those of a question.
pub(crate) fn config() -> SessionConfig {
    for_ballista(relaydrift_datafusion::session_state(1).config().clone())
}

fn for_ballista(config: SessionConfig) -> SessionConfig {
    let mut config = config
        .upgrade_for_ballista()
        .with_ballista_grpc_client_max_message_size(MESSAGE as usize)
        .with_ballista_physical_extension_codec(Arc::new(Codec::default()));
    let optimizer = &mut config.options_mut().optimizer;
    // Scalar subqueries stay what they are, and here: Ballista would have them be joins, which take any number of rows.
    optimizer.enable_physical_uncorrelated_scalar_subquery = true;
    // Ballista cuts such a join anew where it is not sure of it, and leaves what stands above as it was planned for the
    // partitions before: rows would be lost or come twice. It makes its own of small sides, and keeps their partitions.
    optimizer.hash_join_single_partition_threshold = 0;
    optimizer.hash_join_single_partition_threshold_rows = 0;
    // The other kind of union asks for branches that are cut alike, which Ballista does not promise.
    optimizer.prefer_existing_union = true;
    // Ballista prefers joins by merging, which spill; those of DataFusion 55 panic on some filters
    // (`get_filter_columns`, index out of bounds).
    optimizer.prefer_hash_join = true;
    config
}

/// A state with every function, DataFusion's and ours.
pub(crate) fn state(config: SessionConfig) -> Result<SessionState> {
    // Plans name the stores that executors read; a scheduler only hands them on.
    let stores = RuntimeEnvBuilder::new().with_object_store_registry(Arc::new(Unread));
    let mut state = SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(stores.build_arc()?)
        .with_default_features()
        .build();
    functions::register(&mut state)?;
    Ok(state)
}
