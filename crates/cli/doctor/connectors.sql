-- Which servers have rows of a connector. `proxied`: sessions that went through a front end.
-- Grain: organization, connector_id, server. Reads: observations, connectors.
select
    seen.organization,
    seen.connector_id,
    connectors.role,
    seen.server,
    seen.proxied
from (
    select
        organization,
        connector_id,
        server,
        sum(case when value = 'proxy' then sessions else 0 end) as proxied
    from observations
    where kind = 'route'
    group by organization, connector_id, server
) as seen
left join connectors
    on seen.organization = connectors.organization
    and seen.connector_id = connectors.connector_id
order by seen.organization, seen.connector_id, seen.server
