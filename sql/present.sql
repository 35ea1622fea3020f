-- The present of one organization: the time of its newest row. Grain: organization. Reads: logged_hours.
select
    organization,
    max(last_seen) as now
from logged_hours
group by organization
