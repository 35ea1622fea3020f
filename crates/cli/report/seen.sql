-- Times in which a connector on a server reached Exchange Online at least every three hours.
with parted as (
    select
        organization,
        connector_id,
        server,
        hour,
        case
            when hour - lag(hour) over (partition by organization, connector_id, server order by hour)
                <= interval '3 hours'
                then 0
            else 1
        end as begins
    from cloud_hours
),

numbered as (
    select
        organization,
        connector_id,
        server,
        hour,
        sum(begins) over (partition by organization, connector_id, server order by hour) as run
    from parted
)

select
    organization,
    connector_id,
    server,
    min(hour) as first_hour,
    max(hour) + interval '1 hour' as last_hour
from numbered
group by organization, connector_id, server, run
