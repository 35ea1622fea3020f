//! What a tool asks before it asks a question: catalogs, schemas, tables, types, and what this server can do.

use std::sync::{Arc, LazyLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow_flight::error::{FlightError, Result};
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetSqlInfo, CommandGetTableTypes,
    CommandGetTables, CommandGetXdbcTypeInfo, Nullable, ProstMessageExt, Searchable, SqlInfo,
    XdbcDataType,
};
use relaydrift_datafusion::{Described, described, plain};

/// The catalog and the schema of tables and views.
const PLACE: (&str, &str) = ("datafusion", "public");

/// The kinds that tools know.
const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

/// A command that lists something.
pub(crate) trait Listing: ProstMessageExt {
    /// The columns of the list.
    fn columns(&self) -> SchemaRef;
    /// The list.
    fn list(self) -> impl Future<Output = Result<RecordBatch>> + Send;
}

impl Listing for CommandGetCatalogs {
    fn columns(&self) -> SchemaRef {
        self.into_builder().schema()
    }

    async fn list(self) -> Result<RecordBatch> {
        let mut catalogs = self.into_builder();
        catalogs.append(PLACE.0);
        catalogs.build()
    }
}

impl Listing for CommandGetDbSchemas {
    fn columns(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    async fn list(self) -> Result<RecordBatch> {
        let mut schemas = self.into_builder();
        schemas.append(PLACE.0, PLACE.1);
        schemas.build()
    }
}

impl Listing for CommandGetTables {
    fn columns(&self) -> SchemaRef {
        self.clone().into_builder().schema()
    }

    async fn list(self) -> Result<RecordBatch> {
        let mut tables = self.into_builder();
        for table in known().await? {
            let kind = if table.is_view { VIEW } else { TABLE };
            tables.append(
                PLACE.0,
                PLACE.1,
                &table.name,
                kind,
                &plain::schema(&table.columns),
            )?;
        }
        tables.build()
    }
}

impl Listing for CommandGetTableTypes {
    fn columns(&self) -> SchemaRef {
        self.into_builder().schema()
    }

    async fn list(self) -> Result<RecordBatch> {
        let mut kinds = self.into_builder();
        kinds.append(TABLE);
        kinds.append(VIEW);
        kinds.build()
    }
}

impl Listing for CommandGetSqlInfo {
    fn columns(&self) -> SchemaRef {
        Arc::new(SqlInfoDataBuilder::schema().clone())
    }

    async fn list(self) -> Result<RecordBatch> {
        let told = SERVER.as_ref().map_err(again)?;
        self.into_builder(told).build()
    }
}

impl Listing for CommandGetXdbcTypeInfo {
    fn columns(&self) -> SchemaRef {
        XdbcTypeInfoDataBuilder::new().schema()
    }

    async fn list(self) -> Result<RecordBatch> {
        let types = TYPES.as_ref().map_err(again)?;
        self.into_builder(types).build()
    }
}

/// All tables and views.
async fn known() -> Result<&'static [Described]> {
    let known = described().await;
    known.map_err(|error| FlightError::from_external_error(Box::new(error)))
}

static SERVER: LazyLock<Result<SqlInfoData>> = LazyLock::new(|| {
    let mut told = SqlInfoDataBuilder::new();
    told.append(SqlInfo::FlightSqlServerName, "relaydrift");
    told.append(SqlInfo::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    told.append(SqlInfo::FlightSqlServerArrowVersion, arrow::ARROW_VERSION);
    told.append(SqlInfo::FlightSqlServerReadOnly, true);
    told.append(SqlInfo::FlightSqlServerSql, true);
    told.append(SqlInfo::FlightSqlServerSubstrait, false);
    told.append(SqlInfo::FlightSqlServerTransaction, 0_i32);
    told.append(SqlInfo::FlightSqlServerCancel, false);
    told.append(SqlInfo::SqlIdentifierQuoteChar, "\"");
    told.build()
});

/// The types of our columns, as ODBC and JDBC know them.
static TYPES: LazyLock<Result<XdbcTypeInfoData>> = LazyLock::new(|| {
    let mut types = XdbcTypeInfoDataBuilder::new();
    for (name, kind, size, quoted) in [
        ("VARCHAR", XdbcDataType::XdbcVarchar, None, true),
        ("BOOLEAN", XdbcDataType::XdbcBit, Some(1), false),
        ("INTEGER", XdbcDataType::XdbcInteger, Some(32), false),
        ("BIGINT", XdbcDataType::XdbcBigint, Some(64), false),
        ("DOUBLE", XdbcDataType::XdbcDouble, Some(64), false),
        ("DATE", XdbcDataType::XdbcDate, Some(10), true),
        ("TIMESTAMP", XdbcDataType::XdbcTimestamp, Some(32), true),
        ("VARBINARY", XdbcDataType::XdbcVarbinary, None, true),
    ] {
        let quote = || quoted.then(|| "'".to_owned());
        types.append(XdbcTypeInfo {
            type_name: name.to_owned(),
            data_type: kind,
            column_size: size,
            literal_prefix: quote(),
            literal_suffix: quote(),
            create_params: None,
            nullable: Nullable::NullabilityNullable,
            case_sensitive: name == "VARCHAR",
            searchable: Searchable::Full,
            unsigned_attribute: None,
            fixed_prec_scale: false,
            auto_increment: None,
            local_type_name: Some(name.to_owned()),
            minimum_scale: None,
            maximum_scale: None,
            sql_data_type: kind,
            datetime_subcode: None,
            num_prec_radix: None,
            interval_precision: None,
        });
    }
    types.build()
});

/// The error of something that is made once, for each who asks.
fn again(error: &FlightError) -> FlightError {
    FlightError::ProtocolError(error.to_string())
}
