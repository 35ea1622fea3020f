-- One span: the time in which a connector on a server showed one value (a certificate, an egress address, a
-- TLS protocol, the certificates of a peer's family) without giving way to another. That no certificate was sent
-- is no value of its own: see `lapses`.
-- Two observations of a value, neighbours in time, belong to one span unless another value of that kind
-- was seen between them and they lie more than one hour apart.
-- Every observation is two points in time. Between two neighbours there is another value exactly if more
-- points of the place lie before the second one than up to the end of the first one.
-- Grain: organization, connector_id, server, kind, compared, span. Reads: observed.
with shown as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        hour,
        value,
        first_seen,
        last_seen,
        sessions,
        accepted,
        refused,
        first_accepted,
        last_accepted,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line
    from observed
    where kind in ('certificate', 'egress', 'tls', 'peer') and not (kind = 'certificate' and compared = 'none')
),

-- Where no other value was ever seen there is one span.
mixed as (
    select organization, connector_id, server, kind
    from shown
    group by organization, connector_id, server, kind
    having min(compared) <> max(compared)
),

ranked as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        hour,
        at,
        point,
        cast(rank() over place as bigint) - 1 as points_before,
        count(at) over place as points_until
    from (
        select
            organization,
            connector_id,
            server,
            kind,
            compared,
            hour,
            unnest([first_seen, last_seen]) as at,
            unnest([1, 2]) as point
        from (
            select
                shown.organization,
                shown.connector_id,
                shown.server,
                shown.kind,
                shown.compared,
                shown.hour,
                shown.first_seen,
                shown.last_seen
            from shown
            inner join mixed
                on shown.organization = mixed.organization
                and shown.connector_id = mixed.connector_id
                and shown.server = mixed.server
                and shown.kind = mixed.kind
        )
    )
    window place as (partition by organization, connector_id, server, kind order by at)
),

cuts as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        hour,
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
        hour,
        1 + sum(cut) over (partition by organization, connector_id, server, kind, compared order by at) as span
    from cuts
    where point = 1
),

gathered as (
    select
        shown.organization,
        shown.connector_id,
        shown.server,
        shown.kind,
        shown.compared,
        coalesce(numbered.span, 1) as span,
        max(shown.last_seen) as last_seen,
        sum(shown.sessions) as sessions,
        sum(shown.accepted) as accepted,
        sum(shown.refused) as refused,
        min(shown.first_accepted) as first_accepted,
        max(shown.last_accepted) as last_accepted,
        min(shown.first_refused) as first_refused,
        max(shown.last_refused) as last_refused,
        min_row(shown.first_seen, shown.first_session_id, shown.value, shown.first_source_id, shown.first_line) as first
    from shown
    left join numbered
        on shown.organization = numbered.organization
        and shown.connector_id = numbered.connector_id
        and shown.server = numbered.server
        and shown.kind = numbered.kind
        and shown.compared = numbered.compared
        and shown.hour = numbered.hour
    group by shown.organization, shown.connector_id, shown.server, shown.kind, shown.compared, coalesce(numbered.span, 1)
)

select
    organization,
    connector_id,
    server,
    kind,
    compared,
    span,
    first['c2'] as value,
    first['c0'] as first_seen,
    last_seen,
    sessions,
    accepted,
    refused,
    first_accepted,
    last_accepted,
    first_refused,
    last_refused,
    first['c1'] as first_session_id,
    first['c3'] as first_source_id,
    first['c4'] as first_line
from gathered
