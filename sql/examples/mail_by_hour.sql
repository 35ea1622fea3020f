-- How much mail does each connector send in each hour, and how much is refused?
-- For the analyst: the shape of a day, and the hour in which it broke.
select
    date_trunc('hour', start_time) as hour,
    connector_id,
    count(*) as transactions,
    sum(accepted) as accepted,
    sum(refused) as refused
from transactions
group by 1, 2
order by 1, 2;
