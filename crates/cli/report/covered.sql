-- Every run of hours in which a service of a server was in one state: logs, quiet, no logs.
with numbered as (
    select
        organization,
        server,
        service,
        hour,
        state,
        to_unixtime(hour) / 3600
        - cast(row_number() over (partition by organization, server, service, state order by hour) as bigint) as run
    from coverage
)

select
    organization,
    server,
    service,
    state,
    min(hour) as first_hour,
    max(hour) + interval '1 hour' as last_hour
from numbered
group by organization, server, service, state, run
