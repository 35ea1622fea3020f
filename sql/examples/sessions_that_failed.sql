-- Which sessions failed, and how?
-- For the administrator: connections that were never made, cut off, or ended in a refusal.
select
    connector_id,
    server,
    peer_kind,
    outcome,
    disconnect_reason,
    tls_error,
    count(*) as sessions,
    min(start_time) as first_seen,
    max(start_time) as last_seen
from sessions
where outcome <> 'delivered' or disconnect_reason <> 'Local'
group by connector_id, server, peer_kind, outcome, disconnect_reason, tls_error
order by sessions desc, connector_id, server;
