-- One server within some hours, and those of them in which none of its services logged. Grain: organization, server.
select
    organization,
    server,
    min(hour) as first_hour,
    max(hour) as last_hour,
    count(*) as hours,
    array_agg(hour order by hour) filter (where missing) as missing
from (
    select
        organization,
        server,
        hour,
        bool_and(state = 'no logs') as missing
    from coverage
    where hour >= $since and hour <= $until
    group by organization, server, hour
)
group by organization, server
order by organization, server
