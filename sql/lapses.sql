-- One lapse: the time in which a connector on a server went without what it had, or was not spoken to by whom it
-- should, of any role, and its class: `missing` (proved that no certificate was sent, where one was sent before),
-- `lost` (mail sent without TLS, where it was used before), `downgraded` (TLS below 1.2, where a safe version was used
-- before), `intercepted` (the peer's certificate does not name Microsoft, or comes from an authority of its own
-- (inferred rule), or STARTTLS was masked on the way). Hours in which the hub spoke to a proxy of its own say nothing
-- about peers. Lapses less than `flapping_hours` apart, or without a good session between them, are one.
-- `after` is what the first session showed, `before` what was good last.
-- Grain: organization, connector_id, server, class, first_seen.
-- Reads: observed, observations, certificate_facts, proved_relays.
with proxied as (
    select distinct
        organization,
        connector_id,
        server,
        service,
        hour
    from observations
    where kind = 'route' and value = 'proxy'
),

peers as (
    select
        observations.organization,
        observations.connector_id,
        observations.server,
        observations.value,
        observations.first_seen,
        observations.last_seen,
        observations.sessions,
        observations.refused,
        observations.first_refused,
        observations.last_refused,
        observations.first_session_id,
        observations.first_source_id,
        observations.first_line,
        not facts.microsoft or facts.public_issuer is false as bad
    from observations
    inner join connectors
        on observations.organization = connectors.organization
        and observations.connector_id = connectors.connector_id
        and connectors.role in ('cloud_hybrid', 'cloud_relay')
    inner join certificate_facts as facts on observations.value = facts.thumbprint
    left join proxied
        on observations.organization = proxied.organization
        and observations.connector_id = proxied.connector_id
        and observations.server = proxied.server
        and observations.service = proxied.service
        and observations.hour = proxied.hour
    where observations.kind = 'peer' and facts.microsoft is not null and proxied.hour is null
),

states as (
    select
        case
            when kind = 'certificate' then 'missing'
            when kind = 'starttls' then 'intercepted'
            else 'lost'
        end as class,
        organization,
        connector_id,
        server,
        value,
        compared in ('none', 'stripped') as bad,
        first_seen,
        last_seen,
        sessions,
        refused,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line
    from observed
    where kind in ('certificate', 'tls') or kind = 'starttls' and compared = 'stripped'
    union all
    select
        'downgraded' as class,
        organization,
        connector_id,
        server,
        value,
        regexp_like(compared, 'PCT|SSL|TLS1_[01]') as bad,
        first_seen,
        last_seen,
        sessions,
        refused,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line
    from observed
    where kind = 'tls' and compared <> 'none'
    union all
    select
        'intercepted' as class,
        organization,
        connector_id,
        server,
        value,
        bad,
        first_seen,
        last_seen,
        sessions,
        refused,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line
    from peers
),

ordered as (
    select
        class,
        organization,
        connector_id,
        server,
        value,
        bad,
        first_seen,
        last_seen,
        sessions,
        refused,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line,
        max(case when bad then last_seen end) over earlier as bad_seen,
        max(case when not bad then last_seen end) over earlier as good_seen,
        last_value(case when not bad then value end) ignore nulls over earlier as good_value
    from states
    window earlier as (
        partition by class, organization, connector_id, server
        order by first_seen, bad, value
        rows between unbounded preceding and 1 preceding
    )
),

numbered as (
    select
        class,
        organization,
        connector_id,
        server,
        value,
        first_seen,
        last_seen,
        sessions,
        refused,
        first_refused,
        last_refused,
        first_session_id,
        first_source_id,
        first_line,
        good_value,
        sum(
            case
                when first_seen <= bad_seen + setting('relaydrift.flapping_hours') or good_seen <= bad_seen then 0
                else 1
            end
        ) over (
            partition by class, organization, connector_id, server order by first_seen, value
            rows between unbounded preceding and current row
        ) as number
    from ordered
    where bad and (good_seen is not null or class = 'intercepted')
),

lapses as (
    select
        class,
        organization,
        connector_id,
        server,
        number,
        first_value(good_value order by first_seen, value) as before,
        first_value(value order by first_seen, value) as after,
        min(first_seen) as first_seen,
        max(last_seen) as last_seen,
        sum(sessions) as sessions,
        sum(refused) as refused,
        min(first_refused) as first_refused,
        max(last_refused) as last_refused,
        first_value(first_session_id order by first_seen, value) as session_id,
        first_value(first_source_id order by first_seen, value) as source_id,
        first_value(first_line order by first_seen, value) as line
    from numbered
    group by class, organization, connector_id, server, number
),

-- `lapse` holds the whole of it, so that grouping back needs no list of columns.
offered as (
    select
        lapses.class,
        lapses.organization,
        lapses.connector_id,
        lapses.server,
        lapses.number,
        first_value(
            named_struct(
                'before', lapses.before, 'after', lapses.after, 'first_seen', lapses.first_seen,
                'last_seen', lapses.last_seen, 'sessions', lapses.sessions, 'refused', lapses.refused,
                'first_refused', lapses.first_refused, 'last_refused', lapses.last_refused,
                'session_id', lapses.session_id, 'source_id', lapses.source_id, 'line', lapses.line
            )
        ) as lapse,
        bool_or(offers.compared = 'stripped') as stripped,
        bool_or(offers.compared = 'absent') as absent
    from lapses
    left join observed as offers
        on lapses.organization = offers.organization
        and lapses.connector_id = offers.connector_id
        and lapses.server = offers.server
        and lapses.class = 'lost'
        and offers.kind = 'starttls'
        and offers.hour <= lapses.last_seen
        and offers.last_seen >= lapses.first_seen
    group by lapses.class, lapses.organization, lapses.connector_id, lapses.server, lapses.number
),

proved as (
    select
        organization,
        connector_id,
        server,
        near['at'] as at,
        near['last'] as last_good
    from (
        select organization, connector_id, server, unnest(around(asked, proved)) as near
        from (
            select
                organization,
                connector_id,
                server,
                coalesce(lapse['first_refused'], lapse['first_seen']) as asked,
                null as proved
            from offered
            union all
            select organization, connector_id, server, null as asked, at as proved
            from proved_relays
        )
        group by organization, connector_id, server
    )
)

select
    case when class = 'missing' then 'certificate' else 'tls' end as kind,
    offered.organization,
    offered.connector_id,
    offered.server,
    offered.class,
    case class
        when 'missing' then setting('relaydrift.severity_missing')
        when 'lost' then setting('relaydrift.severity_lost')
        when 'downgraded' then setting('relaydrift.severity_downgraded')
        else setting('relaydrift.severity_intercepted')
    end as severity,
    lapse['before'] as before,
    lapse['after'] as after,
    lapse['first_seen'] as first_seen,
    lapse['last_seen'] as last_seen,
    lapse['sessions'] as sessions,
    last_good,
    lapse['refused'] > 0 and coalesce(last_good < lapse['first_seen'], true) as breaks,
    lapse['refused'] as refused,
    lapse['first_refused'] as first_refused,
    lapse['last_refused'] as last_refused,
    lapse['session_id'] as session_id,
    lapse['source_id'] as source_id,
    lapse['line'] as line,
    concat(
        case class
            when 'missing' then 'no certificate was sent, although Exchange Online took the session into TLS'
            when 'lost' then concat(
                'mail went to Exchange Online without TLS',
                case
                    when stripped then ': STARTTLS was masked on the way'
                    when absent then ': STARTTLS was not offered'
                    else ''
                end
            )
            when 'downgraded' then concat('TLS is below version 1.2: ', lapse['after'])
            else case
                when facts.thumbprint is null then 'STARTTLS was masked on the way, no session reached TLS'
                when not facts.microsoft
                    then concat('the peer''s certificate is for ', facts.subject, ', which does not name Microsoft')
                else concat(
                    'the peer''s certificate names Microsoft and was issued by ', facts.issuer,
                    ', no public authority (inferred rule)'
                )
            end
        end,
        '; in ', lapse['sessions'], case when lapse['sessions'] = 1 then ' session' else ' sessions' end,
        ', last ', to_char(lapse['last_seen'], '%Y-%m-%d %H:%M')
    ) as detail
from offered
inner join proved
    on offered.organization = proved.organization
    and offered.connector_id = proved.connector_id
    and offered.server = proved.server
    and coalesce(offered.lapse['first_refused'], offered.lapse['first_seen']) = proved.at
left join certificate_facts as facts on class = 'intercepted' and lapse['after'] = facts.thumbprint
