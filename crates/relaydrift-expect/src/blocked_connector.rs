//! Connectors that Exchange Online blocked because they may be compromised.

use crate::Problem;
use crate::property::Properties;

/// One blocked connector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockedConnector {
    /// `contoso.onmicrosoft.com`, where the export tells.
    pub tenant: Option<String>,
    /// The GUID of the inbound connector.
    pub connector_id: String,
    /// Why, as Exchange Online says.
    pub reason: Option<String>,
    /// When; microseconds since 1970.
    pub created: Option<i64>,
}

impl BlockedConnector {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        let names = ["CreatedTime", "CreatedDatetime", "CreatedDateTimeUTC"];
        let created = names.into_iter().find(|name| from.object.has(name));
        Ok(BlockedConnector {
            tenant: from.tenant(),
            connector_id: from.some_text("ConnectorId")?,
            reason: from.text("Reason")?,
            created: match created {
                Some(property) => from.time(property)?,
                None => None,
            },
        })
    }
}
