//! What can go wrong with a lake.

use deltalake_core::DeltaTableError;
use relaydrift_ingest::Table;

use crate::{SharesError, Trouble};

/// Why a lake could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing there, or a folder without a lake in it.
    #[error("no lake at {location}: `relaydrift ingest` creates one")]
    NoLake {
        /// As the caller named it.
        location: String,
    },
    /// A URL of a kind that is not known, or without a bucket.
    #[error(
        "{location}: not a place for a lake or logs: write a folder, s3://BUCKET/FOLDER, az://CONTAINER/FOLDER, \
         abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER or gs://BUCKET/FOLDER"
    )]
    Scheme {
        /// As the caller named it.
        location: String,
    },
    /// A URL with a user, a password or a query: it is not repeated.
    #[error(
        "a URL with a user, password or query in it: credentials are read from the environment, never from a URL"
    )]
    Secret,
    /// An object store that does not answer, or refuses.
    #[error("{location}: {trouble}; {help}")]
    Remote {
        /// As the caller named it.
        location: String,
        /// What is wrong.
        trouble: Trouble,
        /// What to do, or where this kind of store is told how to open it.
        help: &'static str,
        /// What the store said, where that says more.
        source: Option<Box<object_store::Error>>,
    },
    /// A folder that cannot be created or found.
    #[error("{location}: cannot be used as a lake")]
    Folder {
        /// As the caller named it.
        location: String,
        /// Why.
        source: std::io::Error,
    },
    /// A folder on a share, named by its server: the paths of Delta's library have no place for a server.
    #[error(
        r"{location}: a lake on a share needs a drive letter: net use L: \\SERVER\SHARE, then --lake L:\FOLDER"
    )]
    Share {
        /// As the caller named it.
        location: String,
    },
    /// A folder with a name that Delta's library takes for another one.
    #[error(
        "{location}: cannot be used as a lake: Delta's library reads a % with two hexadecimal digits in the name of \
         a folder as another character: use a folder without it"
    )]
    Percent {
        /// As the caller named it.
        location: String,
    },
    /// Written by a newer relaydrift.
    #[error(
        "the lake {location} has format {found}, this relaydrift knows formats up to {known}: use a newer relaydrift"
    )]
    NewerFormat {
        /// URL of the lake.
        location: String,
        /// The format it has.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The tables of a lake, without the paper that says which format they have.
    #[error("{path}: not there, and the tables of a lake are; restore it from a backup")]
    NoPaper {
        /// Path in the store.
        path: String,
    },
    /// One of the lake's own papers stands in the place of another.
    #[error("{path}: is the paper of {found}; restore it from a backup")]
    OtherPaper {
        /// Path in the store.
        path: String,
        /// What it tells of.
        found: String,
    },
    /// One of the lake's own papers is damaged.
    #[error("{path}: not readable as JSON; restore it from a backup")]
    Json {
        /// Path in the store.
        path: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The store refused to read or write.
    #[error("{path}: cannot be read or written")]
    Store {
        /// Path in the store.
        path: String,
        /// Why.
        source: object_store::Error,
    },
    /// The Delta log of a table cannot be read or written.
    #[error("table {table}: its Delta log cannot be read or written")]
    Delta {
        /// Name of the table.
        table: &'static str,
        /// Why.
        source: Box<DeltaTableError>,
    },
    /// A table of another time than the rest of its lake.
    #[error(
        "table {table}: has another batch {batch} than the lake: was it put back, or copied, at another time than the other \
         tables? put the whole lake back as it was at one time"
    )]
    Ahead {
        /// Name of the table.
        table: &'static str,
        /// The batch that is to be applied.
        batch: i64,
    },
    /// Other programs kept committing to a table.
    #[error("table {table}: other programs commit to it all the time; try again")]
    Busy {
        /// Name of the table.
        table: &'static str,
    },
    /// A store that goes on listing less than it has.
    #[error("table {table}: its store lists an older state than it holds; try again")]
    Behind {
        /// Name of the table.
        table: &'static str,
    },
    /// A data file cannot be decoded or encoded.
    #[error("table {table}: a Parquet file cannot be read or written")]
    Parquet {
        /// Name of the table.
        table: &'static str,
        /// Why.
        source: parquet::errors::ParquetError,
    },
    /// Columns do not fit: a defect of this program.
    #[error("table {table}: columns do not fit its schema")]
    Columns {
        /// Name of the table.
        table: &'static str,
        /// Why.
        source: arrow::error::ArrowError,
    },
    /// A batch names a table that this program does not know.
    #[error("{path}: names the unknown table {table}: use a newer relaydrift")]
    UnknownTable {
        /// Path of the batch in the store.
        path: String,
        /// The name.
        table: String,
    },
    /// Another run committed a batch of this number first: plan again against the new ledger.
    #[error("another run committed batch {batch} first; run it again")]
    LostBatch {
        /// The number.
        batch: i64,
    },
    /// A writer slept between its files and its decision, and they were removed meanwhile.
    #[error(
        "batch {batch}: its files were removed (relaydrift vacuum) before it was committed; run it again"
    )]
    Vacuumed {
        /// The number.
        batch: i64,
    },
    /// Readers and writers may still need files so young.
    #[error(
        "what was needed within the last 6 hours is never removed: write --older-than 6h or more"
    )]
    Lease,
    /// The logs could not be read into batches.
    #[error(transparent)]
    Ingest(#[from] relaydrift_ingest::Error),
    /// Machines that were given parts of a batch to read: nothing of the batch is in the lake.
    #[error("the cluster did not read all logs; nothing of this batch was taken in")]
    Shares(#[source] SharesError),
    /// A worker thread was stopped or panicked.
    #[error("a worker thread stopped early")]
    Worker(#[from] tokio::task::JoinError),
}

impl Error {
    pub(crate) fn delta(table: Table) -> impl FnOnce(DeltaTableError) -> Error {
        move |source| Error::Delta {
            table: table.name(),
            source: Box::new(source),
        }
    }

    pub(crate) fn parquet(table: Table) -> impl FnOnce(parquet::errors::ParquetError) -> Error {
        move |source| Error::Parquet {
            table: table.name(),
            source,
        }
    }

    pub(crate) fn columns(table: Table) -> impl FnOnce(arrow::error::ArrowError) -> Error {
        move |source| Error::Columns {
            table: table.name(),
            source,
        }
    }

    pub(crate) fn store(
        path: &object_store::path::Path,
    ) -> impl FnOnce(object_store::Error) -> Error {
        let path = path.to_string();
        move |source| Error::Store { path, source }
    }
}
