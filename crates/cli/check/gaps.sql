-- Every run of hours in which a server and service wrote no log although the logs reach further.
with numbered as (
    select
        organization,
        server,
        service,
        hour,
        to_unixtime(hour) / 3600
        - cast(row_number() over (partition by organization, server, service order by hour) as bigint) as run
    from coverage
    where state = 'no logs'
)

select
    organization,
    server,
    service,
    min(hour) as first_hour,
    max(hour) + interval '1 hour' as last_hour,
    count(*) as hours
from numbered
group by organization, server, service, run
order by organization, server, service, first_hour
