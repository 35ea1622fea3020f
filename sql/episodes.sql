-- One change and the finding it belongs to.
-- `third_return`: the start of a change that is the third return of a value (`flapping_returns`), or a later one,
-- within 24 hours (`flapping_hours`). The changes within the 24 hours before a third return flap together: they
-- are one finding, numbered after the first of them; all others stand alone. Addresses flap only where mail was
-- refused.
-- Grain: organization, connector_id, server, kind, change. Reads: changes.
with counted as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        case
            when returned
                and lag(first_seen, setting('relaydrift.flapping_returns') - 1) over (
                    partition by organization, connector_id, server, kind, returned order by change
                ) >= first_seen - setting('relaydrift.flapping_hours')
                then first_seen
        end as third_return
    from changes
),

flapping as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        third_return,
        coalesce(
            min(third_return) over (
                partition by organization, connector_id, server, kind
                order by first_seen
                range between current row and unbounded following
            ) <= first_seen + setting('relaydrift.flapping_hours'),
            false
        ) as flaps
    from counted
),

starts as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        third_return,
        flaps,
        case
            when flaps
                and lag(flaps) over by_change
                and first_seen <= lag(first_seen) over by_change + setting('relaydrift.flapping_hours')
                then 0
            else 1
        end as begins
    from flapping
    window by_change as (partition by organization, connector_id, server, kind order by change)
),

episodes as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        third_return,
        flaps,
        sum(begins) over (partition by organization, connector_id, server, kind order by change) as episode
    from starts
),

weighed as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        third_return,
        flaps and (kind <> 'egress' or sum(span['refused']) over one_episode > 0) as flapping,
        min(change) over one_episode as first_change
    from episodes
    window one_episode as (partition by organization, connector_id, server, kind, episode)
)

select
    organization,
    connector_id,
    server,
    kind,
    change,
    case when flapping then first_change else change end as finding,
    flapping,
    third_return,
    before,
    span,
    use,
    first_seen,
    family,
    family_seen,
    in_opening_set,
    returned
from weighed
