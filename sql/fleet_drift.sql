-- One finding about a server of a cloud connector whose mail is refused while its fleet's is attributed:
-- explained in `divergences`, all else in `drift`.
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
where class = 'diverged'
