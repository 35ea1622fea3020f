//! The organization's settings that decide about mail from outside.

use crate::Problem;
use crate::property::Properties;

/// The settings of one organization or tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizationConfig {
    /// Its name: `contoso.onmicrosoft.com` for a tenant.
    pub name: String,
    /// Its GUID.
    pub guid: Option<String>,
    /// Whether Exchange Online refuses mail of the tenant's domains from connections it cannot attribute;
    /// `None` on premises.
    pub reject_direct_send: Option<bool>,
    /// Microseconds since 1970.
    pub when_changed: Option<i64>,
}

impl OrganizationConfig {
    pub(crate) fn read(from: &mut Properties<'_>) -> Result<Self, Problem> {
        Ok(OrganizationConfig {
            name: from.some_text("Name")?,
            guid: from.text("Guid")?,
            reject_direct_send: from.boolean("RejectDirectSend")?,
            when_changed: from.changed()?,
        })
    }
}
