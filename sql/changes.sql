-- One change: a span that took the place of another value on its connector and server.
-- `before` is the value whose span began last before this one. From one value of an opening set (see `uses`)
-- to another is no change. `returned`: the value had been there before.
-- Grain: organization, connector_id, server, kind, change. Reads: uses.
with paired as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        span,
        use,
        family,
        previous_seen,
        family_seen,
        in_opening_set,
        lag(compared) over by_start as left_compared,
        lag(
            named_struct(
                'value', span['value'], 'refused', span['refused'], 'family', family,
                'in_opening_set', in_opening_set
            )
        ) over by_start as left_span
    from uses
    window by_start as (partition by organization, connector_id, server, kind order by first_seen, compared)
),

runs as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        span,
        use,
        family,
        previous_seen,
        family_seen,
        in_opening_set,
        left_span,
        sum(case when compared is distinct from left_compared then 1 else 0 end) over (
            partition by organization, connector_id, server, kind order by first_seen, compared
        ) as run
    from paired
),

facing as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        span,
        use,
        family,
        previous_seen,
        family_seen,
        in_opening_set,
        run,
        first_value(left_span) over (
            partition by organization, connector_id, server, kind, run order by first_seen
        ) as before
    from runs
)

select
    organization,
    connector_id,
    server,
    kind,
    row_number() over (
        partition by organization, connector_id, server, kind order by first_seen, compared
    ) as change,
    before,
    span,
    use,
    first_seen,
    family,
    family_seen,
    in_opening_set,
    previous_seen is not null as returned
from facing
where run > 1 and not (in_opening_set and before['in_opening_set'])
