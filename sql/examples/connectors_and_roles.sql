-- Which connectors send toward Exchange Online, and how do we know?
-- For everybody: the role decides which connectors are judged at all.
select
    connector_id,
    role,
    evidence,
    servers,
    sessions,
    first_seen,
    last_seen
from connectors
order by sessions desc, connector_id;
