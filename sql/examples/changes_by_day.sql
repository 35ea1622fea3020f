-- What changed on which day?
-- For the change board: every finding, breaking or not, counted by day and kind.
select
    cast(date_trunc('day', found_at) as date) as day,
    connector_id,
    kind,
    class,
    count(distinct server) as servers,
    sum(refused_after) as refused
from drift
group by 1, 2, 3, 4
order by 1, 2, 3, 4;
