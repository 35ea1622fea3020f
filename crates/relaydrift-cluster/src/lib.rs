//! relaydrift on more than one machine: the plans of the plugin run on Ballista.
//!
//! A question is planned where it is asked: its tables are opened there, so that the plan that travels is a plain one
//! over Parquet files and rows in memory, and needs neither a catalog nor a codec at its other end. A
//! [scheduler] cuts it into stages, [executor]s read the files and work on them, and the rows come back to
//! whoever asked. What a cluster cannot run is run by whoever asks: the rows are the same.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use relaydrift_cluster::{Address, session_state};
//! use relaydrift_datafusion::{Source, register_all};
//!
//! let scheduler: Address = "scheduler.example.org:50050".parse()?;
//! let state = session_state(&scheduler, 16, 64_000_000).await?;
//! let ctx = datafusion::prelude::SessionContext::new_with_state(state);
//! register_all(&ctx, Source::None).await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod error;
mod executor;
pub mod ingest;
mod plan;
mod probe;
mod scheduler;
mod session;
mod stores;

use ballista_core::config::TaskSchedulingPolicy;

pub use address::Address;
pub use error::Error;
pub use executor::{Work, executor};
pub use scheduler::scheduler;
pub use session::session_state;

/// Bytes of one message between the parts of a cluster; a plan names every file that it reads.
const MESSAGE: u32 = 256 << 20;

/// Executors ask for work: a scheduler of Ballista 55 that hands it out forgets to free the place of a task that it
/// took back, until an executor has none.
const POLICY: TaskSchedulingPolicy = TaskSchedulingPolicy::PullStaged;

/// What a job is said to have failed by when it was cancelled.
const CANCELLED: &str = "Cancelled";

/// Seconds between two signs of life of an executor (Ballista's, not to be set), and between two looks for them.
const HEARTBEAT: u64 = 5;

/// Seconds without a sign of life after which an executor counts as gone, with the next look, and its work is done again.
const PATIENCE: u64 = 20;
