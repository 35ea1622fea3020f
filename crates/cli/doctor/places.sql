-- Who wrote logs, over what time, how much. `hours`: hours with a row in them; `bytes`: as read, archives unpacked.
-- Grain: organization, server, service. Reads: observations, sources.
with written as (
    select
        organization,
        server,
        service,
        min(first_seen) as first_row,
        max(last_seen) as last_row,
        sum(rows) as rows,
        count(distinct hour) as hours
    from observations
    -- A clock that is decades off says nothing about when the logs were written.
    where kind = 'rows' and last_seen between timestamp '1990-01-01' and timestamp '2100-01-01'
    group by organization, server, service
),

files as (
    select
        organization,
        server,
        service,
        count(distinct source_id) as files,
        sum(header_bytes + event_bytes + reject_bytes + blank_bytes) as bytes,
        max(path) as path
    from sources
    group by organization, server, service
)

select
    files.organization,
    files.server,
    files.service,
    written.first_row,
    written.last_row,
    coalesce(written.rows, 0) as rows,
    coalesce(written.hours, 0) as hours,
    files.files,
    files.bytes,
    files.path
from files
left join written
    on files.organization = written.organization
    and files.server = written.server
    and files.service = written.service
order by files.organization, files.server, files.service
