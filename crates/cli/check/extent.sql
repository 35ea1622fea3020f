-- What the logs reach over.
select
    min(first_seen) as first_row,
    max(last_seen) as last_row,
    sum(rows) as rows,
    count(distinct server) as servers,
    count(distinct organization) as organizations
from observations
-- A clock that is decades off says nothing about when the logs were written.
where kind = 'rows' and last_seen between timestamp '1990-01-01' and timestamp '2100-01-01'
