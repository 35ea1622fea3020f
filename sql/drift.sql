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
-- certificate_expiry, attribution, connectors, cloud_hours, authorized_changes, proved_relays.
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

-- `change` holds the finding as a whole, so that grouping by server and back needs no list of columns.
fleet as (
    select
        changed.kind,
        changed.organization,
        changed.connector_id,
        changed.server,
        changed.class,
        changed.first_seen,
        changed.after,
        first_value(
            named_struct(
                'severity', changed.severity, 'found_at', changed.found_at, 'role', connectors.role,
                'before', changed.before, 'last_good', changed.last_good,
                'breaks', changed.breaks or mismatched.organization is not null,
                'refused', changed.refused_after, 'last_refused', changed.last_refused,
                'session_id', changed.session_id, 'detail', changed.detail
            )
        ) as change,
        coalesce(
            max(cloud_hours.last_refused)
            >= greatest(min(cloud_hours.first_refused), changed.first_seen) + setting('relaydrift.critical_minutes'),
            false
        ) as server_refused,
        min(planned.id) as planned_change_id
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
    left join authorized_changes as planned
        on changed.organization = planned.organization
        and lower(changed.connector_id) = planned.connector
        and changed.kind in ('certificate', 'egress')
        and changed.class not in ('diverged', 'expired', 'expiring')
        and changed.first_seen >= planned.starts
        and changed.first_seen <= planned.ends
        and (changed.after = planned.thumbprint or ip_in(changed.after, planned.address))
    left join cloud_hours
        on changed.organization = cloud_hours.organization
        and changed.connector_id = cloud_hours.connector_id
        and changed.breaks
        and cloud_hours.hour >= date_trunc('hour', changed.first_seen)
        and cloud_hours.hour <= changed.last_refused
    where connectors.role in ('cloud_hybrid', 'cloud_relay')
    group by
        changed.kind,
        changed.organization,
        changed.connector_id,
        changed.server,
        changed.class,
        changed.first_seen,
        changed.after,
        cloud_hours.server
),

-- Whose mail is relayed again has proved it after the last refusal: with its address where that is the change.
weighed as (
    select
        fleet.kind,
        fleet.organization,
        fleet.connector_id,
        fleet.server,
        fleet.class,
        fleet.first_seen,
        fleet.after,
        first_value(fleet.change) as change,
        bool_and(fleet.server_refused) as fleet_refused,
        min(fleet.planned_change_id) as planned_change_id,
        min(proved_relays.at) as relayed_again
    from fleet
    left join proved_relays
        on fleet.organization = proved_relays.organization
        and fleet.connector_id = proved_relays.connector_id
        and fleet.server = proved_relays.server
        and case when fleet.kind = 'egress' then 'egress' else 'certificate' end = proved_relays.kind
        and proved_relays.at > fleet.change['last_refused']
    group by
        fleet.kind,
        fleet.organization,
        fleet.connector_id,
        fleet.server,
        fleet.class,
        fleet.first_seen,
        fleet.after
)

select
    change['found_at'] as found_at,
    kind,
    class,
    case
        when change['breaks'] and fleet_refused then setting('relaydrift.severity_refused_everywhere')
        when change['breaks'] then setting('relaydrift.severity_refused')
        when planned_change_id is not null then 'info'
        else change['severity']
    end as severity,
    change['breaks'] as breaking,
    organization,
    connector_id,
    change['role'] as role,
    server,
    change['before'] as before,
    after,
    first_seen,
    change['last_good'] as last_good,
    change['refused'] as refused_after,
    change['last_refused'] as last_refused,
    relayed_again,
    change['session_id'] as session_id,
    change['detail'] as detail,
    left(
        encode(
            sha256(
                concat_ws(
                    chr(31), kind, organization, connector_id, server, change['before'], after,
                    cast(cast(first_seen as bigint) as varchar)
                )
            ),
            'hex'
        ),
        32
    ) as key,
    planned_change_id
from weighed
