-- Every run of hours for which no service of a server has a log.
with bare as (
    select
        organization,
        server,
        hour
    from coverage
    group by organization, server, hour
    having bool_and(state = 'no logs')
),

numbered as (
    select
        organization,
        server,
        hour,
        to_unixtime(hour) / 3600
        - cast(row_number() over (partition by organization, server order by hour) as bigint) as run
    from bare
)

select
    organization,
    server,
    min(hour) as first_hour,
    max(hour) + interval '1 hour' as last_hour
from numbered
group by organization, server, run
