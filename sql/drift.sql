-- One finding: a change, a lapse, a divergence, a silence or an end in sight on a connector toward Exchange Online.
-- found_at: time of the deciding row; kind, class: what it is about and how (`certificate_changes`, `egress_changes`,
-- `lapses`, `peer_changes`, `divergences`, `silences`, `certificate_expiry`); breaking: recipients were refused for it,
-- or the inbound connectors imported before match neither certificate nor address, and no mail proved otherwise;
-- before, after: the values; first_seen: when it began; last_good: the last proved relay before; refused_after:
-- recipients refused under the new value; last_refused: the last time one was; relayed_again: the first proved relay
-- after that, null while mail is still refused; session_id: the deciding session; detail: a sentence; key: hash of
-- kind, organization, connector, server, before, after, first_seen; planned_change_id: the planned change that names
-- the connector, the new value and a time in which it began, of a change of certificate or address.
-- severity: `severity_refused_everywhere` where it breaks and every server of the connector that reached Exchange
-- Online between the change and the last refusal was refused for `critical_minutes` or longer; `severity_refused`
-- where it breaks; `info` where it is planned; else the setting of its class.
-- Grain: key. Reads: certificate_changes, egress_changes, lapses, peer_changes, divergences, silences,
-- certificate_expiry, attribution, connectors, cloud_hours, planned_findings, proved_relays.
with changed as (
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        found_at,
        before,
        after,
        first_seen,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id,
        detail
    from certificate_changes
    union all
    select
        'egress' as kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        found_at,
        before,
        after,
        first_seen,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id,
        detail
    from egress_changes
    union all
    select
        kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        first_seen as found_at,
        before,
        after,
        first_seen,
        last_good,
        breaks,
        refused as refused_after,
        last_refused,
        session_id,
        detail
    from lapses
    where
        -- A masked STARTTLS that let mail out in the clear is told as lost.
        not (
            class = 'intercepted'
            and after = 'stripped'
            and exists (
                select 1
                from lapses as clear
                where
                    clear.class = 'lost'
                    and clear.organization = lapses.organization
                    and clear.connector_id = lapses.connector_id
                    and clear.server = lapses.server
                    and clear.first_seen <= lapses.last_seen
                    and clear.last_seen >= lapses.first_seen
            )
        )
    union all
    select
        'peer' as kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        first_seen as found_at,
        before,
        after,
        first_seen,
        null as last_good,
        false as breaks,
        0 as refused_after,
        null as last_refused,
        session_id,
        detail
    from peer_changes
    union all
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        found_at,
        before,
        after,
        first_seen,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id,
        detail
    from divergences
    union all
    select
        'silence' as kind,
        organization,
        connector_id,
        server,
        class,
        severity,
        found_at,
        'sending' as before,
        'silent' as after,
        first_seen,
        null as last_good,
        false as breaks,
        0 as refused_after,
        null as last_refused,
        session_id,
        detail
    from silences
    union all
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        case when band = 'expired' then 'expired' else 'expiring' end as class,
        severity,
        greatest(band_start, first_seen) as found_at,
        null as before,
        thumbprint as after,
        band_start as first_seen,
        null as last_good,
        refused > 0 and band = 'expired' as breaks,
        refused as refused_after,
        last_refused,
        session_id,
        case
            when band = 'expired' then concat('the certificate is sent although it ended ', to_char(not_after, '%Y-%m-%d %H:%M'))
            when days_left < 0 then concat('the certificate in use ended ', to_char(not_after, '%Y-%m-%d %H:%M'))
            else concat(
                'the certificate in use ends ', to_char(not_after, '%Y-%m-%d'), ', in ', days_left,
                case when days_left = 1 then ' day' else ' days' end
            )
        end as detail
    from certificate_expiry
    where band is not null
),

-- What is asked about a finding is answered for few columns; the texts are joined once, at the end.
mismatched as (
    select distinct
        organization,
        connector_id,
        server,
        kind,
        value,
        first_seen
    from attribution
    where verdict = 'expected_mismatch' and not inferred
),

-- Every server that reached Exchange Online meanwhile, and whether it was refused for long.
refused_there as (
    select
        broken.organization,
        broken.connector_id,
        broken.first_seen,
        broken.last_refused,
        cloud_hours.server,
        coalesce(
            max(cloud_hours.last_refused)
            >= greatest(min(cloud_hours.first_refused), broken.first_seen) + setting('relaydrift.critical_minutes'),
            false
        ) as for_long
    from (select distinct organization, connector_id, first_seen, last_refused from changed where breaks) as broken
    inner join cloud_hours
        on broken.organization = cloud_hours.organization
        and broken.connector_id = cloud_hours.connector_id
        and cloud_hours.hour >= date_trunc('hour', broken.first_seen)
        and cloud_hours.hour <= broken.last_refused
    group by broken.organization, broken.connector_id, broken.first_seen, broken.last_refused, cloud_hours.server
),

refused_everywhere as (
    select
        organization,
        connector_id,
        first_seen,
        last_refused,
        bool_and(for_long) as everywhere
    from refused_there
    group by organization, connector_id, first_seen, last_refused
),

-- Whose mail is relayed again has proved it after the last refusal.
relayed as (
    select
        organization,
        connector_id,
        server,
        near['at'] as last_refused,
        near['next'] as again
    from (
        select organization, connector_id, server, unnest(around(asked, proved)) as near
        from (
            select organization, connector_id, server, last_refused as asked, null as proved
            from changed
            union all
            select organization, connector_id, server, null as asked, at as proved
            from proved_relays
        )
        group by organization, connector_id, server
    )
),

weighed as (
    select
        changed.found_at,
        changed.kind,
        changed.class,
        changed.severity,
        changed.breaks or mismatched.organization is not null as breaking,
        coalesce(refused_everywhere.everywhere, false) as everywhere,
        changed.organization,
        changed.connector_id,
        connectors.role,
        changed.server,
        changed.before,
        changed.after,
        changed.first_seen,
        changed.last_good,
        changed.refused_after,
        changed.last_refused,
        relayed.again,
        changed.session_id,
        changed.detail,
        planned.planned_change_id
    from changed
    inner join connectors
        on changed.organization = connectors.organization and changed.connector_id = connectors.connector_id
    left join mismatched
        on changed.organization = mismatched.organization
        and changed.connector_id = mismatched.connector_id
        and changed.server = mismatched.server
        and changed.kind = mismatched.kind
        and changed.after = mismatched.value
        and changed.first_seen = mismatched.first_seen
    left join planned_findings as planned
        on changed.kind = planned.kind
        and changed.organization = planned.organization
        and changed.connector_id = planned.connector_id
        and changed.server = planned.server
        and changed.class = planned.class
        and changed.first_seen = planned.first_seen
        and changed.after = planned.after
    left join refused_everywhere
        on changed.breaks
        and changed.organization = refused_everywhere.organization
        and changed.connector_id = refused_everywhere.connector_id
        and changed.first_seen = refused_everywhere.first_seen
        and changed.last_refused = refused_everywhere.last_refused
    left join relayed
        on changed.organization = relayed.organization
        and changed.connector_id = relayed.connector_id
        and changed.server = relayed.server
        and changed.last_refused = relayed.last_refused
    where connectors.role in ('cloud_hybrid', 'cloud_relay')
)

select
    found_at,
    kind,
    class,
    case
        when breaking and everywhere then setting('relaydrift.severity_refused_everywhere')
        when breaking then setting('relaydrift.severity_refused')
        when planned_change_id is not null then 'info'
        else severity
    end as severity,
    breaking,
    organization,
    connector_id,
    role,
    server,
    before,
    after,
    first_seen,
    last_good,
    refused_after,
    last_refused,
    again as relayed_again,
    session_id,
    detail,
    left(
        encode(
            sha256(
                concat_ws(
                    chr(31), kind, organization, connector_id, server, before, after,
                    cast(cast(first_seen as bigint) as varchar)
                )
            ),
            'hex'
        ),
        32
    ) as key,
    planned_change_id
from weighed
