-- The present of one organization: the time of its newest row, as far as clocks can be believed.
-- Grain: organization. Reads: observed.
select
    organization,
    max(last_seen) as now
from observed
where kind = 'rows' and hour between timestamp '1990-01-01' and timestamp '2100-01-01'
group by organization
