//! `rehearse('NAME', 'CIDR, CIDR', 'SINCE')`: had the inbound connector been set like this, which
//! sessions would have been attributed?
//!
//! The question is SQL over our own tables and views (`sql/functions/rehearse.sql`), put when the table
//! is scanned; its answer is small.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::catalog::{Session, TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{ParamValues, Result, ScalarValue, plan_err};
use datafusion::datasource::{MemTable, TableType};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::{ExecutionPlan, collect};
use ipnet::Ipv4Net;
use relaydrift_ingest::Table;
use relaydrift_parse::peer;

const SQL: &str = include_str!("../../../sql/functions/rehearse.sql");

/// Settings of an inbound connector that are tried out on sessions of the past.
///
/// As a table ([`Rehearsal::table`]) it has a row per connector, server, certificate sent and egress
/// address; the head of `sql/functions/rehearse.sql` says what its columns mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rehearsal {
    name: Option<SenderName>,
    networks: Vec<SenderNetwork>,
    since: Option<i64>,
}

/// A `TlsSenderCertificateName` as Exchange Online takes it: a domain, or `*.` and a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderName(String);

/// One of the `SenderIPAddresses` as Exchange Online takes them: an IPv4 address, or a network of IPv4
/// addresses between /24 and /32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderNetwork(String);

/// Why an inbound connector cannot be set like this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfit(&'static str);

impl Rehearsal {
    /// The connector asks for this certificate or these addresses; sessions that started before `since`
    /// (microseconds since 1970) are left out.
    ///
    /// # Errors
    /// It asks for nothing.
    pub fn new(
        name: Option<SenderName>,
        networks: Vec<SenderNetwork>,
        since: Option<i64>,
    ) -> Result<Self, Unfit> {
        if name.is_none() && networks.is_empty() {
            return Err(Unfit(
                "a connector asks for a certificate name, for addresses, or for both",
            ));
        }
        Ok(Rehearsal {
            name,
            networks,
            since,
        })
    }

    /// The answer, as a table.
    pub fn table(self) -> Arc<dyn TableProvider> {
        Arc::new(Answer(self))
    }

    fn values(&self) -> ParamValues {
        let networks: Vec<&str> = self.networks.iter().map(|one| one.0.as_str()).collect();
        let networks = (!networks.is_empty()).then(|| networks.join(","));
        let name = self.name.as_ref().map(|name| name.0.clone());
        let since = ScalarValue::TimestampMicrosecond(self.since, Some("UTC".into()));
        ParamValues::from(vec![
            ("name", ScalarValue::Utf8(name)),
            ("networks", ScalarValue::Utf8(networks)),
            ("since", since),
        ])
    }
}

impl FromStr for SenderName {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if text.contains(['<', '>', '=']) {
            return Err(Unfit(
                "a distinguished name: what Exchange Online makes of it cannot be foretold; give the domain",
            ));
        }
        let domain = text.strip_prefix("*.").unwrap_or(text);
        let is_label = |label: &str| {
            let inside = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
            (1..=63).contains(&label.len()) && label.chars().all(inside)
        };
        match domain.len() <= 253 && domain.contains('.') && domain.split('.').all(is_label) {
            true => Ok(SenderName(text.to_owned())),
            false => Err(Unfit(
                "no domain: write mail.contoso.com, or *.contoso.com for the names below it",
            )),
        }
    }
}

impl FromStr for SenderNetwork {
    type Err = Unfit;

    fn from_str(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if text.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) || text.contains(':') {
            return Err(Unfit(
                "an inbound connector lists IPv4 alone: a server that leaves over IPv6 needs a certificate",
            ));
        }
        let network = match (text.parse::<Ipv4Net>(), text.parse::<Ipv4Addr>()) {
            (Ok(network), _) => network,
            (_, Ok(address)) => Ipv4Net::from(address),
            _ => {
                return Err(Unfit(
                    "no IPv4 address and no network: write 203.0.113.10 or 203.0.113.0/24",
                ));
            }
        };
        if network.prefix_len() < 24 {
            return Err(Unfit(
                "an inbound connector takes networks from /24 to /32: write a larger one as several",
            ));
        }
        match peer::is_public(&IpAddr::V4(network.network())) {
            true => Ok(SenderNetwork(text.to_owned())),
            false => Err(Unfit(
                "a private or reserved address: Exchange Online sees the public one behind it",
            )),
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Unfit {}

/// The table function.
#[derive(Debug)]
pub(crate) struct RehearseFunction;

const USAGE: &str = "rehearse('*.contoso.com', '203.0.113.10, 203.0.113.16/28', '2026-10-01'): \
     name, addresses and start, each of them NULL or left out at the end where it is not asked for";

impl TableFunctionImpl for RehearseFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> Result<Arc<dyn TableProvider>> {
        let mut values = Vec::new();
        for argument in args.exprs() {
            match argument {
                Expr::Literal(value, _) => values.push(value),
                other => return plan_err!("rehearse takes values, not {other}\n  {USAGE}"),
            }
        }
        if values.is_empty() || values.len() > 3 {
            return plan_err!("rehearse takes one to three values\n  {USAGE}");
        }
        let text = |at: usize| -> Result<Option<String>> {
            let text = values.get(at).map(|value| value.cast_to(&DataType::Utf8));
            let text = text.transpose()?.and_then(|value| match value {
                ScalarValue::Utf8(text) => text,
                _ => None,
            });
            Ok(text.filter(|text| !text.trim().is_empty()))
        };
        let name = match text(0)?.map(|name| (name.parse(), name)) {
            None => None,
            Some((Ok(name), _)) => Some(name),
            Some((Err(unfit), name)) => return plan_err!("rehearse: '{name}': {unfit}"),
        };
        let mut networks = Vec::new();
        for network in text(1)?.iter().flat_map(|list| list.split(',')) {
            match network.parse() {
                Ok(network) => networks.push(network),
                Err(unfit) => return plan_err!("rehearse: '{}': {unfit}", network.trim()),
            }
        }
        let since = match values.get(2).map(|value| value.cast_to(&timestamp())) {
            None => None,
            Some(Ok(ScalarValue::TimestampMicrosecond(since, _))) => since,
            Some(_) => return plan_err!("rehearse: {} is no time\n  {USAGE}", values[2]),
        };
        match Rehearsal::new(name, networks, since) {
            Ok(rehearsal) => Ok(rehearsal.table()),
            Err(unfit) => plan_err!("rehearse: {unfit}\n  {USAGE}"),
        }
    }
}

/// What is asked, and answered at each scan.
#[derive(Debug)]
struct Answer(Rehearsal);

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The columns of `sql/functions/rehearse.sql`.
fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let count = |name: &str| Field::new(name, DataType::Int64, true);
    let time = |name: &str| Field::new(name, timestamp(), true);
    let names = Field::new("item", DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("organization"),
        text("connector_id"),
        text("role"),
        text("server"),
        text("thumbprint"),
        text("subject"),
        Field::new_list("names", names, true),
        text("egress_ip"),
        text("attributed"),
        text("certificate_result"),
        text("address_result"),
        count("sessions"),
        count("transactions"),
        count("recipients"),
        count("sender_refused"),
        text("why"),
        time("first_seen"),
        time("last_seen"),
        text("session_id"),
        text("path"),
        count("line"),
    ]))
}

#[async_trait]
impl TableProvider for Answer {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(session) = state.as_any().downcast_ref::<SessionState>() else {
            return plan_err!("rehearse needs a session that can plan SQL");
        };
        // Raw logs keep what was asked for before they are read: these first, then views over others.
        for table in [Table::Sessions, Table::Transactions] {
            let schema = session.schema_for_ref(table.name())?;
            schema.table(table.name()).await?;
        }
        let plan = session.create_logical_plan(SQL).await?;
        let plan = plan.with_param_values(self.0.values())?;
        let plan = session.create_physical_plan(&plan).await?;
        let batches = collect(plan, session.task_ctx()).await?;
        let batches = batches.iter().map(fitted).collect::<Result<Vec<_>>>()?;
        MemTable::try_new(schema(), vec![batches])?
            .scan(state, projection, filters, limit)
            .await
    }
}

/// The rows with the types of [`schema`]: the engine may have chosen other forms of text.
fn fitted(batch: &RecordBatch) -> Result<RecordBatch> {
    let schema = schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let columns = columns.map(|(field, column)| cast(column, field.data_type()));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    Ok(RecordBatch::try_new(schema, columns)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Source, register_all, session_context};

    #[test]
    fn names_are_domains() {
        for name in ["mail.contoso.com", "*.contoso.com", " Contoso.com "] {
            assert!(name.parse::<SenderName>().is_ok(), "{name}");
        }
        let bad = [
            "",
            "*",
            "*.",
            "contoso",
            "*.*.contoso.com",
            "mail.*.contoso.com",
            "a..b",
            "mail.contoso.com.",
            "CN=mail.contoso.com",
            "<I>CN=R3<S>CN=mail.contoso.com",
            "mail contoso.com",
        ];
        for name in bad {
            assert!(name.parse::<SenderName>().is_err(), "{name}");
        }
    }

    #[test]
    fn networks_are_those_that_exchange_online_takes() {
        for network in [
            "203.0.113.10",
            "203.0.113.0/24",
            "203.0.113.16/28",
            "203.0.113.7/32",
        ] {
            assert!(network.parse::<SenderNetwork>().is_ok(), "{network}");
        }
        for (network, said) in [
            ("203.0.113.0/23", "/24 to /32"),
            ("10.1.2.3", "private"),
            ("2001:db8::1", "IPv4 alone"),
            ("2001:db8::/64", "IPv4 alone"),
            ("203.0.113.1-203.0.113.9", "no network"),
            ("203.0.113.0/33", "no network"),
            ("", "no network"),
        ] {
            let unfit = network.parse::<SenderNetwork>().unwrap_err();
            assert!(unfit.to_string().contains(said), "{network}: {unfit}");
        }
    }

    async fn ask(sql: &str) -> Result<Vec<RecordBatch>> {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default())).await?;
        ctx.sql(sql).await?.collect().await
    }

    #[tokio::test]
    async fn arguments_are_judged_before_anything_is_read() {
        for (arguments, said) in [
            ("", "one to three values"),
            ("null", "asks for a certificate name"),
            ("'', ' '", "asks for a certificate name"),
            ("'contoso'", "'contoso': no domain"),
            ("null, '203.0.113.1, 10.0.0.1'", "'10.0.0.1': a private"),
            ("'mail.contoso.com', null, 'soon'", "no time"),
            ("'mail.contoso.com', null, null, 1", "one to three values"),
        ] {
            let error = ask(&format!("select * from rehearse({arguments})")).await;
            let error = error.unwrap_err().to_string();
            assert!(error.contains(said), "{arguments}: {error}");
        }
        for arguments in [
            "'*.contoso.com'",
            "null, '203.0.113.1, 203.0.113.16/28'",
            "'mail.contoso.com', '203.0.113.1', '2026-10-01'",
            "'mail.contoso.com', null, timestamp '2026-10-01T00:00:00'",
        ] {
            let rows = ask(&format!("select server, why from rehearse({arguments})")).await;
            let rows: usize = rows.unwrap().iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, 0, "{arguments}");
        }
    }

    #[tokio::test]
    async fn the_columns_are_those_of_the_question() {
        let ctx = session_context(1);
        register_all(&ctx, Source::Batches(Arc::default()))
            .await
            .unwrap();
        let asked = Rehearsal::new("*.contoso.com".parse().ok(), Vec::new(), None).unwrap();
        let answer = ctx.sql(SQL).await.unwrap();
        let answer = answer.with_param_values(asked.values()).unwrap();
        let names = |schema: &Schema| -> Vec<String> {
            let names = schema.fields().iter().map(|field| field.name().clone());
            names.collect()
        };
        assert_eq!(names(answer.schema().as_arrow()), names(&schema()));
    }
}
