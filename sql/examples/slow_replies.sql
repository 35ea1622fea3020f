-- How long do transactions take, by connector and server?
-- For the administrator: a server whose 95th percentile stands out has a slow path.
select
    connector_id,
    server,
    count(*) as transactions,
    cast(approx_percentile_cont(duration_ms, 0.5) as bigint) as median_ms,
    cast(approx_percentile_cont(duration_ms, 0.95) as bigint) as p95_ms,
    max(duration_ms) as max_ms
from transactions
where duration_ms is not null
group by connector_id, server
order by p95_ms desc, connector_id, server;
