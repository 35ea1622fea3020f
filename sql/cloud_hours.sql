-- One hour in which a connector on a server reached Exchange Online, and the refusals of its sessions.
-- Grain: organization, connector_id, server, hour. Reads: observed.
select
    organization,
    connector_id,
    server,
    hour,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(sessions) as sessions,
    sum(refused) as refused,
    min(first_refused) as first_refused,
    max(last_refused) as last_refused,
    first_value(first_session_id order by first_seen, first_session_id) as first_session_id
from observed
where kind = 'route' and compared like 'eop/%'
group by organization, connector_id, server, hour
