-- Which hours of which server are missing?
-- For the analyst: what is not in the logs cannot be found in them.
select
    server,
    service,
    min(hour) as first_hour,
    max(hour) as last_hour,
    count(*) as hours
from coverage
where state = 'no logs'
group by server, service
order by hours desc, server;
