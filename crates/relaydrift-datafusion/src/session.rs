//! The one place that builds a session: command line, tests and clusters get the same.

use std::sync::Arc;

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::Settings;

/// A session state with every built-in function, the [`Settings`] with their defaults, times shown
/// in UTC and `information_schema` on.
///
/// `threads` is the number of partitions a plan is cut into; at least one. The functions, tables
/// and views of this crate come with [`register_all`](crate::register_all).
pub fn session_state(threads: usize) -> SessionState {
    session_state_in(threads, Arc::default())
}

/// As [`session_state`], in a runtime that may be shared: its limit of memory, and where it spills to.
pub fn session_state_in(threads: usize, runtime: Arc<RuntimeEnv>) -> SessionState {
    SessionStateBuilder::new()
        .with_config(config(threads))
        .with_runtime_env(runtime)
        .with_default_features()
        .build()
}

/// A context over [`session_state`].
pub fn session_context(threads: usize) -> SessionContext {
    SessionContext::new_with_state(session_state(threads))
}

fn config(threads: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_information_schema(true)
        .with_batch_size(8192)
        .with_target_partitions(threads.max(1))
        .with_option_extension(Settings::default());
    let options = config.options_mut();
    options.execution.time_zone = Some("UTC".into());
    options.execution.parquet.pushdown_filters = true;
    // The filter's cost decides its place, not the order in which a person wrote it.
    options.execution.parquet.reorder_filters = true;
    config
}
