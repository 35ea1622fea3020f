//! What can be wrong with a cluster.

use ballista_core::error::BallistaError;
use datafusion::error::DataFusionError;

use crate::Address;

/// Why a part of a cluster cannot be reached or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing listens there, or nobody answers.
    #[error(
        "no scheduler at {scheduler}: {source}\n  start one: relaydrift scheduler --listen {scheduler}"
    )]
    NoScheduler {
        /// Where it was looked for.
        scheduler: Address,
        /// What was answered.
        source: std::io::Error,
    },
    /// A scheduler to which no executor has come.
    #[error(
        "no executor works for the scheduler at {scheduler}\n  start one: relaydrift executor --scheduler {scheduler}"
    )]
    NoExecutor {
        /// The scheduler.
        scheduler: Address,
    },
    /// An address to listen on is taken, or not of this machine.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A listener that does not know where it listens.
    #[error("cannot listen: {0}")]
    Listener(#[source] std::io::Error),
    /// The folder for what is on its way cannot be made.
    #[error("no folder for intermediate rows: {0}")]
    Folder(#[source] std::io::Error),
    /// Ballista's own.
    #[error("{0}")]
    Ballista(#[from] BallistaError),
    /// DataFusion's own.
    #[error(transparent)]
    DataFusion(#[from] DataFusionError),
}
