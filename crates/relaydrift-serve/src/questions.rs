//! Questions, one at a time or many: over a context that is current, inside the limits.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow_flight::error::FlightError;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::prelude::{DataFrame, SessionContext};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{BoxStream, StreamExt, unfold};
use relaydrift_datafusion::plain;
use relaydrift_datafusion::query::Query;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::Limits;
use crate::handle::Handle;
use crate::worker::{Pumped, Worker};

/// Makes a context over what is there now, in the given memory and with the files that it may spill to.
pub type Open = Box<
    dyn Fn(Arc<RuntimeEnv>) -> BoxFuture<'static, Result<SessionContext, DataFusionError>>
        + Send
        + Sync,
>;

/// A context is used this long: rows that are committed are seen no later.
const CURRENT: Duration = Duration::from_secs(10);

/// Characters of a query; planning takes a multiple of them.
const LONGEST: usize = 256 << 10;

/// Characters of an error: a header holds no more of them.
const TOLD: usize = 2000;

/// Bytes on disk, for each byte of memory, that all questions hold together.
const SPILLED: u64 = 16;

/// How many holders of memory an error names.
const HOLDERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).unwrap();

/// A question that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Who asked; nothing where the connection does not tell.
    pub peer: Option<SocketAddr>,
    /// The text, as it came; empty where it was not read.
    pub query: String,
    /// Rows that were sent.
    pub rows: usize,
    /// From asking to the end.
    pub seconds: f64,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All rows were sent.
    Answered,
    /// The client took no more of them.
    Left,
    /// The error that the client got.
    Failed(String),
    /// The token was not shown: nothing was read.
    NoToken,
}

pub(crate) struct Questions {
    open: Open,
    runtime: Arc<RuntimeEnv>,
    current: Mutex<Option<(Instant, SessionContext)>>,
    running: Arc<Semaphore>,
    limits: Limits,
    told: Box<dyn Fn(&Asked) + Send + Sync>,
}

/// The columns of an answer and of its placeholders, before it is given.
pub(crate) struct Described {
    pub(crate) columns: SchemaRef,
    pub(crate) placeholders: Schema,
}

/// The columns and the rows of an answer.
pub(crate) struct Answer {
    pub(crate) columns: SchemaRef,
    pub(crate) rows: BoxStream<'static, Result<RecordBatch, FlightError>>,
}

impl Questions {
    pub(crate) fn new(
        open: Open,
        limits: Limits,
        told: Box<dyn Fn(&Asked) + Send + Sync>,
    ) -> Result<Questions, DataFusionError> {
        let pool = TrackConsumersPool::new(FairSpillPool::new(limits.memory), HOLDERS);
        let spilled = u64::try_from(limits.memory)
            .unwrap_or(u64::MAX)
            .saturating_mul(SPILLED);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(pool))
            .with_max_temp_directory_size(spilled);
        Ok(Questions {
            open,
            runtime: runtime.build_arc()?,
            current: Mutex::default(),
            running: Arc::new(Semaphore::new(limits.questions)),
            limits,
            told,
        })
    }

    /// What the answer will look like.
    ///
    /// Only a question that is refused is told of here; the others are when they are asked.
    pub(crate) async fn describe(
        self: &Arc<Self>,
        handle: &Handle,
        peer: Option<SocketAddr>,
    ) -> Result<Described, Status> {
        let begun = Instant::now();
        let described = async {
            let turn = self.turn().await?;
            let ctx = self.context().await?;
            let handle = handle.clone();
            let work = async move {
                let _turn = turn;
                let mut planned = plan(&ctx, &handle).await?;
                let values = handle.values()?;
                if !values.is_empty() {
                    planned = bind(planned, values)?;
                }
                let fields = placeholders(&planned)?.into_iter().map(|name| name.field);
                let placeholders = Schema::new(fields.collect::<Vec<_>>());
                Ok(Described {
                    columns: columns(&planned),
                    placeholders,
                })
            };
            Worker::new()?.done(whole(work)).await
        };
        let described = self.before(begun + self.limits.time, described).await;
        described.inspect_err(|status| {
            let mut log = Log::new(self.clone(), handle.query.clone(), peer, begun);
            log.outcome = Outcome::Failed(status.message().to_owned());
        })
    }

    /// Tells of a call without the token.
    pub(crate) fn tell_of_stranger(self: &Arc<Self>, peer: Option<SocketAddr>) {
        let mut log = Log::new(self.clone(), String::new(), peer, Instant::now());
        log.outcome = Outcome::NoToken;
    }

    /// Asks, and gives the rows as they come; the question counts as long as the rows are held.
    pub(crate) async fn ask(
        self: &Arc<Self>,
        handle: &Handle,
        peer: Option<SocketAddr>,
    ) -> Result<Answer, Status> {
        let begun = Instant::now();
        let mut log = Log::new(self.clone(), handle.query.clone(), peer, begun);
        let deadline = begun + self.limits.time;
        let answer = async {
            let turn = self.turn().await?;
            let ctx = self.context().await?;
            let handle = handle.clone();
            let work = async move {
                let planned = plan(&ctx, &handle).await?;
                let values = handle.values()?;
                let bound = bind(planned, values)?;
                let columns = columns(&bound);
                let rows = bound.execute_stream().await.map_err(refused)?;
                Ok((turn, columns, rows))
            };
            let worker = Worker::new()?;
            let (turn, columns, rows) = worker.done(whole(work)).await?;
            // The turn is given back when the work has really ended.
            let rows = rows.map(|rows| rows.map_err(refused));
            Ok((columns, worker.pump(rows, turn)))
        };
        match self.before(deadline, answer).await {
            Ok((columns, rows)) => Ok(Answer {
                columns: columns.clone(),
                rows: Rows {
                    columns,
                    rows,
                    log,
                    deadline,
                }
                .stream(),
            }),
            Err(status) => {
                log.outcome = Outcome::Failed(status.message().to_owned());
                Err(status)
            }
        }
    }

    /// A turn among the questions that are worked on.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Status> {
        let turn = self.running.clone().acquire_owned().await;
        turn.map_err(|_| Status::unavailable("the server is ending"))
    }

    async fn context(&self) -> Result<SessionContext, Status> {
        let mut current = self.current.lock().await;
        if let Some((opened, ctx)) = current.as_ref()
            && opened.elapsed() < CURRENT
        {
            return Ok(ctx.clone());
        }
        let opened = Instant::now();
        let ctx = (self.open)(self.runtime.clone()).await.map_err(refused)?;
        *current = Some((opened, ctx.clone()));
        Ok(ctx)
    }

    async fn before<T>(
        &self,
        deadline: Instant,
        work: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, Status> {
        let done = timeout_at(deadline, whole(work)).await;
        done.unwrap_or_else(|_| Err(self.late()))
    }

    fn late(&self) -> Status {
        Status::deadline_exceeded(format!(
            "not answered in {} s, the time that a question has on this server; {} are worked on at once",
            self.limits.time.as_secs(),
            self.limits.questions
        ))
    }
}

async fn plan(ctx: &SessionContext, handle: &Handle) -> Result<DataFrame, Status> {
    if handle.query.len() > LONGEST {
        return Err(Status::invalid_argument(format!(
            "the query was not run: it is {} bytes long, at most {LONGEST} are read",
            handle.query.len()
        )));
    }
    let invalid = |error: &dyn std::fmt::Display| Status::invalid_argument(short(error));
    let query = Query::new(ctx, &handle.query).map_err(|error| invalid(&error))?;
    query.plan(ctx).await.map_err(|error| invalid(&error))
}

/// Rows on their way.
struct Rows {
    columns: SchemaRef,
    rows: Pumped,
    log: Log,
    deadline: Instant,
}

impl Rows {
    fn stream(self) -> BoxStream<'static, Result<RecordBatch, FlightError>> {
        let rows = unfold(Some(self), |rows| async {
            let mut rows = rows?;
            match rows.next().await {
                Ok(None) => {
                    rows.log.outcome = Outcome::Answered;
                    None
                }
                Ok(Some(batch)) => {
                    rows.log.rows += batch.num_rows();
                    Some((Ok(batch), Some(rows)))
                }
                Err(status) => {
                    rows.log.outcome = Outcome::Failed(status.message().to_owned());
                    Some((Err(FlightError::Tonic(Box::new(status))), None))
                }
            }
        });
        rows.boxed()
    }

    async fn next(&mut self) -> Result<Option<RecordBatch>, Status> {
        let Ok(next) = timeout_at(self.deadline, self.rows.next()).await else {
            return Err(self.log.questions.late());
        };
        let Some(batch) = next else {
            return Ok(None);
        };
        plain::batch(&self.columns, &batch?)
            .map(Some)
            .map_err(|error| Status::internal(short(&error)))
    }
}

/// A panic of the engine is an error of the question, not the end of the connection.
pub(crate) async fn whole<T>(work: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        let text = text.unwrap_or("no reason");
        Err(Status::internal(short(&format!(
            "the engine gave up: {text}"
        ))))
    })
}

/// The columns of an answer as they are told before and with it.
fn columns(planned: &DataFrame) -> SchemaRef {
    plain::schema(planned.schema().as_arrow())
}

/// Tells of a question when it goes.
struct Log {
    questions: Arc<Questions>,
    query: String,
    peer: Option<SocketAddr>,
    begun: Instant,
    rows: usize,
    outcome: Outcome,
}

impl Log {
    fn new(
        questions: Arc<Questions>,
        query: String,
        peer: Option<SocketAddr>,
        begun: Instant,
    ) -> Log {
        Log {
            questions,
            query,
            peer,
            begun,
            rows: 0,
            outcome: Outcome::Left,
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        (self.questions.told)(&Asked {
            peer: self.peer,
            query: std::mem::take(&mut self.query),
            rows: self.rows,
            seconds: self.begun.elapsed().as_secs_f64(),
            outcome: self.outcome.clone(),
        });
    }
}

/// A placeholder of a query: `$1` or `$name`.
struct Placeholder {
    id: String,
    field: Field,
}

/// The placeholders in the order in which their values are given: by number, then by name.
fn placeholders(planned: &DataFrame) -> Result<Vec<Placeholder>, Status> {
    let fields = planned.logical_plan().get_parameter_fields();
    let mut fields: Vec<_> = fields.map_err(refused)?.into_iter().collect();
    let number = |id: &str| id.trim_start_matches('$').parse().unwrap_or(usize::MAX);
    fields.sort_by(|(a, _), (b, _)| (number(a), a).cmp(&(number(b), b)));
    let fields = fields.into_iter().map(|(id, field)| {
        let id = id.trim_start_matches('$').to_owned();
        // What nothing tells the type of is taken for a text.
        let kind = field.map_or(DataType::Utf8, |field| field.data_type().clone());
        let field = Field::new(&id, kind, true);
        Placeholder { id, field }
    });
    Ok(fields.collect())
}

/// Puts values in the place of placeholders.
fn bind(planned: DataFrame, values: Vec<ScalarValue>) -> Result<DataFrame, Status> {
    let places = placeholders(&planned)?;
    if places.len() != values.len() {
        return Err(Status::invalid_argument(format!(
            "the query was not run: it has {} placeholders, {} values were given",
            places.len(),
            values.len()
        )));
    }
    if places.is_empty() {
        return Ok(planned);
    }
    let ids = places.into_iter().map(|place| place.id);
    let values: Vec<(String, ScalarValue)> = ids.zip(values).collect();
    planned.with_param_values(values).map_err(refused)
}

/// What a client is told of an error of the engine.
pub(crate) fn refused(error: DataFusionError) -> Status {
    let text = short(&error);
    match error.find_root() {
        DataFusionError::ResourcesExhausted(_) => Status::resource_exhausted(text),
        DataFusionError::External(_) | DataFusionError::IoError(_) => Status::unavailable(text),
        DataFusionError::Internal(_) => Status::internal(text),
        _ => Status::invalid_argument(text),
    }
}

fn short(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    match text.char_indices().nth(TOLD) {
        None => text,
        Some((end, _)) => format!("{} …", &text[..end]),
    }
}
