-- Which changes broke mail, newest first?
-- For the administrator with bounces: what changed on which server, and how many recipients it cost.
select
    found_at,
    severity,
    connector_id,
    server,
    kind,
    class,
    before,
    after,
    refused_after,
    last_good,
    session_id
from drift
where breaking
order by found_at desc, server;
