-- Which servers have recipients refused, with which reply, from when to when?
-- For the administrator with bounces: the extent, and the sibling servers that are not in the list.
select
    connector_id,
    server,
    code,
    enhanced,
    attr,
    count(*) as transactions,
    sum(refused) as recipients,
    min(found_at) as first_refused,
    max(found_at) as last_refused
from refusals
group by connector_id, server, code, enhanced, attr
order by recipients desc, server;
