-- One change of certificate or address that was planned: a planned change names its connector, its new value and a time
-- in which it began. Grain: kind, organization, connector_id, server, class, first_seen, after.
-- Reads: certificate_changes, egress_changes, lapses, authorized_changes.
select
    changed.kind,
    changed.organization,
    changed.connector_id,
    changed.server,
    changed.class,
    changed.first_seen,
    changed.after,
    min(plans.id) as planned_change_id
from (
    select 'certificate' as kind, organization, connector_id, server, class, first_seen, after
    from certificate_changes
    union all
    select 'egress' as kind, organization, connector_id, server, class, first_seen, after
    from egress_changes
    union all
    select kind, organization, connector_id, server, class, first_seen, after
    from lapses
    where kind = 'certificate'
) as changed
inner join authorized_changes as plans
    on changed.organization = plans.organization
    and lower(changed.connector_id) = plans.connector
    and changed.first_seen >= plans.starts
    and changed.first_seen <= plans.ends
    and (changed.after = plans.thumbprint or ip_in(changed.after, plans.address))
group by
    changed.kind,
    changed.organization,
    changed.connector_id,
    changed.server,
    changed.class,
    changed.first_seen,
    changed.after
