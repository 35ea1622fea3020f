//! What should be presented, as rows of its tables.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use relaydrift_expect::{
    AcceptedDomain, BlockedConnector, Certificate, Form, Imported, InboundConnector,
    OrganizationConfig, PlannedChange, Rows, SendConnector, TransportService,
};

use crate::certificates::CertificateColumns;
use crate::columns::{Bool, Int32, Int64, Texts, Time, Utf8, append_list, columns};
use crate::{BEGINNING, Table};

/// Whose expectation a file is, and since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The organization (forest).
    pub organization: String,
    /// The tenant, where it is named; it counts before the one that an export tells.
    pub tenant: Option<String>,
    /// Microseconds since 1970.
    pub valid_from: i64,
}

impl Default for Snapshot {
    fn default() -> Self {
        Snapshot {
            organization: "default".into(),
            tenant: None,
            valid_from: BEGINNING,
        }
    }
}

/// The rows of imported files, a batch per file and table; a certificate is one of `certificates_seen` too,
/// so that the facts behind a thumbprint come from wherever they are known.
///
/// # Errors
/// If the rows do not fit the schema of their table, which is an error of this crate.
pub fn expected(
    files: &[Imported],
    snapshot: &Snapshot,
    batch: i64,
) -> Result<Vec<(Table, RecordBatch)>, ArrowError> {
    let mut batches = Vec::new();
    for file in files {
        let path = file.path.to_string_lossy();
        let row = Row {
            snapshot,
            path: &path,
        };
        macro_rules! build {
            ($table:ident, $columns:ident, $rows:expr) => {{
                let mut columns = $columns::new();
                $rows.iter().for_each(|one| columns.push(&row, one));
                if columns.len() > 0 {
                    batches.push((Table::$table, columns.finish(batch)?));
                }
            }};
        }
        match &file.rows {
            Some(Rows::InboundConnectors(rows)) => build!(InboundConnectors, Inbound, rows),
            Some(Rows::SendConnectors(rows)) => build!(SendConnectors, Send, rows),
            Some(Rows::AcceptedDomains(rows)) => build!(AcceptedDomains, Accepted, rows),
            Some(Rows::Certificates(rows)) => {
                build!(Certificates, Stored, rows);
                build!(CertificatesSeen, CertificateColumns, rows);
            }
            Some(Rows::TransportServices(rows)) => build!(TransportServices, Transport, rows),
            Some(Rows::OrganizationConfig(rows)) => build!(OrganizationConfig, Organization, rows),
            Some(Rows::BlockedConnectors(rows)) => build!(BlockedConnectors, Blocked, rows),
            Some(Rows::PlannedChanges(rows)) => build!(PlannedChanges, Planned, rows),
            None => {}
        }
        if let Some(rows) = &file.rows {
            build!(Imports, Imports, [(file.form, rows)]);
        }
    }
    Ok(batches)
}

/// What all rows of a file have.
struct Row<'a> {
    snapshot: &'a Snapshot,
    path: &'a str,
}

columns! {
    /// Builders of `inbound_connectors`.
    Inbound for Table::InboundConnectors, {
        organization: Utf8, tenant: Utf8, valid_from: Time, guid: Utf8, name: Utf8, enabled: Bool,
        connector_type: Utf8, connector_source: Utf8, sender_ip_addresses: Texts,
        sender_domains: Texts, tls_sender_certificate_name: Utf8, require_tls: Bool,
        restrict_domains_to_ip_addresses: Bool, restrict_domains_to_certificate: Bool,
        cloud_services_mail_enabled: Bool, treat_messages_as_internal: Bool, when_changed: Time,
        when_created: Time, source_path: Utf8,
    }
}

columns! {
    /// Builders of `send_connectors`.
    Send for Table::SendConnectors, {
        organization: Utf8, tenant: Utf8, valid_from: Time, guid: Utf8, name: Utf8, enabled: Bool,
        fqdn: Utf8, smart_hosts: Texts, address_spaces: Texts, source_transport_servers: Texts,
        tls_certificate_name: Utf8, tls_auth_level: Utf8, tls_domain: Utf8, require_tls: Bool,
        ignore_starttls: Bool, dns_routing_enabled: Bool, cloud_services_mail_enabled: Bool,
        frontend_proxy_enabled: Bool, protocol_logging_level: Utf8, when_changed: Time,
        source_path: Utf8,
    }
}

columns! {
    /// Builders of `accepted_domains`.
    Accepted for Table::AcceptedDomains, {
        organization: Utf8, tenant: Utf8, valid_from: Time, domain_name: Utf8, domain_type: Utf8,
        is_default: Bool, match_subdomains: Bool, source_path: Utf8,
    }
}

columns! {
    /// Builders of `certificates`.
    Stored for Table::Certificates, {
        organization: Utf8, valid_from: Time, server: Utf8, thumbprint: Utf8, sha256: Utf8,
        subject: Utf8, issuer: Utf8, serial: Utf8, not_before: Time, not_after: Time, names: Texts,
        key_algorithm: Utf8, key_bits: Int32, client_auth: Bool, self_signed: Bool,
        has_private_key: Bool, services: Texts, status: Utf8, chain_role: Utf8, source_path: Utf8,
    }
}

columns! {
    /// Builders of `transport_services`.
    Transport for Table::TransportServices, {
        organization: Utf8, valid_from: Time, server: Utf8, service: Utf8, send_log_path: Utf8,
        receive_log_path: Utf8, log_max_age: Utf8, log_max_directory_size_bytes: Int64,
        version: Utf8, source_path: Utf8,
    }
}

columns! {
    /// Builders of `organization_config`.
    Organization for Table::OrganizationConfig, {
        organization: Utf8, tenant: Utf8, valid_from: Time, name: Utf8, guid: Utf8,
        reject_direct_send: Bool, when_changed: Time, source_path: Utf8,
    }
}

columns! {
    /// Builders of `blocked_connectors`.
    Blocked for Table::BlockedConnectors, {
        organization: Utf8, tenant: Utf8, valid_from: Time, connector_id: Utf8, reason: Utf8,
        created: Time, source_path: Utf8,
    }
}

columns! {
    /// Builders of `planned_changes`.
    Planned for Table::PlannedChanges, {
        organization: Utf8, tenant: Utf8, valid_from: Time, id: Utf8, connector: Utf8,
        thumbprint: Utf8, address: Utf8, starts: Time, ends: Time, source_path: Utf8,
    }
}

columns! {
    /// Builders of `imports`.
    Imports for Table::Imports, {
        organization: Utf8, tenant: Utf8, valid_from: Time, kind: Utf8, form: Utf8, objects: Int64,
        source_path: Utf8,
    }
}

/// Appends the columns of a snapshot that has a tenant.
macro_rules! with_tenant {
    ($columns:ident, $row:ident, $told:expr) => {
        let told: Option<&String> = $told;
        $columns
            .tenant
            .append_option($row.snapshot.tenant.as_ref().or(told));
        without_tenant!($columns, $row);
    };
}

/// Appends the columns of a snapshot that has none.
macro_rules! without_tenant {
    ($columns:ident, $row:ident) => {
        $columns
            .organization
            .append_value(&$row.snapshot.organization);
        $columns.valid_from.append_value($row.snapshot.valid_from);
        $columns.source_path.append_value($row.path);
    };
}

/// Appends fields of a row to the columns of the same names.
macro_rules! options {
    ($columns:ident, $from:ident, $($field:ident),* $(,)?) => {
        $($columns.$field.append_option($from.$field.as_ref().cloned());)*
    };
}

macro_rules! lists {
    ($columns:ident, $from:ident, $($field:ident),* $(,)?) => {
        $(append_list(&mut $columns.$field, &$from.$field);)*
    };
}

impl Inbound {
    fn push(&mut self, row: &Row<'_>, one: &InboundConnector) {
        with_tenant!(self, row, one.tenant.as_ref());
        self.name.append_value(&one.name);
        options!(
            self,
            one,
            guid,
            enabled,
            connector_type,
            connector_source,
            tls_sender_certificate_name,
            require_tls,
            restrict_domains_to_ip_addresses,
            restrict_domains_to_certificate,
            cloud_services_mail_enabled,
            treat_messages_as_internal,
            when_changed,
            when_created,
        );
        lists!(self, one, sender_ip_addresses, sender_domains);
        self.end_row();
    }
}

impl Send {
    fn push(&mut self, row: &Row<'_>, one: &SendConnector) {
        with_tenant!(self, row, None);
        self.name.append_value(&one.name);
        options!(
            self,
            one,
            guid,
            enabled,
            fqdn,
            tls_certificate_name,
            tls_auth_level,
            tls_domain,
            require_tls,
            ignore_starttls,
            dns_routing_enabled,
            cloud_services_mail_enabled,
            frontend_proxy_enabled,
            protocol_logging_level,
            when_changed,
        );
        lists!(
            self,
            one,
            smart_hosts,
            address_spaces,
            source_transport_servers
        );
        self.end_row();
    }
}

impl Accepted {
    fn push(&mut self, row: &Row<'_>, one: &AcceptedDomain) {
        with_tenant!(self, row, one.tenant.as_ref());
        self.domain_name.append_value(&one.domain_name);
        options!(self, one, domain_type, is_default, match_subdomains);
        self.end_row();
    }
}

impl Stored {
    fn push(&mut self, row: &Row<'_>, one: &Certificate) {
        without_tenant!(self, row);
        self.thumbprint.append_value(&one.thumbprint);
        options!(
            self,
            one,
            server,
            sha256,
            subject,
            issuer,
            serial,
            not_before,
            not_after,
            key_algorithm,
            key_bits,
            client_auth,
            self_signed,
            has_private_key,
            status,
            chain_role,
        );
        lists!(self, one, names, services);
        self.end_row();
    }
}

impl CertificateColumns {
    fn push(&mut self, _: &Row<'_>, one: &Certificate) {
        self.thumbprint.append_value(&one.thumbprint);
        options!(self, one, subject, issuer, serial, not_before, not_after);
        append_list(&mut self.names, &one.names);
        self.form.append_value("import");
        self.unsplit.append_null();
        self.flags.append_null();
        self.end_row();
    }
}

impl Transport {
    fn push(&mut self, row: &Row<'_>, one: &TransportService) {
        without_tenant!(self, row);
        self.server.append_value(&one.server);
        self.service.append_value(&one.service);
        options!(
            self,
            one,
            send_log_path,
            receive_log_path,
            log_max_age,
            log_max_directory_size_bytes,
            version,
        );
        self.end_row();
    }
}

impl Organization {
    fn push(&mut self, row: &Row<'_>, one: &OrganizationConfig) {
        with_tenant!(self, row, None);
        self.name.append_value(&one.name);
        options!(self, one, guid, reject_direct_send, when_changed);
        self.end_row();
    }
}

impl Blocked {
    fn push(&mut self, row: &Row<'_>, one: &BlockedConnector) {
        with_tenant!(self, row, one.tenant.as_ref());
        self.connector_id.append_value(&one.connector_id);
        options!(self, one, reason, created);
        self.end_row();
    }
}

impl Planned {
    fn push(&mut self, row: &Row<'_>, one: &PlannedChange) {
        with_tenant!(self, row, None);
        self.id.append_value(&one.id);
        self.connector.append_value(&one.connector);
        options!(self, one, thumbprint, address);
        self.starts.append_value(one.from);
        self.ends.append_value(one.until);
        self.end_row();
    }
}

impl Imports {
    fn push(&mut self, row: &Row<'_>, &(form, rows): &(Form, &Rows)) {
        let told = rows.tenants();
        let only = (told.len() == 1).then(|| told[0]).flatten();
        let only = only.map(str::to_owned);
        with_tenant!(self, row, only.as_ref());
        self.kind.append_value(rows.kind().name());
        self.form.append_value(form.as_str());
        self.objects.append_value(rows.len() as i64);
        self.end_row();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fit_the_schemas() {
        let schemas = [
            (Table::InboundConnectors, Inbound::new().finish(1)),
            (Table::SendConnectors, Send::new().finish(1)),
            (Table::AcceptedDomains, Accepted::new().finish(1)),
            (Table::Certificates, Stored::new().finish(1)),
            (Table::TransportServices, Transport::new().finish(1)),
            (Table::OrganizationConfig, Organization::new().finish(1)),
            (Table::BlockedConnectors, Blocked::new().finish(1)),
            (Table::PlannedChanges, Planned::new().finish(1)),
            (Table::Imports, Imports::new().finish(1)),
        ];
        let tables = schemas.each_ref().map(|(table, _)| *table);
        assert_eq!(tables, Table::EXPECTED);
        for (table, batch) in schemas {
            assert_eq!(batch.unwrap().schema(), table.schema());
        }
    }

    #[test]
    fn kinds_and_tables_have_the_same_names() {
        let kinds = relaydrift_expect::Kind::ALL.map(relaydrift_expect::Kind::name);
        let (imports, tables) = Table::EXPECTED.split_last().unwrap();
        assert_eq!(
            kinds.to_vec(),
            tables.iter().map(|table| table.name()).collect::<Vec<_>>()
        );
        assert_eq!(*imports, Table::Imports);
    }
}
