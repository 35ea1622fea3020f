-- Who wrote logs, over what time, how much. `hours`: hours with a row in them; `bytes`: as read, archives unpacked.
-- Grain: organization, server, service. Reads: logged_hours, sources.
with written as (
    select
        organization,
        server,
        service,
        min(first_seen) as first_row,
        max(last_seen) as last_row,
        sum(rows) as rows,
        count(hour) as hours
    from logged_hours
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
