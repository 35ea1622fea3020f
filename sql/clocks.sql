-- One server's clock against the UTC stamps in Exchange Online's replies, in the last 24 hours in which it had any.
-- `skew_seconds`: the median over sessions, positive where the server is ahead; it holds the time that a reply
-- takes. `off`: by more than `clock_warning_minutes`. Times in all other views are the servers' own; where servers
-- are compared they are corrected by this.
-- Grain: organization, server. Reads: observations.
with seen as (
    select
        organization,
        server,
        cast(value as bigint) as skew_seconds,
        first_seen,
        last_seen,
        sessions,
        max(last_seen) over (partition by organization, server) as latest
    from observations
    where kind = 'skew'
),

recent as (
    select
        organization,
        server,
        skew_seconds,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(sessions) as sessions
    from seen
    where last_seen > latest - interval '24 hours'
    group by organization, server, skew_seconds
),

ranked as (
    select
        organization,
        server,
        skew_seconds,
        first_seen,
        last_seen,
        sessions,
        sum(sessions) over (partition by organization, server order by skew_seconds) as sessions_until,
        sum(sessions) over (partition by organization, server) as sessions_together
    from recent
)

select
    organization,
    server,
    min(case when 2 * sessions_until >= sessions_together then skew_seconds end) as skew_seconds,
    to_timestamp(0) + arrow_cast(
        abs(min(case when 2 * sessions_until >= sessions_together then skew_seconds end)), 'Duration(Second)'
    ) > to_timestamp(0) + setting('relaydrift.clock_warning_minutes') as off,
    min(first_seen) as first_seen,
    max(last_seen) as last_seen,
    sum(sessions) as sessions
from ranked
group by organization, server
