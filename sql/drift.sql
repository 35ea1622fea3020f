-- One finding: a change on a connector toward Exchange Online, of any kind.
-- found_at: time of the deciding row; kind, class: what changed and how (see `certificate_changes`,
-- `egress_changes`); breaking: recipients were refused for it; before, after: the values; first_seen: when the new
-- value first showed; last_good: the last proved relay before; refused_after: recipients refused under the new
-- value; session_id: the deciding session; detail: a sentence; key: hash of kind, organization, connector, server,
-- before, after, first_seen.
-- severity: `severity_refused_everywhere` where it breaks and every server of the connector that reached Exchange
-- Online between the change and the last refusal was refused for `critical_minutes` or longer; `severity_refused`
-- where it breaks; `severity_repaired` for a return that ends refusals; else the setting of its class.
-- Grain: key. Reads: certificate_changes, egress_changes, connectors, cloud_hours.
with changed as (
    select
        'certificate' as kind,
        organization,
        connector_id,
        server,
        class,
        found_at,
        before,
        before_refused,
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
        found_at,
        before,
        before_refused,
        after,
        first_seen,
        last_good,
        breaks,
        refused_after,
        last_refused,
        session_id,
        detail
    from egress_changes
),

-- `change` holds the finding as a whole, so that grouping by server and back needs no list of columns.
fleet as (
    select
        changed.kind,
        changed.organization,
        changed.connector_id,
        changed.server,
        changed.first_seen,
        changed.after,
        first_value(
            named_struct(
                'class', changed.class, 'found_at', changed.found_at, 'role', connectors.role,
                'before', changed.before, 'before_refused', changed.before_refused,
                'last_good', changed.last_good, 'breaks', changed.breaks,
                'refused', changed.refused_after, 'session_id', changed.session_id, 'detail', changed.detail
            )
        ) as change,
        coalesce(
            max(cloud_hours.last_refused)
            >= greatest(min(cloud_hours.first_refused), changed.first_seen) + setting('relaydrift.critical_minutes'),
            false
        ) as server_refused
    from changed
    inner join connectors
        on changed.organization = connectors.organization and changed.connector_id = connectors.connector_id
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
        changed.first_seen,
        changed.after,
        cloud_hours.server
),

weighed as (
    select
        kind,
        organization,
        connector_id,
        server,
        first_seen,
        after,
        first_value(change) as change,
        bool_and(server_refused) as fleet_refused
    from fleet
    group by kind, organization, connector_id, server, first_seen, after
)

select
    change['found_at'] as found_at,
    kind,
    change['class'] as class,
    case
        when change['breaks'] and fleet_refused then setting('relaydrift.severity_refused_everywhere')
        when change['breaks'] then setting('relaydrift.severity_refused')
        when change['class'] = 'reverted' and change['before_refused'] > 0 and change['refused'] = 0
            then setting('relaydrift.severity_repaired')
        when change['class'] = 'renewed' then setting('relaydrift.severity_renewed')
        when change['class'] = 'reissued' then setting('relaydrift.severity_reissued')
        when change['class'] = 'renamed' then setting('relaydrift.severity_renamed')
        when change['class'] = 'names_lost' then setting('relaydrift.severity_names_lost')
        when change['class'] = 'reverted' then setting('relaydrift.severity_reverted')
        when change['class'] = 'flapping' then setting('relaydrift.severity_flapping')
        when change['class'] = 'moved' then setting('relaydrift.severity_moved')
        when change['class'] = 'family_changed' then setting('relaydrift.severity_family_changed')
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
    ) as key
from weighed
