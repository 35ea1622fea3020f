-- One finding about the address from which Exchange Online sees a connector on a server:
-- its class is explained in `egress_changes`, its severity in `findings`. Columns as in `drift`.
-- Grain: key. Reads: findings.
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
    session_id,
    detail,
    key
from findings
where kind = 'egress'
