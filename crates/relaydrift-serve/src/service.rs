//! The calls of Flight SQL. One that is not here (updates, ingestion, transactions, Substrait) is answered as
//! unimplemented by the trait.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::flight_service_server::FlightService;
use arrow_flight::sql::server::{FlightSqlService, PeekableFlightDataStream};
use arrow_flight::sql::{
    ActionClosePreparedStatementRequest, ActionCreatePreparedStatementRequest,
    ActionCreatePreparedStatementResult, CommandGetCatalogs, CommandGetDbSchemas,
    CommandGetSqlInfo, CommandGetTableTypes, CommandGetTables, CommandGetXdbcTypeInfo,
    CommandPreparedStatementQuery, CommandStatementQuery, DoPutPreparedStatementResult,
    ProstMessageExt, SqlInfo, TicketStatementQuery,
};
use arrow_flight::{
    Action, FlightDescriptor, FlightEndpoint, FlightInfo, HandshakeRequest, HandshakeResponse,
    IpcMessage, SchemaAsIpc, Ticket,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use prost::Message;
use prost::bytes::Bytes;
use tonic::service::Interceptor;
use tonic::{Request, Response, Status, Streaming};

use crate::catalog::Listing;
use crate::handle::Handle;
use crate::questions::Questions;
use crate::token::Token;

/// Lets calls with the token through, every call of every kind.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) questions: Arc<Questions>,
    pub(crate) token: Token,
}

impl Interceptor for Gate {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        if self.token.is_shown(request.metadata()) {
            return Ok(request);
        }
        self.questions.tell_of_stranger(request.remote_addr());
        Err(Status::unauthenticated(
            "the token of this server is asked for: authorization: Bearer TOKEN, or the token as the password",
        ))
    }
}

/// One for all clients.
#[derive(Clone)]
pub(crate) struct Service {
    questions: Arc<Questions>,
    token: Token,
}

type Data = Response<<Service as FlightService>::DoGetStream>;

impl Service {
    pub(crate) fn new(questions: Arc<Questions>, token: Token) -> Service {
        Service { questions, token }
    }

    /// Where the rows of a question are got, and what they will look like.
    async fn info_of(
        &self,
        handle: &Handle,
        ticket: impl ProstMessageExt,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let described = self
            .questions
            .describe(handle, request.remote_addr())
            .await?;
        info(&described.columns, ticket, request)
    }

    async fn rows_of(&self, handle: &Handle, peer: Option<SocketAddr>) -> Result<Data, Status> {
        let answer = self.questions.ask(handle, peer).await?;
        Ok(data(answer.columns, answer.rows))
    }
}

fn info(
    columns: &Schema,
    ticket: impl ProstMessageExt,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(ticket.as_any().encode_to_vec());
    let info = FlightInfo::new()
        .try_with_schema(columns)
        .map_err(|error| Status::internal(error.to_string()))?
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
        .with_descriptor(request.into_inner());
    Ok(Response::new(info))
}

fn list_info(
    listing: impl Listing,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let columns = listing.columns();
    info(&columns, listing, request)
}

async fn list(listing: impl Listing) -> Result<Data, Status> {
    let rows = listing.list().await?;
    Ok(data(rows.schema(), stream::iter([Ok(rows)])))
}

fn data(
    columns: SchemaRef,
    rows: impl Stream<Item = Result<RecordBatch, FlightError>> + Send + 'static,
) -> Data {
    let encoded = FlightDataEncoderBuilder::new()
        .with_schema(columns)
        .build(rows);
    Response::new(encoded.map_err(Status::from).boxed())
}

/// A schema as a message of its own.
fn message(schema: &Schema) -> Result<Bytes, Status> {
    let message = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into();
    let IpcMessage(bytes) =
        message.map_err(|error: arrow::error::ArrowError| Status::internal(error.to_string()))?;
    Ok(bytes)
}

#[tonic::async_trait]
impl FlightSqlService for Service {
    type FlightService = Service;

    /// Who got here has shown the token; a client that knows user and password only learns it here.
    async fn do_handshake(
        &self,
        _: Request<Streaming<HandshakeRequest>>,
    ) -> Result<
        Response<Pin<Box<dyn Stream<Item = Result<HandshakeResponse, Status>> + Send>>>,
        Status,
    > {
        let bearer = self.token.bearer();
        let header = bearer
            .parse()
            .map_err(|_| Status::internal("the token is no header"))?;
        let answer = HandshakeResponse {
            protocol_version: 0,
            payload: Bytes::new(),
        };
        let answers = stream::iter([Ok(answer)]).boxed();
        let mut response = Response::new(answers as Pin<Box<dyn Stream<Item = _> + Send>>);
        response.metadata_mut().insert("authorization", header);
        Ok(response)
    }

    async fn get_flight_info_statement(
        &self,
        query: CommandStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle::new(&query.query);
        let ticket = TicketStatementQuery {
            statement_handle: handle.bytes(),
        };
        self.info_of(&handle, ticket, request).await
    }

    async fn get_flight_info_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let handle = Handle::read(query.prepared_statement_handle.clone())?;
        self.info_of(&handle, query, request).await
    }

    async fn do_get_statement(
        &self,
        ticket: TicketStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Data, Status> {
        let handle = Handle::read(ticket.statement_handle)?;
        self.rows_of(&handle, request.remote_addr()).await
    }

    async fn do_get_prepared_statement(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<Ticket>,
    ) -> Result<Data, Status> {
        let handle = Handle::read(query.prepared_statement_handle)?;
        self.rows_of(&handle, request.remote_addr()).await
    }

    async fn do_action_create_prepared_statement(
        &self,
        query: ActionCreatePreparedStatementRequest,
        request: Request<Action>,
    ) -> Result<ActionCreatePreparedStatementResult, Status> {
        let handle = Handle::new(&query.query);
        let described = self
            .questions
            .describe(&handle, request.remote_addr())
            .await?;
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle.bytes(),
            dataset_schema: message(&described.columns)?,
            parameter_schema: message(&described.placeholders)?,
        })
    }

    /// The client gets a new handle, with the values in it.
    async fn do_put_prepared_statement_query(
        &self,
        query: CommandPreparedStatementQuery,
        request: Request<PeekableFlightDataStream>,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        let handle = Handle::read(query.prepared_statement_handle)?;
        let data = request.into_inner().map_err(FlightError::from);
        let batches: Vec<RecordBatch> = FlightRecordBatchStream::new_from_flight_data(data)
            .try_collect()
            .await?;
        let batches: Vec<_> = batches
            .iter()
            .filter(|batch| batch.num_rows() > 0)
            .collect();
        let [row] = batches.as_slice() else {
            return Err(Status::invalid_argument(
                "one row of values is taken at a time",
            ));
        };
        if row.num_rows() != 1 {
            return Err(Status::invalid_argument(
                "one row of values is taken at a time",
            ));
        }
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(handle.bind(row)?.bytes()),
        })
    }

    /// Nothing was kept.
    async fn do_action_close_prepared_statement(
        &self,
        _: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Ok(())
    }

    async fn get_flight_info_catalogs(
        &self,
        query: CommandGetCatalogs,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_catalogs(
        &self,
        query: CommandGetCatalogs,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    async fn get_flight_info_schemas(
        &self,
        query: CommandGetDbSchemas,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_schemas(
        &self,
        query: CommandGetDbSchemas,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    async fn get_flight_info_tables(
        &self,
        query: CommandGetTables,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_tables(
        &self,
        query: CommandGetTables,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    async fn get_flight_info_table_types(
        &self,
        query: CommandGetTableTypes,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_table_types(
        &self,
        query: CommandGetTableTypes,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    async fn get_flight_info_sql_info(
        &self,
        query: CommandGetSqlInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_sql_info(
        &self,
        query: CommandGetSqlInfo,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    async fn get_flight_info_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        list_info(query, request)
    }

    async fn do_get_xdbc_type_info(
        &self,
        query: CommandGetXdbcTypeInfo,
        _: Request<Ticket>,
    ) -> Result<Data, Status> {
        list(query).await
    }

    /// What is told is put together once for all servers.
    async fn register_sql_info(&self, _: i32, _: &SqlInfo) {}
}
