-- Every span of a certificate or an address on a connector toward Exchange Online.
select
    spans.kind,
    spans.organization,
    spans.connector_id,
    spans.server,
    spans.value,
    spans.first_seen,
    spans.last_seen
from spans
inner join connectors
    on spans.organization = connectors.organization and spans.connector_id = connectors.connector_id
where
    spans.kind in ('certificate', 'egress')
    and connectors.role in ('cloud_hybrid', 'cloud_relay')
