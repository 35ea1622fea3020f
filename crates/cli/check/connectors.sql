-- Every connector with its role, cloud connectors first.
select
    organization,
    connector_id,
    role,
    evidence,
    first_seen,
    last_seen,
    servers,
    sessions
from connectors
order by
    case when role in ('cloud_hybrid', 'cloud_relay') then 0 else 1 end,
    organization,
    connector_id
