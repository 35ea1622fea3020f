-- How far each server's clock is from Exchange Online's, in seconds (positive: ahead), in the latest hour in which
-- a reply told the time. Grain: organization, server. Reads: observations.
select
    organization,
    server,
    max(hour) as hour,
    last_value(cast(value as bigint) order by hour, sessions, value) as seconds
from observations
where kind = 'skew'
group by organization, server
order by organization, server
