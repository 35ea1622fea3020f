-- Sessions that are not complete. `heads`: begin before the logs do; `tails`: have no end;
-- `gaps`: rows missing inside. Grain: organization, server, service. Reads: sessions.
select
    organization,
    server,
    service,
    count(*) as sessions,
    sum(case when array_has(flags, 'cut_head') then 1 else 0 end) as heads,
    sum(case when array_has(flags, 'cut_tail') and outcome <> 'connect_failed' then 1 else 0 end) as tails,
    sum(coalesce(sequence_gaps, 0)) as gaps,
    sum(case when sequence_gaps > 0 then 1 else 0 end) as holed
from sessions
group by organization, server, service
order by organization, server, service
