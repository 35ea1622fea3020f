//! What should be presented: exports of connectors, accepted domains and certificates, read and
//! recognised by content.
//!
//! This crate knows PowerShell's formats and X.509. It must not know Arrow, the engine or the command
//! line: whoever has a file gets typed rows, or an error that says what is wrong where, and what to
//! export instead. A file is read whole or not at all.
//!
//! # The exports
//! What `Get-InboundConnector`, `Get-SendConnector` and their like give comes as `ConvertTo-Json` (an
//! object or an array, enumerations as names or numbers, dates as ISO 8601 or `/Date(ms)/`), as
//! `Export-Clixml`, as `Export-Csv` or as `Format-List` text; Windows PowerShell writes UTF-16 with a
//! byte-order mark, others UTF-8. The last two formats are flat: where a list was lost in them
//! (`System.Collections.ArrayList`, `{EX01, EX02...}`) the file is refused, because half a list would
//! give a wrong verdict. Planned changes, which no cmdlet knows, are objects or a table that a person
//! wrote ([`PlannedChange`]). Certificates come as PEM, DER, PKCS#7 or `RawData` inside an export. Private
//! keys are refused wherever they stand.
//!
//! # Example
//! ```
//! use relaydrift_expect::{Rows, read_bytes};
//!
//! let json = br#"{"Name": "Inbound from EX", "Enabled": true, "ConnectorType": 1,
//!     "SenderIPAddresses": ["192.0.2.0/24"], "SenderDomains": ["smtp:*;1"],
//!     "TlsSenderCertificateName": "*.contoso.com"}"#;
//! let file = read_bytes("inbound.json".as_ref(), json)?;
//! let Some(Rows::InboundConnectors(connectors)) = file.rows else { panic!() };
//! assert_eq!(connectors[0].connector_type.as_deref(), Some("OnPremises"));
//! assert_eq!(connectors[0].sender_domains, ["*"]);
//! # Ok::<(), relaydrift_expect::Error>(())
//! ```

mod accepted_domain;
mod blocked_connector;
mod certificate;
mod clixml;
mod csv;
mod der;
mod error;
mod file;
mod folder;
mod inbound_connector;
mod json;
mod kind;
mod list;
mod network;
mod organization_config;
mod planned_change;
mod property;
mod send_connector;
#[cfg(test)]
mod tests;
mod text;
mod transport_service;
mod value;
pub mod x509;

pub use accepted_domain::AcceptedDomain;
pub use blocked_connector::BlockedConnector;
pub use certificate::Certificate;
pub use error::{Error, Problem, Wrong};
pub use file::{Form, Imported, Rows, read_bytes, read_planned};
pub use folder::{Reading, load, read};
pub use inbound_connector::InboundConnector;
pub use kind::Kind;
pub use network::network;
pub use organization_config::OrganizationConfig;
pub use planned_change::PlannedChange;
pub use send_connector::SendConnector;
pub use transport_service::TransportService;
