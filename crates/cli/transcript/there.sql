-- Who wrote logs, and over what time. Grain: organization, server, service.
select
    organization,
    server,
    service,
    min(first_seen) as first_row,
    max(last_seen) as last_row
from observations
-- A clock that is decades off says nothing about when the logs were written.
where kind = 'rows' and last_seen between timestamp '1990-01-01' and timestamp '2100-01-01'
group by organization, server, service
order by organization, server, service
