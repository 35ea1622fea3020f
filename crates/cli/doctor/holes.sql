-- Every run of hours in which a server wrote no log of a service while another server did.
-- Grain: organization, server, service, first_hour. Reads: coverage.
with missing as (
    select
        here.organization,
        here.server,
        here.service,
        here.hour
    from coverage as here
    inner join (
        select
            organization,
            service,
            hour
        from coverage
        where state = 'logs'
        group by organization, service, hour
    ) as others
        on here.organization = others.organization
        and here.service = others.service
        and here.hour = others.hour
    where here.state = 'no logs'
),

numbered as (
    select
        organization,
        server,
        service,
        hour,
        to_unixtime(hour) / 3600
        - cast(row_number() over (partition by organization, server, service order by hour) as bigint) as run
    from missing
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
