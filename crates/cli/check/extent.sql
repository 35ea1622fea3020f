-- What the logs reach over.
select
    min(first_seen) as first_row,
    max(last_seen) as last_row,
    sum(rows) as rows,
    count(distinct server) as servers,
    count(distinct organization) as organizations
from logged_hours
