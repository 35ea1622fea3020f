-- One hour in which a server and service wrote rows, as far as its clock can be believed: from 1990 on, and no more
-- than a day beyond the present of whoever asks (unless that lies before all rows, so that it is itself wrong).
-- Grain: organization, server, service, hour. Reads: observations.
with hours as (
    select
        organization,
        server,
        service,
        hour,
        sum(rows) as rows,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen
    from observations
    where kind = 'rows' and hour >= timestamp '1990-01-01'
    group by organization, server, service, hour
),

dated as (
    select
        organization,
        server,
        service,
        hour,
        rows,
        first_seen,
        last_seen,
        min(first_seen) over () as earliest
    from hours
)

select
    organization,
    server,
    service,
    hour,
    rows,
    first_seen,
    last_seen
from dated
where last_seen <= now() + interval '1 day' or earliest > now() + interval '1 day'
