-- One finding about the certificates that Exchange Online shows to a cloud connector on a server:
-- its class is explained in `peer_changes`, all else in `drift`.
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
where kind = 'peer'
