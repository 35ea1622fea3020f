-- One finding in the making: a change, or several that flap together, with its proof.
-- `found_at` and `session_id` are those of the deciding session: the first of the span, of flapping values the
-- third return. `last_good` is the last proved relay before the first refusal, else before the change.
-- `breaks`: recipients were refused, and from the start of the new value to the first refusal no relay was proved.
-- Grain: organization, connector_id, server, kind, finding. Reads: episodes, proved_relays.
with timeline as (
    select
        organization,
        connector_id,
        server,
        kind,
        coalesce(use['first_refused'], first_seen) as at,
        0 as proof,
        change,
        finding,
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
    from episodes
    union all
    select
        organization,
        connector_id,
        server,
        kind,
        at,
        1 as proof,
        null as change,
        null as finding,
        null as flapping,
        null as third_return,
        null as before,
        null as span,
        null as use,
        null as first_seen,
        null as family,
        null as family_seen,
        null as in_opening_set,
        null as returned
    from proved_relays
),

proved as (
    select
        organization,
        connector_id,
        server,
        kind,
        proof,
        change,
        finding,
        flapping,
        third_return,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        max(case when proof = 1 then at end) over (
            partition by organization, connector_id, server, kind
            order by at, proof
            rows between unbounded preceding and 1 preceding
        ) as last_good
    from timeline
),

judged as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        finding,
        flapping,
        third_return,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        last_good,
        use['refused'] > 0
        and coalesce(last_good < greatest(first_seen, coalesce(use['first_accepted'], first_seen)), true)
            as breaks
    from proved
    where proof = 0
),

gathered as (
    select
        organization,
        connector_id,
        server,
        kind,
        change,
        finding,
        flapping,
        before,
        span,
        use,
        first_seen,
        family,
        family_seen,
        in_opening_set,
        returned,
        last_good,
        max(case when breaks then 1 else 0 end) over one_finding = 1 as breaks,
        count(change) over one_finding as changes,
        sum(case when returned then 1 else 0 end) over one_finding as returns,
        sum(span['refused']) over one_finding as refused_together,
        max(span['last_refused']) over one_finding as last_refused_together,
        first_value(
            named_struct('found_at', coalesce(third_return, first_seen), 'session_id', span['session_id'])
        ) over (
            partition by organization, connector_id, server, kind, finding
            order by case when third_return is null then 1 else 0 end, change
        ) as decided
    from judged
    window one_finding as (partition by organization, connector_id, server, kind, finding)
)

select
    organization,
    connector_id,
    server,
    kind,
    finding,
    flapping,
    changes,
    returns,
    case when flapping then decided['found_at'] else first_seen end as found_at,
    before['value'] as before,
    before['refused'] as before_refused,
    before['family'] as before_family,
    span['value'] as after,
    first_seen,
    family,
    family_seen,
    in_opening_set,
    returned,
    use['first_seen'] as use_first_seen,
    use['last_seen'] as use_last_seen,
    use['sessions'] as use_sessions,
    last_good,
    breaks,
    case when flapping then refused_together else use['refused'] end as refused_after,
    case when flapping then last_refused_together else use['last_refused'] end as last_refused,
    decided['session_id'] as session_id
from gathered
where change = finding
