//! The relaydrift lake: Parquet files committed to Delta tables, each line exactly once.
//!
//! This crate alone knows Delta tables, object stores and async writing. It must not know how a
//! log line is read (it gets finished batches of columns) nor SQL (it hands out lists of files).
//!
//! A lake is a folder, local or in an object store, with one Delta table per [`Table`](relaydrift_ingest::Table), so that any
//! engine reads it without this crate, and a folder `_relaydrift` with the lake's own papers:
//!
//! ```text
//! lake/
//!   _relaydrift/lake.json          the format version; a newer one is refused
//!   _relaydrift/batches/<N>.json   one file per committed batch: the decision
//!   _relaydrift/compacted/<T>-<FILE>.json  what a merged file was made of
//!   _relaydrift/positions/<NAME>.json  how far an export of this name has come; whom `follow` has told
//!   events/_delta_log/...          one Delta table per name
//!   events/part-<N>-<attempt>-<k>.parquet
//!   ...
//!   sources/...                    the ledger: which range of which log is in which batch
//! ```
//!
//! # How a batch is committed
//!
//! Delta commits one table at a time, a batch touches many. So there is one decision, and a
//! consequence of it per table:
//!
//! 1. **Write.** Every data file of batch N is written under a name of its own and synced. Nobody
//!    sees it yet.
//! 2. **Decide.** `_relaydrift/batches/N.json` is created if it is not there, synced. It lists all
//!    files of all tables with size, rows, BLAKE3 and statistics. From here on the batch is
//!    committed, whatever happens to this process. If another run was first, its batch is N, ours
//!    is [lost](Error::LostBatch) and is planned again against the new ledger. Where the answer of
//!    the store got lost, the file is read back: the attempt's id inside says whose it is.
//! 3. **Apply.** Each table gets its files in one Delta commit that carries the application
//!    transaction `relaydrift` = N; a table that has it already is left alone. `sources` comes
//!    last, and readers take only files of batches up to the newest in `sources`: before that the
//!    whole batch is invisible, after it the whole batch is there.
//!
//! [`Lake::begin`] first applies what a run before decided and did not apply. Nothing on this path
//! is ever deleted: files of a lost batch stay behind, unnamed and harmless, until somebody asks for [`vacuum`].
//!
//! # Merging
//!
//! Many small batches make many small files. [`compact`] writes the rows of neighbours into one file and
//! puts it in their place by one Delta commit, as the very next version or not at all. Nothing else changes:
//! the parts stay in the folder for whoever reads them, until [`vacuum`].
//!
//! # Example
//!
//! ```no_run
//! use relaydrift_ingest::{Naming, Table, find};
//! use relaydrift_lake::{Lake, Options, ingest};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let lake = Lake::open_or_create("lake").await?;
//! let plan = find(&["logs".into()], &Naming::default())?;
//! let outcome = ingest(&lake, plan, Options::default(), |_bytes| ()).await?;
//! println!("{} batches, {} rows", outcome.batches.len(), outcome.summary.rows);
//! for file in lake.files(Table::Events).await?.files {
//!     println!("{} {:?}", file.path, file.rows);
//! }
//! # Ok(())
//! # }
//! ```

mod apply;
mod batch;
mod compact;
mod delta_log;
mod dictionary;
mod encode;
mod error;
mod lake;
mod ledger;
mod logs;
mod position;
mod prepared;
mod remote;
mod run;
mod share;
mod snapshot;
mod stats;
mod store;
#[cfg(test)]
mod tests;
mod vacuum;
mod verify;

pub use batch::{Batch, BatchSink, Committed};
pub use compact::{Merge, Merged, compact};
pub use error::Error;
pub use lake::{FORMAT, Lake};
pub use logs::find;
pub use remote::{Trouble, object_store};
pub use run::{Options, Outcome, import, ingest, ingest_by};
pub use share::{Share, SharesError, Written};
pub use snapshot::{DataFile, TableFiles};
pub use stats::{Bound, ColumnStats};
pub use vacuum::{LEASE, Needless, Removed, vacuum};
pub use verify::{Damage, Report, verify};
