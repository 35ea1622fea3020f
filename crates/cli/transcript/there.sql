-- Who wrote logs, and over what time. Grain: organization, server, service.
select
    organization,
    server,
    service,
    min(first_seen) as first_row,
    max(last_seen) as last_row
from logged_hours
group by organization, server, service
order by organization, server, service
