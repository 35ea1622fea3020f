//! The tables: every stored column is named here and nowhere else.
//!
//! Plain types only, so that any engine reads the files: Utf8, Boolean, Int32, Int64, Float64,
//! Timestamp(us, "UTC"), Date32, Binary and `List<Utf8>`. Units stand in the names (`duration_ms`).

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// A table of the lake, and of raw logs seen as a lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One log line.
    Events,
    /// One whole SMTP session.
    Sessions,
    /// One raw row of a session that is not final yet.
    OpenSessions,
    /// One mail transaction.
    Transactions,
    /// One value that a connector showed on a server in one hour; see [`Kind`](crate::Kind).
    Observations,
    /// One half of a delivery through a front end; of a hub's half one recipient domain.
    ProxiedHalves,
    /// One certificate text as a log spelled it out, or an imported certificate (`form` is `import`): the
    /// facts behind a thumbprint.
    CertificatesSeen,
    /// One line that could not be read.
    Rejects,
    /// One inbound connector of Exchange Online as an export had it (`Get-InboundConnector`).
    ///
    /// As in all tables of what is expected, the rows of one organization, tenant and `valid_from` are
    /// one snapshot: the newest `valid_from` before a time is what counted then. What `--expect` gives is
    /// valid from [`BEGINNING`]. `sender_domains` are bare: `*`, `contoso.com` for `smtp:contoso.com;1`;
    /// `sender_ip_addresses` and `tls_sender_certificate_name` are as written (CIDR; `*.contoso.com` or
    /// `<I>issuer<S>subject`). A boolean is null where the export does not have the property.
    InboundConnectors,
    /// One send connector (`Get-SendConnector`); `name` is what send logs call connector-id.
    ///
    /// `address_spaces` are bare like `sender_domains` above, `smart_hosts` are host names or `[10.0.0.1]`,
    /// `source_transport_servers` server names. Enumerations are names: `tls_auth_level` is
    /// `EncryptionOnly`, `CertificateValidation` or `DomainValidation`, `protocol_logging_level` is
    /// `None` or `Verbose`.
    SendConnectors,
    /// One accepted domain (`Get-AcceptedDomain`); `domain_type` is `Authoritative`, `InternalRelay`, …
    AcceptedDomains,
    /// One certificate as it lies in a server's store (`Get-ExchangeCertificate`), or in a file.
    ///
    /// Facts come from the certificate itself: `thumbprint` is SHA-1 in upper-case hex as logs have it,
    /// subject and issuer are spelled as logs spell them, `names` is the common name where it is a DNS
    /// name, then the DNS names. `client_auth` is false where there is an extended key usage without it.
    /// `chain_role` is `leaf`, `intermediate` or `root`. `server`, `has_private_key`, `services` (`SMTP`,
    /// `IIS`, …) and `status` come from the export, and are null for a certificate out of a file.
    /// A snapshot is one organization and server.
    Certificates,
    /// One transport service of one server (`Get-TransportService`: `Hub` or `Edge`;
    /// `Get-FrontendTransportService`: `FrontEnd`) and where it writes its logs.
    ///
    /// A path is null where protocol logging has none. A snapshot is one organization and server.
    TransportServices,
    /// The organization's settings (`Get-OrganizationConfig`) that decide about mail from outside.
    OrganizationConfig,
    /// One connector that Exchange Online blocked (`Get-BlockedConnector`, 5.7.711).
    BlockedConnectors,
    /// One planned change, as a person wrote it: a connector may begin to show the `thumbprint`, or an address
    /// of the network `address`, between `starts` and `ends`.
    ///
    /// It is dated by these; `valid_from` is when it was imported, and of several imports of an `id` the newest
    /// counts.
    PlannedChanges,
    /// One imported file: of which table its rows are (`kind`), how it is written, and how many objects it
    /// holds.
    ///
    /// A cmdlet that had nothing to export leaves a row here and none in its table. `tenant` is the one that was
    /// named, or that all objects tell.
    Imports,
    /// One ingested range of one file: the ledger.
    Sources,
}

impl Table {
    /// Every table, in the order in which a batch is applied: `sources` comes last.
    pub const ALL: [Table; 18] = [
        Table::Events,
        Table::Sessions,
        Table::OpenSessions,
        Table::Transactions,
        Table::Observations,
        Table::ProxiedHalves,
        Table::CertificatesSeen,
        Table::Rejects,
        Table::InboundConnectors,
        Table::SendConnectors,
        Table::AcceptedDomains,
        Table::Certificates,
        Table::TransportServices,
        Table::OrganizationConfig,
        Table::BlockedConnectors,
        Table::PlannedChanges,
        Table::Imports,
        Table::Sources,
    ];

    /// The tables of what should be: imported, never read from logs.
    pub const EXPECTED: [Table; 9] = [
        Table::InboundConnectors,
        Table::SendConnectors,
        Table::AcceptedDomains,
        Table::Certificates,
        Table::TransportServices,
        Table::OrganizationConfig,
        Table::BlockedConnectors,
        Table::PlannedChanges,
        Table::Imports,
    ];

    /// The name in SQL and of the table's folder.
    pub fn name(self) -> &'static str {
        match self {
            Table::Events => "events",
            Table::Sessions => "sessions",
            Table::OpenSessions => "open_sessions",
            Table::Transactions => "transactions",
            Table::Observations => "observations",
            Table::ProxiedHalves => "proxied_halves",
            Table::CertificatesSeen => "certificates_seen",
            Table::Rejects => "rejects",
            Table::InboundConnectors => "inbound_connectors",
            Table::SendConnectors => "send_connectors",
            Table::AcceptedDomains => "accepted_domains",
            Table::Certificates => "certificates",
            Table::TransportServices => "transport_services",
            Table::OrganizationConfig => "organization_config",
            Table::BlockedConnectors => "blocked_connectors",
            Table::PlannedChanges => "planned_changes",
            Table::Imports => "imports",
            Table::Sources => "sources",
        }
    }

    /// The columns, in stored order; the last is always `batch`.
    pub fn schema(self) -> SchemaRef {
        static SCHEMAS: LazyLock<Vec<SchemaRef>> = LazyLock::new(|| {
            Table::ALL
                .iter()
                .map(|table| Arc::new(build(*table)))
                .collect()
        });
        let at = Table::ALL
            .iter()
            .position(|table| *table == self)
            .unwrap_or(0);
        SCHEMAS[at].clone()
    }
}

/// `valid_from` of what was given for one question: 1970, before any log.
pub const BEGINNING: i64 = 0;

/// Microseconds since 1970 in UTC: the type of every time column.
pub fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn text(name: &str) -> Field {
    Field::new(name, DataType::Utf8, true)
}

fn int32(name: &str) -> Field {
    Field::new(name, DataType::Int32, true)
}

fn int64(name: &str) -> Field {
    Field::new(name, DataType::Int64, true)
}

fn boolean(name: &str) -> Field {
    Field::new(name, DataType::Boolean, true)
}

fn time(name: &str) -> Field {
    Field::new(name, timestamp(), true)
}

fn bytes(name: &str) -> Field {
    Field::new(name, DataType::Binary, true)
}

fn texts(name: &str) -> Field {
    Field::new_list(name, Field::new("item", DataType::Utf8, true), true)
}

/// organization, server, service, connector_id: where a row belongs.
fn place() -> Vec<Field> {
    ["organization", "server", "service", "connector_id"]
        .map(text)
        .into()
}

/// source_id and line: the row's place in the input (lines count from 1).
fn origin() -> Vec<Field> {
    vec![text("source_id"), int64("line")]
}

/// organization, tenant, valid_from: the snapshot that a row of what is expected belongs to.
fn snapshot() -> Vec<Field> {
    vec![text("organization"), text("tenant"), time("valid_from")]
}

fn certificate(prefix: &str) -> Vec<Field> {
    vec![
        text(&format!("{prefix}_thumbprint")),
        text(&format!("{prefix}_subject")),
        text(&format!("{prefix}_issuer")),
        text(&format!("{prefix}_serial")),
        time(&format!("{prefix}_not_before")),
        time(&format!("{prefix}_not_after")),
        texts(&format!("{prefix}_names")),
    ]
}

fn build(table: Table) -> Schema {
    let mut fields = match table {
        Table::Events => [
            vec![time("event_time")],
            place(),
            vec![
                text("session_id"),
                int64("sequence"),
                text("local_ip"),
                int32("local_port"),
                text("remote_ip"),
                int32("remote_port"),
                text("event"),
                text("data"),
                text("context"),
                int32("reply_code"),
                text("enhanced_code"),
                texts("flags"),
                text("extra"),
                bytes("raw"),
            ],
            origin(),
            vec![int64("byte_offset")],
        ]
        .concat(),
        Table::Sessions => [
            vec![time("start_time"), time("end_time")],
            place(),
            vec![
                text("session_id"),
                int64("rows"),
                text("local_ip"),
                int32("local_port"),
                text("remote_ip"),
                int32("remote_port"),
                text("peer_kind"),
                text("peer_cloud"),
                text("banner_host"),
                text("ehlo_name"),
                text("egress_ip"),
                boolean("starttls_offered"),
                boolean("starttls_sent"),
                int32("starttls_code"),
                text("tls_protocol"),
                text("tls_cipher"),
                text("tls_error"),
                text("chain_status"),
                text("auth_error"),
                text("secure_domain_error"),
                int64("clock_skew_ms"),
            ],
            certificate("sent"),
            certificate("received"),
            vec![
                text("proxied_session_id"),
                text("inbound_session_id"),
                int64("messages"),
                int64("recipients"),
                int64("accepted"),
                int64("refused"),
                int32("refusal_code"),
                text("refusal_enhanced"),
                text("refusal_attr"),
                text("refusal_text"),
                text("outcome"),
                text("disconnect_reason"),
                int64("sequence_gaps"),
                texts("flags"),
                boolean("open"),
            ],
            origin(),
        ]
        .concat(),
        Table::OpenSessions => [
            vec![
                text("organization"),
                text("server"),
                text("service"),
                text("session_id"),
            ],
            vec![
                time("event_time"),
                int64("sequence"),
                bytes("raw"),
                boolean("parked"),
            ],
            origin(),
            vec![int64("byte_offset")],
        ]
        .concat(),
        Table::Transactions => [
            vec![time("start_time"), time("end_time")],
            place(),
            vec![
                text("session_id"),
                int32("ordinal"),
                text("peer_kind"),
                text("record_id"),
                text("message_id"),
                text("sender"),
                text("sender_domain"),
                int64("recipients"),
                int64("accepted"),
                int64("refused"),
                texts("accepted_domains"),
                texts("refused_domains"),
                texts("rejected_domains"),
                int64("size_bytes"),
                text("outcome"),
                int32("reply_code"),
                text("enhanced_code"),
                text("attr_code"),
                text("reply_text"),
                time("reply_time"),
                text("reply_source_id"),
                int64("reply_line"),
                int64("duration_ms"),
                text("sent_thumbprint"),
                text("egress_ip"),
                boolean("open"),
            ],
            origin(),
        ]
        .concat(),
        Table::Observations => [
            place(),
            vec![
                text("kind"),
                text("value"),
                time("hour"),
                time("first_seen"),
                time("last_seen"),
                int64("sessions"),
                int64("rows"),
                int64("accepted"),
                int64("refused"),
                time("first_accepted"),
                time("last_accepted"),
                time("first_refused"),
                time("last_refused"),
                text("first_session_id"),
                text("first_source_id"),
                int64("first_line"),
            ],
        ]
        .concat(),
        Table::ProxiedHalves => [
            place(),
            vec![
                text("half"),
                text("hub_session_id"),
                text("session_id"),
                time("start_time"),
            ],
            ["certificate", "egress", "tls", "peer", "route", "domain"]
                .map(text)
                .into(),
            vec![int64("accepted"), int64("refused")],
            [
                "first_accepted",
                "last_accepted",
                "first_refused",
                "last_refused",
            ]
            .map(time)
            .into(),
            origin(),
        ]
        .concat(),
        Table::CertificatesSeen => [
            vec![
                text("thumbprint"),
                text("subject"),
                text("issuer"),
                text("serial"),
            ],
            vec![time("not_before"), time("not_after"), texts("names")],
            vec![text("form"), text("unsplit"), texts("flags")],
        ]
        .concat(),
        Table::Rejects => [
            vec![text("organization"), text("server"), text("service")],
            origin(),
            vec![
                int64("byte_offset"),
                int64("bytes"),
                text("reason"),
                bytes("raw"),
                text("hash"),
            ],
        ]
        .concat(),
        Table::InboundConnectors => [
            snapshot(),
            vec![
                text("guid"),
                text("name"),
                boolean("enabled"),
                text("connector_type"),
                text("connector_source"),
                texts("sender_ip_addresses"),
                texts("sender_domains"),
                text("tls_sender_certificate_name"),
                boolean("require_tls"),
                boolean("restrict_domains_to_ip_addresses"),
                boolean("restrict_domains_to_certificate"),
                boolean("cloud_services_mail_enabled"),
                boolean("treat_messages_as_internal"),
                time("when_changed"),
                time("when_created"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::SendConnectors => [
            snapshot(),
            vec![
                text("guid"),
                text("name"),
                boolean("enabled"),
                text("fqdn"),
                texts("smart_hosts"),
                texts("address_spaces"),
                texts("source_transport_servers"),
                text("tls_certificate_name"),
                text("tls_auth_level"),
                text("tls_domain"),
                boolean("require_tls"),
                boolean("ignore_starttls"),
                boolean("dns_routing_enabled"),
                boolean("cloud_services_mail_enabled"),
                boolean("frontend_proxy_enabled"),
                text("protocol_logging_level"),
                time("when_changed"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::AcceptedDomains => [
            snapshot(),
            vec![
                text("domain_name"),
                text("domain_type"),
                boolean("is_default"),
                boolean("match_subdomains"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::Certificates => vec![
            text("organization"),
            time("valid_from"),
            text("server"),
            text("thumbprint"),
            text("sha256"),
            text("subject"),
            text("issuer"),
            text("serial"),
            time("not_before"),
            time("not_after"),
            texts("names"),
            text("key_algorithm"),
            int32("key_bits"),
            boolean("client_auth"),
            boolean("self_signed"),
            boolean("has_private_key"),
            texts("services"),
            text("status"),
            text("chain_role"),
            text("source_path"),
        ],
        Table::TransportServices => vec![
            text("organization"),
            time("valid_from"),
            text("server"),
            text("service"),
            text("send_log_path"),
            text("receive_log_path"),
            text("log_max_age"),
            int64("log_max_directory_size_bytes"),
            text("version"),
            text("source_path"),
        ],
        Table::OrganizationConfig => [
            snapshot(),
            vec![
                text("name"),
                text("guid"),
                boolean("reject_direct_send"),
                time("when_changed"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::BlockedConnectors => [
            snapshot(),
            vec![
                text("connector_id"),
                text("reason"),
                time("created"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::PlannedChanges => [
            snapshot(),
            vec![
                text("id"),
                text("connector"),
                text("thumbprint"),
                text("address"),
                time("starts"),
                time("ends"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::Imports => [
            snapshot(),
            vec![
                text("kind"),
                text("form"),
                int64("objects"),
                text("source_path"),
            ],
        ]
        .concat(),
        Table::Sources => [
            vec![
                text("source_id"),
                text("path"),
                text("organization"),
                text("server"),
            ],
            vec![
                text("service"),
                text("log_type"),
                text("version"),
                text("log_date"),
            ],
            vec![
                text("head_hash"),
                int64("head_bytes"),
                int64("from_offset"),
                int64("to_offset"),
            ],
            vec![
                text("tail_hash"),
                int64("from_line"),
                int64("lines"),
                int64("rows"),
            ],
            vec![
                int64("rejects"),
                int64("header_bytes"),
                int64("event_bytes"),
            ],
            vec![
                int64("reject_bytes"),
                int64("blank_bytes"),
                int64("pending_bytes"),
            ],
            vec![
                time("first_time"),
                time("last_time"),
                texts("flags"),
                time("ingested_at"),
            ],
        ]
        .concat(),
    };
    fields.push(int64("batch"));
    Schema::new(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_snake_case_unique_and_short() {
        for table in Table::ALL {
            let schema = table.schema();
            let mut names: Vec<_> = schema.fields().iter().map(|field| field.name()).collect();
            for name in &names {
                assert!(name.len() <= 45, "{name}");
                assert!(
                    name.chars()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'),
                    "{name}"
                );
            }
            assert_eq!(names.last().map(|name| name.as_str()), Some("batch"));
            names.sort();
            names.dedup();
            assert_eq!(names.len(), schema.fields().len(), "{}", table.name());
        }
    }
}
