-- One hour of one server and service: `logs` where rows were written in it, `quiet` where it lies between the first
-- and the last row of one file, else `no logs`. Hours run from the first to the last hour of the organization's data.
-- Rows dated by a clock that is off do not count (`logged_hours`). A source server of an imported send
-- connector of which no log was read at all has `no logs` in every hour, under the service `Hub`.
-- Grain: organization, server, service, hour. Reads: logged_hours, sources, send_connectors.
with bounds as (
    select
        organization,
        min(hour) as first_hour,
        max(hour) as last_hour
    from logged_hours
    group by organization
),

imported as (
    select
        organization,
        max(valid_from) as newest
    from send_connectors
    group by organization
),

unseen as (
    select
        wanted.organization,
        wanted.server
    from (
        select distinct
            send_connectors.organization,
            unnest(send_connectors.source_transport_servers) as server
        from send_connectors
        inner join imported
            on send_connectors.organization = imported.organization
            and send_connectors.valid_from = imported.newest
        where send_connectors.enabled is not false
    ) as wanted
    left join logged_hours as logged
        on wanted.organization = logged.organization
        and lower(wanted.server) = lower(logged.server)
    where logged.server is null
),

places as (
    select distinct
        organization,
        server,
        service
    from logged_hours
    union all
    select
        organization,
        server,
        'Hub' as service
    from unseen
),

grid as (
    select
        places.organization,
        places.server,
        places.service,
        unnest(generate_series(bounds.first_hour, bounds.last_hour, interval '1 hour')) as hour
    from places
    inner join bounds on places.organization = bounds.organization
),

files as (
    select
        organization,
        server,
        service,
        source_id,
        min(first_time) as first_time,
        max(last_time) as last_time
    from sources
    group by organization, server, service, source_id
),

covered as (
    select distinct
        organization,
        server,
        service,
        hour
    from (
        select
            files.organization,
            files.server,
            files.service,
            unnest(
                generate_series(
                    date_trunc('hour', greatest(files.first_time, bounds.first_hour)),
                    date_trunc('hour', least(files.last_time, bounds.last_hour)),
                    interval '1 hour'
                )
            ) as hour
        from files
        inner join bounds on files.organization = bounds.organization
        where
            files.first_time is not null
            and files.last_time is not null
            and files.first_time < bounds.last_hour + interval '1 hour'
            and files.last_time >= bounds.first_hour
    )
)

select
    grid.organization,
    grid.server,
    grid.service,
    -- A series counts in nanoseconds, which not every reader of Parquet knows.
    arrow_cast(grid.hour, 'Timestamp(Microsecond, Some("UTC"))') as hour,
    case
        when logged.rows > 0 then 'logs'
        when covered.hour is not null then 'quiet'
        else 'no logs'
    end as state,
    coalesce(logged.rows, 0) as rows
from grid
left join logged_hours as logged
    on grid.organization = logged.organization
    and grid.server = logged.server
    and grid.service = logged.service
    and grid.hour = logged.hour
left join covered
    on grid.organization = covered.organization
    and grid.server = covered.server
    and grid.service = covered.service
    and grid.hour = covered.hour
