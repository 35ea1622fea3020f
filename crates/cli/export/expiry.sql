-- Every certificate in use toward Exchange Online, with the band where its end is in sight.
-- Grain: organization, connector_id, server, thumbprint.
select
    expiry.organization,
    expiry.connector_id,
    connectors.role,
    expiry.server,
    expiry.thumbprint,
    expiry.subject,
    expiry.issuer,
    expiry.serial,
    expiry.not_before,
    expiry.not_after,
    expiry.names,
    expiry.session_id,
    expiry.band,
    expiry.band_start,
    expiry.severity
from certificate_expiry as expiry
inner join connectors
    on expiry.organization = connectors.organization and expiry.connector_id = connectors.connector_id
where connectors.role in ('cloud_hybrid', 'cloud_relay')
