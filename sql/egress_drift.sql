-- One finding about the address from which Exchange Online sees a connector on a server:
-- its class is explained in `egress_changes`, all else in `drift`.
-- Grain: key. Reads: drift.
select
    found_at,
    kind,
    class,
    severity,
    breaking,
    organization,
    connector_id,
    role,
    server,
    before,
    after,
    first_seen,
    last_good,
    refused_after,
    last_refused,
    relayed_again,
    session_id,
    detail,
    key,
    planned_change_id
from drift
where kind = 'egress'
