-- One span: the time in which a connector on a server showed one value (a certificate, an egress address, a
-- TLS protocol, the certificates of a peer's family) without giving way to another. That no certificate was sent
-- is no value of its own: see `lapses`.
-- Two observations of a value, neighbours in time, belong to one span unless another value of that kind
-- was seen between them and they lie more than one hour apart.
-- Every observation is two points in time. Between two neighbours there is another value exactly if more
-- points of the place lie before the second one than up to the end of the first one.
-- Grain: organization, connector_id, server, kind, compared, span. Reads: observed.
with points as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        named_struct(
            'value', value, 'last_seen', last_seen, 'sessions', sessions, 'accepted', accepted,
            'refused', refused, 'first_accepted', first_accepted, 'last_accepted', last_accepted,
            'first_refused', first_refused, 'last_refused', last_refused,
            'session_id', first_session_id, 'source_id', first_source_id, 'line', first_line
        ) as seen,
        unnest([first_seen, last_seen]) as at,
        unnest([1, 2]) as point
    from observed
    where kind in ('certificate', 'egress', 'tls', 'peer') and not (kind = 'certificate' and compared = 'none')
),

ranked as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        seen,
        at,
        point,
        cast(rank() over place as bigint) - 1 as points_before,
        count(at) over place as points_until
    from points
    window place as (partition by organization, connector_id, server, kind order by at)
),

cuts as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        seen,
        at,
        point,
        case
            when at > lag(at) over own + interval '1 hour'
                and points_before > lag(points_until) over own
                then 1
            else 0
        end as cut
    from ranked
    window own as (partition by organization, connector_id, server, kind, compared order by at, point)
),

numbered as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        seen,
        at,
        1 + sum(cut) over (partition by organization, connector_id, server, kind, compared order by at) as span
    from cuts
    where point = 1
)

select
    organization,
    connector_id,
    server,
    kind,
    compared,
    span,
    first_value(seen['value'] order by at) as value,
    min(at) as first_seen,
    max(seen['last_seen']) as last_seen,
    sum(seen['sessions']) as sessions,
    sum(seen['accepted']) as accepted,
    sum(seen['refused']) as refused,
    min(seen['first_accepted']) as first_accepted,
    max(seen['last_accepted']) as last_accepted,
    min(seen['first_refused']) as first_refused,
    max(seen['last_refused']) as last_refused,
    first_value(seen['session_id'] order by at) as first_session_id,
    first_value(seen['source_id'] order by at) as first_source_id,
    first_value(seen['line'] order by at) as first_line
from numbered
group by organization, connector_id, server, kind, compared, span
