-- Whom do connectors toward Exchange Online meet that is not Exchange Online?
-- For the SOC: a gateway or an interception; without a banner the peer was never reached.
select
    sessions.connector_id,
    sessions.server,
    sessions.peer_kind,
    sessions.remote_ip,
    sessions.banner_host,
    sessions.received_subject,
    count(*) as sessions,
    min(sessions.start_time) as first_seen,
    max(sessions.start_time) as last_seen
from sessions
inner join connectors
    on
        sessions.organization = connectors.organization
        and sessions.connector_id = connectors.connector_id
where
    connectors.role in ('cloud_relay', 'cloud_hybrid')
    and sessions.peer_kind is distinct from 'eop'
group by 1, 2, 3, 4, 5, 6
order by sessions desc, sessions.connector_id, sessions.server;
