-- Which server sends which certificate now toward Exchange Online, and how near the certificate's end is.
select distinct
    expiry.thumbprint,
    expiry.server,
    expiry.band
from certificate_expiry as expiry
inner join connectors
    on expiry.organization = connectors.organization and expiry.connector_id = connectors.connector_id
where connectors.role in ('cloud_hybrid', 'cloud_relay')
