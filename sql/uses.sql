-- One span of a certificate or an egress address, and what surrounds it on its connector and server.
-- `use`: the use of the value that the span belongs to, summed: of a certificate the span itself, of an
-- address all spans less than the baseline (`egress_baseline_days`) apart.
-- `in_opening_set`: values in use side by side during the first 24 hours of a connector on a server (two
-- certificates chosen by name, a pool of addresses) are a set that was there from the start.
-- `family_seen`: when an address of the same family was last seen by the spans before.
-- Grain: organization, connector_id, server, kind, compared, first_seen. Reads: spans.
with neighbours as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        last_seen,
        named_struct(
            'value', value, 'sessions', sessions, 'refused', refused, 'first_accepted', first_accepted,
            'first_refused', first_refused, 'last_refused', last_refused, 'session_id', first_session_id
        ) as span,
        case when strpos(compared, ':') > 0 then 'IPv6' else 'IPv4' end as family,
        min(first_seen) over (partition by organization, connector_id, server, kind) as place_start,
        lag(last_seen) over (
            partition by organization, connector_id, server, kind, compared order by first_seen
        ) as previous_seen
    from spans
    where kind in ('certificate', 'egress')
),

numbered as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        last_seen,
        span,
        family,
        previous_seen,
        place_start + interval '24 hours' as opening_end,
        sum(
            case
                when kind = 'egress' and first_seen <= previous_seen + setting('relaydrift.egress_baseline_days')
                    then 0
                else 1
            end
        ) over (
            partition by organization, connector_id, server, kind, compared order by first_seen
        ) as use_number
    from neighbours
),

extents as (
    select
        organization,
        connector_id,
        server,
        kind,
        compared,
        first_seen,
        last_seen,
        span,
        family,
        previous_seen,
        opening_end,
        named_struct(
            'first_seen', min(first_seen) over one_use,
            'last_seen', max(last_seen) over one_use,
            'sessions', sum(span['sessions']) over one_use,
            'refused', sum(span['refused']) over one_use,
            'first_accepted', min(span['first_accepted']) over one_use,
            'first_refused', min(span['first_refused']) over one_use,
            'last_refused', max(span['last_refused']) over one_use
        ) as use,
        min(first_seen) over one_value as value_start,
        max(case when first_seen < opening_end then least(last_seen, opening_end) end) over one_value as value_end
    from numbered
    window
        one_use as (partition by organization, connector_id, server, kind, compared, use_number),
        one_value as (partition by organization, connector_id, server, kind, compared)
)

select
    organization,
    connector_id,
    server,
    kind,
    compared,
    first_seen,
    last_seen,
    span,
    use,
    family,
    previous_seen,
    max(last_seen) over (
        partition by organization, connector_id, server, kind, family
        order by first_seen, compared
        rows between unbounded preceding and 1 preceding
    ) as family_seen,
    value_start < opening_end
    and coalesce(
        max(value_end) over values_before > value_start or min(value_start) over values_after < value_end,
        max(value_end) over values_before > value_start,
        min(value_start) over values_after < value_end,
        false
    ) as in_opening_set
from extents
window
    values_before as (
        partition by organization, connector_id, server, kind
        order by value_start, compared
        groups between unbounded preceding and 1 preceding
    ),
    values_after as (
        partition by organization, connector_id, server, kind
        order by value_start, compared
        groups between 1 following and unbounded following
    )
