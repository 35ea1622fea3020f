-- One finding in the making: a change, or several that flap together, with its proof.
-- `found_at` and `session_id` are those of the deciding session: the first of the span, of flapping values the
-- third return. `last_good` is the last proved relay before the first refusal, else before the change.
-- `breaks`: recipients were refused, and from the start of the new value to the first refusal no relay was proved.
-- Grain: organization, connector_id, server, kind, finding. Reads: episodes, proved_relays.
with proved as (
    select
        organization,
        connector_id,
        server,
        near['at'] as at,
        near['last'] as last_good
    from (
        select organization, connector_id, server, unnest(around(asked, proved)) as near
        from (
            select organization, connector_id, server, coalesce(use['first_refused'], first_seen) as asked, null as proved
            from episodes
            union all
            select organization, connector_id, server, null as asked, at as proved
            from proved_relays
        )
        group by organization, connector_id, server
    )
),

judged as (
    select
        episodes.organization,
        episodes.connector_id,
        episodes.server,
        episodes.kind,
        episodes.change,
        episodes.finding,
        episodes.flapping,
        episodes.third_return,
        episodes.before,
        episodes.span,
        episodes.use,
        episodes.first_seen,
        episodes.family,
        episodes.family_seen,
        episodes.in_opening_set,
        episodes.returned,
        proved.last_good,
        use['refused'] > 0
        and coalesce(
            proved.last_good < greatest(episodes.first_seen, coalesce(use['first_accepted'], episodes.first_seen)), true
        ) as breaks
    from episodes
    inner join proved
        on episodes.organization = proved.organization
        and episodes.connector_id = proved.connector_id
        and episodes.server = proved.server
        and coalesce(episodes.use['first_refused'], episodes.first_seen) = proved.at
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
