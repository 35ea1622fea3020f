-- One hour in which a connector on a server reached Exchange Online, and the refusals of its sessions.
-- Grain: organization, connector_id, server, hour. Reads: observed.
select
    organization,
    connector_id,
    server,
    hour,
    sum(sessions) as sessions,
    sum(refused) as refused,
    min(first_refused) as first_refused,
    max(last_refused) as last_refused
from observed
where kind = 'route' and compared like 'eop/%'
group by organization, connector_id, server, hour
