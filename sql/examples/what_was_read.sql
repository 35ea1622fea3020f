-- Which logs were read, how far, and how much of them could not be read?
-- For the analyst: the ledger, one row per server and kind of log.
select
    server,
    service,
    count(distinct path) as files,
    sum(rows) as rows,
    sum(rejects) as rejects,
    min(first_time) as first_row,
    max(last_time) as last_row
from sources
group by server, service
order by server, service;
