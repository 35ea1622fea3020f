-- One finding of any kind: a change on a connector toward Exchange Online that matters.
-- found_at: time of the deciding row; kind, class: what changed and how; severity: critical, high, medium or info;
-- breaking: recipients were refused for it; before, after: the values; first_seen: when the new value first showed;
-- last_good: the last proved relay before; refused_after: recipients refused under the new value; session_id: the
-- deciding session; detail: a sentence; key: hash of kind, organization, connector, server, before, after, first_seen.
-- Grain: key. Reads: certificate_drift, egress_drift.
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
from certificate_drift
union all
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
from egress_drift
